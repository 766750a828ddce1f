//! Opens the engines' stores on a node, for commands where the user names no engine.
//!
//! In: the usual directories of stores, and the directories in the settings. Out: every store that
//! exists, opened, with its engine's name; and why a store that exists could not be opened. A
//! rootless engine's store belongs to its user, who controls everything in the store, and may let
//! every read of the store hang. Not checked: whether the engine runs.

mod records;
mod users;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{fmt, fs, io};

use super::places::{add_new, is_in_a_home, of};
use super::runtime_state::RunningContainer;
use crate::container::engine::{self, BundlePlace, Engine, is_dockers};
use crate::lineage::containerd::store::ContainerdStore;
use crate::lineage::docker::GraphStore;
use crate::lineage::{LineageError, Unknown, storage};
use crate::paths::Paths;
use crate::report::line::name;
use crate::settings::Engines;
use crate::sys::digits::is_number;
use crate::sys::directory::Directory;
use crate::sys::file::{self, FileError};
pub use records::Records;
use records::{Docker, Namespace};

/// The store of one engine.
pub struct Store {
    /// The engine: Docker, containerd, or one of the engines that share containers/storage.
    pub engine: Engine,
    /// The store's directory.
    pub place: PathBuf,
    /// The namespace that the store serves, if the engine has namespaces.
    pub namespace: Option<String>,
    /// The user who controls the store: the owner of the home that contains the store, or root if
    /// no home contains the store.
    pub owner: u32,
    /// The engine's records in the store.
    pub records: Box<dyn Records>,
}

impl Store {
    /// Whether this store may have a record of the container, by the shape of the bundle's path.
    /// The ID alone is not enough: users of ctr choose IDs, so the same ID may exist in several
    /// namespaces. A user's store is used only for that user's containers.
    #[must_use]
    pub fn may_have(&self, running: &RunningContainer) -> bool {
        if self.owner != 0 && self.owner != running.owner {
            return false;
        }
        let is_storage = self.engine == Engine::ContainersStorage;
        match engine::place_of(&running.bundle, &running.id) {
            BundlePlace::Task { namespace, .. } => {
                !is_storage && self.namespace.as_ref().is_none_or(|own| *own == namespace)
            }
            BundlePlace::Storage { .. } => is_storage,
            BundlePlace::BuildKit { .. } | BundlePlace::Buildah | BundlePlace::Elsewhere => true,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = name(&self.place.to_string_lossy());
        write!(f, "{} in {place}", self.engine)?;
        match &self.namespace {
            Some(namespace) => write!(f, ", namespace {}", name(namespace)),
            None => Ok(()),
        }
    }
}

/// The engines' stores on a node.
#[derive(Default)]
pub struct Stores {
    /// The stores that were opened.
    pub open: Vec<Store>,
    /// Why stores that exist could not be opened.
    pub faults: Vec<LineageError>,
}

/// A namespace of a containerd: the containerd's root directory, its store, and the namespace's
/// name.
type InContainerd = (PathBuf, Rc<ContainerdStore>, String);

impl Stores {
    /// Opens every store below these places. Places where nothing exists are skipped. The stores of
    /// root and of the caller come first, so that a user's link to a store does not replace that
    /// store.
    #[must_use]
    pub fn open(places: &Engines, paths: &Paths) -> Self {
        let mut all = Self::default();
        for (user, places) in by_user(places) {
            let stores = match user {
                0 => Self::open_own(&places, paths),
                _user => users::open(user, &places, paths),
            };
            all.open.extend(stores.open);
            all.faults.extend(stores.faults);
        }
        all
    }

