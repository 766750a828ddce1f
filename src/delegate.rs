//! Finds the real runtime and turns this process into it.
//!
//! In: the setting (absolute, trusted), else the runtime whose path Embargo took (a dpkg diversion
//! keeps it beside that path, under a longer name), else, for an Embargo that is in no
//! runtime's place, `PATH` and the usual directories (the caller's: whoever sets them can call a
//! runtime of his own without Embargo). Out: this process turned into that runtime, argv,
//! environment and everything else as they came; or one error that says what is wrong with it.
//! Embargo never becomes itself: by device and inode where that shows, and by a counter in the
//! environment where it does not (a copy, a script in between). A container that another kind of
//! runtime made, for instance before the node changed from runc to crun, is passed to that runtime;
//! otherwise it could be neither killed nor deleted. Not checked: whether the runtime is any good.

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
pub use search::of_kind;
pub(crate) use search::{USUAL_DIRECTORIES, is_real};
use search::{first_diverted, look_up, places, search};

use crate::argv::NamedContainer;
use crate::container::ContainerId;
use crate::container::runtime::RuntimeKind;
use crate::paths::Paths;
use crate::settings;
use crate::sys::process::{self, Given};
use crate::verdict::Admission;

/// Counts how often Embargo has become a runtime that is Embargo again.
const DEPTH: &str = "EMBARGO_DEPTH";

/// This often is no accident: engines nest containers, but each starts counting at zero.
const DEEPEST: u32 = 8;

/// Where a runtime is, seen from Embargo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuntimePlace {
    /// Beside the path by which Embargo was called, which was the runtime's own.
    Beside,
    /// Elsewhere.
    Elsewhere,
}

/// A runtime to become.
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

    /// Its path, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its kind, by its name and the name of the file that a link leads to: if they differ, it is
    /// not known.
    #[must_use]
    pub fn kind(&self) -> RuntimeFamily {
        let kind = RuntimeFamily::of(&self.path);
        // Links among its directories do not change its name, and following them all takes longer
        // than reading the settings.
        match self.path.read_link().and_then(|_| self.path.canonicalize()) {
            Ok(file) if RuntimeFamily::of(&file) != kind => RuntimeFamily::Other,
            Ok(_) | Err(_) => kind,
        }
    }

    /// The first element of argv that it gets instead of its path: the caller's own, in two cases.
    /// Embargo is in its place, where it would have got that name; or the name says how crun
    /// runs a container.
    fn name<'a>(&self, given: &Given<'a>) -> Option<&'a CStr> {
        let name = given.argv.first().copied()?;
        match self.place {
            RuntimePlace::Beside => Some(name),
            RuntimePlace::Elsewhere => names_handler(name).then_some(name),
        }
    }
}

/// The real runtime: the one `configured`, else the one in whose place Embargo is; if it is in
/// no runtime's place, the first of `runc` and `crun` in `PATH` and the usual directories that
/// is not Embargo itself. One that is configured in runc's place does not count for crun.
///
/// # Errors
/// [`DelegateError`]; whether a configured runtime can be executed shows only when it is executed.
pub fn find(configured: Option<PathBuf>, given: &Given<'_>) -> Result<RealRuntime, DelegateError> {
    find_for(process::executed_path(), configured, given)
}

/// The same for an Embargo that was executed by the path `own`.
fn find_for(
    own: Option<&Path>,
    configured: Option<PathBuf>,
    given: &Given<'_>,
) -> Result<RealRuntime, DelegateError> {
    let depth = depth(given);
    if depth >= DEEPEST {
        return Err(DelegateError::Loop(depth));
    }
    let itself = process::own_identity();
    let Some(path) = configured else {
        let places = places(own);
        if let Some(path) = first_diverted(&places, itself.as_ref()) {
            return Ok(RealRuntime::beside(path, depth));
        }
        for place in places {
            if RuntimeFamily::taken(&place) != RuntimeFamily::Other {
                return Err(DelegateError::Gone(place));
            }
        }
        let path = search(given, itself.as_ref())?;
        return Ok(RealRuntime::elsewhere(path, depth));
    };
    if !path.is_absolute() {
        return Err(DelegateError::Relative(path));
    }
    if let Some(place) = own
        && RuntimeFamily::taken(place).differs(RuntimeFamily::of(&path))
    {
        if let Some(path) = first_diverted(&places(own), itself.as_ref()) {
            return Ok(RealRuntime::beside(path, depth));
        }
        // Whoever configures crun may want it in runc's place, which every engine calls. A call of
        // crun never gets the runtime configured for runc's place.
        if RuntimeFamily::taken(place) != RuntimeFamily::Runc {
            return Err(DelegateError::Gone(place.to_owned()));
        }
    }
    match (process::identity(&path), itself) {
        (Ok(identity), Some(itself)) if identity.is(&itself) => Err(DelegateError::Itself(path)),
        // What is wrong with one that cannot be inspected shows when it is executed.
        (Ok(_) | Err(_), Some(_) | None) => Ok(RealRuntime::elsewhere(path, depth)),
    }
}

/// How often Embargo became itself on the way here; anything but a number counts as never.
fn depth(given: &Given<'_>) -> u32 {
    given
        .variable(DEPTH)
        .and_then(OsStr::to_str)
        .and_then(|depth| depth.parse().ok())
        .unwrap_or(0)
}

/// The counter, one higher, for executing another program of Embargo's.
///
/// # Errors
/// The counter, when it is too high for that.
pub(crate) fn next_depth(given: &Given<'_>) -> Result<CString, u32> {
    let depth = depth(given);
    let next = if depth < DEEPEST {
        CString::new(format!("{DEPTH}={}", depth + 1)).ok()
    } else {
        None
    };
    next.ok_or(depth)
}

/// The runtime for a container that exists and was made by another kind of runtime than `current`:
/// the first of the settings' former runtimes of that kind, else the one in `PATH` and the usual
/// directories. `None`, the usual case, if `current` made it or it is not known; faults of the
/// settings or the state directories do not matter here.
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
                && process::identity(&path).is_ok_and(|identity| !identity.is(itself))
            {
                return Some(RealRuntime::elsewhere(path, current.depth));
            }
        }
    }
    let path = look_up(other.word(), given, itself.as_ref())?;
    Some(RealRuntime::elsewhere(path, current.depth))
}

/// Whether a runtime of this kind has state of the container: below `root`, else in the directories
/// of its own name under `$XDG_RUNTIME_DIR` and `/run`.
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

/// Becomes the real runtime: the same process, with argv (its first element aside), environment
/// (the counter aside), descriptors, working directory, umask, limits and signals as they came.
/// Returns only when that fails. Only the verdict makes an [`Admission`].
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

/// Whether crun selects a handler by being called by this name: `krun`, or `crun-wasm` and the like
/// (crun 1.29: src/crun.c, `fill_handler_from_argv0`).
fn names_handler(name: &CStr) -> bool {
    let name = name.to_bytes();
    let base = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
    base == b"krun"
        || base
            .strip_prefix(b"crun-")
            .is_some_and(|handler| !handler.is_empty())
}

/// A path with a zero byte in it cannot be handed to the kernel, so there is no such file.
fn c_string(bytes: &[u8]) -> Result<CString, ExecFault> {
    CString::new(bytes).map_err(|_| ExecFault::Missing)
}
