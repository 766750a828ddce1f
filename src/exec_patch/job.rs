//! Defines the job that a worker gets, and the result that the worker reports.
//!
//! The run's main process, the workers and the journal exchange these types as JSON: a [`Job`] on a
//! worker's standard input, a [`JobResult`] on its standard output, a [`Container`] in the journal.
//! Plain data, except for one function that checks in `/proc` whether a container still runs. Names
//! in these types are hostile.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::banlist::ban::Severity;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::proc;

/// One instance of a running container. A container that restarts becomes a new instance, with
/// another first process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The container's ID.
    #[serde(rename = "container")]
    pub id: String,
    /// The container's engine.
    pub engine: Engine,
    /// The containerd namespace, for containers of containerd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name that the engine gives the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The image's name, only for messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The digest of the image config, if known: `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The runtime whose state this is.
    pub kind: RuntimeKind,
    /// The runtime's state directory, the value of its `--root`.
    pub root: PathBuf,
    /// The container's bundle.
    pub bundle: PathBuf,
    /// The user who owns the container. A user other than root controls all facts about the
    /// container.
    pub owner: u32,
    /// The process ID of the container's first process.
    pub pid: u32,
    /// When that process was started, in clock ticks since boot (proc(5), `/proc/pid/stat`, field
    /// 22).
    pub started: u64,
}

impl Container {
    /// Whether this instance still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        proc::is_alive(self.pid, Some(self.started))
    }
}

/// How many characters of a container ID are shown; engines show the same number.
const SHORT: usize = 12;

/// The container's name for messages: its name and the beginning of its ID.
#[must_use]
pub fn container_name(container: &Container) -> String {
    let id = short(&container.id);
    match &container.name {
        Some(name) if *name != container.id => format!("{} ({})", line::name(name), line::name(id)),
        Some(_) | None => line::name(id),
    }
}

/// The container's engine and namespace, and its user if the user is not root.
#[must_use]
pub fn place(container: &Container) -> String {
    let mut place = engine_place(container.engine, container.namespace.as_deref());
    if container.owner != 0 {
        place += &format!(" of user {}", container.owner);
    }
    place
}

/// An engine, and the containerd namespace if there is one.
#[must_use]
pub fn engine_place(engine: Engine, namespace: Option<&str>) -> String {
    engine.in_namespace(namespace)
}

/// The container's full name, in the list of failed containers.
#[must_use]
pub fn full_name(container: &Container) -> String {
    format!("{}, {}", container_name(container), place(container))
}

/// A container ID for messages: only the beginning, if the ID is long.
#[must_use]
pub fn short(id: &str) -> &str {
    let is_digest = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { &id[..SHORT] } else { id }
}

/// What runs in each container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// A command that exits 0 when nothing needs to be done. The check runs before `run` and again
    /// after `run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Vec<String>>,
    /// The command, as an argument vector for execve(2).
    pub run: Vec<String>,
    /// Numeric user and group.
    pub user: (u32, u32),
    /// Variables `NAME=VALUE` in addition to the container's own.
    #[serde(default)]
    pub environment: Vec<String>,
    /// The working directory instead of the container's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Seconds after which no process of the patch may be left. The time includes the checks.
    pub timeout: u64,
    /// If `true`, a paused container is resumed for the patch and then paused again.
    #[serde(default)]
    pub unpause: bool,
    /// Whether `run` needs the file at [`PROGRAM_FD`].
    #[serde(default)]
    pub program: bool,
}

/// The descriptor at which a worker inherits the file carried with the request, a sealed memory
/// file, and at which the payload finds it as `/proc/self/fd/3`.
pub const PROGRAM_FD: i32 = 3;

/// The job of one worker: to run one payload in one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The ID of the run.
    pub run: String,
    /// The run's directory, absolute.
    pub journal: PathBuf,
    /// The number of this container in the run, from 1.
    pub number: usize,
    /// The container that is to be patched.
    pub container: Container,
    /// The absolute path of the program of the runtime that made the container.
    pub runtime: PathBuf,
    /// What runs in the container.
    pub work: Work,
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban that is the reason for the patch, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The severity of that ban.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The successor that the ban names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// At most this many bytes of the container's output are stored in the run's directory.
    pub output_limit: u64,
}

impl Job {
    /// The variable by which the processes of this job are recognised.
    #[must_use]
    pub fn marker(&self) -> String {
        marker(&self.run, self.number)
    }
}

/// The variable by which the processes of job `number` of a run are recognised.
#[must_use]
pub fn marker(run: &str, number: usize) -> String {
    format!("EMBARGO_PATCH={run}.{number}")
}

/// What a worker reports about one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResult {
    /// How the patch ended.
    pub outcome: Outcome,
    /// What was found in the container.
    #[serde(flatten)]
    pub found: Findings,
}

/// What was found in a container that was entered. A worker's result and the journal have the same
/// fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How long the patch took, in milliseconds.
    pub duration_ms: u64,
    /// How many bytes the patch's commands wrote to both streams.
    pub output_bytes: u64,
    /// The last lines of the output, a few KiB at most, unescaped; unsafe to print on a terminal.
    pub output_tail: String,
    /// Background processes that the command started and that still run: process IDs and names.
    /// Such processes are ended only if the command does not end in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub background: Vec<String>,
    /// Zombies: processes that the command started, that have ended, and that stay until the
    /// container's first process waits for them. Process IDs and names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zombies: Vec<String>,
}

impl JobResult {
    /// A result with this outcome and no other facts.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            found: Findings::default(),
        }
    }
}
