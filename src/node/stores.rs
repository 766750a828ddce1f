//! Opens the engines' stores on a node, for commands where the user names no engine.
//!
//! In: the usual places of stores, and the places in the settings. Out: every store that exists,
//! opened, with its engine's name; and why a store that exists could not be opened. A rootless
//! engine's store belongs to its user, who controls everything in it. Not checked: whether the
//! engine runs.

mod records;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{fmt, fs, io};

use super::places::{USERS, add_new};
use super::runtime_state::RunningContainer;
use crate::container::engine::{self, BundlePlace, Engine, is_dockers};
use crate::lineage::containerd::store as containerd;
use crate::lineage::docker::GraphStore;
use crate::lineage::{LineageError, Unknown, storage};
use crate::paths::Paths;
use crate::report::line::name;
use crate::settings::{ContainerdPlace, Engines, StoragePlace};
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
    /// The user who controls the store: the owner of the home that contains it, or root if no home
    /// does.
    pub owner: u32,
    /// The engine's records in the store.
    pub records: Box<dyn Records>,
}

impl Store {
    /// Whether this store may have a record of the container, by the shape of the bundle's path.
    /// The ID alone is not enough: users of ctr choose IDs, so the same ID may exist in several
    /// namespaces. A user's store counts only for that user's containers.
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
        write!(
            f,
            "{} in {}",
            self.engine,
            name(&self.place.to_string_lossy())
        )?;
        self.namespace
            .iter()
            .try_for_each(|namespace| write!(f, ", namespace {}", name(namespace)))
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

impl Stores {
    /// Opens every store below these places. Places where nothing exists are skipped.
    #[must_use]
    pub fn open(places: &Engines, paths: &Paths) -> Self {
        let mut stores = Self::default();
        // This check comes before duplicates are removed, so that a user's link to a store does not
        // replace the store.
        let docker: Vec<PathBuf> = places
            .docker
            .iter()
            .filter(|root| stores.is_open(root))
            .cloned()
            .collect();
        let mut own_roots = Vec::new();
        add_new(&mut own_roots, &docker, |one, other| is_same(one, other));
        let data_roots: Rc<[PathBuf]> = own_roots
            .iter()
            .flat_map(|root| with_remapped(root))
            .collect();
        let mut namespaces = Vec::new();
        for place in containerds(places, &data_roots) {
            namespaces.extend(stores.namespaces(&place, paths));
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
            let data_roots = Rc::clone(&data_roots);
            stores.add(
                engine,
                place,
                Some(name.clone()),
                Namespace {
                    store,
                    name,
                    is_dockers,
                    data_roots,
                },
            );
        }
        let named: Vec<StoragePlace> = places
            .storage
            .iter()
            .filter(|place| stores.is_open(&place.root))
            .cloned()
            .collect();
        let mut storage: Vec<StoragePlace> = Vec::new();
        add_new(&mut storage, &named, |one: &StoragePlace, other| {
            is_same(&one.root, &other.root)
        });
        for place in &storage {
            if let Err(error) = fs::metadata(place.root.join("."))
                && error.kind() == io::ErrorKind::PermissionDenied
            {
                stores
                    .faults
                    .push(Unknown::File(FileError::Io(place.root.clone(), error)).into());
                continue;
            }
            let opened = storage::ContainersStore::open(
                &place.root,
                place.run_root.as_deref().unwrap_or(&place.root),
            );
            if let Some(store) = stores.there(opened) {
                stores.add(Engine::ContainersStorage, place.root.clone(), None, store);
            }
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

    /// Whether a place may be read. A link in a user's home may lead only to the user's own files.
    fn is_open(&mut self, place: &Path) -> bool {
        match owner(place) {
            Ok(_) => true,
            Err(error) => {
                self.faults
                    .extend((!error.is_absent()).then(|| Unknown::File(error).into()));
                false
            }
        }
    }

    fn add_docker(
        &mut self,
        data_root: PathBuf,
        namespaces: &[(PathBuf, Rc<containerd::ContainerdStore>, String)],
    ) {
        let graph = self.there(GraphStore::open(&data_root));
        // A data root without a graph driver's store may still be Docker's, with its images in
        // containerd.
        if graph.is_some() || data_root.join("containers").is_dir() {
            // Docker may be configured to use another namespace than its usual ones.
            let namespaces = namespaces
                .iter()
                .map(|(_, store, name)| (Rc::clone(store), name.clone()))
                .collect();
            let owner = owner(&data_root).unwrap_or(u32::MAX);
            self.add(
                Engine::Docker,
                data_root.clone(),
                None,
                Docker {
                    data_root,
                    graph,
                    owner,
                    namespaces,
                },
            );
        }
    }

    /// The namespaces of one containerd. Each has a store of its own.
    fn namespaces(
        &mut self,
        place: &ContainerdPlace,
        paths: &Paths,
    ) -> Vec<(PathBuf, Rc<containerd::ContainerdStore>, String)> {
        let Some(store) = self.there(containerd::ContainerdStore::open(&place.root, paths)) else {
            return Vec::new();
        };
        let names = self.there(store.namespaces()).unwrap_or_default();
        let store = Rc::new(store);
        names
            .into_iter()
            .map(|name| (place.root.clone(), Rc::clone(&store), name))
            .collect()
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

/// The containerds of a node: those at the known places, and the containerd that dockerd starts for
/// itself below each data root.
fn containerds(places: &Engines, data_roots: &[PathBuf]) -> Vec<ContainerdPlace> {
    // Two containerds with the same root are one store, even if their state directories differ.
    let mut containerds = Vec::new();
    add_new(
        &mut containerds,
        &places.containerd,
        |one: &ContainerdPlace, other: &ContainerdPlace| is_same(&one.root, &other.root),
    );
    let own = data_roots.iter().map(|root| ContainerdPlace {
        root: root.join("containerd/daemon"),
        state: None,
    });
    add_new(&mut containerds, &own.collect::<Vec<_>>(), |one, other| {
        is_same(&one.root, &other.root)
    });
    containerds
}

/// The user who controls a store. A rootless engine's store lies in a home; the home's owner
/// controls it. Any other store is root's, even if root put it on a disk that a user owns.
fn owner(place: &Path) -> Result<u32, FileError> {
    let is_in_a_home = place
        .ancestors()
        .any(|above| USERS.iter().any(|below| above.ends_with(below)));
    if is_in_a_home {
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
    let is_remapped = |name: &str| {
        name.split_once('.')
            .is_some_and(|(uid, gid)| is_number(uid) && is_number(gid))
    };
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut roots: Vec<_> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_remapped))
        .map(|entry| entry.path())
        .collect();
    roots.sort();
    roots.insert(0, root.to_owned());
    roots
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

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
        assert_eq!(found, [(home.join(USERS[0]), USER), (roots, 0)]);
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
            (vec![false, true], vec![true, true], vec![false, true])
        );
    }
}
