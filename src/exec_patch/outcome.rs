//! Lists how a patch can end for one container.
//!
//! Pure: the names, what counts as ok and what as failed, and the sentence that a person reads. One
//! outcome for each container, always.

use serde::{Deserialize, Serialize};

/// How it ended for one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The command ended with 0, and the check after it, where there is one, found nothing left to
    /// do.
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
        /// Its exit status. A command that a signal ended has 128 and the signal's number, as its
        /// runtime says it.
        status: i32,
    },
    /// It took too long, and nothing that it started is left.
    TimedOut,
    /// It took too long, and this is left of it, or may be its: process IDs and names.
    Survived {
        /// What is left.
        left: Vec<String>,
    },
    /// The operator ended it before its time.
    Cancelled {
        /// What is left of it, or may be its: process IDs and names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<String>,
    },
    /// The container is paused; nothing ran.
    Paused,
    /// It was resumed for the patch, and now it runs although it should be paused, however the
    /// patch ended.
    LeftAwake {
        /// How that ended, and why it is not paused again.
        why: String,
    },
    /// The container ended, or is another life of it by now, before the command could end.
    Vanished,
    /// It was started again once more than a run follows: its engine restarts it for ever.
    Restarting {
        /// In so many of its starts the run entered it.
        starts: usize,
    },
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

/// An outcome without what more is known of it, in the order in which a summary counts them: first
/// what is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`Outcome::Patched`].
    Patched,
    /// [`Outcome::AlreadyFine`].
    AlreadyFine,
    /// [`Outcome::PatchedBefore`].
    PatchedBefore,
    /// [`Outcome::Failed`].
    Failed,
    /// [`Outcome::TimedOut`].
    TimedOut,
    /// [`Outcome::Survived`].
    Survived,
    /// [`Outcome::Cancelled`].
    Cancelled,
    /// [`Outcome::LeftAwake`].
    LeftAwake,
    /// [`Outcome::Paused`].
    Paused,
    /// [`Outcome::Vanished`].
    Vanished,
    /// [`Outcome::Restarting`].
    Restarting,
    /// [`Outcome::CouldNotEnter`].
    CouldNotEnter,
    /// [`Outcome::NotUnderstood`].
    NotUnderstood,
    /// [`Outcome::NotBegun`].
    NotBegun,
    /// [`Outcome::Interrupted`].
    Interrupted,
}

impl Kind {
    /// All of them, in their order.
    pub const ALL: [Self; 15] = [
        Self::Patched,
        Self::AlreadyFine,
        Self::PatchedBefore,
        Self::Failed,
        Self::TimedOut,
        Self::Survived,
        Self::Cancelled,
        Self::LeftAwake,
        Self::Paused,
        Self::Vanished,
        Self::Restarting,
        Self::CouldNotEnter,
        Self::NotUnderstood,
        Self::NotBegun,
        Self::Interrupted,
    ];

