//! Finds the pause containers among the running containers.
//!
//! A pod's pause container owns the namespaces that the pod's other containers share. While the
//! image of the pause container is refused, no container of any pod can start. In: the running
//! containers. Out: for each container, whether it is a pause container. A list that newly refuses
//! a pause container is never installed. So a user, the author of a pod or the author of an image
//! must not be able to mark a container as a pause container: he could keep a ban out of every
//! node. He may even know the IDs of running containers. Therefore each rule uses only what the
//! engine alone writes:
//!
//! | engine | rule | seen with |
//! |---|---|---|
//! | containerd's CRI (namespace `k8s.io`) | the container's annotations name the container itself as its sandbox, and its type as `sandbox`; the engine overwrites other values | 1.6.20, 2.1.4 |
//! | CRI-O | the container's record in the engine's store says so; the bundle's annotations are not read, because a pod's author can set them | 1.37, by hand |
//! | Podman | another container in the cgroup of the same pod has joined namespaces of the first process of the pause container | 4.3.1, 5.8.6 |
//! | Docker, users' engines | never | |
//!
//! Not recognised: the pause container of a Podman pod whose containers share no cgroup
//! (`--share-parent=false`) or no namespace.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::container::engine::{self, BundlePlace};
use crate::lineage::storage::{self, InPod, Maker};
use crate::node::runtime_state::RunningContainer;

/// The container type of a pause container in the CRI's annotations.
const SANDBOX: &str = "sandbox";

/// The part of a runtime spec that this file reads.
#[derive(Default, Deserialize)]
struct PodSpec {
    #[serde(default)]
    annotations: Option<Marks>,
    #[serde(default)]
    linux: Option<SpecLinux>,
}

/// The annotations that containerd's CRI sets last (containerd: pkg/cri/annotations).
#[derive(Default, Deserialize)]
struct Marks {
    #[serde(rename = "io.kubernetes.cri.container-type", default)]
    kind: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-id", default)]
    sandbox: Option<String>,
}

#[derive(Default, Deserialize)]
struct SpecLinux {
    #[serde(default)]
    namespaces: Option<Vec<SpecNamespace>>,
    #[serde(rename = "cgroupsPath", default)]
    cgroup: Option<String>,
}

#[derive(Deserialize)]
struct SpecNamespace {
    #[serde(default)]
    path: Option<PathBuf>,
}

/// A running container, and its role in its pod.
struct Member {
    pid: u32,
    part: PodPart,
}

/// The role of a container in its pod.
enum PodPart {
    /// The pod's pause container.
    Pause,
    /// A container in a Podman pod. The pod's other containers show which container is the pause
    /// container.
    OfPodman(PodOfPodman),
    /// A container in no pod, or not the pause container of its pod.
    Other,
}

/// What connects a Podman container to the other containers of its pod.
struct PodOfPodman {
    place: BundlePlace,
    /// The pod's cgroup, as the bundle names it. Podman creates a cgroup for each pod and puts the
    /// pod's containers into it.
    cgroup: String,
    /// The IDs of the processes whose namespaces the container has joined.
    joined: Vec<u32>,
}

/// For each container in `running`, whether it is the pause container of a pod.
pub(super) fn among(running: &[&RunningContainer]) -> Vec<bool> {
    let mut members = Vec::new();
    for container in running {
        members.push(Member::of(container));
    }
    let mut pauses = Vec::new();
    for member in &members {
        pauses.push(match &member.part {
            PodPart::Pause => true,
            PodPart::OfPodman(pod) => members.iter().any(|other| other.hangs_on(member.pid, pod)),
            PodPart::Other => false,
        });
    }
    pauses
}

impl Member {
    fn of(container: &RunningContainer) -> Self {
        let part = if container.is_trusted() {
            PodPart::of(container)
        } else {
            PodPart::Other
        };
        Self {
            pid: container.process.pid,
            part,
        }
    }

    /// Whether this container is in the pod `pod`, and has joined namespaces of that pod's process
    /// `pid`.
    fn hangs_on(&self, pid: u32, pod: &PodOfPodman) -> bool {
        match &self.part {
            PodPart::OfPodman(own) => {
                own.cgroup == pod.cgroup
                    && own.place == pod.place
                    && self.pid != pid
                    && own.joined.contains(&pid)
            }
            PodPart::Pause | PodPart::Other => false,
        }
    }
}

impl PodPart {
    fn of(container: &RunningContainer) -> Self {
        let place = engine::place_of(&container.bundle, &container.id);
        match &place {
            BundlePlace::Task { namespace, .. } if namespace == "k8s.io" => {
                Self::of_containerd(container)
            }
            BundlePlace::Storage { store, driver } => {
                let Ok(bundle) = container.load_bundle() else {
                    return Self::Other;
                };
                match storage::maker(&bundle, store, driver) {
                    Some(Maker::CriO(InPod::Sandbox)) => Self::Pause,
                    Some(Maker::Podman) => {
                        PodOfPodman::of(container, place).map_or(Self::Other, Self::OfPodman)
                    }
                    Some(Maker::CriO(InPod::Member)) | None => Self::Other,
                }
            }
            BundlePlace::Task { .. }
            | BundlePlace::BuildKit { .. }
            | BundlePlace::Buildah
            | BundlePlace::Elsewhere => Self::Other,
        }
    }

    fn of_containerd(container: &RunningContainer) -> Self {
        let Marks { kind, sandbox } = spec(container).annotations.unwrap_or_default();
        let is_own =
            kind.as_deref() == Some(SANDBOX) && sandbox.as_deref() == Some(container.id.as_str());
        if is_own { Self::Pause } else { Self::Other }
    }
}

impl PodOfPodman {
    /// Reads a container's pod from its bundle. `None` if the container is in no pod.
    fn of(container: &RunningContainer, place: BundlePlace) -> Option<Self> {
        let SpecLinux { namespaces, cgroup } = spec(container).linux?;
        let cgroup = pod_cgroup(cgroup.as_deref()?, container.id.as_str())?.to_owned();
        let mut joined = Vec::new();
        for namespace in namespaces.unwrap_or_default() {
            joined.extend(namespace.path.as_deref().and_then(process_of));
        }
        Some(Self {
            place,
            cgroup,
            joined,
        })
    }
}

/// The part of a container's cgroup path before the container's own, if that part contains the ID
/// of a pod. Seen: `/libpod_parent/<pod>/libpod-<container>`. From Podman's source:
/// `machine-libpod_pod_<pod>.slice:libpod:<container>`.
fn pod_cgroup<'a>(path: &'a str, id: &str) -> Option<&'a str> {
    let parent = path.strip_suffix(id)?;
    if parent.split(['/', '_', '.']).any(is_pod_id) {
        Some(parent)
    } else {
        None
    }
}

fn is_pod_id(part: &str) -> bool {
    part.len() == 64 && part.as_bytes().iter().all(u8::is_ascii_hexdigit)
}

/// The ID of the process whose namespace has this path: `/proc/<process>/ns/<kind>`.
fn process_of(path: &Path) -> Option<u32> {
    let (process, kind) = path
        .strip_prefix("/proc")
        .ok()?
        .to_str()?
        .split_once("/ns/")?;
    if kind.contains('/') {
        return None;
    }
    process.parse().ok()
}

/// The part of a bundle's runtime spec that this file reads. Empty if the spec cannot be read.
fn spec(container: &RunningContainer) -> PodSpec {
    serde_json::from_slice(&container.spec().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
