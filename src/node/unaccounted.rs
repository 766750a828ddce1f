//! Finds running containers for which no readable runtime state exists.
//!
//! Engines can run containers with other kinds of runtimes: virtual machines, sandboxes, runtimes
//! with their own format of state. In: the directories in which containerd's shims and conmon keep
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
//! hold anything; all they can do is add lines to the report.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use super::allowance::MOST_CONTAINERS;
use super::names::engine_by_place;
use super::processes;
use super::runtime_state::{self, RunningContainer, StateError};
use crate::container::ContainerId;
use crate::container::engine::{self, BundlePlace, Engine};
use crate::settings::Engines;
use crate::sys::file::{self, Guard};
use crate::sys::{directory, proc};

/// The reason given for a container without any state.
const WHY: &str = "it runs, and neither runc nor crun has state of it: another kind of runtime runs it, or the settings' runtime_roots lack a directory";

/// How many bytes are read of a shim's small files.
const SMALL: u64 = 4_096;

/// A container that runs, or may run, and whose lineage is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unaccounted {
    /// The container's ID, or another name for what was found in its place. Empty if a whole
    /// directory of state could not be read.
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

impl fmt::Display for Unaccounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Unaccounted {}

/// The directory that a shim or conmon keeps for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    id: ContainerId,
    path: PathBuf,
    place: BundlePlace,
}

/// The directories of all containers, whichever runtime runs them. `users` are the runtime
/// directories of users. In these, no more directories are read than a user may have containers; if
/// there are more, `unread` says so.
#[must_use]
pub fn directories(
    places: &Engines,
    users: &[PathBuf],
    unread: &mut Vec<StateError>,
) -> Vec<Directory> {
    // A user can make any number of directories.
    let (mut left, mut told) = (HashMap::new(), HashSet::new());
    let mut below = |directory: &Path| {
        let Some(user) = runtime_state::user_of(directory) else {
            return below(directory).collect();
        };
        let left = left.entry(user).or_insert(MOST_CONTAINERS);
        let mut directories: Vec<PathBuf> = below(directory).take(*left + 1).collect();
        if directories.len() > *left {
            unread.extend(
                told.insert(user)
                    .then(|| StateError::Beyond(directory.to_owned(), user, 1)),
            );
            directories.truncate(*left);
        }
        *left -= directories.len();
        directories
    };
    let states = places
        .containerd
        .iter()
        .filter_map(|place| place.state.clone());
    let states = states.chain(users.iter().map(|user| user.join("docker/containerd")));
    // The containerd that dockerd starts keeps its state one directory further down.
    let tasks = states
        .flat_map(|state| [state.join("daemon"), state])
        .map(|state| state.join("io.containerd.runtime.v2.task"));
    let run_roots = places
        .storage
        .iter()
        .filter_map(|place| place.run_root.as_ref());
    let namespaces: Vec<PathBuf> = tasks.flat_map(|tasks| below(&tasks)).collect();
    let mut found: Vec<Directory> = namespaces
        .iter()
        .flat_map(|namespace| below(namespace))
        .filter_map(of)
        .collect();
    let in_run_roots: Vec<PathBuf> = run_roots.flat_map(|root| below(root)).collect();
    let containers = in_run_roots
        .iter()
        .filter(|path| path.to_string_lossy().ends_with("-containers"));
    found.extend(
        containers
            .flat_map(|containers| below(containers))
            .map(|path| path.join("userdata"))
            .filter_map(of),
    );
    found
}

