//! Sends the journal's events to the system log as well.
//!
//! In: a run's header, and the facts that are being recorded. Out: an event, sent. Keeps nothing.

use std::time::Duration;

use super::line::{Finished, RunHeader};
use super::who::Who;
use crate::audit::patching::{ContainerEnd, PatchEvent, RunEnd, RunIdentity, RunStart, send};
use crate::banlist::record::Severity;
use crate::exec_patch::job::{Container, Job};
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::request::payload::Payload;
use crate::lineage::digest::Digest;
use crate::node::unaccounted::Unaccounted;
use crate::sys::system_log::Sockets;

/// Reports that a run starts or is resumed: `verb` says which.
pub(super) fn started(log: &Sockets, header: &RunHeader, by: &Who, verb: &str) {
    let message = format!(
        "{verb} by {} for {}: {}",
        by.describe(),
        header.subject(),
        header.command()
    );
    let digests = header
        .carried
        .iter()
        .map(|carried| carried.digest)
        .collect();
    let severity = header
        .carried
        .iter()
        .filter_map(|carried| carried.severity)
        .max();
    let mut successors: Vec<_> = header
        .carried
        .iter()
        .filter_map(|carried| carried.successor.clone())
        .collect();
    successors.sort();
    successors.dedup();
    let begin = RunStart {
        bans: header.bans(),
        digests,
        severity,
        successors,
        message,
    };
    send(
        log,
        run(header, &by.person().describe()),
        &PatchEvent::Started(begin),
    );
}

/// The outcome for a container, apart from the container's identity.
#[derive(Clone, Copy)]
pub(super) struct ContainerOutcome<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) digest: Option<Digest>,
    pub(super) ban: Option<&'a str>,
    pub(super) severity: Option<Severity>,
    pub(super) successor: Option<&'a str>,
    pub(super) took: Option<Duration>,
}

impl<'a> ContainerOutcome<'a> {
    /// The outcome of a job: its container was entered, or should have been.
    pub(super) fn of(job: &'a Job, outcome: &'a Outcome, took: Option<Duration>) -> Self {
        let Job {
            digest,
            ban,
            severity,
            successor,
            ..
        } = job;
        Self {
            outcome,
            digest: Some(*digest),
            ban: ban.as_deref(),
            severity: *severity,
            successor: successor.as_deref(),
            took,
        }
    }

    /// The outcome for a container that nothing enters; `payload` is what would have run.
    pub(super) fn would(payload: Option<&'a Payload>, outcome: &'a Outcome) -> Self {
        Self {
            outcome,
            digest: payload.map(|payload| payload.digest),
            ban: payload.and_then(|payload| payload.ban.as_deref()),
            severity: payload.and_then(|payload| payload.severity),
            successor: payload.and_then(|payload| payload.successor.as_deref()),
            took: None,
        }
    }
}

/// Reports the outcome for a container.
pub(super) fn container(
    log: &Sockets,
    header: &RunHeader,
    container: &Container,
    fate: &ContainerOutcome<'_>,
) {
    let Container {
        id,
        name,
        engine,
        image,
        image_id,
        owner,
        ..
    } = container;
    let ContainerOutcome {
        outcome,
        digest,
        ban,
        severity,
        successor,
        took,
    } = *fate;
    let why = why(outcome);
    let treated = ContainerEnd {
        outcome: outcome.kind().key(),
        word: outcome.word(),
        is_ok: outcome.is_ok(),
        status: status(outcome),
        took,
        ban,
        severity,
        successor,
        digest,
        container: Some(id),
        name: name.as_deref(),
        owner: Some(*owner),
        engine: *engine,
        image: image.as_deref(),
        image_id: image_id.as_deref(),
        why: why.as_deref(),
    };
    send(
        log,
        run(header, &header.by.person().describe()),
        &PatchEvent::Container(treated),
    );
}

/// Reports a container that cannot be identified.
pub(super) fn unidentified(log: &Sockets, header: &RunHeader, unidentified: &Unaccounted) {
    let Unaccounted {
        id,
        engine,
        name,
        why,
        ..
    } = unidentified;
    let outcome = Outcome::NotUnderstood { why: String::new() };
    let treated = ContainerEnd {
        outcome: outcome.kind().key(),
        word: outcome.word(),
        is_ok: outcome.is_ok(),
        status: None,
        took: None,
        ban: None,
        severity: None,
        successor: None,
        digest: None,
        container: Some(id.as_str()).filter(|id| !id.is_empty()),
        name: name.as_deref(),
        owner: None,
        engine: *engine,
        image: None,
        image_id: None,
        why: Some(why),
    };
    send(
        log,
        run(header, &header.by.person().describe()),
        &PatchEvent::Container(treated),
    );
}

/// Reports that a run is over.
pub(super) fn finished(log: &Sockets, header: &RunHeader, finished: &Finished) {
    let Finished {
        at,
        exit,
        ok,
        not_ok,
        stopped,
        ..
    } = finished;
    let took = Duration::from_secs(at.since(header.started));
    let stopped = stopped.map(|why| why.to_string());
    let end = RunEnd {
        ok: *ok,
        not_ok: *not_ok,
        exit: *exit,
        took,
        stopped: stopped.as_deref(),
    };
    send(
        log,
        run(header, &header.by.person().describe()),
        &PatchEvent::Ended(end),
    );
}

fn run<'a>(header: &'a RunHeader, user: &'a str) -> RunIdentity<'a> {
    RunIdentity {
        id: header.id.as_str(),
        user,
        list_version: header.list_version,
    }
}

/// The exit status of the command that failed.
const fn status(outcome: &Outcome) -> Option<i32> {
    match outcome {
        Outcome::Failed { status, .. } => Some(*status),
        Outcome::Patched
        | Outcome::AlreadyFine
        | Outcome::PatchedBefore { .. }
        | Outcome::TimedOut
        | Outcome::Survived { .. }
        | Outcome::Cancelled { .. }
        | Outcome::Paused
        | Outcome::LeftUnpaused { .. }
        | Outcome::Vanished
        | Outcome::Restarting { .. }
        | Outcome::CouldNotEnter { .. }
        | Outcome::NotUnderstood { .. }
        | Outcome::NotStarted
        | Outcome::Interrupted => None,
    }
}

/// Further facts about an outcome, as text.
fn why(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::LeftUnpaused { why }
        | Outcome::CouldNotEnter { why }
        | Outcome::NotUnderstood { why } => Some(why.clone()),
        Outcome::PatchedBefore { run } => Some(format!("in run {run}")),
        Outcome::Restarting { starts } => Some(format!("entered in {starts} of its starts")),
        Outcome::Survived { left } | Outcome::Cancelled { left } => {
            Some(left.join(", ")).filter(|left| !left.is_empty())
        }
        Outcome::Patched
        | Outcome::AlreadyFine
        | Outcome::Failed { .. }
        | Outcome::TimedOut
        | Outcome::Paused
        | Outcome::Vanished
        | Outcome::NotStarted
        | Outcome::Interrupted => None,
    }
}
