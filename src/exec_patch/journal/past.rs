//! Describes what a run did, as its journal says.
//!
//! In: a run's directory, root's own; names in it are hostile. Out: [`RunLog`]: its header, the
//! outcome of each container that it entered or settled, and what follows: what was interrupted,
//! what failed, what was carried with the request. The last lines of output are not kept here: the
//! files in `output` have more.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::JournalError;
use super::ids::{ContainerKey, WorkerId};
use super::line::{Carried, Finished, NotUnderstood, Resumed, RunHeader};
use crate::exec_patch::job::{Container, JobResult};
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::request::limits::Limits;
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};

/// The journal's name in the directory of its run.
pub const JOURNAL: &str = "journal.jsonl";

/// The name of the copy of the file that a run carried.
pub(super) const PROGRAM: &str = "program";

/// The directory of the outputs, in the directory of its run.
pub const OUTPUT: &str = "output";

/// The most bytes of the file that a run carries.
pub const LARGEST_PROGRAM: u64 = 1 << 30;

/// One instance of a container on this node: no two have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceId {
    /// The boot of the machine.
    pub boot: String,
    /// The container's ID.
    pub id: String,
    /// Its first process.
    pub pid: u32,
    /// When that was started, in clock ticks since boot.
    pub started: u64,
}

impl InstanceId {
    /// The instance of this container, which was seen in this boot of the machine.
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

/// A run by its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLog {
    /// The run's directory.
    pub directory: PathBuf,
    /// Its header.
    pub header: RunHeader,
    /// What it carried into containers.
    pub carried: Vec<Carried>,
    /// The containers that were planned, each once.
    pub planned: Vec<ContainerKey>,
    /// Each entry into a container, and each container that nothing entered, in order.
    pub entries: Vec<LogEntry>,
    /// The containers that could not be identified, each once.
    pub unidentified: Vec<NotUnderstood>,
    /// Who resumed it.
    pub resumed: Vec<Resumed>,
    /// How it ended; none while it is under way, or if it was killed.
    pub finished: Option<Finished>,
}

/// The outcome of a container in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When it was started, or settled.
    pub at: Timestamp,
    /// The boot of the machine.
    pub boot: String,
    /// The digest of what ran, or would have run.
    pub digest: Option<Digest>,
    /// The ban for which it ran, or would have run.
    pub ban: Option<String>,
    /// The container.
    pub container: Container,
    /// How far it got.
    pub state: EntryState,
}

/// How far it got in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// It was entered, and how that ended was not recorded.
    Started {
        /// With this number.
        number: usize,
        /// By whom.
        worker: WorkerId,
        /// Whether it was paused, to be resumed for the patch.
        unpause: bool,
    },
    /// It was entered, and ended.
    Ended {
        /// With this number.
        number: usize,
        /// The result. `tail` is empty.
        done: JobResult,
    },
    /// Nothing entered it, for this reason.
    Settled(Outcome),
}

/// What a run knows of an instance of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorState<'a> {
    /// Nothing, or only that its turn never came.
    New,
    /// It was entered, and how that ended is not known.
    Interrupted(&'a LogEntry),
    /// This outcome.
    Over(&'a Outcome),
}

impl LogEntry {
    /// How it ended. One that was started and has no end counts as interrupted once its worker is
    /// gone.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        match &self.state {
            EntryState::Started { .. } => &Outcome::Interrupted,
            EntryState::Ended { done, .. } => &done.outcome,
            EntryState::Settled(outcome) => outcome,
        }
    }

    /// Its number; none if nothing entered the container.
    #[must_use]
    pub const fn number(&self) -> Option<usize> {
        match self.state {
            EntryState::Started { number, .. } | EntryState::Ended { number, .. } => Some(number),
            EntryState::Settled(_) => None,
        }
    }

    /// Which container, and what ran there or would have run.
    #[must_use]
    pub fn key(&self) -> (ContainerKey, Option<Digest>) {
        (ContainerKey::of(&self.container), self.digest)
    }

    /// Which instance of the container it was.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        InstanceId::of(&self.container, &self.boot)
    }

    /// Whether its worker is at work, or may be: the machine has not rebooted, and the process
    /// exists.
    #[must_use]
    pub fn is_under_way(&self, boot: &str) -> bool {
        match self.state {
            EntryState::Started { worker, .. } => self.boot == boot && worker.is_alive(),
            EntryState::Ended { .. } | EntryState::Settled(_) => false,
        }
    }
}

impl RunLog {
    /// When it wrote its last line.
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

    /// Whether it was at work in this boot of the machine.
    #[must_use]
    pub fn was_at_work_in(&self, boot: &str) -> bool {
        self.header.boot == boot || self.resumed.iter().any(|resumed| resumed.boot == boot)
    }

