//! Reads pieces of a list. Truncating, exchanging or overwriting the file meanwhile does no harm.
//!
//! The pieces are read by `pread` into buffers of this process, so the bytes that were hashed are
//! the bytes that are used. A file that becomes shorter gives an error; with mmap it would cause
//! SIGBUS. One descriptor serves a whole look-up. If the list is replaced by a rename meanwhile,
//! the old and the new list are never mixed.

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
    /// The operating system's error; `UnexpectedEof` when the file or memory ends before `buffer`
    /// is full.
    fn read_into(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset` on, if that needs no disk access. Otherwise tells the kernel
    /// that these bytes will be read soon, and returns `false`.
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
            // The call is only advice: a file system that ignores the advice still returns the
            // bytes.
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

/// The bytes of a list, and the path to name in errors.
#[derive(Debug)]
pub struct Reader<'a, R: ReadAt + ?Sized> {
    /// The list's path, for errors.
    pub path: &'a Path,
    /// The bytes of the list.
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
