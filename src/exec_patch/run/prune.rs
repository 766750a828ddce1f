//! Removes old runs: their journals, their output and the files carried with them.
//!
//! In: the runs' journals, and an age. Out: the runs that ended at least that long ago are removed
//! and reported. The runs' lock is held meanwhile, so that no run is under way. A run that was
//! killed since the machine booted stays, because it can still be resumed. Nobody can resume a run
//! whose journal is damaged: it is as old as its directory. If the system fails to read a journal,
//! the run stays. A run is removed completely or not at all: if this program is killed halfway, the
//! rest no longer counts as a run, and the next prune removes it. Later runs do not know what a
//! removed run patched.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::runner::report_waiting;
use crate::exec_patch::journal::error::JournalError;
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
        #[serde(flatten)]
        why: Why,
        bytes: u64,
        /// Whether the run was removed; `false` in a dry run.
        removed: bool,
    },
    /// The run is old enough, but stays because of its state.
    Kept { run: RunId, state: Phase },
    /// The run's journal cannot be read, and the run stays.
    Unreadable(UnreadableRun),
}

/// Why a run may be removed.
#[derive(Serialize)]
#[serde(untagged)]
enum Why {
    /// It ended at this time.
    Ended { ended: Timestamp },
    /// Its journal is damaged, and its directory is old enough.
    Damaged { fault: String },
}

/// What to do about runs that cannot be read.
pub const UNREADABLE_HINT: &str = "--prune AGE removes a run that cannot be read once its directory \
     in /var/lib/embargo/patches is that old, or move the directory away";

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
                events.push(unreadable(runs, id, &error, age, node));
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
                why: Why::Ended { ended },
                bytes: size(&past.directory),
                removed: false,
            }
        });
    }
    events
}

/// What would happen to a run that cannot be read because of `error`.
fn unreadable(
    runs: &Runs,
    id: &RunId,
    error: &JournalError,
    age: u64,
    node: &NodeState,
) -> PruneLine {
    let directory = runs.directory().join(id.as_str());
    let UnreadableRun { run, fault } = UnreadableRun::of(id, error);
    let is_held = match &node.holder {
        Some(holder) => holder.run == run && holder.is_alive(),
        None => false,
    };
    if error.is_damage() && !is_held && is_older(&directory, age) {
        PruneLine::Pruned {
            run,
            why: Why::Damaged { fault },
            bytes: size(&directory),
            removed: false,
        }
    } else {
        PruneLine::Unreadable(UnreadableRun { run, fault })
    }
}

/// Whether this is a directory that was last changed at least `age` seconds ago.
fn is_older(directory: &Path, age: u64) -> bool {
    match directory.symlink_metadata() {
        Ok(facts) if facts.is_dir() => {
            let changed = u64::try_from(facts.mtime()).unwrap_or(0);
            Timestamp::now().since(Timestamp::from_seconds(changed)) >= age
        }
        Ok(_) | Err(_) => false,
    }
}

/// How many bytes a run keeps.
pub(in crate::exec_patch) fn size(directory: &Path) -> u64 {
    bytes_in(directory) + bytes_in(&directory.join(OUTPUT))
}

/// Prints what happens to each run. If `from` is their directory, those that may go are removed.
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
    if exit == Exit::Failed {
        report::hint(UNREADABLE_HINT);
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
                why,
                bytes,
                removed,
            } => {
                let verb = if *removed { "removed" } else { "would remove" };
                let why = match why {
                    Why::Ended { ended } => format!("which ended {ended}"),
                    Why::Damaged { fault } => format!("whose journal is damaged ({fault})"),
                };
                format!("{verb} run {run}, {why}: {bytes} bytes")
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

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::exec_patch::journal::files::JOURNAL;
    use crate::exec_patch::journal::tests::{finished, node, started};

    /// A run that has ended. The last line of its journal is not a valid line.
    fn damaged(paths: &Paths) -> RunId {
        let (_lock, journal) = started(paths);
        journal.finished(finished(&journal, None)).unwrap();
        let path = journal.directory().join(JOURNAL);
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"no line\n").unwrap();
        journal.id().clone()
    }

    /// Gives a run's directory a time stamp this many seconds ago.
    fn make_old(paths: &Paths, run: &RunId, seconds: u64) {
        let changed = Timestamp::now().seconds() - seconds;
        let directory = File::open(paths.patches.join(run.as_str())).unwrap();
        directory
            .set_modified(UNIX_EPOCH + Duration::from_secs(changed))
            .unwrap();
    }

    fn texts(paths: &Paths, age: u64, node: &NodeState) -> Vec<String> {
        let events = events(&Runs::load(paths).unwrap(), age, node);
        events.iter().map(PruneLine::text).collect()
    }

    fn nobody() -> NodeState {
        NodeState {
            holder: None,
            boot: journal::boot().unwrap(),
        }
    }

    #[test]
    fn a_damaged_run_is_as_old_as_its_directory() {
        let (_directory, paths) = node();
        let run = damaged(&paths);
        make_old(&paths, &run, 100);
        let fault = format!(
            "cannot read {:?}, line 3: expected ident at line 1 column 2",
            paths.patches.join(run.as_str()).join(JOURNAL)
        );
        let kept = format!("kept run {run}: {fault}");
        assert_eq!(texts(&paths, 200, &nobody()), std::slice::from_ref(&kept));
        let lines = texts(&paths, 50, &nobody());
        let begins = format!("would remove run {run}, whose journal is damaged ({fault}): ");
        assert!(
            lines.len() == 1 && lines[0].starts_with(&begins),
            "{lines:?}"
        );
        // A dry run holds no lock: the run may be under way.
        let held = NodeState::of(&Runs::load(&paths).unwrap()).unwrap();
        assert!(held.holder.is_some());
        assert_eq!(texts(&paths, 50, &held), [kept]);
    }

    #[test]
    fn a_damaged_run_goes_and_the_others_too() {
        let (_directory, paths) = node();
        let (old, young) = (damaged(&paths), damaged(&paths));
        let (lock, journal) = started(&paths);
        journal.finished(finished(&journal, None)).unwrap();
        drop((lock, journal));
        make_old(&paths, &old, 100);
        let pruned = |age| carry_out(&paths, age, Duration::ZERO, false).unwrap();
        assert_eq!(pruned(50), Exit::Failed);
        let ids = Runs::load(&paths).unwrap().ids().to_vec();
        assert!(!ids.contains(&old) && ids.contains(&young), "{ids:?}");
        assert_eq!(pruned(0), Exit::Clear);
        assert!(Runs::load(&paths).unwrap().ids().is_empty());
    }

    #[test]
    fn what_is_no_directory_is_no_run_to_remove() {
        let (_directory, paths) = node();
        let (lock, _journal) = started(&paths);
        drop(lock);
        let name = "20261120-221500-a1b2";
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(paths.patches.join(name))
            .unwrap();
        assert!(!is_older(&paths.patches.join(name), 0));
    }
}
