//! Lists why a payload cannot run, anywhere or in one container.
//!
//! Holds the messages and the hints. Paths and names in them are hostile and are quoted.

use std::fmt;
use std::path::PathBuf;

use super::program::NotProgram;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::file::FileError;

/// Why the payload can run nowhere.
#[derive(Debug)]
pub enum PayloadError {
    /// The file cannot be read.
    File(FileError),
    /// The file given as a script is not a script.
    Script(PathBuf, NotScript),
    /// The file given as a program is not a program, or would not run.
    Program(PathBuf, NotProgram),
}

/// Why a file is not a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotScript {
    /// The file is empty.
    Empty,
    /// The file is a program.
    Program,
    /// The first line ends with a carriage return, as on Windows. The kernel would look for an
    /// interpreter whose name ends with one.
    CarriageReturn,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Script(path, NotScript::Empty) => write!(f, "cannot run {path:?}: it is empty"),
            Self::Script(path, NotScript::Program) => {
                write!(f, "cannot run {path:?}: it is a program, not a script")
            }
            Self::Script(path, NotScript::CarriageReturn) => write!(
                f,
                "cannot run {path:?}: its first line ends with a carriage return"
            ),
            Self::Program(path, fault) => write!(f, "cannot use {path:?} as a program: {fault}"),
        }
    }
}

impl std::error::Error for PayloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Script(..) | Self::Program(..) => None,
        }
    }
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

impl From<FileError> for PayloadError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// Why nothing can run in one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPatch {
    /// The ban has no patch.
    None(String),
    /// The ban's patch needs a script, and none was given.
    NeedsScript(String, Digest),
    /// The given script is not the one that the ban's patch needs: the ban, the needed digest, the
    /// digest of the given script.
    OtherScript(String, Digest, Digest),
    /// The ban's patch cannot be run: the ban and the reason.
    Unusable(String, &'static str),
}

impl fmt::Display for NoPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(ban) => write!(f, "{} has no patch", line::name(ban)),
            Self::NeedsScript(ban, digest) => {
                write!(
                    f,
                    "the patch of {} is the script {digest}: give it with --script",
                    line::name(ban)
                )
            }
            Self::OtherScript(ban, needed, found) => {
                write!(
                    f,
                    "the patch of {} is the script {needed}, and the one that was given is {found}",
                    line::name(ban)
                )
            }
            Self::Unusable(ban, why) => {
                write!(f, "the patch of {} cannot be run: {why}", line::name(ban))
            }
        }
    }
}
