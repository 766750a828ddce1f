//! Defines the lines of a run's journal, and every other JSON that a run writes.
//!
//! ```text
//! {"schema":1,"event":"run","run":"20261120-221500-a1b2","started":"…","boot":"…","by":{…},"trigger":"typed","argv":[…],…}    the header, once
//! {"schema":1,"event":"carried","digest":"sha256:…","ban":"BAN-2026-0007","command":"…","work":{…}}     another ban's patch, before it is first used
//! {"schema":1,"event":"planned","at":"…","container":"4c1f…","engine":"docker",…,"patches":[…]}      a container that will be entered
//! {"schema":1,"event":"started","number":1,"at":"…","boot":"…","digest":"…","container":"4c1f…",…}     before anything enters the container
//! {"schema":1,"event":"ended","number":1,"at":"…",…,"ok":true,"outcome":"patched",…}               the outcome; without a number: nothing entered the container
//! {"schema":1,"event":"not-understood","at":"…","place":"…","why":"…",…}                             a container that cannot be identified
//! {"schema":1,"event":"resumed","at":"…","boot":"…","by":{…},"argv":[…],"pace":{…}}                  somebody resumes a run
//! {"schema":1,"event":"finished","run":"…","at":"…","exit":0,"ok":12,"not_ok":0,…}               the last line, unless the run is resumed
//! ```
//!
//! The file, `--json`, `--history --json` and a dry run all have these lines. The last six kinds of
//! [`Line`] appear only in a dry run or on standard output. Plain data. Only root's programs write
//! journals; names in the lines are hostile. An unknown field or kind of line makes a journal
//! unreadable, so each new field or kind raises [`SCHEMA`](crate::report::json::SCHEMA).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::halt::Halt;
use super::header::{Carried, RunHeader};
use super::ids::{RunId, WorkerId};
use super::summary::{RunSummary, UnreadableRun};
use crate::audit::who::Who;
use crate::container::engine::Engine;
use crate::exec_patch::job::{Container, Findings, Job, JobResult};
use crate::exec_patch::outcome::{Outcome, OutcomeKind};
use crate::exec_patch::request::limits::Limits;
use crate::exec_patch::request::payload::Payload;
use crate::exec_patch::select::LeftOut;
use crate::lineage::digest::Digest;
use crate::node::unaccounted::Unaccounted;
use crate::sys::clock::Timestamp;

/// One line of a journal, or of the JSON that a run prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Run(Box<RunHeader>),
    /// A payload that the header does not have. The run uses the payload from this line on.
    Carried(Carried),
    /// A container that will be entered.
    Planned(Box<Planned>),
    /// A container is about to be entered.
    Started(Box<Started>),
    /// A patch of a container is over, whether something entered the container or not.
    Ended(Box<Ended>),
    /// The row of a container that cannot be identified.
    NotUnderstood(NotUnderstood),
    /// Somebody resumes the run.
    Resumed(Resumed),
    /// The run is over.
    Finished(Finished),
    /// A warning for the operator.
    Warning {
        /// The text of the warning, one line, not escaped.
        text: String,
    },
    /// A container that a ban matches, but that the dry run leaves out.
    LeftOut(Box<LeftOut>),
    /// A container of the resumed run that no longer matches.
    Gone(Box<Gone>),
    /// The last line of a dry run.
    Plan(PlanTotals),
    /// A run, in the list of all runs.
    Summary(Box<RunSummary>),
    /// A run that cannot be read.
    Unreadable(UnreadableRun),
}

/// A container that will be entered, and the patches that are planned for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When the plan was made.
    pub at: Timestamp,
    /// The container that was to be patched.
    #[serde(flatten)]
    pub container: Container,
    /// Why the container matches, as text for messages.
    pub reasons: Vec<String>,
    /// The container's patches, in the order in which they run.
    pub patches: Vec<PlannedPatch>,
}

/// A planned patch of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPatch {
    /// The digest of what runs; `None` if there is nothing to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The ban that is the reason for the patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The outcome, if it is already known.
    #[serde(flatten)]
    pub outcome: Option<Outcome>,
}

/// A container that no longer matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The container that was to be patched.
    #[serde(flatten)]
    pub container: Container,
    /// Whether the container was ok in the run that is resumed.
    pub ok: bool,
    /// The container's outcome in the run that is resumed.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Gone {
    /// The line for this container. `outcome` is its outcome in the run that is resumed.
    #[must_use]
    pub fn of(container: &Container, outcome: Outcome) -> Self {
        Self {
            container: container.clone(),
            ok: outcome.is_ok(),
            outcome,
        }
    }
}

