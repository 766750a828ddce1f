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
//! The file, `--json`, `--history RUN --json` and a dry run all have these lines. The last four
//! kinds of [`Line`] appear only in a dry run or on standard output. Plain data. Only root's
//! programs write journals; names in the lines are hostile. An unknown field or kind of line makes
//! a journal unreadable, so each new one raises [`SCHEMA`](crate::report::json::SCHEMA).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::halt::Halt;
use super::ids::{RunId, WorkerId};
use super::who::Who;
use crate::banlist::record::Severity;
use crate::container::engine::Engine;
use crate::exec_patch::job::{Container, Job, JobResult, Work};
use crate::exec_patch::outcome::{Outcome, OutcomeKind};
use crate::exec_patch::request::arguments::Order;
use crate::exec_patch::request::limits::Limits;
use crate::exec_patch::request::payload::Payload;
use crate::lineage::digest::Digest;
use crate::node::unaccounted::Unaccounted;
use crate::sys::clock::Timestamp;

/// One line of a journal, or of the JSON that a run prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Run(Box<RunHeader>),
    /// A payload that the header does not record; used from this line on.
    Carried(Carried),
    /// A container that will be entered.
    Planned(Box<Planned>),
    /// A container is about to be entered.
    Started(Box<Started>),
    /// A patch of a container is over, whether something entered the container or not.
    Ended(Box<Ended>),
    /// A container that cannot be identified.
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
    /// A container on which a ban matches but which the dry run leaves out.
    LeftOut(Box<LeftOutLine>),
    /// A container of the resumed run that no longer matches.
    Gone(Box<Gone>),
    /// The last line of a dry run.
    Plan(PlanTotals),
}

/// The header: who started the run, what it runs, and in which containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunHeader {
    /// The run's ID.
    #[serde(rename = "run")]
    pub id: RunId,
    /// When the run started.
    pub started: Timestamp,
    /// The boot ID of the machine when the run started (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// Who started the run.
    pub by: Who,
    /// What caused the run.
    pub trigger: Trigger,
    /// The arguments that were typed, after the program's own name.
    pub argv: Vec<String>,
    /// What was asked for, and in which containers.
    pub order: Order,
    /// The limits of the run.
    pub terms: RunTerms,
    /// The payloads that are known when the run starts.
    pub carried: Vec<Carried>,
    /// The script or program that is carried with the request. The run's directory has a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramCopy>,
    /// The earlier run whose failed containers this run patches (`--only-failed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_failed: Option<RunId>,
    /// The version of the list in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_version: Option<u64>,
}

/// What caused a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A person, or a person's tool, typed it.
    Typed,
    /// `--auto`: a list was installed. To resume such a run, the list must have enough signatures
    /// as well.
    Auto,
}

/// The limits of a run. A resumed run needs them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunTerms {
    /// How many containers at once, and how many failures.
    pub pace: Limits,
    /// `--output-limit`, in bytes.
    pub output_limit: u64,
}

/// A payload: what runs in containers, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban whose signed patch this is; `None` if a person typed the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The severity of that ban.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The successor that the ban names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// The digest of the file that is carried with the payload, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Digest>,
    /// The command as text for messages.
    pub command: String,
    /// What runs.
    pub work: Work,
}

impl Carried {
    /// The journal's description of a payload.
    #[must_use]
    pub fn of(payload: &Payload) -> Self {
        Self {
            digest: payload.digest,
            ban: payload.ban.clone(),
            severity: payload.severity,
            successor: payload.successor.clone(),
            program: payload.program.as_ref().map(|program| program.digest),
            command: payload.describe(),
            work: payload.work.clone(),
        }
    }
}

/// The file carried with a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramCopy {
    /// The file's name on this machine.
    pub name: String,
    /// The SHA-256 of the file's bytes.
    pub digest: Digest,
    /// The file's size in bytes.
    pub size: u64,
}

/// A container that will be entered, and the patches that are planned for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When the plan was made.
    pub at: Timestamp,
    /// The container.
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

/// A container on which a ban matches but which is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutLine {
    /// The container.
    #[serde(flatten)]
    pub container: Container,
    /// Why the ban does not count, as text for messages.
    pub reasons: Vec<String>,
}

/// A container that no longer matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The container.
    #[serde(flatten)]
    pub container: Container,
    /// Whether the container was ok.
    pub ok: bool,
    /// The container's outcome in the run.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The totals of a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTotals {
    /// How many containers match.
    pub matches: usize,
    /// The version of the list that was asked, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_version: Option<u64>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// A container is about to be entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The number of this entry in its run, from 1. No other entry has it, also after a resume.
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
    /// The container.
    #[serde(flatten)]
    pub container: Container,
    /// The worker that enters the container. Only in the file, where that worker writes the line
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// Whether the container is paused, and resumed for the patch. Only in the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpause: bool,
}

/// A patch of a container is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The number that the start has in the run; `None` if nothing entered the container.
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
    /// The container.
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

/// The results of a patch that entered its container, apart from the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How long the patch took, in milliseconds.
    pub duration_ms: u64,
    /// How many bytes the patch's commands wrote.
    pub output_bytes: u64,
    /// The last lines of the output, unescaped; unsafe to print on a terminal.
    pub output_tail: String,
    /// Background processes that the command started and that still run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub background: Vec<String>,
    /// Zombies: processes that the command started, that have ended, and that stay until the
    /// container's first process waits for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zombies: Vec<String>,
}

impl Ended {
    /// The line for a container that was entered.
    #[must_use]
    pub fn entered(job: &Job, boot: &str, done: &JobResult) -> Self {
        let Job {
            number,
            container,
            digest,
            ban,
            ..
        } = job;
        let JobResult {
            outcome,
            took,
            written,
            tail,
            left,
            zombies,
        } = done.clone();
        let found = Findings {
            duration_ms: took,
            output_bytes: written,
            output_tail: tail,
            background: left,
            zombies,
        };
        Self {
            number: Some(*number),
            found: Some(found),
            ..Self::settled(container, boot, (Some(*digest), ban.as_deref()), &outcome)
        }
    }

    /// The line for a container that nothing entered. `patch` is the digest and the ban of what
    /// would have run.
    #[must_use]
    pub fn settled(
        container: &Container,
        boot: &str,
        patch: (Option<Digest>, Option<&str>),
        outcome: &Outcome,
    ) -> Self {
        Self {
            number: None,
            at: Timestamp::now(),
            boot: boot.to_owned(),
            digest: patch.0,
            ban: patch.1.map(str::to_owned),
            container: container.clone(),
            ok: outcome.is_ok(),
            outcome: outcome.clone(),
            found: None,
        }
    }
}

/// A running container that cannot be identified: it is unknown whether it must be entered, or how.
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
        let (place, outcome) = (
            place.to_string_lossy().into_owned(),
            OutcomeKind::NotUnderstood,
        );
        Self {
            at: Timestamp::now(),
            id,
            engine,
            namespace,
            name,
            place,
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
