//! Turns this process into `embargoctl`, for commands that the gate does not run itself.
//!
//! `embargo exec-patch`, and `embargo check` of an archive, need a command-line parser, threads and
//! archive readers, which would slow down every container start. So `embargoctl` runs these
//! commands. In: the file that this process runs; argv and the environment, unchanged. Out: this
//! process turned into the `embargoctl` beside that file, or else into the `embargoctl` in the
//! usual directories; or one error. `PATH` is never used: a variable must not choose the program
//! that patches containers as root. Not checked: whether `embargoctl` has the same version.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

use crate::delegate::{self, USUAL_DIRECTORIES};
use crate::sys::process::{self, Given, Identity};

/// The program that runs these commands.
const PROGRAM: &str = "embargoctl";

/// Why the process cannot become `embargoctl`.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum HandoverError {
    /// There is no `embargoctl`, neither in this directory nor in the usual directories.
    #[error("cannot find {PROGRAM}, neither in {0:?} nor in the usual directories")]
    Missing(PathBuf),
    /// There is no `embargoctl` in the usual directories, and Embargo's own directory is not known.
    #[error("cannot find {PROGRAM} in the usual directories")]
    Nowhere,
    /// Embargo has started itself this many times in a row: the program found as `embargoctl` is
    /// `embargo` again.
    #[error("cannot run {PROGRAM}: embargo has started itself {0} times in a row")]
    Loop(u32),
    /// The file cannot be executed.
    #[error("cannot run {0:?}")]
    Exec(PathBuf, #[source] Errno),
}

impl HandoverError {
    /// What the operator can do about the error.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::Nowhere => "embargoctl does this: install it beside embargo",
            Self::Loop(_) | Self::Exec(..) => {
                "install embargo and embargoctl again, both of one version"
            }
        }
    }
}

/// Becomes `embargoctl`, with all arguments unchanged. Returns only on failure.
#[must_use]
pub fn become_embargoctl(given: &Given<'_>) -> HandoverError {
    let depth = match delegate::next_depth(given) {
        Ok(depth) => depth,
        Err(depth) => return HandoverError::Loop(depth),
    };
    let itself = process::own_identity();
    let directory = own_directory();
    let mut candidates = Vec::new();
    for place in directory
        .clone()
        .into_iter()
        .chain(USUAL_DIRECTORIES.map(PathBuf::from))
    {
        candidates.push(place.join(PROGRAM));
    }
    let Some(path) = first(candidates, itself.as_slice()) else {
        return directory.map_or(HandoverError::Nowhere, HandoverError::Missing);
    };
    match CString::new(path.as_os_str().as_bytes()) {
        Ok(program) => HandoverError::Exec(
            path,
            process::become_program(&program, &program, given, &depth),
        ),
        Err(_) => HandoverError::Exec(path, Errno::EINVAL),
    }
}

/// The directory of the file that this process runs, after following links.
fn own_directory() -> Option<PathBuf> {
    let own = match std::fs::read_link("/proc/self/exe") {
        Ok(own) => own,
        Err(_) => process::executed_path()?.canonicalize().ok()?,
    };
    let directory = own.parent()?;
    directory.is_absolute().then_some(directory.to_owned())
}

/// The first of these paths at which there is a program other than the running one.
fn first(candidates: Vec<PathBuf>, itself: &[Identity]) -> Option<PathBuf> {
    candidates
        .into_iter()
        .find(|path| delegate::is_real(path, itself))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_program_and_never_this_one() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::os::unix::fs::symlink("/proc/self/exe", at("itself")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", at("other")).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        let found = |names: &[&str]| {
            first(
                names.iter().map(|name| at(name)).collect(),
                process::own_identity().as_slice(),
            )
        };
        assert_eq!(
            found(&["no", "directory", "itself", "other"]),
            Some(at("other"))
        );
        assert_eq!(found(&["itself"]), None);
        assert_eq!(
            own_directory().as_deref(),
            std::env::current_exe().unwrap().parent()
        );
    }

    #[test]
    fn what_is_missing_is_reported_with_what_to_do() {
        let missing = HandoverError::Missing("/opt".into());
        assert_eq!(
            missing.to_string(),
            "cannot find embargoctl, neither in \"/opt\" nor in the usual directories"
        );
        assert_eq!(
            missing.hint(),
            "embargoctl does this: install it beside embargo"
        );
        assert_eq!(
            HandoverError::Loop(8).to_string(),
            "cannot run embargoctl: embargo has started itself 8 times in a row"
        );
    }
}
