//! Defines an order: what must run, and in which containers.
//!
//! The order has the values as they were typed; a run's journal has the same form. Plain data: no
//! file that the order names has been opened.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::exec_patch::request::target::{Selector, Targets};

/// What must run, and in which containers: everything that a second run of the same order needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The containers in which the command or patch must run.
    pub target: Targets,
    /// What must run.
    pub source: PatchSource,
    /// A shell command that exits 0 if nothing needs to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The user and group, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<(u32, u32)>,
    /// Variables in addition to the container's own, `NAME=VALUE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// The working directory, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The time limit for one container in seconds, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Whether a paused container is resumed for the patch.
    #[serde(default)]
    pub unpause: bool,
    /// Whether the patch runs again in containers that are already patched.
    #[serde(default)]
    pub again: bool,
}

/// What runs, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatchSource {
    /// The signed patch of the ban that applies.
    Signed,
    /// A command and its arguments.
    Command(Vec<String>),
    /// A script and its arguments.
    Script(ProgramCall),
    /// A program that is carried with the request, and its arguments.
    Program(ProgramCall),
}

/// A file that the container can read while the command runs, and the file's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramCall {
    /// The file.
    pub file: PathBuf,
    /// The arguments for the file.
    pub arguments: Vec<String>,
}

impl Order {
    /// The order of `--auto`: every ban's own patch.
    #[must_use]
    pub const fn automatic() -> Self {
        let target = Targets {
            selector: Selector::AllBanned,
            engines: Vec::new(),
            namespaces: Vec::new(),
            containers: Vec::new(),
        };
        Self {
            target,
            source: PatchSource::Signed,
            check: None,
            user: None,
            environment: Vec::new(),
            directory: None,
            timeout: None,
            unpause: false,
            again: false,
        }
    }
}
