//! Reads pieces of a list, so that cutting, swapping or overwriting the file meanwhile does no
//! harm.
//!
//! It uses `pread` into its own buffers: what was hashed is what is used, and a file that shrinks
//! gives an error where a mapping would give SIGBUS. One descriptor serves a whole look-up, so a
//! list that is replaced by rename meanwhile is never mixed with the one before it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::error::ListError;
use crate::sys::file;

/// Something that can be read at any offset: a file, or bytes in memory.
pub trait ReadAt {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// Those of the operating system; `UnexpectedEof` when it ends before.
    fn read_into(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset` on when that needs no disk access. Otherwise announces that
    /// these bytes will be read soon, and returns false.
    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> bool {
        self.read_into(buffer, offset).is_ok()
    }
}

impl ReadAt for File {
    fn read_into(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> bool {
        if file::read_cached(self, buffer, offset) {
            return true;
        }
        if let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(buffer.len())) {
            // Advice only: a file system that does not support it reads all the same.
            posix_fadvise(
                self.as_fd(),
                offset,
                length,
                PosixFadviseAdvice::POSIX_FADV_WILLNEED,
            )
            .ok();
        }
        false
    }
}

impl ReadAt for [u8] {
    fn read_into(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let piece = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..)?.get(..buffer.len()));
        buffer.copy_from_slice(piece.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A list's bytes and the name that errors give them.
#[derive(Debug)]
pub struct Reader<'a, R: ReadAt + ?Sized> {
    /// The list's path, for errors.
    pub path: &'a Path,
    /// Its bytes.
    pub bytes: &'a R,
}

impl<R: ReadAt + ?Sized> Reader<'_, R> {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`ListError::Read`].
    pub fn read_into(&self, buffer: &mut [u8], offset: u64) -> Result<(), ListError> {
        self.bytes
            .read_into(buffer, offset)
            .map_err(|error| ListError::Read(self.path.to_owned(), error))
    }
}
