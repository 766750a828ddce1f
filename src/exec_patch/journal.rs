//! Keeps the journal of each run: what was done where, by whom, and how it ended.
//!
//! ```text
//! /var/lib/embargo/patches/            0700, root's
//! ├── .lock                            one run at a time; names its holder
//! ├── .draft/                          a run that is being created
//! └── 20261120-221500-a1b2/            a run
//!     ├── journal.jsonl                one line for each step: see `line`
//!     ├── program                      the file carried with the request, for a later resume
//!     ├── resumed-…                    the run was resumed in that boot of the machine
//!     └── output/3-4c1f09a2b7d3        what was printed in the run's third container
//! ```
//!
//! In: what the main process and the workers do. Out: lines in the journal, each on the disk before
//! the step that it announces; and an audit event for each start, each end and each container. If
//! the journal cannot be written, that is an error before anything enters a container. Only root
//! writes here; names in the lines are hostile. This module only chooses the file for a command's
//! output; it does not write that file.

pub mod who;
pub mod ids;
pub mod halt;
pub mod holder;
pub mod error;
pub mod line;
mod summary;
mod append;
pub mod past;
mod reading;
pub mod runs;
pub mod lock;
pub mod draft;
mod events;
pub mod phase;
pub mod history;

#[cfg(test)]
pub(super) mod tests;

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statvfs::{FsFlags, statvfs};

use self::append::Appender;
use self::draft::{DraftDirectory, unused};
use self::error::JournalError;
use self::events::ContainerOutcome;
use self::holder::Holder;
use self::ids::{RunId, WorkerId};
use self::line::{
    Carried, Ended, Finished, Line, NotUnderstood, Planned, ProgramCopy, Resumed, RunHeader,
    RunTerms, Started, Trigger,
};
use self::lock::Lock;
use self::past::{EntryState, JOURNAL, PROGRAM, RunLog};
use self::who::Who;
use super::job::{Container, Job, JobResult};
use super::outcome::Outcome;
use crate::exec_patch::request::arguments::Order;
use crate::exec_patch::request::limits::Limits;
use crate::exec_patch::request::payload::{Payload, ProgramFile};
use crate::node::unaccounted::Unaccounted;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::replace;
use crate::sys::system_log::Sockets;

/// How many bytes must be free on the disk before another container is started, in addition to the
/// space for its output.
const ROOM: u64 = 1 << 20;

/// About how many bytes of lines are written at once.
const MUCH: usize = 1 << 20;

/// What is recorded when a run starts.
#[derive(Debug)]
pub struct NewRun<'a> {
    /// Who starts the run.
    pub by: Who,
    /// What caused the run.
    pub trigger: Trigger,
    /// The arguments that were typed, after the program's own name.
    pub argv: Vec<String>,
    /// What was asked for, and in which containers.
    pub order: Order,
    /// The limits of the run.
    pub terms: RunTerms,
    /// The payloads that are known at the start.
    pub carried: Vec<Carried>,
    /// The file carried with the request.
    pub program: Option<&'a ProgramFile>,
    /// The earlier run whose failed containers this run patches (`--only-failed`).
    pub only_failed: Option<RunId>,
    /// The version of the list in force.
    pub list_version: Option<u64>,
}

/// The journal of one run, open for writing.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    file: Appender,
    header: RunHeader,
    boot: String,
    log: Sockets,
    /// The numbers of the jobs that this process has started.
    started: RefCell<HashSet<usize>>,
}

impl Journal {
    /// Makes the directory of a new run, with its header and a copy of the file carried with the
    /// request. Nothing may enter a container before the directory exists.
    ///
    /// # Errors
    /// [`JournalError`] if the directory or a file in it could not be written to the disk.
    pub fn create(lock: &mut Lock, draft: NewRun<'_>) -> Result<Self, JournalError> {
        Self::create_logging_to(Sockets::system(), lock, draft)
    }

