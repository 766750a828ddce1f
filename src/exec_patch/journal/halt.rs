//! Lists the reasons why a run stops before all containers are done.
//!
//! Plain data: `plan::pace` decides on the reason, and the journal records it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why no further container starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Halt {
    /// A canary failed: the command did not succeed in that container.
    Canary,
    /// More containers have failed than were allowed.
    Failures {
        /// How many failures were allowed.
        allowed: usize,
    },
    /// The operator stopped the run with a signal.
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
