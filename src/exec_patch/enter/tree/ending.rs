//! Ends the processes of a patch.
//!
//! In: the patch's processes, as scans find them. Out: the processes that still live; none if all
//! have ended. Signals go through pidfds. Hostile: all these processes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::place::still_runs;
use super::table::ProcessKey;
use super::{MOST_NAMED, PatchProcess, Tree};
use crate::sys::pidfd::Hold;

/// How often to scan while processes end.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How many scans search for further processes to stop, before the stopped processes are killed.
const MOST_STOPS: usize = 20;

/// How long the runtime's own processes get no signal after the first SIGKILL, so that they can
/// report how their commands ended.
const EXIT_TIME: Duration = Duration::from_millis(250);

/// How long each step of ending a patch may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// From the first SIGKILL to the report that something survived.
    pub kill: Duration,
}

impl Patience {
    /// The usual limits: two seconds for the processes to end by themselves, three for the kernel
    /// to end them.
    pub const USUAL: Self = Self {
        grace: Duration::from_secs(2),
        kill: Duration::from_secs(3),
    };
}

impl Tree {
    /// Ends all processes of the patch: with SIGTERM, and after the grace period with SIGKILL,
    /// until two scans find nothing. `meanwhile` waits for the given time, or shorter, and does the
    /// caller's other work, such as reading output and waiting for the runtime's process. Returns
    /// the processes that still live, including processes of which it is unclear whether they
    /// belong to the patch.
    #[must_use]
    pub fn end(
        &mut self,
        patience: Patience,
        mut meanwhile: impl FnMut(Duration),
    ) -> Vec<PatchProcess> {
        if !self.terminate(patience.grace, &mut meanwhile) {
            self.kill(patience.kill, &mut meanwhile);
        }
        let mut left = self.survey();
        left.truncate(MOST_NAMED);
        left
    }

    /// Sends SIGTERM once to each process, also to processes that appear meanwhile. The runtime's
    /// own processes get no SIGTERM: they end together with their commands, and a runtime would
    /// pass the signal on to its command a second time. Returns whether all processes have ended in
    /// time.
    fn terminate(&mut self, grace: Duration, meanwhile: &mut impl FnMut(Duration)) -> bool {
        let end = Instant::now() + grace;
        let mut signalled = BTreeSet::new();
        let mut quiet = 0;
        while quiet < 2 {
            let alive = self.sure();
            quiet = if alive.is_empty() { quiet + 1 } else { 0 };
            for process in &alive {
                if !self.is_runtime(process) && signalled.insert(process.key()) {
                    self.signal(process, Signal::SIGTERM);
                }
            }
            if Instant::now() >= end {
                return false;
            }
            wait(BETWEEN_LOOKS.min(grace), meanwhile);
        }
        true
    }

    /// Sends SIGKILL to all processes until two scans find none. Before that, each process is
    /// stopped, until no new one appears: a stopped process forks no more and keeps its children,
    /// so they can be found. The runtime's processes get some time to report how their commands
    /// ended.
    fn kill(&mut self, patience: Duration, meanwhile: &mut impl FnMut(Duration)) {
        let start = Instant::now();
        let (end, spared_until) = (start + patience, start + EXIT_TIME.min(patience));
        let mut quiet = 0;
        while quiet < 2 && Instant::now() < end {
            let is_early = Instant::now() < spared_until;
            let spared = if is_early {
                self.runtimes.clone()
            } else {
                BTreeSet::new()
            };
            let alive = self.stop(&spared, if is_early { spared_until } else { end });
            quiet = if alive.is_empty() { quiet + 1 } else { 0 };
            for process in &alive {
                if !spared.contains(&process.key()) {
                    self.signal(process, Signal::SIGKILL);
                }
            }
            wait(BETWEEN_LOOKS.min(patience), meanwhile);
        }
    }

    /// Stops all processes except `spared`, until no new process appears or until `end`. Returns
    /// the living processes.
    fn stop(&mut self, spared: &BTreeSet<ProcessKey>, end: Instant) -> Vec<PatchProcess> {
        let mut stopped = spared.clone();
        let mut alive = Vec::new();
        for _ in 0..MOST_STOPS {
            alive = self.sure();
            let mut new: Vec<_> = alive.iter().collect();
            new.retain(|process| stopped.insert(process.key()));
            if new.is_empty() || Instant::now() >= end {
                break;
            }
            for process in new {
                self.signal(process, Signal::SIGSTOP);
            }
        }
        alive
    }

    /// Sends a signal to a process of the patch, if the process ID still belongs to the same
    /// process and the process may get signals.
    pub(super) fn signal(&self, process: &PatchProcess, signal: Signal) {
        if self.place.protects(process.pid) {
            return;
        }
        // If the signal cannot be sent, the next scan finds the process and reports that it still
        // lives.
        if let Ok(hold) = Hold::on(process.pid)
            && still_runs(process.key())
        {
            let _signalled = hold.signal(signal);
        }
    }
}

/// Waits for all of `time`, however often `meanwhile` returns early. Otherwise a process that
/// prints or forks fast would cause just as many scans.
fn wait(time: Duration, meanwhile: &mut impl FnMut(Duration)) {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        meanwhile(left);
    }
}
