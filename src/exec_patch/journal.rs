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
//! In: the steps of the main process and the workers. Out: lines in the journal; a line that
//! announces a step is on the disk before the step begins. Also an audit event for each start, each
//! end and each container. If the journal cannot be written, the error comes before anything enters
//! a container. Only root writes here; names in the lines are hostile. This module only chooses the
//! file for a command's output; it does not write that file.

pub mod ids;
pub mod halt;
pub mod holder;
pub mod error;
pub mod header;
pub mod phase;
pub mod summary;
pub mod line;
mod append;
pub mod files;
pub mod past;
mod reading;
pub mod runs;
pub mod lock;
pub mod draft;
pub mod new_run;
mod events;
pub mod node_state;
pub mod history;

#[cfg(test)]
pub(super) mod tests;

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use self::append::Appender;
use self::draft::{DraftDirectory, unused};
use self::error::JournalError;
use self::files::{JOURNAL, PROGRAM};
use self::header::{Carried, RunHeader};
use self::holder::Holder;
use self::ids::{RunId, WorkerId};
use self::line::{Ended, Finished, Line, NotUnderstood, Planned, Resumed, Started};
use self::lock::Lock;
use self::new_run::NewRun;
use self::past::{EntryState, RunLog};
use super::job::{Container, Job, JobResult};
use super::outcome::Outcome;
use crate::audit::who::Who;
use crate::banlist::ban::Severity;
use crate::exec_patch::request::limits::Limits;
use crate::exec_patch::request::payload::Payload;
use crate::node::unaccounted::Unaccounted;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::replace;
use crate::sys::system_log::Sockets;

/// How many bytes must be free on the disk before another container is entered, in addition to the
/// space for its output.
const ROOM: u64 = 1 << 20;

