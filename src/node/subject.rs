//! Finds the containers and images that a typed name stands for, and the lineage of each.
//!
//! In: the name that a user typed, the node's stores, and the running containers. Out: every
//! container with that ID or name; if there is no such container, every image with that reference;
//! if there is no such image either, the only container whose ID begins with the name. Each
//! container or image comes with its lineage, or with the reason why the lineage is unknown. The
//! lineage of a running container is resolved from its bundle, as the gate resolves it; the lineage
//! of a stopped container comes from its engine's record. Names serve only to search. Names never
//! decide a verdict.

mod known;

use std::path::PathBuf;
use std::ptr;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::runtime_state::RunningContainer;
use super::stores::Store;
use super::{Node, prefix, wire};
use crate::container::ContainerId;
use crate::container::bundle::Bundle;
use crate::container::engine::{self, BundlePlace, Engine};
use crate::lineage::{self, LineageError, Origin, Unknown, storage};
use crate::sys::clock::Timestamp;
pub use known::{Known, add_names};

/// How long resolving one lineage may take. No start of a container waits for this lineage, so the
/// time is longer than at the gate.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container or an image on this node, with its lineage.
#[derive(Debug)]
pub struct Subject {
    /// Whether the subject is a container or an image.
    pub kind: Kind,
    /// The engine: for a container, the engine that made it, if known; for an image, the engine of
    /// the store.
    pub engine: Engine,
    /// containerd's namespace. `None` for every other engine.
    pub namespace: Option<String>,
    /// The directory of the engine's store. For a container that is in no store: its bundle.
    pub place: PathBuf,
    /// The lineage of the container or image, or why it is unknown.
    pub origin: Result<Origin, LineageError>,
    /// When the engine made the container, by the engine's own record. `None` for an image, and if
    /// there is no such record.
    pub created: Option<Timestamp>,
}

/// A container or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A container.
    Container {
        /// The container's ID.
        id: ContainerId,
        /// The container's names.
        names: Vec<String>,
        /// The name of the image that was used when the container was made. The name may lead to
        /// another image by now.
        asked: Option<String>,
        /// Whether the container runs.
        runs: bool,
    },
    /// An image.
    Image,
}

/// What a typed name may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchFor {
    /// A container or, if no container has that name, an image.
    Either,
    /// A container.
    Container,
    /// An image.
    Image,
}

impl Subject {
    /// An image in a store.
    #[must_use]
    pub fn of_image(store: &Store, origin: Result<Origin, LineageError>) -> Self {
        Self {
            kind: Kind::Image,
            engine: store.engine,
            namespace: store
                .namespace
                .clone()
                .filter(|_| store.engine == Engine::Containerd),
            place: store.place.clone(),
            origin,
            created: None,
        }
    }

    /// Whether this is the container with exactly this ID, which must be unique.
    #[must_use]
    pub fn has_id(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Container { id, .. } if id.as_str() == word && word.len() == 64)
    }
}

impl SearchFor {
    const fn words(self) -> &'static str {
        match self {
            Self::Either => "a container or an image",
            Self::Container => "a container",
            Self::Image => "an image",
        }
    }
}

/// Why no container or image was found.
#[derive(Debug, Error)]
pub enum FindError {
    /// Nothing has that name: the name, what was searched for, and the stores that were searched.
    #[error("cannot find {what} {0:?} on this node{searched}", what = .1.words(), searched = searched(.2))]
    Nothing(String, SearchFor, Vec<String>),
    /// The IDs of several containers begin with this name.
    #[error("cannot tell which container {0:?} means: {ids}", ids = ids(.1))]
    Several(String, Vec<ContainerId>),
}

fn searched(places: &[String]) -> String {
    if places.is_empty() {
        ": no engine's store was found".to_owned()
    } else {
        format!(" ({})", places.join("; "))
    }
}

fn ids(ids: &[ContainerId]) -> String {
    let ids: Vec<&str> = ids.iter().map(ContainerId::as_str).collect();
    ids.join(" ")
}

