//! Names the runtimes that an engine may use: whose state a container is in, and which program
//! enters it.

use serde::{Deserialize, Serialize};

/// A runtime, by the form of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// runc, and whatever keeps its state as runc does.
    Runc,
    /// crun.
    Crun,
}

impl RuntimeKind {
    /// The file in a container's folder that only this kind writes (runc:
    /// `libcontainer/factory_linux.go`, `stateFilename`; crun: `src/libcrun/status.c`).
    #[must_use]
    pub const fn state_file(self) -> &'static str {
        match self {
            Self::Runc => "state.json",
            Self::Crun => "status",
        }
    }

    /// Its program's name, which is also that of the folder where its containers are without
    /// `--root`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }
}
