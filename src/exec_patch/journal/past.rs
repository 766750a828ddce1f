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
use super::line::{Carried, Finished, Header, Named, Resumed, Stranger, Worker};
use super::reading;
use crate::exec_patch::job::{Container, Done};
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::pace::Limits;
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};

/// The journal's name in the folder of its run.
pub const JOURNAL: &str = "journal.jsonl";

/// The name of the copy of what a run brought along.
pub(super) const BROUGHT: &str = "brought";

/// The folder of what was printed, in that of its run.
pub const OUTPUT: &str = "output";

/// The most bytes of what a run brings along.
pub const LARGEST_BROUGHT: u64 = 1 << 30;

/// One life of a container on this node: no two have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Life {
    /// The start of the machine.
    pub boot: String,
    /// The container's ID.
    pub id: String,
    /// Its first process.
    pub pid: u32,
    /// When that was started, in clock ticks since boot.
    pub started: u64,
}

impl Life {
    /// The life of this container, which was seen in this start of the machine.
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
    /// The run's folder.
    pub folder: PathBuf,
    /// What it is.
    pub header: Header,
    /// What it carried into containers.
    pub carried: Vec<Carried>,
    /// What was to be entered, each once.
    pub planned: Vec<Named>,
    /// Each entry into a container, and each container that nothing entered, in the order in which
    /// they were begun.
    pub entries: Vec<Entry>,
    /// The containers that were not understood, each once.
    pub strangers: Vec<Stranger>,
    /// Who went on with it.
    pub resumed: Vec<Resumed>,
    /// How it ended; none of one that is under way, or was killed.
    pub finished: Option<Finished>,
}

/// What became of a container in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was begun, or settled.
    pub at: Timestamp,
    /// The start of the machine.
    pub boot: String,
    /// The digest of what ran, or would have.
    pub digest: Option<Digest>,
    /// The ban for which it ran, or would have.
    pub ban: Option<String>,
    /// The container.
    pub container: Container,
    /// How far it came.
    pub state: State,
}

/// How far it came in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was entered, and nobody wrote down how that ended.
    Begun {
        /// With this number.
        number: usize,
        /// By whom.
        worker: Worker,
        /// Whether it was paused, and to be resumed for it.
        thaws: bool,
    },
    /// It was entered, and ended so.
    Ended {
        /// With this number.
        number: usize,
        /// What became of it. `tail` is empty.
        done: Done,
    },
    /// Nothing entered it, for this reason.
    Settled(Outcome),
}

/// What a run knows of a life of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Nothing, or that its turn never came.
    New,
    /// It was entered, and nobody knows how that ended.
    Interrupted(&'a Entry),
    /// This.
    Over(&'a Outcome),
}

impl Entry {
    /// How it ended. One that was begun and has no end is interrupted, once its worker is gone.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        match &self.state {
            State::Begun { .. } => &Outcome::Interrupted,
            State::Ended { done, .. } => &done.outcome,
            State::Settled(outcome) => outcome,
        }
    }

    /// Which life of the container it was.
    #[must_use]
    pub fn life(&self) -> Life {
        Life::of(&self.container, &self.boot)
    }

    /// Whether its worker is at work, or can be: the machine has not been started again, and the
    /// process is there.
    #[must_use]
    pub fn is_under_way(&self, boot: &str) -> bool {
        match self.state {
            State::Begun { worker, .. } => self.boot == boot && worker.is_alive(),
            State::Ended { .. } | State::Settled(_) => false,
        }
    }
}

impl RunLog {
    /// Reads the journal in the folder of a run.
    ///
    /// # Errors
    /// [`JournalError::File`], [`JournalError::Line`], [`JournalError::Version`].
    pub fn read(folder: &Path) -> Result<Self, JournalError> {
        reading::read(folder)
    }

