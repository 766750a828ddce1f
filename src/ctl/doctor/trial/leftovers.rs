//! Removes the directories that a trial leaves in the places of containerd and runc.
//!
//! containerd and runc make directories for a namespace, and keep them when the namespace is gone
//! (seen with containerd 1.6.20 and runc 1.1.5). In: the node's containerds. Only empty directories
//! are removed: another `doctor` may be at work. Both programs make them anew when they need them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lineage::containerd::TASKS;
use crate::node::runtime_state::CONTAINERD_RUNC;
use crate::settings::ContainerdPlace;

/// Removes the directories of this namespace.
pub(super) fn remove(namespace: &str, containerds: &[ContainerdPlace]) {
    for directory in directories(namespace, containerds) {
        // What is missing or not empty stays as it is.
        drop(fs::remove_dir(directory));
    }
}

fn directories(namespace: &str, containerds: &[ContainerdPlace]) -> Vec<PathBuf> {
    let mut directories = vec![Path::new(CONTAINERD_RUNC).join(namespace)];
    for place in containerds {
        directories.push(place.root.join(TASKS).join(namespace));
        if let Some(state) = &place.state {
            directories.push(state.join(TASKS).join(namespace));
        }
    }
    directories
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_directories_of_the_namespace_are_removed_and_others_stay() {
        let node = tempfile::tempdir().unwrap();
        let (root, state) = (node.path().join("lib"), node.path().join("run"));
        let of = |place: &Path, name: &str| place.join(TASKS).join(name);
        for path in [
            of(&root, "trial"),
            of(&root, "k8s.io"),
            of(&state, "trial/busy"),
        ] {
            fs::create_dir_all(path).unwrap();
        }
        let places = [ContainerdPlace {
            root: root.clone(),
            state: Some(state.clone()),
        }];
        remove("trial", &places);
        assert!(of(&root, "trial").symlink_metadata().is_err());
        assert!(of(&root, "k8s.io").symlink_metadata().is_ok());
        assert!(of(&state, "trial/busy").symlink_metadata().is_ok());
    }
}