    /// Opens every store below these places in this process, whoever controls the stores.
    fn open_own(places: &Engines, paths: &Paths) -> Self {
        let mut stores = Self::default();
        let mut data_roots = Vec::new();
        for root in stores.distinct(places.docker.iter()) {
            data_roots.extend(with_remapped(root));
        }
        let data_roots: Rc<[PathBuf]> = data_roots.into();
        let mut namespaces = Vec::new();
        for root in containerds(places, &data_roots) {
            stores.add_namespaces(root, paths, &mut namespaces);
        }
        for root in data_roots.iter() {
            stores.add_docker(root.clone(), &namespaces);
        }
        for (place, store, name) in namespaces {
            let is_dockers = is_dockers(&name);
            let engine = if is_dockers {
                Engine::Docker
            } else {
                Engine::Containerd
            };
            let records = Namespace {
                store,
                name: name.clone(),
                is_dockers,
                data_roots: Rc::clone(&data_roots),
            };
            stores.add(engine, place, Some(name), records);
        }
        let mut run_roots = BTreeMap::new();
        for place in &places.storage {
            let run_root = place.run_root.as_ref().unwrap_or(&place.root);
            run_roots.entry(&place.root).or_insert(run_root);
        }
        for root in stores.distinct(places.storage.iter().map(|place| &place.root)) {
            stores.add_storage(root, run_roots[root]);
        }
        stores
    }

    fn add(
        &mut self,
        engine: Engine,
        place: PathBuf,
        namespace: Option<String>,
        records: impl Records + 'static,
    ) {
        let owner = owner(&place).unwrap_or(u32::MAX);
        self.open.push(Store {
            engine,
            place,
            namespace,
            owner,
            records: Box::new(records),
        });
    }

    /// The places that may be read, each once. A link in a user's home may lead only to the user's
    /// own files.
    fn distinct<'a>(&mut self, places: impl Iterator<Item = &'a PathBuf>) -> Vec<&'a PathBuf> {
        let mut distinct: Vec<&PathBuf> = Vec::new();
        for place in places {
            match owner(place) {
                Ok(_) if distinct.iter().any(|known| is_same(known, place)) => {}
                Ok(_) => distinct.push(place),
                Err(error) if error.is_absent() => {}
                Err(error) => self.faults.push(Unknown::File(error).into()),
            }
        }
        distinct
    }

    fn add_docker(&mut self, data_root: PathBuf, namespaces: &[InContainerd]) {
        let graph = self.there(GraphStore::open(&data_root));
        // A data root without a graph driver's store may still be Docker's, with its images in
        // containerd.
        if graph.is_none() && !data_root.join("containers").is_dir() {
            return;
        }
        // Docker may be configured to use another namespace than its usual ones.
        let mut layers = Vec::new();
        for (_, store, name) in namespaces {
            layers.push((Rc::clone(store), name.clone()));
        }
        let records = Docker {
            data_root: data_root.clone(),
            graph,
            owner: owner(&data_root).unwrap_or(u32::MAX),
            namespaces: layers,
        };
        self.add(Engine::Docker, data_root, None, records);
    }

    /// Adds the namespaces of the containerd with this root, each with its store.
    fn add_namespaces(&mut self, root: PathBuf, paths: &Paths, all: &mut Vec<InContainerd>) {
        if let Some(store) = self.there(ContainerdStore::open(&root, paths)) {
            let store = Rc::new(store);
            for name in self.there(store.namespaces()).unwrap_or_default() {
                all.push((root.clone(), Rc::clone(&store), name));
            }
        }
    }

    fn add_storage(&mut self, root: &Path, run_root: &Path) {
        if let Err(error) = fs::metadata(root.join("."))
            && error.kind() == io::ErrorKind::PermissionDenied
        {
            let fault = FileError::Io(root.to_owned(), error);
            self.faults.push(Unknown::File(fault).into());
        } else if let Some(store) = self.there(storage::ContainersStore::open(root, run_root)) {
            self.add(Engine::ContainersStorage, root.to_owned(), None, store);
        }
    }

    /// Returns the store, if it exists. Any error other than absence is recorded in `faults`.
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

