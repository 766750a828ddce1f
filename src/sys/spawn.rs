//! How is another program started, as another user where need be, and what has a process to be that starts some?
//!
//! In: a program's absolute path, its words and environment, the descriptors that it may have, and whose process it becomes. Out: its process ID. The
//! program gets nothing else of this process: no other descriptor, no signal that is ignored or blocked here, no variable, no terminal. The caller
//! waits for its children itself. Not checked: whether that program should run.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus};
use nix::unistd::{ForkResult, Pid};

/// `_IO(NSIO, 0x2)` and `_IO(NSIO, 0x4)` of include/uapi/linux/nsfs.h.
const NS_GET_PARENT: libc::Ioctl = 0xb702;
const NS_GET_OWNER_UID: libc::Ioctl = 0xb704;

/// A user as the kernel knows one: without the groups that he may have besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// His ID.
    pub user: u32,
    /// His group.
    pub group: u32,
}

/// A program and what it gets. Its standard input is empty, its folder `/`, its session its own.
#[derive(Debug)]
pub struct Program<'a> {
    /// The program's file, absolute.
    pub path: &'a Path,
    /// Its words, without its own name.
    pub words: &'a [OsString],
    /// Its whole environment.
    pub environment: &'a [(&'a str, OsString)],
    /// Where its output and its errors go; nowhere when there is none.
    pub prints: Option<(OwnedFd, OwnedFd)>,
    /// A descriptor of this process that it gets under the same number.
    pub keeps: Option<i32>,
    /// Whose process it becomes; this process's own user's when there is none. Needs root.
    pub person: Option<Person>,
    /// The user namespace that it joins, as that user.
    pub namespace: Option<BorrowedFd<'a>>,
}

/// Starts the program and returns its process ID.
///
/// # Errors
/// What the operating system says, of the program's file as well.
#[allow(unsafe_code)]
#[expect(clippy::disallowed_methods, reason = "exec-patch runs the runtime in a process of its own; the gate becomes it")]
pub fn start(program: Program<'_>) -> io::Result<u32> {
    let Program { path, words, environment, prints, keeps, person, namespace } = program;
    let mut command = Command::new(path);
    command.args(words).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir("/").stdin(Stdio::null());
    match prints {
        Some((output, error)) => command.stdout(output).stderr(error),
        None => command.stdout(Stdio::null()).stderr(Stdio::null()),
    };
    let namespace = namespace.map(|namespace| namespace.as_raw_fd());
    // SAFETY: the closure makes system calls only, allocates nothing and takes no lock; the descriptors are open until `spawn` returns.
    unsafe { command.pre_exec(move || settle(keeps, person, namespace)) };
    command.spawn().map(|child| child.id())
}

/// What the new process does before it becomes the program.
#[allow(unsafe_code)]
fn settle(keeps: Option<i32>, person: Option<Person>, namespace: Option<i32>) -> io::Result<()> {
    for by_default in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGPIPE, Signal::SIGTERM] {
        // SAFETY: SIG_DFL is no handler of ours.
        unsafe { signal(by_default, SigHandler::SigDfl) }?;
    }
    SigSet::empty().thread_set_mask()?;
    nix::unistd::setsid()?;
    if let Some(descriptor) = keeps {
        // SAFETY: changes a flag of a descriptor of this process; one that is not open is an error.
        Errno::result(unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) })?;
    }
    become_person(person, namespace)
}

/// Becomes this user and joins this user namespace, for good.
#[allow(unsafe_code)]
fn become_person(person: Option<Person>, namespace: Option<i32>) -> io::Result<()> {
    let done = |result: i32| if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) };
    if let Some(Person { user, group }) = person {
        // The groups first: without root's rights nobody can change them.
        // SAFETY: no groups are read from the null pointer, and the other two take numbers.
        done(unsafe { libc::setgroups(0, std::ptr::null()) })?;
        // SAFETY: as above.
        done(unsafe { libc::setresgid(group, group, group) })?;
        // SAFETY: as above.
        done(unsafe { libc::setresuid(user, user, user) })?;
    }
    if let Some(namespace) = namespace {
        // SAFETY: takes numbers; the kernel checks that this is a user namespace that the user may join.
        done(unsafe { libc::setns(namespace, libc::CLONE_NEWUSER) })?;
    }
    Ok(())
}

