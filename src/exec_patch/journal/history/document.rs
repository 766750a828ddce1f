//! What do machines get to read of the runs?
//!
//! In: runs, read. Out: the objects that become JSON; their fields stay, and more may come. Names in them are others'; JSON escapes its own.

use std::path::PathBuf;

use serde::Serialize;

use super::super::line::{Carried, Named, Resumed, RunId, Stranger};
use super::super::past::{Entry, Past, State};
use super::super::who::Who;
use super::{Phase, Sight};
use crate::container::engine::Engine;
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::pace::Halt;
use crate::exec_patch::plan::ContainerFields;
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

pub(super) fn text(value: &impl Serialize) -> String {
    // Nothing in these types can fail to become JSON: no map has keys that are no text.
    serde_json::to_string(value).unwrap_or_default()
}

/// A run that cannot be read.
#[derive(Serialize)]
pub(super) struct Unreadable<'a> {
    pub(super) run: &'a RunId,
    pub(super) fault: String,
}

/// A run in a line.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    run: &'a RunId,
    begun: Timestamp,
    by: &'a Who,
    r#for: String,
    command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only_failed: Option<&'a RunId>,
    state: Phase,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<Halt>,
    well: usize,
    not_well: usize,
    folder: &'a PathBuf,
}

impl<'a> Summary<'a> {
    pub(super) fn of(past: &'a Past, sight: &Sight) -> Self {
        let (header, finished, (well, not_well)) = (&past.header, past.finished.as_ref(), past.counts());
        Self {
            run: &header.id,
            begun: header.begun,
            by: &header.by,
            r#for: header.subject(),
            command: header.command(),
            list_version: header.list_version,
            only_failed: header.only_failed.as_ref(),
            state: Phase::of(past, sight.holder.as_ref(), &sight.boot),
            ended: finished.map(|finished| finished.at),
            exit: finished.map(|finished| finished.exit),
            stopped: finished.and_then(|finished| finished.stopped),
            well,
            not_well,
            folder: &past.folder,
        }
    }
}

/// A run with everything in it.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    argv: &'a [String],
    resumed: &'a [Resumed],
    carried: &'a [Carried],
    containers: Vec<Treated<'a>>,
    strangers: Vec<Unknown<'a>>,
    not_begun: Vec<Waiting<'a>>,
}

/// A container that was not understood.
#[derive(Serialize)]
struct Unknown<'a> {
    container: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    engine: Engine,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    place: &'a str,
    well: bool,
    #[serde(flatten)]
    outcome: Outcome,
}

/// A container of which nothing more is known than that it was to be entered.
#[derive(Serialize)]
struct Waiting<'a> {
    container: &'a str,
    engine: Engine,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

impl<'a> Whole<'a> {
    pub(super) fn of(past: &'a Past, sight: &Sight) -> Self {
        Self {
            summary: Summary::of(past, sight),
            argv: &past.header.argv,
            resumed: &past.resumed,
            carried: &past.carried,
            containers: past.told().into_iter().map(|entry| Treated::of(past, entry, sight)).collect(),
            strangers: past.strangers.iter().map(Unknown::of).collect(),
            not_begun: past.unbegun().into_iter().map(Waiting::of).collect(),
        }
    }
}

impl<'a> Unknown<'a> {
    fn of(stranger: &'a Stranger) -> Self {
        let Stranger { at: _, id, engine, namespace, name, place, why } = stranger;
        let outcome = Outcome::NotUnderstood { why: why.clone() };
        Self {
            container: id,
            name: name.as_deref(),
            engine: *engine,
            namespace: namespace.as_deref(),
            place,
            well: outcome.is_well(),
            outcome,
        }
    }
}

impl<'a> Waiting<'a> {
    fn of(Named { engine, namespace, id }: &'a Named) -> Self {
        Self { container: id, engine: *engine, namespace: namespace.as_deref() }
    }
}

/// A container, and what became of it: the names are those of a run's own lines.
#[derive(Serialize)]
pub(super) struct Treated<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<usize>,
    #[serde(flatten)]
    container: ContainerFields<'a>,
    started: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ban: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    begun: Timestamp,
    /// Its worker is at work; the outcome is what it would be, were it gone.
    pub(super) under_way: bool,
    #[serde(flatten)]
    outcome: &'a Outcome,
    well: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_bytes: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    background: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<PathBuf>,
}

impl<'a> Treated<'a> {
    pub(super) fn of(past: &Past, entry: &'a Entry, sight: &Sight) -> Self {
        let Entry { at, digest, ban, container, state, .. } = entry;
        let (number, done) = match state {
            State::Begun { number, .. } => (Some(*number), None),
            State::Ended { number, done } => (Some(*number), Some(done)),
            State::Settled(_) => (None, None),
        };
        Self {
            number,
            container: ContainerFields::of(container),
            started: container.started,
            ban: ban.as_deref(),
            digest: *digest,
            begun: *at,
            under_way: entry.is_under_way(&sight.boot),
            outcome: entry.outcome(),
            well: entry.outcome().is_well(),
            duration_ms: done.map(|done| done.took),
            output_bytes: done.map(|done| done.written),
            background: done.map_or(&[], |done| &done.left),
            output: past.output(entry).filter(|path| path.symlink_metadata().is_ok_and(|facts| facts.is_file())),
        }
    }
}
