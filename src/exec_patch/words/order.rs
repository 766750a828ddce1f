//! Defines an order: what must run, and where.
//!
//! The order as it was typed, and as a run's journal keeps it. Plain data: no file that it names
//! has been opened.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::exec_patch::select::{Wanted, What};

/// What is to run, and where: all that another run of the same needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// In which containers.
    pub wanted: Wanted,
    /// What.
    pub means: Means,
    /// A shell command that exits 0 where nothing needs to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// As whom, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<(u32, u32)>,
    /// Variables beside the container's own, `NAME=VALUE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// In which directory, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Seconds for one container, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Whether a paused container is resumed for it.
    #[serde(default)]
    pub thaw: bool,
    /// Whether it also runs where it ran well before.
    #[serde(default)]
    pub again: bool,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// The signed patch of the ban that applies.
    Signed,
    /// A command and its words.
    Command(Vec<String>),
    /// A script, and words for it.
    Script(Brought),
    /// A program that is brought along, and words for it.
    Program(Brought),
}

/// A file that goes into the container for the time of the command, and words for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// The file.
    pub file: PathBuf,
    /// The words behind it.
    pub words: Vec<String>,
}

impl Order {
    /// The order of `--auto`: all bans' own patches.
    #[must_use]
    pub const fn automatic() -> Self {
        let wanted = Wanted {
            what: What::AllBanned,
            engines: Vec::new(),
            namespaces: Vec::new(),
            containers: Vec::new(),
        };
        Self {
            wanted,
            means: Means::Signed,
            check: None,
            user: None,
            environment: Vec::new(),
            folder: None,
            timeout: None,
            thaw: false,
            again: false,
        }
    }
}
