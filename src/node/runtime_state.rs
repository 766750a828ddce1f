//! Reads the state that runc and crun store about their containers.
//!
//! In: the state directories of runc (`<root>/<id>/state.json`) and crun (`<root>/<id>/status`).
//! Out: for each container its ID, process, bundle and runtime, or one line that says why these
//! facts are unknown. Hostile: state belongs to root, or to a user if it is below `/run/user`. A
//! user may write any process and any bundle into his state. [`Directory`] says who owns a state.
//! One bad container does not hide the others, as it does in `runc list` when one file is of
//! another version (opencontainers/runc#1592). A directory without either file belongs to a
//! container that is just starting or stopping. The file, not the directory, says which runtime a
//! container belongs to: Docker's directory for runc also holds crun's containers. [`Allowances`]
//! limits how much of a user's state is read; what is left out is reported. Nothing is locked, and
//! no runtime is called. Not checked: whether an engine knows the container.
//!
//! Seen with runc 1.1.5. From source: runc libcontainer/container.go (`BaseState`), crun
//! src/libcrun/status.c.

mod format;
mod scan;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::allowance::{MOST_BYTES, MOST_CONTAINERS};
use super::wire;
use crate::container::ContainerId;
use crate::container::bundle::{self, Bundle, BundleError};
use crate::container::engine::{self, BundlePlace};
use crate::container::runtime::RuntimeKind;
use crate::sys::file::FileError;
use crate::sys::{proc, rights};
pub use format::parse;
pub use scan::containers;
pub(super) use scan::{Seen, containers_beyond};

/// The state directory of the runcs that containerd starts. Each namespace has a directory in it.
pub(crate) const CONTAINERD_RUNC: &str = "/run/containerd/runc";

/// The state directories of the runtimes that the usual engines start, and the directories above
/// them. The engines are Docker, containerd, Podman, CRI-O and BuildKit.
const ROOTS: [&str; 4] = [
    "/run/docker/runtime-runc",
    CONTAINERD_RUNC,
    "/run/runc",
    "/run/crun",
];

/// The state directories of the runtimes, below the runtime directory of each user.
const USER_ROOTS: [&str; 3] = ["runc", "crun", "docker/runtime-runc"];

/// Whose containers to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller's own containers. If the caller is root, these are the containers of the system's
    /// engines.
    Own,
    /// The caller's and all users' containers. A user's directories may hold anything.
    Everybodys,
}

/// A container for which a runtime has state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningContainer {
    /// The container's ID.
    pub id: ContainerId,
    /// Which runtime wrote the state. `exec` must use the same runtime.
    pub kind: RuntimeKind,
    /// The runtime's state directory, the value of its `--root`.
    pub root: PathBuf,
    /// The container's bundle, an absolute path.
    pub bundle: PathBuf,
    /// The container's first process.
    pub process: InitProcess,
    /// The user who controls this state. The result is root only if root owns the state file and
    /// every directory on the way to that file: a user may exchange his directories while they are
    /// read, for directories with files that root owns.
    pub owner: u32,
}

/// The first process of a container. The process ID alone is not enough: another process may have
/// the same ID by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InitProcess {
    /// The process ID; 0 if there is no process.
    pub pid: u32,
    /// When the process was started, in clock ticks since boot (proc(5), `/proc/pid/stat`, field
    /// 22). `None` in the state of old versions of crun.
    pub started: Option<u64>,
}

/// Why a container's state is not known.
#[derive(Debug, Error, Serialize, Deserialize)]
pub enum StateError {
    /// A state directory could not be listed.
    #[error("cannot list {0:?}")]
    Directory(
        PathBuf,
        #[source]
        #[serde(with = "wire::cause")]
        io::Error,
    ),
    /// A state file could not be read.
    #[error(transparent)]
    File(#[serde(with = "wire::FileFault")] FileError),
    /// A state file does not have the format that its runtime writes.
    #[error("cannot read the container's state {0:?}: {1}")]
    State(PathBuf, String),
    /// In this directory, this user has more state than is read. At least this many containers are
    /// left out.
    #[error(
        "cannot read all of the state in {0:?}: user {1} has more than {most} containers or {size} MiB, and at least {2} of them are left out",
        most = MOST_CONTAINERS,
        size = MOST_BYTES >> 20
    )]
    Beyond(PathBuf, u32, usize),
}

impl StateError {
    /// The file or directory that could not be read.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Directory(path, _) | Self::State(path, _) | Self::Beyond(path, ..) => path,
            Self::File(error) => error.path(),
        }
    }

    /// Whether the reason is that the caller lacks the rights.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        let cause = std::error::Error::source(self);
        match cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
            Some(cause) => cause.kind() == io::ErrorKind::PermissionDenied,
            None => false,
        }
    }
}

