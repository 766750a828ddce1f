//! Finds the processes that a patch started, and ends them.
//!
//! In: a container; the runtime's processes that run commands in it; and the marker and the pipes
//! of those commands. Out: the living processes of the patch. When the time is up: those processes
//! are ended, and the survivors are returned. Everything in the container is hostile: a process may
//! choose its name, clear its environment, close its pipes, become a daemon, fork as fast as it
//! can, nest namespaces, or share the host's namespaces.
//!
//! A process belongs to the patch in two cases. First: while the process's parents lived, a scan
//! saw that the process descends from the runtime's process. Second: the process is in the
//! container, is not older than the patch, and shows a *trace* of the patch. There are three
//! traces:
//!
//! - the *dye*: a timer slack of a few microseconds more than usual. Every descendant inherits the
//!   dye, whatever the descendant does to its environment, session and descriptors. Only a process
//!   itself can take off its dye (prctl(2)).
//! - the marker, in the environment with which the process was started
//! - one of the patch's pipes
//!
//! An orphan that started during the patch and shows no trace may belong to anybody: the orphan is
//! reported and not touched. Another process that takes on a trace harms only itself. [`table`]
//! decides; [`place`], [`facts`] and [`cgroup`] read.
//!
//! Signals go through pidfds. After a pidfd is open, the start time is compared, so that no other
//! process with the same ID gets the signal. In a user's container, only processes that are in that
//! user's user namespace, or run as that user, get signals.
//!
//! Not checked: processes that others start for the patch, such as a service manager in the
//! container.

mod cgroup;
mod ending;
mod place;
mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use nix::sys::prctl;

pub use self::ending::Patience;
use self::place::ContainerScope;
use self::table::{Baseline, Candidate, Ownership, ProcessKey, Trace};
use crate::exec_patch::job::Container;
use crate::report::line;
use crate::sys::proc::{self, Stat};

/// At most this many descendants are found by one scan: a fork bomb must not make a scan endless.
/// The next scan finds the rest.
const MOST_DESCENDANTS: usize = 8_192;

/// At most this many surviving processes are reported.
const MOST_NAMED: usize = 64;

/// The usual timer slack, in nanoseconds (prctl(2), `PR_SET_TIMERSLACK`).
const USUAL_SLACK: u64 = 50_000;

/// How many different dyes there are. Each dye adds at most ten microseconds to the usual timer
/// slack.
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

/// The processes that a patch started in one container.
#[derive(Debug)]
pub struct Tree {
    place: ContainerScope,
    marker: String,
    /// The timer slack that marks the patch's processes; `None` if it could not be set.
    dye: Option<u64>,
    pipes: BTreeSet<u64>,
    runtimes: BTreeSet<ProcessKey>,
    /// Children that this process had before the patch: they do not belong to the patch.
    others: BTreeSet<ProcessKey>,
    known: Baseline,
}

impl Tree {
    /// Prepares for a container in which nothing has been started yet. `marker` is the whole
    /// variable, `EMBARGO_PATCH=…`, that the payload's environment gets. The calling process must
    /// already be a child subreaper. Call this function before the runtime is started, and in the
    /// same thread: that thread's timer slack dyes its children.
    #[must_use]
    pub fn new(container: &Container, marker: &str) -> Self {
        Self {
            place: ContainerScope::of(container),
            marker: marker.to_owned(),
            dye: dye(marker),
            pipes: BTreeSet::new(),
            runtimes: BTreeSet::new(),
            others: BTreeSet::new(),
            known: Baseline::default(),
        }
    }

    /// Adds the runtime's process, which was just started. The runtime's process must be a child of
    /// this process that nobody has waited for. The command that the runtime starts writes to the
    /// pipes with these inodes ([`super::output::Collector::inodes`]). Call this function once for
    /// each command, including checks.
    pub fn started(&mut self, runtime: u32, pipes: [u64; 2]) {
        self.pipes.extend(pipes);
        self.pipes.remove(&0);
        let own = std::process::id();
        // Nobody has waited for the runtime's process, so it exists, if only as a zombie. The
        // second choice is this process's own start: every younger process is then considered.
        let stat = proc::stat(runtime).or_else(|| proc::stat(own));
        let Some(started) = stat.map(|stat| stat.started) else {
            return;
        };
        if self.runtimes.is_empty() {
            self.known.since = started;
            let mut others = proc::children(own);
            others.retain(|child| *child != runtime);
            self.others = others.into_iter().filter_map(key_of).collect();
        }
        self.runtimes.insert((runtime, started));
        self.known.ours.insert((runtime, started));
    }

    /// Records the present descendants of the runtime's processes. Call this function every 50 to
    /// 100 ms while a command runs, and once after the command has ended. A call is cheap.
    pub fn look(&mut self) {
        self.descend();
    }

