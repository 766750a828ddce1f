//! Finds the layers and digests that belong to a chain ID.
//!
//! In: the chain ID that the engine records for a container, and hints where the container's image
//! may be. Out: the chain, from the first of these sources that has the chain: the chains that were
//! resolved before; the hints; the configs that the engine unpacked to this chain ID, or to a
//! longer chain that contains the stack with this chain ID; and the names of the snapshots below.
//! The diff IDs from all sources but the last are hashed and must give this chain ID. The last
//! source gives only the chain IDs that the engine records. It is not an error if a source has
//! nothing: tags are moved, and blobs are removed.

use std::path::PathBuf;

use super::content::{Content, ContentImage, ImageQuery};
use super::records::MetadataDb;
use crate::lineage::cache;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{ChainId, Digest, ImageId};
use crate::lineage::error::{LineageError, Unknown, in_time};
use crate::lineage::origin::ImageFacts;
use crate::paths::Paths;
use crate::sys::deadline::Deadline;

/// Where to search for the image.
pub struct ImageSources<'a> {
    /// containerd's metadata database, if it can be read.
    pub metadata: Option<&'a MetadataDb>,
    /// containerd's content store, if its path is known.
    pub content: Option<&'a Content>,
    /// containerd's namespace.
    pub namespace: &'a str,
    /// The name of the snapshotter.
    pub snapshotter: &'a str,
    /// Embargo's paths. The cache of resolved chains is among them.
    pub paths: &'a Paths,
    /// When to stop searching.
    pub deadline: &'a Deadline,
}

impl ImageSources<'_> {
    /// The path that messages name.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        match self.metadata {
            Some(metadata) => metadata.path().to_owned(),
            None => self.namespace.into(),
        }
    }
}

/// Digests that may lead to the image. None of these digests is trusted.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The image's config.
    pub image_id: Option<ImageId>,
    /// The image's manifest, or indexes that list it.
    pub targets: Vec<Digest>,
}

/// The chain whose top is `top`, and what else is known of its image, from documents alone. `None`
/// when no document has layers that hash to `top`.
///
/// # Errors
/// [`LineageError`]: a blob does not match its digest, or the time has run out.
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
    match found {
        Some(ContentImage {
            chain: Some(chain),
            facts,
        }) => {
            cache::store(stores.paths, &chain);
            Ok(Some((chain, facts)))
        }
        Some(_) | None => Ok(None),
    }
}

/// What else is known of an image whose layers are known. Hints and labels may lead to other images
/// by now. So errors in hints and labels are ignored, and a walk through all labels gets only a
/// quarter of the time. Only the config that the engine records for the container must match its
/// digest.
fn facts_of(
    chain: &Chain,
    hints: &Hints,
    stores: &ImageSources<'_>,
) -> Result<ImageFacts, LineageError> {
    let query = ImageQuery::Known(chain);
    if let Some(content) = stores.content {
        for target in &hints.targets {
            if let Ok(Some(image)) =
                content.by_target(*target, hints.image_id, query, stores.deadline)
            {
                return Ok(image.facts);
            }
        }
        if let Some(image_id) = hints.image_id
            && let Some(image) = content.by_config(image_id, query)?
        {
            return Ok(image.facts);
        }
    }
    match by_label(chain.top(), stores, query, &stores.deadline.part(4)) {
        Ok(Some(image)) => Ok(image.facts),
        Ok(None) | Err(_) => Ok(ImageFacts::default()),
    }
}

/// The chain with the chain IDs `names`, lowest first. The last name must be `top`. Used when the
/// engine has recorded only chain IDs.
///
/// # Errors
/// [`Unknown::NoRecord`] when the engine has not recorded the chain IDs either.
pub fn by_names(
    top: ChainId,
    names: Option<Vec<ChainId>>,
    stores: &ImageSources<'_>,
) -> Result<(Chain, ImageFacts), LineageError> {
    match names.and_then(Chain::from_chain_ids) {
        Some(chain) if chain.top() == top => Ok((chain, ImageFacts::default())),
        Some(_) | None => {
            let what = "the layers of the container's image";
            Err(Unknown::NoRecord(what, stores.place()).into())
        }
    }
}

/// The image without layers that the hints lead to.
///
/// # Errors
/// The errors of [`by_documents`].
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
    match hints.image_id {
        Some(image_id) => content.by_config(image_id, query),
        None => Ok(None),
    }
}

/// The image that was unpacked to `top`. If several images have the same layers, nothing shows
/// which of these images the container was made from, so only the layers are returned.
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

/// Finds the chain as the lower part of the chain of another, unpacked image. An image whose layers
/// all existed before has no label of its own (seen with Docker 28.5, which does not unpack a base
/// that is loaded after an image that was built on it). Errors of other images do not matter.
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
        in_time(stores.deadline)?;
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
