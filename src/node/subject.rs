//! Finds the containers and images that a typed name means, and what each is made of.
//!
//! In: what a person typed, the node's stores, and the running containers. Out: every container
//! with that ID or name, else every image with that reference, else the one container whose ID
//! begins with it; each with its lineage, or why that is unknown. A running container's lineage is
//! resolved from its bundle, as the gate does it; a stopped one's from its engine's record. Names
//! are searched for, and never decide a verdict.

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

/// How long one lineage may take. No container start waits for it, so it may take longer than at
/// the gate.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container or an image of this node.
#[derive(Debug)]
pub struct Subject {
    /// Which of the two.
    pub kind: Kind,
    /// Its engine: for a container the one that made it, if known; for an image its store's.
    pub engine: Engine,
    /// Its engine's store; its bundle for a container that is in no store.
    pub place: PathBuf,
    /// What it is made of.
    pub origin: Result<Origin, LineageError>,
}

/// A container or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A container.
    Container {
        /// Its ID.
        id: ContainerId,
        /// Its names.
        names: Vec<String>,
        /// The image name that its maker used, which may be another image by now.
        asked: Option<String>,
        /// Whether it runs.
        runs: bool,
    },
    /// An image.
    Image,
}

/// What to search for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchFor {
    /// A container, or an image if there is none.
    Either,
    /// A container.
    Container,
    /// An image.
    Image,
}

impl Subject {
    /// Whether it is the container with exactly this unique ID.
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

/// Why no subject was found.
#[derive(Debug)]
pub enum FindError {
    /// Nothing has that name: the name, what it should be, the stores that were searched.
    Nothing(String, SearchFor, Vec<String>),
    /// The IDs of several containers begin with this.
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
    /// Its ID.
    pub id: ContainerId,
    /// Its names.
    pub names: Vec<String>,
    /// The image name that its maker used.
    pub asked: Option<String>,
    /// The engine that made it, if several share its store and its record says which.
    pub engine: Option<Engine>,
    /// The store that has a record of it.
    pub store: Option<&'a Store>,
    /// A runtime's state of it; its process may have ended.
    pub running: Option<&'a RunningContainer>,
    /// Evidence that it runs, although no runtime's state explains it.
    pub unexplained: Option<&'a Unexplained>,
}

impl Node<'_> {
    /// Finds what `word` means, and what went wrong on the way.
    ///
    /// # Errors
    /// [`FindError`] if it means nothing, or more than one thing.
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

    /// Every container, known to a store, to a runtime, or to both; `faults` gets what could not be
    /// read.
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

    /// What a container is made of: from its bundle while it runs, as at its start; else from its
    /// engine's record.
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

/// What a user's container is made of, by the record in his store: a rootless engine mounts in its
/// own mount namespace, which neither root nor the user sees from here.
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
    /// Whether this is its ID or one of its names; Docker writes names with a slash before them.
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
