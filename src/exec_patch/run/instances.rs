//! Decides which of the containers that a scan found are new to this run.
//!
//! Pure. In: the containers of each scan. Out: whether a container must be patched, whether this
//! instance is already known, or whether the container has restarted too often. Without that limit,
//! a container that restarts again and again would prevent the run from ending.

use std::collections::{HashMap, HashSet};

use super::super::job::Container;

/// How many instances of one container a run patches.
pub const MOST: usize = 3;

/// All instances that a run has seen.
#[derive(Clone, Debug, Default)]
pub struct SeenInstances {
    /// For each container, the process IDs and start times of its instances.
    seen: HashMap<Name, HashSet<(u32, u64)>>,
}

/// What stays the same when a container restarts: the runtime's state directory and the ID.
type Name = (std::path::PathBuf, String);

/// What a run must do with a container that a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Patch the container: the instance is new.
    New,
    /// Nothing: the run knows this instance, or has reported the container as restarting.
    Known,
    /// Report the container as restarting: it has had more than [`MOST`] instances.
    Restarting,
}

impl SeenInstances {
    /// Decides about a container that a scan found.
    pub fn meet(&mut self, container: &Container) -> Sighting {
        let instances = self
            .seen
            .entry((container.root.clone(), container.id.clone()))
            .or_default();
        let most = MOST + 1;
        if instances.len() == most || !instances.insert((container.pid, container.started)) {
            Sighting::Known
        } else if instances.len() == most {
            Sighting::Restarting
        } else {
            Sighting::New
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::engine::Engine;
    use crate::container::runtime::RuntimeKind;

    fn instance(root: &str, id: &str, pid: u32, started: u64) -> Container {
        Container {
            id: id.into(),
            engine: Engine::Docker,
            namespace: None,
            name: None,
            image: None,
            image_id: None,
            kind: RuntimeKind::Runc,
            root: root.into(),
            bundle: "/b".into(),
            owner: 0,
            pid,
            started,
        }
    }

    #[test]
    fn each_instance_has_one_turn_and_a_container_three() {
        use Sighting::{Known, New, Restarting};
        let mut instances = SeenInstances::default();
        for (root, id, pid, started, novelty) in [
            ("/r", "a", 7, 100, New),
            ("/r", "a", 7, 100, Known),
            ("/r", "b", 7, 100, New),
            ("/other", "a", 7, 100, New),
            ("/r", "a", 7, 200, New),
            ("/r", "a", 8, 200, New),
            ("/r", "a", 7, 100, Known),
            ("/r", "a", 9, 300, Restarting),
            ("/r", "a", 9, 300, Known),
            ("/r", "a", 10, 400, Known),
            ("/r", "b", 8, 100, New),
        ] {
            assert_eq!(
                instances.meet(&instance(root, id, pid, started)),
                novelty,
                "{root} {id} {pid} {started}"
            );
        }
    }
}
