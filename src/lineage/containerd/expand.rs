//! Which layers and digests belong to a chain ID?
//!
//! In: a chain ID that the engine records for a container, and hints where its image may be. Out: the chain, by the first way that leads to it: the
//! chains resolved before, the hints, the configs that the engine unpacked to this very chain ID, and at last the names of the snapshots below. The
//! first three are hashed and must give this chain ID; the last gives the chain IDs alone, as the engine records them. A way that leads nowhere is no
//! fault: tags move, blobs are collected.

use std::time::Instant;

use super::content::{Content, Found, Sought};
use super::records::Metadata;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{ChainId, Digest, ImageId};
use crate::lineage::{ImageFacts, LineageError, Unknown, cache};
use crate::paths::Paths;

/// Where to look.
pub struct Stores<'a> {
    /// containerd's database, if it can be read.
    pub metadata: Option<&'a Metadata>,
    /// Its blobs, if it is known where they are.
    pub content: Option<&'a Content>,
    /// The namespace.
    pub namespace: &'a str,
    /// The snapshotter.
    pub snapshotter: &'a str,
    /// Where chains resolved before are kept.
    pub paths: &'a Paths,
    /// When to give up.
    pub deadline: Instant,
}

/// What may lead to the image. None of it is believed.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Its config.
    pub image_id: Option<ImageId>,
    /// Its manifest, or an index that lists it.
    pub targets: Vec<Digest>,
}

/// The chain that ends in `top`, and what else is known of the image, by documents alone: `None` when none is found whose layers hash to it.
///
/// # Errors
/// [`LineageError`]: a blob is not what it is called, or the time is over.
pub fn by_documents(top: ChainId, hints: &Hints, stores: &Stores<'_>) -> Result<Option<(Chain, ImageFacts)>, LineageError> {
    let known = cache::load(stores.paths, &top);
    let sought = known.as_ref().map_or(Sought::Top(top), Sought::Known);
    let mut found = by_hints(hints, stores, sought)?;
    if found.is_none() {
        found = by_label(top, stores, sought)?;
    }
    let (chain, facts) = found.map_or_else(|| (None, ImageFacts::default()), |found| (found.chain, found.facts));
    if let (None, Some(chain)) = (&known, &chain) {
        cache::store(stores.paths, chain);
    }
    Ok(known.or(chain).map(|chain| (chain, facts)))
}

/// The chain of these names, lowest first, which must end in `top`: all that an engine has kept.
///
/// # Errors
/// [`Unknown::NoRecord`] when it has not even kept them.
pub fn by_names(top: ChainId, names: Option<Vec<ChainId>>, stores: &Stores<'_>) -> Result<(Chain, ImageFacts), LineageError> {
    let chain = names.filter(|names| names.last() == Some(&top)).and_then(Chain::from_chain_ids);
    let place = || stores.metadata.map_or_else(|| stores.namespace.into(), |metadata| metadata.path().to_owned());
    chain
        .map(|chain| (chain, ImageFacts::default()))
        .ok_or_else(|| Unknown::NoRecord("the layers of the container's image", place()).into())
}

/// The image without a layer that the hints lead to.
///
/// # Errors
/// As [`by_documents`].
pub fn without_layers(hints: &Hints, stores: &Stores<'_>) -> Result<Option<ImageFacts>, LineageError> {
    Ok(by_hints(hints, stores, Sought::NoLayers)?.map(|found| found.facts))
}

fn by_hints(hints: &Hints, stores: &Stores<'_>, sought: Sought<'_>) -> Result<Option<Found>, LineageError> {
    let Some(content) = stores.content else { return Ok(None) };
    for target in &hints.targets {
        let found = content.by_target(*target, hints.image_id, sought, stores.deadline)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    hints.image_id.map_or(Ok(None), |image_id| content.by_config(image_id, sought))
}

/// The images that were unpacked to `top`. Several may share their layers; which of them the container was made from is then not known.
fn by_label(top: ChainId, stores: &Stores<'_>, sought: Sought<'_>) -> Result<Option<Found>, LineageError> {
    let (Some(metadata), Some(content)) = (stores.metadata, stores.content) else { return Ok(None) };
    let mut found = None;
    for image_id in metadata.configs_of(stores.namespace, stores.snapshotter, top, stores.deadline)? {
        let Some(image) = content.by_config(image_id, sought)? else { continue };
        found = match found {
            None => Some(image),
            Some(_) => return Ok(Some(Found { facts: ImageFacts::default(), ..image })),
        };
    }
    Ok(found)
}
