//! Describes what a run did, according to its journal.
//!
//! In: a run's directory, which only root writes; names in it are hostile. Out: a [`RunLog`], which
//! has the run's header, and the outcome of each container. A container is *settled* if the run
//! found its outcome without entering the container. The [`RunLog`] also tells which containers
//! failed, which patches were interrupted, and what was carried with the request. It does not have
//! the last lines of output: the files in `output` have more.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::JournalError;
use super::files::{PROGRAM, output};
use super::header::{Carried, RunHeader};
use super::ids::{ContainerKey, WorkerId};
use super::line::{Finished, NotUnderstood, Resumed};
use crate::exec_patch::job::{Container, JobResult};
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::request::limits::Limits;
use crate::exec_patch::request::payload::ProgramFile;
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};

/// The largest script or program that a run's directory may have, in bytes.
pub const LARGEST_PROGRAM: u64 = 1 << 30;

/// The identity of one instance of a container on this node. No two instances have the same
/// identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceId {
    /// The boot ID of the machine.
    pub boot: String,
    /// The container's ID.
    pub id: String,
    /// The process ID of the container's first process.
    pub pid: u32,
    /// When that process was started, in clock ticks since boot.
    pub started: u64,
}

impl InstanceId {
    /// The identity of this container's instance, which was seen in the boot `boot` of the machine.
    #[must_use]
    pub fn of(container: &Container, boot: &str) -> Self {
        Self {
            boot: boot.to_owned(),
            id: container.id.clone(),
            pid: container.pid,
            started: container.started,
        }
    }
}

/// A run, as its journal describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLog {
    /// The run's directory.
    pub directory: PathBuf,
    /// The run's header.
    pub header: RunHeader,
    /// The payloads that the run used in containers.
    pub carried: Vec<Carried>,
    /// The containers for which the run planned patches, each once.
    pub planned: Vec<ContainerKey>,
    /// An entry for each patch of each container, in order, including containers that nothing
    /// entered.
    pub entries: Vec<LogEntry>,
    /// The containers that could not be identified, each once.
    pub unidentified: Vec<NotUnderstood>,
    /// Who resumed the run, once for each resume.
    pub resumed: Vec<Resumed>,
    /// How the run ended; `None` while it is under way, or if it was killed.
    pub finished: Option<Finished>,
}

/// One patch of a container in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When the patch was started; or, if nothing entered the container, when its outcome was
    /// recorded.
    pub at: Timestamp,
    /// The boot ID of the machine.
    pub boot: String,
    /// The digest of what ran, or would have run.
    pub digest: Option<Digest>,
    /// The ban that is the reason for the patch.
    pub ban: Option<String>,
    /// The container that was to be patched.
    pub container: Container,
    /// How far the patch got.
    pub state: EntryState,
}

/// How far a patch of a container got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// The container was entered; no end was recorded.
    Started {
        /// The number of the patch in its run.
        number: usize,
        /// The worker that entered the container.
        worker: WorkerId,
        /// Whether the container was paused, and was to be resumed for the patch.
        unpause: bool,
    },
    /// The container was entered, and the end was recorded.
    Ended {
        /// The number of the patch in its run.
        number: usize,
        /// The result, without the last lines of output.
        done: JobResult,
    },
    /// The run did not enter the container: the container's outcome.
    Settled(Outcome),
}

