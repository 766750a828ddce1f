//! Defines an order: what must run, and where.
//!
//! The order as it was typed, and as a run's journal keeps it. Plain data: no file that it names
//! has been opened.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::exec_patch::request::target::{Selector, Target};

/// What must run, and where: everything that another run of the same order needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// In which containers.
    pub target: Target,
    /// What.
    pub source: PatchSource,
    /// A shell command that exits 0 if nothing needs to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// As which user, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<(u32, u32)>,
    /// Variables in addition to the container's own, `NAME=VALUE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// In which directory, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Seconds for one container, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Whether a paused container is resumed for it.
    #[serde(default)]
    pub unpause: bool,
    /// Whether it also runs where it already succeeded.
    #[serde(default)]
    pub again: bool,
}

/// What runs.
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

/// A file that is in the container while the command runs, and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramCall {
    /// The file.
    pub file: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Order {
    /// The order of `--auto`: all bans' own patches.
    #[must_use]
    pub const fn automatic() -> Self {
        let target = Target {
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
