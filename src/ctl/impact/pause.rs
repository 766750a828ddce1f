//! Finds the pause containers among the running containers.
//!
//! A pod's pause container owns the namespaces that the others share: while it is refused, no
//! container of any pod starts, whatever its own image. In: the running containers. Out: for each,
//! whether it is one. A mark that a user, a pod's author or an image's author can set would let him
//! pass off any container as one, and so keep a ban of it out of every node; he can even know the
//! IDs of those that run. So each rule rests on what the engine alone writes:
//!
//! | engine | rule | seen with |
//! |---|---|---|
//! | containerd's CRI (namespace `k8s.io`) | its sandbox is itself, and its type is `sandbox`; whoever asks for other values is overruled | 1.6.20, 2.1.4 |
//! | CRI-O | the record in its store says so; the annotations of the bundle are the pod's author's as well and are not read | 1.37, by hand |
//! | Podman | another container of its pod's cgroup has joined namespaces of its first process | 4.3.1, 5.8.6 |
//! | Docker, users' engines | never | |
//!
//! Not recognised: the pause container of a Podman pod whose containers share no cgroup
//! (`--share-parent=false`) or no namespace.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::container::engine::{self, BundlePlace};
use crate::lineage::storage::{self, InPod, Maker};
use crate::node::runtime_state::RunningContainer;

/// The type of a pause container.
const SANDBOX: &str = "sandbox";

/// The part of a runtime spec that is read.
#[derive(Default, Deserialize)]
struct Spec {
    #[serde(default)]
    annotations: Option<Marks>,
    #[serde(default)]
    linux: Option<Linux>,
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
struct Linux {
    #[serde(default)]
    namespaces: Option<Vec<Namespace>>,
    #[serde(rename = "cgroupsPath", default)]
    cgroup: Option<String>,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(default)]
    path: Option<PathBuf>,
}

/// A container, and what its engine says of the pod it is in.
struct Member {
    pid: u32,
    part: Part,
}

/// What a container is in its pod.
enum Part {
    /// It holds the pod together.
    Pause,
    /// It is in a Podman pod.
    OfPodman(PodOfPodman),
    /// It is in no pod, or does not hold one together.
    Other,
}

/// What ties a Podman container to the others of its pod.
struct PodOfPodman {
    place: BundlePlace,
    /// The pod's cgroup, as the bundle names it: Podman makes one for each pod, and puts its
    /// containers into it.
    cgroup: String,
    /// The processes whose namespaces it has joined.
    joined: Vec<u32>,
}

/// For each of `running`, whether it is a pod's pause container.
pub(super) fn among(running: &[&RunningContainer]) -> Vec<bool> {
    let members: Vec<_> = running
        .iter()
        .map(|container| Member::of(container))
        .collect();
    let is_pause = |member: &Member| match &member.part {
        Part::Pause => true,
        Part::OfPodman(pod) => members.iter().any(|other| other.hangs_on(member.pid, pod)),
        Part::Other => false,
    };
    members.iter().map(is_pause).collect()
}

impl Member {
    fn of(container: &RunningContainer) -> Self {
        let part = if container.is_trusted() {
            Part::of(container)
        } else {
            Part::Other
        };
        Self {
            pid: container.process.pid,
            part,
        }
    }

    /// Whether it is in this pod and has joined namespaces of the pod's process `pid`.
    fn hangs_on(&self, pid: u32, pod: &PodOfPodman) -> bool {
        match &self.part {
            Part::OfPodman(own) => {
                own.cgroup == pod.cgroup
                    && own.place == pod.place
                    && self.pid != pid
                    && own.joined.contains(&pid)
            }
            Part::Pause | Part::Other => false,
        }
    }
}

impl Part {
    fn of(container: &RunningContainer) -> Self {
        let place = engine::place_of(&container.bundle, &container.id);
        match &place {
            BundlePlace::Task { namespace, .. } if namespace == "k8s.io" => {
                Self::of_containerd(container)
            }
            BundlePlace::Storage { store, driver } => {
                let bundle = container.load_bundle().ok();
                match bundle.and_then(|bundle| storage::maker(&bundle, store, driver)) {
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
    /// `None` for a container that is in no pod.
    fn of(container: &RunningContainer, place: BundlePlace) -> Option<Self> {
        let Linux { namespaces, cgroup } = spec(container).linux?;
        let cgroup = pod_cgroup(cgroup.as_deref()?, container.id.as_str())?.to_owned();
        let joined = namespaces
            .unwrap_or_default()
            .iter()
            .filter_map(|namespace| process_of(namespace.path.as_deref()?))
            .collect();
        Some(Self {
            place,
            cgroup,
            joined,
        })
    }
}

/// The part of a container's cgroup path before its own, when that part names a pod by its ID;
/// seen: `/libpod_parent/<pod>/libpod-<container>`; from source:
/// `machine-libpod_pod_<pod>.slice:libpod:<container>`.
fn pod_cgroup<'a>(path: &'a str, id: &str) -> Option<&'a str> {
    let parent = path.strip_suffix(id)?;
    let is_pod_id =
        |part: &str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parent
        .split(['/', '_', '.'])
        .any(is_pod_id)
        .then_some(parent)
}

/// The process whose namespace has this path, `/proc/<process>/ns/<kind>`.
fn process_of(path: &Path) -> Option<u32> {
    let (process, kind) = path
        .strip_prefix("/proc")
        .ok()?
        .to_str()?
        .split_once("/ns/")?;
    (!kind.contains('/'))
        .then(|| process.parse().ok())
        .flatten()
}

/// What is read of a bundle's spec; empty for one that cannot be read.
fn spec(container: &RunningContainer) -> Spec {
    serde_json::from_slice(&container.spec().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
