//! Identifies a container: its bundle, the engine that made it, and what is mounted at its root.
//!
//! In: the arguments of the call, the bundle's `config.json` and the mount at the container's root.
//! The engine writes `config.json`, but anybody can set annotations in it, so annotations are never
//! read. Out: the bundle, the place that shows which engine made the container, and the mount at
//! its root.

pub mod bundle;
pub mod engine;
pub mod mount;
pub mod shown;
pub mod runtime;
pub mod state;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A container ID that is safe to build a path from: one to 1024 characters of `[A-Za-z0-9_+.-]`,
/// and not `.` or `..` (runc: libcontainer/factory_linux.go, `idRegex`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ContainerId(String);

impl ContainerId {
    /// `text` as a container ID; `None` if the text is not a safe ID.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=1024).contains(&text.len())
            && text.bytes().all(is_legal)
            && text != "."
            && text != "..";
        if !fits {
            return None;
        }
        Some(Self(text.to_owned()))
    }

    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'.' | b'-')
}

impl<'de> Deserialize<'de> for ContainerId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?)
            .ok_or_else(|| de::Error::custom("it is not a container ID"))
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
