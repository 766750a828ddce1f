//! Finds the containers and images that a typed name means, and the lineage of each.
//!
//! In: the name that a user typed, the node's stores, and the running containers. Out: every
//! container with that ID or name; if there is none, every image with that reference; if there is
//! none either, the one container whose ID begins with the name. Each comes with its lineage, or
//! with the reason why the lineage is unknown. The lineage of a running container is resolved from
//! its bundle, as the gate resolves it; the lineage of a stopped container comes from its engine's
//! record. Names serve only to search. They never decide a verdict.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Node;
use super::runtime_state::RunningContainer;
use super::stores::Store;
use super::unexplained::Unexplained;
use crate::container::ContainerId;
use crate::container::bundle::Bundle;
use crate::container::engine::{self, BundlePlace, Engine};
use crate::lineage::{self, LineageError, Origin, Unknown, storage};

/// How long resolving one lineage may take. No container waits for it to start, so this is longer
/// than at the gate.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container or an image on this node, with its lineage.
#[derive(Debug)]
pub struct Subject {
    /// Whether it is a container or an image.
    pub kind: Kind,
    /// The engine: for a container, the engine that made it, if known; for an image, the engine of
    /// the store.
    pub engine: Engine,
    /// The directory of the engine's store. For a container that is in no store: its bundle.
    pub place: PathBuf,
    /// The lineage of the container or image, or why it is unknown.
    pub origin: Result<Origin, LineageError>,
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
        /// The name of the image that was used when the container was made. The name may mean
        /// another image by now.
        asked: Option<String>,
        /// Whether the container runs.
        runs: bool,
    },
    /// An image.
    Image,
}

/// What a typed name may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchFor {
    /// A container or, if there is none of that name, an image.
    Either,
    /// A container only.
    Container,
    /// An image only.
    Image,
}

impl Subject {
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
#[derive(Debug)]
pub enum FindError {
    /// Nothing has that name: the name, what was searched for, and the stores that were searched.
    Nothing(String, SearchFor, Vec<String>),
    /// The IDs of several containers begin with this name.
    Several(String, Vec<ContainerId>),
}

impl fmt::Display for FindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(word, search, places) => {
                write!(f, "cannot find {} {word:?} on this node", search.words())?;
                if places.is_empty() {
                    f.write_str(": no engine's store was found")
                } else {
                    write!(f, " ({})", places.join("; "))
                }
            }
            Self::Several(word, ids) => {
                write!(f, "cannot tell which container {word:?} means:")?;
                ids.iter().try_for_each(|id| write!(f, " {id}"))
            }
        }
    }
}

impl std::error::Error for FindError {}

/// Everything that is known about a container.
pub struct Known<'a> {
    /// The container's ID.
    pub id: ContainerId,
    /// The container's names.
    pub names: Vec<String>,
    /// The name of the image that was used when the container was made.
    pub asked: Option<String>,
    /// The engine that made the container, if several engines share the store and the record says
    /// which.
    pub engine: Option<Engine>,
    /// The store that has a record of the container.
    pub store: Option<&'a Store>,
    /// A runtime's state of the container. The process may have ended.
    pub running: Option<&'a RunningContainer>,
    /// Evidence that the container runs, although no runtime's state explains it.
    pub unexplained: Option<&'a Unexplained>,
}

