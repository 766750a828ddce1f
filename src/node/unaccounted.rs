//! Finds running containers for which no readable runtime state exists.
//!
//! Engines can run containers with other kinds of runtimes: virtual machines, sandboxes, runtimes
//! with their own format of state. In: the directories in which containerd's shims and conmon have
//! one directory for each container. Out: the running containers in these directories for which
//! neither runc nor crun has state. The directories are listed before any state is read. So a
//! container of runc or crun that is found in a directory has its state by then; a container that
//! starts later is found by the next scan.
//!
//! | directory | the container runs when |
//! |---|---|
//! | `<state>/io.containerd.runtime.v2.task/<namespace>/<id>` | `init.pid` is a living process, or its shim is alive and not runc's (Kata: no `init.pid`) |
//! | `<run root>/<driver>-containers/<id>/userdata` | `pidfile` is a living process in a cgroup that bears the container's ID |
//!
//! Seen with containerd 1.6.20 and 2.1.4, Docker 20.10 to 29, Podman 4.3.1. What Kata's shim does
//! is known only from its source (`src/runtime/pkg/containerd-shim-v2`). A user's directories may
//! hold anything; such directories can only add lines to the report.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, geteuid};
use thiserror::Error;

use super::allowance::MOST_CONTAINERS;
use super::names::engine_by_place;
use super::runtime_state::{self, RunningContainer, StateError};
use super::{places, processes};
use crate::container::ContainerId;
use crate::container::engine::{self, BundlePlace, Engine};
use crate::settings::Engines;
use crate::sys::directory::Directory;
use crate::sys::file::{self, Guard};
use crate::sys::{proc, rights};

/// The reason given for a container without any state.
const WHY: &str = "it runs, and neither runc nor crun has state of it: another kind of runtime runs it, or the settings' runtime_roots lack a directory";

/// The same, for a caller who may not read the state.
const UNREAD: &str = "it runs, and no state of it can be read: run as root";

/// How many bytes are read of a shim's small files.
const SMALL: u64 = 4_096;

/// A container that runs, or may run, and whose lineage is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Unaccounted {
    /// The container's ID, or another name for what was found. Empty if a whole directory of state
    /// could not be read.
    pub id: String,
    /// The engine that made the container.
    pub engine: Engine,
    /// containerd's namespace, if the container has one.
    pub namespace: Option<String>,
    /// The name that the engine gave the container, if known.
    pub name: Option<String>,
    /// The container's bundle, or the file or directory that cannot be read.
    pub place: PathBuf,
    /// The reason, on one line.
    pub why: String,
}

/// The directory that a shim or conmon has for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerDirectory {
    id: ContainerId,
    path: PathBuf,
    place: BundlePlace,
}

/// The directories of all containers, whichever runtime runs them. For each user, at most
/// [`MOST_CONTAINERS`] directories are listed. If a user has more directories, an error is added to
/// `unread`.
#[must_use]
pub fn directories(places: &Engines, unread: &mut Vec<StateError>) -> Vec<ContainerDirectory> {
    let mut listing = Listing {
        left: HashMap::new(),
        unread,
    };
    let mut found = Vec::new();
    for place in &places.containerd {
        let Some(state) = &place.state else { continue };
        // The containerd that dockerd starts stores its state one directory further down.
        for state in [&state.join("daemon"), state] {
            for namespace in listing.below(&state.join("io.containerd.runtime.v2.task")) {
                for bundle in listing.below(&namespace) {
                    found.extend(of(bundle));
                }
            }
        }
    }
    for place in &places.storage {
        let Some(run_root) = &place.run_root else {
            continue;
        };
        for containers in listing.below(run_root) {
            if !containers.to_string_lossy().ends_with("-containers") {
                continue;
            }
            for container in listing.below(&containers) {
                found.extend(of(container.join("userdata")));
            }
        }
    }
    found
}

/// Lists directories, of which a user can make any number.
struct Listing<'a> {
    /// How many more directories may be listed for each user.
    left: HashMap<u32, usize>,
    unread: &'a mut Vec<StateError>,
}

impl Listing<'_> {
    /// The subdirectories of a directory; empty if the directory is missing or cannot be listed.
    fn below(&mut self, directory: &Path) -> Vec<PathBuf> {
        let user = runtime_state::user_of(directory);
        let left = user.map(|user| self.left.entry(user).or_insert(MOST_CONTAINERS));
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if let (Some(user), Some(0)) = (user, left.as_deref().map(|left| *left - found.len())) {
                let is_told = |fault: &StateError| matches!(fault, StateError::Beyond(_, other, _) if *other == user);
                if !self.unread.iter().any(is_told) {
                    self.unread
                        .push(StateError::Beyond(directory.to_owned(), user, 1));
                }
                break;
            }
            found.push(entry.path());
        }
        if let Some(left) = left {
            *left -= found.len();
        }
        found
    }
}

