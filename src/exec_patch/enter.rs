//! Patches one container, as a worker process.
//!
//! ```text
//! job ─▶ pinned ─▶ (resume) ─▶ check ─▶ command ─▶ check ─▶ (pause) ─▶ done
//! stdin  instance   if paused   0: fine   0: go on   0: patched          stdout, journal
//! ```
//!
//! A worker is a process of its own, started by the run's main process (`embargoctl
//! exec-patch-worker`). It reads a [`Job`] from its standard input, finds the file carried with the
//! request at descriptor 3, and writes a [`JobResult`] to its standard output. Before each step
//! that changes something, the worker writes that step to the journal. At the end it writes the
//! outcome, even if the main process is gone. SIGTERM means that the time is up.
//!
//! In: the job, which the main process wrote; the container's state and files, hostile. Out: always
//! one outcome. Not checked: whether the container should be patched.

pub mod aftermath;
pub mod entrance;
pub mod freezer;
pub mod output;
pub mod owner;
pub mod pinned;
pub mod process;
pub mod refusal;
pub mod runtimes;
pub mod tree;
mod wait_set;

use std::ffi::OsString;
use std::io;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signalfd::SignalFd;

use self::entrance::Entrance;
use self::pinned::could_not_enter;
use super::job::{Job, JobResult};
use super::journal::Journal;
use super::journal::error::JournalError;
use super::outcome::{Outcome, Stage};
use crate::exec_patch::request::arguments::PROGRAM;
use crate::paths::Paths;
use crate::report::{self, Exit, line};
use crate::sys::{process as own_process, spawn};

