//! Signals a process safely although its ID may be reused before the signal arrives.
//!
//! In: a process ID. Out: a hold on the process that has it now (pidfd_open(2), Linux 5.3). A
//! caller that then sees in `/proc` that the process with this ID is still the right one knows that
//! the hold is on that process, and a signal through it reaches no other. Older kernels have only
//! the ID: there a process that starts in the microseconds between the check and the signal may get
//! it. Not checked: whether it should be signalled.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::proc;

/// A hold on one process.
#[derive(Debug)]
pub enum Hold {
    /// By a descriptor, which is ready to read once the process with all its threads has ended.
    Descriptor(OwnedFd),
    /// By its number, on kernels that have no such descriptors.
    Number(Pid),
}

impl Hold {
    /// A hold on the process that has this ID now.
    ///
    /// # Errors
    /// As pidfd_open(2): `ESRCH` if there is none, `EMFILE` if there are too many descriptors.
    #[allow(unsafe_code)]
    pub fn on(pid: u32) -> Result<Self, Errno> {
        let number = i32::try_from(pid).map_err(|_| Errno::ESRCH)?;
        // SAFETY: takes and returns only numbers.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) };
        match i32::try_from(Errno::result(descriptor).or_else(without_descriptors)?) {
            // SAFETY: the kernel has just made it for us (O_CLOEXEC is set), nobody else has it.
            Ok(descriptor) if descriptor >= 0 => Ok(Self::Descriptor(unsafe {
                OwnedFd::from_raw_fd(descriptor)
            })),
            _ => Ok(Self::Number(Pid::from_raw(number))),
        }
    }

    /// Sends a signal to it.
    ///
    /// # Errors
    /// `ESRCH` if it has ended and been waited for, `EPERM` if the caller may not signal it.
    #[allow(unsafe_code)]
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        match self {
            Self::Descriptor(descriptor) => {
                let no_details = std::ptr::null::<libc::siginfo_t>();
                // SAFETY: a null pointer makes the kernel fill in the details as kill(2) does
                // (pidfd_send_signal(2)).
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

    /// The descriptor to poll(2), if there is one.
    #[must_use]
    pub fn polled(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Descriptor(descriptor) => Some(descriptor.as_fd()),
            Self::Number(_) => None,
        }
    }
}

/// No descriptor instead of an error, if the kernel, or a sandbox around this process, has no such
/// call.
const fn without_descriptors(errno: Errno) -> Result<libc::c_long, Errno> {
    if matches!(errno, Errno::ENOSYS | Errno::EPERM) {
        Ok(-1)
    } else {
        Err(errno)
    }
}

/// The kernel's limit on nesting (user_namespaces(7): 32).
const DEEPEST: usize = 33;

/// The owners of the user namespace that a process is in and of those around it, innermost first,
/// down to the caller's own, which is left out. Empty for a process in the caller's own user
/// namespace.
///
/// # Errors
/// `ESRCH` or `ENOENT` if there is no such process, `EACCES` if the caller may not look.
#[allow(unsafe_code)]
pub fn owners(pid: u32) -> io::Result<Vec<u32>> {
    let own = identity(&File::open("/proc/self/ns/user")?)?;
    let mut namespace = File::open(proc::path(pid, "ns/user"))?;
    let mut owners = Vec::new();
    while owners.len() < DEEPEST && identity(&namespace)? != own {
        let mut owner: libc::uid_t = 0;
        // SAFETY: the kernel writes one user ID to where `owner` is (ioctl_ns(2)), which outlives
        // the call.
        Errno::result(unsafe {
            libc::ioctl(
                namespace.as_raw_fd(),
                libc::NS_GET_OWNER_UID,
                &raw mut owner,
            )
        })?;
        owners.push(owner);
        // SAFETY: no argument is read.
        let parent =
            Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), libc::NS_GET_PARENT) })?;
        // SAFETY: the kernel has just made the descriptor for us, nobody else has it.
        namespace = unsafe { File::from_raw_fd(parent) };
    }
    Ok(owners)
}

/// The namespace's identity.
fn identity(namespace: &File) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    namespace.metadata().map(|facts| (facts.dev(), facts.ino()))
}