impl Node<'_> {
    /// Finds what `word` means. What could not be read on the way is added to `faults`.
    ///
    /// # Errors
    /// [`FindError`] if `word` means nothing, or is the beginning of several IDs.
    pub fn find(
        &self,
        word: &str,
        search: SearchFor,
        faults: &mut Vec<LineageError>,
    ) -> Result<Vec<Subject>, FindError> {
        let containers = match search {
            SearchFor::Either | SearchFor::Container => self.containers(faults),
            SearchFor::Image => Vec::new(),
        };
        let called: Vec<_> = containers
            .iter()
            .filter(|known| known.is_called(word))
            .collect();
        if !called.is_empty() {
            return Ok(called
                .into_iter()
                .map(|known| self.container(known))
                .collect());
        }
        let images = match search {
            SearchFor::Either | SearchFor::Image => self.images(word, faults),
            SearchFor::Container => Vec::new(),
        };
        if !images.is_empty() {
            return Ok(images);
        }
        let begun: Vec<_> = containers
            .iter()
            .filter(|known| !word.is_empty() && known.id.as_str().starts_with(word))
            .collect();
        match begun[..] {
            [] => Err(FindError::Nothing(
                word.to_owned(),
                search,
                self.stores.open.iter().map(ToString::to_string).collect(),
            )),
            [known] => Ok(vec![self.container(known)]),
            [..] => Err(FindError::Several(
                word.to_owned(),
                begun.iter().map(|known| known.id.clone()).collect(),
            )),
        }
    }

    /// Every container that a store, a runtime or both know. What could not be read is added to
    /// `faults`.
    pub fn containers(&self, faults: &mut Vec<LineageError>) -> Vec<Known<'_>> {
        let mut containers: Vec<Known<'_>> = Vec::new();
        for store in &self.stores.open {
            match store.records.containers() {
                Err(fault) => faults.push(fault),
                Ok(stored) => {
                    for stored in stored {
                        faults.extend(stored.unread);
                        containers.push(Known {
                            running: self
                                .running
                                .iter()
                                .find(|running| running.id == stored.id && store.may_have(running)),
                            unexplained: self
                                .unexplained
                                .iter()
                                .find(|one| one.is_of(&stored.id, store)),
                            id: stored.id,
                            names: stored.names,
                            asked: stored.image,
                            engine: stored.engine,
                            store: Some(store),
                        });
                    }
                }
            }
        }
        let is_known = |one: &RunningContainer| {
            containers
                .iter()
                .any(|known| known.running.is_some_and(|other| std::ptr::eq(one, other)))
        };
        let strangers: Vec<_> = self
            .running
            .iter()
            .filter(|running| !is_known(running))
            .collect();
        containers.extend(strangers.into_iter().map(|running| Known {
            id: running.id.clone(),
            names: Vec::new(),
            asked: None,
            engine: None,
            store: None,
            running: Some(running),
            unexplained: None,
        }));
        let is_known = |one: &Unexplained| {
            containers.iter().any(|known| {
                known
                    .unexplained
                    .is_some_and(|other| std::ptr::eq(one, other))
            })
        };
        let unknown: Vec<_> = self
            .unexplained
            .iter()
            .filter(|one| !is_known(one))
            .collect();
        containers.extend(unknown.into_iter().filter_map(|one| {
            let id = ContainerId::parse(&one.container.id)?;
            Some(Known {
                id,
                names: Vec::new(),
                asked: None,
                engine: None,
                store: None,
                running: None,
                unexplained: Some(one),
            })
        }));
        containers
    }

    /// The lineage of a container. While the container runs, it is resolved from the bundle, as at
    /// the start; otherwise it comes from the engine's record.
    #[must_use]
    pub fn container(&self, known: &Known<'_>) -> Subject {
        let deadline = Instant::now() + PATIENCE;
        let living = known.running.filter(|running| running.process.is_alive());
        let bundle = living.map(RunningContainer::load_bundle);
        let (engine, origin) = match (bundle, known.store) {
            (Some(Ok(bundle)), store) => {
                let place = engine::place(&bundle);
                let recorded = living
                    .filter(|running| running.owner != 0)
                    .and_then(|_| of_user(&bundle, &place, store, deadline));
                let engine = known
                    .engine
                    .or(store.map(|store| store.engine))
                    .unwrap_or_else(|| lineage::engine(&bundle));
                (
                    engine,
                    recorded.unwrap_or_else(|| lineage::resolve(&bundle, self.paths, deadline)),
                )
            }
            (Some(Err(_)) | None, Some(store)) => (
                known.engine.unwrap_or(store.engine),
                store.records.container(&known.id, deadline),
            ),
            (Some(Err(fault)), None) => (
                Engine::Unknown,
                Err(Unknown::Bundle(Box::new(fault)).into()),
            ),
            (None, None) => match known.unexplained {
                Some(one) => (
                    one.container.engine,
                    Err(Unknown::Bundle(Box::new(one.container.clone())).into()),
                ),
                None => (
                    Engine::Unknown,
                    Err(Unknown::NoRecord("the process of the container", known.place()).into()),
                ),
            },
        };
        let (id, names, asked) = (known.id.clone(), known.names.clone(), known.asked.clone());
        Subject {
            kind: Kind::Container {
                id,
                names,
                asked,
                runs: living.is_some_and(|running| !running.has_not_started())
                    || known.unexplained.is_some(),
            },
            engine,
            place: known.place(),
            origin,
        }
    }

    fn images(&self, reference: &str, faults: &mut Vec<LineageError>) -> Vec<Subject> {
        let mut images = Vec::new();
        for store in &self.stores.open {
            match store.records.image(reference, Instant::now() + PATIENCE) {
                Ok(origin) => images.push(Subject {
                    kind: Kind::Image,
                    engine: store.engine,
                    place: store.place.clone(),
                    origin: Ok(origin),
                }),
                Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
                Err(fault) => faults.push(fault),
            }
        }
        images
    }
}

/// The lineage of a user's container, from the record in the user's store. A rootless engine mounts
/// in a mount namespace of its own, so this process cannot see what is mounted, whether it runs as
/// root or as the user.
fn of_user(
    bundle: &Bundle,
    place: &BundlePlace,
    store: Option<&Store>,
    deadline: Instant,
) -> Option<Result<Origin, LineageError>> {
    match (store, place) {
        (Some(store), _) => Some(store.records.container(&bundle.id, deadline)),
        (None, BundlePlace::Storage { store, .. }) => Some(
            storage::ContainersStore::open(store, store)
                .and_then(|store| store.container(&bundle.id, deadline)),
        ),
        (
            None,
            BundlePlace::Task { .. }
            | BundlePlace::BuildKit { .. }
            | BundlePlace::Buildah
            | BundlePlace::Elsewhere,
        ) => None,
    }
}

impl Known<'_> {
    /// Whether `word` is the container's ID or one of its names. Docker writes a slash before
    /// names.
    fn is_called(&self, word: &str) -> bool {
        self.id.as_str() == word
            || self
                .names
                .iter()
                .any(|name| name.trim_start_matches('/') == word.trim_start_matches('/'))
    }

    fn place(&self) -> PathBuf {
        let bundle = || self.running.map(|running| running.bundle.clone());
        let unexplained = || self.unexplained.map(|one| one.container.place.clone());
        self.store
            .map(|store| store.place.clone())
            .or_else(bundle)
            .or_else(unexplained)
            .unwrap_or_default()
    }
}
