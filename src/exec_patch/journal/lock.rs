//! Locks the runs of a node, so that only one run works at a time.
//!
//! Without the lock, two runs could patch the same container at once. In: the directory of the
//! runs. Out: a [`Lock`], or the present holder of the lock. The run's workers inherit the lock:
//! `flock` belongs to the open file, so the lock is held until the last worker has ended. A fresh
//! run waits for the lock as long as the operator allows. A resumed run waits for the workers of
//! the killed run, at most until half a minute after their deadlines. The lock's file says who
//! holds the lock. If the holder was killed before it wrote its name, the holder is unknown. Not
//! covered: root may replace the file.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::JournalError;
use super::holder::Holder;
use super::past::RunLog;
use crate::paths::Paths;
use crate::sys::directory;
use crate::sys::file::{self, FileError, Guard};

/// At most this many bytes of the lock's file are read.
const LARGEST_NOTE: u64 = 4_096;

/// How often a waiting run tries to take the lock.
const PAUSE: Duration = Duration::from_millis(200);

/// How long workers may take after their deadlines, to end processes and to record the outcome.
const GRACE: Duration = Duration::from_secs(30);

/// The right to run. The lock is held until this value is dropped and every worker that inherited
/// the lock has ended.
#[derive(Debug)]
pub struct Lock {
    file: File,
    directory: PathBuf,
}

/// A wait for another run, or for the workers of a killed run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Who holds the lock, as far as known.
    pub holder: Option<Holder>,
    /// The longest time that the wait can still take.
    pub at_most: Duration,
    /// Whether the wait has just started.
    pub is_first: bool,
}

impl Lock {
    /// Takes the lock for a fresh run, without waiting. Makes the directory of the runs if it is
    /// missing.
    ///
    /// # Errors
    /// [`JournalError::Busy`], [`JournalError::Directory`], [`JournalError::File`] if others could
    /// write to the directory.
    pub fn take(paths: &Paths) -> Result<Self, JournalError> {
        let file = open(paths)?;
        match file.try_lock() {
            Ok(()) => {
                // The file must not name the previous holder while the new one has not written its
                // name yet.
                file.set_len(0)
                    .map_err(JournalError::append(&paths.patches.join(NAME)))?;
                Ok(Self {
                    file,
                    directory: paths.patches.clone(),
                })
            }
            Err(TryLockError::WouldBlock) => Err(JournalError::Busy(holder(&paths.patches)?)),
            Err(TryLockError::Error(error)) => {
                Err(JournalError::Directory(paths.patches.clone(), error))
            }
        }
    }

    /// Takes the lock for a fresh run, and waits at most `patience` for another run to end. `tell`
    /// is called every 200 ms, and may stop the wait.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn within(
        paths: &Paths,
        patience: Duration,
        tell: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<Self, JournalError> {
        Self::when_free(paths, None, patience, tell)
    }

    /// Takes the lock for a run that resumes `past`. Waits for the workers of that killed run at
    /// most until half a minute after their deadlines, and for another run at most `patience`.
    /// `tell` is called every 200 ms, and may stop the wait.
    ///
    /// # Errors
    /// [`JournalError::Busy`] if another run, or `past` itself, is under way for longer;
    /// [`JournalError::Impatient`] if the workers take longer, or if `tell` stops the wait for the
    /// workers.
    pub fn wait(
        paths: &Paths,
        past: &RunLog,
        patience: Duration,
        tell: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<Self, JournalError> {
        let taken = Self::when_free(paths, Some(past), patience, tell);
        match taken {
            Err(JournalError::Busy(Some(holder))) if is_worker_of(&holder, past) => {
                Err(JournalError::Impatient(holder.run))
            }
            taken => taken,
        }
    }

    /// Takes the lock as soon as it is free. Waits for the holder at most `patience` from now on.
    /// Waits for the workers of the run that is resumed until they must have ended.
    fn when_free(
        paths: &Paths,
        resumed: Option<&RunLog>,
        patience: Duration,
        tell: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<Self, JournalError> {
        let start = Instant::now();
        let mut is_first = true;
        loop {
            let holder = match Self::take(paths) {
                Err(JournalError::Busy(holder)) => holder,
                taken => return taken,
            };
            let limit = match (&holder, resumed) {
                (Some(holder), Some(past)) if is_worker_of(holder, past) => {
                    patience.max(past.longest_job() + GRACE)
                }
                (Some(_) | None, _) => patience,
            };
            let at_most = limit.saturating_sub(start.elapsed());
            let waiting = Waiting {
                holder,
                at_most,
                is_first,
            };
            if at_most.is_zero() || tell(&waiting).is_break() {
                return Err(JournalError::Busy(waiting.holder));
            }
            is_first = false;
            thread::sleep(PAUSE.min(at_most));
        }
    }

    /// The directory of the runs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes the new holder into the lock's file.
    pub(super) fn note(&mut self, holder: &Holder) -> Result<(), JournalError> {
        self.write(holder)
            .map_err(JournalError::append(&self.directory.join(NAME)))
    }

    fn write(&mut self, holder: &Holder) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(&serde_json::to_vec(holder)?)
    }
}

/// Whether this run was killed and only its workers hold the lock.
fn is_worker_of(holder: &Holder, past: &RunLog) -> bool {
    holder.run == past.header.id && !holder.is_alive()
}

impl AsFd for Lock {
    /// The descriptor that workers inherit. The descriptor is closed on exec unless the caller
    /// prevents that.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The name of the lock's file, in the directory of the runs.
const NAME: &str = ".lock";

/// Opens the lock's file, in a directory that nobody else may write to.
fn open(paths: &Paths) -> Result<File, JournalError> {
    let directory = &paths.patches;
    let fault = JournalError::directory(directory);
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&paths.state)
        .map_err(&fault)?;
    directory::owned(&paths.root, &paths.state)?;
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fault(error)),
        Ok(()) | Err(_) => directory::owned(&paths.root, directory)?,
    }
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(directory.join(NAME))
        .map_err(&fault)?;
    if file.metadata().map_err(fault)?.is_file() {
        Ok(file)
    } else {
        Err(FileError::NotRegular(directory.join(NAME)).into())
    }
}

/// Who holds the lock or held it last, according to the lock's file; `None` while a new holder has
/// not written to the file yet.
///
/// # Errors
/// [`JournalError::File`] and [`JournalError::Line`] if the file cannot be read.
pub fn holder(directory: &Path) -> Result<Option<Holder>, JournalError> {
    let path = directory.join(NAME);
    let bytes = match file::read(&path, LARGEST_NOTE, Guard::Owned) {
        Ok(bytes) if bytes.is_empty() => return Ok(None),
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match serde_json::from_slice(&bytes) {
        Ok(holder) => Ok(Some(holder)),
        Err(error) => Err(JournalError::Line(path, 1, error.to_string())),
    }
}
