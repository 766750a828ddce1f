//! Locks the files by which this node trusts lists: one command at a time may change them.
//!
//! In: the directory of the node's list. Out: a lock, held until it is dropped or its process ends.
//! `install` and `keyset rotate` hold the lock: both compare the list, the floor and the keyset
//! with one another, and then change one of these files. `divert` holds it, because it changes the
//! record of diversions and the runtimes' places. Readers need no lock, because every file
//! is replaced as a whole. Not covered: programs that write these files without taking the lock.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{io, thread};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::CtlError;

/// How long to wait while another command holds the lock.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the lock cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another command still holds the lock.
    #[error("cannot change this node: another command holds {0:?}")]
    Busy(PathBuf),
    /// The directory, or the lock file in it, cannot be used.
    #[error("cannot use {0:?}")]
    Directory(PathBuf, #[source] io::Error),
}

/// Takes the lock in the directory `state`. Creates the directory if it is missing. Waits up to 30
/// seconds while another command holds the lock.
///
/// # Errors
/// [`LockError`].
pub fn take(state: &Path) -> Result<Flock<File>, CtlError> {
    let fault = |error| LockError::Directory(state.to_owned(), error);
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(state)
        .map_err(fault)?;
    let path = state.join(".lock");
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let open = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(&path);
    let mut file = open.map_err(fault)?;
    let pause = Duration::from_millis(100);
    for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((again, Errno::EWOULDBLOCK | Errno::EINTR)) => file = again,
            Err((_, errno)) => return Err(fault(errno.into()).into()),
        }
        thread::sleep(pause);
    }
    Err(CtlError::with_hint(LockError::Busy(path), "try again"))
}