impl Node<'_> {
    /// Finds the containers or images that `word` names. Errors in reading stores and records are
    /// added to `faults`.
    ///
    /// # Errors
    /// [`FindError`] if `word` names nothing, or is the beginning of several IDs.
    pub fn find(
        &self,
        word: &str,
        search: SearchFor,
        faults: &mut Vec<LineageError>,
    ) -> Result<Vec<Subject>, FindError> {
        let (mut containers, mut unnamed) = (Vec::new(), Vec::new());
        match search {
            SearchFor::Either | SearchFor::Container => {
                containers = self.containers(faults);
                add_names(&mut containers, &mut unnamed);
            }
            SearchFor::Image => {}
        }
        let mut found = Vec::new();
        for known in containers.iter().filter(|known| known.is_called(word)) {
            found.push(self.container(known));
        }
        if found.is_empty() && search != SearchFor::Container {
            found = self.images(word, faults);
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let mut beginning = containers;
        beginning.retain(|known| !word.is_empty() && known.id.as_str().starts_with(word));
        match &beginning[..] {
            [] => {
                // One of these containers may have the name.
                faults.extend(unnamed);
                let stores = self.stores.open.iter().map(ToString::to_string).collect();
                Err(FindError::Nothing(word.to_owned(), search, stores))
            }
            [known] => Ok(vec![self.container(known)]),
            [..] => {
                let ids = beginning.into_iter().map(|known| known.id).collect();
                Err(FindError::Several(word.to_owned(), ids))
            }
        }
    }

    /// Every container that a store, a runtime or both know. Errors in reading the stores are added
    /// to `faults`.
    pub fn containers(&self, faults: &mut Vec<LineageError>) -> Vec<Known<'_>> {
        let mut containers: Vec<Known<'_>> = Vec::new();
        for store in &self.stores.open {
            match store.records.containers() {
                Err(fault) => faults.push(fault),
                Ok(stored) => {
                    for mut stored in stored {
                        faults.extend(stored.unread.take());
                        containers.push(Known::stored(stored, store, self));
                    }
                }
            }
        }
        let recorded = containers.len();
        for running in &self.running {
            let is_it = |known: &Known<'_>| known.running.is_some_and(|one| ptr::eq(one, running));
            if !containers[..recorded].iter().any(is_it) {
                containers.push(Known {
                    running: Some(running),
                    ..Known::new(running.id.clone())
                });
            }
        }
        for one in &self.unexplained {
            let is_it =
                |known: &Known<'_>| known.unexplained.is_some_and(|other| ptr::eq(one, other));
            if !containers[..recorded].iter().any(is_it)
                && let Some(id) = ContainerId::parse(&one.container.id)
            {
                containers.push(Known {
                    unexplained: Some(one),
                    ..Known::new(id)
                });
            }
        }
        containers
    }

    /// The lineage of a container. While the container runs, the lineage is resolved from the
    /// bundle, as at the start; otherwise the lineage comes from the engine's record.
    #[must_use]
    pub fn container(&self, known: &Known<'_>) -> Subject {
        let living = known.running.filter(|running| running.process.is_alive());
        let (engine, origin) = match living {
            Some(running) => {
                // The copy of this process returns both the engine and the lineage, or neither.
                let answer = wire::ask_lineage(running.owner, &running.bundle, || {
                    Ok(self.of_bundle(known, running))
                });
                answer.unwrap_or_else(|fault| (running.place().family(), Err(fault)))
            }
            None => self.of_record(known),
        };
        Subject {
            kind: Kind::Container {
                id: known.id.clone(),
                names: known.names.clone(),
                asked: known.asked.clone(),
                runs: living.is_some_and(|running| !running.has_not_started())
                    || known.unexplained.is_some(),
            },
            engine,
            namespace: known.namespace().filter(|_| engine == Engine::Containerd),
            place: known.place(),
            origin,
            created: match (known.store, living) {
                (None, Some(running)) => created(running),
                (Some(_), _) | (None, None) => known.created,
            },
        }
    }

    /// The engine and the lineage of a running container, from its bundle.
    fn of_bundle(
        &self,
        known: &Known<'_>,
        running: &RunningContainer,
    ) -> (Engine, Result<Origin, LineageError>) {
        let deadline = Instant::now() + PATIENCE;
        let bundle = match (running.load_bundle(), known.store) {
            (Ok(bundle), _) => bundle,
            (Err(_), Some(_)) => return self.of_record(known),
            (Err(fault), None) => {
                return (
                    Engine::Unknown,
                    Err(Unknown::Bundle(Box::new(fault)).into()),
                );
            }
        };
        let engine = match (known.engine, known.store) {
            (Some(engine), _) => engine,
            (None, Some(store)) => store.engine,
            (None, None) => lineage::engine(&bundle),
        };
        let recorded = match running.owner {
            0 => None,
            _user => of_user(&bundle, known.store, deadline),
        };
        let origin = recorded.unwrap_or_else(|| lineage::resolve(&bundle, self.paths, deadline));
        (engine, origin)
    }

    /// The engine and the lineage of a container, from the engine's record alone.
    fn of_record(&self, known: &Known<'_>) -> (Engine, Result<Origin, LineageError>) {
        match (known.store, known.unexplained) {
            (Some(store), _) => (
                known.engine.unwrap_or(store.engine),
                store
                    .records
                    .container(&known.id, Instant::now() + PATIENCE),
            ),
            (None, Some(one)) => (
                one.container.engine,
                Err(Unknown::Bundle(Box::new(one.container.clone())).into()),
            ),
            (None, None) => (
                Engine::Unknown,
                Err(Unknown::NoRecord("the process of the container", known.place()).into()),
            ),
        }
    }

    /// The images with this reference in any store and, of a word such as `docker:app:1`, those in
    /// the stores of the engine that it begins with.
    fn images(&self, word: &str, faults: &mut Vec<LineageError>) -> Vec<Subject> {
        let prefixed = prefix::of(word);
        let mut images = Vec::new();
        for store in &self.stores.open {
            images.extend(image(store, word, faults));
            if let Some(prefixed) = &prefixed
                && prefixed.is_of(store)
            {
                images.extend(image(store, prefixed.reference, faults));
            }
        }
        images
    }
}

