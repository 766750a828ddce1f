//! Lists the directories in which a node's engines have their stores and runtimes have their state.
//!
//! In: the usual directories, the directories in the settings and, if everybody's containers are
//! wanted, the users' homes. Out: [`Engines`], below the node's root directory and without
//! duplicates. Not checked: whether these directories exist.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, iter};

use nix::unistd::{Uid, User};

use super::runtime_state::{self, Whose, user_directories, user_of};
use crate::paths::Paths;
use crate::settings::{ContainerdPlace, Engines, StoragePlace};
use crate::sys::{process, rights};

/// The root and the state directory of a separate containerd, of the containerd that Docker starts,
/// and of the containerd in k3s.
const CONTAINERDS: [(&str, &str); 3] = [
    ("/var/lib/containerd", "/run/containerd"),
    (
        "/var/lib/docker/containerd/daemon",
        "/run/docker/containerd",
    ),
    (
        "/var/lib/rancher/k3s/agent/containerd",
        "/run/k3s/containerd",
    ),
];

/// The stores of a rootless Docker and of a rootless Podman, below the user's home.
pub(super) const USERS: [&str; 2] = [".local/share/docker", ".local/share/containers/storage"];

/// Where the engines of this caller have their stores. The environment is used only for a caller
/// without privileges.
#[must_use]
pub fn of_caller() -> Engines {
    if process::is_privileged() {
        return usual(None, None);
    }
    let (home, runtime_directory) = (env::var_os("HOME"), env::var_os("XDG_RUNTIME_DIR"));
    usual(home.as_deref(), runtime_directory.as_deref())
}

/// The usual directories and the directories in the settings (`engines`), below the node's root
/// directory.
#[must_use]
pub fn of_node(paths: &Paths, engines: &Engines, whose: Whose) -> Engines {
    let mut known = usual(None, None);
    if paths.root == Path::new("/") {
        known = of_caller();
        if whose == Whose::Everybodys && process::is_privileged() {
            for (user, directory) in users() {
                let theirs = usual(Some(user.dir.as_os_str()), Some(directory.as_os_str()));
                known = joined(known, &theirs);
            }
        }
    }
    below(paths, &joined(known, engines))
}

/// The ordinary users who have a runtime directory, each with the path of that directory.
fn users() -> Vec<(User, PathBuf)> {
    let mut users = Vec::new();
    for directory in user_directories(Path::new("/"), Whose::Everybodys) {
        if let Some(user) = user_of(&directory)
            && let Ok(Some(user)) = User::from_uid(Uid::from_raw(user))
            && !user.uid.is_root()
        {
            users.push((user, directory));
        }
    }
    users
}

/// The user who controls what is at a path, by the path alone. Below `/run/user/<uid>`, this is the
/// user with that ID, whatever owners that user's file systems show. A rootless engine's store is
/// controlled by the user whose home contains the store, or by `u32::MAX` if no such user is known.
/// All other paths are root's. For a caller who is not root, stores in homes are the caller's own,
/// and the result is 0.
pub(super) fn controller(path: &Path) -> u32 {
    if let Some(user) = user_of(path) {
        return user;
    }
    if !is_in_a_home(path) || !process::is_privileged() {
        return 0;
    }
    for (user, _) in users() {
        if path.starts_with(&user.dir) {
            return user.uid.as_raw();
        }
    }
    u32::MAX
}

/// The directories in which runtimes and engines store their state of running containers, grouped
/// by the user who controls the directory. The directories of root and of the caller are under 0.
pub(super) fn by_user(paths: &Paths, places: &Engines, whose: Whose) -> BTreeMap<u32, Engines> {
    let mut by_user = BTreeMap::new();
    for root in runtime_state::roots(&paths.root, whose, &places.runtime_roots) {
        of(&mut by_user, &root).runtime_roots.push(root);
    }
    let mut states = Vec::new();
    for place in &places.containerd {
        states.extend(place.state.clone());
    }
    for user in user_directories(&paths.root, whose) {
        states.push(user.join("docker/containerd"));
    }
    for state in states {
        of(&mut by_user, &state).containerd.push(ContainerdPlace {
            root: PathBuf::new(),
            state: Some(state),
        });
    }
    for place in &places.storage {
        if let Some(run_root) = &place.run_root {
            of(&mut by_user, run_root).storage.push(place.clone());
        }
    }
    by_user
}

