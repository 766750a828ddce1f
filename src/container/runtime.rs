//! Names the runtimes that an engine may use: which kind of state they write, and which program
//! enters a container.

use serde::{Deserialize, Serialize};

/// A runtime, by the form of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// runc, and any runtime that keeps its state as runc does.
    Runc,
    /// crun.
    Crun,
}

impl RuntimeKind {
    /// The file in a container's directory that only this kind writes (runc:
    /// `libcontainer/factory_linux.go`, `stateFilename`; crun: `src/libcrun/status.c`).
    #[must_use]
    pub const fn state_file(self) -> &'static str {
        match self {
            Self::Runc => "state.json",
            Self::Crun => "status",
        }
    }

    /// Its program's name, which is also the name of the directory that holds its containers
    /// without `--root`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }
}
