//! Lists the states of a run.
//!
//! Plain data. `node_state` finds the state of a run in the run's journal and the lock's file.

use serde::{Deserialize, Serialize};

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
