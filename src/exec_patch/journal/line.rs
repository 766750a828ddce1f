//! Defines the lines of a run's journal, and every other JSON that a run writes.
//!
//! ```text
//! {"schema":1,"event":"run","run":"20261120-221500-a1b2","started":"…","boot":"…","by":{…},"trigger":"typed","argv":[…],…}    the header, once
//! {"schema":1,"event":"carried","digest":"sha256:…","ban":"BAN-2026-0007","command":"…","work":{…}}     another ban's patch, before it is first used
//! {"schema":1,"event":"planned","at":"…","container":"4c1f…","engine":"docker",…,"patches":[…]}      a container that will be entered
//! {"schema":1,"event":"started","number":1,"at":"…","boot":"…","digest":"…","container":"4c1f…",…}     before anything enters the container
//! {"schema":1,"event":"ended","number":1,"at":"…",…,"ok":true,"outcome":"patched",…}               how that ended; without a number: nothing entered it
//! {"schema":1,"event":"not-understood","at":"…","place":"…","why":"…",…}                             a container that cannot be identified
//! {"schema":1,"event":"resumed","at":"…","boot":"…","by":{…},"argv":[…],"pace":{…}}                  somebody resumes a run
//! {"schema":1,"event":"finished","run":"…","at":"…","exit":0,"ok":12,"not_ok":0,…}               nothing more follows, unless it is resumed
//! ```
//!
//! The file, `--json`, `--history RUN --json` and a dry run all have these lines; the last four
//! kinds of [`Line`] appear only in a dry run or on standard output. Plain data. Root's own
//! programs write it; names in it are hostile. An unknown field or kind of line makes a journal
//! unreadable, so each new one raises [`SCHEMA`](crate::report::json::SCHEMA).

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

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Run(Box<RunHeader>),
    /// What the header does not have and is used from here on.
    Carried(Carried),
    /// A container that will be entered.
    Planned(Box<Planned>),
    /// A container is about to be entered.
    Started(Box<Started>),
    /// A patch of a container is done, whether something entered it or not.
    Ended(Box<Ended>),
    /// A container that cannot be identified.
    NotUnderstood(NotUnderstood),
    /// Somebody resumes the run.
    Resumed(Resumed),
    /// The run is over.
    Finished(Finished),
    /// Something that a person should know.
    Warning {
        /// One line, not escaped.
        text: String,
    },
    /// A container that a ban names and that is left out of a dry run.
    LeftOut(Box<LeftOutLine>),
    /// A container of the run that would be resumed, which no longer matches.
    Gone(Box<Gone>),
    /// The last line of a dry run.
    Plan(PlanTotals),
}

/// What a run is: who wants what, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunHeader {
    /// Its ID.
    #[serde(rename = "run")]
    pub id: RunId,
    /// When it started.
    pub started: Timestamp,
    /// This boot of the machine (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// Who started it.
    pub by: Who,
    /// What started it.
    pub trigger: Trigger,
    /// The arguments that were typed, after the program's own name.
    pub argv: Vec<String>,
    /// What is wanted where.
    pub order: Order,
    /// On which terms.
    pub terms: RunTerms,
    /// What runs, as far as known when the run starts.
    pub carried: Vec<Carried>,
    /// The script or program that it carries; a copy is in its directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramCopy>,
    /// The run whose failed containers it is for, and no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_failed: Option<RunId>,
    /// The version of the list in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_version: Option<u64>,
}

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A person, or a person's tool, typed it.
    Typed,
    /// `--auto`: a list was installed. Whoever resumes it needs the list's signatures as well.
    Auto,
}

/// The terms of a run, for whoever resumes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunTerms {
    /// At which pace.
    pub pace: Limits,
    /// `--output-limit`, in bytes.
    pub output_limit: u64,
}

/// What is carried into containers, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban whose signed patch it is; none if it was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// That ban's severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The successor that the ban names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// The digest of the file that is carried with it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Digest>,
    /// The command as people read it.
    pub command: String,
    /// What runs.
    pub work: Work,
}