/// What a run knows about a payload in one instance of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorState<'a> {
    /// Nothing, or only that the run stopped before the container's turn.
    New,
    /// The container was entered; no end was recorded.
    Interrupted(&'a LogEntry),
    /// The patch is over, with this outcome.
    Over(&'a Outcome),
}

impl LogEntry {
    /// The outcome of the patch. A patch without a recorded end counts as interrupted. But if the
    /// patch's worker still runs ([`LogEntry::is_under_way`]), the patch is not interrupted.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        match &self.state {
            EntryState::Started { .. } => &Outcome::Interrupted,
            EntryState::Ended { done, .. } => &done.outcome,
            EntryState::Settled(outcome) => outcome,
        }
    }

    /// The number of the patch; `None` if nothing entered the container.
    #[must_use]
    pub const fn number(&self) -> Option<usize> {
        match self.state {
            EntryState::Started { number, .. } | EntryState::Ended { number, .. } => Some(number),
            EntryState::Settled(_) => None,
        }
    }

    /// Whether this container had its turn before the run stopped.
    fn had_its_turn(&self) -> bool {
        *self.outcome() != Outcome::NotStarted
    }

    /// The container, and the digest of what ran in the container or would have run.
    #[must_use]
    pub fn key(&self) -> (ContainerKey, Option<Digest>) {
        (ContainerKey::of(&self.container), self.digest)
    }

    /// The instance of the container.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        InstanceId::of(&self.container, &self.boot)
    }

    /// Whether the patch's worker runs, or may run: no end is recorded, the machine has not
    /// rebooted, and the process exists.
    #[must_use]
    pub fn is_under_way(&self, boot: &str) -> bool {
        match self.state {
            EntryState::Started { worker, .. } => self.boot == boot && worker.is_alive(),
            EntryState::Ended { .. } | EntryState::Settled(_) => false,
        }
    }
}

impl RunLog {
    /// A run in which nothing has happened yet.
    pub(super) fn new(directory: &Path, header: RunHeader) -> Self {
        Self {
            directory: directory.to_owned(),
            carried: header.carried.clone(),
            header,
            planned: Vec::new(),
            entries: Vec::new(),
            unidentified: Vec::new(),
            resumed: Vec::new(),
            finished: None,
        }
    }

    /// The time of the run's last line.
    #[must_use]
    pub fn last_at(&self) -> Timestamp {
        let mut last = self.header.started;
        for entry in &self.entries {
            last = last.max(entry.at);
        }
        for resumed in &self.resumed {
            last = last.max(resumed.at);
        }
        if let Some(finished) = &self.finished {
            last = last.max(finished.at);
        }
        last
    }

    /// Whether the run was started or resumed in this boot of the machine.
    #[must_use]
    pub fn was_at_work_in(&self, boot: &str) -> bool {
        self.header.boot == boot || self.resumed.iter().any(|resumed| resumed.boot == boot)
    }

