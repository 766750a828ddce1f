//! Finds the real runtime and turns this process into it.
//!
//! The real runtime is the first of these:
//!
//! - the runtime in the settings (an absolute path, trusted). If Embargo took that path, too, the
//!   runtime is beside it.
//! - the runtime whose path Embargo took. A dpkg diversion has moved that runtime to a longer name
//!   beside that path.
//! - if Embargo has taken no runtime's path: a runtime in `PATH` or the usual directories. The
//!   caller chooses `PATH`; but a caller who can set `PATH` could also call a runtime directly,
//!   without Embargo.
//!
//! Out: this process turned into that runtime, with argv, environment and everything else
//! unchanged; or one error that says what is wrong. Embargo never becomes itself: it compares
//! device and inode. A copy of Embargo or a script in between can evade that comparison, so Embargo
//! also counts its starts in the environment. A container that was made by another kind of runtime,
//! for instance before the node changed from runc to crun, is passed to that runtime; otherwise it
//! could be neither killed nor deleted. Not checked: whether the runtime works.

mod error;
mod family;
mod search;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use error::{DelegateError, ExecFault};
pub use family::RuntimeFamily;
#[cfg(feature = "ctl")]
pub(crate) use search::GATE;
pub(crate) use search::{USUAL_DIRECTORIES, is_real};
use search::{first_diverted, look_up, places, search};
#[cfg(feature = "ctl")]
pub use search::{gate_beside, gates, installed, of_kind};

use crate::argv::NamedContainer;
use crate::container::ContainerId;
use crate::container::runtime::RuntimeKind;
use crate::paths::Paths;
use crate::settings;
use crate::sys::process::{self, Given, Identity};
use crate::verdict::Admission;

/// The environment variable that counts how many times in a row Embargo has started itself.
const DEPTH: &str = "EMBARGO_DEPTH";

/// Embargo stops when the counter reaches this value, which only a loop can reach. Engines may nest
/// containers, but in each container the counter starts at zero.
const DEEPEST: u32 = 8;

/// Where the runtime's program is, compared with Embargo's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuntimePlace {
    /// Beside the path by which Embargo was called. That path was once the runtime's own.
    Beside,
    /// Anywhere else.
    Elsewhere,
}

/// The runtime that this process will become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealRuntime {
    path: PathBuf,
    place: RuntimePlace,
    depth: u32,
}

impl RealRuntime {
    const fn beside(path: PathBuf, depth: u32) -> Self {
        Self {
            path,
            place: RuntimePlace::Beside,
            depth,
        }
    }

    const fn elsewhere(path: PathBuf, depth: u32) -> Self {
        Self {
            path,
            place: RuntimePlace::Elsewhere,
            depth,
        }
    }

    /// The runtime's absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The runtime's family, by its name and by the name of the file that a link leads to. If the
    /// two disagree, the family is unknown.
    #[must_use]
    pub fn kind(&self) -> RuntimeFamily {
        let kind = RuntimeFamily::of(&self.path);
        // Only the last part of the path matters. Links among the directories do not change the
        // name, and following them all takes longer than reading the settings.
        if self.path.is_symlink()
            && let Ok(file) = self.path.canonicalize()
            && RuntimeFamily::of(&file) != kind
        {
            return RuntimeFamily::Other;
        }
        kind
    }

    /// The first element of argv that the runtime gets. Usually it is the runtime's own path
    /// (`None`). In two cases it is the caller's first element of argv: if Embargo has taken the
    /// runtime's path, so that the runtime itself would have got that element; and if that element
    /// tells crun how to run a container.
    fn name<'a>(&self, given: &Given<'a>) -> Option<&'a CStr> {
        let name = given.argv.first().copied()?;
        match self.place {
            RuntimePlace::Beside => Some(name),
            RuntimePlace::Elsewhere => names_handler(name).then_some(name),
        }
    }
}

/// The real runtime: the runtime `configured`, or else the runtime whose path Embargo has taken. If
/// Embargo has taken no runtime's path, the result is the first of `runc` and `crun` in `PATH` and
/// the usual directories that is not Embargo itself. If the configured runtime is of another family
/// than the path that Embargo has taken, the diverted runtime is used instead. If there is no
/// diverted runtime, the configured runtime is used only for runc's path.
///
/// # Errors
/// [`DelegateError`]. Not checked: whether a configured runtime can be executed.
pub fn find(configured: Option<PathBuf>, given: &Given<'_>) -> Result<RealRuntime, DelegateError> {
    find_for(process::executed_path(), configured, given)
}

