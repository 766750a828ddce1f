//! Defines the families of runtimes, and recognises them by their files' names.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::argv::{Grammar, Grammars};
use crate::container::runtime::RuntimeKind;

/// The suffixes that a diversion adds to a runtime's path: first the suffix in our manual, then
/// dpkg-divert's default.
pub(super) const DIVERTED: [&str; 2] = [".real", ".distrib"];

/// A family of runtimes, recognised by the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeFamily {
    /// runc, and runtimes derived from runc.
    Runc,
    /// crun, also under the name krun.
    Crun,
    /// youki.
    Youki,
    /// Any other runtime.
    Other,
}

impl RuntimeFamily {
    /// The family of the runtime at this path.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().as_bytes();
        if contains(name, b"crun") || contains(name, b"krun") {
            Self::Crun
        } else if contains(name, b"youki") {
            Self::Youki
        } else if contains(name, b"runc") {
            Self::Runc
        } else {
            Self::Other
        }
    }

    /// The command-line grammars that runtimes of this family use, if known.
    #[must_use]
    pub fn grammars(self) -> Option<Grammars> {
        match self {
            Self::Runc => Some(
                Grammars::only(Grammar::Runc)
                    .or(Grammars::only(Grammar::RuncEarly))
                    .or(Grammars::only(Grammar::RuncNext)),
            ),
            Self::Crun => Some(Grammars::only(Grammar::Crun)),
            Self::Youki => Some(Grammars::only(Grammar::Youki)),
            Self::Other => None,
        }
    }
}

impl From<RuntimeKind> for RuntimeFamily {
    fn from(kind: RuntimeKind) -> Self {
        match kind {
            RuntimeKind::Runc => Self::Runc,
            RuntimeKind::Crun => Self::Crun,
        }
    }
}

impl RuntimeFamily {
    /// The family of the runtime whose path Embargo has taken; [`Self::Other`] if the path has one
    /// of Embargo's own names.
    pub(super) fn taken(place: &Path) -> Self {
        if contains(place.file_name().unwrap_or_default().as_bytes(), b"embargo") {
            Self::Other
        } else {
            Self::of(place)
        }
    }

    /// Whether both families are known and differ.
    pub(super) fn differs(self, other: Self) -> bool {
        self != Self::Other && other != Self::Other && self != other
    }
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}