impl Carried {
    /// What this payload is.
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

/// A file that a run carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramCopy {
    /// What it was called.
    pub name: String,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
}

/// A container that will be entered, and what is planned there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When.
    pub at: Timestamp,
    /// The container.
    #[serde(flatten)]
    pub container: Container,
    /// Why it matches, for people.
    pub reasons: Vec<String>,
    /// Its patches, in their order.
    pub patches: Vec<PlannedPatch>,
}

/// A patch of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPatch {
    /// The digest of what runs; none if there is nothing to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The ban for which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The outcome that it has already.
    #[serde(flatten)]
    pub outcome: Option<Outcome>,
}

/// A container that a ban names and that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutLine {
    /// The container.
    #[serde(flatten)]
    pub container: Container,
    /// Why, for people.
    pub reasons: Vec<String>,
}

/// A container that no longer matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The container.
    #[serde(flatten)]
    pub container: Container,
    /// Whether it was ok.
    pub ok: bool,
    /// How the run left it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A dry run as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTotals {
    /// How many containers match.
    pub matches: usize,
    /// The version of the list that answered, if one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_version: Option<u64>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// A container is about to be entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The number of the entry in its run, from 1. It is unique, also across a resume.
    pub number: usize,
    /// When.
    pub at: Timestamp,
    /// This boot of the machine.
    pub boot: String,
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban for which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The container.
    #[serde(flatten)]
    pub container: Container,
    /// Who enters it; only in the file, where that worker writes it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// Whether it is paused, and resumed for the patch; only in the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpause: bool,
}

/// A patch of a container is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The number with which it was started; none if nothing entered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<usize>,
    /// When.
    pub at: Timestamp,
    /// This boot of the machine.
    pub boot: String,
    /// The digest of what ran, or would have run; none if there is nothing to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The ban for which it ran, or would have run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The container.
    #[serde(flatten)]
    pub container: Container,
    /// Whether it is ok.
    pub ok: bool,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What was found there; none if nothing entered it.
    #[serde(flatten)]
    pub found: Option<Findings>,
}

/// What was found in a container that was entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How long it took.
    pub duration_ms: u64,
    /// How much its commands wrote.
    pub output_bytes: u64,
    /// The last lines of that, unescaped; not fit for a terminal.
    pub output_tail: String,
    /// Background processes that the command started and that still run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub background: Vec<String>,
    /// Processes that it started and that have ended, but stay until the container's first process
    /// waits for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zombies: Vec<String>,
}

impl Ended {
    /// How it ended in a container that was entered.
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

    /// Says that nothing entered a container; `patch` is the digest and the ban of what would have
    /// run.
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

/// A running container that cannot be identified: it is not known whether, or how, to enter it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotUnderstood {
    /// When that was found.
    pub at: Timestamp,
    /// Its ID; empty if a whole directory of state could not be read.
    #[serde(rename = "container")]
    pub id: String,
    /// Its engine.
    pub engine: Engine,
    /// containerd's namespace, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What its engine calls it, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it was found: a file or a directory.
    pub place: String,
    /// Never.
    pub ok: bool,
    /// [`OutcomeKind::NotUnderstood`].
    pub outcome: OutcomeKind,
    /// Why it cannot be identified.
    pub why: String,
}

impl NotUnderstood {
    /// One that was found now.
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
    /// When.
    pub at: Timestamp,
    /// This boot of the machine.
    pub boot: String,
    /// Who.
    pub by: Who,
    /// The arguments that were typed.
    pub argv: Vec<String>,
    /// At which pace from here on.
    pub pace: Limits,
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finished {
    /// Which run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// Its exit status.
    pub exit: u8,
    /// How many containers are ok.
    pub ok: usize,
    /// How many failed, including those that cannot be identified and those that were not started.
    pub not_ok: usize,
    /// How many patches had each outcome.
    pub outcomes: BTreeMap<OutcomeKind, usize>,
    /// Why it stopped before all were done, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Halt>,
}
