//! Gathers what is known about one container.
//!
//! In: an engine's record, a runtime's state, and evidence of a process. Out: the container's ID,
//! its names and its place. Names are untrusted: they serve only to search and to be shown.

use std::path::PathBuf;

use crate::container::ContainerId;
use crate::container::engine::Engine;
use crate::lineage::{LineageError, StoredContainer};
use crate::node::runtime_state::RunningContainer;
use crate::node::stores::Store;
use crate::node::unexplained::Unexplained;
use crate::node::{Node, names, unaccounted};
use crate::sys::clock::Timestamp;

/// Everything that is known about a container.
pub struct Known<'a> {
    /// Its ID.
    pub id: ContainerId,
    /// Its names.
    pub names: Vec<String>,
    /// The name of the image that was used when the container was made.
    pub asked: Option<String>,
    /// The engine that made the container, if several engines share the store and the record says
    /// which.
    pub engine: Option<Engine>,
    /// When the engine made the container, if a store has a record of the container.
    pub created: Option<Timestamp>,
    /// The store that has a record of the container.
    pub store: Option<&'a Store>,
    /// A runtime's state of the container. The process may have ended.
    pub running: Option<&'a RunningContainer>,
    /// Evidence that the container runs, although no runtime's state explains it.
    pub unexplained: Option<&'a Unexplained>,
}

impl<'a> Known<'a> {
    /// A container of which only the ID is known.
    pub(in crate::node) fn new(id: ContainerId) -> Self {
        Self {
            id,
            names: Vec::new(),
            asked: None,
            engine: None,
            created: None,
            store: None,
            running: None,
            unexplained: None,
        }
    }

    /// A container that a store has a record of, and what runs of it on this node.
    pub(super) fn stored(stored: StoredContainer, store: &'a Store, node: &'a Node<'_>) -> Self {
        let is_state = |one: &&RunningContainer| one.id == stored.id && store.may_have(one);
        let is_of = |one: &&Unexplained| one.is_of(&stored.id, store);
        Self {
            running: node.running.iter().find(is_state),
            unexplained: node.unexplained.iter().find(is_of),
            id: stored.id,
            names: stored.names,
            asked: stored.image,
            engine: stored.engine,
            created: stored.created,
            store: Some(store),
        }
    }

    /// Whether `word` is the container's ID or one of its names. Docker writes a slash before
    /// names.
    pub(super) fn is_called(&self, word: &str) -> bool {
        let name = word.trim_start_matches('/');
        let mut names = self.names.iter();
        self.id.as_str() == word || names.any(|own| own.trim_start_matches('/') == name)
    }

    /// containerd's namespace.
    pub(super) fn namespace(&self) -> Option<String> {
        match (self.store, self.running, self.unexplained) {
            (Some(store), _, _) => store.namespace.clone(),
            (None, Some(running), _) => unaccounted::namespace(&running.place()),
            (None, None, Some(one)) => one.container.namespace.clone(),
            (None, None, None) => None,
        }
    }

    pub(super) fn place(&self) -> PathBuf {
        match (self.store, self.running, self.unexplained) {
            (Some(store), _, _) => store.place.clone(),
            (None, Some(running), _) => running.bundle.clone(),
            (None, None, Some(one)) => one.container.place.clone(),
            (None, None, None) => PathBuf::new(),
        }
    }
}

/// Adds the names of the running containers that no store has a record of: their engine's record is
/// found by the bundle. What could not be read is added to `faults`.
pub fn add_names(containers: &mut [Known<'_>], faults: &mut Vec<LineageError>) {
    for known in containers {
        if let (None, Some(running)) = (known.store, known.running)
            && running.process.is_alive()
        {
            match names::look_up(running) {
                Ok(name) => known.names.extend(name),
                Err(fault) => faults.push(fault),
            }
        }
    }
}
