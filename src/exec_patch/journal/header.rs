//! Defines the header of a run's journal: who started the run, what runs, and in which containers.
//!
//! Plain data. Names in the header are hostile.

use serde::{Deserialize, Serialize};

use super::ids::RunId;
use crate::audit::who::Who;
use crate::banlist::ban::Severity;
use crate::exec_patch::job::Work;
use crate::exec_patch::request::arguments::Order;
use crate::exec_patch::request::limits::Limits;
use crate::exec_patch::request::payload::{Payload, ProgramFile};
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

/// The header: who started the run, what it runs, and in which containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunHeader {
    /// The run's ID.
    #[serde(rename = "run")]
    pub id: RunId,
    /// When the run started.
    pub started: Timestamp,
    /// The boot ID of the machine when the run started (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// Who started the run.
    pub by: Who,
    /// What caused the run.
    pub trigger: Trigger,
    /// The arguments that were typed, after the program's own name.
    pub argv: Vec<String>,
    /// What must run, and in which containers.
    pub order: Order,
    /// The limits of the run.
    pub terms: RunTerms,
    /// The payloads that are known when the run starts.
    pub carried: Vec<Carried>,
    /// The script or program that is carried with the request. The run's directory has a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramCopy>,
    /// The earlier run whose failed containers this run patches (`--only-failed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_failed: Option<RunId>,
    /// The version of the list in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_version: Option<u64>,
}

/// What caused a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A person, or a person's tool, typed the command.
    Typed,
    /// `--auto`: a list was installed. To resume such a run, the list must have enough signatures
    /// as well.
    Auto,
}

/// The limits of a run. The header has them because a resumed run needs them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunTerms {
    /// How many containers may be patched at once, and how many may fail.
    pub pace: Limits,
    /// `--output-limit`, in bytes.
    pub output_limit: u64,
}

/// A payload: what runs in containers, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// The digest of what runs.
    pub digest: Digest,
    /// The ban whose signed patch this is; `None` if a person typed the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<String>,
    /// The severity of that ban.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The successor that the ban names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// The digest of the script or program that the payload uses, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Digest>,
    /// The command as text for messages.
    pub command: String,
    /// What runs in the container.
    pub work: Work,
}

impl Carried {
    /// The journal's description of a payload.
    #[must_use]
    pub fn of(payload: &Payload) -> Self {
        Self {
            digest: payload.digest,
            ban: payload.ban.clone(),
            severity: payload.severity,
            successor: payload.successor.clone(),
            program: payload.program.as_ref().map(|program| program.digest),
            command: payload.describe(),
            work: payload.work.clone(),
        }
    }
}

/// The file carried with a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramCopy {
    /// The file's name on this machine.
    pub name: String,
    /// The SHA-256 of the file's bytes.
    pub digest: Digest,
    /// The file's size in bytes.
    pub size: u64,
}

impl ProgramCopy {
    /// The facts about this file that the header has.
    #[must_use]
    pub fn of(program: &ProgramFile) -> Self {
        Self {
            name: program.name.clone(),
            digest: program.digest,
            size: program.bytes.len() as u64,
        }
    }
}
