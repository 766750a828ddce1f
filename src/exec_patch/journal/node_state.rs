//! Finds the state of a run.
//!
//! In: a run's journal, the holder of the lock, and the living processes. Out: a [`Phase`].

use super::error::JournalError;
use super::holder::Holder;
use super::past::RunLog;
use super::phase::Phase;
use super::runs::Runs;
use super::{boot, lock};

/// Facts about the node that are read once for all runs.
#[derive(Debug)]
pub struct NodeState {
    /// Who holds the lock, as far as known.
    pub holder: Option<Holder>,
    /// The boot ID of the machine.
    pub boot: String,
}

impl NodeState {
    /// The node's present state.
    ///
    /// # Errors
    /// [`JournalError`] when it is not known who holds the lock.
    pub fn of(runs: &Runs) -> Result<Self, JournalError> {
        Ok(Self {
            holder: lock::holder(runs.directory())?,
            boot: boot()?,
        })
    }

    /// The state of this run.
    #[must_use]
    pub fn phase(&self, past: &RunLog) -> Phase {
        match (&past.finished, &self.holder) {
            (Some(finished), _) if finished.stopped.is_some() => Phase::Stopped,
            (Some(_), _) => Phase::Finished,
            (None, Some(holder)) if holder.run == past.header.id && holder.is_alive() => {
                Phase::UnderWay
            }
            (None, Some(_) | None) => {
                let mut entries = past.entries.iter();
                if entries.any(|entry| entry.is_under_way(&self.boot)) {
                    Phase::Orphaned
                } else {
                    Phase::Killed
                }
            }
        }
    }
}
