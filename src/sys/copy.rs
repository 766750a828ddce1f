//! Does work in a copy of this process, so that work that hangs does not stop this process.
//!
//! In: what to do, and how long it may take. Out: the bytes that the copy has sent, or an error. A
//! user's file system (FUSE) may take a request and never answer it. From then on no signal ends
//! the process that waits for the answer, nor any other thread of that process (Linux:
//! fs/fuse/dev.c, `request_wait_answer`; seen with 6.18). So a separate process, the copy, reads a
//! user's directories. The copy holds nothing but its end of a pipe. The calling process must have
//! one thread: locks that other threads hold stay held in the copy. A copy that waits for such a
//! lock sends nothing, and is treated as late.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus};
use nix::unistd::{ForkResult, Pid};

/// How long a copy may take. The copy may already run as the user, who may stop it. A busy machine
/// must not make the copy late.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait until a killed process has ended. A process that waits for its user's file
/// system may never end.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// The largest answer that is accepted from a copy, in bytes. The names of a thousand containers
/// and of all images take far fewer bytes.
const LARGEST_ANSWER: usize = 64 << 20;

/// The last byte of an answer. An answer without this byte is incomplete.
const END: u8 = 4;

/// The users for whom a copy was late. No further copy is made for these users.
static LOST: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Whether this process is a copy that [`answer`] made.
static IS_COPY: AtomicBool = AtomicBool::new(false);

/// Runs `work`, which reads what this user controls, in a copy of this process, and returns the
/// result of `work`. After one late answer, no further copy is made for this user.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] if there is no answer in time, now or before; other errors if the
/// copy cannot be made or fails.
pub fn answer(user: u32, work: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
    answer_within(PATIENCE, user, work)
}

fn answer_within(
    patience: Duration,
    user: u32,
    work: impl FnOnce() -> Vec<u8>,
) -> io::Result<Vec<u8>> {
    if IS_COPY.load(Ordering::Relaxed) {
        return Ok(work());
    }
    let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
    if lost.contains(&user) {
        return Err(late());
    }
    let asked = duplicate(LARGEST_ANSWER, patience, |mut sending| {
        IS_COPY.store(true, Ordering::Relaxed);
        let_go(&sending).is_ok()
            && sending.write_all(&work()).is_ok()
            && sending.write_all(&[END]).is_ok()
    });
    match asked {
        Ok((child, mut bytes)) => {
            let _status = gone(child);
            // The exit status is lost where this process was started with SIGCHLD ignored.
            match bytes.pop() {
                Some(END) => Ok(bytes),
                Some(_) | None => Err(io::Error::other("the process that looked there failed")),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            lost.insert(user);
            Err(late())
        }
        Err(error) => Err(error),
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

/// Connects the standard streams of this copy to `/dev/null`, and closes every other descriptor but
/// the pipe: a copy that hangs must hold neither a lock nor anybody's output. The copy ends when
/// its parent ends.
fn let_go(pipe: &File) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    drop(null);
    close_others([Some(pipe.as_raw_fd()), None, None]);
    Ok(())
}

/// Closes every descriptor except the standard streams and the descriptors in `kept`. Otherwise a
/// user could stop the new process, and the descriptors would stay open, among them the lock of a
/// run.
#[allow(unsafe_code)]
pub(super) fn close_others(kept: [Option<i32>; 3]) {
    let mut kept = kept.map(|number| number.unwrap_or(2));
    kept.sort_unstable();
    let mut first = 3;
    for next in kept.into_iter().chain([i32::MAX]) {
        let last = next - 1;
        if first <= last {
            // SAFETY: closes descriptors that nothing in this copy of the process uses any more.
            let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            if closed == -1 {
                // For kernels before Linux 5.9. This process has few descriptors.
                for number in first..=last.min(1_024) {
                    // SAFETY: as above.
                    let _closed = unsafe { libc::close(number) };
                }
            }
        }
        first = first.max(next.saturating_add(1));
    }
}

/// Forks a copy of this process. The copy does `work`, with one end of a pipe, and exits: with 0 if
/// `work` returns `true`. Returns the copy's process ID and what was read from the pipe until every
/// process had closed the other end. If the copy sends more than `limit` bytes, more than `limit`
/// bytes are returned, but not all of them.
///
/// # Errors
/// What the operating system says; [`io::ErrorKind::TimedOut`] if the pipe is not closed in time.
#[allow(unsafe_code)]
pub(super) fn duplicate(
    limit: usize,
    patience: Duration,
    work: impl FnOnce(File) -> bool,
) -> io::Result<(Pid, Vec<u8>)> {
    let (receiving, sending) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: this process has no other threads whose locks could stay held in the copy, and the
    // copy ends only by `_exit`.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => {
            let is_done = panic::catch_unwind(AssertUnwindSafe(|| work(File::from(sending))));
            // SAFETY: ends the copy without running the exit handlers of this process.
            unsafe { libc::_exit(i32::from(!is_done.unwrap_or(false))) }
        }
        ForkResult::Parent { child } => {
            drop(sending);
            let taken = take(File::from(receiving), limit, patience);
            if taken.is_err() {
                let _ended_already = kill(child, Signal::SIGKILL);
                let _gone = gone(child);
            }
            Ok((child, taken?))
        }
    }
}

