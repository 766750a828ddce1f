//! Where on a node are the containers and images that a list may refuse?
//!
//! In: the node's paths and settings, and whose containers are wanted. Out: its runtimes' state and its engines' stores, opened. For a node whose file
//! system is mounted somewhere, every place is one below its root. Users' homes are looked into only where everybody's containers are wanted.

use std::path::Path;

use nix::unistd::{Uid, User};

use crate::check::stores::{self, Stores};
use crate::check::subject::Node;
use crate::check::{running_containers, usual_places};
use crate::container::running::{RunningContainer, StateError, Whose, user_folders};
use crate::paths::Paths;
use crate::report::line;
use crate::settings::{ContainerdPlace, Engines, Mode, Settings, StoragePlace};
use crate::sys::process;

/// A node, looked at.
pub struct Site<'a> {
    /// Its own files.
    pub paths: &'a Paths,
    /// Its settings, in `enforce` mode.
    pub settings: Settings,
    /// Its engines' stores; none where only the running containers are wanted.
    pub stores: Stores,
    /// What runtimes have state of.
    pub running: Vec<RunningContainer>,
    /// What runtimes have state of that cannot be read; in `faults`, too.
    pub unread: Vec<StateError>,
    /// Where its engines are.
    pub places: Engines,
    /// What could not be read, one line each.
    pub faults: Vec<String>,
}

impl<'a> Site<'a> {
    /// The node's runtimes, without any store: a container that runs is told by its bundle.
    #[must_use]
    pub fn running(paths: &'a Paths, settings: Option<&Settings>, whose: Whose) -> Self {
        let settings = settings.cloned().unwrap_or_else(Settings::unset);
        let places = places(paths, &settings, whose);
        let (running, unread) = running_containers(&paths.root, whose, &places);
        let faults = unread.iter().map(|fault| line::causes(fault)).collect();
        Self { paths, settings: Settings { mode: Mode::Enforce, ..settings }, stores: Stores::default(), running, unread, places, faults }
    }

    /// The whole node: its runtimes and every engine's store.
    #[must_use]
    pub fn whole(paths: &'a Paths, settings: Option<&Settings>) -> Self {
        let mut site = Self::running(paths, settings, Whose::Everybodys);
        site.open_stores();
        site
    }

    /// Opens the engines' stores.
    pub fn open_stores(&mut self) {
        self.stores = Stores::open(&self.places, self.paths);
        self.faults.extend(self.stores.faults.iter().map(|fault| line::causes(fault)));
    }

    /// It, for looking containers up.
    #[must_use]
    pub fn node(&self) -> Node<'_> {
        Node { paths: self.paths, stores: &self.stores, running: &self.running }
    }
}

/// The usual places and the settings', below the node's root.
#[must_use]
pub fn places(paths: &Paths, settings: &Settings, whose: Whose) -> Engines {
    let is_here = paths.root == Path::new("/");
    let mut usual = if is_here { usual_places() } else { stores::usual(None, None) };
    if is_here && whose == Whose::Everybodys && process::is_privileged() {
        usual = users(usual);
    }
    below(paths, &stores::joined(usual, &settings.engines))
}

/// These places and those of every user who has a runtime folder.
fn users(mut places: Engines) -> Engines {
    for folder in user_folders(Path::new("/"), Whose::Everybodys) {
        let uid = folder.file_name().and_then(|name| name.to_str()?.parse().ok()).map(Uid::from_raw);
        let Some(user) = uid.and_then(|uid| User::from_uid(uid).ok().flatten()).filter(|user| !user.uid.is_root()) else { continue };
        places = stores::joined(places, &stores::usual(Some(user.dir.as_os_str()), Some(folder.as_os_str())));
    }
    places
}

/// Places as the node writes them, as they are from here.
fn below(paths: &Paths, places: &Engines) -> Engines {
    let of_node = |path: &std::path::PathBuf| paths.of_node(path);
    let containerd = |place: &ContainerdPlace| ContainerdPlace {
        root: of_node(&place.root),
        state: place.state.as_ref().map(of_node),
        address: place.address.as_ref().map(of_node),
    };
    let storage = |place: &StoragePlace| StoragePlace { root: of_node(&place.root), run_root: place.run_root.as_ref().map(of_node) };
    Engines {
        docker: places.docker.iter().map(of_node).collect(),
        containerd: places.containerd.iter().map(containerd).collect(),
        storage: places.storage.iter().map(storage).collect(),
        runtime_roots: places.runtime_roots.iter().map(of_node).collect(),
    }
}