/// When the engine made a running container, by the engine's record, which the bundle leads to.
fn created(running: &RunningContainer) -> Option<Timestamp> {
    let read = || match running.load_bundle() {
        Ok(bundle) => lineage::created(&bundle),
        Err(fault) => Err(Unknown::Bundle(Box::new(fault)).into()),
    };
    wire::ask_lineage(running.owner, &running.bundle, read).unwrap_or_default()
}

fn image(store: &Store, reference: &str, faults: &mut Vec<LineageError>) -> Option<Subject> {
    match store.records.image(reference, Instant::now() + PATIENCE) {
        Ok(origin) => Some(Subject::of_image(store, Ok(origin))),
        Err(LineageError::Unknown(Unknown::NoRecord(..))) => None,
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

/// The lineage of a user's container, from the record in the user's store. A rootless engine mounts
/// in a mount namespace of its own, so this process cannot see what is mounted, whether it runs as
/// root or as the user.
fn of_user(
    bundle: &Bundle,
    store: Option<&Store>,
    deadline: Instant,
) -> Option<Result<Origin, LineageError>> {
    if let Some(store) = store {
        return Some(store.records.container(&bundle.id, deadline));
    }
    match engine::place(bundle) {
        BundlePlace::Storage { store, .. } => Some(
            storage::ContainersStore::open(&store, &store)
                .and_then(|store| store.container(&bundle.id, deadline)),
        ),
        BundlePlace::Task { .. }
        | BundlePlace::BuildKit { .. }
        | BundlePlace::Buildah
        | BundlePlace::Elsewhere => None,
    }
}
