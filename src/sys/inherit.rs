//! Starts one of Embargo's own programs with inherited descriptors, and receives signals while it
//! runs.
//!
//! In: the program, its input, and two descriptors. Out: a process in a session of its own, so that
//! no terminal sends it signals. The process has one of the descriptors as number 3 and the other
//! under any number. Also out: the signals of the process that waits, as a descriptor for poll(2).
//! Not checked: what the program does with the descriptors.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The number that the first descriptor gets.
pub const THIRD: i32 = 3;

/// The lowest number that the second descriptor may get. A program expects all its own descriptors
/// below this number.
const BEYOND: i32 = 10;

/// Starts `command` in a session of its own, with `third` as its descriptor 3. `held` gets any
/// number and stays open as long as the program runs.
///
/// # Errors
/// What the operating system says.
#[allow(unsafe_code)]
pub fn start(
    mut command: Command,
    third: Option<BorrowedFd<'_>>,
    held: BorrowedFd<'_>,
) -> io::Result<Child> {
    let (third, held) = (third.map(|third| third.as_raw_fd()), held.as_raw_fd());
    // SAFETY: the closure only makes system calls, allocates nothing and takes no lock; the
    // descriptors are borrowed until `spawn` returns.
    unsafe { command.pre_exec(move || hand_down(third, held)) };
    command.spawn()
}

/// Prepares the new process before it becomes the program. `held` is copied first, because it may
/// be descriptor 3 itself.
#[allow(unsafe_code)]
fn hand_down(third: Option<i32>, held: i32) -> io::Result<()> {
    nix::unistd::setsid()?;
    // SAFETY: copies a descriptor; the copy has no close-on-exec flag.
    Errno::result(unsafe { libc::fcntl(held, libc::F_DUPFD, BEYOND) })?;
    match third {
        // SAFETY: changes a flag of a descriptor.
        Some(THIRD) => Errno::result(unsafe { libc::fcntl(THIRD, libc::F_SETFD, 0) })?,
        // SAFETY: copies a descriptor over descriptor 3. That descriptor is the caller's and would
        // be closed on exec, or it does not exist.
        Some(third) => Errno::result(unsafe { libc::dup2(third, THIRD) })?,
        None => 0,
    };
    Ok(())
}

/// From now on, SIGCHLD, SIGHUP, SIGINT and SIGTERM arrive only at the descriptor that is returned.
/// Threads that are started later do not get them either; programs that are started later get them
/// as usual.
///
/// # Errors
/// What the operating system says.
#[allow(unsafe_code)]
pub fn hear() -> io::Result<SignalFd> {
    // The parent may have set SIGCHLD to be ignored. An ignored SIGCHLD discards the exit statuses
    // of children. SAFETY: SIG_DFL runs no code of Embargo.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    let mut heard = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
    ] {
        heard.add(signal);
    }
    heard.thread_block()?;
    Ok(SignalFd::with_flags(
        &heard,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;
    use std::process::Stdio;

    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "what it starts is what is tested"
    )]
    fn the_program_gets_the_third_descriptor_the_lock_and_a_session_of_its_own() {
        let mut third = tempfile::tempfile().unwrap();
        third.write_all(b"brought").unwrap();
        third.rewind().unwrap();
        let lock = tempfile::tempfile().unwrap();
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg("cat <&3; read -r _ _ _ _ _ session _ </proc/$$/stat; echo \" $$ $session\"; ls /proc/$$/fd")
            .stdout(Stdio::piped());
        let mut child = start(command, Some(third.as_fd()), lock.as_fd()).unwrap();
        let mut said = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert!(child.wait().unwrap().success());
        let (first, open) = said.split_once('\n').unwrap();
        assert_eq!(first, format!("brought {pid} {pid}", pid = child.id()));
        assert!(
            open.split_ascii_whitespace()
                .any(|number| number.parse::<i32>().unwrap() >= BEYOND),
            "{open}"
        );
    }
}
