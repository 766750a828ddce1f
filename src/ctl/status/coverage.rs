//! Says which of the engines' runtime names lead to Embargo.
//!
//! In: the names that [`coverage`](crate::node::coverage) finds, or, for a caller who may not look,
//! those in `/run/embargo/status.json`. Out: [`RuntimeNames`]. A name that only root can choose is
//! no gap, and by a name whose program is missing nothing starts. `embargoctl doctor` has a finding
//! for each name, with a hint how to close the gap.

use serde::{Deserialize, Serialize};

use super::stored::{self, StoredError};
use crate::container::engine::Engine;
use crate::node::coverage::{self, CoverageDoubt, Covered, RuntimeName, RuntimeRole};
use crate::paths::Paths;
use crate::report::line::{self, causes};
use crate::sys::clock::Timestamp;

/// The runtime names of a node's engines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RuntimeNames {
    /// When the engines' settings were read.
    pub(super) at: Timestamp,
    /// Every name, engine by engine.
    pub(super) names: Vec<RuntimeName>,
    /// What could not be read, one line each: there may be more names.
    pub(super) faults: Vec<String>,
}

/// The node's runtime names, as this caller can see them. The environment of another user's daemon,
/// and so its `PATH`, cannot be read.
///
/// # Errors
/// [`StoredError`] if the caller may not look, and there is no stored state.
pub(super) fn seen(paths: &Paths, now: Timestamp) -> Result<RuntimeNames, StoredError> {
    if stored::is_needed(paths) {
        return stored::runtimes(paths);
    }
    let found = coverage::of_node(paths);
    let mut faults = Vec::new();
    for fault in &found.faults {
        faults.push(causes(fault));
    }
    Ok(RuntimeNames {
        at: now,
        names: found.names,
        faults,
    })
}

impl RuntimeNames {
    /// The names of which it is known whether they lead to Embargo.
    pub(super) fn known(&self) -> impl Iterator<Item = (&RuntimeName, bool)> {
        self.names.iter().filter_map(|name| match name.covered {
            Covered::Yes => Some((name, true)),
            Covered::No => Some((name, false)),
            Covered::Unknown(_) => None,
        })
    }

    /// The names that lead past Embargo, for somebody other than root.
    pub(super) fn open(&self) -> impl Iterator<Item = &RuntimeName> {
        self.known()
            .filter(|(name, is_covered)| !is_covered && name.role != RuntimeRole::Root)
            .map(|(name, _)| name)
    }

    /// The names that somebody other than root can choose, and that may lead past Embargo.
    pub(super) fn doubtful(&self) -> impl Iterator<Item = &RuntimeName> {
        self.names.iter().filter(|name| match name.covered {
            Covered::Yes | Covered::No | Covered::Unknown(CoverageDoubt::Missing) => false,
            Covered::Unknown(_) => name.role != RuntimeRole::Root,
        })
    }

    /// All of it in one line, for people.
    pub(super) fn text(&self) -> String {
        let covered = self.known().filter(|(_, is_covered)| *is_covered).count();
        let (open, doubtful) = (called(self.open()), called(self.doubtful()));
        let all = covered + open.len() + doubtful.len();
        if self.names.is_empty() && self.faults.is_empty() {
            return "no engine was found".to_owned();
        }
        let mut text = format!("{covered} of {all} runtime names lead to Embargo");
        if !open.is_empty() {
            text += &format!("; past it: {}", open.join(", "));
        }
        if !doubtful.is_empty() {
            text += &format!("; not known: {}", doubtful.join(", "));
        }
        text
    }
}

/// The engines whose default is among these names. `BuildKit` starts the steps of builds, and no
/// container that stays.
pub(super) fn engines_of_defaults<'n>(names: impl Iterator<Item = &'n RuntimeName>) -> Vec<Engine> {
    let mut engines = Vec::new();
    for name in names {
        let counts = name.role == RuntimeRole::Default && name.engine != Engine::BuildKit;
        if counts && !engines.contains(&name.engine) {
            engines.push(name.engine);
        }
    }
    engines
}

/// `docker/runc`, and whether that is the engine's default.
fn called<'n>(names: impl Iterator<Item = &'n RuntimeName>) -> Vec<String> {
    let mut called = Vec::new();
    for name in names {
        let default = match name.role {
            RuntimeRole::Default => " (the default)",
            RuntimeRole::Choice | RuntimeRole::Root => "",
        };
        called.push(format!(
            "{}/{}{default}",
            name.engine,
            line::name(&name.name)
        ));
    }
    called
}
