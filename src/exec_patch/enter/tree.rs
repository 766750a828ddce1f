//! Finds the processes that a patch started, and ends them.
//!
//! In: a container; the runtime's processes that run commands in it; and the marker and the pipes
//! of those commands. Out: the living processes of the patch. When the time is up: those processes
//! are ended, and the survivors are returned. Everything in the container is hostile: a process may
//! choose its name, clear its environment, close its pipes, become a daemon, fork as fast as it
//! can, nest namespaces, or share the host's.
//!
//! A process belongs to the patch in two cases. First: a scan saw that it descends from the
//! runtime's process, while its parents lived. Second: it is in the container, is not older than
//! the patch, and shows a *trace* of the patch. There are three traces:
//!
//! - the *dye*: a timer slack of a few microseconds more than usual. Every descendant inherits it,
//!   whatever the descendant does to its environment, session and descriptors. Only a process
//!   itself can take off its dye (prctl(2)).
//! - the marker, in the environment with which the process was started
//! - one of the patch's pipes
//!
//! An orphan that started during the patch and shows no trace may be anybody's: it is reported and
//! not touched. Another process that takes on a trace harms only itself. [`table`] decides;
//! [`place`], [`facts`] and [`cgroup`] read.
//!
//! Signals go through pidfds. After a pidfd is open, the start time is compared, so that no other
//! process with the same ID gets the signal. In a user's container, only processes that are in that
//! user's user namespace, or run as that user, get signals.
//!
//! Not checked: processes that others start for the patch, such as a service manager in the
//! container.

mod cgroup;
mod place;
mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::Signal;

use self::place::{ContainerScope, still_runs};
use self::table::{Baseline, Candidate, Ownership, ProcessKey, Trace};
use crate::exec_patch::job::Container;
use crate::report::line;
use crate::sys::pidfd::Hold;
use crate::sys::proc::{self, Stat};

/// At most this many descendants are found by one scan: a fork bomb must not make a scan endless.
/// The next scan finds the rest.
const MOST_DESCENDANTS: usize = 8_192;

/// At most this many surviving processes are reported.
const MOST_NAMED: usize = 64;

/// How often to scan while processes end.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How many scans look for further processes to stop, before the stopped ones are killed.
const MOST_STOPS: usize = 20;

/// How long the runtime's processes are spared after the first SIGKILL.
const EXIT_TIME: Duration = Duration::from_millis(250);

/// The usual timer slack, in nanoseconds (prctl(2), `PR_SET_TIMERSLACK`).
const USUAL_SLACK: u64 = 50_000;

/// How many different dyes there are. Each adds at most ten microseconds to the usual timer slack.
const DYES: u64 = 9_999;

/// A process that belongs to a patch, or may belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchProcess {
    /// Its process ID in the host's PID namespace.
    pub pid: u32,
    /// When the process was started, in clock ticks since boot.
    pub started: u64,
    /// The name that the process gave itself: hostile.
    pub name: String,
    /// Whether the process certainly belongs to the patch. If not, it started during the patch and
    /// may be somebody else's.
    pub is_sure: bool,
}

impl PatchProcess {
    const fn key(&self) -> ProcessKey {
        (self.pid, self.started)
    }
}

impl fmt::Display for PatchProcess {
    /// `4711 sleep`. If the process is not certainly the patch's, `(may be its)` follows. The name
    /// is quoted unless it is plain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, line::name(&self.name))?;
        if self.is_sure {
            Ok(())
        } else {
            f.write_str(" (may be its)")
        }
    }
}

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

/// The processes that a patch started in one container.
#[derive(Debug)]
pub struct Tree {
    place: ContainerScope,
    marker: String,
    /// The timer slack that marks the patch's processes; `None` if it could not be set.
    dye: Option<u64>,
    pipes: BTreeSet<u64>,
    runtimes: BTreeSet<ProcessKey>,
    /// Children that this process had before the patch: they do not belong to it.
    others: BTreeSet<ProcessKey>,
    known: Baseline,
}

