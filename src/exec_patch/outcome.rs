//! Lists how a patch can end for one container.
//!
//! Pure: the names, what counts as ok and what as failed, and the sentence that a person reads. One
//! outcome for each container, always.

use serde::{Deserialize, Serialize};

/// How it ended for one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The command exited with 0, and the check after it, if there is one, found nothing left to
    /// do.
    Patched,
    /// The check before it found nothing to do; the command did not run.
    AlreadyFine,
    /// An earlier run patched this instance of the container with the same command.
    PatchedBefore {
        /// That run's ID.
        run: String,
    },
    /// The command, or the check after it, exited with another status.
    Failed {
        /// Which of them.
        stage: Stage,
        /// Its exit status. A command that a signal ended has 128 plus the signal's number, as its
        /// runtime reports it.
        status: i32,
    },
    /// It took too long, and nothing that it started is left.
    TimedOut,
    /// It took too long, and some of it is left.
    Survived {
        /// What is left of it, or may be: process IDs and names.
        left: Vec<String>,
    },
    /// The operator ended it early.
    Cancelled {
        /// What is left of it, or may be: process IDs and names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<String>,
    },
    /// The container is paused; nothing ran.
    Paused,
    /// It was resumed for the patch, and now it runs although it should be paused, whatever the
    /// patch's own outcome.
    LeftUnpaused {
        /// How the patch ended, and why the container is not paused again.
        why: String,
    },
    /// The container ended, or was restarted as another instance, before the command could end.
    Vanished,
    /// It was restarted more often than a run follows: its engine keeps restarting it.
    Restarting {
        /// In how many of its starts the run entered it.
        starts: usize,
    },
    /// The runtime could not start the command in it.
    CouldNotEnter {
        /// Why, in the runtime's words.
        why: String,
    },
    /// It is not known whether it is built on the base, or how to enter it.
    NotUnderstood {
        /// Why.
        why: String,
    },
    /// The run was stopped before its turn.
    NotStarted,
    /// It was started, and the worker that should have recorded the end is gone.
    Interrupted,
}

/// Which command ended.
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

/// An outcome without its details, in the order in which a summary counts them: ok first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
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
    /// [`Outcome::LeftUnpaused`].
    LeftUnpaused,
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
    /// [`Outcome::NotStarted`].
    NotStarted,
    /// [`Outcome::Interrupted`].
    Interrupted,
}

impl OutcomeKind {
    /// All of them, in their order.
    pub const ALL: [Self; 15] = [
        Self::Patched,
        Self::AlreadyFine,
        Self::PatchedBefore,
        Self::Failed,
        Self::TimedOut,
        Self::Survived,
        Self::Cancelled,
        Self::LeftUnpaused,
        Self::Paused,
        Self::Vanished,
        Self::Restarting,
        Self::CouldNotEnter,
        Self::NotUnderstood,
        Self::NotStarted,
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
            Self::LeftUnpaused => "left unpaused",
            Self::Paused => "paused",
            Self::Vanished => "vanished",
            Self::Restarting => "restarting",
            Self::CouldNotEnter => "could not enter",
            Self::NotUnderstood => "not understood",
            Self::NotStarted => "not started",
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
            Self::LeftUnpaused => "left-unpaused",
            Self::Paused => "paused",
            Self::Vanished => "vanished",
            Self::Restarting => "restarting",
            Self::CouldNotEnter => "could-not-enter",
            Self::NotUnderstood => "not-understood",
            Self::NotStarted => "not-started",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the container is ok.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        match self {
            Self::Patched | Self::AlreadyFine | Self::PatchedBefore => true,
            Self::Failed
            | Self::TimedOut
            | Self::Survived
            | Self::Cancelled
            | Self::LeftUnpaused
            | Self::Paused
            | Self::Vanished
            | Self::Restarting
            | Self::CouldNotEnter
            | Self::NotUnderstood
            | Self::NotStarted
            | Self::Interrupted => false,
        }
    }

    /// Whether it counts against `--max-failures`: something ran and failed, or could not be run,
    /// or left the container in another state than before.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Failed
            | Self::TimedOut
            | Self::Survived
            | Self::Cancelled
            | Self::LeftUnpaused
            | Self::CouldNotEnter
            | Self::Interrupted => true,
            Self::Patched
            | Self::AlreadyFine
            | Self::PatchedBefore
            | Self::Paused
            | Self::Vanished
            | Self::Restarting
            | Self::NotUnderstood
            | Self::NotStarted => false,
        }
    }
}

impl Outcome {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Patched => OutcomeKind::Patched,
            Self::AlreadyFine => OutcomeKind::AlreadyFine,
            Self::PatchedBefore { .. } => OutcomeKind::PatchedBefore,
            Self::Failed { .. } => OutcomeKind::Failed,
            Self::TimedOut => OutcomeKind::TimedOut,
            Self::Survived { .. } => OutcomeKind::Survived,
            Self::Cancelled { .. } => OutcomeKind::Cancelled,
            Self::LeftUnpaused { .. } => OutcomeKind::LeftUnpaused,
            Self::Paused => OutcomeKind::Paused,
            Self::Vanished => OutcomeKind::Vanished,
            Self::Restarting { .. } => OutcomeKind::Restarting,
            Self::CouldNotEnter { .. } => OutcomeKind::CouldNotEnter,
            Self::NotUnderstood { .. } => OutcomeKind::NotUnderstood,
            Self::NotStarted => OutcomeKind::NotStarted,
            Self::Interrupted => OutcomeKind::Interrupted,
        }
    }

    /// [`OutcomeKind::word`].
    #[must_use]
    pub const fn word(&self) -> &'static str {
        self.kind().word()
    }

    /// [`OutcomeKind::is_ok`].
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.kind().is_ok()
    }

    /// [`OutcomeKind::is_failure`].
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
            Outcome::LeftUnpaused { why: String::new() },
            Outcome::Paused,
            Outcome::Vanished,
            Outcome::Restarting { starts: 3 },
            Outcome::CouldNotEnter { why: String::new() },
            Outcome::NotUnderstood { why: String::new() },
            Outcome::NotStarted,
            Outcome::Interrupted,
        ]
    }

    #[test]
    fn an_outcome_has_one_spelling_for_machines() {
        assert_eq!(all().map(|outcome| outcome.kind()), OutcomeKind::ALL);
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
        assert!(
            OutcomeKind::ALL.is_sorted() && OutcomeKind::ALL.is_sorted_by_key(|kind| !kind.is_ok())
        );
    }
}
