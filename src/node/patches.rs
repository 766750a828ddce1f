//! Defines what the state of a node says about patches, and the question that is asked for it.
//!
//! Plain data. `exec-patch` has the journals of its runs and answers; `embargoctl status` asks. The
//! two know nothing of each other: this file is between them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::banlist::ban::Ban;
use crate::paths::Paths;
use crate::sys::clock::Timestamp;

/// A running container, and the bans with a patch that match it.
#[derive(Clone, Debug)]
pub struct PatchTarget {
    /// The container's ID.
    pub id: String,
    /// The process ID of the container's first process.
    pub pid: u32,
    /// When that process was started, in clock ticks since boot.
    pub started: u64,
    /// The bans, each with a patch.
    pub bans: Vec<Arc<Ban>>,
}

/// What the runs of `exec-patch` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchState {
    /// The newest run; `None` if there was none.
    pub last_run: Option<PatchRun>,
    /// How many bytes all runs keep.
    pub journal_bytes: u64,
    /// For each target, in their order: the IDs of the bans whose patch is not on record as done in
    /// this instance of the container.
    pub unpatched: Vec<Vec<String>>,
    /// Why journals could not be read, one line each. What they did is unknown.
    pub faults: Vec<String>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchRun {
    /// The run's ID.
    pub run: String,
    /// When the run started.
    pub started: Timestamp,
    /// When the run ended; `None` while it is under way, or if it was killed.
    pub ended: Option<Timestamp>,
    /// How many patches of containers had each outcome.
    pub outcomes: Vec<OutcomeCount>,
}

/// How many patches of containers had this outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCount {
    /// The outcome's name in the journal.
    pub outcome: String,
    /// How many.
    pub patches: usize,
}

/// Answers for a node: what the runs did, and in which of these containers.
pub type AskPatches = fn(&Paths, &[PatchTarget]) -> PatchState;
