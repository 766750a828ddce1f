//! Reads which layers lie below a container, from the list of layers in the store.
//!
//! In: `layers.json` and `volatile-layers.json` of every store that may have the layers, and the
//! layer to start from. Out: the layers from the lowest up to that layer, with their diff IDs. The
//! list is read when an image config alone is not enough: for copies of a layer for another user
//! namespace, layers known only by their table of contents, drivers without an overlay mount, and
//! builds. Not checked: whether the contents of the layers hash to their diff IDs; the engine
//! checked the hashes when it unpacked the layers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use super::container::read_list;
use super::layer_id::LayerId;
use super::records::{self, Field, LayerRecord};
use super::stores::DriverStores;
use crate::lineage::chain::MAX_LAYERS;
use crate::lineage::digest::DiffId;
use crate::lineage::error::{Corrupt, InFile, LineageError, Unknown, in_time};
use crate::sys::deadline::Deadline;

/// A layer in the store's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLayer {
    /// The ID of the layer.
    pub id: LayerId,
    /// The layer below; `None` for the lowest layer.
    pub parent: Option<LayerId>,
    /// The diff ID of the layer; `None` when the engine never had the whole layer (such a layer is
    /// known only by its table of contents).
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
    /// The index of the file that has the record.
    file: usize,
    /// Whether another record of the same layer contradicts this record.
    contradicted: bool,
}

impl Layers {
    /// Reads the lists of these stores, in order of precedence. A missing list is treated as empty.
    ///
    /// # Errors
    /// [`Unknown::File`] when a list cannot be read; [`Corrupt::File`] when a file is not a list of
    /// layers; [`Unknown::Deadline`] when the time has run out after a list was read.
    pub fn load(
        driver: &str,
        roots: &[PathBuf],
        deadline: &Deadline,
    ) -> Result<Self, LineageError> {
        let mut layers = Self::default();
        for root in roots {
            layers.add(driver, root, deadline)?;
        }
        Ok(layers)
    }

    fn add(&mut self, driver: &str, root: &Path, deadline: &Deadline) -> Result<(), LineageError> {
        for name in ["layers.json", "volatile-layers.json"] {
            let path = root.join(format!("{driver}-layers")).join(name);
            let Some(list) = read_list(&path)? else {
                continue;
            };
            let records = records::all(&list).in_file(&path)?;
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
            match self.known.entry(id) {
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.contradicted |= known.record != record;
                }
                Entry::Vacant(place) => {
                    place.insert(LayerEntry {
                        record,
                        file: index,
                        contradicted: false,
                    });
                }
            }
        }
    }

    /// The layer with this ID.
    ///
    /// # Errors
    /// [`Unknown::NoRecord`] when no list has the layer; [`Corrupt::File`] when another record
    /// contradicts its record, or its parent or diff ID is malformed.
    pub fn layer(&self, id: LayerId) -> Result<StoreLayer, LineageError> {
        let Some(entry) = self.known.get(&id) else {
            return Err(Unknown::NoRecord(
                "a layer's record",
                self.files.first().cloned().unwrap_or_default(),
            )
            .into());
        };
        let file = &self.files[entry.file];
        if entry.contradicted {
            return Err(Corrupt::File(
                file.clone(),
                format!("the layer {id} has two records that differ"),
            )
            .into());
        }
        let parent = good(id, "parent", &entry.record.parent).in_file(file)?;
        let diff_id = good(id, "diff ID", &entry.record.diff_id).in_file(file)?;
        Ok(StoreLayer {
            id,
            parent,
            diff_id,
        })
    }

    /// The layers from the lowest up to `top`, which comes last.
    ///
    /// # Errors
    /// The errors of [`Layers::layer`]; [`Corrupt::File`] when the parents form a circle, or there
    /// are more than [`MAX_LAYERS`].
    pub fn up_to(&self, top: LayerId) -> Result<Vec<StoreLayer>, LineageError> {
        let mut layers = Vec::new();
        let mut next = Some(top);
        while let Some(id) = next {
            let layer = self.layer(id)?;
            if layers.len() == MAX_LAYERS {
                let file = match self.known.get(&top) {
                    Some(entry) => self.files[entry.file].clone(),
                    None => PathBuf::new(),
                };
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

    /// The first difference between the layers of a mount and the layers in the list, both lowest
    /// first; `None` when there is no difference. An additional layer in the mount is not a
    /// difference if it is a copy of a layer in the list: for other owners, containers/storage
    /// copies the topmost layer (store.go, `imageTopLayerForMapping`) and mounts both (seen with
    /// Podman 4.3 `--uidmap`).
    #[must_use]
    pub fn difference(&self, listed: &[StoreLayer], mounted: &[LayerId]) -> Option<String> {
        let mut expected = listed.iter();
        let mut next = expected.next();
        for id in mounted {
            match next {
                Some(layer) if layer.id == *id => next = expected.next(),
                Some(_) | None if self.is_copy(*id, listed) => {}
                Some(_) | None => {
                    return Some(format!(
                        "it has the layer {id}, which the store's list does not have there"
                    ));
                }
            }
        }
        let missing = next?;
        Some(format!(
            "it lacks the layer {}, which the store's list has there",
            missing.id
        ))
    }

    /// Whether the layer `id` is a copy of one of the `listed` layers.
    fn is_copy(&self, id: LayerId, listed: &[StoreLayer]) -> bool {
        match self.layer(id) {
            Ok(copy) if copy.diff_id.is_some() => listed
                .iter()
                .any(|layer| layer.parent == copy.parent && layer.diff_id == copy.diff_id),
            Ok(_) | Err(_) => false,
        }
    }
}

/// Calls `question` with the lists of the known stores. If a record is missing in these lists,
/// calls `question` again, with the lists of all stores that the settings name, too.
///
/// # Errors
/// The errors of [`Layers::up_to`].
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

/// The value of a field of the layer `id`. The error says what a malformed field contains.
fn good<T: Copy>(id: LayerId, what: &str, field: &Field<T>) -> Result<Option<T>, String> {
    match field {
        Field::Absent => Ok(None),
        Field::Good(value) => Ok(Some(*value)),
        Field::Bad(text) => Err(format!("the layer {id} has the {what} {text:?}")),
    }
}