impl Tree {
    /// Prepares for a container in which nothing has been started yet. `marker` is the whole
    /// variable, `EMBARGO_PATCH=…`, that the payload's environment gets. This process must already
    /// be a child subreaper. Call this function before the runtime is started, and in the same
    /// thread: that thread's timer slack dyes its children.
    #[must_use]
    pub fn new(container: &Container, marker: &str) -> Self {
        let place = ContainerScope::of(container);
        let (marker, dye) = (marker.to_owned(), dye(marker));
        Self {
            place,
            marker,
            dye,
            pipes: BTreeSet::new(),
            runtimes: BTreeSet::new(),
            others: BTreeSet::new(),
            known: Baseline::default(),
        }
    }

    /// Adds the runtime's process, which was just started. It must be a child of this process that
    /// nobody has waited for. Its command writes to the pipes with these inodes
    /// ([`super::output::Collector::inodes`]). Call this function once for each command, including
    /// checks.
    pub fn started(&mut self, runtime: u32, pipes: [u64; 2]) {
        self.pipes
            .extend(pipes.into_iter().filter(|inode| *inode != 0));
        let own = std::process::id();
        // Nobody has waited for the runtime's process, so it exists, if only as a zombie. The
        // second choice is this process's own start: every younger process is then considered.
        let stat = proc::stat(runtime).or_else(|| proc::stat(own));
        let Some(started) = stat.map(|stat| stat.started) else {
            return;
        };
        if self.runtimes.is_empty() {
            self.known.since = started;
            self.others = proc::children(own)
                .into_iter()
                .filter(|child| *child != runtime)
                .filter_map(key_of)
                .collect();
        }
        self.runtimes.insert((runtime, started));
        self.known.ours.insert((runtime, started));
    }

    /// Records the present descendants of the runtime's processes. Call this function every 50 to
    /// 100 ms while a command runs, and once after it has ended. It is cheap.
    pub fn look(&mut self) {
        self.descend();
    }

    /// The living processes that certainly belong to the patch. The runtime's own processes are not
    /// included.
    #[must_use]
    pub fn alive(&mut self) -> Vec<PatchProcess> {
        let mut alive = self.survey();
        alive.retain(|process| process.is_sure && !self.is_runtime(process));
        alive
    }

    /// The patch's zombies: processes that have ended and whose new parent, such as the container's
    /// first process, does not wait for them. Only that parent can remove them.
    #[must_use]
    pub fn zombies(&mut self) -> Vec<PatchProcess> {
        self.descend();
        // A process that ended before a scan saw it has lost its environment and its pipes, but not
        // its dye.
        let is_dyed = |pid: &u32| self.dye.is_some() && proc::timer_slack(*pid) == self.dye;
        let orphans = proc::children(self.place.init.0)
            .into_iter()
            .filter(is_dyed);
        let pids: BTreeSet<u32> = self
            .known
            .ours
            .iter()
            .map(|(pid, _)| *pid)
            .chain(orphans)
            .collect();
        let is_ours = |pid: u32| {
            pid == std::process::id() || self.known.ours.iter().any(|(ours, _)| *ours == pid)
        };
        let zombie = |pid: u32| {
            let stat = proc::stat(pid).filter(|stat| {
                !stat.is_alive && stat.started >= self.known.since && !is_ours(stat.parent)
            })?;
            Some(PatchProcess {
                pid,
                started: stat.started,
                name: stat.name,
                is_sure: true,
            })
        };
        pids.into_iter()
            .filter_map(zombie)
            .take(MOST_NAMED)
            .collect()
    }

