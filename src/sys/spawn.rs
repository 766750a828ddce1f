//! Starts another program, as another user if needed, and prepares a process to start programs.
//!
//! In: the absolute path of a program, its arguments and environment, the descriptors that it gets,
//! and its user. Out: its process ID. The program gets nothing else from this process: no other
//! descriptor, no ignored or blocked signal, no variable, no terminal, no key of the session's
//! keyring. As soon as the process belongs to another user, that user may stop or trace it. So no
//! wait here is without a limit. The caller waits for its children itself. Not checked: whether the
//! program should run.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;

use super::copy::{PATIENCE, close_others, duplicate, gone};
use super::rights::Person;

/// `_IO(NSIO, 0x2)` and `_IO(NSIO, 0x4)` of include/uapi/linux/nsfs.h.
const NS_GET_PARENT: libc::Ioctl = 0xb702;
const NS_GET_OWNER_UID: libc::Ioctl = 0xb704;

/// `KEYCTL_JOIN_SESSION_KEYRING` of include/uapi/linux/keyctl.h.
const JOIN_SESSION_KEYRING: libc::c_long = 1;

/// How many resource limits a process has: `RLIM_NLIMITS` of include/uapi/asm-generic/resource.h.
const LIMITS: u8 = 16;

/// A program, and what the program gets from this process. Its standard input is empty, its working
/// directory is `/`, and its session is its own.
#[derive(Debug)]
pub struct Program<'a> {
    /// The absolute path of the program's file.
    pub path: &'a Path,
    /// The program's arguments, without its name.
    pub words: &'a [OsString],
    /// All environment variables of the program.
    pub environment: &'a [(&'a str, OsString)],
    /// The descriptors for the program's output and errors. If `None`, output and errors are
    /// discarded.
    pub prints: Option<(OwnedFd, OwnedFd)>,
    /// A descriptor of this process that the program gets under the same number.
    pub keeps: Option<i32>,
    /// What the program adds to its badness for the OOM killer, as `/proc/PID/oom_score_adj` gives
    /// it. If `None`, or if this process may not set the value, the program keeps this process's.
    pub oom_score: Option<Vec<u8>>,
    /// The process whose resource limits the program gets, as far as this process may set them. If
    /// `None`, the program keeps this process's.
    pub limits_of: Option<u32>,
    /// The user that the program runs as. If `None`, the program runs as the user of this process.
    /// Only root may start a program as another user.
    pub person: Option<Person>,
    /// The user namespace that the program joins, as that user.
    pub namespace: Option<BorrowedFd<'a>>,
}

/// Starts the program and returns its process ID. The calling process must have only one thread.
///
/// # Errors
/// The operating system's error, also for the exec of the program's file;
/// [`io::ErrorKind::TimedOut`] if the process does not become the program in time.
#[allow(unsafe_code)]
#[expect(
    clippy::disallowed_methods,
    reason = "exec-patch runs the runtime in a process of its own; the gate becomes it"
)]
pub fn start(program: Program<'_>) -> io::Result<u32> {
    let Program {
        path,
        words,
        environment,
        prints,
        keeps,
        oom_score,
        limits_of,
        person,
        namespace,
    } = program;
    let mut command = Command::new(path);
    command
        .args(words)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir("/").stdin(Stdio::null());
    match prints {
        Some((output, error)) => command.stdout(output).stderr(error),
        None => command.stdout(Stdio::null()).stderr(Stdio::null()),
    };
    let namespace = namespace.map(|namespace| namespace.as_raw_fd());
    // `spawn` is not used: `spawn` waits for the exec without a limit, and the user can delay the
    // exec.
    let (child, fault) = duplicate(size_of::<i32>(), PATIENCE, |mut fault| {
        let pipe = fault.as_raw_fd();
        if let Some(score) = &oom_score {
            // Everybody may set a higher value.
            let _set = std::fs::write("/proc/self/oom_score_adj", score);
        }
        limits_of.into_iter().for_each(take_limits);
        // SAFETY: this process has one thread, so the closure may do anything. The closure only
        // makes system calls.
        unsafe { command.pre_exec(move || settle(pipe, keeps, person, namespace)) };
        let error = command.exec();
        let number = error.raw_os_error().unwrap_or(libc::EINVAL);
        let _sent = fault.write_all(&number.to_ne_bytes());
        false
    })?;
    match <[u8; 4]>::try_from(fault.as_slice()) {
        Ok(number) => {
            let _gone = gone(child);
            Err(io::Error::from_raw_os_error(i32::from_ne_bytes(number)))
        }
        // The process has closed its end of the pipe: the process has become the program, or has
        // already ended, as its exit status will show.
        Err(_) => u32::try_from(child.as_raw()).map_err(io::Error::other),
    }
}

