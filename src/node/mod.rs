//! Looks at a node once: its engines' stores, its containers, and what could not be read.
//!
//! In: the node's paths, where its engines may be, and whose containers are wanted. Out: a [`Node`], which every command asks, so that all count the same
//! containers. For a node whose file system is mounted somewhere, every place is one below its root. Users' homes are looked into only where everybody's
//! containers are wanted. What is a user's is hostile.

pub mod places;
pub mod stores;
pub mod runtime_state;
pub mod subject;
pub mod names;
pub mod unaccounted;
pub mod running;

use crate::paths::Paths;
use crate::report::line;
use crate::settings::Engines;
use runtime_state::{RunningContainer, StateError, Whose};
use stores::Stores;

/// A node, looked at.
pub struct Node<'a> {
    /// Its own files; chains already resolved are among them.
    pub paths: &'a Paths,
    /// Its engines' stores; none where only the running containers are wanted.
    pub stores: Stores,
    /// What runtimes have state of.
    pub running: Vec<RunningContainer>,
    /// What runtimes have state of that cannot be read.
    pub unread: Vec<StateError>,
    /// Where its engines are.
    pub places: Engines,
}

impl<'a> Node<'a> {
    /// The node's runtimes, without any store: a container that runs is known by its bundle. `engines` are the settings'.
    #[must_use]
    pub fn running(paths: &'a Paths, engines: &Engines, whose: Whose) -> Self {
        Self::at(paths, places::of_node(paths, engines, whose), whose)
    }

    /// The whole node: its runtimes and every engine's store.
    #[must_use]
    pub fn whole(paths: &'a Paths, engines: &Engines) -> Self {
        let mut node = Self::running(paths, engines, Whose::Everybodys);
        node.open_stores();
        node
    }

    /// The same as [`Node::running`], with no other places than these.
    #[must_use]
    pub fn at(paths: &'a Paths, places: Engines, whose: Whose) -> Self {
        let (mut running, mut unread) = (Vec::new(), Vec::new());
        for found in runtime_state::containers(&runtime_state::roots(&paths.root, whose, &places.runtime_roots)) {
            match found {
                Ok(container) => running.push(container),
                Err(fault) => unread.push(fault),
            }
        }
        Self { paths, stores: Stores::default(), running, unread, places }
    }

    /// Opens the engines' stores.
    pub fn open_stores(&mut self) {
        self.stores = Stores::open(&self.places, self.paths);
    }

    /// What could not be read, one line each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let unread = self.unread.iter().map(|fault| line::causes(fault));
        self.stores.faults.iter().map(|fault| line::causes(fault)).chain(unread).collect()
    }
}
