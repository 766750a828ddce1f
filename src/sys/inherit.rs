//! Starts one of our own programs with inherited descriptors, and receives signals while it runs.
//!
//! In: a program of ours, what it reads, and two descriptors. Out: a process in a session of its
//! own, so that no terminal's signal reaches it, with one of them as its descriptor 3 and the other
//! under any number. Also out: the waiting process's signals, as a descriptor to poll(2). Not
//! checked: what that program does with them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The number of the descriptor with a fixed number.
pub const THIRD: i32 = 3;

/// The lowest number that the other one may get: above all that a program expects at its start.
const BEYOND: i32 = 10;

/// Starts `command` in a session of its own, with `third` as its descriptor 3, and `held` under
/// some number, open for as long as it runs.
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
    // SAFETY: the closure makes system calls only, allocates nothing and takes no lock; the
    // descriptors are borrowed until `spawn` returns.
    unsafe { command.pre_exec(move || hand_down(third, held)) };
    command.spawn()
}

/// What the new process does before it becomes the program. The lock is moved first: it may be
/// descriptor 3 itself.
#[allow(unsafe_code)]
fn hand_down(third: Option<i32>, held: i32) -> io::Result<()> {
    let done = |result: i32| {
        if result == -1 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    };
    nix::unistd::setsid()?;
    // SAFETY: copies a descriptor, without the close-on-exec flag.
    done(unsafe { libc::fcntl(held, libc::F_DUPFD, BEYOND) })?;
    match third {
        // SAFETY: changes a flag of a descriptor.
        Some(THIRD) => done(unsafe { libc::fcntl(THIRD, libc::F_SETFD, 0) }),
        // SAFETY: copies a descriptor over another one, which is the caller's and closes on exec,
        // or does not exist.
        Some(third) => done(unsafe { libc::dup2(third, THIRD) }),
        None => Ok(()),
    }
}

/// From now on SIGCHLD, SIGHUP, SIGINT and SIGTERM only arrive at the descriptor that it returns.
/// Threads started later do not get them either; programs started later get them as usual.
///
/// # Errors
/// What the operating system says.
#[allow(unsafe_code)]
pub fn hear() -> io::Result<SignalFd> {
    // The parent may have ignored SIGCHLD, and an ignored SIGCHLD discards the children's exit
    // statuses. SAFETY: SIG_DFL is no handler of ours.
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
