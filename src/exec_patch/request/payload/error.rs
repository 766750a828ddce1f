//! Lists the reasons why a payload cannot run, in any container or in one container.
//!
//! Holds the messages and the hints. Paths and names in the messages are hostile and are quoted.

use std::path::PathBuf;

use super::program::NotProgram;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::file::FileError;

/// Why the payload cannot run in any container.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file given as a script is not a script.
    #[error("cannot run {0:?}: {1}")]
    Script(PathBuf, NotScript),
    /// The file given as a program is not a program, or could not run in a container.
    #[error("cannot use {0:?} as a program: {1}")]
    Program(PathBuf, NotProgram),
}

/// Why a file is not a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotScript {
    /// The file is empty.
    #[error("it is empty")]
    Empty,
    /// The file is a program.
    #[error("it is a program, not a script")]
    Program,
    /// The first line ends with a carriage return, as on Windows. The kernel would look for an
    /// interpreter whose name ends with a carriage return.
    #[error("its first line ends with a carriage return")]
    CarriageReturn,
}

impl PayloadError {
    /// What the operator can do about the error, if there is advice.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File(FileError::TooLarge(..)) => Some("let the command fetch it instead"),
            Self::File(_) => None,
            Self::Script(_, NotScript::Empty) => Some("was it written by a command that failed?"),
            Self::Script(_, NotScript::Program) => Some("--program FILE runs a program"),
            Self::Script(_, NotScript::CarriageReturn) => Some(
                "dos2unix FILE, or write it with an editor that leaves the ends of lines alone",
            ),
            Self::Program(_, fault) => Some(fault.hint()),
        }
    }
}

/// Why nothing can run in one container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPatch {
    /// The ban has no patch.
    #[error("{} has no patch", line::name(.0))]
    None(String),
    /// The ban's patch needs a script, and none was given.
    #[error("the patch of {} is the script {}: give it with --script", line::name(.0), .1)]
    NeedsScript(String, Digest),
    /// The given script is not the one that the ban's patch needs: the ban, the needed digest, the
    /// digest of the given script.
    #[error(
        "the patch of {} is the script {}, and the one that was given is {}",
        line::name(.0),
        .1,
        .2
    )]
    OtherScript(String, Digest, Digest),
    /// The ban's patch cannot be run: the ban and the reason.
    #[error("the patch of {} cannot be run: {}", line::name(.0), .1)]
    Unusable(String, &'static str),
}
