//! Reads this process's arguments and environment, and executes another program in its place.
//!
//! In: argv and environment as the kernel passed them; argv and environment are hostile. Out: the
//! next program, in the same process, with the same descriptors, working directory, umask, limits
//! and signal mask. Its argv and environment are the same byte for byte, except for the first
//! argument and one variable. The exec of `std` is not used, because it resets SIGPIPE and searches
//! `PATH`. Not checked: whether the next program should run.

use std::error::Error;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::{FileStat, Mode, stat};

/// If there are at most this many variables, replacing one of them takes one allocation. More
/// variables take more allocations.
const USUAL_VARIABLES: usize = 64;

/// The argv and environment of a process.
#[derive(Clone, Debug, Default)]
pub struct Given<'a> {
    /// argv, including its first element; empty if the caller passed no arguments at all.
    pub argv: Vec<&'a CStr>,
    /// The environment: `NAME=value` strings, including duplicates and malformed ones.
    pub environment: Vec<&'a CStr>,
}

impl<'a> Given<'a> {
    /// The arguments after the program's own name.
    #[must_use]
    pub fn words(&self) -> Vec<&'a OsStr> {
        self.argv.iter().skip(1).map(text).collect()
    }

    /// The first value of an environment variable, as getenv(3) finds it.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&'a OsStr> {
        self.environment
            .iter()
            .find_map(|entry| value_of(entry, name))
            .map(OsStr::from_bytes)
    }
}

/// A string of the kernel's.
fn text<'a>(string: &&'a CStr) -> &'a OsStr {
    OsStr::from_bytes(string.to_bytes())
}

/// The value, if `entry` is `name=value`.
fn value_of<'a>(entry: &'a CStr, name: &str) -> Option<&'a [u8]> {
    entry
        .to_bytes()
        .strip_prefix(name.as_bytes())?
        .strip_prefix(b"=")
}

/// Becomes `program`. Its first argument is `name`; all other arguments are as given. In its
/// environment, `variable` (`NAME=value`) replaces the variable of that name; all other variables
/// are as given. Returns only if this fails.
#[must_use]
pub fn become_program(program: &CStr, name: &CStr, given: &Given<'_>, variable: &CStr) -> Errno {
    let mut argv = Vec::with_capacity(given.argv.len().max(1));
    argv.push(name);
    argv.extend(given.argv.iter().skip(1));
    let mut environment = Vec::with_capacity(given.environment.len().max(USUAL_VARIABLES) + 1);
    environment.extend_from_slice(&given.environment);
    set(&mut environment, variable);
    restore_broken_pipes();
    let Err(errno) = nix::unistd::execve(program, &argv, &environment);
    outlive_broken_pipes();
    errno
}

/// Replaces the first variable of that name by `variable`, and removes all other variables of that
/// name.
fn set<'a>(environment: &mut Vec<&'a CStr>, variable: &'a CStr) {
    let bytes = variable.to_bytes();
    let name = bytes
        .split_inclusive(|byte| *byte == b'=')
        .next()
        .unwrap_or(bytes);
    let mut replaced = false;
    environment.retain_mut(|entry| {
        if !entry.to_bytes().starts_with(name) {
            return true;
        }
        *entry = variable;
        !std::mem::replace(&mut replaced, true)
    });
    if !replaced {
        environment.push(variable);
    }
}

/// Identifies the file that a path leads to. Links are followed.
///
/// # Errors
/// What the operating system says.
pub fn identity(path: &Path) -> Result<Identity, Errno> {
    Ok(Identity { facts: stat(path)? })
}

/// Whether the caller is root, or got more rights by executing this program. The environment of
/// such a caller must not influence what these rights are used for.
#[must_use]
#[allow(unsafe_code)]
pub fn is_privileged() -> bool {
    // SAFETY: reads a word that the kernel gave the process at its start.
    nix::unistd::geteuid().is_root() || unsafe { libc::getauxval(libc::AT_SECURE) } != 0
}

/// Returns `true` if the cause of `error` is that access was denied, and the caller is not
/// privileged (see [`is_privileged`]).
#[must_use]
pub fn takes_root(error: &(dyn Error + 'static)) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<io::Error>()
            && cause.kind() == io::ErrorKind::PermissionDenied
        {
            return !is_privileged();
        }
        next = cause.source();
    }
    false
}

/// Identifies the file that this process runs: by the path that was executed, or else by `/proc`,
/// which takes ten times as long.
#[must_use]
pub fn own_identity() -> Option<Identity> {
    if let Some(path) = executed_path()
        && let Ok(identity) = identity(path)
    {
        return Some(identity);
    }
    identity(Path::new("/proc/self/exe")).ok()
}

