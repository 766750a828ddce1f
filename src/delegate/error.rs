//! Defines why Embargo cannot become the real runtime, and what the operator can do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::family::DIVERTED;
use crate::sys::process;

/// Why Embargo cannot become the real runtime.
#[derive(Debug, PartialEq, Eq)]
pub enum DelegateError {
    /// The setting `runtime` names Embargo itself.
    Itself(PathBuf),
    /// The setting `runtime` is not an absolute path.
    Relative(PathBuf),
    /// There is no runtime in `PATH` and the usual directories.
    None,
    /// Embargo has taken this path of a runtime, and the runtime is not beside it.
    Gone(PathBuf),
    /// Embargo became Embargo again and again, this often.
    Loop(u32),
    /// The runtime at this path cannot be executed.
    Exec(PathBuf, ExecFault),
}

/// What is wrong with a runtime that cannot be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecFault {
    /// There is no such file.
    Missing,
    /// The file exists, but the interpreter that it names does not.
    Interpreter,
    /// The file may not be executed by this user.
    Forbidden,
    /// The file is neither a program for this machine nor a script that names its interpreter.
    Format,
    /// Another error of the operating system.
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
                    ExecFault::Missing => f.write_str(": the file is missing"),
                    ExecFault::Interpreter => f.write_str(": the interpreter or loader that it names is missing"),
                    ExecFault::Forbidden => f.write_str(": it is not a program that this user may run"),
                    ExecFault::Format => f.write_str(": it is neither a program for this machine nor a script that names its interpreter"),
                    ExecFault::Other(_) => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for DelegateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Exec(_, ExecFault::Other(errno)) => Some(errno),
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
    /// What the operator can do about the error.
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

impl ExecFault {
    /// The fault behind an error of execve, which reports a missing interpreter as "no such file"
    /// too.
    pub(super) fn of(errno: Errno, path: &Path) -> Self {
        match errno as i32 {
            libc::ENOENT if process::identity(path).is_ok() => Self::Interpreter,
            libc::ENOENT | libc::ENOTDIR => Self::Missing,
            libc::EACCES | libc::EPERM | libc::EISDIR => Self::Forbidden,
            libc::ENOEXEC | libc::ELIBBAD | libc::EINVAL => Self::Format,
            _ => Self::Other(errno),
        }
    }
}