/// The directories below which runtimes store state, on the node whose root directory is `node`:
/// the usual directories, the users' directories, and `more`, which comes from `runtime_roots` in
/// the settings.
#[must_use]
pub fn roots(node: &Path, whose: Whose, more: &[PathBuf]) -> Vec<PathBuf> {
    let mut roots = Vec::new();
    for root in ROOTS {
        roots.push(node.join(root.trim_start_matches('/')));
    }
    for user in user_directories(node, whose) {
        for root in USER_ROOTS {
            roots.push(user.join(root));
        }
    }
    for root in more {
        if !roots.contains(root) {
            roots.push(root.clone());
        }
    }
    roots
}

/// The runtime directories of all users, on the node whose root directory is `node`, in order.
#[must_use]
pub fn user_directories(node: &Path, whose: Whose) -> Vec<PathBuf> {
    let directory = node.join("run/user");
    let mut users = Vec::new();
    match whose {
        Whose::Own => users.push(directory.join(nix::unistd::geteuid().to_string())),
        Whose::Everybodys => {
            for user in fs::read_dir(directory).into_iter().flatten().flatten() {
                users.push(user.path());
            }
            users.sort();
        }
    }
    users
}

impl RunningContainer {
    /// Whether root or the caller wrote the state. Any other state is controlled by its user.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        rights::is_own(self.owner)
    }

    /// Where the container's bundle is; the path of the bundle shows the engine. Links are resolved
    /// only in a path that root or the caller gave: a user's links may lead anywhere.
    #[must_use]
    pub fn place(&self) -> BundlePlace {
        if self.is_trusted() {
            engine::place_at(&self.bundle, &self.id)
        } else {
            engine::place_of(&self.bundle, &self.id)
        }
    }

    /// The container's bundle; its spec is read as in [`RunningContainer::spec`].
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn load_bundle(&self) -> Result<Bundle, BundleError> {
        Bundle::load_of(self.owner, &self.bundle, &self.id)
    }

    /// The container's runtime spec, read with the rights of the user who gave its path; see
    /// [`bundle::spec_of`].
    ///
    /// # Errors
    /// [`FileError`].
    pub fn spec(&self) -> Result<Vec<u8>, FileError> {
        bundle::spec_of(self.owner, &self.bundle)
    }

    /// Returns `true` if the first process runs and the container has been started. The claim of a
    /// user's state that the container has not been started is ignored, because the claim may serve
    /// only to hide the container.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.process.is_alive() && !self.has_not_started()
    }

    /// Whether root's or the caller's state says that the container was created and not yet
    /// started.
    #[must_use]
    pub fn has_not_started(&self) -> bool {
        self.is_trusted() && self.waits_for_start()
    }

    /// Whether the container was created and not yet started. Until the start, the first process is
    /// the runtime's own and waits at a FIFO. The runtime removes the FIFO when the container is
    /// started (runc 1.1.5: libcontainer/container_linux.go, `runType`; crun: src/libcrun/status.c,
    /// `libcrun_status_has_read_exec_fifo`).
    #[must_use]
    pub fn waits_for_start(&self) -> bool {
        self.root
            .join(self.id.as_str())
            .join("exec.fifo")
            .symlink_metadata()
            .is_ok()
    }
}

/// The user in whose runtime directory, `/run/user/<uid>`, a directory lies. A file system that the
/// user mounted there may show files as root's; such files are still treated as the user's.
pub(super) fn user_of(root: &Path) -> Option<u32> {
    let mut names = root.iter().skip_while(|name| *name != "run").skip(1);
    if names.next()? != "user" {
        return None;
    }
    names.next()?.to_str()?.parse().ok()
}

impl InitProcess {
    /// Whether the process still runs: it exists, is not a zombie, and is not another process with
    /// the same ID.
    #[must_use]
    pub fn is_alive(self) -> bool {
        self.start_time().is_some()
    }

    /// When the process started, in clock ticks since boot; `None` if the process no longer runs.
    /// The time comes from the kernel. If the state names another time, the ID now belongs to
    /// another process, and the result is `None`.
    #[must_use]
    pub fn start_time(self) -> Option<u64> {
        let now = proc::stat(self.pid)?;
        let is_it = self.pid != 0 && self.started.unwrap_or(now.started) == now.started;
        (is_it && now.is_alive).then_some(now.started)
    }
}

/// When the first process of each of these containers started, in clock ticks since boot. First
/// processes that no longer run are left out.
#[must_use]
pub fn alive(running: &[RunningContainer]) -> Alive {
    let mut alive = HashMap::new();
    for container in running {
        if let Some(started) = container.process.start_time() {
            alive.insert(container.process, started);
        }
    }
    alive
}

/// First processes that run, each with when it started.
pub type Alive = HashMap<InitProcess, u64>;

#[cfg(test)]
mod tests;
