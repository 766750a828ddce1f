//! Tells the state of a run.
//!
//! In: a run's journal, who holds the lock, and which processes are alive. Out: a [`Phase`].

use serde::Serialize;

use super::error::JournalError;
use super::holder::Holder;
use super::past::RunLog;
use super::runs::Runs;
use super::{boot, lock};

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is under way.
    UnderWay,
    /// Its main process was killed; some of its workers are still at work.
    Orphaned,
    /// Its main process was killed.
    Killed,
    /// It stopped before all containers were done.
    Stopped,
    /// All containers were done.
    Finished,
}

impl Phase {
    /// The state of `past`, by its journal and by who holds the lock.
    #[must_use]
    pub fn of(past: &RunLog, holder: Option<&Holder>, boot: &str) -> Self {
        match &past.finished {
            Some(finished) if finished.stopped.is_some() => Self::Stopped,
            Some(_) => Self::Finished,
            None if holder
                .is_some_and(|holder| holder.run == past.header.id && holder.is_alive()) =>
            {
                Self::UnderWay
            }
            None if past.entries.iter().any(|entry| entry.is_under_way(boot)) => Self::Orphaned,
            None => Self::Killed,
        }
    }

    /// The words for it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::UnderWay => "under way",
            Self::Orphaned => "killed, workers still at work",
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
        }
    }
}

/// What is read once for all runs.
pub(super) struct NodeState {
    pub(super) holder: Option<Holder>,
    pub(super) boot: String,
}

impl NodeState {
    pub(super) fn of(runs: &Runs) -> Result<Self, JournalError> {
        Ok(Self {
            holder: lock::holder(runs.directory())?,
            boot: boot()?,
        })
    }
}
