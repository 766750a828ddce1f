//! Finds and removes the processes and directories of killed workers.
//!
//! In: the starts that the journal records. Out: the outcome of each such start, and the processes
//! of the patch that still run. The directories of dead workers are removed. A container that was
//! resumed for its patch and not paused again is reported as left unpaused: its engine believes
//! that the container is paused. Hostile: the container's processes, and all files in a directory
//! that was given to a user. Not done here: pausing the container again, which takes the copied
//! state that only the dead worker had.

use std::ffi::OsStr;
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
    let left = tree::left_by(&job.container, &job.marker());
    let mut done = JobResult::of(outcome(&job.container, unpause));
    done.found.background = left.iter().map(ToString::to_string).collect();
    done
}

/// The outcome for a container whose worker died. [`Outcome::LeftUnpaused`] if the container was
/// paused before the patch and now runs unpaused; else [`Outcome::Interrupted`].
#[must_use]
pub fn outcome(container: &Container, unpause: bool) -> Outcome {
    if unpause
        && container.is_alive()
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
/// container: which processes were ended and which still run.
#[must_use]
pub fn end(interrupted: &[Interrupted]) -> Vec<String> {
    let mut ended = Vec::new();
    for one in interrupted {
        if !one.container.is_alive() {
            continue;
        }
        let (found, left) = tree::end_left_by(&one.container, &one.marker);
        if found.is_empty() {
            continue;
        }
        let mut text = format!(
            "in {} the killed run {} had left {}: ",
            container_name(&one.container),
            one.run,
            names(&found)
        );
        if left.is_empty() {
            text += "ended";
        } else {
            text += &format!("still there: {}", names(&left));
        }
        ended.push(text);
    }
    ended
}

fn names(processes: &[tree::PatchProcess]) -> String {
    let names: Vec<_> = processes.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// Removes the directories of dead workers below `entered`, and ends the runtimes that still run
/// for those workers, perhaps in a frozen container. The caller must hold the run's lock: every
/// living worker holds it too, so the workers of these directories are dead. Returns one sentence
/// for each runtime that was ended and for each directory that could not be removed.
#[must_use]
pub fn sweep(entered: &Path) -> Vec<String> {
    let mut directories = Vec::new();
    for entry in fs::read_dir(entered).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_of_worker) {
            directories.push(entry.path());
        }
    }
    if directories.is_empty() {
        return Vec::new();
    }
    let mut report = end_runtimes(&directories);
    for path in directories {
        if let Err(error) = fs::remove_dir_all(&path) {
            report.push(format!("cannot remove {path:?}: {}", line::causes(&error)));
        }
    }
    report
}

/// Ends each runtime whose `--root` is in one of these workers' directories. A process that is not
/// a runtime but has one of these `--root` arguments is ended as well.
fn end_runtimes(directories: &[PathBuf]) -> Vec<String> {
    let mut ended = Vec::new();
    for pid in proc::all() {
        if !is_runtime(pid, directories) {
            continue;
        }
        // Checked again: another process may have got the ID before the pidfd was open.
        if let Ok(hold) = Hold::on(pid)
            && is_runtime(pid, directories)
            && hold.signal(Signal::SIGKILL).is_ok()
        {
            ended.push(format!("the runtime that a killed worker had started was still at work and was ended: process {pid}"));
        }
    }
    ended
}

/// Whether a process has the `--root` of a runtime of one of these workers.
fn is_runtime(pid: u32, directories: &[PathBuf]) -> bool {
    let words = proc::read(proc::path(pid, "cmdline"), LARGEST_CALL).unwrap_or_default();
    let mut option: &[u8] = b"";
    for word in words.split(|byte| *byte == 0) {
        let root = Path::new(OsStr::from_bytes(word));
        if option == b"--root" && directories.iter().any(|one| one.join("root") == *root) {
            return true;
        }
        option = word;
    }
    false
}

/// Whether this is the name of a worker's directory: `<run>.<number>.<worker>`.
fn is_of_worker(name: &str) -> bool {
    let parts: Vec<_> = name.split('.').collect();
    let [run, number, worker] = parts[..] else {
        return false;
    };
    RunId::parse(run).is_some() && is_number(number) && is_number(worker)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
