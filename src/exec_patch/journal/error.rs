//! Lists why a journal cannot be written or read.

use std::path::PathBuf;
use std::{fmt, io};

use super::holder::Holder;
use super::ids::RunId;
use crate::report::json::SCHEMA;
use crate::report::line;
use crate::sys::file::FileError;
use crate::sys::replace::WriteError;

/// Why a journal could not be written or read.
#[derive(Debug)]
pub enum JournalError {
    /// The directory of the runs, or a directory in it, cannot be made or listed.
    Directory(PathBuf, io::Error),
    /// A file cannot be read, or others may write to it.
    File(FileError),
    /// A copy cannot be written.
    Write(WriteError),
    /// A line cannot be appended.
    Append(PathBuf, io::Error),
    /// The line has this many bytes, which is too long to be read again.
    LongLine(PathBuf, usize),
    /// The disk has no room to record another container.
    NoRoom(PathBuf),
    /// A line of a journal is not one that this program writes: its number and what is wrong.
    Line(PathBuf, usize, String),
    /// A journal was written by another version of this program.
    Version(PathBuf, u32),
    /// The run's copy of the file carried with the request has changed.
    Program(PathBuf),
    /// Another run is under way, or the workers of a killed run still run.
    Busy(Option<Holder>),
    /// The wait for a killed run's workers was interrupted, or the workers take too long.
    Impatient(RunId),
    /// There is no such run.
    NoRun(String),
    /// The IDs of several runs begin with this text.
    Ambiguous(String, RunId, RunId),
    /// There is no run at all.
    NoRuns(PathBuf),
}

impl JournalError {
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

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, _) => write!(f, "cannot use {path:?}"),
            Self::File(error) => error.fmt(f),
            Self::Write(error) => error.fmt(f),
            Self::Append(path, _) => write!(f, "cannot write {path:?}"),
            Self::LongLine(path, bytes) => write!(
                f,
                "cannot write {path:?}: a line of {bytes} bytes is too long"
            ),
            Self::NoRoom(path) => write!(f, "cannot write {path:?}: the disk is full or read-only"),
            Self::Line(path, number, fault) => {
                write!(f, "cannot read {path:?}, line {number}: {fault}")
            }
            Self::Version(path, version) => write!(
                f,
                "cannot read {path:?}: its schema is {version}, not {SCHEMA}"
            ),
            Self::Program(path) => write!(
                f,
                "cannot use {path:?}: it is not the program that the run started with"
            ),
            Self::Busy(Some(holder)) => write!(f, "cannot start: {holder}"),
            Self::Busy(None) => write!(f, "cannot start: another run is about to start"),
            Self::Impatient(run) => {
                write!(f, "cannot resume run {run}: its workers are still at work")
            }
            Self::NoRun(word) => write!(f, "cannot find a run {}", line::name(word)),
            Self::Ambiguous(word, one, other) => {
                write!(
                    f,
                    "cannot tell which run {} is: {one} or {other}",
                    line::name(word)
                )
            }
            Self::NoRuns(path) => write!(f, "cannot find any run: there is none in {path:?}"),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory(_, error) | Self::Append(_, error) => Some(error),
            Self::File(error) => error.source(),
            Self::Write(error) => error.source(),
            Self::LongLine(..)
            | Self::NoRoom(_)
            | Self::Line(..)
            | Self::Version(..)
            | Self::Program(_)
            | Self::Busy(_)
            | Self::Impatient(_)
            | Self::NoRun(_)
            | Self::Ambiguous(..)
            | Self::NoRuns(_) => None,
        }
    }
}

impl From<FileError> for JournalError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<WriteError> for JournalError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}