    /// What the run knows about the payload with this digest in this instance of a container. The
    /// last such entry decides.
    #[must_use]
    pub fn prior_state(&self, digest: Digest, instance: &InstanceId) -> PriorState<'_> {
        for entry in self.entries.iter().rev() {
            if entry.digest != Some(digest) || entry.instance() != *instance {
                continue;
            }
            return match &entry.state {
                EntryState::Started { .. } => PriorState::Interrupted(entry),
                EntryState::Ended { .. } | EntryState::Settled(_) if entry.had_its_turn() => {
                    PriorState::Over(entry.outcome())
                }
                EntryState::Ended { .. } | EntryState::Settled(_) => PriorState::New,
            };
        }
        PriorState::New
    }

    /// The last entry for each payload in each container, in order.
    fn last_entries(&self) -> Vec<&LogEntry> {
        let (mut seen, mut last) = (HashSet::new(), Vec::new());
        for entry in self.entries.iter().rev() {
            if seen.insert(entry.key()) {
                last.push(entry);
            }
        }
        last.reverse();
        last
    }

    /// All entries of the run, except "not started" entries of containers that got their turn
    /// later.
    #[must_use]
    pub fn reached(&self) -> Vec<&LogEntry> {
        let mut reached: Vec<_> = self.entries.iter().collect();
        reached.retain(|entry| entry.had_its_turn());
        for entry in self.last_entries() {
            if !entry.had_its_turn() {
                reached.push(entry);
            }
        }
        reached
    }

    /// Each planned container, and whether it is ok. The last entry for each payload decides,
    /// whichever instance of the container that entry is about.
    #[must_use]
    pub fn ok(&self) -> HashMap<ContainerKey, bool> {
        let mut ok = HashMap::new();
        for entry in self.last_entries() {
            let (container, _) = entry.key();
            *ok.entry(container).or_insert(true) &= entry.outcome().is_ok();
        }
        for container in &self.planned {
            ok.entry(container.clone()).or_insert(false);
        }
        ok
    }

    /// The planned containers for which the run has no entry.
    #[must_use]
    pub fn not_started(&self) -> Vec<&ContainerKey> {
        let mut known = HashSet::new();
        for entry in &self.entries {
            known.insert(ContainerKey::of(&entry.container));
        }
        let mut containers: Vec<_> = self.planned.iter().collect();
        containers.retain(|container| !known.contains(container));
        containers
    }

    /// The containers that failed, for `--only-failed`. It does not matter which instances of these
    /// containers run now.
    #[must_use]
    pub fn not_ok(&self) -> FailedContainers {
        let mut failed = FailedContainers::default();
        for (container, is_ok) in self.ok() {
            if !is_ok {
                failed.containers.insert(container);
            }
        }
        for unidentified in self.not_understood() {
            if !unidentified.id.is_empty() {
                failed.unidentified.insert(unidentified.id.clone());
            }
        }
        failed
    }

    /// How many containers are ok, and how many are not.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let containers = self.ok();
        let ok = containers.values().filter(|is_ok| **is_ok).count();
        (ok, containers.len() - ok + self.not_understood().len())
    }

    /// The containers that were never identified. A container that was identified later has entries
    /// of its own.
    fn not_understood(&self) -> Vec<&NotUnderstood> {
        let mut known = HashSet::new();
        for entry in &self.entries {
            known.insert(&entry.container.id);
        }
        let mut unidentified: Vec<_> = self.unidentified.iter().collect();
        unidentified.retain(|one| !known.contains(&one.id));
        unidentified
    }

    /// The limits with which the run was last started or resumed.
    #[must_use]
    pub fn pace(&self) -> Limits {
        match self.resumed.last() {
            Some(resumed) => resumed.pace,
            None => self.header.terms.pace,
        }
    }

    /// The longest time limit among the run's payloads. A worker reaches its deadline within this
    /// time.
    #[must_use]
    pub fn longest_job(&self) -> Duration {
        let mut longest = 0;
        for carried in &self.carried {
            longest = carried.work.timeout.max(longest);
        }
        Duration::from_secs(longest)
    }

    /// The next free number for an entry.
    #[must_use]
    pub fn next_number(&self) -> usize {
        let numbers = self.entries.iter().filter_map(LogEntry::number);
        numbers.max().unwrap_or(0) + 1
    }

    /// The file carried with the run, from the run's copy.
    ///
    /// # Errors
    /// [`JournalError::Program`] if the copy has changed, [`JournalError::File`] if it cannot be
    /// read.
    pub fn program(&self) -> Result<Option<ProgramFile>, JournalError> {
        let Some(program) = &self.header.program else {
            return Ok(None);
        };
        let path = self.directory.join(PROGRAM);
        let bytes = file::read(&path, program.size.min(LARGEST_PROGRAM), Guard::Owned)?;
        if Digest::of(&bytes) != program.digest {
            return Err(JournalError::Program(path));
        }
        Ok(Some(ProgramFile {
            name: program.name.clone(),
            bytes: bytes.into(),
            digest: program.digest,
        }))
    }

    /// The path of the file with a container's output, whether or not the file exists; `None` if
    /// nothing entered the container.
    #[must_use]
    pub fn output(&self, entry: &LogEntry) -> Option<PathBuf> {
        let number = entry.number()?;
        Some(output(&self.directory, number, &entry.container.id))
    }
}

/// The failed containers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedContainers {
    containers: HashSet<ContainerKey>,
    unidentified: HashSet<String>,
}

impl FailedContainers {
    /// Whether this container is among the failed ones.
    #[must_use]
    pub fn has(&self, container: &Container) -> bool {
        self.containers.contains(&ContainerKey::of(container))
            || self.unidentified.contains(&container.id)
    }

    /// Whether a container that still cannot be identified is among the failed ones, by its ID.
    #[must_use]
    pub fn has_unidentified(&self, id: &str) -> bool {
        self.unidentified.contains(id) || self.containers.iter().any(|named| named.id == id)
    }
}
