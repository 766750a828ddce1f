//! Defines which containers a run is for.
//!
//! Plain data, as typed and as the journal keeps it.

use serde::{Deserialize, Serialize};

use crate::container::engine::Engine;

/// Which containers a run is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// The image or the bans that decide.
    pub selector: Selector,
    /// The engines that were named. If there are any, containers of other engines do not count.
    #[serde(default)]
    pub engines: Vec<Engine>,
    /// The containerd namespaces that were named. If there are any, other namespaces do not count.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// The containers that were named, by ID, beginning of the ID, or name. If there are any, other
    /// containers do not count.
    #[serde(default)]
    pub containers: Vec<String>,
}

/// How a container must match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selector {
    /// One of these bans applies to the container.
    Bans(Vec<String>),
    /// Any ban in effect applies to the container.
    AllBanned,
    /// The container is built on this image.
    Base(String),
    /// The container was made from this image.
    Image(String),
}
