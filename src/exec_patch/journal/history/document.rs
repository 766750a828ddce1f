//! What do machines get to read of the runs?
//!
//! In: runs, read. Out: the objects that become JSON; their fields stay, and more may come. Names in them are others'; JSON escapes its own.

use std::path::PathBuf;

use serde::Serialize;

use super::super::line::{Carried, Named, Resumed, RunId, Stranger};
use super::super::past::{Entry, Past, State};
use super::super::who::Who;
use super::{Phase, Sight};
use crate::exec_patch::outcome::Outcome;
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
    list_version: Option<u64>,
    only_failed: Option<&'a RunId>,
    state: Phase,
    ended: Option<Timestamp>,
    exit: Option<u8>,
    stopped: Option<&'a str>,
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
            stopped: finished.and_then(|finished| finished.stopped.as_deref()),
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
    strangers: &'a [Stranger],
    not_begun: Vec<&'a Named>,
}

impl<'a> Whole<'a> {
    pub(super) fn of(past: &'a Past, sight: &Sight) -> Self {
        Self {
            summary: Summary::of(past, sight),
            argv: &past.header.argv,
            resumed: &past.resumed,
            carried: &past.carried,
            containers: past.entries.iter().map(|entry| Treated::of(past, entry, sight)).collect(),
            strangers: &past.strangers,
            not_begun: past.unbegun(),
        }
    }
}

/// A container, and what became of it.
#[derive(Serialize)]
pub(super) struct Treated<'a> {
    number: Option<usize>,
    pub(super) id: &'a str,
    pub(super) name: Option<&'a str>,
    pub(super) engine: &'a str,
    namespace: Option<&'a str>,
    pub(super) image: Option<&'a str>,
    image_id: Option<&'a str>,
    pid: u32,
    started: u64,
    ban: Option<&'a str>,
    digest: Option<Digest>,
    begun: Timestamp,
    /// Its worker is at work; the outcome is what it would be, were it gone.
    pub(super) under_way: bool,
    #[serde(flatten)]
    outcome: &'a Outcome,
    word: &'static str,
    well: bool,
    pub(super) took_ms: Option<u64>,
    written: Option<u64>,
    background: &'a [String],
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
            id: &container.id,
            name: container.name.as_deref(),
            engine: &container.engine,
            namespace: container.namespace.as_deref(),
            image: container.image.as_deref(),
            image_id: container.image_id.as_deref(),
            pid: container.pid,
            started: container.started,
            ban: ban.as_deref(),
            digest: *digest,
            begun: *at,
            under_way: entry.is_under_way(&sight.boot),
            outcome: entry.outcome(),
            word: entry.outcome().word(),
            well: entry.outcome().is_well(),
            took_ms: done.map(|done| done.took),
            written: done.map(|done| done.written),
            background: done.map_or(&[], |done| &done.left),
            output: past.output(entry).filter(|path| path.symlink_metadata().is_ok_and(|facts| facts.is_file())),
        }
    }
}
