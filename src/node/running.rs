//! Finds the running containers of a node, and the layers of each.
//!
//! In: a [`Node`]. Out: each running container, once, and each container whose state is unclear.
//! The same container may have state in two directories. A user's state may name any process, so it
//! never hides another user's container. Lineages are resolved as the gate resolves them. Lineages
//! are stored for the next scan, because the lineage of a container never changes.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::runtime_state::{Alive, RunningContainer, StateError};
use super::stores::Store;
use super::subject::{Kind, Known};
use super::unaccounted::{self, Unaccounted};
use super::{Node, names};
use crate::container::ContainerId;
use crate::container::engine::{self, BundlePlace, Engine};
use crate::lineage::Origin;
use crate::report::line;

/// A running container.
#[derive(Clone, Debug)]
pub struct Instance {
    /// What its runtime's state says about the container.
    pub running: RunningContainer,
    /// When the container's first process started, in clock ticks since boot.
    pub started: u64,
    /// Where the container's bundle is; the path of the bundle shows the engine.
    pub place: BundlePlace,
    /// The name that the engine gave the container, once it has been looked up.
    pub name: Option<String>,
    /// Why the name is not known, if looking it up failed.
    pub nameless: Option<String>,
    /// Which engine made the container, once it has been looked up.
    engine: OnceCell<Engine>,
}

/// Identifies one instance of a container: bundle, ID, first process, its start time, and the user
/// who controls the state.
type Key = (PathBuf, ContainerId, u32, u64, u32);

/// The lineages found so far, by instance.
#[derive(Debug, Default)]
pub struct Resolved(HashMap<Key, Arc<Origin>>);

impl Instance {
    /// containerd's namespace, if the container has one.
    #[must_use]
    pub fn namespace(&self) -> Option<String> {
        unaccounted::namespace(&self.place)
    }

    /// Which engine made the container. If the bundle's path fits several engines, the engine's own
    /// record decides.
    #[must_use]
    pub fn engine(&self) -> Engine {
        let RunningContainer {
            bundle, id, owner, ..
        } = &self.running;
        let engine = || names::engine_of_bundle(bundle, id, &self.place, *owner);
        *self.engine.get_or_init(engine)
    }

    /// The container's ID.
    #[must_use]
    pub fn id(&self) -> &str {
        self.running.id.as_str()
    }

    /// Describes this container for a report, when its lineage is not known. `why` is the reason.
    #[must_use]
    pub fn unaccounted(&self, why: String) -> Unaccounted {
        Unaccounted {
            id: self.id().to_owned(),
            engine: self.engine(),
            namespace: self.namespace(),
            name: self.name.clone(),
            place: self.running.bundle.clone(),
            why,
        }
    }

    fn key(&self) -> Key {
        (
            self.running.bundle.clone(),
            self.running.id.clone(),
            self.running.process.pid,
            self.started,
            self.running.owner,
        )
    }
}

/// The containers of this node whose first processes are in `alive`, each once. Containers that
/// have ended or have not been started are left out.
#[must_use]
pub fn living(running: &[RunningContainer], alive: &Alive) -> Vec<Instance> {
    let mut instances = Vec::new();
    for running in running {
        if let Some(started) = alive.get(&running.process)
            && !running.has_not_started()
        {
            instances.push(Instance {
                running: running.clone(),
                started: *started,
                place: running.place(),
                name: None,
                nameless: None,
                engine: OnceCell::new(),
            });
        }
    }
    // Root's state comes first, then state that says when the process started: a later entry with
    // the same process is the same container.
    instances.sort_by_key(|one| {
        (
            !one.running.is_trusted(),
            one.running.process.started.is_none(),
        )
    });
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for instance in instances {
        let process = (instance.running.process.pid, instance.started);
        // The state of one user never hides the container of another user.
        let whose = (!instance.running.is_trusted()).then_some(instance.running.owner);
        if !seen.contains(&(process, None)) && seen.insert((process, whose)) {
            found.push(instance);
        }
    }
    found
}

/// Describes a container whose runtime state cannot be read.
#[must_use]
pub fn unread(fault: &StateError) -> Option<Unaccounted> {
    let (id, root) = match fault {
        StateError::Directory(root, _) | StateError::Beyond(root, ..) => {
            (String::new(), root.as_path())
        }
        StateError::File(_) | StateError::State(..) => {
            let directory = fault.path().parent()?;
            let id = directory.file_name()?.to_string_lossy();
            (id.into_owned(), directory.parent()?)
        }
    };
    let (engine, namespace) = engine_of(root);
    Some(Unaccounted {
        id,
        engine,
        namespace,
        name: None,
        place: fault.path().to_owned(),
        why: line::causes(fault),
    })
}

/// Which engine's containers a state directory holds, and in which namespace, by the shape of its
/// path.
fn engine_of(root: &Path) -> (Engine, Option<String>) {
    let names = root.iter().rev().take(3).map(OsStr::to_str);
    let names: Vec<&str> = names.map(Option::unwrap_or_default).collect();
    match *names.as_slice() {
        [namespace, "runtime-runc", _] => (Engine::Docker, Some(namespace.to_owned())),
        [namespace, "runc", "containerd"] if engine::is_dockers(namespace) => {
            (Engine::Docker, Some(namespace.to_owned()))
        }
        [namespace, "runc", "containerd"] => (Engine::Containerd, Some(namespace.to_owned())),
        _ => (Engine::Unknown, None),
    }
}

