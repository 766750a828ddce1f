//! Reads a user's stores, whose file system may never answer.
//!
//! In: the user, and the directories of the stores of the user's engines. Out: the same as from any
//! other store, or an error if there was no answer in time. A copy of this process does every
//! query, and opens the stores again for each query: see [`wire`].

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::wire;
use super::{Records, Store, Stores};
use crate::container::ContainerId;
use crate::container::engine::Engine;
use crate::lineage::{LineageError, Origin, StoredContainer, Unknown};
use crate::paths::Paths;
use crate::settings::Engines;

/// Opens a user's stores below these places.
pub(super) fn open(user: u32, places: &Engines, paths: &Paths) -> Stores {
    let mut roots = places
        .docker
        .iter()
        .chain(places.storage.iter().map(|place| &place.root));
    let place = roots.next().cloned().unwrap_or_default();
    let answer = wire::ask_lineage(user, &place, || {
        let opened = Stores::open_own(places, paths);
        let mut found = Vec::new();
        for store in opened.open {
            found.push((store.engine, store.place, store.namespace, store.owner));
        }
        Ok((found, opened.faults))
    });
    let (found, faults) = answer.unwrap_or_else(|fault| (Vec::new(), vec![fault]));
    let asked = Rc::new((user, places.clone(), paths.clone()));
    let mut open = Vec::new();
    for (engine, place, namespace, owner) in found {
        let records = Box::new(OfUser {
            asked: Rc::clone(&asked),
            engine,
            place: place.clone(),
            namespace: namespace.clone(),
        });
        open.push(Store {
            engine,
            place,
            namespace,
            owner,
            records,
        });
    }
    Stores { open, faults }
}

/// A store that a user controls.
struct OfUser {
    /// The user, and the places and paths with which the user's stores are opened.
    asked: Rc<(u32, Engines, Paths)>,
    engine: Engine,
    place: PathBuf,
    namespace: Option<String>,
}

impl OfUser {
    fn ask<T: Serialize + DeserializeOwned>(
        &self,
        question: impl FnOnce(&dyn Records) -> Result<T, LineageError>,
    ) -> Result<T, LineageError> {
        let (user, places, paths) = &*self.asked;
        wire::ask_lineage(*user, &self.place, || {
            for store in Stores::open_own(places, paths).open {
                if (store.engine, &store.place, &store.namespace)
                    == (self.engine, &self.place, &self.namespace)
                {
                    return question(&*store.records);
                }
            }
            Err(Unknown::NoRecord("the store", self.place.clone()).into())
        })
    }
}

impl Records for OfUser {
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError> {
        self.ask(|records| records.containers())
    }

    fn container(&self, id: &ContainerId, deadline: Instant) -> Result<Origin, LineageError> {
        self.ask(|records| records.container(id, deadline))
    }

    fn image_names(&self) -> Result<Vec<String>, LineageError> {
        self.ask(|records| records.image_names())
    }

    fn image(&self, reference: &str, deadline: Instant) -> Result<Origin, LineageError> {
        self.ask(|records| records.image(reference, deadline))
    }
}
