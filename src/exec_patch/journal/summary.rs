//! Describes a run in a few words, or in a line of JSON.
//!
//! In: a run's header. Out: one line of text for tables, messages and the system log. Names in the
//! text are quoted unless they are plain.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::halt::Halt;
use super::header::{RunHeader, Trigger};
use super::ids::RunId;
use super::phase::Phase;
use crate::audit::who::Who;
use crate::exec_patch::request::arguments::PatchSource;
use crate::exec_patch::request::target::{Selector, Targets};
use crate::report::line;
use crate::report::line::causes;
use crate::sys::clock::Timestamp;

/// At most this many bans are named.
const MOST_BANS: usize = 3;

/// A run, described in one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run's ID.
    pub run: RunId,
    /// When the run started.
    pub started: Timestamp,
    /// Who started the run.
    pub by: Who,
    /// What caused the run.
    pub trigger: Trigger,
    /// Which containers the run is for, as text for people.
    pub r#for: String,
    /// What runs in the containers, as text for people.
    pub command: String,
    /// The version of the list that was in force when the run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_version: Option<u64>,
    /// The earlier run whose failed containers this run patches (`--only-failed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_failed: Option<RunId>,
    /// The run's state.
    pub state: Phase,
    /// When the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The exit status of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// Why the run stopped before all containers were done, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Halt>,
    /// How many containers are ok.
    pub ok: usize,
    /// How many containers are not ok.
    pub not_ok: usize,
    /// The run's directory.
    pub directory: PathBuf,
}

/// A run that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableRun {
    /// The run's ID.
    pub run: RunId,
    /// The reason, with file and line.
    pub fault: String,
}

impl UnreadableRun {
    /// A line for this run, with the error that came up when its journal was read.
    #[must_use]
    pub fn of(run: &RunId, error: &JournalError) -> Self {
        Self {
            run: run.clone(),
            fault: causes(error),
        }
    }
}

impl RunHeader {
    /// Which containers the run is for: `BAN-2026-0007`, `all that are banned`, `base debian:12.4,
    /// engine docker`.
    #[must_use]
    pub fn subject(&self) -> String {
        let Targets {
            selector,
            engines,
            namespaces,
            containers,
        } = &self.order.target;
        let selected = match selector {
            Selector::Bans(bans) => several(bans),
            Selector::AllBanned => "all that are banned".to_owned(),
            Selector::Base(base) => format!("base {}", line::name(base)),
            Selector::Image(image) => format!("image {}", line::name(image)),
        };
        let engines = engines.iter().map(ToString::to_string).collect();
        let narrowed = [
            ("engine", &engines),
            ("namespace", namespaces),
            ("container", containers),
        ];
        let mut subject = selected;
        for (word, names) in narrowed {
            if !names.is_empty() {
                subject += &format!(", {word} {}", several(names));
            }
        }
        if let Some(run) = &self.only_failed {
            subject += &format!(", what was not ok in {run}");
        }
        subject
    }

    /// What runs in the containers: the command as it was typed, or a text that says that the bans'
    /// own patches run.
    #[must_use]
    pub fn command(&self) -> String {
        match (&self.order.source, self.carried.as_slice()) {
            (
                PatchSource::Command(_) | PatchSource::Script(_) | PatchSource::Program(_),
                [carried, ..],
            ) => line::one_line(&carried.command),
            (PatchSource::Script(program) | PatchSource::Program(program), []) => {
                line::name(&program.file.to_string_lossy())
            }
            (PatchSource::Command(words), []) => line::one_line(&words.join(" ")),
            (PatchSource::Signed, [carried]) => {
                format!("its signed patch: {}", line::one_line(&carried.command))
            }
            (PatchSource::Signed, _) => "the signed patch of each ban".to_owned(),
        }
    }

    /// The bans that are the reason for the run, if any.
    #[must_use]
    pub fn bans(&self) -> Vec<String> {
        match &self.order.target.selector {
            Selector::Bans(bans) => bans.clone(),
            Selector::AllBanned | Selector::Base(_) | Selector::Image(_) => {
                let mut bans = Vec::new();
                for carried in &self.carried {
                    bans.extend(carried.ban.clone());
                }
                bans.sort();
                bans.dedup();
                bans
            }
        }
    }
}

/// The first few names, and the number of the remaining ones.
fn several(names: &[String]) -> String {
    let (named, more) = names.split_at(names.len().min(MOST_BANS));
    let named: Vec<_> = named.iter().map(|name| line::name(name)).collect();
    let named = named.join(", ");
    if more.is_empty() {
        named
    } else {
        format!("{named} and {} more", more.len())
    }
}