/// The runtime that the Embargo at `gate` would become, for a caller that is another program.
///
/// # Errors
/// As [`find`].
#[cfg(feature = "ctl")]
pub fn of_gate(
    gate: &Path,
    configured: Option<PathBuf>,
    given: &Given<'_>,
) -> Result<RealRuntime, DelegateError> {
    let itself = process::identity(gate).ok();
    find_as(itself, Some(gate), configured, given)
}

/// Like [`find`], for an Embargo that was executed by the path `own`.
fn find_for(
    own: Option<&Path>,
    configured: Option<PathBuf>,
    given: &Given<'_>,
) -> Result<RealRuntime, DelegateError> {
    find_as(process::own_identity(), own, configured, given)
}

/// Like [`find_for`], for an Embargo whose file is `itself`.
fn find_as(
    itself: Option<Identity>,
    own: Option<&Path>,
    configured: Option<PathBuf>,
    given: &Given<'_>,
) -> Result<RealRuntime, DelegateError> {
    let depth = depth(given);
    if depth >= DEEPEST {
        return Err(DelegateError::Loop(depth));
    }
    let Some(path) = configured else {
        let places = places(own);
        if let Some(path) = first_diverted(&places, itself.as_slice()) {
            return Ok(RealRuntime::beside(path, depth));
        }
        for place in places {
            if RuntimeFamily::taken(&place) != RuntimeFamily::Other {
                return Err(DelegateError::Gone(place));
            }
        }
        let path = search(given, itself.as_slice())?;
        return Ok(RealRuntime::elsewhere(path, depth));
    };
    if !path.is_absolute() {
        return Err(DelegateError::Relative(path));
    }
    if let Some(place) = own
        && RuntimeFamily::taken(place).differs(RuntimeFamily::of(&path))
    {
        if let Some(path) = first_diverted(&places(own), itself.as_slice()) {
            return Ok(RealRuntime::beside(path, depth));
        }
        // An operator may want crun to run the calls of runc, whose path every engine calls. But a
        // call of crun never goes to a runtime that is configured in place of runc.
        if RuntimeFamily::taken(place) != RuntimeFamily::Runc {
            return Err(DelegateError::Gone(place.to_owned()));
        }
    }
    match process::identity(&path) {
        // Embargo has taken the configured runtime's path, too: the runtime is beside it.
        Ok(found) if found.is_any_of(itself.as_slice()) => {
            match first_diverted(&places(Some(&path)), itself.as_slice()) {
                Some(path) => Ok(RealRuntime::elsewhere(path, depth)),
                None => Err(DelegateError::Itself(path)),
            }
        }
        // If the file cannot be inspected, the reason is found when the file is executed.
        Ok(_) | Err(_) => Ok(RealRuntime::elsewhere(path, depth)),
    }
}

/// Checks that Embargo, once it is at `place` and the runtime beside it, finds a runtime for every
/// call of `place`.
///
/// # Errors
/// [`DelegateError`]: what is wrong with the runtime `configured`, which Embargo would use.
#[cfg(feature = "ctl")]
pub fn would_find(
    place: &Path,
    configured: Option<PathBuf>,
    embargo: &[Identity],
) -> Result<(), DelegateError> {
    let Some(path) = configured else {
        return Ok(());
    };
    if !path.is_absolute() {
        return Err(DelegateError::Relative(path));
    }
    let is_found = RuntimeFamily::taken(place).differs(RuntimeFamily::of(&path))
        || is_real(&path, embargo)
        || first_diverted(&places(Some(&path)), embargo).is_some();
    match process::identity(&path) {
        _ if is_found => Ok(()),
        Ok(found) if found.is_any_of(embargo) => Err(DelegateError::Itself(path)),
        Ok(_) => Err(DelegateError::Exec(path, ExecFault::Forbidden)),
        Err(_) => Err(DelegateError::Exec(path, ExecFault::Missing)),
    }
}

/// How many times in a row Embargo has started itself so far. A value that is not a number is read
/// as 0.
fn depth(given: &Given<'_>) -> u32 {
    let depth = given.variable(DEPTH).unwrap_or_default();
    depth.to_string_lossy().parse().unwrap_or(0)
}

