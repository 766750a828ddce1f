//! Identifies runs, containers and workers.
//!
//! Plain data. A run's ID cannot form a path. A container's key stays the same when the container
//! restarts. A worker's ID has the process's start time, so a later process with the same process
//! ID is not mistaken for the worker.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Serialize};

use crate::container::engine::Engine;
use crate::exec_patch::job::Container;
use crate::sys::clock::Timestamp;
use crate::sys::file::FileError;
use crate::sys::proc;

/// A run's ID: `YYYYMMDD-HHMMSS-xxxx`. The ID has the run's start in UTC and four hexadecimal
/// digits. The digits are random for the first run of a second and grow for the next runs of that
/// second. So sorted IDs give the runs in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RunId(String);

/// Where an ID's last four digits begin.
const SALT: usize = 16;

impl RunId {
    /// The ID of a run that begins at `started`; `salt` distinguishes the run from other runs of
    /// the same second.
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

    /// The next ID of the same second; `None` if there is no further ID.
    #[must_use]
    pub fn following(&self) -> Option<Self> {
        let (second, salt) = self.0.split_at(SALT);
        let salt = u16::from_str_radix(salt, 16).ok()?.checked_add(1)?;
        Some(Self(format!("{second}{salt:04x}")))
    }

    /// Whether both IDs are from the same second.
    #[must_use]
    pub fn is_of_second(&self, other: &Self) -> bool {
        self.0[..SALT] == other.0[..SALT]
    }

    /// Reads an ID. `None` for any other text, so that no ID can form a path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        for (index, byte) in text.bytes().enumerate() {
            let fits = match index {
                8 | 15 => byte == b'-',
                0..16 => byte.is_ascii_digit(),
                16.. => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            };
            if !fits {
                return None;
            }
        }
        (text.len() == 20).then_some(Self(text.to_owned()))
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
        let found = Unexpected::Str(&text);
        match Self::parse(&text) {
            Some(id) => Ok(id),
            None => Err(D::Error::invalid_value(found, &"YYYYMMDD-HHMMSS-xxxx")),
        }
    }
}

/// A container, regardless of its restarts. Two keys are equal if the container's ID and its
/// runtime's state directory are equal. The ID alone is not enough, because two directories may
/// have the same ID. The engine is not compared, because it may be known at one time and unknown at
/// another.
#[derive(Clone, Debug)]
pub struct ContainerKey {
    /// The container's engine.
    pub engine: Engine,
    /// The containerd namespace, for containers of containerd.
    pub namespace: Option<String>,
    /// The container's ID.
    pub id: String,
    /// The state directory of the container's runtime.
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
    /// The key of this container.
    #[must_use]
    pub fn of(container: &Container) -> Self {
        Self {
            engine: container.engine,
            namespace: container.namespace.clone(),
            id: container.id.clone(),
            root: container.root.clone(),
        }
    }

    fn key(&self) -> (&str, &Path) {
        (&self.id, &self.root)
    }
}

/// A process, identified by its process ID and start time, so that no later process with the same
/// process ID is mistaken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerId {
    /// The process ID.
    pub pid: u32,
    /// When the process was started, in clock ticks since boot.
    pub started: u64,
}

impl WorkerId {
    /// This process.
    ///
    /// # Errors
    /// [`FileError`] if this process's start time cannot be read in `/proc`.
    pub fn own() -> Result<Self, FileError> {
        let pid = std::process::id();
        match proc::stat(pid) {
            Some(stat) => Ok(Self {
                pid,
                started: stat.started,
            }),
            None => Err(FileError::NotText(proc::path(pid, "stat"))),
        }
    }

    /// Whether this process still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        proc::is_alive(self.pid, Some(self.started))
    }
}