/// Prepares the new process before it becomes the program.
#[allow(unsafe_code)]
fn settle(
    pipe: i32,
    keeps: Option<i32>,
    person: Option<Person>,
    namespace: Option<i32>,
) -> io::Result<()> {
    close_others([Some(pipe), keeps, namespace]);
    for by_default in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGPIPE,
        Signal::SIGTERM,
    ] {
        // SAFETY: SIG_DFL runs no code of Embargo.
        unsafe { signal(by_default, SigHandler::SigDfl) }?;
    }
    SigSet::empty().thread_set_mask()?;
    nix::unistd::setsid()?;
    if let Some(descriptor) = keeps {
        // SAFETY: changes a flag of a descriptor of this process. A descriptor that is not open
        // gives an error.
        Errno::result(unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) })?;
    }
    let anonymous: *const libc::c_char = std::ptr::null();
    // A process may use what is in its session keyring even after it has become another user
    // (keyrings(7)), so the process joins a new, empty one. A kernel without keys has no keyring to
    // protect, and a filter that refuses this call refuses it to the program as well. SAFETY: takes
    // numbers and no name.
    let joined = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, anonymous) };
    match Errno::result(joined) {
        Err(errno) if person.is_some() && !matches!(errno, Errno::ENOSYS | Errno::EPERM) => {
            Err(errno.into())
        }
        // If the program runs as the same user, an error is ignored: the user may have reached the
        // limit of keyrings, and the user's own keyring is no secret.
        Ok(_) | Err(_) => become_person(person, namespace),
    }
}

/// Takes over the resource limits of another process. What may not be read or set stays as it is.
#[allow(unsafe_code)]
fn take_limits(of: u32) {
    let Ok(of) = libc::pid_t::try_from(of) else {
        return;
    };
    for resource in 0..LIMITS {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the first call only writes to `limit`, the second call only reads it.
        unsafe {
            if libc::prlimit(of, resource.into(), std::ptr::null(), &raw mut limit) == 0 {
                libc::setrlimit(resource.into(), &raw const limit);
            }
        }
    }
}

/// Becomes this user and joins this user namespace. Neither change can be undone.
#[allow(unsafe_code)]
fn become_person(person: Option<Person>, namespace: Option<i32>) -> io::Result<()> {
    if let Some(Person { user, group }) = person {
        // The groups come first: without root's rights the groups cannot be changed. SAFETY: no
        // groups are read from the null pointer, and the other two calls take numbers.
        Errno::result(unsafe { libc::setgroups(0, std::ptr::null()) })?;
        // SAFETY: as above.
        Errno::result(unsafe { libc::setresgid(group, group, group) })?;
        // SAFETY: as above.
        Errno::result(unsafe { libc::setresuid(user, user, user) })?;
    }
    if let Some(namespace) = namespace {
        // SAFETY: takes numbers. The kernel checks that this is a user namespace which the user may
        // join.
        Errno::result(unsafe { libc::setns(namespace, libc::CLONE_NEWUSER) })?;
    }
    Ok(())
}

/// Runs `read` in a process of its own, as this user in this user namespace, and returns its
/// result. The user's files may be readable only in such a process. `None` if `read` returns
/// nothing, or more than `limit` bytes.
///
/// # Errors
/// The operating system's error about the process, not about `read`; [`io::ErrorKind::TimedOut`] if
/// `read` does not end.
#[allow(unsafe_code)]
pub fn read_as(
    person: Option<Person>,
    namespace: BorrowedFd<'_>,
    limit: u64,
    read: impl FnOnce() -> Option<Vec<u8>>,
) -> io::Result<Option<Vec<u8>>> {
    let limit = usize::try_from(limit).map_err(io::Error::other)?;
    let (child, bytes) = duplicate(limit, PATIENCE, |mut sending| {
        close_others([Some(sending.as_raw_fd()), Some(namespace.as_raw_fd()), None]);
        let is_his = become_person(person, Some(namespace.as_raw_fd())).is_ok();
        // The new process must end with its worker, even if the user has stopped it. Changing the
        // user clears this attribute, so the attribute is set afterwards. SAFETY: sets an attribute
        // of this process (prctl(2), PR_SET_PDEATHSIG).
        let _set = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
        is_his && read().is_some_and(|bytes| sending.write_all(&bytes).is_ok())
    })?;
    if bytes.len() > limit {
        kill_child(child.as_raw().unsigned_abs());
    }
    let is_whole = gone(child) == Some(WaitStatus::Exited(child, 0)) && bytes.len() <= limit;
    Ok(is_whole.then_some(bytes))
}

