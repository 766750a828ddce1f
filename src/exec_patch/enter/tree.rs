//! Finds the processes that a patch started, and ends them.
//!
//! In: a container, the runtime's processes that run commands in it, and the marker and the pipes
//! that they give to their commands. Out: which processes of the patch are alive; when its time is
//! up, that they are ended, or which are left. Everything in the container is hostile: a process
//! may choose its name, clear its environment, close its pipes, become a daemon, fork as fast as it
//! can, nest namespaces, or share the host's.
//!
//! A process belongs to the patch if it descends from the runtime's, seen while its parents lived,
//! or if it is in the container, not older than the patch, and shows a trace: the *dye* (a timer
//! slack of a few microseconds more than usual, which every descendant inherits whatever it does to
//! its environment, session and descriptors, and can only take off itself, prctl(2)), the marker in
//! the environment that it was started with, or one of the patch's pipes. An orphan that started
//! meanwhile and shows no trace may be anybody's: it is named and not touched. Another process that
//! takes on a trace harms only itself. [`table`] decides; [`place`], [`facts`] and [`cgroup`] read.
//!
//! Signals go through pidfds, opened first and then compared with the start time, so that no other
//! process with the same ID gets one. In a user's container only what is in that user's user
//! namespace, or runs as that user, gets one.
//!
//! Not checked: what the patch asked others to start, such as a service manager in the container.

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

/// The most descendants that one scan finds: a fork bomb must not make it endless. The next scan
/// finds the rest.
const MOST_DESCENDANTS: usize = 8_192;

/// How many survivors are reported.
const MOST_NAMED: usize = 64;

/// How often to scan while processes end.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How often to scan for more to stop, before the stopped ones are killed.
const MOST_STOPS: usize = 20;

/// How long the runtime's processes are spared after the first SIGKILL.
const EXIT_TIME: Duration = Duration::from_millis(250);

/// The usual timer slack, in nanoseconds (prctl(2), `PR_SET_TIMERSLACK`).
const USUAL_SLACK: u64 = 50_000;

/// How many dyes there are: at most ten microseconds more.
const DYES: u64 = 9_999;

/// A process of a patch, or one that may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchProcess {
    /// Its process ID, as the host counts.
    pub pid: u32,
    /// When it was started, in clock ticks since boot.
    pub started: u64,
    /// Its own name: hostile.
    pub name: String,
    /// Whether it certainly belongs to the patch; `false` for one that started meanwhile and may
    /// not.
    pub is_sure: bool,
}

impl PatchProcess {
    const fn key(&self) -> ProcessKey {
        (self.pid, self.started)
    }
}

impl fmt::Display for PatchProcess {
    /// `4711 sleep`, followed by `(may be its)` if that is not certain; the name is quoted unless
    /// it is plain.
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
    /// The usual limits: two seconds to end in good order, three for the kernel to end it.
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
    /// The timer slack that marks its processes; `None` if it could not be set.
    dye: Option<u64>,
    pipes: BTreeSet<u64>,
    runtimes: BTreeSet<ProcessKey>,
    /// Children that this process had before: not the patch's.
    others: BTreeSet<ProcessKey>,
    known: Baseline,
}

impl Tree {
    /// For a container in which nothing has been started yet. `marker` is the whole variable,
    /// `EMBARGO_PATCH=…`, that the payload's environment gets. Call it in the thread that will
    /// start the runtime, before it does, with this process already a child subreaper: the thread's
    /// timer slack dyes its children.
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