/// The containers whose directory says that they run, and for which no state was found. The
/// containers of the directories `users` are already known to run.
#[must_use]
pub fn without_state(
    directories: Vec<ContainerDirectory>,
    users: Vec<ContainerDirectory>,
    running: &[RunningContainer],
    unread: &[StateError],
) -> Vec<Unaccounted> {
    // A user's state may name any bundle, so it never explains another user's container.
    let mut known = HashSet::new();
    for container in running {
        let namespace = namespace(&container.place());
        known.insert((container.id.as_str(), namespace, container.owner));
    }
    let mut torn = HashSet::new();
    for fault in unread {
        if let Some(directory) = fault.path().parent() {
            torn.insert((directory.file_name(), owner(directory)));
        }
    }
    let is_unknown = |directory: &ContainerDirectory| {
        let (id, namespace) = (directory.id.as_str(), namespace(&directory.place));
        [0, owner(&directory.path)].into_iter().all(|user| {
            !known.contains(&(id, namespace.clone(), user))
                && !torn.contains(&(Some(id.as_ref()), user))
        })
    };
    let mut unknown: Vec<_> = directories.into_iter().filter(is_unknown).collect();
    if !unknown.is_empty() {
        unknown = those_that_run(unknown, 0);
    }
    unknown.extend(users.into_iter().filter(is_unknown));
    unknown
        .into_iter()
        .map(ContainerDirectory::unaccounted)
        .collect()
}

/// The directories whose container runs. The container of another kind of runtime runs if a shim of
/// `user` is alive for it. If `user` is 0, the shims of the caller are used, too.
#[must_use]
pub fn those_that_run(
    mut directories: Vec<ContainerDirectory>,
    user: u32,
) -> Vec<ContainerDirectory> {
    let shims = other_shims(user);
    directories.retain(|directory| directory.runs(&shims));
    directories
}

impl ContainerDirectory {
    /// The path of the directory.
    #[must_use]
    pub fn into_path(self) -> PathBuf {
        self.path
    }

    fn runs(&self, shims: &HashSet<String>) -> bool {
        match &self.place {
            BundlePlace::Task { .. } => {
                living(&self.path.join("init.pid")).is_some()
                    || address(&self.path).is_some_and(|own| shims.contains(&own))
            }
            BundlePlace::Storage { .. } => match living(&self.path.join("pidfile")) {
                // Another process may have the process ID by now; the name of the container's
                // cgroup contains the container's ID.
                Some(pid) => proc::cgroups(pid).contains(self.id.as_str()),
                None => false,
            },
            BundlePlace::BuildKit { .. } | BundlePlace::Buildah | BundlePlace::Elsewhere => false,
        }
    }

    fn unaccounted(self) -> Unaccounted {
        let why = if reads_state_of(owner(&self.path), geteuid()) {
            WHY
        } else {
            UNREAD
        };
        Unaccounted {
            id: self.id.as_str().to_owned(),
            engine: engine_by_place(&self.path, &self.id, &self.place, owner(&self.path)),
            namespace: namespace(&self.place),
            name: None,
            place: self.path,
            why: why.to_owned(),
        }
    }
}

/// Whether `caller` may read the state that this user's runtimes keep. If not, state that was not
/// found may still be there.
pub(super) fn reads_state_of(user: u32, caller: Uid) -> bool {
    caller.is_root() || caller.as_raw() == user
}

/// The user who controls what is in a directory. Below `/run/user/<uid>` this is that user,
/// whatever owners his own file systems show there. `u32::MAX` if the owner is not known or a
/// user's link leads there; no user has this ID.
pub(super) fn owner(directory: &Path) -> u32 {
    match places::controller(directory) {
        0 => Directory::open(directory).map_or(u32::MAX, |directory| directory.owner()),
        user => user,
    }
}

/// containerd's namespace, if the bundle is in one.
#[must_use]
pub fn namespace(place: &BundlePlace) -> Option<String> {
    match place {
        BundlePlace::Task { namespace, .. } => Some(namespace.clone()),
        BundlePlace::Storage { .. }
        | BundlePlace::BuildKit { .. }
        | BundlePlace::Buildah
        | BundlePlace::Elsewhere => None,
    }
}

/// The container's directory at this path; `None` if the path does not have the shape of a
/// container's directory.
pub(super) fn of(path: PathBuf) -> Option<ContainerDirectory> {
    let container = if path.ends_with("userdata") {
        path.parent()?
    } else {
        &path
    };
    let id = ContainerId::parse(container.file_name()?.to_str()?)?;
    let place = engine::place_of(&path, &id);
    Some(ContainerDirectory { id, path, place })
}

/// The process ID in a file, if that process is alive.
fn living(path: &Path) -> Option<u32> {
    let pid = small(path)?.trim().parse().ok()?;
    proc::is_alive(pid, None).then_some(pid)
}

/// The socket on which the shim of this directory's container listens. All containers of a pod
/// share one socket (containerd 1: `address`; since 1.7 also `bootstrap.json`).
fn address(directory: &Path) -> Option<String> {
    small(&directory.join("bootstrap.json")).or_else(|| small(&directory.join("address")))
}

/// The sockets of this user's shims for runtimes other than runc. The working directory of a shim
/// is the directory of its first container. If `user` is 0, the caller's own shims are used, too.
fn other_shims(user: u32) -> HashSet<String> {
    let mut addresses = HashSet::new();
    for process in processes::all() {
        let is_his = process.user == user || user == 0 && rights::is_own(process.user);
        let program = process.program();
        let is_other = program.starts_with("containerd-shim-")
            && !program.starts_with("containerd-shim-runc-");
        if is_his && is_other {
            addresses.extend(process.working_directory().and_then(address));
        }
    }
    addresses
}

fn small(path: &Path) -> Option<String> {
    let text = file::read_text(path, SMALL, Guard::NoLink).ok()?;
    (!text.is_empty()).then_some(text)
}
