//! Which running containers is this about?

use serde::{Deserialize, Serialize};

/// Which containers are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// By what they are built on.
    pub what: What,
    /// Only of these engines, if any are named.
    #[serde(default)]
    pub engines: Vec<String>,
    /// Only in these namespaces of containerd, if any are named.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Only these, by ID, the beginning of it, or name, if any are named.
    #[serde(default)]
    pub containers: Vec<String>,
}

/// By what a container is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// One of these bans applies.
    Bans(Vec<String>),
    /// Any ban in effect applies.
    AllBanned,
    /// It is built on this image.
    Base(String),
    /// It is of this image.
    Image(String),
}
