//! Which of these containers hold a pod together?
//!
//! A pod's pause container owns the namespaces that the others share: while it is refused, no container of any pod starts, whatever its own image. In:
//! the running containers. Out: for each, whether it is one. A mark that a user or an image's author can set would let him have his own container taken
//! for one, and so keep a ban of it out of every node; so each rule rests on an ID that nobody knows before the container is made:
//!
//! | engine | told by | seen with |
//! |---|---|---|
//! | containerd's CRI (namespace `k8s.io`) | its sandbox is itself, and its type is `sandbox`; whoever asks for other values is overruled | 1.6.20, 2.1.4 |
//! | CRI-O (bundle in the run root) | the same; a pod's author can unmark his own sandbox, and mark nothing | source (1.24 to 1.37) |
//! | Podman (bundle in the graph root) | a running container of the same store names it as its sandbox; its own bundle has no mark | 4.3.1, 5.8.6 |
//! | Docker, users' engines | never | |

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::container::bundle::LARGEST_SPEC;
use crate::container::engine::{self, Place};
use crate::container::running::RunningContainer;
use crate::sys::file::{self, Guard};

/// The value of a type that stands for a pause container.
const SANDBOX: &str = "sandbox";

/// The part of a runtime spec that is read.
#[derive(Default, Deserialize)]
struct Spec {
    #[serde(default)]
    annotations: Option<Marks>,
}

/// The annotations that engines set (containerd: pkg/cri/annotations; CRI-O and Podman: pkg/annotations).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Marks {
    #[serde(rename = "io.kubernetes.cri.container-type", default)]
    cri_type: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-id", default)]
    cri_sandbox: Option<String>,
    #[serde(rename = "io.kubernetes.cri-o.ContainerType", default)]
    storage_type: Option<String>,
    #[serde(rename = "io.kubernetes.cri-o.SandboxID", default)]
    storage_sandbox: Option<String>,
}

/// A container, and what its engine says of the pod it is in.
struct Member<'a> {
    id: &'a str,
    place: Place,
    is_trusted: bool,
    marks: Marks,
}

/// For each of `running`, whether it is a pod's pause container.
pub(super) fn among(running: &[&RunningContainer]) -> Vec<bool> {
    let members: Vec<_> = running.iter().map(|container| Member::of(container)).collect();
    members.iter().map(|member| member.is_trusted && (member.says_so() || members.iter().any(|other| other.hangs_on(member)))).collect()
}

impl<'a> Member<'a> {
    fn of(container: &'a RunningContainer) -> Self {
        let is_trusted = container.is_trusted();
        let place = engine::place_of(&container.bundle, &container.id);
        let marks = if is_trusted { marks(&container.bundle) } else { Marks::default() };
        Self { id: container.id.as_str(), place, is_trusted, marks }
    }

    /// Whether its engine marks it as its own pod's sandbox.
    fn says_so(&self) -> bool {
        let Marks { cri_type, cri_sandbox, storage_type, storage_sandbox } = &self.marks;
        let own = |kind: &Option<String>, sandbox: &Option<String>| kind.as_deref() == Some(SANDBOX) && sandbox.as_deref() == Some(self.id);
        match &self.place {
            Place::Task { namespace, .. } => namespace == "k8s.io" && own(cri_type, cri_sandbox),
            Place::Storage { .. } => own(storage_type, storage_sandbox),
            Place::BuildKit { .. } | Place::Buildah | Place::Elsewhere => false,
        }
    }

    /// Whether it is in a pod of Podman's that `other` holds together.
    fn hangs_on(&self, other: &Self) -> bool {
        let names_it = self.id != other.id && self.marks.storage_sandbox.as_deref() == Some(other.id);
        self.is_trusted && names_it && self.place == other.place && self.podman_store().is_some()
    }

    /// The store of Podman that it is in: its bundles stand where the layers are. CRI-O's do not, and there a pod's author has a say in the annotation.
    fn podman_store(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Storage { store, driver } => Some(store.clone()).filter(|store| store.join(format!("{driver}-layers")).is_dir()),
            Place::Task { .. } | Place::BuildKit { .. } | Place::Buildah | Place::Elsewhere => None,
        }
    }
}

/// The marks in a bundle; none in one that cannot be read.
fn marks(bundle: &Path) -> Marks {
    let json = file::read(&bundle.join("config.json"), LARGEST_SPEC, Guard::Any).unwrap_or_default();
    serde_json::from_slice::<Spec>(&json).ok().and_then(|spec| spec.annotations).unwrap_or_default()
}