/// The variable with the counter raised by one, for executing another program of Embargo's.
///
/// # Errors
/// The counter, if it is already at its limit.
pub(crate) fn next_depth(given: &Given<'_>) -> Result<CString, u32> {
    let depth = depth(given);
    let next = if depth < DEEPEST {
        CString::new(format!("{DEPTH}={}", depth + 1)).ok()
    } else {
        None
    };
    next.ok_or(depth)
}

/// The runtime for an existing container that another kind of runtime than `current` made: the
/// first of the settings' former runtimes of that kind, or else the runtime of that kind in `PATH`
/// and the usual directories. `None`, the usual case, if `current` made the container or if that is
/// unknown. Faults of the settings or of the state directories are ignored.
#[must_use]
pub fn former(
    current: &RealRuntime,
    named: &NamedContainer<'_>,
    paths: &Paths,
    given: &Given<'_>,
) -> Option<RealRuntime> {
    let (own, other) = match current.kind() {
        RuntimeFamily::Runc => (RuntimeKind::Runc, RuntimeKind::Crun),
        RuntimeFamily::Crun => (RuntimeKind::Crun, RuntimeKind::Runc),
        RuntimeFamily::Youki | RuntimeFamily::Other => return None,
    };
    let id = ContainerId::parse(named.id.to_str()?)?;
    if has_state(own, &id, named.root, given) || !has_state(other, &id, named.root, given) {
        return None;
    }
    let itself = process::own_identity();
    if let (Ok(Some(settings)), Some(itself)) = (settings::load(paths), itself.as_ref()) {
        for path in settings.former_runtimes {
            if RuntimeFamily::of(&path) == RuntimeFamily::from(other)
                && let Ok(found) = process::identity(&path)
                && !found.is(itself)
            {
                return Some(RealRuntime::elsewhere(path, current.depth));
            }
        }
    }
    let path = look_up(other.word(), given, itself.as_slice())?;
    Some(RealRuntime::elsewhere(path, current.depth))
}

/// Whether a runtime of this kind has a state directory for the container: below `root`; or, if
/// there is no `root`, in the runtime's directory below `$XDG_RUNTIME_DIR` or `/run`.
fn has_state(kind: RuntimeKind, id: &ContainerId, root: Option<&OsStr>, given: &Given<'_>) -> bool {
    let user = given.variable("XDG_RUNTIME_DIR").unwrap_or_default();
    match root {
        Some(root) => has_state_in(Path::new(root), kind, id),
        None => {
            !user.is_empty() && has_state_in(&Path::new(user).join(kind.word()), kind, id)
                || has_state_in(&Path::new("/run").join(kind.word()), kind, id)
        }
    }
}

fn has_state_in(root: &Path, kind: RuntimeKind, id: &ContainerId) -> bool {
    process::identity(&root.join(id.as_str()).join(kind.state_file())).is_ok()
}

/// Becomes the real runtime in the same process. The arguments, the environment, the descriptors,
/// the working directory, the umask, the limits and the signals stay unchanged; only the first
/// element of argv and the counter may differ. Returns only on failure. Only the verdict makes an
/// [`Admission`].
#[must_use]
pub fn become_runtime(
    _admission: Admission,
    runtime: &RealRuntime,
    given: &Given<'_>,
) -> DelegateError {
    let fault = match (
        c_string(runtime.path.as_os_str().as_bytes()),
        c_string(format!("{DEPTH}={}", runtime.depth + 1).as_bytes()),
    ) {
        (Ok(program), Ok(variable)) => {
            let name = runtime.name(given).unwrap_or(&program);
            ExecFault::of(
                process::become_program(&program, name, given, &variable),
                &runtime.path,
            )
        }
        (Err(fault), _) | (_, Err(fault)) => fault,
    };
    DelegateError::Exec(runtime.path.clone(), fault)
}

/// Whether crun selects a handler because it is called by this name: `krun`, or `crun-` and a
/// handler's name, such as `crun-wasm` (crun 1.29: src/crun.c, `fill_handler_from_argv0`).
fn names_handler(name: &CStr) -> bool {
    let name = name.to_bytes();
    let base = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
    base == b"krun" || matches!(base.strip_prefix(b"crun-"), Some([_, ..]))
}

/// The kernel accepts no path with a zero byte in it, so there can be no such file.
fn c_string(bytes: &[u8]) -> Result<CString, ExecFault> {
    match CString::new(bytes) {
        Ok(string) => Ok(string),
        Err(_) => Err(ExecFault::Missing),
    }
}