/// What `read` returns when this user calls it in this user namespace, in a process of its own: his files may be readable there only. `None` when it
/// returns nothing, or more than `limit` bytes.
///
/// # Errors
/// What the operating system says of the process; not of what it does.
#[allow(unsafe_code)]
pub fn read_as(
    person: Option<Person>,
    namespace: BorrowedFd<'_>,
    limit: u64,
    read: impl FnOnce() -> Option<Vec<u8>>,
) -> io::Result<Option<Vec<u8>>> {
    let (receiving, sending) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: this process has no other threads, whose locks could be held for ever in its copy, and the copy leaves by `_exit` alone.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => {
            let sent = become_person(person, Some(namespace.as_raw_fd())).is_ok()
                && read().is_some_and(|bytes| File::from(sending).write_all(&bytes).is_ok());
            // SAFETY: ends the copy, without anything that this process has left to do at its end.
            unsafe { libc::_exit(i32::from(!sent)) }
        }
        ForkResult::Parent { child } => {
            drop(sending);
            let mut bytes = Vec::new();
            let taken = File::from(receiving).take(limit + 1).read_to_end(&mut bytes);
            let status = nix::sys::wait::waitpid(child, None)?;
            taken?;
            let is_whole = status == WaitStatus::Exited(child, 0) && bytes.len() as u64 <= limit;
            Ok(is_whole.then_some(bytes))
        }
    }
}

/// Makes this process one that starts others and hears of them: their orphans become its children, what it inherited beside the standard streams is
/// not theirs, neither is its umask, SIGHUP and SIGINT do nothing, and SIGCHLD and SIGTERM are read from the descriptor that it returns.
///
/// # Errors
/// What the operating system says.
#[allow(unsafe_code)]
pub fn become_parent() -> io::Result<SignalFd> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        if let Some(number) = number.filter(|number| *number > 2) {
            // SAFETY: changes a flag of a descriptor; the listing's own, which is closed by then, is an error that does not matter.
            let _flagged = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    // SAFETY: sets an attribute of this process (prctl(2), PR_SET_CHILD_SUBREAPER).
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
    for ignored in [Signal::SIGHUP, Signal::SIGINT] {
        // SAFETY: SIG_IGN is no handler of ours.
        unsafe { signal(ignored, SigHandler::SigIgn) }?;
    }
    let mut read = SigSet::empty();
    read.add(Signal::SIGCHLD);
    read.add(Signal::SIGTERM);
    read.thread_block()?;
    Ok(SignalFd::with_flags(&read, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// The children that have ended since the last call, each with its exit status; one that a signal ended has 128 and the signal's number, as runtimes
/// say it. Never waits.
#[must_use]
#[allow(unsafe_code)]
pub fn ended_children() -> Vec<(u32, i32)> {
    let mut ended = Vec::new();
    let mut status = 0;
    // Not nix's: it knows no real-time signals and loses the child that one of them ended.
    // SAFETY: writes the status into a variable of ours and returns.
    while let Ok(pid @ 1..) = u32::try_from(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }) {
        ended.push((pid, if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }));
    }
    ended
}

/// Whether this is a child of this process that it has not yet waited for, living or not. The kernel says so itself: `/proc/pid/task/tid/children` may
/// leave one out (proc(5)), and a process whose first thread has ended, the others not yet, can neither be waited for nor seen to run.
#[must_use]
pub fn is_child(pid: u32) -> bool {
    let Ok(pid @ 1..) = i32::try_from(pid) else { return false };
    let asked = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    // Any other error is about how it ended.
    !matches!(nix::sys::wait::waitid(Id::Pid(Pid::from_raw(pid)), asked), Err(Errno::ECHILD))
}

/// Ends a child of this process that it has not yet waited for: its ID can be nobody else's.
#[allow(unsafe_code)]
pub fn kill_child(pid: u32) {
    if let Ok(pid @ 1..) = i32::try_from(pid) {
        // SAFETY: takes numbers; a child that has ended meanwhile keeps its ID until it is waited for.
        let _ended_already = unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// The user namespace in which this one was made (ioctl_ns(2), `NS_GET_PARENT`).
///
/// # Errors
/// `EPERM` where that is above this process's own.
#[allow(unsafe_code)]
pub fn parent_namespace(namespace: &File) -> io::Result<OwnedFd> {
    // SAFETY: takes a descriptor and returns a new one, or -1.
    let parent = Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_PARENT) })?;
    // SAFETY: the kernel has just made it for this process, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(parent) })
}

/// The user who owns a user namespace, as this process's own counts (ioctl_ns(2), `NS_GET_OWNER_UID`).
///
/// # Errors
/// What the operating system says.
#[allow(unsafe_code)]
pub fn namespace_owner(namespace: &File) -> io::Result<u32> {
    let mut user: libc::uid_t = 0;
    // SAFETY: writes a number into a variable of ours and returns.
    Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut user) })?;
    Ok(user)
}