/// The largest job, in bytes: a command may be as long as the kernel allows.
const LARGEST_JOB: u64 = 8 << 20;

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The worker has arguments, so a person has started it by hand.
    #[error("cannot use exec-patch-worker by hand: it is how exec-patch starts its workers")]
    Arguments,
    /// The worker's job could not be read.
    #[error("cannot read the worker's job")]
    Job(#[source] io::Error),
    /// The worker cannot become a child subreaper, so it could not watch what it starts.
    #[error("cannot watch over the runtime's processes")]
    Parent(#[source] io::Error),
}

/// Runs a worker: reads the job, patches the container and reports the outcome. `arguments` are the
/// words after `exec-patch-worker`; there must be none.
#[must_use]
pub fn main(arguments: &[OsString]) -> Exit {
    match work(arguments) {
        Ok(done) => {
            if let Ok(text) = serde_json::to_string(&done) {
                // The main process may be gone. Nothing is lost: the journal has the outcome too.
                drop(report::result(&text));
            }
            Exit::Clear
        }
        Err(error) => {
            report::failure(PROGRAM, &error);
            match error {
                WorkerError::Arguments => Exit::Usage,
                WorkerError::Job(_) | WorkerError::Parent(_) => Exit::Failed,
            }
        }
    }
}

fn work(arguments: &[OsString]) -> Result<JobResult, WorkerError> {
    let began = Instant::now();
    if !arguments.is_empty() {
        return Err(WorkerError::Arguments);
    }
    let signals = spawn::become_parent().map_err(WorkerError::Parent)?;
    let job = read_job().map_err(WorkerError::Job)?;
    let unpause =
        job.work.unpause && freezer::is_paused(job.container.pid, Path::new(freezer::CGROUPS));
    let journal = match begin(&job, unpause) {
        Ok(journal) => journal,
        // A patch that cannot be recorded must not run: later, nobody could know that the patch had
        // run.
        Err(error) => return Ok(nothing_done(could_not_enter(error), began)),
    };
    let done = enter(&job, unpause, &journal.output(&job), signals, began);
    if let Err(error) = journal.ended(&job, &done) {
        report::failure(PROGRAM, &error);
    }
    Ok(done)
}

fn read_job() -> io::Result<Job> {
    let mut text = Vec::new();
    io::stdin()
        .lock()
        .take(LARGEST_JOB)
        .read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Opens the journal and records that the worker enters the container.
fn begin(job: &Job, unpause: bool) -> Result<Journal, JournalError> {
    let journal = Journal::open(&job.journal)?;
    journal.started(job, unpause)?;
    Ok(journal)
}

/// A result with this outcome, for a container in which nothing was run.
fn nothing_done(outcome: Outcome, began: Instant) -> JobResult {
    let mut done = JobResult::of(outcome);
    done.found.duration_ms = milliseconds(began);
    done
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The directory that holds one directory for each worker, with its runtime's files:
/// `/run/embargo/entered`.
fn directory() -> PathBuf {
    let root = std::env::var_os("EMBARGO_ROOT");
    Paths::for_caller(root.as_deref(), own_process::is_privileged()).entered
}

fn enter(job: &Job, unpause: bool, output: &Path, signals: SignalFd, began: Instant) -> JobResult {
    let deadline = began
        .checked_add(Duration::from_secs(job.work.timeout))
        .unwrap_or(began);
    if let Err(outcome) = may_be_named(&job.container.id) {
        return nothing_done(outcome, began);
    }
    let mut entrance = match Entrance::open(job, &directory(), output, signals, deadline) {
        Ok(entrance) => entrance,
        Err(outcome) => return nothing_done(outcome, began),
    };
    let outcome = match patch_unpaused(&mut entrance, job, unpause) {
        Ok(outcome) | Err(outcome) => outcome,
    };
    let (mut found, kept) = entrance.close();
    if let Err(error) = kept {
        let id = line::name(&job.container.id);
        let why = line::causes(&error);
        report::warning(PROGRAM, &format!("cannot keep all output of {id}: {why}"));
    }
    // If a patch took too long, its outcome names the processes that survived.
    if let Outcome::Survived { .. } | Outcome::TimedOut | Outcome::Cancelled { .. } = outcome {
        found.background.clear();
    }
    found.duration_ms = milliseconds(began);
    JobResult { outcome, found }
}

/// Checks that a runtime accepts this ID as its last argument. No engine makes an ID that starts
/// with `-`, but a user may give a state directory any name.
fn may_be_named(id: &str) -> Result<(), Outcome> {
    let why = "its ID begins with -, and its runtime would take that for an option";
    if id.starts_with('-') {
        Err(Outcome::CouldNotEnter {
            why: why.to_owned(),
        })
    } else {
        Ok(())
    }
}

/// Patches a running container. If `unpause` is set, the container was paused when the journal
/// recorded the start. Then the container is resumed for the patch and paused again, whatever
/// happens. If pausing fails, the outcome says so.
fn patch_unpaused(
    entrance: &mut Entrance<'_>,
    job: &Job,
    unpause: bool,
) -> Result<Outcome, Outcome> {
    if !unpause {
        return if entrance.is_paused() {
            Err(Outcome::Paused)
        } else {
            patch(entrance, job)
        };
    }
    let resumed = if entrance.is_paused() {
        entrance.freeze("resume")
    } else {
        Ok(())
    };
    let outcome = match resumed {
        Ok(()) => match patch(entrance, job) {
            Ok(outcome) | Err(outcome) => outcome,
        },
        Err(why) => Outcome::CouldNotEnter { why },
    };
    // A container that could not be resumed, or only in part, is in an unknown state.
    let paused = if entrance.is_paused() {
        Ok(())
    } else {
        entrance.freeze("pause")
    };
    match paused {
        Err(why) if job.container.is_alive() && !entrance.is_paused() => {
            Err(aftermath::left_unpaused(&outcome, &why))
        }
        Ok(()) | Err(_) => Ok(outcome),
    }
}

/// Names the part that needs a shell, if the container has no shell: `--check`, and a script
/// without a first line, run in a shell that the operator did not type.
fn shell_is_missing(outcome: Outcome, what: &str, program: &str) -> Outcome {
    if let Outcome::CouldNotEnter { why } = &outcome
        && matches!(program, "sh" | "/bin/sh")
        && refusal::lacks(why, program)
    {
        return Outcome::CouldNotEnter {
            why: format!("{what} needs {program}, and the container has none: {why}"),
        };
    }
    outcome
}

/// Runs the check, the command, and the check again.
fn patch(entrance: &mut Entrance<'_>, job: &Job) -> Result<Outcome, Outcome> {
    let work = &job.work;
    if let Some(check) = &work.check
        && run(entrance, "the check", check, false)? == 0
    {
        return Ok(Outcome::AlreadyFine);
    }
    let what = if work.program {
        "the script, whose first line names nothing else,"
    } else {
        "the command"
    };
    let status = run(entrance, what, &work.run, work.program)?;
    if status != 0 {
        return Ok(Outcome::Failed {
            stage: Stage::Command,
            status,
        });
    }
    let Some(check) = &work.check else {
        return Ok(Outcome::Patched);
    };
    match run(entrance, "the check", check, false)? {
        0 => Ok(Outcome::Patched),
        status => Ok(Outcome::Failed {
            stage: Stage::CheckAfter,
            status,
        }),
    }
}

/// Runs one of the commands and returns its exit status.
fn run(
    entrance: &mut Entrance<'_>,
    what: &str,
    words: &[String],
    program: bool,
) -> Result<i32, Outcome> {
    match entrance.run(words, program) {
        Ok(status) => Ok(status),
        Err(outcome) => {
            let program = words.first().map_or("", String::as_str);
            Err(shell_is_missing(outcome, what, program))
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::super::job::Container;
    use crate::container::engine::Engine;
    use crate::container::runtime::RuntimeKind;

    /// A container of this user, whose first process is this one.
    pub(crate) fn container(owner: u32) -> Container {
        Container {
            id: "c1".into(),
            engine: Engine::Unknown,
            namespace: None,
            name: None,
            image: None,
            image_id: None,
            kind: RuntimeKind::Runc,
            root: "/run/runc".into(),
            bundle: "/run/bundle".into(),
            owner,
            pid: std::process::id(),
            started: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_shell_is_reported_as_what_is_missing() {
        let outcome = |why: &str| Outcome::CouldNotEnter {
            why: why.to_owned(),
        };
        let missing = "exec: \"sh\": executable file not found in $PATH";
        assert_eq!(
            shell_is_missing(outcome(missing), "the check", "sh"),
            outcome(&format!(
                "the check needs sh, and the container has none: {missing}"
            ))
        );
        let other = outcome("exec: \"apt-get\": executable file not found in $PATH");
        assert_eq!(
            shell_is_missing(other.clone(), "the check", "apt-get"),
            other
        );
        assert_eq!(
            shell_is_missing(Outcome::Paused, "the check", "sh"),
            Outcome::Paused
        );
    }

    #[test]
    fn an_id_that_a_runtime_would_take_for_an_option_is_none() {
        for (id, expected) in [
            ("web-1", true),
            ("4c1f", true),
            ("-web", false),
            ("--help", false),
        ] {
            assert_eq!(may_be_named(id).is_ok(), expected, "{id}");
        }
    }
}
