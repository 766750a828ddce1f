//! Finds the state of a run.
//!
//! In: a run's journal, the holder of the lock, and the living processes. Out: a [`Phase`].

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
    /// The run is under way.
    UnderWay,
    /// The run's main process was killed; some of the run's workers still run.
    Orphaned,
    /// The run's main process was killed.
    Killed,
    /// The run stopped before all containers were done.
    Stopped,
    /// All containers were done.
    Finished,
}

impl Phase {
    /// The state of the run `past`. Its journal and the holder of the lock decide.
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

    /// The state as words for messages.
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

/// Facts about the node that are read once for all runs.
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
