//! Makes and removes the directories of runs, each in one step.
//!
//! In: the directory of all runs, whose lock the caller holds. Out: a run that is there whole or not
//! at all: what a kill leaves is no run, and the next creation or removal clears it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use super::error::JournalError;
use super::ids::RunId;
use super::past::{JOURNAL, OUTPUT};
use super::runs;
use crate::sys::clock::Timestamp;
use crate::sys::replace;

/// An ID for a run that starts now, greater than those of this second. Nobody else takes it
/// meanwhile: the caller holds the lock.
pub(super) fn unused(runs: &Path) -> Result<(Timestamp, RunId), JournalError> {
    let fault = |error| JournalError::Directory(runs.to_owned(), error);
    loop {
        let started = Timestamp::now();
        let mut salt = [0; 2];
        SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| fault(io::Error::other("the kernel has no random numbers")))?;
        // The upper half is for the IDs that follow.
        let id = RunId::new(started, u16::from_be_bytes(salt) >> 1);
        let newest = runs::ids(runs)?
            .into_iter()
            .filter(|other| other.is_of_second(&id))
            .max();
        match newest.map_or(Some(id), |newest| newest.following()) {
            Some(id) => return Ok((started, id)),
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// The directory of a run that is not complete yet, and is no run until it is. If dropped before,
/// it is removed.
pub(super) struct DraftDirectory {
    pub(super) directory: PathBuf,
}

impl DraftDirectory {
    /// Makes it, and replaces one that a killed process left.
    pub(super) fn make(runs: &Path) -> Result<Self, JournalError> {
        let half = Self::cleared(runs)?;
        let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        let made = make(&half.directory).and_then(|()| make(&half.directory.join(OUTPUT)));
        made.map_err(|error| JournalError::Directory(half.directory.clone(), error))
            .map(|()| half)
    }

    /// One that does not exist yet; removes what a killed process left there.
    fn cleared(runs: &Path) -> Result<Self, JournalError> {
        let directory = runs.join(".draft");
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(JournalError::Directory(directory, error))
            }
            Ok(()) | Err(_) => Ok(Self { directory }),
        }
    }

    /// Renames it to the directory `run`, on the disk.
    pub(super) fn name(&self, run: &Path) -> Result<PathBuf, JournalError> {
        let fault = |error| JournalError::Directory(run.to_owned(), error);
        replace::sync_directory(&self.directory.join(JOURNAL)).map_err(fault)?;
        fs::rename(&self.directory, run).map_err(fault)?;
        replace::sync_directory(run).map_err(fault)?;
        Ok(run.to_owned())
    }
}

impl Drop for DraftDirectory {
    fn drop(&mut self) {
        // After the rename it no longer exists; and there is nobody to report an error to.
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// Removes a run, as a whole or not at all: what a kill leaves is no run any more, and the next
/// creation or removal clears it.
///
/// # Errors
/// [`JournalError::Directory`].
pub fn remove(runs: &Path, run: &RunId) -> Result<(), JournalError> {
    let fault = |error| JournalError::Directory(runs.join(run.as_str()), error);
    // The remover holds the lock, so nobody creates a run there meanwhile.
    let half = DraftDirectory::cleared(runs)?;
    fs::rename(runs.join(run.as_str()), &half.directory).map_err(fault)?;
    replace::sync_directory(runs).map_err(fault)?;
    fs::remove_dir_all(&half.directory).map_err(fault)
}
