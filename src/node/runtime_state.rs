//! Reads the state that runc and crun keep about their containers.
//!
//! In: the state directories of runc (`<root>/<id>/state.json`) and crun (`<root>/<id>/status`).
//! Out: for each container its ID, process, bundle and runtime, or one line that says why they are
//! unknown. Hostile: state belongs to root or, below `/run/user`, to a user, who may name any
//! process and any bundle in it. [`Directory`] says who owns a state. One bad container does not
//! hide the others, as it does in `runc list` when one file is of another version
//! (opencontainers/runc#1592). A directory without either file belongs to a container that is just
//! starting or stopping. The file, not the directory, says which runtime a container belongs to:
//! Docker's directory for runc also holds crun's containers. [`Allowances`] limits how much of a
//! user's state is read; what is left out is reported. Nothing is locked, and no runtime is called.
//! Not checked: whether an engine knows the container.
//!
//! Seen with runc 1.1.5. From source: runc libcontainer/container.go (`BaseState`), crun
//! src/libcrun/status.c.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use serde::Deserialize;

use super::allowance::{Allowances, MOST_BYTES, MOST_CONTAINERS};
use crate::container::ContainerId;
use crate::container::bundle::{self, Bundle, BundleError};
use crate::container::runtime::RuntimeKind;
use crate::sys::directory::Directory;
use crate::sys::file::FileError;
use crate::sys::{proc, rights};

/// The size, in bytes, of the largest state file that is read. The state of a container with
/// hundreds of mounts has a few hundred KB.
const LARGEST_STATE: u64 = 8 << 20;

/// The state directories of the runtimes that the usual engines start, and the directories above
/// them. The engines are Docker, containerd, Podman, CRI-O and BuildKit.
const ROOTS: [&str; 4] = [
    "/run/docker/runtime-runc",
    "/run/containerd/runc",
    "/run/runc",
    "/run/crun",
];

/// The same, below the runtime directory of each user.
const USER_ROOTS: [&str; 3] = ["runc", "crun", "docker/runtime-runc"];

/// Whose containers to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller's own containers. If root asks, these are the system's.
    Own,
    /// The caller's and all users' containers. A user's directories may hold anything.
    Everybodys,
}

/// A container for which a runtime has state.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The user who controls this state. It is root only if root owns the state file and every
    /// directory on the way to it: a user may exchange his directories while they are read, for
    /// directories with files that root owns.
    pub owner: u32,
}

/// The first process of a container. The process ID alone is not enough: another process may have
/// the same ID by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitProcess {
    /// The process ID; 0 if there is no process.
    pub pid: u32,
    /// When the process was started, in clock ticks since boot (proc(5), `/proc/pid/stat`, field
    /// 22). `None` in the state of old versions of crun.
    pub started: Option<u64>,
}

/// Why a container's state is not known.
#[derive(Debug)]
pub enum StateError {
    /// A state directory could not be listed.
    Directory(PathBuf, io::Error),
    /// A state file could not be read.
    File(FileError),
    /// A state file is not what its runtime writes.
    State(PathBuf, String),
    /// In this directory, this user has more state than is read. At least this many containers are
    /// left out.
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
        let cause =
            std::error::Error::source(self).and_then(|cause| cause.downcast_ref::<io::Error>());
        cause.is_some_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, _) => write!(f, "cannot list {path:?}"),
            Self::File(error) => error.fmt(f),
            Self::State(path, fault) => {
                write!(f, "cannot read the container's state {path:?}: {fault}")
            }
            Self::Beyond(path, user, count) => write!(
                f,
                "cannot read all of the state in {path:?}: user {user} has more than {MOST_CONTAINERS} containers or {} MiB, \
                 and at least {count} of them cannot be told",
                MOST_BYTES >> 20
            ),
        }
    }
}

impl std::error::Error for StateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory(_, error) => Some(error),
            Self::File(error) => error.source(),
            Self::State(..) | Self::Beyond(..) => None,
        }
    }
}

/// The directories below which runtimes keep state, on the node whose root directory is `node`: the
/// usual ones, the users', and `more`, which comes from `runtime_roots` in the settings.
#[must_use]
pub fn roots(node: &Path, whose: Whose, more: &[PathBuf]) -> Vec<PathBuf> {
    let mut roots: Vec<_> = ROOTS
        .iter()
        .map(|root| node.join(root.trim_start_matches('/')))
        .collect();
    roots.extend(
        user_directories(node, whose)
            .iter()
            .flat_map(|user| USER_ROOTS.map(|root| user.join(root))),
    );
    roots.extend(
        more.iter()
            .filter(|root| !roots.contains(root))
            .cloned()
            .collect::<Vec<_>>(),
    );
    roots
}

