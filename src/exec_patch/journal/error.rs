//! Lists why a journal cannot be written or read.

use std::io;
use std::path::{Path, PathBuf};

use super::files::JOURNAL;
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

    /// Whether this error of reading a run says that its journal is missing or damaged. If the
    /// system fails to read it, that says nothing about the journal.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::File(FileError::Io(_, error)) => leads_nowhere(error),
            Self::File(_) | Self::Line(..) | Self::Version(..) => true,
            Self::Directory(..)
            | Self::Write(_)
            | Self::Append(..)
            | Self::LongLine(..)
            | Self::NoRoom(_)
            | Self::Program(_)
            | Self::Busy(_)
            | Self::Impatient(_)
            | Self::NoRun(_)
            | Self::Ambiguous(..)
            | Self::NoRuns(_) => false,
        }
    }

    /// What the operator can do about the error, if there is advice.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Append(_, error) => of_append(error).map(str::to_owned),
            Self::NoRoom(_) => Some(ROOM.to_owned()),
            Self::File(FileError::Unguarded(path)) => Some(format!(
                "once you trust what is there: chown root {path:?}; chmod go-w {path:?}"
            )),
            Self::File(error) if is_journal(error.path()) && !self.is_damage() => None,
            Self::File(error) if is_journal(error.path()) => of_journal(error.path()),
            Self::Line(path, ..) if is_journal(path) => of_journal(path),
            Self::Directory(path, error) | Self::File(FileError::Io(path, error)) => {
                of_directory(path, error)
            }
            Self::Busy(Some(holder)) => Some(holder.hint()),
            Self::Busy(None) | Self::Impatient(_) => Some("try again in a while".to_owned()),
            Self::NoRun(_) | Self::Ambiguous(..) => {
                Some("embargo exec-patch --history lists the runs".to_owned())
            }
            Self::Version(..) => {
                Some("read it with the embargo that wrote it, or remove its directory".to_owned())
            }
            Self::File(_)
            | Self::Line(..)
            | Self::Write(_)
            | Self::LongLine(..)
            | Self::Program(_)
            | Self::NoRuns(_) => None,
        }
    }
}

/// The hint when the disk is full.
const ROOM: &str = "make room, then resume the run: embargo exec-patch --resume last";

/// Whether nothing is at the path, or something that leads elsewhere or nowhere.
fn leads_nowhere(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)
    )
}

/// The hint for a directory that cannot be used.
fn of_directory(path: &Path, error: &io::Error) -> Option<String> {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Some("run as root".to_owned());
    }
    if !leads_nowhere(error) {
        return None;
    }
    // The first part of the path that is in the way.
    for path in path.ancestors() {
        if let Ok(facts) = path.symlink_metadata() {
            return (!facts.is_dir()).then(|| {
                format!("move {path:?} away: it is no directory, and a run makes what it needs")
            });
        }
    }
    None
}

/// The hint for a line that cannot be written.
fn of_append(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        libc::EACCES | libc::EPERM => Some("run as root"),
        libc::ENOENT => Some(
            "the journal was removed: the run cannot be resumed, and a new one patches all again",
        ),
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG | libc::EROFS => Some(ROOM),
        _ => None,
    }
}

/// Whether this is the path of a run's journal.
fn is_journal(path: &Path) -> bool {
    path.file_name() == Some(JOURNAL.as_ref())
}

/// The hint for a damaged journal at this path.
fn of_journal(path: &Path) -> Option<String> {
    let run = path.parent()?;
    Some(format!(
        "move {run:?} away: nobody can tell what that run did"
    ))
}

/// Why a run cannot start now.
fn busy(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => holder.to_string(),
        None => "another run is about to start".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::symlink;

    use super::*;

    fn os(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    #[test]
    fn a_damaged_journal_says_which_directory_to_move_and_a_failing_disk_does_not() {
        let journal = PathBuf::from("/p/20261120-221500-a1b2/journal.jsonl");
        let hint = r#"move "/p/20261120-221500-a1b2" away: nobody can tell what that run did"#;
        let failed = |errno| JournalError::from(FileError::Io(journal.clone(), os(errno)));
        for (error, is_damage, expected) in [
            (
                JournalError::Line(journal.clone(), 3, "x".into()),
                true,
                Some(hint),
            ),
            (failed(libc::ENOENT), true, Some(hint)),
            (failed(libc::ELOOP), true, Some(hint)),
            (
                FileError::NotRegular(journal.clone()).into(),
                true,
                Some(hint),
            ),
            (failed(libc::EIO), false, None),
            (failed(libc::EACCES), false, None),
            (
                JournalError::Line("/p/.lock".into(), 1, "x".into()),
                true,
                None,
            ),
        ] {
            assert_eq!(error.hint().as_deref(), expected, "{error}");
            assert_eq!(error.is_damage(), is_damage, "{error}");
        }
    }

    #[test]
    fn a_directory_in_the_way_of_the_journals_is_named() {
        let top = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| top.path().join(name));
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(&file)
            .unwrap();
        symlink("nowhere", &link).unwrap();
        for (path, errno, named) in [
            (&file, libc::ENOTDIR, &file),
            (&file.join("patches"), libc::ENOTDIR, &file),
            (&link, libc::ENOENT, &link),
            (&link, libc::ELOOP, &link),
        ] {
            let expected =
                format!("move {named:?} away: it is no directory, and a run makes what it needs");
            for error in [
                JournalError::Directory(path.clone(), os(errno)),
                FileError::Io(path.clone(), os(errno)).into(),
            ] {
                assert_eq!(error.hint(), Some(expected.clone()), "{error}");
            }
        }
        fs::create_dir(top.path().join("patches")).unwrap();
        let missing = top.path().join("patches/.draft");
        assert_eq!(
            JournalError::Directory(missing, os(libc::ENOENT)).hint(),
            None
        );
        let shared = JournalError::from(FileError::Unguarded("/p".into()));
        assert_eq!(
            shared.hint().unwrap(),
            r#"once you trust what is there: chown root "/p"; chmod go-w "/p""#
        );
    }

    #[test]
    fn room_is_asked_for_only_where_there_is_none() {
        let hint = |errno| JournalError::Append("/p/r/journal.jsonl".into(), os(errno)).hint();
        assert_eq!(hint(libc::ENOSPC).as_deref(), Some(ROOM));
        assert_eq!(
            hint(libc::ENOENT).unwrap(),
            "the journal was removed: the run cannot be resumed, and a new one patches all again"
        );
        assert_eq!(hint(libc::EIO), None);
    }
}
