//! Finds the layers and digests that belong to a chain ID.
//!
//! In: a chain ID that the engine records for a container, and hints where its image may be. Out:
//! the chain, by the first way that leads to it: the chains resolved before, the hints, the configs
//! that the engine unpacked to this very chain ID or beyond it, and at last the names of the
//! snapshots below. All but the last are hashed and must give this chain ID; the last gives the
//! chain IDs alone, as the engine records them. A way that leads nowhere is no fault: tags move,
//! blobs are collected.

use std::path::PathBuf;

use super::content::{Content, ContentImage, ImageQuery};
use super::records::MetadataDb;
use crate::lineage::cache;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{ChainId, Digest, ImageId};
use crate::lineage::error::{LineageError, Unknown};
use crate::lineage::origin::ImageFacts;
use crate::paths::Paths;
use crate::sys::deadline::Deadline;

/// Where to look.
pub struct ImageSources<'a> {
    /// containerd's database, if it can be read.
    pub metadata: Option<&'a MetadataDb>,
    /// Its blobs, if their place is known.
    pub content: Option<&'a Content>,
    /// The namespace.
    pub namespace: &'a str,
    /// The snapshotter.
    pub snapshotter: &'a str,
    /// Where chains resolved before are kept.
    pub paths: &'a Paths,
    /// When to give up.
    pub deadline: &'a Deadline,
}

impl ImageSources<'_> {
    /// The place that messages name.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        self.metadata.map_or_else(
            || self.namespace.into(),
            |metadata| metadata.path().to_owned(),
        )
    }
}

/// Hints that may lead to the image. None of them is trusted.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Its config.
    pub image_id: Option<ImageId>,
    /// Its manifest, or an index that lists it.
    pub targets: Vec<Digest>,
}

/// The chain that ends in `top`, and what else is known of the image, from documents alone: `None`
/// when there is no document whose layers hash to it.
///
/// # Errors
/// [`LineageError`]: a blob does not match its digest, or the time is over.
pub fn by_documents(
    top: ChainId,
    hints: &Hints,
    stores: &ImageSources<'_>,
) -> Result<Option<(Chain, ImageFacts)>, LineageError> {
    if let Some(chain) = cache::load(stores.paths, &top) {
        let facts = facts_of(&chain, hints, stores)?;
        return Ok(Some((chain, facts)));
    }
    let mut found = by_hints(hints, stores, ImageQuery::Top(top))?;
    if found.is_none() {
        found = by_label(top, stores, ImageQuery::Top(top), stores.deadline)?;
    }
    if found.is_none() {
        found = by_longer(top, stores)?;
    }
    let found = found.and_then(|found| Some((found.chain?, found.facts)));
    if let Some((chain, _)) = &found {
        cache::store(stores.paths, chain);
    }
    Ok(found)
}

/// What else is known of an image whose layers are known already. Hints and labels may lead to
/// other images by now, so faults there belong to those, and a walk through all labels gets a
/// quarter of the time. Only the config that the engine ties to the container must match its
/// digest.
fn facts_of(
    chain: &Chain,
    hints: &Hints,
    stores: &ImageSources<'_>,
) -> Result<ImageFacts, LineageError> {
    let query = ImageQuery::Known(chain);
    let mut found = None;
    if let Some(content) = stores.content {
        for target in &hints.targets {
            if let Ok(Some(image)) =
                content.by_target(*target, hints.image_id, query, stores.deadline)
            {
                found = Some(image);
                break;
            }
        }
    }
    if let (None, Some(image_id), Some(content)) = (&found, hints.image_id, stores.content) {
        found = content.by_config(image_id, query)?;
    }
    if found.is_none() {
        found = by_label(chain.top(), stores, query, &stores.deadline.part(4))
            .ok()
            .flatten();
    }
    Ok(found.map(|found| found.facts).unwrap_or_default())
}

/// The chain of these names, lowest first, which must end in `top`: all that the engine has kept.
///
/// # Errors
/// [`Unknown::NoRecord`] when it has not kept them either.
pub fn by_names(
    top: ChainId,
    names: Option<Vec<ChainId>>,
    stores: &ImageSources<'_>,
) -> Result<(Chain, ImageFacts), LineageError> {
    let chain = names
        .filter(|names| names.last() == Some(&top))
        .and_then(Chain::from_chain_ids);
    chain
        .map(|chain| (chain, ImageFacts::default()))
        .ok_or_else(|| {
            Unknown::NoRecord("the layers of the container's image", stores.place()).into()
        })
}

/// The image without a layer that the hints lead to.
///
/// # Errors
/// As [`by_documents`].
pub fn without_layers(
    hints: &Hints,
    stores: &ImageSources<'_>,
) -> Result<Option<ImageFacts>, LineageError> {
    Ok(by_hints(hints, stores, ImageQuery::NoLayers)?.map(|found| found.facts))
}

fn by_hints(
    hints: &Hints,
    stores: &ImageSources<'_>,
    query: ImageQuery<'_>,
) -> Result<Option<ContentImage>, LineageError> {
    let Some(content) = stores.content else {
        return Ok(None);
    };
    for target in &hints.targets {
        let found = content.by_target(*target, hints.image_id, query, stores.deadline)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    hints
        .image_id
        .map_or(Ok(None), |image_id| content.by_config(image_id, query))
}

/// The images that were unpacked to `top`. Several may share their layers; then it is not known
/// from which of them the container was made.
fn by_label(
    top: ChainId,
    stores: &ImageSources<'_>,
    query: ImageQuery<'_>,
    deadline: &Deadline,
) -> Result<Option<ContentImage>, LineageError> {
    let (Some(metadata), Some(content)) = (stores.metadata, stores.content) else {
        return Ok(None);
    };
    let mut found = None;
    for image_id in metadata.configs_of(stores.namespace, stores.snapshotter, top, deadline)? {
        let Some(image) = content.by_config(image_id, query)? else {
            continue;
        };
        found = match found {
            None => Some(image),
            Some(_) => {
                return Ok(Some(ContentImage {
                    facts: ImageFacts::default(),
                    ..image
                }));
            }
        };
    }
    Ok(found)
}

/// The chain as the lower part of an image that was unpacked. An image whose layers were all there
/// already has no label of its own (seen with Docker 28.5, which does not unpack a base that is
/// loaded after what was built on it). A fault of another image does not matter.
fn by_longer(
    top: ChainId,
    stores: &ImageSources<'_>,
) -> Result<Option<ContentImage>, LineageError> {
    let (Some(metadata), Some(content)) = (stores.metadata, stores.content) else {
        return Ok(None);
    };
    for image_id in
        metadata.unpacked_configs(stores.namespace, stores.snapshotter, stores.deadline)?
    {
        if stores.deadline.is_over() {
            return Err(Unknown::Deadline.into());
        }
        let Ok(Some(ContentImage {
            chain: Some(chain), ..
        })) = content.by_config(image_id, ImageQuery::Any)
        else {
            continue;
        };
        if let Some(chain) = chain.up_to(top) {
            return Ok(Some(ContentImage {
                chain: Some(chain),
                facts: ImageFacts::default(),
            }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
