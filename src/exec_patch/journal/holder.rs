//! Describes who holds the lock of the runs.
//!
//! In: the text in the lock's file. Out: whether the process that holds the lock is alive, and text
//! for messages.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{RunId, WorkerId};
use crate::audit::who::Who;
use crate::sys::clock::Timestamp;
use crate::sys::file::FileError;

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The run that holds the lock.
    pub run: RunId,
    /// The main process of that run.
    pub process: WorkerId,
    /// Since when the lock is held.
    pub since: Timestamp,
    /// Who started the run, as text for messages.
    pub by: String,
}

impl Holder {
    /// This process as the holder, while it carries out a run.
    ///
    /// # Errors
    /// As [`WorkerId::own`].
    pub fn own(run: &RunId, since: Timestamp, by: &Who) -> Result<Self, FileError> {
        Ok(Self {
            run: run.clone(),
            process: WorkerId::own()?,
            since,
            by: by.describe(),
        })
    }

    /// Whether the main process of the run is alive. If it is not, only the run's workers hold the
    /// lock.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// Advice for an operator who waits for the lock.
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
