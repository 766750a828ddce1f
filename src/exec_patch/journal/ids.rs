//! Identifies runs, containers and workers.
//!
//! Plain data. A run's ID cannot form a path, a container's key holds over its restarts, and a
//! worker's ID cannot mean a later process.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::container::engine::Engine;
use crate::exec_patch::job::Container;
use crate::node::runtime_state::InitProcess;
use crate::sys::clock::Timestamp;
use crate::sys::file::FileError;
use crate::sys::proc;

/// A run's ID: `YYYYMMDD-HHMMSS-xxxx`, its start in UTC and four random hexadecimal digits, which
/// only grow within one second: sorted IDs give the runs in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RunId(String);

/// Where an ID's last four digits begin.
const SALT: usize = 16;

impl RunId {
    /// The ID of a run that begins at `started`; `salt` distinguishes it from others of that second.
    #[must_use]
    pub fn new(started: Timestamp, salt: u16) -> Self {
        let digits: String = started
            .to_string()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let (date, time) = digits.split_at(8);
        Self(format!("{date}-{time}-{salt:04x}"))
    }

    /// The next ID of the same second; none after the last one.
    #[must_use]
    pub fn following(&self) -> Option<Self> {
        let (second, salt) = self.0.split_at(SALT);
        let salt = u16::from_str_radix(salt, 16).ok()?.checked_add(1)?;
        Some(Self(format!("{second}{salt:04x}")))
    }

    /// Whether both are from the same second.
    #[must_use]
    pub fn is_of_second(&self, other: &Self) -> bool {
        self.0[..SALT] == other.0[..SALT]
    }

    /// Reads an ID; `None` for anything else, so that it cannot form a path.
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
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::invalid_value(
                serde::de::Unexpected::Str(&text),
                &"YYYYMMDD-HHMMSS-xxxx",
            )
        })
    }
}

/// A container, whichever instance. Two are the same if their IDs and their runtime's state
/// directories are: the same ID may be in two directories, and its engine may be known at one time
/// and not at another.
#[derive(Clone, Debug)]
pub struct ContainerKey {
    /// Its engine.
    pub engine: Engine,
    /// containerd's namespace, if it has one.
    pub namespace: Option<String>,
    /// Its ID.
    pub id: String,
    /// Its runtime's state directory.
    root: PathBuf,
}

impl PartialEq for ContainerKey {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ContainerKey {}

impl PartialOrd for ContainerKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ContainerKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for ContainerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl ContainerKey {
    /// A container's names.
    #[must_use]
    pub fn of(container: &Container) -> Self {
        let Container {
            engine,
            namespace,
            id,
            root,
            ..
        } = container;
        Self {
            engine: *engine,
            namespace: namespace.clone(),
            id: id.clone(),
            root: root.clone(),
        }
    }

    fn key(&self) -> (&str, &Path) {
        (&self.id, &self.root)
    }
}

/// A process that cannot be mistaken for a later one with its ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerId {
    /// Its process ID.
    pub pid: u32,
    /// When it was started, in clock ticks since boot.
    pub started: u64,
}

impl WorkerId {
    /// This process.
    ///
    /// # Errors
    /// [`FileError`] if `/proc` does not say.
    pub fn own() -> Result<Self, FileError> {
        let pid = std::process::id();
        proc::stat(pid)
            .map(|stat| Self {
                pid,
                started: stat.started,
            })
            .ok_or_else(|| FileError::NotText(proc::path(pid, "stat")))
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        InitProcess {
            pid: self.pid,
            started: Some(self.started),
        }
        .is_alive()
    }
}
