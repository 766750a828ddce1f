//! Which containers run on this node, and what is each made of?
//!
//! In: a [`Site`]. Out: each container that runs, once, and each of which that cannot be told. One container may be seen in two roots; a user's state may
//! name any process, so it never stands for a container of somebody else's. Lineages are told by the gate's own way, and remembered for the next look:
//! a container's never changes while it lives.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Stranger;
use super::foreign::{self, Folder};
use super::names;
use crate::check::stores::Store;
use crate::check::subject::{Kind, Known};
use crate::container::ContainerId;
use crate::container::engine::{self, Place};
use crate::container::running::{RunningContainer, StateError};
use crate::ctl::impact::site::Site;
use crate::exec_patch::job::Container;
use crate::lineage::Origin;
use crate::report::line;

/// A container that runs.
#[derive(Clone, Debug)]
pub(super) struct Living {
    /// What its runtime has of it.
    pub(super) running: RunningContainer,
    /// When its first process began, in clock ticks since boot.
    pub(super) begun: u64,
    /// Which engine made it.
    pub(super) place: Place,
    /// What its engine calls it, once somebody has asked.
    pub(super) name: Option<String>,
}

/// One life of a container.
type Life = (PathBuf, ContainerId, u32, u64);

/// What containers are made of, by life.
#[derive(Debug, Default)]
pub(super) struct Resolved(HashMap<Life, Arc<Origin>>);

impl Living {
    /// containerd's namespace.
    #[must_use]
    pub(super) fn namespace(&self) -> Option<String> {
        foreign::namespace(&self.place)
    }

    /// Its ID.
    #[must_use]
    pub(super) fn id(&self) -> &str {
        self.running.id.as_str()
    }

    /// It, as the rest of a run knows it.
    #[must_use]
    pub(super) fn container(&self, origin: &Origin) -> Container {
        let facts = origin.facts();
        Container {
            id: self.id().to_owned(),
            engine: self.place.engine().to_owned(),
            namespace: self.namespace(),
            name: self.name.clone(),
            image: facts.and_then(|facts| facts.name.clone()),
            image_id: facts.and_then(|facts| facts.image_id).map(|id| id.to_string()),
            kind: self.running.kind,
            root: self.running.root.clone(),
            bundle: self.running.bundle.clone(),
            owner: self.running.owner,
            pid: self.running.process.pid,
            started: self.begun,
        }
    }

    /// It, where it cannot be told whether it matches.
    #[must_use]
    pub(super) fn stranger(&self, why: String) -> Stranger {
        Stranger {
            id: self.id().to_owned(),
            engine: self.place.engine().to_owned(),
            namespace: self.namespace(),
            name: self.name.clone(),
            place: self.running.bundle.clone(),
            why,
        }
    }

    fn life(&self) -> Life {
        (self.running.bundle.clone(), self.running.id.clone(), self.running.process.pid, self.begun)
    }
}

/// The containers that run, each once: neither those that have ended nor those that wait for their start.
#[must_use]
pub(super) fn living(running: &[RunningContainer]) -> Vec<Living> {
    let mut found: Vec<Living> = running.iter().filter_map(alive).collect();
    // Root's own first, and those whose state says when they began: what follows of the same process is not another container.
    found.sort_by_key(|living| (!living.running.is_trusted(), living.running.process.started.is_none()));
    let mut seen = HashSet::new();
    let mut is_new = |living: &Living| {
        let process = (living.running.process.pid, living.begun);
        // A user's state is no reason to pass over another user's.
        let whose = (!living.running.is_trusted()).then_some(living.running.owner);
        !seen.contains(&(process, None)) && seen.insert((process, whose))
    };
    found.retain(|living| is_new(living));
    found
}

fn alive(running: &RunningContainer) -> Option<Living> {
    let begun = running.process.begun().filter(|_| !has_not_begun(running))?;
    Some(Living { running: running.clone(), begun, place: engine::place_at(&running.bundle, &running.id), name: None })
}

/// Whether it has not been started. A user who says so of his container may have put that file there to keep it out of sight: it stays in sight, and a
/// worker that finds it so says so.
fn has_not_begun(running: &RunningContainer) -> bool {
    running.is_trusted() && running.waits_for_start()
}