    /// What it knows about the payload with this digest in this instance of a container: its last
    /// record.
    #[must_use]
    pub fn prior_state(&self, digest: Digest, instance: &InstanceId) -> PriorState<'_> {
        let Some(entry) = self.entries.iter().rev().find(|entry| {
            entry.digest == Some(digest)
                && entry.container.id == instance.id
                && entry.instance() == *instance
        }) else {
            return PriorState::New;
        };
        if matches!(entry.state, EntryState::Started { .. }) {
            PriorState::Interrupted(entry)
        } else if *entry.outcome() == Outcome::NotStarted {
            PriorState::New
        } else {
            PriorState::Over(entry.outcome())
        }
    }

    /// The last entry on each payload in each container, in order.
    fn last_entries(&self) -> Vec<&LogEntry> {
        let mut seen = HashSet::new();
        let mut last: Vec<_> = self.entries.iter().rev().collect();
        last.retain(|entry| seen.insert(entry.key()));
        last.reverse();
        last
    }

    /// What it did: every entry, without turns that were first skipped and came later.
    #[must_use]
    pub fn reached(&self) -> Vec<&LogEntry> {
        let mut not_started = self.last_entries();
        not_started.retain(|entry| *entry.outcome() == Outcome::NotStarted);
        let mut reached: Vec<_> = self.entries.iter().collect();
        reached.retain(|entry| *entry.outcome() != Outcome::NotStarted);
        reached.extend(not_started);
        reached
    }

    /// Each planned container: whether it is ok, whichever the instance, by the last entry on each
    /// payload there.
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

    /// The planned containers about which it has nothing more.
    #[must_use]
    pub fn not_started(&self) -> Vec<&ContainerKey> {
        let mut containers: Vec<_> = self.planned.iter().collect();
        let known: HashSet<_> = self.entries.iter().map(|entry| entry.key().0).collect();
        containers.retain(|container| !known.contains(container));
        containers
    }

    /// Which containers failed, whichever instance runs now: for `--only-failed`.
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

    /// The containers that were never identified: the others have their own outcomes.
    fn not_understood(&self) -> Vec<&NotUnderstood> {
        let known: HashSet<_> = self
            .entries
            .iter()
            .map(|entry| &entry.container.id)
            .collect();
        let mut unidentified: Vec<_> = self.unidentified.iter().collect();
        unidentified.retain(|one| !known.contains(&one.id));
        unidentified
    }

    /// The pace at which it last ran.
    #[must_use]
    pub fn pace(&self) -> Limits {
        self.resumed
            .last()
            .map_or(self.header.terms.pace, |resumed| resumed.pace)
    }

    /// How long its workers take at most to reach their deadlines.
    #[must_use]
    pub fn longest_job(&self) -> Duration {
        let timeouts = self.carried.iter().map(|carried| carried.work.timeout);
        Duration::from_secs(timeouts.max().unwrap_or(0))
    }

    /// The first number that no entry has.
    #[must_use]
    pub fn next_number(&self) -> usize {
        let numbers = self.entries.iter().filter_map(LogEntry::number);
        numbers.max().unwrap_or(0) + 1
    }

    /// The file that it carried, unchanged.
    ///
    /// # Errors
    /// [`JournalError::Program`] if the copy has changed, [`JournalError::File`] if it cannot be
    /// read.
    pub fn program(&self) -> Result<Option<Vec<u8>>, JournalError> {
        let Some(program) = &self.header.program else {
            return Ok(None);
        };
        let path = self.directory.join(PROGRAM);
        let bytes = file::read(&path, program.size.min(LARGEST_PROGRAM), Guard::Owned)?;
        if Digest::of(&bytes) == program.digest {
            Ok(Some(bytes))
        } else {
            Err(JournalError::Program(path))
        }
    }

    /// The file with a container's output, whether or not it exists.
    #[must_use]
    pub fn output(&self, entry: &LogEntry) -> Option<PathBuf> {
        let number = entry.number()?;
        Some(output(&self.directory, number, &entry.container.id))
    }
}

/// The containers of a run that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedContainers {
    containers: HashSet<ContainerKey>,
    unidentified: HashSet<String>,
}

impl FailedContainers {
    /// Whether this container is one of them.
    #[must_use]
    pub fn has(&self, container: &Container) -> bool {
        self.containers.contains(&ContainerKey::of(container))
            || self.unidentified.contains(&container.id)
    }

    /// Whether one that still cannot be identified is one of them, by its ID.
    #[must_use]
    pub fn has_unidentified(&self, id: &str) -> bool {
        self.unidentified.contains(id) || self.containers.iter().any(|named| named.id == id)
    }
}

/// The name of the marker file for a run that was resumed in this boot of the machine.
pub(super) fn resumed(boot: &str) -> String {
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    format!("resumed-{}", boot.chars().filter(fits).collect::<String>())
}

/// How many bytes the files of a directory have; none if it does not exist.
#[must_use]
pub fn bytes_in(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|facts| facts.len())
        .sum()
}

/// The file for a container's output, in the directory of its run.
pub(super) fn output(run: &Path, number: usize, id: &str) -> PathBuf {
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || "_+.-".contains(*letter);
    let short: String = id.chars().filter(fits).take(12).collect();
    run.join(OUTPUT).join(format!("{number}-{short}"))
}