/// Stands for the containers that an ordinary user may not see: runtime state that only its owner
/// may read. It is other users' state.
#[must_use]
pub fn hidden(node: &Node<'_>) -> Vec<Unaccounted> {
    let mut hidden = Vec::new();
    for fault in &node.unread {
        if is_hidden(fault) {
            hidden.extend(unread(fault));
        }
    }
    hidden
}

fn is_hidden(fault: &StateError) -> bool {
    fault.is_denied() && !nix::unistd::geteuid().is_root()
}

/// The containers that run on `node`, or may run, and about which nothing else is known, without
/// the [`hidden`] ones. Settings of an engine that cannot be read stand for containers in places
/// that only they name.
#[must_use]
pub fn unclear(node: &Node<'_>) -> Vec<Unaccounted> {
    let mut unclear = Vec::new();
    for fault in &node.unread {
        if !is_hidden(fault) {
            unclear.extend(unread(fault));
        }
    }
    for unexplained in &node.unexplained {
        unclear.push(unexplained.container.clone());
    }
    for fault in &node.unread_settings {
        let unread = behind(fault.path(), line::causes(fault));
        // Each process of an engine may name the same file.
        if !unclear.contains(&unread) {
            unclear.push(unread);
        }
    }
    unclear
}

/// The containers that may be in those of the node's open stores that could not be read.
#[must_use]
pub fn in_unread_stores(node: &Node<'_>) -> Vec<Unaccounted> {
    let mut unclear = Vec::new();
    for fault in &node.stores.faults {
        let place = fault.path().unwrap_or(Path::new("/"));
        unclear.push(behind(place, line::causes(fault)));
    }
    unclear
}

/// Stands for all containers that cannot be found because this file or directory cannot be read.
fn behind(place: &Path, why: String) -> Unaccounted {
    Unaccounted {
        id: String::new(),
        engine: Engine::Unknown,
        namespace: None,
        name: None,
        place: place.to_owned(),
        why,
    }
}

/// The records in the stores of users' engines: for each user and container ID, the store and the
/// container's name.
struct UsersRecords<'a>(HashMap<(u32, ContainerId), (&'a Store, Option<String>)>);

impl<'a> UsersRecords<'a> {
    fn of(node: &'a Node<'_>) -> Self {
        let mut records = HashMap::new();
        for store in &node.stores.open {
            let owner = store.owner;
            if owner == 0 {
                continue;
            }
            for stored in store.records.containers().unwrap_or_default() {
                records.insert((owner, stored.id), (store, stored.names.into_iter().next()));
            }
        }
        Self(records)
    }

    fn of_container(&self, running: &RunningContainer) -> Option<&(&'a Store, Option<String>)> {
        let record = self.0.get(&(running.owner, running.id.clone()))?;
        record.0.may_have(running).then_some(record)
    }
}

/// The lineage of each container, or why it is not known. Containers that have ended meanwhile are
/// left out.
#[must_use]
pub fn resolve(
    living: Vec<Instance>,
    node: &mut Node<'_>,
    resolved: &mut Resolved,
) -> Vec<(Instance, Result<Arc<Origin>, String>)> {
    // A rootless engine's mounts are not visible to this process, but its records are readable.
    let is_new = |one: &Instance| one.running.owner != 0 && !resolved.0.contains_key(&one.key());
    if living.iter().any(is_new) {
        node.open_stores();
    }
    let records = UsersRecords::of(node);
    let mut found = Vec::with_capacity(living.len());
    for mut living in living {
        let recorded = records.of_container(&living.running);
        if let Some((_, name)) = recorded {
            living.name.clone_from(name);
        }
        if let Some(origin) = resolved.0.get(&living.key()) {
            found.push((living, Ok(Arc::clone(origin))));
            continue;
        }
        let store = recorded.map(|(store, _)| *store);
        match origin(&living, store, node) {
            None => {}
            Some(Err(why)) => found.push((living, Err(why))),
            Some(Ok(origin)) => {
                let origin = Arc::new(origin);
                resolved.0.insert(living.key(), Arc::clone(&origin));
                found.push((living, Ok(origin)));
            }
        }
    }
    found
}

/// The lineage of one container; `None` if the container no longer exists.
fn origin(
    living: &Instance,
    store: Option<&Store>,
    node: &Node<'_>,
) -> Option<Result<Origin, String>> {
    let running = &living.running;
    let subject = node.container(&Known {
        store,
        running: Some(running),
        ..Known::new(running.id.clone())
    });
    match subject.origin {
        Ok(origin) => {
            matches!(subject.kind, Kind::Container { runs: true, .. }).then_some(Ok(origin))
        }
        // The bundle of a container is removed when the container ends.
        Err(fault) => {
            let still_runs =
                running.process.start_time() == Some(living.started) && !running.has_not_started();
            still_runs.then(|| Err(line::causes(&fault)))
        }
    }
}

/// Looks up the name of a container, unless the name is already known.
pub fn name(living: &mut Instance) {
    if living.name.is_none() {
        match names::called(&living.running) {
            Ok(name) => living.name = name,
            Err(why) => living.nameless = Some(why),
        }
    }
}
