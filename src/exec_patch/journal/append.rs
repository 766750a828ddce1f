//! Appends lines to one file from several processes; each line is written whole or not at all.
//!
//! Each line is one write at the file's end, and is then synced to the disk. The writer holds a
//! lock during the write only, so that many lines share the wait for the sync. A killed writer or a
//! power cut may leave part of a line at the end of the file; the next writer cuts that part off.
//! Nobody has acted on the line, because it was never wholly on the disk. If only part of a line
//! fits on the disk, that part is removed again. In: bytes that end with a line feed. Not checked:
//! what the lines say.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::JournalError;

/// The longest line, in bytes. The arguments of a command take at most 6 MiB (Linux: fs/exec.c,
/// `bprm_stack_limits`), and the header contains them twice.
pub(super) const LONGEST_LINE: usize = 32 << 20;

/// How many bytes one read takes in the backward search for the start of a partial line.
const STEP: u64 = 64 << 10;

/// A file to which whole lines are appended.
#[derive(Debug)]
pub(super) struct Appender {
    file: File,
    path: PathBuf,
}

impl Appender {
    /// Opens a file. If `is_new` is set, the file must not exist yet; else it must exist.
    pub(super) fn open(path: &Path, is_new: bool) -> Result<Self, JournalError> {
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(is_new)
            .mode(0o600)
            .custom_flags(flags)
            .open(path)
            .map_err(JournalError::append(path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// The same open file, after the file was moved to `path`.
    pub(super) fn moved(self, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            ..self
        }
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line and syncs it to the disk.
    pub(super) fn append(&self, line: &[u8]) -> Result<(), JournalError> {
        if line.len() > LONGEST_LINE {
            return Err(JournalError::LongLine(self.path.clone(), line.len()));
        }
        let fault = JournalError::append(&self.path);
        self.file.lock().map_err(&fault)?;
        let written = self.write(line);
        self.file.unlock().map_err(&fault)?;
        written.map_err(&fault)?;
        self.file.sync_data().map_err(fault)
    }

    /// Writes a line after the last whole line.
    fn write(&self, line: &[u8]) -> io::Result<()> {
        let facts = self.file.metadata()?;
        if facts.nlink() == 0 {
            // The run was removed meanwhile: nobody would read this line.
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        let end = self.whole(facts.len())?;
        if end != facts.len() {
            self.file.set_len(end)?;
        }
        let fault = match (&self.file).write(line) {
            Ok(written) if written == line.len() => return Ok(()),
            Ok(_) => io::Error::from_raw_os_error(libc::ENOSPC),
            Err(error) => error,
        };
        self.file.set_len(end)?;
        Err(fault)
    }

    /// The offset at which the complete lines end, in a file of this size.
    fn whole(&self, size: u64) -> io::Result<u64> {
        let mut end = size;
        while end > 0 {
            let start = end.saturating_sub(STEP);
            let mut piece = vec![0; usize::try_from(end - start).unwrap_or_default()];
            self.file.read_exact_at(&mut piece, start)?;
            if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
                return Ok(start + at as u64 + 1);
            }
            end = start;
        }
        Ok(0)
    }
}