/// The runtime directories of all users, on the node whose root directory is `node`, in order.
#[must_use]
pub fn user_directories(node: &Path, whose: Whose) -> Vec<PathBuf> {
    let directory = node.join("run/user");
    match whose {
        Whose::Own => vec![directory.join(nix::unistd::geteuid().to_string())],
        Whose::Everybodys => {
            let mut users: Vec<_> = fs::read_dir(directory)
                .into_iter()
                .flatten()
                .flatten()
                .map(|user| user.path())
                .collect();
            users.sort();
            users
        }
    }
}

impl RunningContainer {
    /// Whether root or the caller wrote the state. Any other state is controlled by its user.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        rights::is_own(self.owner)
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

    /// Whether the first process runs, and the container has been started. A user's claim that his
    /// container has not been started is ignored: he may make it only to hide the container.
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

    /// Whether the container was created and not yet started. The first process is then still the
    /// runtime's own, and waits at a FIFO, which is removed when the container is started (runc
    /// 1.1.5: libcontainer/container_linux.go, `runType`; crun: src/libcrun/status.c,
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
/// user mounted there may show files as root's; they count as the user's all the same.
pub(super) fn user_of(root: &Path) -> Option<u32> {
    let mut names = root.iter().skip_while(|name| *name != "run").skip(1);
    (names.next()? == "user")
        .then(|| names.next()?.to_str()?.parse().ok())
        .flatten()
}

/// The containers whose state lies below `roots`, in the order of the roots and then of the IDs. A
/// root holds containers, or one directory of containers for each namespace of containerd. A root
/// that does not exist holds nothing.
#[must_use]
pub fn containers(roots: &[PathBuf]) -> Vec<Result<RunningContainer, StateError>> {
    let (mut found, mut seen, mut allowances) = (Vec::new(), HashSet::new(), Allowances::default());
    for root in roots {
        let Some(mut root) = present(Directory::open(root), &mut found) else {
            continue;
        };
        // `/var/run` is a link to `/run`. The first of two paths to one directory counts; the usual
        // paths come first.
        if root.identity().is_ok_and(|identity| !seen.insert(identity)) {
            continue;
        }
        if let Some(user) = user_of(root.path()) {
            root.hand_over(user);
        }
        for name in directories(&root, &mut allowances, &mut found) {
            let Some(directory) = present(root.directory(&name), &mut found)
                .filter(|directory| allowances.take_container(directory.owner()))
            else {
                continue;
            };
            if !container(&root, &directory, &mut allowances, &mut found) {
                for name in directories(&directory, &mut allowances, &mut found) {
                    let Some(inner) = present(directory.directory(&name), &mut found) else {
                        continue;
                    };
                    if allowances.take_container(inner.owner()) {
                        container(&directory, &inner, &mut allowances, &mut found);
                    }
                }
            }
        }
        found.extend(
            allowances
                .left_out()
                .into_iter()
                .map(|(user, count)| Err(StateError::Beyond(root.path().to_owned(), user, count))),
        );
    }
    found
}

impl InitProcess {
    /// Whether the process still runs: it exists, is not a zombie, and is not another process with
    /// the same ID.
    #[must_use]
    pub fn is_alive(self) -> bool {
        self.start_time().is_some()
    }

