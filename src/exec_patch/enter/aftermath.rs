//! Finds and removes what a killed worker left behind.
//!
//! In: the starts that the journal records. Out: the outcome of each such start, and the processes
//! of the patch that still run. The directories of dead workers are removed. A container that was
//! resumed for its patch and not paused again is reported as left unpaused: its engine believes
//! that the container is paused. Hostile: the container's processes, and all files in a directory
//! that was given to a user. Not done here: pausing the container again. That takes the copied
//! state, which only the dead worker had.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use super::freezer;
use super::tree;
use crate::exec_patch::job::{Container, Job, JobResult, container_name};
use crate::exec_patch::journal::ids::RunId;
use crate::exec_patch::journal::runs::Interrupted;
use crate::exec_patch::outcome::Outcome;
use crate::node::runtime_state::InitProcess;
use crate::report::line;
use crate::sys::pidfd::Hold;
use crate::sys::proc;

/// At most this many bytes of a process's arguments are read. A runtime's `--root` is among the
/// first arguments.
const LARGEST_CALL: u64 = 4 << 20;

/// The result for a container whose worker died after the patch had started. `unpause` says that
/// the worker had to resume the container for the patch.
#[must_use]
pub fn interrupted(job: &Job, unpause: bool) -> JobResult {
    let left = tree::left_by(&job.container, &job.marker())
        .iter()
        .map(ToString::to_string)
        .collect();
    JobResult {
        left,
        ..JobResult::of(outcome(&job.container, unpause))
    }
}

/// The outcome for a container whose worker died: left unpaused if the container runs and is not
/// paused although it was before, else interrupted.
#[must_use]
pub fn outcome(container: &Container, unpause: bool) -> Outcome {
    if unpause
        && is_alive(container)
        && !freezer::is_paused(container.pid, Path::new(freezer::CGROUPS))
    {
        left_unpaused(&Outcome::Interrupted, "its worker is gone")
    } else {
        Outcome::Interrupted
    }
}

/// The outcome for a container that could not be paused again after its patch. `ended` is how the
/// patch itself ended.
#[must_use]
pub fn left_unpaused(ended: &Outcome, why: &str) -> Outcome {
    let what = match ended {
        Outcome::Cancelled { left } if left.is_empty() => ended.word().to_owned(),
        Outcome::Survived { left } | Outcome::Cancelled { left } => {
            format!("{}: {}", ended.word(), left.join(", "))
        }
        Outcome::CouldNotEnter { why }
        | Outcome::NotUnderstood { why }
        | Outcome::LeftUnpaused { why } => format!("{}: {why}", ended.word()),
        Outcome::Failed { status, .. } => format!("{} with {status}", ended.word()),
        Outcome::Patched
        | Outcome::AlreadyFine
        | Outcome::PatchedBefore { .. }
        | Outcome::TimedOut
        | Outcome::Paused
        | Outcome::Vanished
        | Outcome::Restarting { .. }
        | Outcome::NotStarted
        | Outcome::Interrupted => ended.word().to_owned(),
    };
    Outcome::LeftUnpaused {
        why: format!("{what}, and not paused again: {why}; unpause and pause it with its engine"),
    }
}

/// Ends the processes that killed workers left in containers. Otherwise a patch could run twice at
/// the same time, or for ever. The caller must hold the run's lock. Returns one sentence for each
/// container: what was ended and what still runs.
#[must_use]
pub fn end(interrupted: &[Interrupted]) -> Vec<String> {
    let names = |processes: &[tree::PatchProcess]| {
        processes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let ended = interrupted
        .iter()
        .filter(|one| is_alive(&one.container))
        .filter_map(
            |Interrupted {
                 run,
                 marker,
                 container,
             }| {
                let (found, left) = tree::end_left_by(container, marker);
                let what = format!(
                    "in {} the killed run {run} had left {}",
                    container_name(container),
                    names(&found)
                );
                match (found.is_empty(), left.is_empty()) {
                    (true, _) => None,
                    (false, true) => Some(format!("{what}: ended")),
                    (false, false) => Some(format!("{what}: still there: {}", names(&left))),
                }
            },
        );
    ended.collect()
}

fn is_alive(container: &Container) -> bool {
    InitProcess {
        pid: container.pid,
        started: Some(container.started),
    }
    .is_alive()
}

/// Removes the directories of dead workers below `entered`, and ends the runtimes that still run
/// for those workers, perhaps in a frozen container. The caller must hold the run's lock: every
/// living worker holds it too, so the workers of these directories are dead. Returns one sentence
/// for each runtime that was ended and for each directory that could not be removed.
#[must_use]
pub fn sweep(entered: &Path) -> Vec<String> {
    let Ok(directories) = fs::read_dir(entered) else {
        return Vec::new();
    };
    let of_worker = directories
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(is_of_worker));
    let directories: Vec<PathBuf> = of_worker.map(|entry| entry.path()).collect();
    let mut said = if directories.is_empty() {
        Vec::new()
    } else {
        end_runtimes(&directories)
    };
    let removed = directories
        .iter()
        .map(|path| (path, fs::remove_dir_all(path)));
    said.extend(removed.filter_map(|(path, removed)| {
        Some(format!(
            "cannot remove {path:?}: {}",
            line::causes(&removed.err()?)
        ))
    }));
    said
}

