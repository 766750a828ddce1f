//! Decides whether a container is built on, or made from, the named image.
//!
//! In: the value of `--base` or `--image`, and what a container is made of. Out: the digests that
//! the value stands for, found once; and for each container, whether it has one of them. The value
//! is looked up only in root's stores and in the caller's own, because other users could give any
//! image that name. Containers are compared by digests, never by names.

use std::collections::BTreeSet;

use super::comparison::Comparison;
use super::error::SelectError;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{ChainId, Digest};
use crate::lineage::{Evidence, Origin};
use crate::node::images::{self, FoundImage};
use crate::node::runtime_state::Whose;
use crate::node::stores::Stores;
use crate::node::{discovery, places, processes};
use crate::paths::Paths;
use crate::report::line;
use crate::settings::Settings;

/// The image of `--base`: containers are built on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseImage {
    /// The value as it was typed.
    word: String,
    /// The chain ID of all the image's layers, for each platform.
    tops: BTreeSet<ChainId>,
}

/// The image of `--image`: containers were made from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NamedImage {
    /// The value as it was typed.
    word: String,
    /// The digests of the image's configs, manifests and indexes.
    digests: BTreeSet<Digest>,
    /// The chain ID of all the image's layers, for each platform; empty if only a digest is known.
    tops: BTreeSet<ChainId>,
}

impl BaseImage {
    /// The base that a value names: a chain ID, or else an image in a local store, for all its
    /// platforms.
    ///
    /// # Errors
    /// [`SelectError`] if there is no such image here, or if the image has no layers.
    pub(super) fn find(
        word: &str,
        paths: &Paths,
        settings: &Settings,
    ) -> Result<Self, SelectError> {
        let tops = match ChainId::parse(word) {
            Ok(chain_id) => BTreeSet::from([chain_id]),
            Err(_) => tops(&images::find(word, &stores(paths, settings))?.images),
        };
        if tops.is_empty() {
            Err(SelectError::NoLayers(word.to_owned()))
        } else {
            Ok(Self {
                word: word.to_owned(),
                tops,
            })
        }
    }

    /// The result for a container made of `origin`.
    #[must_use]
    pub(super) fn says(&self, origin: &Origin) -> Comparison {
        let Origin::Image(lineage) = origin else {
            return Comparison::Nothing;
        };
        let chain = &lineage.chain;
        match chain
            .chain_ids()
            .iter()
            .find(|chain_id| self.tops.contains(chain_id))
        {
            Some(found) => Comparison::matches(format!(
                "{} {}",
                relation(chain, *found),
                line::name(&self.word)
            )),
            None if lineage.evidence == Evidence::Claimed => Comparison::claimed(),
            None => Comparison::Nothing,
        }
    }
}

impl NamedImage {
    /// The image that a value names: an image in a local store, for all its platforms, or else just
    /// the digest itself.
    ///
    /// # Errors
    /// [`SelectError`] if the value is not a digest and there is no such image here.
    pub(super) fn find(
        word: &str,
        paths: &Paths,
        settings: &Settings,
    ) -> Result<Self, SelectError> {
        let digest = Digest::parse(word).ok();
        let images = match (images::find(word, &stores(paths, settings)), digest) {
            (Ok(found), _) => found.images,
            // A container may still run after its image was deleted.
            (Err(_), Some(_)) => Vec::new(),
            (Err(error), None) => return Err(error.into()),
        };
        let ids = images
            .iter()
            .filter_map(|image| image.image_id)
            .map(|id| id.0);
        let manifests = images
            .iter()
            .flat_map(|image| &image.manifests)
            .map(|(_, digest)| *digest);
        let digests = digest.into_iter().chain(ids).chain(manifests).collect();
        Ok(Self {
            word: word.to_owned(),
            digests,
            tops: tops(&images),
        })
    }

    /// The result for a container made of `origin`.
    #[must_use]
    pub(super) fn says(&self, origin: &Origin) -> Comparison {
        let Some(facts) = origin.facts() else {
            return Comparison::Nothing;
        };
        let mut own = facts
            .image_id
            .map(|id| id.0)
            .into_iter()
            .chain(facts.manifests.iter().copied());
        if own.any(|digest| self.digests.contains(&digest)) {
            return Comparison::matches(format!("is {}", line::name(&self.word)));
        }
        if facts.image_id.is_some() || self.is_another(origin) {
            return Comparison::Nothing;
        }
        Comparison::Unclear(
            "cannot tell which image it is made of: its engine no longer knows its image ID"
                .to_owned(),
        )
    }

    /// Whether the container's layers prove that it was made from another image.
    fn is_another(&self, origin: &Origin) -> bool {
        match origin {
            Origin::Image(lineage) => {
                !self.tops.is_empty() && !self.tops.contains(&lineage.chain.top())
            }
            Origin::NoLayers(_) => !self.tops.is_empty(),
            Origin::NoImage => true,
        }
    }
}

/// How a container with this chain relates to a base, in the words of a refusal.
fn relation(chain: &Chain, base: ChainId) -> &'static str {
    if chain.top() == base {
        "is"
    } else {
        "built on"
    }
}

/// The chain ID of each image that has layers.
fn tops(images: &[FoundImage]) -> BTreeSet<ChainId> {
    images
        .iter()
        .filter_map(|image| image.chain.as_ref())
        .map(Chain::top)
        .collect()
}

fn stores(paths: &Paths, settings: &Settings) -> Stores {
    let usual = places::of_node(paths, &settings.engines, Whose::Own);
    // Faults of the settings do not matter here; the scan of the containers reports them.
    Stores::open(
        &discovery::with_found(usual, &processes::of_node(paths), paths, &mut Vec::new()),
        paths,
    )
}