    /// Ends all processes of the patch: with SIGTERM, and after the grace period with SIGKILL,
    /// until two scans find nothing. `meanwhile` waits for the given time, or shorter, and does the
    /// caller's other work, such as reading output and waiting for the runtime's process. Returns
    /// the processes that still live, including those that only may be the patch's.
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
    /// own processes get none: they end together with their commands, and a runtime would pass the
    /// signal on to its command a second time. Returns whether all processes have ended in time.
    fn terminate(&mut self, grace: Duration, meanwhile: &mut impl FnMut(Duration)) -> bool {
        let end = Instant::now() + grace;
        let mut told = BTreeSet::new();
        let mut quiet = 0;
        while quiet < 2 {
            let alive: Vec<_> = self
                .survey()
                .into_iter()
                .filter(|process| process.is_sure)
                .collect();
            quiet = if alive.is_empty() { quiet + 1 } else { 0 };
            for process in alive.iter().filter(|process| !self.is_runtime(process)) {
                if told.insert(process.key()) {
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
            for process in alive
                .iter()
                .filter(|process| !spared.contains(&process.key()))
            {
                self.signal(process, Signal::SIGKILL);
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
            alive = self.survey();
            alive.retain(|process| process.is_sure);
            let new: Vec<_> = alive
                .iter()
                .filter(|process| stopped.insert(process.key()))
                .collect();
            if new.is_empty() || Instant::now() >= end {
                break;
            }
            for process in new {
                self.signal(process, Signal::SIGSTOP);
            }
        }
        alive
    }

    /// Sends a signal to a process of the patch, if the process ID still means the same process and
    /// the process may get signals.
    fn signal(&self, process: &PatchProcess, signal: Signal) {
        if self.place.protects(process.pid) {
            return;
        }
        // A process that could not get the signal is found by the next scan, which reports it as
        // left.
        if let Ok(hold) = Hold::on(process.pid)
            && still_runs(process.key())
        {
            let _told = hold.signal(signal);
        }
    }

    fn is_runtime(&self, process: &PatchProcess) -> bool {
        self.runtimes.contains(&process.key())
    }

    /// All living processes that belong to the patch, or may belong to it: its descendants, and the
    /// processes in its container that are not older than the patch.
    fn survey(&mut self) -> Vec<PatchProcess> {
        let mut stats = self.descend();
        for pid in self.place.processes() {
            if let Some(stat) = proc::stat(pid) {
                stats.entry(pid).or_insert(stat);
            }
        }
        let seen: Vec<_> = stats
            .iter()
            .map(|(pid, stat)| self.seen(*pid, stat))
            .collect();
        let mut alive = Vec::new();
        for (process, ownership) in seen.iter().zip(table::judge(&seen, &self.known)) {
            let is_sure = match ownership {
                Ownership::Ours => true,
                Ownership::Unclear => false,
                Ownership::Others => continue,
            };
            if is_sure {
                self.known.ours.insert((process.pid, process.started));
            }
            let stat = &stats[&process.pid];
            if stat.is_alive {
                alive.push(PatchProcess {
                    pid: process.pid,
                    started: process.started,
                    name: stat.name.clone(),
                    is_sure,
                });
            }
        }
        alive
    }

    /// Records the children of the patch's known processes, and the children of this process: in
    /// its own PID namespace, this process becomes the parent of orphans. Processes that are gone
    /// are forgotten.
    fn descend(&mut self) -> BTreeMap<u32, Stat> {
        let mut stats = BTreeMap::new();
        self.known
            .ours
            .retain(|(pid, started)| match proc::stat(*pid) {
                Some(stat) if stat.started == *started => stats.insert(*pid, stat).is_none(),
                _ => false,
            });
        let mut parents: VecDeque<u32> = stats.keys().copied().collect();
        if !self.runtimes.is_empty() && prctl::get_child_subreaper() == Ok(true) {
            parents.push_back(std::process::id());
        }
        while let Some(parent) = parents
            .pop_front()
            .filter(|_| stats.len() < MOST_DESCENDANTS)
        {
            for child in proc::children(parent) {
                let Some(stat) = proc::stat(child)
                    .filter(|stat| stat.parent == parent && stat.started >= self.known.since)
                else {
                    continue;
                };
                let key = (child, stat.started);
                if !self.others.contains(&key) && stats.insert(child, stat).is_none() {
                    self.known.ours.insert(key);
                    parents.push_back(child);
                }
            }
        }
        stats
    }

    /// Reads what decides whether one process belongs to the patch. Nothing is read if that is
    /// already decided.
    fn seen(&self, pid: u32, stat: &Stat) -> Candidate {
        let is_open =
            stat.started >= self.known.since && !self.known.ours.contains(&(pid, stat.started));
        let is_inside = is_open && self.place.has(pid);
        let trace = if is_inside {
            self.trace(pid)
        } else {
            Trace::Nothing
        };
        let is_orphan = is_inside && trace != Trace::Patch && may_be_orphan(pid, stat.parent);
        Candidate {
            pid,
            started: stat.started,
            parent: stat.parent,
            is_inside,
            trace,
            is_orphan,
        }
    }

    fn trace(&self, pid: u32) -> Trace {
        let is_dyed = self.dye.is_some() && proc::timer_slack(pid) == self.dye;
        let pipes: Vec<u64> = self.pipes.iter().copied().collect();
        if is_dyed || proc::has_variable(pid, &self.marker) || proc::holds_pipe(pid, &pipes) {
            return Trace::Patch;
        }
        // No process leaves its audit session without CAP_AUDIT_CONTROL (Linux: kernel/audit.c,
        // `audit_set_loginuid_perm`).
        let is_other = self.place.session.is_some() && proc::session(pid) != self.place.session;
        if is_other {
            Trace::Other
        } else {
            Trace::Nothing
        }
    }
}

/// The living processes of a patch whose worker is dead: the processes in the container that show
/// that patch's marker or dye.
#[must_use]
pub fn left_by(container: &Container, marker: &str) -> Vec<PatchProcess> {
    let left = Tree::new(container, marker).alive();
    // Resets this thread's timer slack: whatever the thread starts later does not belong to that
    // patch.
    let _usual_again = prctl::set_timerslack(0);
    left
}

/// Ends the processes that [`left_by`] finds, as the worker would have at its deadline. Returns the
/// processes that it found, and those that still live.
#[must_use]
pub fn end_left_by(container: &Container, marker: &str) -> (Vec<PatchProcess>, Vec<PatchProcess>) {
    let mut tree = Tree::new(container, marker);
    let found = tree.alive();
    let mut left = if found.is_empty() {
        Vec::new()
    } else {
        tree.end(Patience::USUAL, std::thread::sleep)
    };
    left.retain(|process| process.is_sure);
    // Resets this thread's timer slack: whatever the thread starts later does not belong to that
    // patch.
    let _usual_again = prctl::set_timerslack(0);
    (found, left)
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

fn key_of(pid: u32) -> Option<ProcessKey> {
    Some((pid, proc::stat(pid)?.started))
}

/// Whether a process may be its parent's child only because its first parent died.
fn may_be_orphan(pid: u32, parent: u32) -> bool {
    let (Some(ids), Some(parents)) = (proc::ids(pid), proc::ids(parent)) else {
        return true;
    };
    gets_orphans(&parents, &ids)
}

/// Whether a process with the IDs `parents` (one for each PID namespace, from the outermost on)
/// becomes the parent of an orphan with the IDs `ids`. It does if it is the first process of its
/// own PID namespace, and the orphan is in that namespace or below. The orphan itself can be the
/// first process of a namespace below, with its parent outside. In the caller's PID namespace,
/// orphans of the patch become the caller's own children.
fn gets_orphans(parents: &[u32], ids: &[u32]) -> bool {
    parents.len() > 1 && ids.len() >= parents.len() && parents.last() == Some(&1)
}

/// Dyes all processes that this thread starts from now on, with a timer slack derived from the
/// marker, and returns that value. `None` if the kernel does not accept the value, as for real-time
/// threads.
fn dye(marker: &str) -> Option<u64> {
    // FNV-1a: any hash that spreads the values is good enough.
    let spread = marker.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let slack = USUAL_SLACK + 1 + spread % DYES;
    prctl::set_timerslack(slack).ok()?;
    (prctl::get_timerslack().map(i64::from) == Ok(i64::try_from(slack).ok()?)).then_some(slack)
}

#[cfg(test)]
mod tests;