/// Ends each runtime whose `--root` is in one of these workers' directories. A process that is not
/// a runtime but has such a `--root` is ended as well.
fn end_runtimes(directories: &[PathBuf]) -> Vec<String> {
    let roots: Vec<PathBuf> = directories
        .iter()
        .map(|directory| directory.join("root"))
        .collect();
    let is_runtime = |pid: u32| {
        let words = proc::read(proc::path(pid, "cmdline"), LARGEST_CALL).unwrap_or_default();
        let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
        words.windows(2).any(|pair| {
            pair[0] == b"--root"
                && roots
                    .iter()
                    .any(|root| root.as_os_str().as_bytes() == pair[1])
        })
    };
    let runtimes = proc::all().into_iter().filter(|pid| is_runtime(*pid));
    // Checked again: another process may have got the ID before the pidfd was open.
    let ended = runtimes.filter(|pid| {
        Hold::on(*pid).is_ok_and(|hold| is_runtime(*pid) && hold.signal(Signal::SIGKILL).is_ok())
    });
    ended.map(|pid| format!("the runtime that a killed worker had started was still at work and was ended: process {pid}")).collect()
}

/// Whether a directory's name is a worker's: `<run>.<number>.<worker>`.
fn is_of_worker(name: &str) -> bool {
    let mut parts = name.split('.');
    let is_run = parts.next().is_some_and(|run| RunId::parse(run).is_some());
    let mut is_number = || {
        parts.next().is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    is_run && is_number() && is_number() && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec_patch::enter::testing::container;
    use crate::exec_patch::outcome::Stage;

    #[test]
    fn a_container_that_was_resumed_and_runs_on_is_reported_so() {
        let started = crate::exec_patch::journal::ids::WorkerId::own()
            .unwrap()
            .started;
        let alive = Container {
            started,
            ..container(0)
        };
        let gone = Container {
            started: started + 1,
            ..container(0)
        };
        let why = "interrupted, and not paused again: its worker is gone; unpause and pause it with its engine".to_owned();
        assert_eq!(outcome(&alive, true), Outcome::LeftUnpaused { why });
        assert_eq!(outcome(&alive, false), Outcome::Interrupted);
        assert_eq!(outcome(&gone, true), Outcome::Interrupted);
    }

    #[test]
    fn one_that_cannot_be_paused_again_is_not_ok_however_its_patch_ended() {
        for (ended, said) in [
            (Outcome::Patched, "patched"),
            (
                Outcome::Failed {
                    stage: Stage::Command,
                    status: 7,
                },
                "failed with 7",
            ),
            (
                Outcome::CouldNotEnter {
                    why: "no sh".into(),
                },
                "could not enter: no sh",
            ),
            (
                Outcome::Survived {
                    left: vec!["7 sleep".into()],
                },
                "timed out, survived: 7 sleep",
            ),
        ] {
            let outcome = left_unpaused(&ended, "no");
            assert!(!outcome.is_ok() && outcome.is_failure());
            let why =
                format!("{said}, and not paused again: no; unpause and pause it with its engine");
            assert_eq!(outcome, Outcome::LeftUnpaused { why });
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "there has to be a process that hangs"
    )]
    fn a_runtime_that_a_killed_worker_had_started_is_ended_and_no_other() {
        let top = tempfile::tempdir().unwrap();
        let [gone, other] =
            ["20261120-221500-a1b2.1.77", "other"].map(|name| top.path().join(name));
        fs::create_dir_all(gone.join("root")).unwrap();
        let call = |root: &Path| {
            let mut command = std::process::Command::new("/bin/sh");
            let mut process = command
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .args(["-c", "echo; read -r line", "runc", "--root"])
                .arg(root.join("root"))
                .args(["exec", "c1"])
                .spawn()
                .unwrap();
            // Until the child has executed its program, /proc shows this process's arguments for
            // it.
            let started = process.stdout.as_mut().unwrap();
            std::io::Read::read_exact(started, &mut [0]).unwrap();
            process
        };
        let [mut hangs, mut stays] = [call(&gone), call(&other)];
        let said = sweep(top.path());
        assert_eq!(
            said,
            [format!(
                "the runtime that a killed worker had started was still at work and was ended: process {}",
                hangs.id()
            )]
        );
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&hangs.wait().unwrap()),
            Some(9)
        );
        assert_eq!(stays.try_wait().unwrap(), None);
        stays.kill().unwrap();
        stays.wait().unwrap();
    }

    #[test]
    fn the_directories_of_workers_that_are_gone_are_removed_and_no_others() {
        let top = tempfile::tempdir().unwrap();
        for name in [
            "20261120-221500-a1b2.1.77/root/c1",
            "20261120-221500-a1b2.12.4711",
            "20261120-221500-a1b2.1",
            "other.1.2",
        ] {
            fs::create_dir_all(top.path().join(name)).unwrap();
        }
        assert_eq!(sweep(top.path()), [""; 0]);
        let mut left: Vec<_> = fs::read_dir(top.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["20261120-221500-a1b2.1", "other.1.2"]);
        assert_eq!(sweep(&top.path().join("missing")), [""; 0]);
    }
}
