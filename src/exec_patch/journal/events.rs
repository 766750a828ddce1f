//! Sends the journal's events to the system log as well.
//!
//! In: a run's header, and the line that is being recorded. Out: an event, sent to the system log.
//! Stores nothing.

use std::time::Duration;

use super::header::RunHeader;
use super::line::{Ended, Finished, NotUnderstood};
use crate::audit::patching::{ContainerEnd, PatchEvent, RunEnd, RunIdentity, RunStart};
use crate::audit::who::Who;
use crate::banlist::ban::Severity;
use crate::exec_patch::outcome::Outcome;
use crate::sys::system_log::Sockets;

/// Reports that a run starts or is resumed: `verb` says which.
pub(super) fn started(log: &Sockets, header: &RunHeader, by: &Who, verb: &str) {
    let message = format!(
        "{verb} by {} for {}: {}",
        by.describe(),
        header.subject(),
        header.command()
    );
    let mut start = RunStart {
        bans: header.bans(),
        message,
        ..RunStart::default()
    };
    for carried in &header.carried {
        start.digests.push(carried.digest);
        start.severity = start.severity.max(carried.severity);
        start.successors.extend(carried.successor.clone());
    }
    start.successors.sort();
    start.successors.dedup();
    send(log, header, by, &PatchEvent::Started(start));
}

/// Reports the outcome for a container. `severity` and the ban's `successor` are arguments, because
/// the journal's lines do not have them.
pub(super) fn container(
    log: &Sockets,
    header: &RunHeader,
    ended: &Ended,
    severity: Option<Severity>,
    successor: Option<&str>,
) {
    let (container, outcome) = (&ended.container, &ended.outcome);
    let why = why(outcome);
    let found = ended.found.as_ref();
    let took = found.map(|found| Duration::from_millis(found.duration_ms));
    let end = ContainerEnd {
        outcome: outcome.kind().key(),
        word: outcome.word(),
        is_ok: ended.ok,
        status: status(outcome),
        took,
        ban: ended.ban.as_deref(),
        severity,
        successor,
        digest: ended.digest,
        container: Some(&container.id),
        name: container.name.as_deref(),
        owner: Some(container.owner),
        engine: container.engine,
        image: container.image.as_deref(),
        image_id: container.image_id.as_deref(),
        why: why.as_deref(),
    };
    send(log, header, &header.by, &PatchEvent::Container(end));
}

/// Reports a container that cannot be identified.
pub(super) fn unidentified(log: &Sockets, header: &RunHeader, unidentified: &NotUnderstood) {
    let container = if unidentified.id.is_empty() {
        None
    } else {
        Some(unidentified.id.as_str())
    };
    let end = ContainerEnd {
        outcome: unidentified.outcome.key(),
        word: unidentified.outcome.word(),
        is_ok: unidentified.ok,
        status: None,
        took: None,
        ban: None,
        severity: None,
        successor: None,
        digest: None,
        container,
        name: unidentified.name.as_deref(),
        owner: None,
        engine: unidentified.engine,
        image: None,
        image_id: None,
        why: Some(&unidentified.why),
    };
    send(log, header, &header.by, &PatchEvent::Container(end));
}

/// Reports that a run is over.
pub(super) fn finished(log: &Sockets, header: &RunHeader, finished: &Finished) {
    let stopped = finished.stopped.as_ref().map(ToString::to_string);
    let end = RunEnd {
        ok: finished.ok,
        not_ok: finished.not_ok,
        exit: finished.exit,
        took: Duration::from_secs(finished.at.since(header.started)),
        stopped: stopped.as_deref(),
    };
    send(log, header, &header.by, &PatchEvent::Ended(end));
}

fn send(log: &Sockets, header: &RunHeader, by: &Who, event: &PatchEvent<'_>) {
    let run = RunIdentity {
        id: header.id.as_str(),
        user: &by.person().describe(),
        list_version: header.list_version,
    };
    crate::audit::patching::send(log, run, event);
}

/// The exit status of the command that failed.
const fn status(outcome: &Outcome) -> Option<i32> {
    if let Outcome::Failed { status, .. } = outcome {
        Some(*status)
    } else {
        None
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
        Outcome::Survived { left } | Outcome::Cancelled { left } if !left.is_empty() => {
            Some(left.join(", "))
        }
        Outcome::Survived { .. }
        | Outcome::Cancelled { .. }
        | Outcome::Patched
        | Outcome::AlreadyFine
        | Outcome::Failed { .. }
        | Outcome::TimedOut
        | Outcome::Paused
        | Outcome::Vanished
        | Outcome::NotStarted
        | Outcome::Interrupted => None,
    }
}
