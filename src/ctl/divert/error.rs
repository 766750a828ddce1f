//! Defines why a runtime's place cannot be taken or given back, with a hint for each reason.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::ctl::CtlError;
use crate::delegate::DelegateError;

/// Why a runtime's place cannot be taken or given back.
#[derive(Debug, Error)]
pub enum DivertError {
    /// There is no `embargo`.
    #[error("cannot find embargo, neither beside embargoctl nor in the usual directories")]
    NoGate,
    /// No path was given, and there is no runtime in the usual directories.
    #[error("cannot find runc or crun in the usual directories")]
    NoRuntime,
    /// There is nothing at this path.
    #[error("cannot divert {0:?}: there is no such file")]
    Missing(PathBuf),
    /// The program's name is not that of a runtime.
    #[error("cannot divert {0:?}: its name is not that of a runtime")]
    NotRuntime(PathBuf),
    /// There is something else than a program at this path.
    #[error("cannot divert {0:?}: it is not a program")]
    NoProgram(PathBuf),
    /// The path at which the runtime would be kept has something else.
    #[error("cannot keep the runtime at {0:?}: there is something else")]
    Occupied(PathBuf),
    /// Embargo is at the first path, and there is no runtime at the second one.
    #[error("cannot divert {0:?}: embargo is in its place, and there is no runtime at {1:?}")]
    Gone(PathBuf, PathBuf),
    /// There are different programs at the place and beside it, and nobody knows which one counts.
    #[error("cannot tell which program belongs at {0:?}: that one or {1:?}")]
    Two(PathBuf, PathBuf),
    /// dpkg diverts the place to another path, or for a package.
    #[error("cannot divert {0:?}: dpkg already diverts it to {1:?}")]
    Elsewhere(PathBuf, PathBuf),
    /// In this place, Embargo would not find a runtime.
    #[error("cannot put embargo at {0:?}")]
    NotFound(PathBuf, #[source] DelegateError),
    /// A tool of dpkg cannot be run.
    #[error("cannot run {0:?}")]
    NoTool(PathBuf, #[source] io::Error),
    /// dpkg-query does not answer.
    #[error("cannot tell whether dpkg installs the runtimes: {0:?} says {1:?}")]
    NoAnswer(PathBuf, String),
    /// dpkg-divert refuses.
    #[error("cannot divert {0:?}: {1}")]
    Tool(PathBuf, String),
    /// A file cannot be linked, renamed or removed.
    #[error("cannot change {0:?}")]
    Change(PathBuf, #[source] io::Error),
}

impl DivertError {
    /// What the operator can do about the error.
    const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoGate => Some("install embargo beside embargoctl"),
            Self::NoRuntime => Some("give the runtime's path: embargoctl divert PATH"),
            Self::Gone(..) => {
                Some("install the runtime's package again, or run embargoctl divert --undo")
            }
            Self::Two(..) => Some("remove the one that must not run, then run the command again"),
            Self::Occupied(_) => Some("move it away, then run the command again"),
            Self::NotRuntime(_) => {
                Some("give the path of a runc, crun or youki; other programs stay where they are")
            }
            Self::Elsewhere(..) => Some("dpkg-divert --list shows for whom"),
            Self::NotFound(_, fault) => Some(fault.hint()),
            Self::Missing(_)
            | Self::NoProgram(_)
            | Self::NoTool(..)
            | Self::NoAnswer(..)
            | Self::Tool(..)
            | Self::Change(..) => None,
        }
    }
}

impl From<DivertError> for CtlError {
    fn from(cause: DivertError) -> Self {
        let hint = cause.hint().map(str::to_owned);
        Self {
            cause: Box::new(cause),
            details: Vec::new(),
            hint,
        }
    }
}
