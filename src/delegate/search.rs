//! Searches this machine for runtimes: beside a path that Embargo took, in `PATH`, and in the usual
//! directories.
//!
//! Embargo itself is never a result: device and inode are compared.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::error::DelegateError;
use super::family::DIVERTED;
#[cfg(feature = "ctl")]
use super::family::RuntimeFamily;
#[cfg(feature = "ctl")]
use crate::container::runtime::RuntimeKind;
#[cfg(feature = "ctl")]
use crate::paths::Paths;
#[cfg(feature = "ctl")]
use crate::settings::Settings;
use crate::sys::process::{self, Given, Identity};

/// The usual directories of runtimes. They are searched after `PATH`, because some engines do not
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
    let mut own = match own {
        Some(own) if own.is_absolute() => Some(own.to_owned()),
        Some(_) | None => Path::new("/proc/self/exe").read_link().ok(),
    };
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

/// The runtime that was at this path before Embargo took it. The runtime is recognised by its
/// suffix, which only a diversion makes.
pub(super) fn diverted(own: &Path, itself: &[Identity]) -> Option<PathBuf> {
    for suffix in DIVERTED {
        let path = PathBuf::from(OsString::from_iter([own.as_os_str(), OsStr::new(suffix)]));
        if path.is_absolute() && is_real(&path, itself) {
            return Some(path);
        }
    }
    None
}

/// The first diverted runtime beside one of these paths.
pub(super) fn first_diverted(places: &[PathBuf], itself: &[Identity]) -> Option<PathBuf> {
    for place in places {
        if let Some(path) = diverted(place, itself) {
            return Some(path);
        }
    }
    None
}

/// Whether there is a program at this path that is not one of the files `embargo`.
pub(crate) fn is_real(path: &Path, embargo: &[Identity]) -> bool {
    process::identity(path).is_ok_and(|found| found.is_program() && !found.is_any_of(embargo))
}

/// Whether the program at this path is one of the files `embargo`.
fn is_embargo(path: &Path, embargo: &[Identity]) -> bool {
    process::identity(path).is_ok_and(|found| found.is_program() && found.is_any_of(embargo))
}

/// The first of `runc` and `crun` in `PATH` and the usual directories that is not Embargo. If
/// Embargo has taken the path of `runc` or `crun`, the result is the diverted runtime, or else the
/// next program of the same name, but never the other runtime.
///
/// # Errors
/// [`DelegateError::Gone`] and [`DelegateError::None`].
pub(super) fn search(given: &Given<'_>, itself: &[Identity]) -> Result<PathBuf, DelegateError> {
    for name in ["runc", "crun"] {
        let taken = candidates(name, path_of(given)).find(|path| is_embargo(path, itself));
        if let Some(place) = &taken
            && let Some(path) = diverted(place, itself)
        {
            return Ok(path);
        }
        match (look_up(name, given, itself), taken) {
            (Some(path), _) => return Ok(path),
            (None, Some(place)) => return Err(DelegateError::Gone(place)),
            (None, None) => {}
        }
    }
    Err(DelegateError::None)
}

/// The first program of this name in `PATH` and the usual directories that is not Embargo. If
/// Embargo has taken a program's path, the diverted program counts. Relative directories in `PATH`
/// are not searched: the working directory is often a container's bundle.
pub(super) fn look_up(name: &str, given: &Given<'_>, itself: &[Identity]) -> Option<PathBuf> {
    for candidate in candidates(name, path_of(given)) {
        if is_real(&candidate, itself) {
            return Some(candidate);
        }
        if is_embargo(&candidate, itself)
            && let Some(path) = first_diverted(&places(Some(&candidate)), itself)
        {
            return Some(path);
        }
    }
    None
}

fn path_of<'a>(given: &Given<'a>) -> &'a OsStr {
    given.variable("PATH").unwrap_or_default()
}

/// The paths at which a program of this name may be, in order: first in the absolute directories of
/// `path` (a value of `PATH`), then in the usual directories.
fn candidates(name: &str, path: &OsStr) -> impl Iterator<Item = PathBuf> {
    std::env::split_paths(path)
        .chain(USUAL_DIRECTORIES.map(PathBuf::from))
        .filter(|directory| directory.is_absolute())
        .map(move |directory| directory.join(name))
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
            let is_of_kind = RuntimeFamily::of(path) == RuntimeFamily::from(kind);
            if is_of_kind && path.is_absolute() && is_real(path, embargo) {
                return Some(path.clone());
            }
        }
    }
    for suffix in DIVERTED.into_iter().chain([""]) {
        let name = format!("{}{suffix}", kind.word());
        let found = candidates(&name, path).find(|path| is_real(path, embargo));
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The program of this name in the usual directories of the node, as a path of this process.
#[cfg(feature = "ctl")]
#[must_use]
pub fn installed(name: &str, paths: &Paths) -> Option<PathBuf> {
    USUAL_DIRECTORIES
        .map(|directory| paths.of_node(&Path::new(directory).join(name)))
        .into_iter()
        .find(|path| process::identity(path).is_ok_and(|found| found.is_program()))
}

/// The name of Embargo's runtime program.
#[cfg(feature = "ctl")]
pub(crate) const GATE: &str = "embargo";

/// Embargo's runtime program beside this program, whether or not it exists.
#[cfg(feature = "ctl")]
#[must_use]
pub fn gate_beside() -> PathBuf {
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    own.with_file_name(GATE)
}

/// Every copy of Embargo's runtime program on this node, each once: beside this program, and in the
/// node's usual directories.
#[cfg(feature = "ctl")]
#[must_use]
pub fn gates(paths: &Paths) -> Vec<(PathBuf, Identity)> {
    let usual = USUAL_DIRECTORIES.map(|directory| paths.of_node(&Path::new(directory).join(GATE)));
    let mut gates: Vec<(PathBuf, Identity)> = Vec::new();
    for path in std::iter::once(gate_beside()).chain(usual) {
        if let Ok(found) = process::identity(&path)
            && found.is_program()
            && !gates.iter().any(|(_, known)| known.is(&found))
        {
            gates.push((path, found));
        }
    }
    gates
}