    /// The word in tables and sentences, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Patched => "patched",
            Self::AlreadyFine => "already fine",
            Self::PatchedBefore => "patched before",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Survived => "timed out, survived",
            Self::Cancelled => "cancelled",
            Self::LeftAwake => "left awake",
            Self::Paused => "paused",
            Self::Vanished => "vanished",
            Self::Restarting => "restarting",
            Self::CouldNotEnter => "could not enter",
            Self::NotUnderstood => "not understood",
            Self::NotBegun => "not begun",
            Self::Interrupted => "interrupted",
        }
    }

    /// The one spelling for machines: in the journal, in JSON and in the system log.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Patched => "patched",
            Self::AlreadyFine => "already-fine",
            Self::PatchedBefore => "patched-before",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Survived => "survived",
            Self::Cancelled => "cancelled",
            Self::LeftAwake => "left-awake",
            Self::Paused => "paused",
            Self::Vanished => "vanished",
            Self::Restarting => "restarting",
            Self::CouldNotEnter => "could-not-enter",
            Self::NotUnderstood => "not-understood",
            Self::NotBegun => "not-begun",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the container is as it should be.
    #[must_use]
    pub const fn is_well(self) -> bool {
        match self {
            Self::Patched | Self::AlreadyFine | Self::PatchedBefore => true,
            Self::Failed
            | Self::TimedOut
            | Self::Survived
            | Self::Cancelled
            | Self::LeftAwake
            | Self::Paused
            | Self::Vanished
            | Self::Restarting
            | Self::CouldNotEnter
            | Self::NotUnderstood
            | Self::NotBegun
            | Self::Interrupted => false,
        }
    }

    /// Whether it counts against `--max-failures`: something ran and did not do its work, or could
    /// not be run, or left the container otherwise than it was.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Failed
            | Self::TimedOut
            | Self::Survived
            | Self::Cancelled
            | Self::LeftAwake
            | Self::CouldNotEnter
            | Self::Interrupted => true,
            Self::Patched
            | Self::AlreadyFine
            | Self::PatchedBefore
            | Self::Paused
            | Self::Vanished
            | Self::Restarting
            | Self::NotUnderstood
            | Self::NotBegun => false,
        }
    }
}

impl Outcome {
    /// Which one it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Patched => Kind::Patched,
            Self::AlreadyFine => Kind::AlreadyFine,
            Self::PatchedBefore { .. } => Kind::PatchedBefore,
            Self::Failed { .. } => Kind::Failed,
            Self::TimedOut => Kind::TimedOut,
            Self::Survived { .. } => Kind::Survived,
            Self::Cancelled { .. } => Kind::Cancelled,
            Self::LeftAwake { .. } => Kind::LeftAwake,
            Self::Paused => Kind::Paused,
            Self::Vanished => Kind::Vanished,
            Self::Restarting { .. } => Kind::Restarting,
            Self::CouldNotEnter { .. } => Kind::CouldNotEnter,
            Self::NotUnderstood { .. } => Kind::NotUnderstood,
            Self::NotBegun => Kind::NotBegun,
            Self::Interrupted => Kind::Interrupted,
        }
    }

    /// [`Kind::word`].
    #[must_use]
    pub const fn word(&self) -> &'static str {
        self.kind().word()
    }

    /// [`Kind::is_well`].
    #[must_use]
    pub const fn is_well(&self) -> bool {
        self.kind().is_well()
    }

    /// [`Kind::is_failure`].
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        self.kind().is_failure()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One outcome of each kind, in their order.
    pub(in crate::exec_patch) fn all() -> [Outcome; 15] {
        [
            Outcome::Patched,
            Outcome::AlreadyFine,
            Outcome::PatchedBefore { run: String::new() },
            Outcome::Failed {
                stage: Stage::Command,
                status: 1,
            },
            Outcome::TimedOut,
            Outcome::Survived { left: Vec::new() },
            Outcome::Cancelled { left: Vec::new() },
            Outcome::LeftAwake { why: String::new() },
            Outcome::Paused,
            Outcome::Vanished,
            Outcome::Restarting { starts: 3 },
            Outcome::CouldNotEnter { why: String::new() },
            Outcome::NotUnderstood { why: String::new() },
            Outcome::NotBegun,
            Outcome::Interrupted,
        ]
    }

    #[test]
    fn an_outcome_has_one_spelling_for_machines() {
        assert_eq!(all().map(|outcome| outcome.kind()), Kind::ALL);
        for outcome in all() {
            let json = serde_json::to_value(&outcome).unwrap();
            assert_eq!(
                (
                    &json["outcome"],
                    serde_json::to_value(outcome.kind()).unwrap()
                ),
                (&outcome.kind().key().into(), json["outcome"].clone())
            );
            assert_eq!(serde_json::from_value::<Outcome>(json).unwrap(), outcome);
        }
        assert!(Kind::ALL.is_sorted() && Kind::ALL.is_sorted_by_key(|kind| !kind.is_well()));
    }
}
