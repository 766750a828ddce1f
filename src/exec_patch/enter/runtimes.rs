//! Finds the runtime program that enters a container.
//!
//! In: the settings, `PATH` and the usual directories. Out: the program of each runtime, found
//! once, or the reason why there is no program. The result is never Embargo's own program, under
//! whatever name it is installed: Embargo would only pass the call on to the runtime, and cost
//! time. Not checked: the program's version.

use std::path::{Path, PathBuf};

use crate::container::runtime::RuntimeKind;
use crate::delegate;
use crate::exec_patch::outcome::Outcome;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::sys::process::Identity;

/// The programs of all runtimes.
#[derive(Debug)]
pub struct Runtimes {
    runc: Option<PathBuf>,
    crun: Option<PathBuf>,
}

impl Runtimes {
    /// Finds the programs.
    #[must_use]
    pub fn find(settings: &Settings, paths: &Paths) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let gates: Vec<Identity> = delegate::gates(paths)
            .into_iter()
            .map(|(_, gate)| gate)
            .collect();
        let find = |kind| delegate::of_kind(kind, Some(settings), &path, &gates);
        Self {
            runc: find(RuntimeKind::Runc),
            crun: find(RuntimeKind::Crun),
        }
    }

    /// The program for a container of this kind.
    ///
    /// # Errors
    /// The container's outcome if there is no such program.
    pub fn of(&self, kind: RuntimeKind) -> Result<&Path, Outcome> {
        let found = match kind {
            RuntimeKind::Runc => &self.runc,
            RuntimeKind::Crun => &self.crun,
        };
        match found {
            Some(path) => Ok(path),
            None => Err(Outcome::CouldNotEnter {
                why: format!(
                    "{} made it, and is neither in PATH nor in the settings' runtime and former_runtimes",
                    kind.word()
                ),
            }),
        }
    }
}
