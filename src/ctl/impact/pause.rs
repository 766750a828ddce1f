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

use std::path::Path;

use serde::Deserialize;

use crate::container::bundle::LARGEST_SPEC;
use crate::container::engine::{self, Place};
use crate::node::runtime_state::RunningContainer;
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
        // With CRI-O a pod's author has a say in the annotation.
        self.is_trusted && names_it && self.place == other.place && self.place.is_in_graph_root()
    }
}

/// The marks in a bundle; none in one that cannot be read.
fn marks(bundle: &Path) -> Marks {
    let json = file::read(&bundle.join("config.json"), LARGEST_SPEC, Guard::Any).unwrap_or_default();
    serde_json::from_slice::<Spec>(&json).ok().and_then(|spec| spec.annotations).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::ContainerId;
    use crate::container::runtime::RuntimeKind;
    use crate::node::runtime_state::InitProcess;
    use std::fs;
    use std::io::Write;

    /// A container with this bundle and these annotations.
    fn container(bundle: &Path, id: &str, annotations: &[(&str, &str)]) -> RunningContainer {
        let annotations: serde_json::Map<_, _> = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        fs::create_dir_all(bundle).unwrap();
        let mut file = fs::OpenOptions::new().create_new(true).write(true).open(bundle.join("config.json")).unwrap();
        write!(file, "{}", serde_json::json!({ "annotations": annotations, "root": { "path": "rootfs" } })).unwrap();
        RunningContainer {
            id: ContainerId::parse(id).unwrap(),
            kind: RuntimeKind::Runc,
            root: "/run/runc".into(),
            bundle: bundle.to_owned(),
            process: InitProcess { pid: 1, started: None },
            owner: 0,
        }
    }

    #[test]
    fn a_pod_of_the_cri_is_held_by_the_sandbox_that_is_itself() {
        let folder = tempfile::tempdir().unwrap();
        let marks = |kind, sandbox| [("io.kubernetes.cri.container-type", kind), ("io.kubernetes.cri.sandbox-id", sandbox)];
        for (at, (namespace, kind, sandbox, is_pause)) in [
            ("k8s.io", "sandbox", "p1", true),
            ("k8s.io", "container", "p1", false),
            ("k8s.io", "sandbox", "p2", false),
            ("k8s.io", "sandbox", "", false),
            ("moby", "sandbox", "p1", false),
            ("default", "sandbox", "p1", false),
        ]
        .into_iter()
        .enumerate()
        {
            let bundle = folder.path().join(at.to_string()).join("io.containerd.runtime.v2.task").join(namespace).join("p1");
            let one = container(&bundle, "p1", &marks(kind, sandbox));
            assert_eq!(among(&[&one]), [is_pause], "{namespace} {kind} {sandbox}");
            let of_user = RunningContainer { owner: 4_242_424, ..one };
            assert_eq!(among(&[&of_user]), [false]);
        }
    }

    #[test]
    fn a_pod_of_podmans_is_held_by_the_container_that_its_others_name() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = |store: &str, id: &str| folder.path().join(store).join("overlay-containers").join(id).join("userdata");
        fs::create_dir_all(folder.path().join("graph/overlay-layers")).unwrap();
        let sandbox = |id| [("io.kubernetes.cri-o.SandboxID", id)];
        let infra = container(&bundle("graph", "infra"), "infra", &[]);
        let one = container(&bundle("graph", "one"), "one", &sandbox("infra"));
        let two = container(&bundle("graph", "two"), "two", &sandbox("infra"));
        // An image's author may set annotations (Podman 4.3.1), and knows no ID.
        let author = [("io.kubernetes.cri-o.ContainerType", "sandbox"), ("io.kubernetes.cri-o.SandboxID", "x")];
        let forged = container(&bundle("graph", "forged"), "forged", &author);
        assert_eq!(among(&[&infra, &one, &two, &forged]), [true, false, false, false]);
        assert_eq!(among(&[&infra, &forged]), [false, false]);
        let elsewhere = container(&bundle("other", "three"), "three", &sandbox("infra"));
        assert_eq!(among(&[&infra, &elsewhere]), [false, false]);
        let of_user = RunningContainer { owner: 4_242_424, ..one };
        assert_eq!(among(&[&infra, &of_user]), [false, false]);
    }

    #[test]
    fn a_pod_of_cri_os_is_held_by_the_sandbox_that_is_itself_and_by_no_other_word() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = |id: &str| folder.path().join("run/overlay-containers").join(id).join("userdata");
        let marks = |kind, sandbox| [("io.kubernetes.cri-o.ContainerType", kind), ("io.kubernetes.cri-o.SandboxID", sandbox)];
        let pause = container(&bundle("pod"), "pod", &marks("sandbox", "pod"));
        let app = container(&bundle("app"), "app", &marks("container", "pod"));
        // The annotations of a pod reach its sandbox: its author names another container, whose ID he can know by now.
        let forged = container(&bundle("forged"), "forged", &marks("sandbox", "app"));
        assert_eq!(among(&[&pause, &app, &forged]), [true, false, false]);
    }
}
