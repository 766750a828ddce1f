//! Finds the running containers of a node, and the layers of each.
//!
//! In: a [`Node`]. Out: each running container, once, and each container whose state is unclear.
//! The same container may have state in two directories. A user's state may name any process, so it
//! never hides another user's container. Lineages are resolved as the gate resolves them. They are
//! kept for the next scan, because the lineage of a container never changes.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::runtime_state::{RunningContainer, StateError};
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
    /// Where the container's bundle is; this shows the engine.
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
        *self
            .engine
            .get_or_init(|| names::engine_of_bundle(bundle, id, &self.place, *owner))
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

/// The running containers, each once. Containers that have ended or have not been started are left
/// out.
#[must_use]
pub fn living(running: &[RunningContainer]) -> Vec<Instance> {
    let mut found: Vec<Instance> = running.iter().filter_map(alive).collect();
    // Root's state comes first, then state that says when the process started: a later entry with
    // the same process is the same container.
    found.sort_by_key(|living| {
        (
            !living.running.is_trusted(),
            living.running.process.started.is_none(),
        )
    });
    let mut seen = HashSet::new();
    let mut is_new = |living: &Instance| {
        let process = (living.running.process.pid, living.started);
        // The state of one user never hides the container of another user.
        let whose = (!living.running.is_trusted()).then_some(living.running.owner);
        !seen.contains(&(process, None)) && seen.insert((process, whose))
    };
    found.retain(|living| is_new(living));
    found
}

fn alive(running: &RunningContainer) -> Option<Instance> {
    let started = running
        .process
        .start_time()
        .filter(|_| !running.has_not_started())?;
    let place = engine::place_at(&running.bundle, &running.id);
    Some(Instance {
        running: running.clone(),
        started,
        place,
        name: None,
        nameless: None,
        engine: OnceCell::new(),
    })
}

/// Describes a container whose runtime state cannot be read. `None` if the caller is not root and
/// was only denied access: such state belongs to others.
#[must_use]
pub fn unread(fault: &StateError) -> Option<Unaccounted> {
    let is_own = nix::unistd::geteuid().is_root() || !fault.is_denied();
    let (id, root) = match fault {
        StateError::Directory(root, _) | StateError::Beyond(root, ..) => {
            (String::new(), root.as_path())
        }
        StateError::File(_) | StateError::State(..) => {
            let directory = fault.path().parent()?;
            (
                directory.file_name()?.to_string_lossy().into_owned(),
                directory.parent()?,
            )
        }
    };
    let (engine, namespace) = engine_of(root);
    let (place, why) = (fault.path().to_owned(), line::causes(fault));
    is_own.then_some(Unaccounted {
        id,
        engine,
        namespace,
        name: None,
        place,
        why,
    })
}

/// Which engine's containers a state directory holds, and in which namespace, by the shape of its
/// path.
fn engine_of(root: &Path) -> (Engine, Option<String>) {
    let names: Vec<&str> = root
        .iter()
        .rev()
        .take(3)
        .map(|name| name.to_str().unwrap_or_default())
        .collect();
    match *names.as_slice() {
        [namespace, "runtime-runc", _] => (Engine::Docker, Some(namespace.to_owned())),
        [namespace, "runc", "containerd"] if engine::is_dockers(namespace) => {
            (Engine::Docker, Some(namespace.to_owned()))
        }
        [namespace, "runc", "containerd"] => (Engine::Containerd, Some(namespace.to_owned())),
        _ => (Engine::Unknown, None),
    }
}

/// The containers that run on `node`, or may run, and about which nothing else is known.
#[must_use]
pub fn unclear(node: &Node<'_>) -> Vec<Unaccounted> {
    let unexplained = node
        .unexplained
        .iter()
        .map(|unexplained| unexplained.container.clone());
    node.unread
        .iter()
        .filter_map(unread)
        .chain(unexplained)
        .collect()
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
        self.0
            .get(&(running.owner, running.id.clone()))
            .filter(|(store, _)| store.may_have(running))
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
    if living
        .iter()
        .any(|living| living.running.owner != 0 && !resolved.0.contains_key(&living.key()))
    {
        node.open_stores();
    }
    let records = UsersRecords::of(node);
    let mut found = Vec::with_capacity(living.len());
    for mut living in living {
        let recorded = records.of_container(&living.running);
        if let Some((_, name)) = recorded {
            living.name.clone_from(name);
        }
        let origin = match resolved.0.get(&living.key()) {
            Some(origin) => Some(Ok(Arc::clone(origin))),
            None => origin(&living, recorded.map(|(store, _)| *store), node)
                .map(|origin| origin.map(Arc::new)),
        };
        if let Some(Ok(origin)) = &origin {
            resolved.0.insert(living.key(), Arc::clone(origin));
        }
        found.extend(origin.map(|origin| (living, origin)));
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
    let known = Known {
        id: running.id.clone(),
        names: Vec::new(),
        asked: None,
        engine: None,
        store,
        running: Some(running),
        unexplained: None,
    };
    let subject = node.container(&known);
    let ran = matches!(subject.kind, Kind::Container { runs: true, .. });
    let still_runs =
        || running.process.start_time() == Some(living.started) && !running.has_not_started();
    match subject.origin {
        Ok(origin) => ran.then_some(Ok(origin)),
        // The bundle of a container is removed when the container ends.
        Err(fault) => still_runs().then(|| Err(line::causes(&fault))),
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
