//! Defines the sources from which a database's pages are read, and the errors when a page cannot be
//! read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Database, View};
use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::sys::deadline::Deadline;
use crate::sys::file::{self, FileError, Guard};

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
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Why reading a database failed.
#[derive(Debug)]
pub enum BoltError {
    /// A page could not be read.
    Io(io::Error),
    /// The file is not a bbolt database, or its format has another version.
    Foreign,
    /// A page is not what the format allows: the page's number, and what is wrong.
    Damaged(u64, &'static str),
    /// The deadline passed, because the database kept changing or was too large.
    Deadline,
}

/// A database file of an engine.
#[derive(Debug)]
pub struct DatabaseFile {
    database: Database<File>,
    path: PathBuf,
}

impl DatabaseFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`Unknown::File`].
    pub fn open(path: PathBuf) -> Result<Self, Unknown> {
        let (file, _) = file::open(&path, Guard::NoLink).map_err(Unknown::File)?;
        Ok(Self {
            database: Database::new(file),
            path,
        })
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The result of `look` in one committed version of the database, see [`Database::view`].
    ///
    /// # Errors
    /// [`Unknown`] when the database cannot be read or the deadline has passed, [`Corrupt`] when
    /// the database is damaged.
    pub fn view<T>(
        &self,
        deadline: &Deadline,
        look: impl Fn(&View<'_>) -> Result<T, BoltError>,
    ) -> Result<T, LineageError> {
        let error = match self.database.view(deadline, look) {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let path = self.path.clone();
        Err(match error {
            BoltError::Io(error) => Unknown::File(FileError::Io(path, error)).into(),
            BoltError::Deadline => Unknown::Deadline.into(),
            BoltError::Foreign => {
                Corrupt::File(path, "it is not a bbolt database of version 2".into()).into()
            }
            BoltError::Damaged(page, fault) => {
                Corrupt::File(path, format!("page {page} {fault}")).into()
            }
        })
    }
}
