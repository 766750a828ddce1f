//! Finds the real runtime and turns this process into it.
//!
//! In: the setting (absolute, trusted), else the runtime whose path Embargo took (a dpkg diversion
//! keeps it beside that path, under a longer name), else, for an Embargo that stands in no
//! runtime's place, `PATH` and the usual directories (the caller's: whoever sets them can call a
//! runtime of his own without Embargo). Out: this process turned into that runtime, argv,
//! environment and everything else as they came; or one error that says what is wrong with it.
//! Embargo never becomes itself: by device and inode where that shows, and by a counter in the
//! environment where it does not (a copy, a script in between). A container that another kind of
//! runtime made, for instance before the node changed from runc to crun, is passed to that runtime;
//! otherwise it could be neither killed nor deleted. Not checked: whether the runtime is any good.

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::argv::{Grammar, Grammars, Named};
use crate::container::ContainerId;
use crate::container::runtime::RuntimeKind;
use crate::paths::Paths;
use crate::settings;
use crate::sys::process::{self, Given, Identity};
use crate::verdict::Admission;

#[cfg(test)]
mod tests;

/// Counts how often Embargo has become a runtime that is Embargo again.
const DEPTH: &str = "EMBARGO_DEPTH";

/// This often is no accident: engines nest containers, but each starts counting anew.
const DEEPEST: u32 = 8;

/// Where runtimes are, besides `PATH`, which an engine may not pass on (podman 4.3.1: `kill` and
/// `delete` come without it).
pub(crate) const USUAL_DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The most links from one of Embargo's names to the next; the kernel follows no more.
const MOST_LINKS: usize = 40;

/// What a diversion adds to a runtime's path: by our manual, and by dpkg-divert's own default.
const DIVERTED: [&str; 2] = [".real", ".distrib"];

/// A family of runtimes, recognised by the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// runc and what descends from it.
    Runc,
    /// crun, krun.
    Crun,
    /// youki.
    Youki,
    /// Any other.
    Other,
}

impl Kind {
    /// The kind of the runtime at this path.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
        if has(b"crun") || has(b"krun") {
            Self::Crun
        } else if has(b"youki") {
            Self::Youki
        } else if has(b"runc") {
            Self::Runc
        } else {
            Self::Other
        }
    }

    /// The command-line grammars that it uses, if known.
    #[must_use]
    pub fn grammars(self) -> Option<Grammars> {
        match self {
            Self::Runc => Some(
                Grammars::only(Grammar::Runc)
                    .or(Grammars::only(Grammar::RuncEarly))
                    .or(Grammars::only(Grammar::RuncNext)),
            ),
            Self::Crun => Some(Grammars::only(Grammar::Crun)),
            Self::Youki => Some(Grammars::only(Grammar::Youki)),
            Self::Other => None,
        }
    }
}

impl From<RuntimeKind> for Kind {
    fn from(kind: RuntimeKind) -> Self {
        match kind {
            RuntimeKind::Runc => Self::Runc,
            RuntimeKind::Crun => Self::Crun,
        }
    }
}

/// Where a runtime is, seen from Embargo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Beside the path by which Embargo was called, which was the runtime's own.
    Beside,
    /// Elsewhere.
    Elsewhere,
}

/// A runtime to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealRuntime {
    path: PathBuf,
    place: Place,
    depth: u32,
}

impl RealRuntime {
    /// Its path, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its kind, by its name and the name of the file that a link leads to: if they differ, it is
    /// not known.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let kind = Kind::of(&self.path);
        // Links among its directories do not change its name, and following them all takes longer
        // than reading the settings.
        match self.path.read_link().and_then(|_| self.path.canonicalize()) {
            Ok(file) if Kind::of(&file) != kind => Kind::Other,
            Ok(_) | Err(_) => kind,
        }
    }

    /// The first element of argv that it gets instead of its path: the caller's own, in two cases.
    /// Embargo stands in its place, where it would have got that name; or the name says how crun
    /// runs a container.
    fn name<'a>(&self, given: &Given<'a>) -> Option<&'a CStr> {
        let name = given.argv.first().copied()?;
        match self.place {
            Place::Beside => Some(name),
            Place::Elsewhere => names_handler(name).then_some(name),
        }
    }
}

