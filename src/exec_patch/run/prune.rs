//! Removes old runs: their journals, their output and the files carried with them.
//!
//! In: the runs' journals, and an age. Out: the runs that ended at least that long ago are removed
//! and reported. The runs' lock is held meanwhile, so that no run is under way. A run that was
//! killed since the machine booted stays, because it can still be resumed. A run whose journal
//! cannot be read stays too, because nobody knows what that run did. A run is removed completely or
//! not at all: if this program is killed halfway, the remaining files no longer count as a run, and
//! the next prune removes them. Later runs do not know what a removed run patched.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::runner::report_waiting;
use crate::exec_patch::journal::files::{OUTPUT, bytes_in};
use crate::exec_patch::journal::ids::RunId;
use crate::exec_patch::journal::lock::Lock;
use crate::exec_patch::journal::node_state::NodeState;
use crate::exec_patch::journal::phase::Phase;
use crate::exec_patch::journal::runs::Runs;
use crate::exec_patch::journal::summary::UnreadableRun;
use crate::exec_patch::journal::{self, draft};
use crate::exec_patch::plan::error::PatchError;
use crate::paths::Paths;
use crate::report::amount;
use crate::report::{self, Exit};
use crate::sys::clock::Timestamp;

/// What a prune does with a run.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum PruneLine {
    /// The run is old enough and is removed.
    Pruned {
        run: RunId,
        ended: Timestamp,
        bytes: u64,
        /// Whether the run was removed; `false` in a dry run.
        removed: bool,
    },
    /// The run is old enough, but stays because of its state.
    Kept { run: RunId, state: Phase },
    /// The run's journal cannot be read, so the run stays.
    Unreadable(UnreadableRun),
}

/// Removes the runs that ended at least `age` seconds ago. If a run is under way, waits for its end
/// at most `patience`.
///
/// # Errors
/// [`PatchError::Journal`] if a run is under way, or if a run cannot be removed.
pub fn carry_out(
    paths: &Paths,
    age: u64,
    patience: Duration,
    json: bool,
) -> Result<Exit, PatchError> {
    let lock = Lock::within(paths, patience, &mut report_waiting)?;
    let node = NodeState {
        // This process holds the lock, so the holder that the lock's file names is gone.
        holder: None,
        boot: journal::boot()?,
    };
    let events = events(&Runs::load(paths)?, age, &node);
    print(events, Some(lock.directory()), json)
}

/// Prints which runs ended at least `age` seconds ago. Removes no run.
///
/// # Errors
/// As [`carry_out`].
pub fn show(paths: &Paths, age: u64, json: bool) -> Result<Exit, PatchError> {
    let runs = Runs::load(paths)?;
    print(events(&runs, age, &NodeState::of(&runs)?), None, json)
}

/// What would happen to each run that is old enough, oldest first.
fn events(runs: &Runs, age: u64, node: &NodeState) -> Vec<PruneLine> {
    let now = Timestamp::now();
    let mut events = Vec::new();
    for id in runs.ids().iter().rev() {
        let past = match runs.read(id) {
            Ok(past) => past,
            Err(error) => {
                events.push(PruneLine::Unreadable(UnreadableRun::of(id, &error)));
                continue;
            }
        };
        let ended = past.last_at();
        if now.since(ended) < age {
            continue;
        }
        let (run, state) = (id.clone(), node.phase(&past));
        let is_kept = match state {
            Phase::UnderWay | Phase::Orphaned => true,
            Phase::Killed => past.was_at_work_in(&node.boot),
            Phase::Stopped | Phase::Finished => false,
        };
        events.push(if is_kept {
            PruneLine::Kept { run, state }
        } else {
            PruneLine::Pruned {
                run,
                ended,
                bytes: bytes_in(&past.directory) + bytes_in(&past.directory.join(OUTPUT)),
                removed: false,
            }
        });
    }
    events
}

/// Prints what happens to each run. If `from` is the runs' directory, the runs that may be removed
/// are removed; if it is `None`, no run is removed.
fn print(events: Vec<PruneLine>, from: Option<&Path>, json: bool) -> Result<Exit, PatchError> {
    let (mut runs, mut all, mut exit) = (0_usize, 0, Exit::Clear);
    for mut event in events {
        if let (PruneLine::Pruned { run, removed, .. }, Some(directory)) = (&mut event, from) {
            draft::remove(directory, run)?;
            *removed = true;
        }
        let text = if json {
            report::json::line(&event)
        } else {
            event.text()
        };
        report::result(&text).map_err(PatchError::Print)?;
        match event {
            PruneLine::Pruned { bytes, .. } => (runs, all) = (runs + 1, all + bytes),
            PruneLine::Kept { .. } => {}
            PruneLine::Unreadable(_) => exit = Exit::Failed,
        }
    }
    if !json {
        report::result(&format!("{}, {all} bytes", amount(runs, "run")))
            .map_err(PatchError::Print)?;
    }
    Ok(exit)
}

impl PruneLine {
    /// The event as text.
    fn text(&self) -> String {
        match self {
            Self::Pruned {
                run,
                ended,
                bytes,
                removed,
            } => {
                let verb = if *removed { "removed" } else { "would remove" };
                format!("{verb} run {run}, which ended {ended}: {bytes} bytes")
            }
            Self::Kept {
                run,
                state: Phase::Killed,
            } => format!("kept run {run}: it was killed, and can be resumed"),
            Self::Kept { run, state } => format!("kept run {run}: {}", state.words()),
            Self::Unreadable(UnreadableRun { run, fault }) => format!("kept run {run}: {fault}"),
        }
    }
}
