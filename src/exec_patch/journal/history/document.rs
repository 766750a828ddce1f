//! Defines the JSON objects of `--history` that are not lines of a journal.
//!
//! In: runs as they were read. Out: the objects that become JSON. Names in them are hostile; JSON
//! escapes them.

use std::path::PathBuf;

use serde::Serialize;

use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::journal::ids::RunId;
use crate::exec_patch::journal::line::Trigger;
use crate::exec_patch::journal::past::RunLog;
use crate::exec_patch::journal::phase::{NodeState, Phase};
use crate::exec_patch::journal::who::Who;

use crate::sys::clock::Timestamp;

/// One line of a history.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum HistoryLine<'a> {
    /// A run that can be read.
    Summary(Summary<'a>),
    /// A run that cannot be read.
    Unreadable {
        /// The run's ID.
        run: &'a RunId,
        /// The reason, with file and line.
        fault: String,
    },
}

/// A run in one line. A key that a journal has too means the same here.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    run: &'a RunId,
    started: Timestamp,
    by: &'a Who,
    trigger: Trigger,
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
    ok: usize,
    not_ok: usize,
    directory: &'a PathBuf,
}

impl<'a> Summary<'a> {
    pub(super) fn of(past: &'a RunLog, node: &NodeState) -> Self {
        let (header, finished, (ok, not_ok)) =
            (&past.header, past.finished.as_ref(), past.counts());
        Self {
            run: &header.id,
            started: header.started,
            by: &header.by,
            trigger: header.trigger,
            r#for: header.subject(),
            command: header.command(),
            list_version: header.list_version,
            only_failed: header.only_failed.as_ref(),
            state: Phase::of(past, node.holder.as_ref(), &node.boot),
            ended: finished.map(|finished| finished.at),
            exit: finished.map(|finished| finished.exit),
            stopped: finished.and_then(|finished| finished.stopped),
            ok,
            not_ok,
            directory: &past.directory,
        }
    }
}