/// Why there is no real runtime to become.
#[derive(Debug, PartialEq, Eq)]
pub enum DelegateError {
    /// The setting names Embargo itself.
    Itself(PathBuf),
    /// The setting is not an absolute path.
    Relative(PathBuf),
    /// Neither `PATH` nor the usual directories hold one.
    None,
    /// Embargo stands at this path, where a runtime was, and the runtime is not beside it.
    Gone(PathBuf),
    /// Embargo became Embargo again and again.
    Loop(u32),
    /// The runtime at this path cannot be executed.
    Exec(PathBuf, Fault),
}

/// What is wrong with a runtime that cannot be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such file.
    Missing,
    /// The file exists, but the interpreter that it names does not.
    Interpreter,
    /// It is not a file that this user may execute.
    Forbidden,
    /// It is neither a program for this machine nor a script that names its interpreter.
    Format,
    /// Anything else.
    Other(Errno),
}

impl fmt::Display for DelegateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself(path) => write!(
                f,
                "cannot use {path:?} as the real runtime: it is embargo itself"
            ),
            Self::Relative(path) => write!(
                f,
                "cannot use {path:?} as the real runtime: the path must be absolute"
            ),
            Self::None => f.write_str(
                "cannot find a real runtime: neither runc nor crun is in PATH or the usual directories",
            ),
            Self::Gone(place) => {
                let [first, second] = DIVERTED;
                write!(
                    f,
                    "cannot find the real runtime: embargo is in its place, {place:?}, and no program beside it has {first} or {second} added"
                )
            }
            Self::Loop(depth) => write!(
                f,
                "cannot become the real runtime: embargo has started itself {depth} times in a row"
            ),
            Self::Exec(path, fault) => {
                write!(f, "cannot become the real runtime {path:?}")?;
                match fault {
                    Fault::Missing => f.write_str(": the file is missing"),
                    Fault::Interpreter => f.write_str(": the interpreter or loader that it names is missing"),
                    Fault::Forbidden => f.write_str(": it is not a program that this user may run"),
                    Fault::Format => f.write_str(": it is neither a program for this machine nor a script that names its interpreter"),
                    Fault::Other(_) => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for DelegateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Exec(_, Fault::Other(errno)) => Some(errno),
            Self::Itself(_)
            | Self::Relative(_)
            | Self::None
            | Self::Gone(_)
            | Self::Loop(_)
            | Self::Exec(..) => None,
        }
    }
}

impl DelegateError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Itself(_) | Self::Relative(_) | Self::None | Self::Loop(_) => {
                "set runtime = \"/absolute/path/to/runc\" in /etc/embargo/config.toml"
            }
            Self::Gone(_) => {
                "put the runtime back beside it, or set runtime in /etc/embargo/config.toml to where it is"
            }
            Self::Exec(..) => {
                "install the runtime there, or set runtime in /etc/embargo/config.toml to where it is"
            }
        }
    }
}

/// The real runtime: the one `configured`, else the one in whose place Embargo stands; if it stands
/// in no runtime's place, the first of `runc` and `crun` in `PATH` and the usual directories that
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
    let beside = |path| RealRuntime {
        path,
        place: Place::Beside,
        depth,
    };
    let elsewhere = |path| RealRuntime {
        path,
        place: Place::Elsewhere,
        depth,
    };
    let Some(path) = configured else {
        let places = places(own);
        if let Some(path) = places
            .iter()
            .find_map(|place| diverted(place, itself.as_ref()))
        {
            return Ok(beside(path));
        }
        if let Some(place) = places.into_iter().find(|place| taken(place) != Kind::Other) {
            return Err(DelegateError::Gone(place));
        }
        return search(given, itself.as_ref()).map(elsewhere);
    };
    if !path.is_absolute() {
        return Err(DelegateError::Relative(path));
    }
    if let Some(place) = own.filter(|own| are_different(taken(own), Kind::of(&path))) {
        if let Some(path) = places(own)
            .iter()
            .find_map(|place| diverted(place, itself.as_ref()))
        {
            return Ok(beside(path));
        }
        // Whoever configures crun may want it in runc's place, which every engine calls. A call of
        // crun never gets the runtime configured for runc's place.
        if taken(place) != Kind::Runc {
            return Err(DelegateError::Gone(place.to_owned()));
        }
    }
    match (process::identity(&path), itself) {
        (Ok(identity), Some(itself)) if identity.is(&itself) => Err(DelegateError::Itself(path)),
        // What is wrong with one that cannot be inspected shows when it is executed.
        (Ok(_) | Err(_), Some(_) | None) => Ok(elsewhere(path)),
    }
}

