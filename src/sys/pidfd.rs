//! Signals a process safely, although its process ID may be reused before the signal arrives.
//!
//! In: a process ID. Out: a handle on the process that has this ID now (pidfd_open(2), Linux 5.3).
//! A caller opens the handle first, then checks in `/proc` that the process with this ID is the
//! right one. If so, the handle is on that process, and a signal through the handle reaches no
//! other process. Older kernels have only the ID: a process that starts in the microseconds between
//! the check and the signal may get the signal. Not checked: whether the process should be
//! signalled.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{proc, spawn};

/// A handle on one process.
#[derive(Debug)]
pub enum Hold {
    /// A descriptor. The descriptor is ready to read once all threads of the process have ended.
    Descriptor(OwnedFd),
    /// The process ID, on kernels that have no such descriptors.
    Number(Pid),
}

impl Hold {
    /// Opens a handle on the process that has this ID now.
    ///
    /// # Errors
    /// The errors of pidfd_open(2): `ESRCH` if there is no such process, `EMFILE` if too many
    /// descriptors are open.
    #[allow(unsafe_code)]
    pub fn on(pid: u32) -> Result<Self, Errno> {
        let number = i32::try_from(pid).map_err(|_| Errno::ESRCH)?;
        // SAFETY: takes and returns only numbers.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) };
        match i32::try_from(Errno::result(descriptor).or_else(without_descriptors)?) {
            // SAFETY: the kernel has just made the descriptor for this call (O_CLOEXEC is set);
            // nobody else has it.
            Ok(descriptor) if descriptor >= 0 => Ok(Self::Descriptor(unsafe {
                OwnedFd::from_raw_fd(descriptor)
            })),
            _ => Ok(Self::Number(Pid::from_raw(number))),
        }
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// `ESRCH` if the process has ended and its parent has waited for it, `EPERM` if the caller may
    /// not signal it.
    #[allow(unsafe_code)]
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        match self {
            Self::Descriptor(descriptor) => {
                let no_details = std::ptr::null::<libc::siginfo_t>();
                // SAFETY: with a null pointer, the kernel fills in the signal's details as for
                // kill(2) (pidfd_send_signal(2)).
                let sent = unsafe {
                    libc::syscall(
                        libc::SYS_pidfd_send_signal,
                        descriptor.as_raw_fd(),
                        signal as i32,
                        no_details,
                        0,
                    )
                };
                Errno::result(sent).map(drop)
            }
            Self::Number(pid) => kill(*pid, signal),
        }
    }

    /// The descriptor to pass to poll(2), if there is one.
    #[must_use]
    pub fn polled(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Descriptor(descriptor) => Some(descriptor.as_fd()),
            Self::Number(_) => None,
        }
    }
}

/// Returns the descriptor -1 instead of an error if the kernel does not have the system call, or if
/// a sandbox around this process forbids it. Returns any other error unchanged.
const fn without_descriptors(errno: Errno) -> Result<libc::c_long, Errno> {
    if matches!(errno, Errno::ENOSYS | Errno::EPERM) {
        Ok(-1)
    } else {
        Err(errno)
    }
}

/// How many user namespaces are walked at most. The kernel nests at most 32 (user_namespaces(7)).
const DEEPEST: usize = 33;

/// The owners of the user namespaces around a process, innermost first: the process's own, its
/// parent, and so on. The caller's user namespace ends the list and is not in the list. The list is
/// empty for a process in the caller's own user namespace.
///
/// # Errors
/// `ESRCH` or `ENOENT` if there is no such process, `EACCES` if the caller may not inspect it.
pub fn owners(pid: u32) -> io::Result<Vec<u32>> {
    let own = identity(&File::open("/proc/self/ns/user")?)?;
    let mut namespace = File::open(proc::path(pid, "ns/user"))?;
    let mut owners = Vec::new();
    while owners.len() < DEEPEST && identity(&namespace)? != own {
        owners.push(spawn::namespace_owner(&namespace)?);
        namespace = spawn::parent_namespace(&namespace)?.into();
    }
    Ok(owners)
}

/// The device and inode of the namespace, which identify it.
fn identity(namespace: &File) -> io::Result<(u64, u64)> {
    let facts = namespace.metadata()?;
    Ok((facts.dev(), facts.ino()))
}