/// The directories of the user who controls this path.
pub(super) fn of<'a>(by_user: &'a mut BTreeMap<u32, Engines>, path: &Path) -> &'a mut Engines {
    match controller(path) {
        user if rights::is_own(user) => by_user.entry(0).or_default(),
        user => by_user.entry(user).or_default(),
    }
}

/// Whether a path leads to a rootless engine's store.
pub(super) fn is_in_a_home(path: &Path) -> bool {
    let mut above = path.ancestors();
    above.any(|above| USERS.iter().any(|below| above.ends_with(below)))
}

/// Turns paths on the node into paths of this process: puts the node's root directory before each
/// path.
pub(super) fn below(paths: &Paths, places: &Engines) -> Engines {
    let mut below = places.clone();
    let roots = below.docker.iter_mut().chain(&mut below.runtime_roots);
    let containerd = (below.containerd.iter_mut())
        .flat_map(|place| iter::once(&mut place.root).chain(&mut place.state));
    let storage = (below.storage.iter_mut())
        .flat_map(|place| iter::once(&mut place.root).chain(&mut place.run_root));
    for path in roots.chain(containerd).chain(storage) {
        *path = paths.of_node(path);
    }
    below
}

/// The directories in which engines have their stores by default. `home` and `runtime_directory`
/// belong to a user who is not root.
#[must_use]
pub fn usual(home: Option<&OsStr>, runtime_directory: Option<&OsStr>) -> Engines {
    let mut places = Engines {
        docker: vec!["/var/lib/docker".into()],
        storage: vec![StoragePlace {
            root: "/var/lib/containers/storage".into(),
            run_root: Some("/run/containers/storage".into()),
        }],
        ..Engines::default()
    };
    for (root, state) in CONTAINERDS {
        places.containerd.push(ContainerdPlace {
            root: root.into(),
            state: Some(state.into()),
        });
    }
    if let Some(home) = home.map(Path::new)
        && home.is_absolute()
    {
        let [docker, containers] = USERS;
        places.docker.push(home.join(docker));
        places.storage.push(StoragePlace {
            root: home.join(containers),
            run_root: runtime_directory.map(|directory| Path::new(directory).join("containers")),
        });
    }
    places
}

/// The places of `usual`, then those of `more`, without duplicates.
#[must_use]
pub fn joined(mut usual: Engines, more: &Engines) -> Engines {
    add_new(&mut usual.docker, &more.docker, PartialEq::eq);
    // If the settings name a store, the settings' entry replaces the usual entry.
    for place in &more.containerd {
        usual.containerd.retain(|known| known.root != place.root);
    }
    for place in &more.storage {
        usual.storage.retain(|known| known.root != place.root);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_controls_is_looked_at_apart_from_the_rest() {
        let node = tempfile::tempdir().unwrap();
        let theirs = node.path().join("run/user/70000");
        std::fs::create_dir_all(&theirs).unwrap();
        let places = Engines {
            storage: vec![StoragePlace {
                root: "/g".into(),
                run_root: Some(theirs.join("containers")),
            }],
            ..usual(None, None)
        };
        let by_user = by_user(&Paths::below(node.path()), &places, Whose::Everybodys);
        assert_eq!(by_user.keys().copied().collect::<Vec<_>>(), [0, 70_000]);
        let (own, users) = (&by_user[&0], &by_user[&70_000]);
        assert_eq!((own.containerd.len(), own.storage.len()), (3, 0));
        assert!(own.runtime_roots.contains(&node.path().join("run/runc")));
        assert_eq!(
            users.runtime_roots,
            ["runc", "crun", "docker/runtime-runc"].map(|root| theirs.join(root))
        );
        assert_eq!(
            users.containerd[0].state,
            Some(theirs.join("docker/containerd"))
        );
        assert_eq!(users.storage, places.storage);
    }
}
