//! Reads which layers the store's own list puts below a container.
//!
//! In: `layers.json` and `volatile-layers.json` of every store concerned, and a layer to start
//! from. Out: the layers from the lowest up to it, with their diff IDs. Used where an image config
//! alone cannot settle it: copies of a layer for another user namespace, layers known by their
//! table of contents, drivers without an overlay mount, builds. Not checked: whether the layers'
//! contents hash to their diff IDs; the engine checked that when it unpacked them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::container::{in_time, read_list};
use super::layer_id::LayerId;
use super::records::{self, Field, LayerRecord};
use super::stores::DriverStores;
use crate::lineage::chain::MAX_LAYERS;
use crate::lineage::digest::DiffId;
use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::sys::deadline::Deadline;

/// A layer of the store's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLayer {
    /// Its ID.
    pub id: LayerId,
    /// The layer below it; `None` at the bottom.
    pub parent: Option<LayerId>,
    /// Its diff ID; `None` when the engine never saw the whole of it (known by its table of
    /// contents).
    pub diff_id: Option<DiffId>,
}

/// The lists of layers of several stores.
#[derive(Debug, Default)]
pub struct Layers {
    known: HashMap<LayerId, LayerEntry>,
    files: Vec<PathBuf>,
}

#[derive(Debug)]
struct LayerEntry {
    record: LayerRecord,
    /// Index of its file.
    file: usize,
    /// Whether another record of the same layer says something else.
    contradicted: bool,
}

impl Layers {
    /// Reads the lists of these stores, in order of precedence.
    ///
    /// # Errors
    /// [`Unknown::File`] when one cannot be read, [`Corrupt::File`] when it is not a list of
    /// layers, [`Unknown::Deadline`] when the time is over after one. A missing list is empty.
    pub fn load(
        driver: &str,
        roots: &[PathBuf],
        deadline: &Deadline,
    ) -> Result<Self, LineageError> {
        let mut layers = Self::default();
        roots
            .iter()
            .try_for_each(|root| layers.add(driver, root, deadline))?;
        Ok(layers)
    }

    fn add(&mut self, driver: &str, root: &Path, deadline: &Deadline) -> Result<(), LineageError> {
        for name in ["layers.json", "volatile-layers.json"] {
            let path = root.join(format!("{driver}-layers")).join(name);
            let Some(list) = read_list(&path)? else {
                continue;
            };
            let records = records::all(&list)
                .map_err(|fault| Corrupt::File(path.clone(), fault.to_string()))?;
            self.take(path, records);
            in_time(deadline)?;
        }
        Ok(())
    }

    fn take(&mut self, file: PathBuf, records: Vec<LayerRecord>) {
        let index = self.files.len();
        self.files.push(file);
        for record in records {
            let Field::Good(id) = record.id else { continue };
            let entry = self.known.entry(id).or_insert_with(|| LayerEntry {
                record: record.clone(),
                file: index,
                contradicted: false,
            });
            entry.contradicted |= entry.record != record;
        }
    }

    /// The layer with this ID.
    ///
    /// # Errors
    /// [`Unknown::NoRecord`] when no list has it, [`Corrupt::File`] when its record is
    /// contradicted, or its parent or diff ID is malformed.
    pub fn layer(&self, id: LayerId) -> Result<StoreLayer, LineageError> {
        let Some(entry) = self.known.get(&id) else {
            return Err(Unknown::NoRecord(
                "a layer's record",
                self.files.first().cloned().unwrap_or_default(),
            )
            .into());
        };
        let corrupt = |fault: String| Corrupt::File(self.files[entry.file].clone(), fault);
        if entry.contradicted {
            return Err(corrupt(format!("the layer {id} has two records that differ")).into());
        }
        let parent = good(&entry.record.parent)
            .map_err(|text| corrupt(format!("the layer {id} has the parent {text:?}")))?;
        let diff_id = good(&entry.record.diff_id)
            .map_err(|text| corrupt(format!("the layer {id} has the diff ID {text:?}")))?;
        Ok(StoreLayer {
            id,
            parent,
            diff_id,
        })
    }

    /// The layers from the bottom up to `top`, which comes last.
    ///
    /// # Errors
    /// As [`Layers::layer`]; [`Corrupt::File`] when the parents go in a circle or number more than
    /// [`MAX_LAYERS`].
    pub fn up_to(&self, top: LayerId) -> Result<Vec<StoreLayer>, LineageError> {
        let mut layers = Vec::new();
        let mut next = Some(top);
        while let Some(id) = next {
            let layer = self.layer(id)?;
            if layers.len() == MAX_LAYERS {
                let file = self
                    .known
                    .get(&top)
                    .map(|entry| self.files[entry.file].clone())
                    .unwrap_or_default();
                return Err(Corrupt::File(
                    file,
                    format!("the layer {top} has more than {MAX_LAYERS} layers below it"),
                )
                .into());
            }
            next = layer.parent;
            layers.push(layer);
        }
        layers.reverse();
        Ok(layers)
    }

    /// The difference between the directories of a mount, lowest first, and what the list puts
    /// below the topmost of them; `None` when there is none. An extra directory is no difference
    /// when it belongs to a copy of one of the layers: containers/storage copies the topmost for
    /// other owners (store.go, `imageTopLayerForMapping`) and mounts both, seen with Podman 4.3
    /// `--uidmap`.
    #[must_use]
    pub fn difference(&self, listed: &[StoreLayer], mounted: &[LayerId]) -> Option<String> {
        let copied = |id: LayerId| {
            self.layer(id).is_ok_and(|copy| {
                listed.iter().any(|layer| {
                    layer.parent == copy.parent
                        && layer.diff_id == copy.diff_id
                        && copy.diff_id.is_some()
                })
            })
        };
        let mut expected = listed.iter();
        let mut next = expected.next();
        for id in mounted {
            match next {
                Some(layer) if layer.id == *id => next = expected.next(),
                Some(_) | None if copied(*id) => {}
                Some(_) | None => {
                    return Some(format!(
                        "it has the layer {id}, which the store's list does not have there"
                    ));
                }
            }
        }
        next.map(|missing| {
            format!(
                "it lacks the layer {}, which the store's list has there",
                missing.id
            )
        })
    }
}

/// Asks the lists of the known stores, and, when a record is missing there, those of all stores
/// that the settings name too.
///
/// # Errors
/// As [`Layers::up_to`].
pub fn ask<T>(
    stores: &mut DriverStores,
    deadline: &Deadline,
    question: impl Fn(&Layers) -> Result<T, LineageError>,
) -> Result<T, LineageError> {
    let answer = question(&Layers::load(stores.driver(), stores.roots(), deadline)?);
    if matches!(answer, Err(LineageError::Unknown(Unknown::NoRecord(..)))) && stores.read_settings()
    {
        return question(&Layers::load(stores.driver(), stores.roots(), deadline)?);
    }
    answer
}

/// The value of a field, or else the start of what it holds instead.
fn good<T: Copy>(field: &Field<T>) -> Result<Option<T>, &str> {
    match field {
        Field::Absent => Ok(None),
        Field::Good(value) => Ok(Some(*value)),
        Field::Bad(text) => Err(text),
    }
}
