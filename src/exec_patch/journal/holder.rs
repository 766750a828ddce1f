//! Describes who holds the lock of the runs.
//!
//! In: what the lock's file says. Out: whether that process is alive, and text for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{RunId, WorkerId};
use crate::sys::clock::Timestamp;

/// Who has the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// Its main process.
    pub process: WorkerId,
    /// Since when.
    pub since: Timestamp,
    /// Who started it, for people.
    pub by: String,
}

impl Holder {
    /// Whether the main process of the run is alive; else only its workers are.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// What somebody who waits for the lock can do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self.is_alive() {
            true => "wait until it has ended (--wait 10m), or end it".to_owned(),
            false => format!("resume that run: embargo exec-patch --resume {}", self.run),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            run,
            process,
            since,
            by,
        } = self;
        match self.is_alive() {
            true => write!(
                f,
                "run {run} is under way since {since}, started by {by} (process {})",
                process.pid
            ),
            false => write!(
                f,
                "run {run}, started by {by}, was killed and its workers are still at work"
            ),
        }
    }
}
