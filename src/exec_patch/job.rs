//! Defines what a worker is asked to do, and what it answers.
//!
//! These types are shared, as JSON, by the run's main process, the workers and the journal: a
//! [`Job`] on a worker's standard input, a [`Done`] on its standard output, a [`Container`] in the
//! journal. Plain data; nothing here touches a file. Names in them are hostile.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::banlist::record::Severity;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::lineage::digest::Digest;

/// A running container, one life of it: it is the same only while its first process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its ID.
    #[serde(rename = "container")]
    pub id: String,
    /// Its engine.
    pub engine: Engine,
    /// containerd's namespace, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What its engine calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its image's name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The digest of its image config, where it is known: `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Which runtime's state it is.
    pub kind: RuntimeKind,
    /// The runtime's state folder, the value of its `--root`.
    pub root: PathBuf,
    /// Its bundle.
    pub bundle: PathBuf,
    /// The user whose container it is; everything of another than root is that user's word.
    pub owner: u32,
    /// Its first process.
    pub pid: u32,
    /// When that was started, in clock ticks since boot (proc(5), `/proc/pid/stat`, field 22).
    pub started: u64,
}

/// What runs in each container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// A command that exits 0 when nothing needs to be done; runs before, and after, `run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Vec<String>>,
    /// The command, as the container's kernel gets it.
    pub run: Vec<String>,
    /// Numeric user and group.
    pub user: (u32, u32),
    /// Variables `NAME=VALUE` beside the container's own.
    #[serde(default)]
    pub environment: Vec<String>,
    /// The working folder in place of the container's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Seconds after which nothing that was started may be left, the checks included.
    pub timeout: u64,
    /// Whether a paused container is resumed for it and paused again.
    #[serde(default)]
    pub thaw: bool,
    /// Whether `run` needs the file that [`BROUGHT`] is.
    #[serde(default)]
    pub brings: bool,
}

/// The descriptor at which a worker inherits what is brought along, a sealed memory file, and at
/// which the payload finds it as `/proc/self/fd/3`.
pub const BROUGHT: i32 = 3;

/// One container's part of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The run's ID.
    pub run: String,
    /// The run's folder, absolute.
    pub journal: PathBuf,
    /// The how manieth container of the run it is, from 1.
    pub number: usize,
    /// The container.
    pub container: Container,
    /// The program of the runtime that owns it, absolute.
    pub runtime: PathBuf,
    /// What runs.
    pub work: Work,
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban for which it runs, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// How grave that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What it says to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// The most bytes of what it prints that the journal keeps.
    pub output_limit: u64,
}

impl Job {
    /// The variable by which the processes of this part of the run are known.
    #[must_use]
    pub fn marker(&self) -> String {
        marker(&self.run, self.number)
    }
}

/// The variable by which the processes are known that the container of this number of a run got.
#[must_use]
pub fn marker(run: &str, number: usize) -> String {
    format!("EMBARGO_PATCH={run}.{number}")
}

/// What a worker found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// How many bytes its commands wrote, on both streams.
    pub written: u64,
    /// The last lines of it, a few KiB at most, as they came; not fit for a terminal.
    pub tail: String,
    /// What goes on in the background that the command started, and was left as it is after an end
    /// in time: process IDs and names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// What has ended of what the command started, and stays until the container's first process
    /// waits for it: process IDs and names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zombies: Vec<String>,
}

impl Done {
    /// That it ended so, and that nothing more is known of it.
    #[must_use]
    pub const fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            took: 0,
            written: 0,
            tail: String::new(),
            left: Vec::new(),
            zombies: Vec::new(),
        }
    }
}