    /// The living processes that certainly belong to the patch. The runtime's own processes are not
    /// included.
    #[must_use]
    pub fn alive(&mut self) -> Vec<PatchProcess> {
        let mut alive = self.sure();
        alive.retain(|process| !self.is_runtime(process));
        alive
    }

    /// The patch's zombies: processes that have ended and whose new parent, such as the container's
    /// first process, does not wait for them. Only that parent can remove them.
    #[must_use]
    pub fn zombies(&mut self) -> Vec<PatchProcess> {
        self.descend();
        let ours: BTreeSet<u32> = self.known.ours.iter().map(|(pid, _)| *pid).collect();
        let mut pids = ours.clone();
        // A process that ended before a scan saw it has lost its environment and its pipes, but not
        // its dye.
        for orphan in proc::children(self.place.init.0) {
            if self.is_dyed(orphan) {
                pids.insert(orphan);
            }
        }
        let mut zombies = Vec::new();
        for pid in pids {
            let Some(stat) = proc::stat(pid) else {
                continue;
            };
            let is_watched = stat.parent == std::process::id() || ours.contains(&stat.parent);
            if !stat.is_alive && stat.started >= self.known.since && !is_watched {
                zombies.push(PatchProcess {
                    pid,
                    started: stat.started,
                    name: stat.name,
                    is_sure: true,
                });
            }
        }
        zombies.truncate(MOST_NAMED);
        zombies
    }

    fn is_dyed(&self, pid: u32) -> bool {
        self.dye.is_some() && proc::timer_slack(pid) == self.dye
    }

    fn is_runtime(&self, process: &PatchProcess) -> bool {
        self.runtimes.contains(&process.key())
    }

    /// All live processes that certainly belong to the patch.
    fn sure(&mut self) -> Vec<PatchProcess> {
        let mut alive = self.survey();
        alive.retain(|process| process.is_sure);
        alive
    }

    /// All living processes that belong to the patch, or may belong to the patch: the descendants
    /// of the runtime's processes, and the processes in the container that are not older than the
    /// patch.
    fn survey(&mut self) -> Vec<PatchProcess> {
        let mut stats = self.descend();
        for pid in self.place.processes() {
            if let Some(stat) = proc::stat(pid) {
                stats.entry(pid).or_insert(stat);
            }
        }
        let mut seen = Vec::new();
        for (pid, stat) in &stats {
            seen.push(self.seen(*pid, stat));
        }
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
        while let Some(parent) = parents.pop_front() {
            if stats.len() >= MOST_DESCENDANTS {
                break;
            }
            for child in proc::children(parent) {
                let Some(stat) = proc::stat(child) else {
                    continue;
                };
                let key = (child, stat.started);
                if stat.parent == parent
                    && stat.started >= self.known.since
                    && !self.others.contains(&key)
                    && stats.insert(child, stat).is_none()
                {
                    self.known.ours.insert(key);
                    parents.push_back(child);
                }
            }
        }
        stats
    }

    /// Reads the facts that decide whether one process belongs to the patch. Nothing is read if the
    /// decision is already known.
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
        let pipes: Vec<u64> = self.pipes.iter().copied().collect();
        if self.is_dyed(pid)
            || proc::has_variable(pid, &self.marker)
            || proc::holds_pipe(pid, &pipes)
        {
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
/// processes that were found, and the processes that still live.
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

fn key_of(pid: u32) -> Option<ProcessKey> {
    Some((pid, proc::stat(pid)?.started))
}

/// Whether a process may have got its parent only because its first parent died.
fn may_be_orphan(pid: u32, parent: u32) -> bool {
    let (Some(ids), Some(parents)) = (proc::ids(pid), proc::ids(parent)) else {
        return true;
    };
    gets_orphans(&parents, &ids)
}

/// Whether a process with the IDs `parents` (one for each PID namespace, from the outermost on)
/// becomes the parent of an orphan with the IDs `ids`. The process becomes the parent if it is the
/// first process of its own PID namespace, and the orphan is in that namespace or below. The orphan
/// itself can be the first process of a namespace below, with its parent outside. In the caller's
/// PID namespace, orphans of the patch become the caller's own children.
fn gets_orphans(parents: &[u32], ids: &[u32]) -> bool {
    parents.len() > 1 && ids.len() >= parents.len() && parents.last() == Some(&1)
}

/// Dyes all processes that this thread starts from now on: sets a timer slack that is derived from
/// the marker. Returns that timer slack. `None` if the kernel does not accept the value, as for
/// real-time threads.
fn dye(marker: &str) -> Option<u64> {
    // FNV-1a: any hash that spreads the values is good enough.
    let mut spread = 0xcbf2_9ce4_8422_2325_u64;
    for byte in marker.bytes() {
        spread = (spread ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let slack = USUAL_SLACK + 1 + spread % DYES;
    prctl::set_timerslack(slack).ok()?;
    (prctl::get_timerslack().map(i64::from) == Ok(i64::try_from(slack).ok()?)).then_some(slack)
}

#[cfg(test)]
mod tests;
