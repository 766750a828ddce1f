//! Defines which containers a run is for.
//!
//! Plain data, as typed and as the journal keeps it.

use serde::{Deserialize, Serialize};

use crate::container::engine::Engine;

/// Which containers are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// By what they are built on.
    pub selector: Selector,
    /// Only of these engines, if any are named.
    #[serde(default)]
    pub engines: Vec<Engine>,
    /// Only in these namespaces of containerd, if any are named.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Only these, by ID, its beginning, or name, if any are named.
    #[serde(default)]
    pub containers: Vec<String>,
}

/// The criterion by which containers are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selector {
    /// One of these bans applies.
    Bans(Vec<String>),
    /// Any ban in effect applies.
    AllBanned,
    /// It is built on this image.
    Base(String),
    /// It was made from this image.
    Image(String),
}
