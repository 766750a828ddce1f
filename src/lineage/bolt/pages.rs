//! Defines where the pages of a database are read from, and why reading them fails.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::sys::file::FileError;

/// A source of pages: a file, or bytes in memory (tests, fuzzing).
pub trait Pages {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// The operating system's error; `UnexpectedEof` past the end.
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Pages for File {
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

impl Pages for &[u8] {
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let part = start.and_then(|start| self.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Why reading a database failed.
#[derive(Debug)]
pub enum BoltError {
    /// A page could not be read.
    Io(io::Error),
    /// The file is not a bbolt database, or is one of another version.
    Foreign,
    /// A page is not what the format allows: the page's number, and what is wrong.
    Damaged(u64, &'static str),
    /// The deadline passed, because the database kept changing or was too large.
    Deadline,
}

/// What it means that the database at `path` could not be read: [`Unknown`] when it is unreadable
/// or the time ran out, [`Corrupt`] when it is damaged.
#[must_use]
pub fn fault(path: &Path, error: BoltError) -> LineageError {
    match error {
        BoltError::Io(error) => Unknown::File(FileError::Io(path.to_owned(), error)).into(),
        BoltError::Deadline => Unknown::Deadline.into(),
        BoltError::Foreign => Corrupt::File(
            path.to_owned(),
            "it is not a bbolt database of version 2".into(),
        )
        .into(),
        BoltError::Damaged(page, fault) => {
            Corrupt::File(path.to_owned(), format!("page {page} {fault}")).into()
        }
    }
}
