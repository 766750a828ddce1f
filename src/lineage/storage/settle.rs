//! Determines the layers on which a container's record, its image and its root agree.
//!
//! In: the image that a record names, and the layers that show. Out: an [`Origin`]. The image
//! config alone settles it when the layers that it names are those that show; else the store's list
//! of layers is read and compared with both. Not checked: whether the mount is this container's;
//! [`super::seen`] did.

use std::path::Path;

use super::container::in_time;
use super::image::{self, StoreImage};
use super::layer_id::{self, LayerId};
use super::layers::{self, StoreLayer};
use super::seen::SeenLayers;
use super::stores::DriverStores;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{DiffId, Digest};
use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::lineage::origin::{Evidence, ImageFacts, ImageLineage, Origin};
use crate::sys::deadline::Deadline;

/// What is to be settled.
#[derive(Clone, Debug)]
pub struct SettleInput<'a> {
    /// The place where the layers show, for messages: the container's root, or the list that has
    /// the record.
    pub place: &'a Path,
    /// The image that the record names; `None` when there is no record.
    pub image: Option<Digest>,
    /// The layers that show.
    pub seen: SeenLayers,
    /// Where to start in the store's list when no layer shows.
    pub top: Top,
    /// When to give up.
    pub deadline: &'a Deadline,
}

/// A layer of the store's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// The one below this: the container's own.
    Below(LayerId),
    /// This one: an image's topmost, if it has any.
    Is(Option<LayerId>),
}

impl SettleInput<'_> {
    /// The layers on which all agree.
    ///
    /// # Errors
    /// [`Corrupt`] when they do not, [`Unknown`] when too little is known.
    pub fn settle(&self, stores: &mut DriverStores) -> Result<Origin, LineageError> {
        in_time(self.deadline)?;
        let image = self.image.map_or_else(
            || Ok(StoreImage::default()),
            |image| image::find(image, stores),
        )?;
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

    /// How surely the layers of these diff IDs are those of the container; `None` when others show,
    /// or none.
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

    /// The layers in the store's list that correspond to those that show; they must be the same.
    fn listed(&self, stores: &mut DriverStores) -> Result<Vec<StoreLayer>, LineageError> {
        layers::ask(stores, self.deadline, |layers| {
            let top = match (&self.seen, self.top) {
                (SeenLayers::Layers(seen, _), _) => seen.last().copied(),
                (SeenLayers::Hidden, Top::Is(top)) => top,
                (SeenLayers::Hidden, Top::Below(own)) => layers.layer(own)?.parent,
            };
            let listed = top.map_or_else(|| Ok(Vec::new()), |top| layers.up_to(top))?;
            match &self.seen {
                SeenLayers::Layers(seen, _) => match layers.difference(&listed, seen) {
                    Some(difference) => {
                        Err(Corrupt::Mount(self.place.to_owned(), difference).into())
                    }
                    None => Ok(listed),
                },
                SeenLayers::Hidden => Ok(listed),
            }
        })
    }

    /// The diff IDs of the listed layers, which must be those that the image config names, where
    /// both are known.
    fn agreed(
        &self,
        listed: &[StoreLayer],
        named: Option<&[DiffId]>,
    ) -> Result<(Vec<DiffId>, Evidence), LineageError> {
        let corrupt = |fault| Err(Corrupt::Mount(self.place.to_owned(), fault).into());
        if let Some(named) = named.filter(|named| named.len() != listed.len()) {
            return corrupt(format!(
                "it has {} layers below it, its image config names {}",
                listed.len(),
                named.len()
            ));
        }
        let mut evidence = match self.seen {
            SeenLayers::Layers(_, evidence) => evidence,
            SeenLayers::Hidden => Evidence::Metadata,
        };
        let mut diff_ids = Vec::with_capacity(listed.len());
        for (index, layer) in listed.iter().enumerate() {
            let claimed = named.and_then(|named| named.get(index).copied());
            let diff_id = match (layer.diff_id, claimed) {
                (Some(known), Some(claimed)) if known != claimed => {
                    return corrupt(format!(
                        "its layer {} has the diff ID {known}, its image config names {claimed}",
                        layer.id
                    ));
                }
                (Some(known), _) => known,
                (None, Some(claimed)) => {
                    evidence = Evidence::Claimed;
                    claimed
                }
                (None, None) => {
                    return Err(
                        Unknown::NoRecord("a layer's diff ID", self.place.to_owned()).into(),
                    );
                }
            };
            diff_ids.push(diff_id);
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
        let chain = Chain::from_diff_ids(diff_ids);
        let chain = chain.ok_or_else(|| {
            Corrupt::File(
                self.place.to_owned(),
                format!("its image config names {count} layers"),
            )
        })?;
        Ok(Origin::Image(ImageLineage {
            chain,
            facts,
            evidence,
        }))
    }
}