/// The paths at which Embargo stands if it was executed as `own`: that one, and what each link
/// leads to (`krun` is a link to `crun`).
fn places(own: Option<&Path>) -> Vec<PathBuf> {
    // A relative path would be searched for in a container's bundle.
    let own = own
        .filter(|own| own.is_absolute())
        .map(Path::to_owned)
        .or_else(|| Path::new("/proc/self/exe").read_link().ok());
    let next = |place: &PathBuf| {
        let target = place.read_link().ok()?;
        Some(place.parent()?.join(target))
    };
    std::iter::successors(own, next).take(MOST_LINKS).collect()
}

/// The kind of the runtime whose path Embargo has taken; other if it is one of Embargo's own names.
fn taken(place: &Path) -> Kind {
    let name = place.file_name().unwrap_or_default().as_bytes();
    if name.windows(7).any(|window| window == b"embargo") {
        Kind::Other
    } else {
        Kind::of(place)
    }
}

/// Whether both kinds are known and not the same.
fn are_different(one: Kind, other: Kind) -> bool {
    one != Kind::Other && other != Kind::Other && one != other
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

/// The runtime that stood at this path before Embargo took it: only a diversion gives it such a
/// name.
fn diverted(own: &Path, itself: Option<&Identity>) -> Option<PathBuf> {
    let beside = |suffix: &&str| {
        PathBuf::from(
            [own.as_os_str(), OsStr::new(suffix)]
                .into_iter()
                .collect::<std::ffi::OsString>(),
        )
    };
    DIVERTED
        .iter()
        .map(beside)
        .find(|path| path.is_absolute() && is_real(path, itself))
}

/// Whether there is a program at this path that is not Embargo.
pub(crate) fn is_real(path: &Path, itself: Option<&Identity>) -> bool {
    process::identity(path).is_ok_and(|identity| {
        identity.is_program() && !itself.is_some_and(|itself| identity.is(itself))
    })
}

/// The first of `runc` and `crun` in `PATH` and the usual directories that is not Embargo. If
/// Embargo stands in the place of one, the result is the one that was there, or else the next of
/// its name, and never the other runtime.
///
/// # Errors
/// [`DelegateError::Gone`] and [`DelegateError::None`].
fn search(given: &Given<'_>, itself: Option<&Identity>) -> Result<PathBuf, DelegateError> {
    for name in ["runc", "crun"] {
        let is_embargo = |path: &PathBuf| {
            itself.is_some_and(|itself| {
                process::identity(path)
                    .is_ok_and(|identity| identity.is_program() && identity.is(itself))
            })
        };
        let taken = candidates(name, given).find(is_embargo);
        let stood_there = taken.as_deref().and_then(|place| diverted(place, itself));
        match (stood_there.or_else(|| look_up(name, given, itself)), taken) {
            (Some(path), _) => return Ok(path),
            (None, Some(place)) => return Err(DelegateError::Gone(place)),
            (None, None) => {}
        }
    }
    Err(DelegateError::None)
}

/// The first program of this name in `PATH` and the usual directories that is not Embargo.
/// Directories named relative to the working directory do not count: it is often a container's
/// bundle.
fn look_up(name: &str, given: &Given<'_>, itself: Option<&Identity>) -> Option<PathBuf> {
    candidates(name, given).find(|candidate| is_real(candidate, itself))
}

/// The places where a program of this name may be, in order.
fn candidates<'a>(name: &'a str, given: &'a Given<'_>) -> impl Iterator<Item = PathBuf> + 'a {
    let path = given.variable("PATH").unwrap_or_default().as_bytes();
    let directories = path
        .split(|&byte| byte == b':')
        .map(|directory| Path::new(OsStr::from_bytes(directory)));
    let directories = directories
        .chain(USUAL_DIRECTORIES.into_iter().map(Path::new))
        .filter(|directory| directory.is_absolute());
    directories.map(move |directory| directory.join(name))
}

