//! Lists how a patch can end for one container.
//!
//! Pure: the names of the outcomes, which outcomes are ok and which are failures, and the sentence
//! for each. Each container always has exactly one outcome.

use serde::{Deserialize, Serialize};

/// How a patch ended for one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The command exited with 0. If there is a check, its second run found nothing more to do.
    Patched,
    /// The check before the command found that nothing needed to be done; the command did not run.
    AlreadyFine,
    /// An earlier run patched this instance of the container with the same command.
    PatchedBefore {
        /// The ID of that run.
        run: String,
    },
    /// The command, or the check after it, exited with a status other than 0.
    Failed {
        /// Whether the command or one of the checks failed.
        stage: Stage,
        /// The exit status. If a signal ended the command, the status is 128 plus the signal's
        /// number, as the runtime reports it.
        status: i32,
    },
    /// The patch took too long; all its processes were ended.
    TimedOut,
    /// The patch took too long; some of its processes survived.
    Survived {
        /// The survivors, certain and possible: process IDs and names.
        left: Vec<String>,
    },
    /// The operator ended the patch early.
    Cancelled {
        /// The survivors, certain and possible: process IDs and names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<String>,
    },
    /// The container is paused; nothing ran.
    Paused,
    /// The container was resumed for the patch and now runs although it should be paused, whatever
    /// the patch's own outcome was.
    LeftUnpaused {
        /// How the patch ended, and why the container could not be paused again.
        why: String,
    },
    /// The container ended, or was restarted as another instance, before the command could end.
    Vanished,
    /// The container restarts again and again, so the run no longer enters it.
    Restarting {
        /// How many instances of the container the run entered.
        starts: usize,
    },
    /// The runtime could not start the command in the container.
    CouldNotEnter {
        /// The reason, mostly in the runtime's own words.
        why: String,
    },
    /// It is unknown whether the container is built on the base, or how to enter the container.
    NotUnderstood {
        /// The reason.
        why: String,
    },
    /// The run was stopped before the container's turn.
    NotStarted,
    /// The patch was started, and the patch's worker ended without recording an outcome.
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
    /// The check after the command.
    CheckAfter,
}

/// An outcome without its details. The order is that of a summary: the kinds that are ok come
/// first.
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
    /// All kinds, in the order of a summary.
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

    /// The words for tables and sentences.
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

    /// The spelling for machines, the same in the journal, in JSON and in the system log.
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

    /// Whether the container is ok: the command succeeded now or in an earlier run, or the check
    /// found nothing to do.
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

    /// Whether the outcome counts against `--max-failures`: the patch failed, was not completed,
    /// could not be run, or left the container unpaused.
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
    /// The kind of this outcome.
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

    /// One outcome of each kind, in the order of the kinds.
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