    /// Adds the runtime's process, which was just started: a child of this process that has not
    /// been waited for, whose command writes to the pipes with these inodes
    /// ([`super::output::Collector::inodes`]). Call it once for each command, including checks.
    pub fn started(&mut self, runtime: u32, pipes: [u64; 2]) {
        self.pipes
            .extend(pipes.into_iter().filter(|inode| *inode != 0));
        let own = std::process::id();
        // It exists, if only as a zombie. If not, every process that is younger than this one would
        // be considered.
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

    /// Records the present descendants of the runtime's processes: call it every 50 to 100 ms while
    /// one runs, and once after it has ended. Cheap.
    pub fn look(&mut self) {
        self.descend();
    }

    /// The live processes that certainly belong to the patch, without the runtime's own.
    #[must_use]
    pub fn alive(&mut self) -> Vec<PatchProcess> {
        let mut alive = self.survey();
        alive.retain(|process| process.is_sure && !self.is_runtime(process));
        alive
    }

    /// The patch's processes that have ended and became children of a process outside the patch
    /// that does not wait for them, such as the container's first one: they stay as zombies, and
    /// nobody else can remove them.
    #[must_use]
    pub fn zombies(&mut self) -> Vec<PatchProcess> {
        self.descend();
        // A process that ended unseen has lost its environment and its pipes, but not its dye.
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

    /// Ends all of it: SIGTERM, and after the grace period SIGKILL until two scans find nothing.
    /// `meanwhile` waits for the given time, or shorter, and does the other work, such as reading
    /// output and waiting for the runtime's process. Returns what is left, or may be the patch's.
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

    /// Sends SIGTERM to each once, including those that appear meanwhile. The runtime's processes
    /// end with what they run; a runtime would pass the signal on a second time. Returns whether
    /// all have ended in time.
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

    /// Sends SIGKILL to all until two scans find none. Each is stopped first, until no new one
    /// appears: a stopped process forks no more and keeps its children, so they can be found. The
    /// runtime's processes get some time to report how their command ended.
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

    /// Stops all but the `spared` until no new one appears, or until `end`. Returns what is alive.
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

    /// Sends a signal to a process of the patch, if it is still that process, and may be signalled.
    fn signal(&self, process: &PatchProcess, signal: Signal) {
        if self.place.protects(process.pid) {
            return;
        }
        // The next scan finds what could not be signalled, and reports it as left.
        if let Ok(hold) = Hold::on(process.pid)
            && still_runs(process.key())
        {
            let _told = hold.signal(signal);
        }
    }

    fn is_runtime(&self, process: &PatchProcess) -> bool {
        self.runtimes.contains(&process.key())
    }

    /// All live processes that belong to the patch, or may: its descendants, and whatever in its
    /// container is not older.
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

    /// Follows the children of the patch's known processes, and of this process, which gets the
    /// orphans in its own PID namespace. Forgets what is gone.
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

    /// Reads what decides about one process; nothing is read if it is already decided.
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
        // Nobody leaves an audit session without CAP_AUDIT_CONTROL (Linux: kernel/audit.c,
        // `audit_set_loginuid_perm`).
        let is_other = self.place.session.is_some() && proc::session(pid) != self.place.session;
        if is_other {
            Trace::Other
        } else {
            Trace::Nothing
        }
    }
}

/// The live processes in the container that belong to a dead worker's patch: those that show its
/// marker or its dye.
#[must_use]
pub fn left_by(container: &Container, marker: &str) -> Vec<PatchProcess> {
    let left = Tree::new(container, marker).alive();
    // Nothing that this thread starts is that patch's.
    let _usual_again = prctl::set_timerslack(0);
    left
}

/// Ends those, as the worker would have at its deadline. Returns what there was, and what is left.
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
    // Nothing that this thread starts is that patch's.
    let _usual_again = prctl::set_timerslack(0);
    (found, left)
}

/// Waits all of `time`, however often `meanwhile` returns early: a process that prints or forks
/// quickly must not cause scans as quickly.
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

/// Whether a process may have become its parent's child because another one died.
fn may_be_orphan(pid: u32, parent: u32) -> bool {
    let (Some(ids), Some(parents)) = (proc::ids(pid), proc::ids(parent)) else {
        return true;
    };
    gets_orphans(&parents, &ids)
}

/// Whether the parent with these IDs, one for each PID namespace from the outermost on, gets such
/// an orphan: it is the first process of its own namespace, and the orphan is in that namespace or
/// below. The orphan can itself be the first process of a namespace below, with its parent outside.
/// In the caller's PID namespace orphans of the patch become the caller's own children.
fn gets_orphans(parents: &[u32], ids: &[u32]) -> bool {
    parents.len() > 1 && ids.len() >= parents.len() && parents.last() == Some(&1)
}

/// Dyes what this thread starts from now on, with a value derived from the marker, and returns it;
/// `None` if the kernel does not accept it, as for real-time threads.
fn dye(marker: &str) -> Option<u64> {
    // FNV-1a: any spread will do.
    let spread = marker.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let slack = USUAL_SLACK + 1 + spread % DYES;
    prctl::set_timerslack(slack).ok()?;
    (prctl::get_timerslack().map(i64::from) == Ok(i64::try_from(slack).ok()?)).then_some(slack)
}

#[cfg(test)]
mod tests;