    /// When it wrote down the last thing that it did.
    #[must_use]
    pub fn last_at(&self) -> Timestamp {
        let entered = self.entries.iter().map(|entry| entry.at);
        let others = self
            .resumed
            .iter()
            .map(|resumed| resumed.at)
            .chain(self.finished.iter().map(|finished| finished.at));
        entered
            .chain(others)
            .fold(self.header.begun, Timestamp::max)
    }

    /// Whether it was at work in this start of the machine.
    #[must_use]
    pub fn was_at_work_in(&self, boot: &str) -> bool {
        self.header.boot == boot || self.resumed.iter().any(|resumed| resumed.boot == boot)
    }

    /// What it knows of what has this digest in this life of a container: the last that it wrote
    /// down.
    #[must_use]
    pub fn standing(&self, digest: Digest, life: &Life) -> Standing<'_> {
        let is_it = |entry: &&Entry| {
            entry.digest == Some(digest) && entry.container.id == life.id && entry.life() == *life
        };
        match self.entries.iter().rev().find(is_it) {
            None => Standing::New,
            Some(
                entry @ Entry {
                    state: State::Begun { .. },
                    ..
                },
            ) => Standing::Interrupted(entry),
            Some(entry) if *entry.outcome() == Outcome::NotBegun => Standing::New,
            Some(entry) => Standing::Over(entry.outcome()),
        }
    }

    /// Whether it can have entered a container in this start of the machine, without reading all of
    /// it.
    ///
    /// # Errors
    /// As [`RunLog::read`].
    pub(super) fn is_of(folder: &Path, boot: &str) -> Result<bool, JournalError> {
        let is_resumed = folder.join(resumed(boot)).symlink_metadata().is_ok();
        Ok(is_resumed || reading::header(folder)?.boot == boot)
    }

    /// The last word on each thing that ran in each container, in the order in which they were
    /// said.
    fn last_words(&self) -> Vec<&Entry> {
        let of = |entry: &Entry| (Named::of(&entry.container), entry.digest);
        let last: HashMap<_, _> = self
            .entries
            .iter()
            .enumerate()
            .map(|(at, entry)| (of(entry), at))
            .collect();
        self.entries
            .iter()
            .enumerate()
            .filter(|(at, entry)| last.get(&of(entry)) == Some(at))
            .map(|(_, entry)| entry)
            .collect()
    }

    /// What it did: every entry but turns that did not come and came later.
    #[must_use]
    pub fn told(&self) -> Vec<&Entry> {
        let is_said = |entry: &&Entry| *entry.outcome() != Outcome::NotBegun;
        let unbegun = self
            .last_words()
            .into_iter()
            .filter(|entry| !is_said(entry));
        self.entries.iter().filter(is_said).chain(unbegun).collect()
    }

    /// Each container that was to be entered: whether it is well, whichever its life, by the last
    /// word on each thing that ran there.
    #[must_use]
    pub fn well(&self) -> HashMap<Named, bool> {
        let last: HashMap<_, _> = self
            .entries
            .iter()
            .map(|entry| {
                (
                    (Named::of(&entry.container), entry.digest),
                    entry.outcome().is_well(),
                )
            })
            .collect();
        let mut well = HashMap::new();
        for ((named, _), is_well) in last {
            *well.entry(named).or_insert(true) &= is_well;
        }
        self.planned
            .iter()
            .for_each(|named| _ = well.entry(named.clone()).or_insert(false));
        well
    }

    /// The containers that were to be entered and of which it knows nothing more.
    #[must_use]
    pub fn unbegun(&self) -> Vec<&Named> {
        let known: HashSet<_> = self
            .entries
            .iter()
            .map(|entry| Named::of(&entry.container))
            .collect();
        self.planned
            .iter()
            .filter(|named| !known.contains(named))
            .collect()
    }

    /// Which containers were not well, whatever their life by now: for `--only-failed`.
    #[must_use]
    pub fn not_well(&self) -> NotWell {
        NotWell {
            containers: self
                .well()
                .into_iter()
                .filter(|(_, is_well)| !is_well)
                .map(|(named, _)| named)
                .collect(),
            strangers: self
                .not_understood()
                .map(|stranger| stranger.id.clone())
                .filter(|id| !id.is_empty())
                .collect(),
        }
    }

    /// How many containers are well, and how many are not.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let containers = self.well();
        let well = containers.values().filter(|is_well| **is_well).count();
        (
            well,
            containers.len() - well + self.not_understood().count(),
        )
    }

    /// The containers that were never understood: of the others their own outcomes tell.
    fn not_understood(&self) -> impl Iterator<Item = &Stranger> {
        let is_known = |stranger: &Stranger| {
            self.entries
                .iter()
                .any(|entry| entry.container.id == stranger.id)
        };
        self.strangers
            .iter()
            .filter(move |stranger| !is_known(stranger))
    }

    /// At which pace it went on last.
    #[must_use]
    pub fn pace(&self) -> Limits {
        self.resumed
            .last()
            .map_or(self.header.terms.pace, |resumed| resumed.pace)
    }

    /// How long its workers take at most to reach their deadlines.
    #[must_use]
    pub fn longest_job(&self) -> Duration {
        Duration::from_secs(
            self.carried
                .iter()
                .map(|carried| carried.work.timeout)
                .max()
                .unwrap_or(0),
        )
    }

    /// The first number that no entry has.
    #[must_use]
    pub fn next_number(&self) -> usize {
        let number = |entry: &Entry| match entry.state {
            State::Begun { number, .. } | State::Ended { number, .. } => number,
            State::Settled(_) => 0,
        };
        self.entries.iter().map(number).max().unwrap_or(0) + 1
    }

    /// What it brought along, as it was.
    ///
    /// # Errors
    /// [`JournalError::Brought`] when the copy is another by now, [`JournalError::File`] when it
    /// cannot be read.
    pub fn brought(&self) -> Result<Option<Vec<u8>>, JournalError> {
        let Some(brought) = &self.header.brought else {
            return Ok(None);
        };
        let path = self.folder.join(BROUGHT);
        let bytes = file::read(&path, brought.size.min(LARGEST_BROUGHT), Guard::Owned)?;
        if Digest::of(&bytes) == brought.digest {
            Ok(Some(bytes))
        } else {
            Err(JournalError::Brought(path))
        }
    }

    /// The file that has what was printed in a container, whether or not there is one.
    #[must_use]
    pub fn output(&self, entry: &Entry) -> Option<PathBuf> {
        match entry.state {
            State::Begun { number, .. } | State::Ended { number, .. } => {
                Some(output(&self.folder, number, &entry.container.id))
            }
            State::Settled(_) => None,
        }
    }
}

/// The containers of a run that were not well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotWell {
    containers: HashSet<Named>,
    strangers: HashSet<String>,
}

impl NotWell {
    /// Whether this container is one of them.
    #[must_use]
    pub fn has(&self, container: &Container) -> bool {
        self.containers.contains(&Named::of(container)) || self.strangers.contains(&container.id)
    }

    /// Whether one that is still not understood is one of them, by its ID.
    #[must_use]
    pub fn has_stranger(&self, id: &str) -> bool {
        self.strangers.contains(id) || self.containers.iter().any(|named| named.id == id)
    }
}

/// The name of the mark that a run was gone on with in this start of the machine.
pub(super) fn resumed(boot: &str) -> String {
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    format!("resumed-{}", boot.chars().filter(fits).collect::<String>())
}

/// How many bytes the files of a folder have; none where it is not there.
#[must_use]
pub fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|facts| facts.len())
        .sum()
}

/// The file for what is printed in a container, in the folder of its run.
pub(super) fn output(run: &Path, number: usize, id: &str) -> PathBuf {
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || "_+.-".contains(*letter);
    let short: String = id.chars().filter(fits).take(12).collect();
    run.join(OUTPUT).join(format!("{number}-{short}"))
}
