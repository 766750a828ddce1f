//! Lists why a journal cannot be written or read.

use std::io;
use std::path::{Path, PathBuf};

use super::holder::Holder;
use super::ids::RunId;
use crate::report::json::SCHEMA;
use crate::report::line;
use crate::sys::file::FileError;
use crate::sys::replace::WriteError;

/// Why a journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory of the runs, or a directory in it, cannot be made or listed.
    #[error("cannot use {0:?}")]
    Directory(PathBuf, #[source] io::Error),
    /// A file cannot be read, or others may write to it.
    #[error(transparent)]
    File(#[from] FileError),
    /// A copy cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A line cannot be appended.
    #[error("cannot write {0:?}")]
    Append(PathBuf, #[source] io::Error),
    /// The line has this many bytes. A line of that length could not be read again.
    #[error("cannot write {0:?}: a line of {1} bytes is too long")]
    LongLine(PathBuf, usize),
    /// The disk has no room to record another container.
    #[error("cannot write {0:?}: the disk is full or read-only")]
    NoRoom(PathBuf),
    /// This program would not have written this line of a journal: the line's number and what is
    /// wrong.
    #[error("cannot read {0:?}, line {1}: {2}")]
    Line(PathBuf, usize, String),
    /// A journal was written by another version of this program.
    #[error("cannot read {:?}: its schema is {}, not {SCHEMA}", .0, .1)]
    Version(PathBuf, u32),
    /// The run's copy of the file carried with the request has changed.
    #[error("cannot use {0:?}: it is not the program that the run started with")]
    Program(PathBuf),
    /// Another run is under way, or the workers of a killed run still run.
    #[error("cannot start: {}", busy(.0.as_ref()))]
    Busy(Option<Holder>),
    /// The wait for a killed run's workers was interrupted, or the workers take too long.
    #[error("cannot resume run {0}: its workers are still at work")]
    Impatient(RunId),
    /// There is no such run.
    #[error("cannot find a run {}", line::name(.0))]
    NoRun(String),
    /// Several runs have IDs that begin with this text.
    #[error("cannot tell which run {} is: {} or {}", line::name(.0), .1, .2)]
    Ambiguous(String, RunId, RunId),
    /// There is no run at all.
    #[error("cannot find any run: there is none in {0:?}")]
    NoRuns(PathBuf),
}

impl JournalError {
    /// Makes the error for a directory that cannot be used, for `map_err`.
    pub(super) fn directory(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::Directory(path.to_owned(), error)
    }

    /// Makes the error for a file that cannot be written, for `map_err`.
    pub(super) fn append(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::Append(path.to_owned(), error)
    }

    /// What the operator can do about the error, if there is advice.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Directory(_, error) | Self::Append(_, error)
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("run as root".to_owned())
            }
            Self::Append(..) | Self::NoRoom(_) => {
                Some("make room, then resume the run: embargo exec-patch --resume last".to_owned())
            }
            Self::Busy(Some(holder)) => Some(holder.hint()),
            Self::Busy(None) | Self::Impatient(_) => Some("try again in a while".to_owned()),
            Self::NoRun(_) | Self::Ambiguous(..) => {
                Some("embargo exec-patch --history lists the runs".to_owned())
            }
            Self::Version(..) => {
                Some("read it with the embargo that wrote it, or remove its directory".to_owned())
            }
            Self::Directory(..)
            | Self::File(_)
            | Self::Write(_)
            | Self::LongLine(..)
            | Self::Line(..)
            | Self::Program(_)
            | Self::NoRuns(_) => None,
        }
    }
}

/// Why a run cannot start now.
fn busy(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => holder.to_string(),
        None => "another run is about to start".to_owned(),
    }
}
