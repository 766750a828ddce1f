//! Looks at a node once: its engines' stores, its containers, and what could not be read.
//!
//! In: the node's paths, the places where its engines may be, and whose containers are wanted. Out:
//! a [`Node`]. Every command uses it, so all commands count the same containers. If the node's file
//! system is mounted somewhere, every place is below that mount point. The homes of all users are
//! searched only if everybody's containers are wanted. Hostile: whatever a user wrote.

pub mod places;
pub mod stores;
#[cfg(feature = "ctl")]
pub mod images;
pub mod allowance;
pub mod runtime_state;
pub mod subject;
pub mod names;
pub mod unaccounted;
pub mod processes;
pub mod monitors;
pub mod discovery;
pub mod unexplained;
pub mod running;
pub mod judged;

use std::time::Duration;

use crate::paths::Paths;
use crate::report::line;
use crate::settings::Engines;
use discovery::SettingsError;
use runtime_state::{RunningContainer, StateError, Whose};
use stores::Stores;
use unexplained::{Claim, Unexplained};

/// How long to wait between the first and the second scan, when a container without state was
/// found.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// A node, as a scan found it.
pub struct Node<'a> {
    /// Embargo's paths on the node. The cache of resolved chains is among them.
    pub paths: &'a Paths,
    /// The stores of the node's engines; empty if only the running containers are wanted.
    pub stores: Stores,
    /// The containers for which a runtime has state.
    pub running: Vec<RunningContainer>,
    /// The runtime state that could not be read.
    pub unread: Vec<StateError>,
    /// The settings of engines that could not be read.
    pub unread_settings: Vec<SettingsError>,
    /// Running containers for which no state was found.
    pub unexplained: Vec<Unexplained>,
    /// The places where the node's engines are.
    pub places: Engines,
}

impl<'a> Node<'a> {
    /// Looks at the node's runtimes only, and opens no store: a running container is known by its
    /// bundle. `engines` are the places in the settings.
    #[must_use]
    pub fn running(paths: &'a Paths, engines: &Engines, whose: Whose) -> Self {
        Self::at(paths, places::of_node(paths, engines, whose), whose)
    }

    /// Looks at the whole node: its runtimes and every engine's store.
    #[must_use]
    pub fn whole(paths: &'a Paths, engines: &Engines) -> Self {
        let mut node = Self::running(paths, engines, Whose::Everybodys);
        node.open_stores();
        node
    }

    /// The same as [`Node::running`], but searches only `places` and the places that processes
    /// name.
    #[must_use]
    pub fn at(paths: &'a Paths, places: Engines, whose: Whose) -> Self {
        let node = Self::glance(paths, places.clone(), whose);
        if node.unexplained.is_empty() {
            return node;
        }
        // A container that is just starting has no state yet, and a container that is just stopping
        // has no state any more. Only what both scans find is reported.
        std::thread::sleep(SECOND_LOOK);
        let again = Self::glance(paths, places, whose);
        let unexplained = again
            .unexplained
            .into_iter()
            .filter(|one| node.unexplained.contains(one))
            .collect();
        Self {
            unexplained,
            ..again
        }
    }

    /// Scans once. Processes and directories are read before the state: every container found by
    /// then has its state by the time the state is read.
    fn glance(paths: &'a Paths, places: Engines, whose: Whose) -> Self {
        let processes = processes::of_node(paths);
        let mut unread_settings = Vec::new();
        let places = discovery::with_found(places, &processes, paths, &mut unread_settings);
        let (mut running, mut unread) = (Vec::new(), Vec::new());
        let directories = unaccounted::directories(
            &places,
            &runtime_state::user_directories(&paths.root, whose),
            &mut unread,
        );
        for found in runtime_state::containers(&runtime_state::roots(
            &paths.root,
            whose,
            &places.runtime_roots,
        )) {
            match found {
                Ok(container) => running.push(container),
                Err(fault) => unread.push(fault),
            }
        }
        let mut unexplained = unexplained::containers(&processes, &running, whose);
        let has_directory = unaccounted::without_state(directories, &running, &unread);
        // A container that root or the same user has already reported is not reported again.
        let vouches = |one: &Unexplained, owner: u32| owner == 0 || owner == one.owner;
        let is_torn = |one: &Unexplained| {
            let directories = unread.iter().filter_map(|fault| fault.path().parent());
            directories
                .filter(|directory| directory.ends_with(&one.container.id))
                .any(|directory| vouches(one, unaccounted::owner(directory)))
        };
        let in_directories: Vec<_> = has_directory
            .into_iter()
            .map(|container| Unexplained {
                owner: unaccounted::owner(&container.place),
                claim: Claim::Proved,
                container,
            })
            .collect();
        let has_directory = |one: &Unexplained| {
            in_directories
                .iter()
                .any(|other| other.container.id == one.container.id && vouches(one, other.owner))
        };
        unexplained.retain(|one| !is_torn(one) && !has_directory(one));
        unexplained.extend(in_directories);
        Self {
            paths,
            stores: Stores::default(),
            running,
            unread,
            unread_settings,
            unexplained,
            places,
        }
    }

    /// Opens the engines' stores.
    pub fn open_stores(&mut self) {
        self.stores = Stores::open(&self.places, self.paths);
    }

    /// Everything that could not be read, one line each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let unread = self.unread.iter().map(|fault| line::causes(fault));
        let unexplained = self
            .unexplained
            .iter()
            .map(|Unexplained { container, .. }| {
                let (id, why) = (line::name(&container.id), line::one_line(&container.why));
                format!(
                    "cannot tell what runs in container {id} ({}): {why}",
                    container.engine
                )
            });
        let settings = self.unread_settings.iter().map(|fault| line::causes(fault));
        settings
            .chain(self.stores.faults.iter().map(|fault| line::causes(fault)))
            .chain(unread)
            .chain(unexplained)
            .collect()
    }
}