/// A container of which a runtime has state that cannot be read; `None` for what a caller who is not root need not see.
#[must_use]
pub(super) fn unread(fault: &StateError) -> Option<Stranger> {
    let is_own = nix::unistd::geteuid().is_root() || !fault.is_denied();
    let (id, root) = match fault {
        StateError::Folder(root, _) => (String::new(), root.as_path()),
        StateError::File(_) | StateError::State(..) => {
            let folder = fault.path().parent()?;
            (folder.file_name()?.to_string_lossy().into_owned(), folder.parent()?)
        }
    };
    let (engine, namespace) = engine_of(root);
    let (place, why) = (fault.path().to_owned(), line::causes(fault));
    is_own.then(|| Stranger { id, engine: engine.to_owned(), namespace, name: None, place, why })
}

/// Whose containers a root is for, and in which namespace, by the shape of its path.
fn engine_of(root: &Path) -> (&'static str, Option<String>) {
    let names: Vec<&str> = root.iter().rev().take(3).map(|name| name.to_str().unwrap_or_default()).collect();
    match *names.as_slice() {
        [namespace, "runtime-runc", _] => ("docker", Some(namespace.to_owned())),
        [namespace, "runc", "containerd"] if engine::is_dockers(namespace) => ("docker", Some(namespace.to_owned())),
        [namespace, "runc", "containerd"] => ("containerd", Some(namespace.to_owned())),
        _ => ("unknown", None),
    }
}

/// The containers that run on `site` and have no state there, of those whose folders were seen before its state was read.
#[must_use]
pub(super) fn strangers(folders: Vec<Folder>, site: &Site<'_>) -> Vec<Stranger> {
    let mut strangers: Vec<Stranger> = site.unread.iter().filter_map(unread).collect();
    strangers.extend(foreign::strangers(folders, site));
    strangers
}

/// What users' engines have records of: by user and ID, the store and the container's name.
struct UsersRecords<'a>(HashMap<(u32, ContainerId), (&'a Store, Option<String>)>);

impl<'a> UsersRecords<'a> {
    fn of(site: &'a Site<'_>) -> Self {
        let mut records = HashMap::new();
        for store in &site.stores.open {
            let Some(owner) = fs::metadata(&store.place).map(|facts| facts.uid()).ok().filter(|owner| *owner != 0) else { continue };
            for stored in store.records.containers().unwrap_or_default() {
                records.insert((owner, stored.id), (store, stored.names.into_iter().next()));
            }
        }
        Self(records)
    }

    fn of_container(&self, running: &RunningContainer) -> Option<&(&'a Store, Option<String>)> {
        self.0.get(&(running.owner, running.id.clone())).filter(|(store, _)| store.may_have(running))
    }
}

/// What each container is made of, or why that cannot be told; without those that ended meanwhile.
#[must_use]
pub(super) fn resolve(living: Vec<Living>, site: &mut Site<'_>, resolved: &mut Resolved) -> Vec<(Living, Result<Arc<Origin>, String>)> {
    // A rootless engine's mounts cannot be seen from here; its records can.
    if living.iter().any(|living| living.running.owner != 0 && !resolved.0.contains_key(&living.life())) {
        site.open_stores();
    }
    let records = UsersRecords::of(site);
    let mut found = Vec::with_capacity(living.len());
    for mut living in living {
        let recorded = records.of_container(&living.running);
        if let Some((_, name)) = recorded {
            living.name.clone_from(name);
        }
        let origin = match resolved.0.get(&living.life()) {
            Some(origin) => Some(Ok(Arc::clone(origin))),
            None => origin(&living, recorded.map(|(store, _)| *store), site).map(|origin| origin.map(Arc::new)),
        };
        if let Some(Ok(origin)) = &origin {
            resolved.0.insert(living.life(), Arc::clone(origin));
        }
        found.extend(origin.map(|origin| (living, origin)));
    }
    found
}

/// What one container is made of; `None` when it is no longer there.
fn origin(living: &Living, store: Option<&Store>, site: &Site<'_>) -> Option<Result<Origin, String>> {
    let running = &living.running;
    let known = Known { id: running.id.clone(), names: Vec::new(), asked: None, store, running: Some(running) };
    let subject = site.node().container(&known);
    let ran = matches!(subject.kind, Kind::Container { runs: true, .. });
    let still_runs = || running.process.begun() == Some(living.begun) && !has_not_begun(running);
    match subject.origin {
        Ok(origin) => ran.then_some(Ok(origin)),
        // What goes away takes its bundle along.
        Err(fault) => still_runs().then(|| Err(line::causes(&fault))),
    }
}

/// Asks for a container's name, where it is not known.
pub(super) fn name(living: &mut Living) {
    if living.name.is_none() {
        living.name = names::called(&living.running);
    }
}