/// Reads a pipe until it is closed, or until more than `limit` bytes have come.
fn take(mut pipe: File, limit: usize, patience: Duration) -> io::Result<Vec<u8>> {
    nix::fcntl::fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let until = Instant::now() + patience;
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    while bytes.len() <= limit {
        match pipe.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                let limit = PollTimeout::try_from(left.as_millis().saturating_add(1))
                    .unwrap_or(PollTimeout::MAX);
                // A poll that fails has the same effect as a poll that ends early.
                let _ready = poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], limit);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// Waits for a child that is about to end. Returns the child's exit status; `None` if the child
/// does not end in time.
pub(super) fn gone(child: Pid) -> Option<WaitStatus> {
    let until = Instant::now() + LAST_PATIENCE;
    loop {
        match nix::sys::wait::waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if Instant::now() >= until => return None,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(2)),
            Ok(status) => return Some(status),
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_says_is_taken_to_its_end_and_no_further() {
        let said = |text: &'static [u8], limit| {
            duplicate(limit, PATIENCE, |mut end| end.write_all(text).is_ok()).unwrap()
        };
        for (text, limit, taken) in [
            (&b""[..], 4, &b""[..]),
            (b"four", 4, b"four"),
            (b"fives", 4, b"fives"),
        ] {
            let (child, bytes) = said(text, limit);
            assert_eq!(
                (bytes.as_slice(), gone(child)),
                (taken, Some(WaitStatus::Exited(child, 0)))
            );
        }
    }

    #[test]
    fn a_process_that_stops_before_it_says_anything_is_not_waited_for_for_ever() {
        let start = Instant::now();
        let stop = |_| nix::sys::signal::raise(Signal::SIGSTOP).is_err();
        let error = duplicate(4, Duration::from_millis(300), stop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < PATIENCE);
    }

    #[test]
    fn only_what_is_kept_stays_open() {
        let kept = tempfile::tempfile().unwrap();
        let other = tempfile::tempfile().unwrap();
        let (child, bytes) = duplicate(8, PATIENCE, |mut end| {
            close_others([Some(end.as_raw_fd()), Some(kept.as_raw_fd()), None]);
            let is_open =
                |file: &File| u8::from(nix::fcntl::fcntl(file, FcntlArg::F_GETFD).is_ok());
            let said = [is_open(&kept), is_open(&other)];
            end.write_all(&said).is_ok()
        })
        .unwrap();
        assert_eq!(bytes, [1, 0]);
        assert_eq!(gone(child), Some(WaitStatus::Exited(child, 0)));
    }

    #[test]
    fn a_copy_answers_and_changes_nothing_here() {
        let mut here = 1;
        let bytes = answer(4_242_420, || {
            here += 1;
            format!("{here} {}", IS_COPY.load(Ordering::Relaxed)).into_bytes()
        });
        assert_eq!(bytes.unwrap(), b"2 true");
        assert_eq!((here, IS_COPY.load(Ordering::Relaxed)), (1, false));
        let large = answer(4_242_420, || vec![7; 1 << 20]).unwrap();
        assert_eq!((large.len(), large[large.len() - 1]), (1 << 20, 7));
    }

    #[test]
    fn a_copy_that_fails_is_an_error_and_the_next_one_is_asked() {
        let fault = answer(4_242_421, || panic!("on purpose")).unwrap_err();
        assert_eq!(fault.to_string(), "the process that looked there failed");
        assert_eq!(answer(4_242_421, || b"x".to_vec()).unwrap(), b"x");
    }

    #[test]
    fn a_user_whose_places_hang_is_waited_for_once_and_others_still_answer() {
        let hang = || -> Vec<u8> {
            loop {
                std::thread::sleep(Duration::from_secs(60));
            }
        };
        let began = Instant::now();
        let fault = answer_within(Duration::from_millis(200), 4_242_422, hang).unwrap_err();
        assert_eq!(
            (fault.kind(), fault.to_string().as_str()),
            (io::ErrorKind::TimedOut, "no answer in time")
        );
        let fault = answer(4_242_422, || b"x".to_vec()).unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
        assert_eq!(answer(4_242_423, || b"x".to_vec()).unwrap(), b"x");
        // Less than the time that a single piece of work may take.
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    }
}