/// About how many bytes of lines are written at once.
const MUCH: usize = 1 << 20;

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
    /// request. Nothing may enter a container before the directory exists. `log` gets the events.
    ///
    /// # Errors
    /// [`JournalError`] if the directory or a file in it could not be written to the disk.
    pub fn create(log: Sockets, lock: &mut Lock, draft: NewRun<'_>) -> Result<Self, JournalError> {
        let runs = lock.directory().to_owned();
        let (started, id) = unused(&runs)?;
        lock.note(&Holder::own(&id, started, &draft.by)?)?;
        let program = draft.program;
        let header = draft.header(id, started, boot()?);
        let directory = runs.join(header.id.as_str());
        let half = DraftDirectory::make(&runs)?;
        if let Some(program) = program {
            replace::create(&half.directory.join(PROGRAM), 0o600, &program.bytes)?;
        }
        let file = Appender::open(&half.directory.join(JOURNAL), true)?;
        file.append(&text(&Line::Run(Box::new(header.clone()))))?;
        half.name(&directory)?;
        events::started(&log, &header, &header.by, "started");
        Ok(Self {
            file: file.moved(&directory.join(JOURNAL)),
            directory,
            boot: header.boot.clone(),
            header,
            log,
            started: RefCell::default(),
        })
    }

    /// Resumes a run that was killed or stopped.
    ///
    /// # Errors
    /// [`JournalError`] if the resumption cannot be recorded.
    pub fn resume(
        log: Sockets,
        lock: &mut Lock,
        past: &RunLog,
        by: Who,
        argv: Vec<String>,
        pace: Limits,
    ) -> Result<Self, JournalError> {
        let (at, boot) = (Timestamp::now(), boot()?);
        lock.note(&Holder::own(&past.header.id, at, &by)?)?;
        let file = Appender::open(&past.directory.join(JOURNAL), false)?;
        let resumed = Resumed {
            at,
            boot: boot.clone(),
            by,
            argv,
            pace,
        };
        file.append(&text(&Line::Resumed(resumed.clone())))?;
        events::started(&log, &past.header, &resumed.by, "resumed");
        Ok(Self {
            directory: past.directory.clone(),
            file,
            header: past.header.clone(),
            boot,
            log,
            started: RefCell::default(),
        })
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

    /// The ID of the run.
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
        files::output(&self.directory, job.number, &job.container.id)
    }

    /// Records a payload that the header does not have. The run uses the payload from this line on.
    ///
    /// # Errors
    /// [`JournalError`] if the line cannot be written. The same holds for the functions below.
    pub fn carried(&self, carried: Carried) -> Result<(), JournalError> {
        self.append(&Line::Carried(carried))
    }

    /// Records which containers will be entered: those of the first plan, and the new ones of each
    /// rescan. All lines are written together, so that the run waits for the disk only once.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn planned(&self, planned: Vec<Planned>) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        for planned in planned {
            lines.extend(text(&Line::Planned(Box::new(planned))));
            if lines.len() > MUCH {
                self.file.append(&std::mem::take(&mut lines))?;
            }
        }
        if lines.is_empty() {
            Ok(())
        } else {
            self.file.append(&lines)
        }
    }

    /// Records that this process is about to enter a container. `unpause` says that the container
    /// is paused and will be resumed for the patch.
    ///
    /// # Errors
    /// [`JournalError`]. After an error, this process must not enter the container.
    pub fn started(&self, job: &Job, unpause: bool) -> Result<(), JournalError> {
        let started = Started::of(job, &self.boot, Some(WorkerId::own()?), unpause);
        self.append(&Line::Started(Box::new(started)))?;
        self.started.borrow_mut().insert(job.number);
        Ok(())
    }

    /// Records the outcome for a container, whether this process entered the container or found
    /// that it must not.
    ///
    /// # Errors
    /// [`JournalError`]. The patch is not undone.
    pub fn ended(&self, job: &Job, done: &JobResult) -> Result<(), JournalError> {
        let ended = if self.started.borrow().contains(&job.number) {
            Ended::entered(job, &self.boot, done)
        } else {
            Ended::refused(job, &self.boot, &done.outcome)
        };
        self.end(ended, job.severity, job.successor.as_deref())
    }

    /// Records that the run does not enter a container, and the reason. `payload` is what would
    /// have run in the container.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn settled(
        &self,
        container: &Container,
        payload: Option<&Payload>,
        outcome: &Outcome,
    ) -> Result<(), JournalError> {
        let (severity, successor) = match payload {
            Some(payload) => (payload.severity, payload.successor.as_deref()),
            None => (None, None),
        };
        let ended = Ended::settled(container, &self.boot, payload, outcome);
        self.end(ended, severity, successor)
    }

    fn end(
        &self,
        ended: Ended,
        severity: Option<Severity>,
        successor: Option<&str>,
    ) -> Result<(), JournalError> {
        // The event goes to the system log even if the line cannot be written, for instance because
        // the disk is full.
        events::container(&self.log, &self.header, &ended, severity, successor);
        self.append(&Line::Ended(Box::new(ended)))
    }

    /// Records that a container cannot be identified.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn unidentified(&self, unidentified: &Unaccounted) -> Result<(), JournalError> {
        let unidentified = NotUnderstood::of(unidentified);
        events::unidentified(&self.log, &self.header, &unidentified);
        self.append(&Line::NotUnderstood(unidentified))
    }

    /// The result for a container whose worker died without an answer. If the worker recorded a
    /// result, that result is returned. If the worker recorded a start only, the result comes from
    /// `interrupted`, whose argument says whether the container was resumed for the patch.
    /// Otherwise the worker did not enter the container. A result that the worker did not record is
    /// recorded here.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot be read or written.
    pub fn lost(
        &self,
        job: &Job,
        interrupted: impl Fn(bool) -> JobResult,
    ) -> Result<JobResult, JournalError> {
        let mut done = JobResult::of(Outcome::CouldNotEnter {
            why: "the worker ended before it entered".to_owned(),
        });
        for entry in RunLog::read(&self.directory)?.entries {
            match entry.state {
                EntryState::Ended { number, done } if number == job.number => return Ok(done),
                EntryState::Started {
                    number, unpause, ..
                } if number == job.number => {
                    self.started.borrow_mut().insert(number);
                    done = interrupted(unpause);
                }
                EntryState::Ended { .. } | EntryState::Started { .. } | EntryState::Settled(_) => {}
            }
        }
        self.ended(job, &done)?;
        Ok(done)
    }

    /// Records that the run is over.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn finished(&self, finished: Finished) -> Result<(), JournalError> {
        events::finished(&self.log, &self.header, &finished);
        self.append(&Line::Finished(finished))
    }

    /// Checks that the disk has room to record another container. Call this function before each
    /// start: without room, no container may be entered.
    ///
    /// # Errors
    /// [`JournalError::NoRoom`] if the disk is full or has become read-only.
    pub fn room(&self) -> Result<(), JournalError> {
        let path = self.file.path();
        let disk = match statvfs(path) {
            Ok(disk) => disk,
            Err(errno) => return Err(JournalError::Append(path.to_owned(), errno.into())),
        };
        let free = disk.blocks_free() * disk.fragment_size();
        if !disk.flags().contains(FsFlags::ST_RDONLY) && free >= ROOM {
            Ok(())
        } else {
            Err(JournalError::NoRoom(path.to_owned()))
        }
    }

    fn append(&self, line: &Line) -> Result<(), JournalError> {
        self.file.append(&text(line))
    }

    /// The run's header.
    #[must_use]
    pub const fn header(&self) -> &RunHeader {
        &self.header
    }
}

/// A line as the file has it.
fn text(line: &Line) -> Vec<u8> {
    (crate::report::json::line(line) + "\n").into_bytes()
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
