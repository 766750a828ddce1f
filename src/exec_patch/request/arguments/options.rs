//! Defines the content of a parsed command line of `exec-patch`.
//!
//! Plain data: the arguments as they were typed, after they were found to fit together.

use std::time::Duration;

use super::order::Order;
use crate::exec_patch::request::limits::{Limits, Quota};

/// The command line's meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What to do.
    pub action: Task,
    /// The limits that were typed.
    pub pace: PaceOptions,
    /// Whether to print the plan only.
    pub dry_run: bool,
    /// Whether to print JSON.
    pub json: bool,
    /// The limit on the stored output of each container in bytes, if given.
    pub output_limit: Option<u64>,
    /// How long to wait for another run to end.
    pub wait: Duration,
    /// Whether a run in which no container matches is a success.
    pub none_ok: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Start a run of this order.
    Start(Box<Order>),
    /// Start a run of all signed patches, if the settings allow it.
    Auto,
    /// Resume this run.
    Resume(String),
    /// Start a run with the order of this earlier run, for the containers that failed there.
    OnlyFailed(String),
    /// Show all runs, or only the given run.
    History(Option<String>),
    /// Remove the runs that ended at least this many seconds ago.
    Prune(u64),
}

/// The limits that were typed; `None` for each limit that was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceOptions {
    pub(super) canary: Option<usize>,
    pub(super) parallel: Option<Quota>,
    pub(super) max_failures: Option<Quota>,
}

impl PaceOptions {
    /// All limits: the typed ones, and the remaining ones from `usual`.
    #[must_use]
    pub fn over(self, usual: Limits) -> Limits {
        Limits {
            canary: self.canary.unwrap_or(usual.canary),
            parallel: self.parallel.unwrap_or(usual.parallel),
            max_failures: self.max_failures.unwrap_or(usual.max_failures),
        }
    }
}
