//! Opens the engines' stores of a node.
//!
//! For people, who name a container or an image and no engine. In: the places where stores may be, the usual ones and the settings'. Out: those that
//! are there, opened, each with its engine's word; and what is wrong with those that are there and cannot be read. A store of a rootless engine is
//! its user's, and so is whatever it says. Not checked: whether the engine runs.

mod records;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{fmt, fs, io};

use super::places::add_new;
use super::runtime_state::RunningContainer;
use crate::container::engine::{self, Engine, Place, is_dockers};
use crate::lineage::containerd::store as containerd;
use crate::lineage::docker::GraphStore;
use crate::lineage::{LineageError, Unknown, storage};
use crate::paths::Paths;
use crate::report::line::name;
use crate::settings::{ContainerdPlace, Engines};
use crate::sys::digits::is_number;
use crate::sys::file::FileError;
pub use records::Records;
use records::{Docker, Namespace};

/// One engine's store.
pub struct Store {
    /// The engine: Docker, containerd, or one of those that share containers/storage.
    pub engine: Engine,
    /// Where it is.
    pub place: PathBuf,
    /// Its namespace, where the engine has such.
    pub namespace: Option<String>,
    /// What it answers.
    pub records: Box<dyn Records>,
}

impl Store {
    /// Whether a container with this bundle can be this store's, by the shape of the bundle's path: IDs that people choose, as with ctr, stand in
    /// more than one namespace.
    #[must_use]
    pub fn may_have(&self, running: &RunningContainer) -> bool {
        let is_storage = self.engine == Engine::ContainersStorage;
        match engine::place_of(&running.bundle, &running.id) {
            Place::Task { namespace, .. } => !is_storage && self.namespace.as_ref().is_none_or(|own| *own == namespace),
            Place::Storage { .. } => is_storage,
            Place::BuildKit { .. } | Place::Buildah | Place::Elsewhere => true,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.engine, name(&self.place.to_string_lossy()))?;
        self.namespace.iter().try_for_each(|namespace| write!(f, ", namespace {}", name(namespace)))
    }
}

/// The stores of a node.
#[derive(Default)]
pub struct Stores {
    /// Those that could be opened.
    pub open: Vec<Store>,
    /// Those that are there and could not be.
    pub faults: Vec<LineageError>,
}

impl Stores {
    /// Opens every store below these places; one that is not there is passed over.
    #[must_use]
    pub fn open(places: &Engines, paths: &Paths) -> Self {
        let mut stores = Self::default();
        let data_roots: Vec<_> = places.docker.iter().flat_map(|root| with_remapped(root)).collect();
        let mut namespaces = Vec::new();
        for place in containerds(places, &data_roots) {
            namespaces.extend(stores.namespaces(&place, paths));
        }
        for root in data_roots {
            stores.add_docker(root, &namespaces);
        }
        for (place, store, name) in namespaces {
            let is_dockers = is_dockers(&name);
            let engine = if is_dockers { Engine::Docker } else { Engine::Containerd };
            stores.add(engine, place, Some(name.clone()), Namespace { store, name, is_dockers });
        }
        for place in &places.storage {
            if let Err(error) = fs::metadata(place.root.join("."))
                && error.kind() == io::ErrorKind::PermissionDenied
            {
                stores.faults.push(Unknown::File(FileError::Io(place.root.clone(), error)).into());
                continue;
            }
            let opened = storage::Store::open(&place.root, place.run_root.as_deref().unwrap_or(&place.root));
            if let Some(store) = stores.there(opened) {
                stores.add(Engine::ContainersStorage, place.root.clone(), None, store);
            }
        }
        stores
    }

    fn add(&mut self, engine: Engine, place: PathBuf, namespace: Option<String>, records: impl Records + 'static) {
        self.open.push(Store { engine, place, namespace, records: Box::new(records) });
    }

    fn add_docker(&mut self, data_root: PathBuf, namespaces: &[(PathBuf, Rc<containerd::Store>, String)]) {
        let graph = self.there(GraphStore::open(&data_root));
        // Without a graph driver's store it may still be Docker's, with its images in containerd's.
        if graph.is_some() || data_root.join("containers").is_dir() {
            let own = namespaces.iter().filter(|(_, _, name)| is_dockers(name));
            let namespaces = own.map(|(_, store, name)| (Rc::clone(store), name.clone())).collect();
            self.add(Engine::Docker, data_root.clone(), None, Docker { data_root, graph, namespaces });
        }
    }

    /// The namespaces of one containerd, each with its store.
    fn namespaces(&mut self, place: &ContainerdPlace, paths: &Paths) -> Vec<(PathBuf, Rc<containerd::Store>, String)> {
        let Some(store) = self.there(containerd::Store::open(&place.root, place.address.as_deref(), paths)) else { return Vec::new() };
        let names = self.there(store.namespaces()).unwrap_or_default();
        let store = Rc::new(store);
        names.into_iter().map(|name| (place.root.clone(), Rc::clone(&store), name)).collect()
    }

    /// What is there; a fault that is no absence is kept.
    fn there<T>(&mut self, answer: Result<T, LineageError>) -> Option<T> {
        match answer {
            Ok(there) => return Some(there),
            Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
            Err(LineageError::Unknown(Unknown::File(error))) if error.is_absent() => {}
            Err(fault) => self.faults.push(fault),
        }
        None
    }
}

/// The containerds of a node: those at their places, and one that dockerd started for itself below each data root.
fn containerds(places: &Engines, data_roots: &[PathBuf]) -> Vec<ContainerdPlace> {
    // Two with one root are one store, whichever state each has.
    let mut containerds = Vec::new();
    add_new(&mut containerds, &places.containerd, |one: &ContainerdPlace, other: &ContainerdPlace| one.root == other.root);
    let own = data_roots.iter().map(|root| ContainerdPlace { root: root.join("containerd/daemon"), state: None, address: None });
    add_new(&mut containerds, &own.collect::<Vec<_>>(), |one, other| one.root == other.root);
    containerds
}

/// A data root of Docker, and the folders in it that belong to user-namespace remapping, `<uid>.<gid>`.
fn with_remapped(root: &Path) -> Vec<PathBuf> {
    let is_remapped = |name: &str| name.split_once('.').is_some_and(|(uid, gid)| is_number(uid) && is_number(gid));
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut roots: Vec<_> = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_remapped)).map(|entry| entry.path()).collect();
    roots.sort();
    roots.insert(0, root.to_owned());
    roots
}
