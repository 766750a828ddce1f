//! Defines the grammars of command lines, and the commands that start a container.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The way in which a runtime reads its command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// runc up to 1.5: urfave/cli v1.22.6 or later over Go's `flag` (seen with Debian's 1.1.5 and
    /// with 1.3.6).
    Runc,
    /// runc 1.0 and 1.1 as the runc project builds them: urfave/cli v1.22.1.
    RuncEarly,
    /// runc's main branch: urfave/cli v3 (v3.10.1: `command_parse.go`).
    RuncNext,
    /// crun: glibc's argp, in order (seen with 1.8.1; src/crun.c at 1.29).
    Crun,
    /// youki: clap (crates/liboci-cli).
    Youki,
}

impl Grammar {
    /// Every grammar, the most common first.
    pub const ALL: [Self; 5] = [
        Self::Runc,
        Self::RuncEarly,
        Self::RuncNext,
        Self::Crun,
        Self::Youki,
    ];

    /// Whether this grammar always reads an argument with one dash as letters, never as one long
    /// name.
    pub(super) const fn joins_letters(self) -> bool {
        match self {
            Self::Crun | Self::Youki => true,
            Self::Runc | Self::RuncEarly | Self::RuncNext => false,
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Runc => 1,
            Self::RuncNext => 2,
            Self::Crun => 4,
            Self::Youki => 8,
            Self::RuncEarly => 16,
        }
    }
}

/// A set of grammars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grammars(u8);

impl Grammars {
    /// The set with only this grammar.
    #[must_use]
    pub const fn only(grammar: Grammar) -> Self {
        Self(grammar.bit())
    }

    /// The grammars of both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have a grammar in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The commands that start a container's process from its bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartCommand {
    /// OCI `create`: the container's process waits for `start`.
    Create,
    /// `run`: `create` and `start` in one.
    Run,
    /// `restore`: starts from a checkpoint.
    Restore,
}

impl StartCommand {
    /// The command that some grammar finds in this argument. runc's main branch trims white space
    /// off the argument first.
    #[must_use]
    pub fn perhaps(arg: &OsStr) -> Option<Self> {
        Self::named(OsStr::from_bytes(trim(arg.as_bytes())))
    }

    /// The command with exactly this name.
    #[must_use]
    pub fn named(arg: &OsStr) -> Option<Self> {
        match arg.as_bytes() {
            b"create" => Some(Self::Create),
            b"run" => Some(Self::Run),
            b"restore" => Some(Self::Restore),
            _ => None,
        }
    }

    /// The command's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Run => "run",
            Self::Restore => "restore",
        }
    }
}

/// Go's `strings.TrimSpace`: removes Unicode white space at both ends. A byte that is not UTF-8 is
/// no white space.
pub(super) fn trim(arg: &[u8]) -> &[u8] {
    let mut trimmed = arg;
    if let Some(chunk) = trimmed.utf8_chunks().next() {
        let text = chunk.valid();
        trimmed = &trimmed[text.len() - text.trim_start().len()..];
    }
    if let Some(chunk) = trimmed.utf8_chunks().last()
        && chunk.invalid().is_empty()
    {
        let spare = chunk.valid().len() - chunk.valid().trim_end().len();
        trimmed = &trimmed[..trimmed.len() - spare];
    }
    trimmed
}