    fn create_logging_to(
        log: Sockets,
        lock: &mut Lock,
        draft: NewRun<'_>,
    ) -> Result<Self, JournalError> {
        let runs = lock.directory().to_owned();
        let (started, id) = unused(&runs)?;
        let NewRun {
            by,
            trigger,
            argv,
            order,
            terms,
            carried,
            program,
            only_failed,
            list_version,
        } = draft;
        lock.note(&Holder {
            run: id.clone(),
            process: WorkerId::own()?,
            since: started,
            by: by.describe(),
        })?;
        let boot = boot()?;
        let kept = program.map(|program| ProgramCopy {
            name: program.name.clone(),
            digest: program.digest,
            size: program.bytes.len() as u64,
        });
        let header = RunHeader {
            id,
            started,
            boot: boot.clone(),
            by,
            trigger,
            argv,
            order,
            terms,
            carried,
            program: kept,
            only_failed,
            list_version,
        };
        let directory = runs.join(header.id.as_str());
        let half = DraftDirectory::make(&runs)?;
        if let Some(program) = program {
            replace::create(&half.directory.join(PROGRAM), 0o600, &program.bytes)?;
        }
        let file = Appender::open(&half.directory.join(JOURNAL), true)?;
        let journal = Self {
            directory,
            file,
            header,
            boot,
            log,
            started: RefCell::default(),
        };
        journal.append(&Line::Run(Box::new(journal.header.clone())))?;
        let journal = Self {
            file: journal
                .file
                .moved(&half.name(&journal.directory)?.join(JOURNAL)),
            ..journal
        };
        events::started(&journal.log, &journal.header, &journal.header.by, "started");
        Ok(journal)
    }

    /// Resumes a run that was killed or stopped.
    ///
    /// # Errors
    /// [`JournalError`] if the resumption cannot be recorded.
    pub fn resume(
        lock: &mut Lock,
        past: &RunLog,
        by: Who,
        argv: Vec<String>,
        pace: Limits,
    ) -> Result<Self, JournalError> {
        Self::resume_logging_to(Sockets::system(), lock, past, by, argv, pace)
    }

    pub(in crate::exec_patch) fn resume_logging_to(
        log: Sockets,
        lock: &mut Lock,
        past: &RunLog,
        by: Who,
        argv: Vec<String>,
        pace: Limits,
    ) -> Result<Self, JournalError> {
        let (at, boot) = (Timestamp::now(), boot()?);
        lock.note(&Holder {
            run: past.header.id.clone(),
            process: WorkerId::own()?,
            since: at,
            by: by.describe(),
        })?;
        let file = Appender::open(&past.directory.join(JOURNAL), false)?;
        let journal = Self {
            directory: past.directory.clone(),
            file,
            header: past.header.clone(),
            boot,
            log,
            started: RefCell::default(),
        };
        journal.append(&Line::Resumed(Resumed {
            at,
            boot: journal.boot.clone(),
            by: by.clone(),
            argv,
            pace,
        }))?;
        events::started(&journal.log, &journal.header, &by, "resumed");
        Ok(journal)
    }

