//! Searches this machine for runtimes: beside a path that Embargo took, in `PATH`, and in the usual
//! directories.
//!
//! No program that is found is Embargo itself; device and inode are compared.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::DelegateError;
use super::family::DIVERTED;
#[cfg(feature = "ctl")]
use super::family::RuntimeFamily;
#[cfg(feature = "ctl")]
use crate::container::runtime::RuntimeKind;
#[cfg(feature = "ctl")]
use crate::settings::Settings;
use crate::sys::process::{self, Given, Identity};

/// The usual directories of runtimes. They are searched after `PATH`, because an engine may not
/// pass `PATH` on (podman 4.3.1 calls `kill` and `delete` without it).
pub(crate) const USUAL_DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// At most this many links are followed from one of Embargo's names to the next, as in the kernel.
const MOST_LINKS: usize = 40;

/// All paths of Embargo if it was executed as `own`: that path, and the path to which each link
/// leads (`krun` is a link to `crun`).
pub(super) fn places(own: Option<&Path>) -> Vec<PathBuf> {
    // A relative path would be looked up in a container's bundle.
    let mut own = own
        .filter(|own| own.is_absolute())
        .map(Path::to_owned)
        .or_else(|| Path::new("/proc/self/exe").read_link().ok());
    let mut places = Vec::new();
    while let Some(place) = own
        && places.len() < MOST_LINKS
    {
        own = link_target(&place);
        places.push(place);
    }
    places
}

fn link_target(place: &Path) -> Option<PathBuf> {
    let target = place.read_link().ok()?;
    Some(place.parent()?.join(target))
}

/// The runtime that was at this path before Embargo took it. It is recognised by its name, which
/// only a diversion makes.
pub(super) fn diverted(own: &Path, itself: Option<&Identity>) -> Option<PathBuf> {
    for suffix in DIVERTED {
        let path = PathBuf::from(OsString::from_iter([own.as_os_str(), OsStr::new(suffix)]));
        if path.is_absolute() && is_real(&path, itself) {
            return Some(path);
        }
    }
    None
}

/// The first diverted runtime that is found for these paths.
pub(super) fn first_diverted(places: &[PathBuf], itself: Option<&Identity>) -> Option<PathBuf> {
    places.iter().find_map(|place| diverted(place, itself))
}

/// Whether there is a program at this path that is not Embargo.
pub(crate) fn is_real(path: &Path, itself: Option<&Identity>) -> bool {
    process::identity(path).is_ok_and(|identity| {
        identity.is_program() && !itself.is_some_and(|itself| identity.is(itself))
    })
}

/// Whether Embargo is the program at this path.
fn is_embargo(path: &Path, itself: Option<&Identity>) -> bool {
    match (process::identity(path), itself) {
        (Ok(identity), Some(itself)) => identity.is_program() && identity.is(itself),
        (Ok(_) | Err(_), Some(_) | None) => false,
    }
}

/// The first of `runc` and `crun` in `PATH` and the usual directories that is not Embargo. If
/// Embargo has taken the path of `runc` or `crun`, the result is the diverted runtime, or else the
/// next program of the same name. It is never the other runtime.
///
/// # Errors
/// [`DelegateError::Gone`] and [`DelegateError::None`].
pub(super) fn search(
    given: &Given<'_>,
    itself: Option<&Identity>,
) -> Result<PathBuf, DelegateError> {
    for name in ["runc", "crun"] {
        let taken = candidates(name, given).find(|path| is_embargo(path, itself));
        let was_there = taken.as_deref().and_then(|place| diverted(place, itself));
        match (was_there.or_else(|| look_up(name, given, itself)), taken) {
            (Some(path), _) => return Ok(path),
            (None, Some(place)) => return Err(DelegateError::Gone(place)),
            (None, None) => {}
        }
    }
    Err(DelegateError::None)
}

/// The first program of this name in `PATH` and the usual directories that is not Embargo. Relative
/// directories in `PATH` do not count: the working directory is often a container's bundle.
pub(super) fn look_up(name: &str, given: &Given<'_>, itself: Option<&Identity>) -> Option<PathBuf> {
    candidates(name, given).find(|candidate| is_real(candidate, itself))
}

/// The paths at which a program of this name may be, in order.
fn candidates(name: &str, given: &Given<'_>) -> impl Iterator<Item = PathBuf> {
    directories(given.variable("PATH").unwrap_or_default())
        .filter(|directory| directory.is_absolute())
        .map(move |directory| directory.join(name))
}

/// The directories in `path`, which is a value of `PATH`, followed by the usual directories.
fn directories(path: &OsStr) -> impl Iterator<Item = &Path> {
    path.as_bytes()
        .split(|&byte| byte == b':')
        .map(|directory| Path::new(OsStr::from_bytes(directory)))
        .chain(USUAL_DIRECTORIES.into_iter().map(Path::new))
}

/// The program of the runtime that made containers of this kind, for a caller that runs it as a
/// child process. The order is: the settings' runtime and former runtimes, if their kind matches;
/// then `PATH` and the usual directories, where a diverted program comes before an undiverted one.
/// The result is never one of the files in `embargo`, which are Embargo's own.
#[cfg(feature = "ctl")]
#[must_use]
pub fn of_kind(
    kind: RuntimeKind,
    settings: Option<&Settings>,
    path: &OsStr,
    embargo: &[Identity],
) -> Option<PathBuf> {
    if let Some(settings) = settings {
        for path in settings.runtime.iter().chain(&settings.former_runtimes) {
            if RuntimeFamily::of(path) == RuntimeFamily::from(kind) && is_other(path, embargo) {
                return Some(path.clone());
            }
        }
    }
    for suffix in DIVERTED.into_iter().chain([""]) {
        let name = format!("{}{suffix}", kind.word());
        let mut named = directories(path).map(|directory| directory.join(&name));
        if let Some(path) = named.find(|path| is_other(path, embargo)) {
            return Some(path);
        }
    }
    None
}

/// Whether this path is absolute and has a program that is not one of the files in `embargo`.
#[cfg(feature = "ctl")]
fn is_other(path: &Path, embargo: &[Identity]) -> bool {
    path.is_absolute()
        && process::identity(path).is_ok_and(|identity| {
            identity.is_program() && !embargo.iter().any(|gate| identity.is(gate))
        })
}
