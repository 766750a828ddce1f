//! Lists the runs of a node and finds them by ID.
//!
//! In: the directory of the runs. Out: the IDs of the runs, newest first; a run, given its whole
//! ID, a unique prefix of it, or `last`; and [`Prior`], which says what the runs patched. If a
//! journal cannot be read, [`Prior`] has the error, because nobody knows what that run did. Names
//! in the directory that are not IDs are skipped.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::ids::RunId;
use super::past::{EntryState, InstanceId, LogEntry, RunLog};
use crate::exec_patch::job::{Container, marker};
use crate::exec_patch::outcome::Outcome;
use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::sys::directory;

/// The word that stands for the newest run.
const LAST: &str = "last";

/// The runs of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    directory: PathBuf,
    ids: Vec<RunId>,
}

/// What earlier runs patched.
#[derive(Debug, Default)]
pub struct Prior {
    /// For each payload's digest and each instance of a container: the run that patched the
    /// instance, or `None` if the payload ran there last without success.
    patched: HashMap<(Digest, InstanceId), Option<RunId>>,
    /// Why journals could not be read.
    pub faults: Vec<JournalError>,
    /// Patches that were started, and whose workers are gone.
    pub interrupted: Vec<Interrupted>,
}

/// A patch whose worker was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// The run to which the patch belongs.
    pub run: RunId,
    /// The variable by which the patch's processes are recognised.
    pub marker: String,
    /// The container that was to be patched.
    pub container: Container,
}

impl Runs {
    /// Lists the runs. A node without the directory has no runs.
    ///
    /// # Errors
    /// [`JournalError::Directory`], [`JournalError::File`] if others could write to the directory.
    pub fn load(paths: &Paths) -> Result<Self, JournalError> {
        let directory = paths.patches.clone();
        directory::owned(&paths.root, &directory)?;
        let mut ids = ids(&directory)?;
        ids.sort();
        ids.reverse();
        Ok(Self { directory, ids })
    }

    /// The IDs, newest first.
    #[must_use]
    pub fn ids(&self) -> &[RunId] {
        &self.ids
    }

    /// The directory of the runs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The run that `word` names.
    ///
    /// # Errors
    /// [`JournalError::NoRun`], [`JournalError::Ambiguous`], [`JournalError::NoRuns`].
    pub fn find(&self, word: &str) -> Result<&RunId, JournalError> {
        let Some(newest) = self.ids.first() else {
            return Err(JournalError::NoRuns(self.directory.clone()));
        };
        if word == LAST {
            return Ok(newest);
        }
        let mut found: Vec<_> = self.ids.iter().collect();
        found.retain(|id| !word.is_empty() && id.as_str().starts_with(word));
        match found[..] {
            [] => Err(JournalError::NoRun(word.to_owned())),
            [one] => Ok(one),
            [one, other, ..] => Err(JournalError::Ambiguous(
                word.to_owned(),
                other.clone(),
                one.clone(),
            )),
        }
    }

    /// Reads a run's journal.
    ///
    /// # Errors
    /// As [`RunLog::read`].
    pub fn read(&self, id: &RunId) -> Result<RunLog, JournalError> {
        RunLog::read(&self.directory.join(id.as_str()))
    }

    /// What the runs of this boot of the machine patched, as far as their journals can be read.
    #[must_use]
    pub fn prior(&self, boot: &str) -> Prior {
        let mut prior = Prior::default();
        for id in self.ids.iter().rev() {
            let directory = self.directory.join(id.as_str());
            let past = match RunLog::is_of(&directory, boot) {
                Ok(true) => RunLog::read(&directory),
                Ok(false) => continue,
                Err(error) => Err(error),
            };
            match past {
                Ok(past) => prior.add(&past, boot),
                Err(error) => prior.faults.push(error),
            }
        }
        prior
    }
}

/// The IDs of the runs in this directory, unsorted.
pub(super) fn ids(directory: &Path) -> Result<Vec<RunId>, JournalError> {
    let fault = JournalError::directory(directory);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(error)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry.map_err(&fault)?.file_name();
        ids.extend(name.to_str().and_then(RunId::parse));
    }
    Ok(ids)
}

/// The entry as an interrupted patch, if the patch's worker was killed. Either the journal has the
/// outcome "interrupted", or it has no end of the patch.
fn interrupted(run: &RunId, entry: &LogEntry) -> Option<Interrupted> {
    let number = match &entry.state {
        EntryState::Started { number, .. } => *number,
        EntryState::Ended { number, done } if done.outcome == Outcome::Interrupted => *number,
        EntryState::Ended { .. } | EntryState::Settled(_) => return None,
    };
    Some(Interrupted {
        run: run.clone(),
        marker: marker(run.as_str(), number),
        container: entry.container.clone(),
    })
}

impl Prior {
    /// The run that patched this instance of a container with the payload of this digest. `None` if
    /// that payload ran there again later and failed.
    #[must_use]
    pub fn patched(&self, digest: Digest, instance: &InstanceId) -> Option<&RunId> {
        self.patched.get(&(digest, instance.clone()))?.as_ref()
    }

    /// Adds a run, which must be later than the runs added before.
    fn add(&mut self, past: &RunLog, boot: &str) {
        for entry in &past.entries {
            if entry.boot != boot {
                continue;
            }
            self.interrupted.extend(interrupted(&past.header.id, entry));
            let Some(digest) = entry.digest else { continue };
            let run = match &entry.state {
                EntryState::Started { .. } => None,
                EntryState::Ended { done, .. } => match &done.outcome {
                    Outcome::Patched => Some(past.header.id.clone()),
                    Outcome::Failed { .. }
                    | Outcome::TimedOut
                    | Outcome::Survived { .. }
                    | Outcome::Cancelled { .. }
                    | Outcome::LeftUnpaused { .. }
                    | Outcome::Interrupted => None,
                    // Nothing ran, so the results of earlier runs are still valid.
                    Outcome::AlreadyFine
                    | Outcome::PatchedBefore { .. }
                    | Outcome::Paused
                    | Outcome::Vanished
                    | Outcome::Restarting { .. }
                    | Outcome::CouldNotEnter { .. }
                    | Outcome::NotUnderstood { .. }
                    | Outcome::NotStarted => continue,
                },
                EntryState::Settled(_) => continue,
            };
            self.patched.insert((digest, entry.instance()), run);
        }
    }
}