/// The roots of a node's containerds: those at the known places, and the containerd that dockerd
/// starts for itself below each data root. Two containerds with the same root have one store, even
/// if their state directories differ.
fn containerds(places: &Engines, data_roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut roots = Vec::new();
    for place in &places.containerd {
        roots.push(place.root.clone());
    }
    for root in data_roots {
        roots.push(root.join("containerd/daemon"));
    }
    let mut distinct = Vec::new();
    add_new(&mut distinct, &roots, |one, other| is_same(one, other));
    distinct
}

/// The places of stores, grouped by the user who controls the store. The places of root and of the
/// caller are under 0.
fn by_user(places: &Engines) -> BTreeMap<u32, Engines> {
    let mut by_user = BTreeMap::new();
    for root in &places.docker {
        of(&mut by_user, root).docker.push(root.clone());
    }
    for place in &places.storage {
        of(&mut by_user, &place.root).storage.push(place.clone());
    }
    let containerd = places.containerd.iter().cloned();
    by_user.entry(0).or_default().containerd.extend(containerd);
    by_user
}

/// The user who controls a store. A rootless engine's store lies in a home; the home's owner
/// controls that store. Any other store is root's, even if root put it on a disk that a user owns.
fn owner(place: &Path) -> Result<u32, FileError> {
    if is_in_a_home(place) {
        Directory::open(place).map(|directory| directory.owner())
    } else {
        Ok(0)
    }
}

/// Whether two paths lead to the same store, possibly by a link.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || file::is_same_directory(one, other)
}

/// A data root of Docker, and the data roots inside it that Docker uses for user-namespace
/// remapping. Their names are `<uid>.<gid>`.
fn with_remapped(root: &Path) -> Vec<PathBuf> {
    let mut roots = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if let Some((uid, gid)) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.split_once('.'))
            && is_number(uid)
            && is_number(gid)
        {
            roots.push(entry.path());
        }
    }
    roots.sort();
    roots.insert(0, root.to_owned());
    roots
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::super::places::USERS;
    use super::super::runtime_state::InitProcess;
    use super::*;
    use crate::container::ContainerId;
    use crate::container::runtime::RuntimeKind;

    const USER: u32 = 70_000;

    fn running(owner: u32) -> RunningContainer {
        RunningContainer {
            id: ContainerId::parse("web").unwrap(),
            kind: RuntimeKind::Runc,
            root: "/run/runc".into(),
            bundle: "/b".into(),
            process: InitProcess {
                pid: 1,
                started: None,
            },
            owner,
        }
    }

    #[test]
    fn a_users_store_speaks_of_his_containers_alone_and_leads_nowhere_else() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let top = tempfile::tempdir().unwrap();
        std::fs::set_permissions(
            top.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let paths = Paths::below(top.path());
        let (roots, home, other) = (
            top.path().join("var"),
            top.path().join("home"),
            top.path().join("other"),
        );
        std::fs::create_dir_all(roots.join("containers")).unwrap();
        std::fs::create_dir_all(home.join(USERS[0]).join("containers")).unwrap();
        std::fs::create_dir_all(other.join(".local/share")).unwrap();
        symlink(&roots, other.join(USERS[0])).unwrap();
        for place in [&home, &other] {
            chown(place, Some(USER), None).unwrap();
        }
        let places = Engines {
            docker: vec![other.join(USERS[0]), home.join(USERS[0]), roots.clone()],
            ..Engines::default()
        };
        let stores = Stores::open(&places, &paths);
        let found: Vec<_> = stores
            .open
            .iter()
            .map(|store| (store.place.clone(), store.owner))
            .collect();
        assert_eq!(found, [(roots, 0), (home.join(USERS[0]), USER)]);
        assert_eq!(stores.faults.len(), 1, "{:?}", stores.faults);
        let may_have = |owner| {
            stores
                .open
                .iter()
                .map(|store| store.may_have(&running(owner)))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (may_have(0), may_have(USER), may_have(USER + 1)),
            (vec![true, false], vec![true, true], vec![true, false])
        );
    }
}
