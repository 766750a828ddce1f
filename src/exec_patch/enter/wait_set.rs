//! Waits for output, for children that end and for SIGTERM.
//!
//! In: the worker's descriptors. Out: what has happened since. Not read: what the output says.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use super::output::Collector;
use crate::sys::{proc, spawn};

/// How often the processes that a command starts are checked.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// What the loop waits for: output, ended children and SIGTERM.
#[derive(Debug)]
pub(super) struct WaitSet {
    pub(super) signals: SignalFd,
    pub(super) collector: Collector,
    /// The children that have ended, with their exit statuses.
    pub(super) ended: Vec<(u32, i32)>,
    /// Whether SIGTERM has arrived.
    pub(super) is_stopped: bool,
}

impl WaitSet {
    /// Waits until something happens, at most for `limit`, and handles it.
    pub(super) fn wait(&mut self, limit: Duration) {
        let limit =
            PollTimeout::try_from(limit.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX);
        let mut all = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        for pipe in self.collector.polled() {
            all.push(PollFd::new(pipe, PollFlags::POLLIN));
        }
        // A failed poll is treated like a short wait: everything is checked anyway.
        let _ready = poll(&mut all, limit);
        self.collector.take();
        while let Ok(Some(signal)) = self.signals.read_signal() {
            self.is_stopped |= i32::try_from(signal.ssi_signo) == Ok(Signal::SIGTERM as i32);
        }
        self.ended.extend(spawn::ended_children());
    }

    /// The exit status of this child, if it has ended.
    pub(super) fn status(&self, pid: u32) -> Option<i32> {
        let (_, status) = self.ended.iter().find(|(ended, _)| *ended == pid)?;
        Some(*status)
    }

    /// Ends every child of this process: the runtime, and the processes that it has started.
    /// Returns the children that do not end, perhaps because they are frozen.
    pub(super) fn end_children(&mut self, patience: Duration) -> Vec<u32> {
        let until = Instant::now() + patience;
        loop {
            self.wait(Duration::ZERO);
            let left = children();
            if left.is_empty() || Instant::now() >= until {
                return left;
            }
            for child in left {
                spawn::kill_child(child);
            }
            self.wait(LOOK);
        }
    }
}

/// This process's children. Ended children that nobody has waited for are not included (proc(5),
/// `/proc/pid/task/tid/children`).
fn children() -> Vec<u32> {
    let mut children = proc::children(std::process::id());
    children.retain(|pid| proc::is_alive(*pid, None));
    children
}