    /// Opens the journal of the run in this directory, for a worker.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot be read or written.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let header = reading::header(directory)?;
        let file = Appender::open(&directory.join(JOURNAL), false)?;
        Ok(Self {
            directory: directory.to_owned(),
            file,
            header,
            boot: boot()?,
            log: Sockets::system(),
            started: RefCell::default(),
        })
    }

    /// The run's ID.
    #[must_use]
    pub const fn id(&self) -> &RunId {
        &self.header.id
    }

    /// The run's directory, absolute.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The ID of this boot of the machine, for [`past::InstanceId::of`].
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// The file for a container's output.
    #[must_use]
    pub fn output(&self, job: &Job) -> PathBuf {
        past::output(&self.directory, job.number, &job.container.id)
    }

    /// Records a payload that the header does not have and that is used from this line on.
    ///
    /// # Errors
    /// [`JournalError`] if the line cannot be written. The same holds for the functions below.
    pub fn carried(&self, carried: Carried) -> Result<(), JournalError> {
        self.append(&Line::Carried(carried))
    }

    /// Records which containers will be entered: those of the first plan, and the new ones of each
    /// rescan. All lines are written together, so that there is only one wait for the disk.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn planned(&self, planned: Vec<Planned>) -> Result<(), JournalError> {
        let mut text = Vec::new();
        for planned in planned {
            text.extend(Self::text(&Line::Planned(Box::new(planned))));
            if text.len() > MUCH {
                self.file.append(&std::mem::take(&mut text))?;
            }
        }
        if text.is_empty() {
            Ok(())
        } else {
            self.file.append(&text)
        }
    }

    /// Records that this process is about to enter a container. `unpause` says that the container
    /// is paused and will be resumed for the patch.
    ///
    /// # Errors
    /// [`JournalError`]: then this process must not enter the container.
    pub fn started(&self, job: &Job, unpause: bool) -> Result<(), JournalError> {
        let Job {
            number,
            container,
            digest,
            ban,
            ..
        } = job;
        let (number, digest, worker) = (*number, *digest, Some(WorkerId::own()?));
        let (boot, ban, container) = (self.boot.clone(), ban.clone(), container.clone());
        self.append(&Line::Started(Box::new(Started {
            number,
            at: Timestamp::now(),
            boot,
            digest,
            ban,
            container,
            worker,
            unpause,
        })))?;
        self.started.borrow_mut().insert(number);
        Ok(())
    }

    /// Records the outcome for a container, whether this process entered the container or found
    /// that it must not.
    ///
    /// # Errors
    /// [`JournalError`]. What was done in the container stays done.
    pub fn ended(&self, job: &Job, done: &JobResult) -> Result<(), JournalError> {
        if !self.started.borrow().contains(&job.number) {
            return self.settle(
                &job.container,
                &ContainerOutcome::of(job, &done.outcome, None),
            );
        }
        let written = self.append(&Line::Ended(Box::new(Ended::entered(
            job, &self.boot, done,
        ))));
        // The event goes to the system log in any case. It matters even more if the disk is full.
        let took = Some(Duration::from_millis(done.took));
        events::container(
            &self.log,
            &self.header,
            &job.container,
            &ContainerOutcome::of(job, &done.outcome, took),
        );
        written
    }

    /// Records that nothing enters a container, and the reason. `payload` is what would have run
    /// there.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn settled(
        &self,
        container: &Container,
        payload: Option<&Payload>,
        outcome: &Outcome,
    ) -> Result<(), JournalError> {
        self.settle(container, &ContainerOutcome::would(payload, outcome))
    }

    fn settle(
        &self,
        container: &Container,
        fate: &ContainerOutcome<'_>,
    ) -> Result<(), JournalError> {
        events::container(&self.log, &self.header, container, fate);
        let ContainerOutcome {
            outcome,
            digest,
            ban,
            ..
        } = *fate;
        self.append(&Line::Ended(Box::new(Ended::settled(
            container,
            &self.boot,
            (digest, ban),
            outcome,
        ))))
    }

    /// Records that a container cannot be identified.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn unidentified(&self, unidentified: &Unaccounted) -> Result<(), JournalError> {
        events::unidentified(&self.log, &self.header, unidentified);
        self.append(&Line::NotUnderstood(NotUnderstood::of(unidentified)))
    }

    /// The result for a container whose worker died without an answer. If the worker recorded a
    /// result, it is that result. If the worker recorded a start only, it is what `interrupted`
    /// returns; `interrupted` is told whether the container was resumed for the patch. Otherwise
    /// the worker did not enter the container. The result is recorded.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot be read or written.
    pub fn lost(
        &self,
        job: &Job,
        interrupted: impl FnOnce(bool) -> JobResult,
    ) -> Result<JobResult, JournalError> {
        let past = RunLog::read(&self.directory)?;
        let state = past
            .entries
            .into_iter()
            .find(|entry| entry.number() == Some(job.number))
            .map(|entry| entry.state);
        let done = match state {
            Some(EntryState::Ended { done, .. }) => return Ok(done),
            Some(EntryState::Started { unpause, .. }) => {
                self.started.borrow_mut().insert(job.number);
                interrupted(unpause)
            }
            Some(EntryState::Settled(_)) | None => {
                let outcome = Outcome::CouldNotEnter {
                    why: "the worker ended before it entered".to_owned(),
                };
                JobResult::of(outcome)
            }
        };
        self.ended(job, &done).map(|()| done)
    }

    /// Records that the run is over.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn finished(&self, finished: Finished) -> Result<(), JournalError> {
        events::finished(&self.log, &self.header, &finished);
        self.append(&Line::Finished(finished))
    }

    /// Checks that the disk has room to record another container. Call it before each start:
    /// without room, no container may be started.
    ///
    /// # Errors
    /// [`JournalError::NoRoom`] if the disk is full or has become read-only.
    pub fn room(&self) -> Result<(), JournalError> {
        let fault = |errno: nix::errno::Errno| {
            JournalError::Append(self.file.path().to_owned(), errno.into())
        };
        let disk = statvfs(self.file.path()).map_err(fault)?;
        let free = disk.blocks_free() * disk.fragment_size();
        let is_fit = !disk.flags().contains(FsFlags::ST_RDONLY) && free >= ROOM;
        if is_fit {
            Ok(())
        } else {
            Err(JournalError::NoRoom(self.file.path().to_owned()))
        }
    }

    fn append(&self, line: &Line) -> Result<(), JournalError> {
        self.file.append(&Self::text(line))
    }

    fn text(line: &Line) -> Vec<u8> {
        (crate::report::json::line(line) + "\n").into_bytes()
    }

    /// The run's header.
    #[must_use]
    pub const fn header(&self) -> &RunHeader {
        &self.header
    }
}

/// The ID of this boot of the machine.
///
/// # Errors
/// [`JournalError::File`].
pub fn boot() -> Result<String, JournalError> {
    let text = file::read_text(
        Path::new("/proc/sys/kernel/random/boot_id"),
        4_096,
        Guard::Any,
    )?;
    Ok(text.trim().to_owned())
}
