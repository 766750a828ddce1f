//! Defines which containers a run is for.
//!
//! Plain data, as typed and as the journal has it.

use serde::{Deserialize, Serialize};

use crate::container::engine::Engine;

/// Which containers a run is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// The image or the bans that select the containers.
    pub selector: Selector,
    /// The engines that were named. If any engine was named, containers of other engines are not
    /// selected.
    #[serde(default)]
    pub engines: Vec<Engine>,
    /// The containerd namespaces that were named. If any namespace was named, containers in other
    /// namespaces are not selected.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// The containers that were named, by ID, beginning of the ID, or name. If any container was
    /// named, other containers are not selected.
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