/// The containers whose directory says that they run, and for which no state was found.
#[must_use]
pub fn without_state(
    directories: Vec<Directory>,
    running: &[RunningContainer],
    unread: &[StateError],
) -> Vec<Unaccounted> {
    // A user's state may name any bundle, so it never explains another user's container.
    let known: HashSet<(&str, Option<String>, u32)> = running
        .iter()
        .map(|running| {
            (
                running.id.as_str(),
                namespace(&engine::place_at(&running.bundle, &running.id)),
                running.owner,
            )
        })
        .collect();
    let unread: HashSet<(&str, u32)> = unread
        .iter()
        .filter_map(|fault| fault.path().parent())
        .filter_map(|directory| Some((directory.file_name()?.to_str()?, owner(directory))))
        .collect();
    let is_unknown = |directory: &Directory| {
        let id = directory.id.as_str();
        let says = |user: u32| {
            known.contains(&(id, namespace(&directory.place), user)) || unread.contains(&(id, user))
        };
        !says(0) && !says(owner(&directory.path))
    };
    let unknown: Vec<Directory> = directories.into_iter().filter(is_unknown).collect();
    if unknown.is_empty() {
        return Vec::new();
    }
    let shims = other_shims();
    unknown
        .into_iter()
        .filter(|directory| directory.runs(&shims))
        .map(Directory::unaccounted)
        .collect()
}

impl Directory {
    fn runs(&self, shims: &HashSet<String>) -> bool {
        match &self.place {
            BundlePlace::Task { .. } => {
                living(&self.path.join("init.pid")).is_some()
                    || address(&self.path).is_some_and(|own| shims.contains(&own))
            }
            BundlePlace::Storage { .. } => living(&self.path.join("pidfile"))
                .is_some_and(|pid| is_in_cgroup(pid, self.id.as_str())),
            BundlePlace::BuildKit { .. } | BundlePlace::Buildah | BundlePlace::Elsewhere => false,
        }
    }

    fn unaccounted(self) -> Unaccounted {
        Unaccounted {
            id: self.id.as_str().to_owned(),
            engine: engine_by_place(&self.path, &self.id, &self.place, owner(&self.path)),
            namespace: namespace(&self.place),
            name: None,
            place: self.path,
            why: WHY.to_owned(),
        }
    }
}

/// The user who controls what is in a directory. Below `/run/user/<uid>` this is that user,
/// whatever owners his own file systems show there. `u32::MAX` if the owner is not known or a
/// user's link leads there; no user has this ID.
pub(super) fn owner(directory: &Path) -> u32 {
    let opened =
        || directory::Directory::open(directory).map_or(u32::MAX, |directory| directory.owner());
    runtime_state::user_of(directory).unwrap_or_else(opened)
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

/// The subdirectories of a directory; none if it is missing or cannot be listed.
fn below(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

fn of(path: PathBuf) -> Option<Directory> {
    let name = if path.ends_with("userdata") {
        path.parent()?.file_name()
    } else {
        path.file_name()
    };
    let id = ContainerId::parse(name?.to_str()?)?;
    let place = engine::place_of(&path, &id);
    Some(Directory { id, path, place })
}

/// The process ID in a file, if that process is alive.
fn living(path: &Path) -> Option<u32> {
    let pid = small(path)?.trim().parse().ok()?;
    proc::is_alive(pid, None).then_some(pid)
}

/// Whether a cgroup of the process has the container's ID in its name. If not, another process may
/// have the process ID by now.
fn is_in_cgroup(pid: u32, id: &str) -> bool {
    proc::cgroups(pid).contains(id)
}

/// The socket on which the shim of this directory's container listens. All containers of a pod
/// share one socket (containerd 1: `address`; since 1.7 also `bootstrap.json`).
fn address(directory: &Path) -> Option<String> {
    small(&directory.join("bootstrap.json")).or_else(|| small(&directory.join("address")))
}

/// The sockets of all shims for runtimes other than runc. The working directory of a shim is the
/// directory of its first container.
fn other_shims() -> HashSet<String> {
    let is_other = |name: &str| {
        name.starts_with("containerd-shim-") && !name.starts_with("containerd-shim-runc-")
    };
    let processes = processes::all();
    let others = processes
        .iter()
        .filter(|process| is_other(process.program()));
    others
        .filter_map(|shim| address(&shim.working_directory()?))
        .collect()
}

fn small(path: &Path) -> Option<String> {
    file::read_text(path, SMALL, Guard::NoLink)
        .ok()
        .filter(|text| !text.is_empty())
}
