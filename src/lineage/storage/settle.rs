//! Determines the layers on which a container's record, its image and its root agree.
//!
//! In: the image that the record names, and the layers that can be seen at the root. Out: an
//! [`Origin`]. If the image config names exactly the layers that can be seen, that is enough.
//! Otherwise the store's list of layers is read and compared with the image config and with the
//! layers that can be seen. Not checked: whether the mount belongs to this container;
//! [`super::seen`] checks that.

use std::path::Path;

use super::image::{self, StoreImage};
use super::layer_id::{self, LayerId};
use super::layers::{self, StoreLayer};
use super::seen::SeenLayers;
use super::stores::DriverStores;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{DiffId, Digest};
use crate::lineage::error::{Corrupt, LineageError, Unknown, in_time};
use crate::lineage::origin::{Evidence, ImageFacts, ImageLineage, Origin};
use crate::sys::deadline::Deadline;

/// The facts that are compared.
#[derive(Clone, Debug)]
pub struct SettleInput<'a> {
    /// The path that messages name: the container's root, or the list that has the record.
    pub place: &'a Path,
    /// The image that the record names; `None` when there is no record.
    pub image: Option<Digest>,
    /// The layers that can be seen at the root.
    pub seen: SeenLayers,
    /// The layer to start with in the store's list, if no layer can be seen.
    pub top: Top,
    /// When to stop.
    pub deadline: &'a Deadline,
}

/// The layer at which reading the store's list starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// The layer below this layer, which is the container's own.
    Below(LayerId),
    /// This layer, which is an image's topmost. `None` if the image has no layers.
    Is(Option<LayerId>),
}

impl SettleInput<'_> {
    /// The layers on which record, image and root agree.
    ///
    /// # Errors
    /// [`Corrupt`] when record, image and root do not agree; [`Unknown`] when too little is known.
    pub fn settle(&self, stores: &mut DriverStores) -> Result<Origin, LineageError> {
        in_time(self.deadline)?;
        let image = match self.image {
            Some(image) => image::find(image, stores)?,
            None => StoreImage::default(),
        };
        if let (Some(diff_ids), Some(evidence)) =
            (&image.diff_ids, self.shows(image.diff_ids.as_deref()))
        {
            return self.origin(diff_ids.clone(), image.facts, evidence, stores);
        }
        in_time(self.deadline)?;
        let listed = match self.listed(stores) {
            Err(LineageError::Unknown(Unknown::NoRecord(..)))
                if image.diff_ids.is_some() && matches!(self.seen, SeenLayers::Layers(..)) =>
            {
                let fault =
                    "its layers are neither those of its image config nor in the list of a store";
                return Err(Corrupt::Mount(self.place.to_owned(), fault.to_owned()).into());
            }
            listed => listed?,
        };
        let (diff_ids, evidence) = self.agreed(&listed, image.diff_ids.as_deref())?;
        self.origin(diff_ids, image.facts, evidence, stores)
    }

    /// How certain it is that the layers with these diff IDs are the layers of the container.
    /// `None` when other layers, or none, can be seen.
    fn shows(&self, diff_ids: Option<&[DiffId]>) -> Option<Evidence> {
        let named = layer_id::of_diff_ids(diff_ids?);
        match (&self.seen, self.top) {
            (SeenLayers::Layers(layers, evidence), _) => (*layers == named).then_some(*evidence),
            (SeenLayers::Hidden, Top::Is(top)) => {
                (named.last().copied() == top).then_some(Evidence::Metadata)
            }
            (SeenLayers::Hidden, Top::Below(_)) => None,
        }
    }

    /// The layers in the store's list that lie below the container. These layers must be the layers
    /// that can be seen.
    fn listed(&self, stores: &mut DriverStores) -> Result<Vec<StoreLayer>, LineageError> {
        layers::ask(stores, self.deadline, |layers| {
            let top = match (&self.seen, self.top) {
                (SeenLayers::Layers(seen, _), _) => seen.last().copied(),
                (SeenLayers::Hidden, Top::Is(top)) => top,
                (SeenLayers::Hidden, Top::Below(own)) => layers.layer(own)?.parent,
            };
            let listed = match top {
                Some(top) => layers.up_to(top)?,
                None => Vec::new(),
            };
            if let SeenLayers::Layers(seen, _) = &self.seen
                && let Some(difference) = layers.difference(&listed, seen)
            {
                return Err(Corrupt::Mount(self.place.to_owned(), difference).into());
            }
            Ok(listed)
        })
    }

    /// The diff IDs of the listed layers. Where the list and the image config both have a diff ID,
    /// the two must be the same.
    fn agreed(
        &self,
        listed: &[StoreLayer],
        named: Option<&[DiffId]>,
    ) -> Result<(Vec<DiffId>, Evidence), LineageError> {
        let named_count = named.map_or(listed.len(), <[_]>::len);
        if named_count != listed.len() {
            let fault = format!(
                "it has {} layers below it, its image config names {named_count}",
                listed.len()
            );
            return Err(Corrupt::Mount(self.place.to_owned(), fault).into());
        }
        let mut evidence = match self.seen {
            SeenLayers::Layers(_, evidence) => evidence,
            SeenLayers::Hidden => Evidence::Metadata,
        };
        let mut diff_ids = Vec::with_capacity(listed.len());
        for (index, layer) in listed.iter().enumerate() {
            let claimed = named.map(|named| named[index]);
            diff_ids.push(match (layer.diff_id, claimed) {
                (Some(known), Some(claimed)) if known != claimed => {
                    let fault = format!(
                        "its layer {} has the diff ID {known}, its image config names {claimed}",
                        layer.id
                    );
                    return Err(Corrupt::Mount(self.place.to_owned(), fault).into());
                }
                (Some(known), _) => known,
                (None, Some(claimed)) => {
                    evidence = Evidence::Claimed;
                    claimed
                }
                (None, None) => {
                    let place = self.place.to_owned();
                    return Err(Unknown::NoRecord("a layer's diff ID", place).into());
                }
            });
        }
        Ok((diff_ids, evidence))
    }

    fn origin(
        &self,
        diff_ids: Vec<DiffId>,
        facts: ImageFacts,
        evidence: Evidence,
        stores: &mut DriverStores,
    ) -> Result<Origin, LineageError> {
        if diff_ids.is_empty() {
            return Ok(Origin::NoLayers(facts));
        }
        let layers = match &self.seen {
            SeenLayers::Layers(layers, _) => layers.clone(),
            SeenLayers::Hidden => layer_id::of_diff_ids(&diff_ids),
        };
        let evidence = if layers.iter().any(|layer| stores.is_lazy(*layer)) {
            Evidence::Claimed
        } else {
            evidence
        };
        let count = diff_ids.len();
        let Some(chain) = Chain::from_diff_ids(diff_ids) else {
            let fault = format!("its image config names {count} layers");
            return Err(Corrupt::File(self.place.to_owned(), fault).into());
        };
        Ok(Origin::Image(ImageLineage {
            chain,
            facts,
            evidence,
        }))
    }
}
