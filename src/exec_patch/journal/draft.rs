//! Makes and removes the directories of runs, each in one step.
//!
//! In: the directory of all runs, whose lock the caller holds. Out: a run's directory that exists
//! completely or not at all. A kill may leave a draft directory, which does not count as a run; the
//! next creation or removal deletes it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use super::error::JournalError;
use super::files::{JOURNAL, OUTPUT};
use super::ids::RunId;
use super::runs;
use crate::sys::clock::Timestamp;
use crate::sys::replace;

/// An ID for a run that starts now, greater than all IDs of the same second. No other process takes
/// this ID meanwhile: the caller holds the lock.
pub(super) fn unused(runs: &Path) -> Result<(Timestamp, RunId), JournalError> {
    loop {
        let started = Timestamp::now();
        let mut salt = [0; 2];
        if SystemRandom::new().fill(&mut salt).is_err() {
            let error = io::Error::other("the kernel has no random numbers");
            return Err(JournalError::Directory(runs.to_owned(), error));
        }
        // Only half of the numbers are used for a first ID. The other half is free for later IDs of
        // the same second.
        let id = RunId::new(started, u16::from_be_bytes(salt) >> 1);
        let mut of_second = runs::ids(runs)?;
        of_second.retain(|other| other.is_of_second(&id));
        let id = match of_second.iter().max() {
            Some(newest) => newest.following(),
            None => Some(id),
        };
        match id {
            Some(id) => return Ok((started, id)),
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// The draft directory of a run, which becomes a run only with [`DraftDirectory::name`]. If the
/// value is dropped before that, the directory is removed.
pub(super) struct DraftDirectory {
    pub(super) directory: PathBuf,
}

impl DraftDirectory {
    /// Makes the draft directory. If a killed process did not remove its draft, that draft is
    /// replaced.
    pub(super) fn make(runs: &Path) -> Result<Self, JournalError> {
        let half = Self::cleared(runs)?;
        for path in [half.directory.clone(), half.directory.join(OUTPUT)] {
            DirBuilder::new()
                .mode(0o700)
                .create(path)
                .map_err(JournalError::directory(&half.directory))?;
        }
        Ok(half)
    }

    /// Describes a draft directory that does not exist yet. If a killed process did not remove its
    /// draft, that draft is removed.
    fn cleared(runs: &Path) -> Result<Self, JournalError> {
        let directory = runs.join(".draft");
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(JournalError::Directory(directory, error))
            }
            Ok(()) | Err(_) => Ok(Self { directory }),
        }
    }

    /// Renames the draft to the run's directory `run`, and syncs the rename to the disk.
    pub(super) fn name(&self, run: &Path) -> Result<(), JournalError> {
        let fault = JournalError::directory(run);
        replace::sync_directory(&self.directory.join(JOURNAL)).map_err(&fault)?;
        fs::rename(&self.directory, run).map_err(&fault)?;
        replace::sync_directory(run).map_err(&fault)
    }
}

impl Drop for DraftDirectory {
    fn drop(&mut self) {
        // After the rename the draft no longer exists, which is not an error. Other errors cannot
        // be reported here.
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// Removes a run completely or not at all: first the run's directory is renamed to the draft, which
/// no longer counts as a run. If this process is killed then, the next creation or removal deletes
/// the draft.
///
/// # Errors
/// [`JournalError::Directory`].
pub fn remove(runs: &Path, run: &RunId) -> Result<(), JournalError> {
    let directory = runs.join(run.as_str());
    let fault = JournalError::directory(&directory);
    // This process holds the lock, so no other process creates a draft meanwhile.
    let half = DraftDirectory::cleared(runs)?;
    fs::rename(&directory, &half.directory).map_err(&fault)?;
    replace::sync_directory(runs).map_err(&fault)?;
    fs::remove_dir_all(&half.directory).map_err(&fault)
}
