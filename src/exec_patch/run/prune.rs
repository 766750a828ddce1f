//! Removes old runs: their journals, their output and the files carried with them.
//!
//! In: the runs' journals, and an age. Out: the runs that ended at least that long ago are removed
//! and reported. The runs' lock is held meanwhile, so that no run is under way. A run that was
//! killed since the machine booted stays, because it can still be resumed. A run whose journal
//! cannot be read stays too, because nobody knows what it did. A run is removed completely or not
//! at all: if this program is killed halfway, the rest no longer counts as a run, and the next
//! prune removes it. Later runs do not know what a removed run patched.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::runner::tell_of_waiting;
use crate::exec_patch::journal::error::JournalError;
use crate::exec_patch::journal::holder::Holder;
use crate::exec_patch::journal::ids::RunId;
use crate::exec_patch::journal::lock::{self, Lock};
use crate::exec_patch::journal::past::{OUTPUT, bytes_in};
use crate::exec_patch::journal::phase::Phase;
use crate::exec_patch::journal::runs::Runs;
use crate::exec_patch::journal::{self, draft};
use crate::exec_patch::plan::error::PatchError;
use crate::paths::Paths;
use crate::report::amount;
use crate::report::{self, Exit, line};
use crate::sys::clock::Timestamp;

/// What happens to a run.
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
    Unreadable { run: RunId, fault: String },
}

/// Removes the runs that ended at least `age` seconds ago. Waits at most `patience` for a run that
/// is under way.
///
/// # Errors
/// [`PatchError::Journal`] if a run is under way, or if a run cannot be removed.
pub fn carry_out(
    paths: &Paths,
    age: u64,
    patience: Duration,
    json: bool,
) -> Result<Exit, PatchError> {
    let lock = Lock::within(paths, patience, &mut tell_of_waiting)?;
    // This process holds the lock, so the holder that the lock's file names is gone.
    let events = events(&Runs::load(paths)?, age, None)?;
    let runs = lock.directory();
    let remove = |event: PruneLine| match event {
        PruneLine::Pruned {
            run, ended, bytes, ..
        } => {
            draft::remove(runs, &run)?;
            Ok(PruneLine::Pruned {
                run,
                ended,
                bytes,
                removed: true,
            })
        }
        PruneLine::Kept { .. } | PruneLine::Unreadable { .. } => Ok(event),
    };
    said(events.into_iter().map(remove), json)
}

/// Prints which runs ended at least `age` seconds ago, and removes none.
///
/// # Errors
/// As [`carry_out`].
pub fn show(paths: &Paths, age: u64, json: bool) -> Result<Exit, PatchError> {
    let runs = Runs::load(paths)?;
    let events = events(&runs, age, lock::holder(runs.directory())?.as_ref())?;
    said(events.into_iter().map(Ok), json)
}

/// What must happen to each run that is old enough, oldest first.
fn events(runs: &Runs, age: u64, holder: Option<&Holder>) -> Result<Vec<PruneLine>, JournalError> {
    let (now, boot) = (Timestamp::now(), journal::boot()?);
    let of = |run: &RunId| match runs.read(run) {
        Ok(past) if now.since(past.last_at()) < age => None,
        Ok(past) => Some(match Phase::of(&past, holder, &boot) {
            state @ (Phase::UnderWay | Phase::Orphaned) => PruneLine::Kept {
                run: run.clone(),
                state,
            },
            state @ Phase::Killed if past.was_at_work_in(&boot) => PruneLine::Kept {
                run: run.clone(),
                state,
            },
            Phase::Killed | Phase::Stopped | Phase::Finished => PruneLine::Pruned {
                run: run.clone(),
                ended: past.last_at(),
                bytes: size(&past.directory),
                removed: false,
            },
        }),
        Err(error) => Some(PruneLine::Unreadable {
            run: run.clone(),
            fault: line::causes(&error),
        }),
    };
    Ok(runs.ids().iter().rev().filter_map(of).collect())
}

/// The size of a run's files in bytes.
fn size(run: &Path) -> u64 {
    bytes_in(run) + bytes_in(&run.join(OUTPUT))
}

/// Prints what happens to each run, as it happens.
fn said(
    events: impl Iterator<Item = Result<PruneLine, JournalError>>,
    json: bool,
) -> Result<Exit, PatchError> {
    let (mut runs, mut all, mut exit) = (0_usize, 0, Exit::Clear);
    for event in events {
        let event = event?;
        let text = if json {
            report::json::line(&event)
        } else {
            event.text()
        };
        report::result(&text).map_err(PatchError::Print)?;
        match event {
            PruneLine::Pruned { bytes, .. } => (runs, all) = (runs + 1, all + bytes),
            PruneLine::Kept { .. } => {}
            PruneLine::Unreadable { .. } => exit = Exit::Failed,
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
                removed: true,
            } => format!("removed run {run}, which ended {ended}: {bytes} bytes"),
            Self::Pruned {
                run,
                ended,
                bytes,
                removed: false,
            } => format!("would remove run {run}, which ended {ended}: {bytes} bytes"),
            Self::Kept {
                run,
                state: Phase::Killed,
            } => format!("kept run {run}: it was killed, and can be resumed"),
            Self::Kept { run, state } => format!("kept run {run}: {}", state.words()),
            Self::Unreadable { run, fault } => format!("kept run {run}: {fault}"),
        }
    }
}
