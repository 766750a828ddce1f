//! Lists where a node's engines keep their stores, and where runtimes keep their state.
//!
//! In: the usual places, the places in the settings and, if everybody's containers are wanted, the
//! users' homes. Out: [`Engines`], below the node's root directory and without duplicates. Not
//! checked: whether anything exists at these places.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::runtime_state::{Whose, user_directories};
use crate::paths::Paths;
use crate::settings::{ContainerdPlace, Engines, StoragePlace};
use crate::sys::process;

/// Where a rootless Docker and a rootless Podman keep their stores, below the user's home.
pub(super) const USERS: [&str; 2] = [".local/share/docker", ".local/share/containers/storage"];

/// Where the engines of this caller keep their stores. The environment counts only for a caller
/// without privileges.
#[must_use]
pub fn of_caller() -> Engines {
    let variable = |name| {
        if process::is_privileged() {
            None
        } else {
            std::env::var_os(name)
        }
    };
    usual(
        variable("HOME").as_deref(),
        variable("XDG_RUNTIME_DIR").as_deref(),
    )
}

/// The usual places and the places in the settings (`engines`), below the node's root directory.
#[must_use]
pub fn of_node(paths: &Paths, engines: &Engines, whose: Whose) -> Engines {
    let is_here = paths.root == Path::new("/");
    let mut known = if is_here {
        of_caller()
    } else {
        usual(None, None)
    };
    if is_here && whose == Whose::Everybodys && process::is_privileged() {
        known = users(known);
    }
    below(paths, &joined(known, engines))
}

/// These places, and the places of every user who has a runtime directory.
fn users(mut places: Engines) -> Engines {
    for directory in user_directories(Path::new("/"), Whose::Everybodys) {
        let uid = directory
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
            .map(Uid::from_raw);
        let Some(user) = uid
            .and_then(|uid| User::from_uid(uid).ok().flatten())
            .filter(|user| !user.uid.is_root())
        else {
            continue;
        };
        places = joined(
            places,
            &usual(Some(user.dir.as_os_str()), Some(directory.as_os_str())),
        );
    }
    places
}

/// Turns paths on the node into paths of this process: puts the node's root directory before them.
pub(super) fn below(paths: &Paths, places: &Engines) -> Engines {
    let of_node = |path: &std::path::PathBuf| paths.of_node(path);
    let containerd = |place: &ContainerdPlace| ContainerdPlace {
        root: of_node(&place.root),
        state: place.state.as_ref().map(of_node),
    };
    let storage = |place: &StoragePlace| StoragePlace {
        root: of_node(&place.root),
        run_root: place.run_root.as_ref().map(of_node),
    };
    Engines {
        docker: places.docker.iter().map(of_node).collect(),
        containerd: places.containerd.iter().map(containerd).collect(),
        storage: places.storage.iter().map(storage).collect(),
        runtime_roots: places.runtime_roots.iter().map(of_node).collect(),
    }
}

/// The places where engines keep their stores by default. `home` and `runtime_directory` belong to
/// a user who is not root.
#[must_use]
pub fn usual(home: Option<&OsStr>, runtime_directory: Option<&OsStr>) -> Engines {
    let storage = |root: PathBuf, run_root: Option<PathBuf>| StoragePlace { root, run_root };
    let containerd = |root: &str, state: &str| ContainerdPlace {
        root: root.into(),
        state: Some(state.into()),
    };
    let mut places = Engines {
        docker: vec!["/var/lib/docker".into()],
        containerd: vec![
            containerd("/var/lib/containerd", "/run/containerd"),
            containerd(
                "/var/lib/docker/containerd/daemon",
                "/run/docker/containerd",
            ),
            containerd(
                "/var/lib/rancher/k3s/agent/containerd",
                "/run/k3s/containerd",
            ),
        ],
        storage: vec![storage(
            "/var/lib/containers/storage".into(),
            Some("/run/containers/storage".into()),
        )],
        runtime_roots: Vec::new(),
    };
    if let Some(home) = home.map(Path::new).filter(|home| home.is_absolute()) {
        let run_root = runtime_directory.map(|directory| Path::new(directory).join("containers"));
        let [docker, containers] = USERS;
        places.docker.push(home.join(docker));
        places
            .storage
            .push(storage(home.join(containers), run_root));
    }
    places
}

/// The places of `usual`, then those of `more`, without duplicates.
#[must_use]
pub fn joined(mut usual: Engines, more: &Engines) -> Engines {
    add_new(&mut usual.docker, &more.docker, PartialEq::eq);
    // If the settings name a store, their entry replaces the usual one.
    usual
        .containerd
        .retain(|place| more.containerd.iter().all(|other| other.root != place.root));
    usual
        .storage
        .retain(|place| more.storage.iter().all(|other| other.root != place.root));
    usual.containerd.extend(more.containerd.iter().cloned());
    usual.storage.extend(more.storage.iter().cloned());
    add_new(&mut usual.runtime_roots, &more.runtime_roots, PartialEq::eq);
    usual
}

pub(super) fn add_new<T: Clone>(list: &mut Vec<T>, more: &[T], same: impl Fn(&T, &T) -> bool) {
    for item in more {
        if !list.iter().any(|known| same(known, item)) {
            list.push(item.clone());
        }
    }
}
