//! Finds the layers of the image among the snapshots of a container.

use std::path::Path;

use super::docker_store::is_init;
use super::expand::{self, Hints, ImageSources};
use super::layout::SnapshotDirectory;
use super::records::{Facts, chain_names};
use super::remap;
use crate::lineage::chain::Chain;
use crate::lineage::digest::ChainId;
use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::lineage::origin::{Evidence, ImageFacts, Origin};

/// The chain whose top is the name of the last snapshot. If no document has such a chain, the last
/// snapshot may be a copy of the image's snapshot for the user namespace of the container `id`;
/// then the top is the name of the image's snapshot. If no document has the chain of that top
/// either, only chain IDs are known: the names of the snapshots in the database.
pub(super) fn lineage(
    facts: &Facts,
    id: Option<&str>,
    hints: &Hints,
    stores: &ImageSources<'_>,
) -> Result<(Chain, ImageFacts), LineageError> {
    let (Some(top), Some(last)) = (facts.top(), facts.snapshots.last()) else {
        let what = "the layers of the container's image";
        return Err(Unknown::NoRecord(what, stores.namespace.into()).into());
    };
    if let Some(found) = expand::by_documents(top, hints, stores)? {
        return Ok(found);
    }
    if let (Some(metadata), Some(id)) = (stores.metadata, id)
        && let Some(original) = remap::original(
            metadata,
            stores.namespace,
            id,
            stores.snapshotter,
            last,
            stores.deadline,
        )?
        && let Ok(top) = ChainId::parse(&original.key)
    {
        return match expand::by_documents(top, hints, stores)? {
            Some(found) => Ok(found),
            None => expand::by_names(top, names_below(top, stores)?, stores),
        };
    }
    expand::by_names(top, names_below(top, stores)?, stores)
}

/// The chain IDs after which the snapshots from `top` down are named, lowest first; `None` when a
/// snapshot has another name or is missing.
fn names_below(
    top: ChainId,
    stores: &ImageSources<'_>,
) -> Result<Option<Vec<ChainId>>, LineageError> {
    let Some(metadata) = stores.metadata else {
        return Ok(None);
    };
    let below = metadata.below(stores.namespace, stores.snapshotter, top, stores.deadline)?;
    Ok(below.as_deref().and_then(chain_names))
}

/// Checks that the lowest of these snapshots are the layers of the chain, each named by its chain
/// ID, with nothing in between except Docker's own snapshots. `snapshots` are given topmost first.
/// Errors name the path `place`. The snapshots above the layers are the container's own.
pub(super) fn tie(
    snapshots: &[SnapshotDirectory],
    chain: &Chain,
    place: &Path,
) -> Result<(), Corrupt> {
    let mut layers = snapshots
        .iter()
        .rev()
        .filter(|snapshot| !is_init(&snapshot.key));
    for chain_id in chain.chain_ids() {
        if layers.next().map(|layer| &layer.key) != Some(&chain_id.to_string()) {
            return Err(Corrupt::File(
                place.to_owned(),
                "its snapshots are not those of the image's layers".into(),
            ));
        }
    }
    Ok(())
}

/// The origin of a container for which no snapshot has the name of a chain ID. All its snapshots
/// must be the container's own, because the contents of any other snapshot are not known. A
/// recorded image that cannot be found is treated as an image without layers only if the mount
/// shows that there are no layers.
pub(super) fn without_chain(
    facts: &Facts,
    hints: &Hints,
    name: Option<String>,
    stores: &ImageSources<'_>,
    evidence: Evidence,
) -> Result<Origin, LineageError> {
    if !facts.is_alone() {
        return Err(
            Unknown::NoRecord("the chain ID of the container's snapshot", stores.place()).into(),
        );
    }
    let has_image = name.is_some() || hints.image_id.is_some() || !hints.targets.is_empty();
    match (expand::without_layers(hints, stores)?, evidence) {
        (Some(image), _) => Ok(Origin::NoLayers(ImageFacts { name, ..image })),
        (None, _) if !has_image => Ok(Origin::NoImage),
        (None, Evidence::Mount) => Ok(Origin::NoLayers(ImageFacts {
            name,
            ..ImageFacts::default()
        })),
        (None, Evidence::Metadata | Evidence::Claimed) => {
            Err(Unknown::NoRecord("the container's image", stores.place()).into())
        }
    }
}