/// Prepares this process to start and monitor other processes. Their orphans become its children.
/// The started processes inherit neither this process's umask nor its descriptors, except for the
/// standard streams. SIGHUP and SIGINT are ignored. SIGCHLD and SIGTERM are read from the
/// descriptor that is returned.
///
/// # Errors
/// What the operating system says.
#[allow(unsafe_code)]
pub fn become_parent() -> io::Result<SignalFd> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        if let Ok(number @ 3..) = name.to_string_lossy().parse::<i32>() {
            // SAFETY: changes a flag of a descriptor. The descriptor of this listing is closed by
            // then; its error does not matter.
            let _flagged = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    // SAFETY: sets an attribute of this process (prctl(2), PR_SET_CHILD_SUBREAPER).
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
    for ignored in [Signal::SIGHUP, Signal::SIGINT] {
        // SAFETY: SIG_IGN runs no code of Embargo.
        unsafe { signal(ignored, SigHandler::SigIgn) }?;
    }
    let mut read = SigSet::empty();
    read.add(Signal::SIGCHLD);
    read.add(Signal::SIGTERM);
    read.thread_block()?;
    Ok(SignalFd::with_flags(
        &read,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )?)
}

/// The children that have ended since the last call, each with its exit status. For a child that a
/// signal ended, the exit status is 128 plus the signal's number, as runtimes report it. Never
/// waits.
#[must_use]
#[allow(unsafe_code)]
pub fn ended_children() -> Vec<(u32, i32)> {
    let mut ended = Vec::new();
    let mut status = 0;
    // waitpid of `nix` is not used: the function does not know real-time signals, and loses a child
    // that such a signal ended. SAFETY: writes the status into a local variable.
    while let Ok(pid @ 1..) =
        u32::try_from(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) })
    {
        let exit = if libc::WIFSIGNALED(status) {
            128 + libc::WTERMSIG(status)
        } else {
            libc::WEXITSTATUS(status)
        };
        ended.push((pid, exit));
    }
    ended
}

/// Whether the process is a child of this process that has not been waited for, alive or not. Uses
/// waitid(2), because `/proc/pid/task/tid/children` may omit a child (proc(5)). Besides, if the
/// first thread of a process has ended while others run, the process cannot be waited for, and does
/// not seem to run.
#[must_use]
pub fn is_child(pid: u32) -> bool {
    let Ok(pid @ 1..) = i32::try_from(pid) else {
        return false;
    };
    let asked = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    // Any other error concerns how the child ended.
    !matches!(
        nix::sys::wait::waitid(Id::Pid(Pid::from_raw(pid)), asked),
        Err(Errno::ECHILD)
    )
}

/// Kills a child of this process that has not been waited for. No other process can have its ID.
#[allow(unsafe_code)]
pub fn kill_child(pid: u32) {
    if let Ok(pid @ 1..) = i32::try_from(pid) {
        // SAFETY: takes numbers. A child that has ended keeps its ID until it is waited for.
        let _ended_already = unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// The parent of this user namespace: the user namespace in which this user namespace was made
/// (ioctl_ns(2), `NS_GET_PARENT`).
///
/// # Errors
/// `EPERM` if the parent is above this process's own user namespace.
#[allow(unsafe_code)]
pub fn parent_namespace(namespace: &File) -> io::Result<OwnedFd> {
    // SAFETY: takes a descriptor and returns a new one, or -1.
    let parent = Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_PARENT) })?;
    // SAFETY: the kernel has just made the descriptor for this call; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(parent) })
}

/// The owner of a user namespace, as a user ID in this process's own user namespace (ioctl_ns(2),
/// `NS_GET_OWNER_UID`).
///
/// # Errors
/// What the operating system says.
#[allow(unsafe_code)]
pub fn namespace_owner(namespace: &File) -> io::Result<u32> {
    let mut user: libc::uid_t = 0;
    // SAFETY: writes a number into a local variable.
    Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut user) })?;
    Ok(user)
}

#[cfg(test)]
mod tests;
