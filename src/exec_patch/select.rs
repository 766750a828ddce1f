//! Which running containers is this about?
//!
//! In: what is wanted, and the node: its list, its engines' stores, its runtimes' state. Out: a [`Selection`]: the containers that match and why, those
//! of which it cannot be told, and those that were left out although a ban names them. Names and everything that is a user's are hostile. A container
//! that was created and never started, has ended, or is just coming or going is none of these. Not checked: whether it can be entered.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::job::Container;
use crate::banlist::record::Ban;

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

/// The running containers that are wanted, and what else has to be said of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those that match, by engine and then by ID.
    pub matches: Vec<Match>,
    /// Those that run, or may run, and of which it cannot be told whether they match.
    pub strangers: Vec<Stranger>,
    /// Those that a ban names and that are none of its business all the same: cured, excepted, or the ban has lapsed.
    pub left_out: Vec<LeftOut>,
    /// The version of the list that answered, where one was asked.
    pub list_version: Option<u64>,
    /// What a person should know of it, one line each. A later scan may say the same again.
    pub warnings: Vec<String>,
}

/// A container that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The container.
    pub container: Container,
    /// Why, one sentence for each finding, the gravest first: `built on debian:12.4, banned by …`.
    pub reasons: Vec<String>,
    /// The bans that it matches by, each once, the gravest first; none where an image was named.
    pub bans: Vec<Arc<Ban>>,
}

/// A container of which it cannot be told whether it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its ID, or what stands where it should; empty where a whole folder of state could not be read.
    pub id: String,
    /// Its engine in one word; `unknown` where that cannot be told either.
    pub engine: String,
    /// containerd's namespace, where it has one.
    pub namespace: Option<String>,
    /// What its engine calls it, where that is known.
    pub name: Option<String>,
    /// Its bundle, or the file or folder that cannot be read.
    pub place: PathBuf,
    /// Why, on one line.
    pub why: String,
}

/// A container that a ban names and that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The container.
    pub container: Container,
    /// Why, one sentence for each finding: `built on debian:12.4, banned by …, excepted by OPS-1 until …`.
    pub reasons: Vec<String>,
}
