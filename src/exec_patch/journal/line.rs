//! What stands in a line of a run's journal?
//!
//! ```text
//! {"run":{"version":1,"id":"20261120-221500-a1b2","begun":"…","boot":"…","by":{…},"argv":[…],"order":{…},…}}       the header, once
//! {"carried":{"digest":"sha256:…","ban":"BAN-2026-0007","told":"…","work":{…}}}                 another ban's patch, before it is first used
//! {"planned":{"at":"…","containers":[{"engine":"docker","id":"4c1f…"},…]}}                      what is to be entered, as far as it is known
//! {"begun":{"number":1,"at":"…","boot":"…","digest":"…","container":{…},"worker":{…}}}          before anything enters the container
//! {"ended":{"number":1,"at":"…","done":{"outcome":{"outcome":"patched"},"took":1200,…}}}        how that ended
//! {"settled":{"at":"…","boot":"…","container":{…},"outcome":{"outcome":"paused"}}}              a container that nothing entered
//! {"stranger":{"at":"…","place":"…","why":"…"}}                                                  one that is not understood
//! {"resumed":{"at":"…","boot":"…","by":{…},"argv":[…]}}                                          somebody goes on with a run
//! {"finished":{"at":"…","exit":0,"well":12,"not_well":0}}                                       nothing more follows, unless it is resumed
//! ```
//!
//! Plain data. Root's own programs write it; names in it are others' and hostile. A field or a kind of line that is not known here makes a journal
//! unreadable: the version in the header is raised with each.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::who::Who;
use crate::banlist::record::Severity;
use crate::container::engine::Engine;
use crate::exec_patch::job::{Container, Done, Work};
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::pace::{Halt, Limits};
use crate::exec_patch::words::Order;
use crate::lineage::digest::Digest;
use crate::node::runtime_state::InitProcess;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, FileError, Guard};
use crate::sys::stat::Stat;

/// The version of the journal's form that is written and read.
pub const VERSION: u32 = 1;

/// A run's ID: `YYYYMMDD-HHMMSS-xxxx`, its begin in UTC and four hexadecimal digits that nobody chose, but later ones of a second are greater: IDs
/// in their order are runs in theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RunId(String);

/// Where an ID's last four digits begin.
const SALT: usize = 16;

impl RunId {
    /// The ID of a run that begins at `begun`; `salt` tells it from another one of that second.
    #[must_use]
    pub fn new(begun: Timestamp, salt: u16) -> Self {
        let digits: String = begun.to_string().chars().filter(char::is_ascii_digit).collect();
        let (date, time) = digits.split_at(8);
        Self(format!("{date}-{time}-{salt:04x}"))
    }

    /// The ID that follows of the same second; none behind the last one.
    #[must_use]
    pub fn following(&self) -> Option<Self> {
        let (second, salt) = self.0.split_at(SALT);
        let salt = u16::from_str_radix(salt, 16).ok()?.checked_add(1)?;
        Some(Self(format!("{second}{salt:04x}")))
    }

    /// Whether both are of the same second.
    #[must_use]
    pub fn is_of_second(&self, other: &Self) -> bool {
        self.0[..SALT] == other.0[..SALT]
    }

    /// Reads an ID; `None` for anything else, so that no path can be made of it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |(index, byte): (usize, u8)| match index {
            8 | 15 => byte == b'-',
            0..16 => byte.is_ascii_digit(),
            16.. => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        };
        (text.len() == 20 && text.bytes().enumerate().all(fits)).then(|| Self(text.to_owned()))
    }

    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::invalid_value(serde::de::Unexpected::Str(&text), &"YYYYMMDD-HHMMSS-xxxx"))
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Run(Box<Header>),
    /// What the header does not have yet and is used from here on.
    Carried(Carried),
    /// What is to be entered.
    Planned(Planned),
    /// A container is about to be entered.
    Begun(Box<Begun>),
    /// How that ended.
    Ended(Ended),
    /// A container that nothing entered.
    Settled(Box<Settled>),
    /// A container that is not understood.
    Stranger(Stranger),
    /// Somebody goes on with the run.
    Resumed(Resumed),
    /// The run is over.
    Finished(Finished),
}

