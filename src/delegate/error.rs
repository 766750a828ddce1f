//! Defines the errors that keep Embargo from becoming the real runtime, with a hint for each.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use thiserror::Error;

use super::family::DIVERTED;
use crate::sys::process;

/// Why Embargo cannot become the real runtime.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum DelegateError {
    /// The setting `runtime` names Embargo itself.
    #[error("cannot use {0:?} as the real runtime: it is embargo itself")]
    Itself(PathBuf),
    /// The setting `runtime` is not an absolute path.
    #[error("cannot use {0:?} as the real runtime: the path must be absolute")]
    Relative(PathBuf),
    /// There is no runtime, neither in `PATH` nor in the usual directories.
    #[error(
        "cannot find a real runtime: neither runc nor crun is in PATH or the usual directories"
    )]
    None,
    /// Embargo has taken this path of a runtime, and the runtime is not beside that path.
    #[error(
        "cannot find the real runtime: embargo is in its place, {0:?}, and no program beside it \
         has {first} or {second} added",
        first = DIVERTED[0],
        second = DIVERTED[1]
    )]
    Gone(PathBuf),
    /// Embargo has started itself this many times in a row.
    #[error("cannot become the real runtime: embargo has started itself {0} times in a row")]
    Loop(u32),
    /// The runtime at this path cannot be executed.
    #[error("cannot become the real runtime {0:?}")]
    Exec(PathBuf, #[source] ExecFault),
}

/// What is wrong with a runtime that cannot be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExecFault {
    /// There is no such file.
    #[error("the file is missing")]
    Missing,
    /// The file exists, but the interpreter that it names does not.
    #[error("the interpreter or loader that it names is missing")]
    Interpreter,
    /// This user is not allowed to execute the file.
    #[error("it is not a program that this user may run")]
    Forbidden,
    /// The file is neither a program for this machine nor a script that names its interpreter.
    #[error("it is neither a program for this machine nor a script that names its interpreter")]
    Format,
    /// Another error of the operating system.
    #[error(transparent)]
    Other(Errno),
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
    /// The fault for an error number of execve(2). execve(2) reports a missing interpreter as "no
    /// such file" too.
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