/// The path that was executed to start this process. Links in it are not resolved.
#[must_use]
#[allow(unsafe_code)]
pub fn executed_path() -> Option<&'static Path> {
    // SAFETY: the kernel's answer is null or a string that lasts as long as the process
    // (getauxval(3), AT_EXECFN).
    let path = unsafe {
        let path = libc::getauxval(libc::AT_EXECFN) as *const std::ffi::c_char;
        if path.is_null() {
            return None;
        }
        CStr::from_ptr(path)
    };
    Some(Path::new(text(&path)))
}

/// Identifies a file by device and inode, whatever paths lead to it.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    facts: FileStat,
}

impl Identity {
    /// Whether both identities are of the same file, even if the paths differ or lead through
    /// links.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (self.facts.st_dev, self.facts.st_ino) == (other.facts.st_dev, other.facts.st_ino)
    }

    /// Whether the file is one of the files `others`.
    #[must_use]
    pub fn is_any_of(&self, others: &[Self]) -> bool {
        others.iter().any(|other| self.is(other))
    }

    /// Whether the file is a regular file that somebody may execute.
    #[must_use]
    pub fn is_program(&self) -> bool {
        self.facts.st_mode & libc::S_IFMT == libc::S_IFREG && self.facts.st_mode & 0o111 != 0
    }
}

/// From now on, files and directories get the modes that they are made with, without the rights of
/// others to write. A caller's stricter umask would hide from others what they have to read: the
/// list from rootless engines, the settings of Podman from its users. Secrets get their own modes.
pub fn ignore_umask() {
    nix::sys::stat::umask(Mode::S_IWGRP | Mode::S_IWOTH);
}

/// Whether SIGPIPE would have ended this process when it was started.
static PIPES_KILLED: AtomicBool = AtomicBool::new(false);

/// From now on, writing to a pipe or socket that nobody reads is an error and does not end this
/// process. Otherwise a refusal would look like a crash if the reader of the refusal has ended.
/// [`become_program`] undoes this.
#[allow(unsafe_code)]
pub fn outlive_broken_pipes() {
    // SAFETY: SIG_IGN runs no code of Embargo.
    if let Ok(SigHandler::SigDfl) = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) } {
        PIPES_KILLED.store(true, Ordering::Relaxed);
    }
}

#[allow(unsafe_code)]
fn restore_broken_pipes() {
    if PIPES_KILLED.load(Ordering::Relaxed) {
        // SAFETY: SIG_DFL runs no code of Embargo.
        let restored = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
        debug_assert!(
            restored.is_ok(),
            "a signal that could be set once can be set again"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_keeps_its_order_and_its_oddities() {
        let mut environment = vec![
            c"A=1",
            c"DEPTH=x",
            c"nonsense",
            c"",
            c"DEPTHS=2",
            c"DEPTH=y",
            c"A=2",
        ];
        set(&mut environment, c"DEPTH=3");
        assert_eq!(
            environment,
            [c"A=1", c"DEPTH=3", c"nonsense", c"", c"DEPTHS=2", c"A=2"]
        );
        let mut environment = vec![c"A=1"];
        set(&mut environment, c"DEPTH=1");
        assert_eq!(environment, [c"A=1", c"DEPTH=1"]);
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let given = Given {
            argv: vec![],
            environment: vec![c"PATHS=/x", c"PATH", c"PATH=", c"PATH=/y", c"B=\xff"],
        };
        assert_eq!(given.variable("PATH"), Some(OsStr::new("")));
        assert_eq!(given.variable("B"), Some(OsStr::from_bytes(b"\xff")));
        assert_eq!(given.variable("PAT"), None);
        assert_eq!(given.words(), [""; 0]);
    }

    #[test]
    fn a_file_is_itself_by_every_path() {
        let directory = tempfile::tempdir().unwrap();
        let file = tempfile::NamedTempFile::new_in(directory.path()).unwrap();
        let (hard, soft) = (directory.path().join("hard"), directory.path().join("soft"));
        std::fs::hard_link(file.path(), &hard).unwrap();
        std::os::unix::fs::symlink(&hard, &soft).unwrap();
        let itself = identity(file.path()).unwrap();
        assert!(identity(&hard).unwrap().is(&itself) && identity(&soft).unwrap().is(&itself));
        assert!(!own_identity().unwrap().is(&itself));
        assert!(
            own_identity()
                .unwrap()
                .is(&identity(Path::new("/proc/self/exe")).unwrap())
        );
        assert!(
            own_identity().unwrap().is_program()
                && !itself.is_program()
                && !identity(directory.path()).unwrap().is_program()
        );
    }
}