/// The runtime for a container that exists and was made by another kind of runtime than `current`:
/// the first of the settings' former runtimes of that kind, else the one in `PATH` and the usual
/// directories. `None`, the usual case, if `current` made it or it is not known; faults of the
/// settings or the state directories do not matter here.
#[must_use]
pub fn former(
    current: &RealRuntime,
    named: &Named<'_>,
    paths: &Paths,
    given: &Given<'_>,
) -> Option<RealRuntime> {
    let (own, other) = match current.kind() {
        Kind::Runc => (RuntimeKind::Runc, RuntimeKind::Crun),
        Kind::Crun => (RuntimeKind::Crun, RuntimeKind::Runc),
        Kind::Youki | Kind::Other => return None,
    };
    let id = ContainerId::parse(named.id.to_str()?)?;
    if has_state(own, &id, named.root, given) || !has_state(other, &id, named.root, given) {
        return None;
    }
    let itself = process::own_identity();
    let configured = settings::load(paths)
        .ok()
        .flatten()
        .map(|settings| settings.former_runtimes)
        .unwrap_or_default();
    let real = |path: &PathBuf| {
        let identity = process::identity(path);
        Kind::of(path) == Kind::from(other)
            && identity.is_ok_and(|identity| itself.is_some_and(|itself| !identity.is(&itself)))
    };
    let path = configured
        .into_iter()
        .find(real)
        .or_else(|| look_up(other.word(), given, itself.as_ref()))?;
    Some(RealRuntime {
        path,
        place: Place::Elsewhere,
        depth: current.depth,
    })
}

/// The program of the runtime that made containers of this kind, for a caller that runs it as a
/// child: the settings' runtime, else the first of their former runtimes of that kind, else the one
/// in `PATH` and the usual directories, a diverted one before what now has its path. Never one of
/// `embargo`, the gate's own files.
#[cfg(feature = "ctl")]
#[must_use]
pub fn of_kind(
    kind: RuntimeKind,
    settings: Option<&settings::Settings>,
    path: &OsStr,
    embargo: &[Identity],
) -> Option<PathBuf> {
    let real = |path: &Path| {
        let identity = process::identity(path);
        path.is_absolute()
            && identity.is_ok_and(|identity| {
                identity.is_program() && !embargo.iter().any(|gate| identity.is(gate))
            })
    };
    let configured = settings
        .into_iter()
        .flat_map(|settings| settings.runtime.iter().chain(&settings.former_runtimes));
    let mut configured = configured.filter(|path| Kind::of(path) == Kind::from(kind) && real(path));
    configured.next().cloned().or_else(|| {
        let directories = path
            .as_bytes()
            .split(|&byte| byte == b':')
            .map(|directory| Path::new(OsStr::from_bytes(directory)));
        let directories: Vec<_> = directories
            .chain(USUAL_DIRECTORIES.into_iter().map(Path::new))
            .collect();
        let named = |suffix: &str| {
            directories
                .iter()
                .map(move |directory| directory.join(format!("{}{suffix}", kind.word())))
                .find(|path| real(path))
        };
        DIVERTED.iter().copied().chain([""]).find_map(named)
    })
}

/// Whether a runtime of this kind has state of the container: below `root`, else in the directories
/// of its own name under `$XDG_RUNTIME_DIR` and `/run`.
fn has_state(kind: RuntimeKind, id: &ContainerId, root: Option<&OsStr>, given: &Given<'_>) -> bool {
    let is_in =
        |root: &Path| process::identity(&root.join(id.as_str()).join(kind.state_file())).is_ok();
    if let Some(root) = root {
        return is_in(Path::new(root));
    }
    let of_user = given
        .variable("XDG_RUNTIME_DIR")
        .filter(|directory| !directory.is_empty());
    of_user.is_some_and(|directory| is_in(&Path::new(directory).join(kind.word())))
        || is_in(&Path::new("/run").join(kind.word()))
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
            fault(
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
fn c_string(bytes: &[u8]) -> Result<CString, Fault> {
    CString::new(bytes).map_err(|_| Fault::Missing)
}

/// What an error of execve means: it reports "no such file" for a missing interpreter, too.
fn fault(errno: Errno, path: &Path) -> Fault {
    match errno as i32 {
        libc::ENOENT if process::identity(path).is_ok() => Fault::Interpreter,
        libc::ENOENT | libc::ENOTDIR => Fault::Missing,
        libc::EACCES | libc::EPERM | libc::EISDIR => Fault::Forbidden,
        libc::ENOEXEC | libc::ELIBBAD | libc::EINVAL => Fault::Format,
        _ => Fault::Other(errno),
    }
}