/// The totals of a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTotals {
    /// How many containers match.
    pub matches: usize,
    /// The version of the list that was used, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_version: Option<u64>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// A container is about to be entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The number of this entry in its run, from 1. No other entry of the run has the same number,
    /// not even after a resume.
    pub number: usize,
    /// When the start was recorded.
    pub at: Timestamp,
    /// The boot ID of the machine.
    pub boot: String,
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban that is the reason for the patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The container that was to be patched.
    #[serde(flatten)]
    pub container: Container,
    /// The worker that enters the container. This field is only in the journal's file, where the
    /// worker writes the line itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// Whether the container is paused and will be resumed for the patch. This field is only in the
    /// journal's file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpause: bool,
}

impl Started {
    /// The line for a job whose container is about to be entered.
    #[must_use]
    pub fn of(job: &Job, boot: &str, worker: Option<WorkerId>, unpause: bool) -> Self {
        Self {
            number: job.number,
            at: Timestamp::now(),
            boot: boot.to_owned(),
            digest: job.digest,
            ban: job.ban.clone(),
            container: job.container.clone(),
            worker,
            unpause,
        }
    }
}

/// A patch of a container is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The number of the entry, the same as in the line `started`; `None` if nothing entered the
    /// container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<usize>,
    /// When the patch was over.
    pub at: Timestamp,
    /// The boot ID of the machine.
    pub boot: String,
    /// The digest of what ran, or would have run; `None` if there is nothing to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The ban that is the reason for the patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The container that was to be patched.
    #[serde(flatten)]
    pub container: Container,
    /// Whether the container is ok.
    pub ok: bool,
    /// The outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Further results; `None` if nothing entered the container.
    #[serde(flatten)]
    pub found: Option<Findings>,
}

impl Ended {
    /// The line for a container that was entered.
    #[must_use]
    pub fn entered(job: &Job, boot: &str, done: &JobResult) -> Self {
        Self {
            number: Some(job.number),
            found: Some(done.found.clone()),
            ..Self::refused(job, boot, &done.outcome)
        }
    }

    /// The line for a job whose worker must not enter the container.
    #[must_use]
    pub fn refused(job: &Job, boot: &str, outcome: &Outcome) -> Self {
        Self {
            digest: Some(job.digest),
            ban: job.ban.clone(),
            ..Self::settled(&job.container, boot, None, outcome)
        }
    }

    /// The line for a container that nothing entered; `payload` is what would have run.
    #[must_use]
    pub fn settled(
        container: &Container,
        boot: &str,
        payload: Option<&Payload>,
        outcome: &Outcome,
    ) -> Self {
        let (digest, ban) = match payload {
            Some(payload) => (Some(payload.digest), payload.ban.clone()),
            None => (None, None),
        };
        Self {
            number: None,
            at: Timestamp::now(),
            boot: boot.to_owned(),
            digest,
            ban,
            container: container.clone(),
            ok: outcome.is_ok(),
            outcome: outcome.clone(),
            found: None,
        }
    }
}

/// A running container that cannot be identified. It is unknown whether the container must be
/// entered, or how to enter it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotUnderstood {
    /// When the container was found.
    pub at: Timestamp,
    /// The container's ID; empty if a whole state directory could not be read.
    #[serde(rename = "container")]
    pub id: String,
    /// The container's engine.
    pub engine: Engine,
    /// The containerd namespace, for containers of containerd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name that the engine gives the container, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the container was found: a file or a directory.
    pub place: String,
    /// Always `false`.
    pub ok: bool,
    /// Always [`OutcomeKind::NotUnderstood`].
    pub outcome: OutcomeKind,
    /// Why the container cannot be identified.
    pub why: String,
}

impl NotUnderstood {
    /// The line for a container that was found now.
    #[must_use]
    pub fn of(unidentified: &Unaccounted) -> Self {
        let Unaccounted {
            id,
            engine,
            namespace,
            name,
            place,
            why,
        } = unidentified.clone();
        let outcome = OutcomeKind::NotUnderstood;
        Self {
            at: Timestamp::now(),
            id,
            engine,
            namespace,
            name,
            place: place.to_string_lossy().into_owned(),
            ok: outcome.is_ok(),
            outcome,
            why,
        }
    }
}

/// Somebody resumes a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resumed {
    /// When the run was resumed.
    pub at: Timestamp,
    /// The boot ID of the machine.
    pub boot: String,
    /// Who resumed the run.
    pub by: Who,
    /// The arguments that were typed.
    pub argv: Vec<String>,
    /// The limits from this line on.
    pub pace: Limits,
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finished {
    /// The run's ID.
    pub run: RunId,
    /// When the run ended.
    pub at: Timestamp,
    /// The exit status of the run.
    pub exit: u8,
    /// How many containers are ok.
    pub ok: usize,
    /// How many containers are not ok, including those that cannot be identified and those that
    /// were not started.
    pub not_ok: usize,
    /// How many patches had each outcome.
    pub outcomes: BTreeMap<OutcomeKind, usize>,
    /// Why the run stopped before all containers were done, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Halt>,
}
