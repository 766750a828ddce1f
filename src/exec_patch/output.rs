//! What did a patch print, and how much of it is kept?

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// What was printed in one container, by all commands of a job.
#[derive(Debug)]
pub struct Collector {
    limit: u64,
}

/// The ends into which a command prints: to be inherited by its runtime as standard output and standard error, and closed here right after.
#[derive(Debug)]
pub struct Ends {
    /// For standard output.
    pub output: OwnedFd,
    /// For standard error.
    pub error: OwnedFd,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// How many bytes were printed, kept or not.
    pub written: u64,
    /// The last lines, of both streams; not fit for a terminal ([`strip`]).
    pub tail: String,
}

impl Collector {
    /// Keeps up to `limit` bytes in a new file at `path`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, limit: u64) -> io::Result<Self> {
        let _unused = path;
        Ok(Self { limit })
    }

    /// Two new pipes for the next command; those of the one before are read no more.
    ///
    /// # Errors
    /// When there can be no more descriptors.
    pub fn open(&mut self) -> io::Result<Ends> {
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }

    /// The inodes of the pipes that are open, by which a process that holds them is known.
    #[must_use]
    pub fn inodes(&self) -> [u64; 2] {
        [0, 0]
    }

    /// The descriptors to poll(2) for reading: at most two, none when both pipes are at their end.
    #[must_use]
    pub fn polled(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    /// Takes what is there, some of it when it is much, and never waits.
    pub fn take(&mut self) {}

    /// The command has ended: takes what comes until both pipes are at their end, at most for `patience`, and closes them.
    pub fn close(&mut self, patience: Duration) {
        let _unused = (self.limit, patience);
    }

    /// All commands have ended: closes the file, with a last line on what it does not have.
    ///
    /// # Errors
    /// The first fault of writing the file; what was counted and the tail are right all the same.
    pub fn finish(self) -> (Printed, io::Result<()>) {
        (Printed { written: 0, tail: String::new() }, Ok(()))
    }
}

/// Text fit for a terminal: escape sequences and control characters other than line ends and tabs are taken out, bytes that are no UTF-8 replaced.
#[must_use]
pub fn strip(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
