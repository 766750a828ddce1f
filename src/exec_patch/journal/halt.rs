//! Defines why a run stops before all containers are done.
//!
//! Plain data: the pace decides on the reason, and the journal keeps it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why no further container starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Halt {
    /// A canary failed: the command did not succeed there.
    Canary,
    /// More containers have failed than were allowed.
    Failures {
        /// How many failures were allowed.
        allowed: usize,
    },
    /// The operator stopped the run.
    Asked,
    /// The journal cannot be written.
    Journal,
    /// The scan for containers that were started during the run failed, so the run cannot know all
    /// of them.
    Scan,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary => f.write_str("the canary failed"),
            Self::Failures { allowed } => write!(f, "more than {allowed} failed"),
            Self::Asked => f.write_str("it was asked to stop"),
            Self::Journal => f.write_str("the journal cannot be written"),
            Self::Scan => f.write_str("it could not look for more containers"),
        }
    }
}
