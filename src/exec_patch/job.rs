//! Defines what a worker is asked to do, and what it answers.
//!
//! These types are shared, as JSON, by the run's main process, the workers and the journal: a
//! [`Job`] on a worker's standard input, a [`JobResult`] on its standard output, a [`Container`] in the
//! journal. Plain data; nothing here touches a file. Names in them are hostile.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::banlist::record::Severity;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::lineage::digest::Digest;
use crate::report::line;

/// One instance of a running container: it is the same only while its first process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its ID.
    #[serde(rename = "container")]
    pub id: String,
    /// Its engine.
    pub engine: Engine,
    /// containerd's namespace, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What its engine calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its image's name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The digest of its image config, if known: `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Which runtime's state it is.
    pub kind: RuntimeKind,
    /// The runtime's state directory, the value of its `--root`.
    pub root: PathBuf,
    /// Its bundle.
    pub bundle: PathBuf,
    /// The user who owns the container; if that is not root, that user controls all its facts.
    pub owner: u32,
    /// Its first process.
    pub pid: u32,
    /// When that was started, in clock ticks since boot (proc(5), `/proc/pid/stat`, field 22).
    pub started: u64,
}

/// How many characters of a container ID are shown, as engines do.
const SHORT: usize = 12;

/// A container's name for people: its name and the beginning of its ID.
#[must_use]
pub fn container_name(container: &Container) -> String {
    let id = short(&container.id);
    match &container.name {
        Some(name) if *name != container.id => format!("{} ({})", line::name(name), line::name(id)),
        Some(_) | None => line::name(id),
    }
}

/// Where it belongs: its engine, its namespace, and its user if that is not root.
#[must_use]
pub fn place(container: &Container) -> String {
    let namespace = container
        .namespace
        .as_ref()
        .map(|namespace| format!("/{}", line::name(namespace)))
        .unwrap_or_default();
    let user = if container.owner == 0 {
        String::new()
    } else {
        format!(" of user {}", container.owner)
    };
    format!("{}{namespace}{user}", container.engine)
}

/// A container's full name in the list of those that failed.
#[must_use]
pub fn full_name(container: &Container) -> String {
    format!("{}, {}", container_name(container), place(container))
}

/// A container ID as people read it: the beginning of a long one.
#[must_use]
pub fn short(id: &str) -> &str {
    let is_digest = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { &id[..SHORT] } else { id }
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
    /// Variables `NAME=VALUE` in addition to the container's own.
    #[serde(default)]
    pub environment: Vec<String>,
    /// The working directory instead of the container's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Seconds after which nothing that was started may be left, including the checks.
    pub timeout: u64,
    /// Whether a paused container is resumed for the patch and paused again.
    #[serde(default)]
    pub unpause: bool,
    /// Whether `run` needs the file at [`PROGRAM_FD`].
    #[serde(default)]
    pub program: bool,
}

/// The descriptor at which a worker inherits the file carried with the request, a sealed memory
/// file, and at which the payload finds it as `/proc/self/fd/3`.
pub const PROGRAM_FD: i32 = 3;

/// One container's part of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The run's ID.
    pub run: String,
    /// The run's directory, absolute.
    pub journal: PathBuf,
    /// The number of this container in the run, from 1.
    pub number: usize,
    /// The container.
    pub container: Container,
    /// The program of the runtime that owns it, absolute.
    pub runtime: PathBuf,
    /// What runs.
    pub work: Work,
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban for which it runs, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// That ban's severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The successor that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// The most bytes of its output that the journal keeps.
    pub output_limit: u64,
}

impl Job {
    /// The variable that identifies the processes of this job.
    #[must_use]
    pub fn marker(&self) -> String {
        marker(&self.run, self.number)
    }
}

/// The variable that identifies the processes of a run's job with this number.
#[must_use]
pub fn marker(run: &str, number: usize) -> String {
    format!("EMBARGO_PATCH={run}.{number}")
}

/// What a worker found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResult {
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// How many bytes its commands wrote, on both streams.
    pub written: u64,
    /// Its last lines, a few KiB at most, unescaped; not fit for a terminal.
    pub tail: String,
    /// Background processes that the command started and that were left running, because it ended
    /// in time: process IDs and names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// Processes that the command started and that have ended, but stay until the container's first
    /// process waits for them: process IDs and names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zombies: Vec<String>,
}

impl JobResult {
    /// A result with this outcome and nothing more.
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
