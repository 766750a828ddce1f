//! How can it end for one container?
//!
//! Pure: the words, what counts as well and what as a failure, and the sentence that a person reads. One outcome for each container, always.

use serde::{Deserialize, Serialize};

/// How it ended for one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The command ended with 0, and the check after it, where there is one, found nothing left to do.
    Patched,
    /// The check before it found nothing to do; the command did not run.
    AlreadyFine,
    /// An earlier run patched this life of the container with the same command.
    PatchedBefore {
        /// That run's ID.
        run: String,
    },
    /// The command, or the check after it, ended otherwise.
    Failed {
        /// Which of them.
        stage: Stage,
        /// Its exit status. A command that a signal ended has 128 and the signal's number, as its runtime says it.
        status: i32,
    },
    /// It took too long, or was told to stop, and nothing that it started is left.
    TimedOut,
    /// It took too long, or was told to stop, and this is left of it, or may be its: process IDs and names.
    Survived {
        /// What is left.
        left: Vec<String>,
    },
    /// The container is paused; nothing ran.
    Paused,
    /// It was resumed for the patch, and now it runs although it should be paused, however the patch ended.
    LeftAwake {
        /// How that ended, and why it is not paused again.
        why: String,
    },
    /// The container ended, or is another life of it by now, before the command could end.
    Vanished,
    /// The runtime could not start the command in it.
    CouldNotEnter {
        /// Why, in the runtime's words.
        why: String,
    },
    /// Whether it is built on the base, or how it could be entered, cannot be told.
    NotUnderstood {
        /// Why.
        why: String,
    },
    /// The run was stopped before its turn.
    NotBegun,
    /// It was begun, and whoever should have written down how it ended is gone.
    Interrupted,
}

/// Which command an end is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The check before the command.
    CheckBefore,
    /// The command.
    Command,
    /// The check after it.
    CheckAfter,
}

impl Outcome {
    /// The word in tables, the journal and audit events.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Patched => "patched",
            Self::AlreadyFine => "already fine",
            Self::PatchedBefore { .. } => "patched before",
            Self::Failed { .. } => "failed",
            Self::TimedOut => "timed out",
            Self::Survived { .. } => "timed out, survived",
            Self::Paused => "paused",
            Self::LeftAwake { .. } => "left awake",
            Self::Vanished => "vanished",
            Self::CouldNotEnter { .. } => "could not enter",
            Self::NotUnderstood { .. } => "not understood",
            Self::NotBegun => "not begun",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the container is as it should be.
    #[must_use]
    pub const fn is_well(&self) -> bool {
        match self {
            Self::Patched | Self::AlreadyFine | Self::PatchedBefore { .. } => true,
            Self::Failed { .. }
            | Self::TimedOut
            | Self::Survived { .. }
            | Self::Paused
            | Self::LeftAwake { .. }
            | Self::Vanished
            | Self::CouldNotEnter { .. }
            | Self::NotUnderstood { .. }
            | Self::NotBegun
            | Self::Interrupted => false,
        }
    }

    /// Whether it counts against `--max-failures`: something ran and did not do its work, or could not be run, or left the container otherwise than it was.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Failed { .. }
            | Self::TimedOut
            | Self::Survived { .. }
            | Self::LeftAwake { .. }
            | Self::CouldNotEnter { .. }
            | Self::Interrupted => true,
            Self::Patched
            | Self::AlreadyFine
            | Self::PatchedBefore { .. }
            | Self::Paused
            | Self::Vanished
            | Self::NotUnderstood { .. }
            | Self::NotBegun => false,
        }
    }
}