/// What a run is: who wants what where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// Its ID.
    pub id: RunId,
    /// When it began.
    pub begun: Timestamp,
    /// This start of the machine (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// Who began it.
    pub by: Who,
    /// What made it begin.
    pub trigger: Trigger,
    /// The words that were typed, behind the program's own name.
    pub argv: Vec<String>,
    /// What is wanted where.
    pub order: Order,
    /// How it goes about it.
    pub terms: Terms,
    /// What runs, as far as it is known when the run begins.
    pub carried: Vec<Carried>,
    /// The script or program that it brings along, a copy of which lies in its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought: Option<Brought>,
    /// The run whose containers that were not well it is for, and no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_failed: Option<RunId>,
    /// The version of the list in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_version: Option<u64>,
}

/// What made a run begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A person, or a tool of theirs, typed it.
    Typed,
    /// `--auto`: a list was installed. Whoever resumes it needs the list's signatures as well.
    Auto,
}

/// How a run goes about its containers, for whoever resumes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// At which pace.
    pub pace: Limits,
    /// `--output-limit`, in bytes.
    pub output_limit: u64,
}

/// What is carried into containers, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban whose signed patch it is; none where it was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// How grave that ban is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What that ban says to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// The command as people read it.
    pub told: String,
    /// What runs.
    pub work: Work,
}

/// A file that a run brings along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brought {
    /// What it was called.
    pub name: String,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
}

/// What is to be entered, as far as it is known; of each rescan, what is new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// When.
    pub at: Timestamp,
    /// The containers.
    pub containers: Vec<Named>,
}

/// A container's names, of whichever life.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its engine.
    pub engine: Engine,
    /// containerd's namespace, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its ID.
    pub id: String,
}

impl Named {
    /// A container's names.
    #[must_use]
    pub fn of(container: &Container) -> Self {
        Self { engine: container.engine, namespace: container.namespace.clone(), id: container.id.clone() }
    }
}

/// A process that cannot be taken for a later one with its ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Its process ID.
    pub pid: u32,
    /// When it was started, in clock ticks since boot.
    pub started: u64,
}

impl Worker {
    /// This process.
    ///
    /// # Errors
    /// [`FileError`] when `/proc` does not tell.
    pub fn own() -> Result<Self, FileError> {
        let path = Path::new("/proc/self/stat");
        let stat = Stat::parse(&file::read(path, 4_096, Guard::Any)?);
        stat.map(|stat| Self { pid: std::process::id(), started: stat.started }).ok_or_else(|| FileError::NotText(path.to_owned()))
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        InitProcess { pid: self.pid, started: Some(self.started) }.is_alive()
    }
}

/// A container is about to be entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The how manieth container of the run it is, from 1. Each entry has a number of its own, those of a resumed run as well.
    pub number: usize,
    /// When.
    pub at: Timestamp,
    /// This start of the machine.
    pub boot: String,
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban for which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The container.
    pub container: Container,
    /// Who enters it.
    pub worker: Worker,
    /// Whether it is paused, and resumed for the patch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub thaws: bool,
}

/// How it ended in a container that was entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The number that it was begun with.
    pub number: usize,
    /// When.
    pub at: Timestamp,
    /// What became of it.
    pub done: Done,
}

/// A container that nothing entered, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// When that was settled.
    pub at: Timestamp,
    /// This start of the machine.
    pub boot: String,
    /// The digest of what would have run; none where there is nothing to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The ban for which it would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The container.
    pub container: Container,
    /// Why.
    pub outcome: Outcome,
}

/// A running container of which it cannot be told whether, or how, it should be entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stranger {
    /// When that was found.
    pub at: Timestamp,
    /// Its ID; empty where a whole folder of state could not be read.
    pub id: String,
    /// Its engine.
    pub engine: Engine,
    /// containerd's namespace, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What its engine calls it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it was found: a file or a folder.
    pub place: String,
    /// Why it is not understood.
    pub why: String,
}

/// Somebody goes on with a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resumed {
    /// When.
    pub at: Timestamp,
    /// This start of the machine.
    pub boot: String,
    /// Who.
    pub by: Who,
    /// The words that were typed.
    pub argv: Vec<String>,
    /// At which pace from here on.
    pub pace: Limits,
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finished {
    /// When.
    pub at: Timestamp,
    /// Its exit status.
    pub exit: u8,
    /// How many containers are well.
    pub well: usize,
    /// How many are not, those that are not understood and those that were not begun included.
    pub not_well: usize,
    /// Why it stopped before all were through, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Halt>,
}