    /// When the process started, in clock ticks since boot; `None` if it no longer runs. The kernel
    /// says when; if the state names another time, it was another process.
    #[must_use]
    pub fn start_time(self) -> Option<u64> {
        proc::stat(self.pid)
            .filter(|stat| stat.is_alive)
            .map(|stat| stat.started)
            .filter(|now| self.pid != 0 && self.started.is_none_or(|started| started == *now))
    }
}

/// Returns a directory, if it exists. If it cannot be opened, the reason is added to `found`.
fn present(
    opened: Result<Directory, FileError>,
    found: &mut Vec<Result<RunningContainer, StateError>>,
) -> Option<Directory> {
    let fault = match opened {
        Ok(directory) => return Some(directory),
        Err(FileError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(FileError::Io(path, error)) => StateError::Directory(path, error),
        Err(error) => StateError::Directory(
            error.path().to_owned(),
            io::Error::other("others may write it"),
        ),
    };
    found.push(Err(fault));
    None
}

/// The names of the directories in `directory`, sorted. If they cannot be listed, the reason is
/// added to `found`.
fn directories(
    directory: &Directory,
    allowances: &mut Allowances,
    found: &mut Vec<Result<RunningContainer, StateError>>,
) -> Vec<OsString> {
    let is_directory = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let failed = |error| FileError::Io(directory.path().to_owned(), error);
    let most = allowances.entries(directory.owner());
    // One entry more than permitted shows whether there are too many.
    let listed = directory.entries().and_then(|entries| {
        entries
            .take(most.saturating_add(1))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)
    });
    match listed {
        Ok(mut entries) => {
            if entries.len() > most {
                entries.truncate(most);
                allowances.leave_out(directory.owner());
            }
            allowances.spend_entries(directory.owner(), entries.len());
            let mut names: Vec<_> = entries
                .iter()
                .filter(|entry| is_directory(entry))
                .map(DirEntry::file_name)
                .collect();
            names.sort();
            names
        }
        Err(error) => {
            present(Err(error), found);
            Vec::new()
        }
    }
}

/// Adds the container whose state is in `directory`. Returns `false` if there is no state.
fn container(
    root: &Directory,
    directory: &Directory,
    allowances: &mut Allowances,
    found: &mut Vec<Result<RunningContainer, StateError>>,
) -> bool {
    for kind in [RuntimeKind::Runc, RuntimeKind::Crun] {
        match state(root, directory, kind, allowances) {
            Err(StateError::File(error)) if error.is_absent() => {}
            Err(StateError::File(FileError::TooLarge(_, limit))) if limit < LARGEST_STATE => {
                allowances.leave_out(directory.owner());
                return true;
            }
            state => {
                found.push(state);
                return true;
            }
        }
    }
    false
}

fn state(
    root: &Directory,
    directory: &Directory,
    kind: RuntimeKind,
    allowances: &mut Allowances,
) -> Result<RunningContainer, StateError> {
    let limit = LARGEST_STATE.min(allowances.bytes(directory.owner()));
    let text = directory.read(OsStr::new(kind.state_file()), limit);
    match &text {
        Ok(text) => allowances.spend_bytes(directory.owner(), text.bytes.len() as u64),
        // Reading a file that grows meanwhile costs as much as reading the whole limit.
        Err(FileError::TooLarge(..)) => allowances.spend_bytes(directory.owner(), limit),
        Err(
            FileError::Io(..)
            | FileError::NotRegular(_)
            | FileError::Unguarded(_)
            | FileError::NotText(_),
        ) => {}
    }
    let text = text.map_err(StateError::File)?;
    let name = directory
        .path()
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let faulty = |fault| StateError::State(directory.path().join(kind.state_file()), fault);
    let (id, bundle, process) = parse(kind, name, &text.bytes).map_err(faulty)?;
    Ok(RunningContainer {
        id,
        kind,
        root: root.path().to_owned(),
        bundle,
        process,
        owner: text.owner,
    })
}

/// Parses the state of a container, from a directory of this name. Returns the container's ID,
/// bundle and first process.
///
/// # Errors
/// What is wrong with the state.
pub fn parse(
    kind: RuntimeKind,
    name: &str,
    bytes: &[u8],
) -> Result<(ContainerId, PathBuf, InitProcess), String> {
    let state = match kind {
        RuntimeKind::Runc => serde_json::from_slice::<RuncState>(bytes).map(State::from),
        RuntimeKind::Crun => serde_json::from_slice::<CrunStatus>(bytes).map(State::from),
    };
    let state = state.map_err(|error| error.to_string())?;
    let id = ContainerId::parse(name).ok_or("its directory's name is no container ID")?;
    if let Some(other) = state.id.filter(|id| id != name) {
        return Err(format!("it is that of {other:?}"));
    }
    let bundle = state
        .bundle
        .filter(|bundle| bundle.is_absolute())
        .ok_or("it names no bundle")?;
    Ok((id, bundle, state.process))
}

/// The fields that the state of runc and the state of crun have in common.
struct State {
    id: Option<String>,
    bundle: Option<PathBuf>,
    process: InitProcess,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RuncState {
    id: String,
    #[serde(default)]
    init_process_pid: u32,
    #[serde(default)]
    init_process_start: Option<u64>,
    config: RuncConfig,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RuncConfig {
    #[serde(default)]
    labels: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "an object")]
struct CrunStatus {
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    process_start_time: Option<u64>,
    bundle: PathBuf,
}

impl From<RuncState> for State {
    fn from(state: RuncState) -> Self {
        // runc writes every annotation as a label, and its own labels after them. An annotation
        // named `bundle` therefore comes first, and the last label of that name is runc's (seen
        // with 1.1.5; source: libcontainer/specconv/spec_linux.go).
        let labels = state.config.labels.unwrap_or_default();
        let bundle = labels
            .iter()
            .rev()
            .find_map(|label| label.strip_prefix("bundle="))
            .map(PathBuf::from);
        let process = InitProcess {
            pid: state.init_process_pid,
            started: state.init_process_start.filter(|start| *start != 0),
        };
        Self {
            id: Some(state.id),
            bundle,
            process,
        }
    }
}

impl From<CrunStatus> for State {
    fn from(status: CrunStatus) -> Self {
        let process = InitProcess {
            pid: status.pid,
            started: status.process_start_time.filter(|start| *start != 0),
        };
        Self {
            id: None,
            bundle: Some(status.bundle),
            process,
        }
    }
}

#[cfg(test)]
mod tests;
