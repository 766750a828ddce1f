//! Names the kinds of runtimes that an engine may use: how each kind stores its state, and which
//! program enters a container.

use serde::{Deserialize, Serialize};

/// A kind of runtime, recognised by the format of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// runc, and every runtime that stores its state as runc does.
    Runc,
    /// crun.
    Crun,
}

impl RuntimeKind {
    /// The name of the state file in a container's directory. Only this kind of runtime writes a
    /// file of that name (runc: `libcontainer/factory_linux.go`, `stateFilename`; crun:
    /// `src/libcrun/status.c`).
    #[must_use]
    pub const fn state_file(self) -> &'static str {
        match self {
            Self::Runc => "state.json",
            Self::Crun => "status",
        }
    }

    /// The name of the runtime's program. Without `--root`, the runtime stores its state in a
    /// directory of the same name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }
}
