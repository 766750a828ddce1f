//! Says whether a container is built on the named image.
//!
//! In: the value of `--base` or `--image`, and what a container is made of. Out: the digests that
//! the value means, found once, and for each container whether it has them. The value is looked up
//! in root's stores and the caller's own alone: another user's could give any image that name.
//! Containers are compared by digests, never by names.

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

/// An image that containers are built on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseImage {
    /// As it was typed.
    word: String,
    /// The chain ID of all its layers, for each platform.
    tops: BTreeSet<ChainId>,
}

/// An image that containers were made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NamedImage {
    /// As it was typed.
    word: String,
    /// The digests of its configs, manifests and indexes.
    digests: BTreeSet<Digest>,
    /// The chain IDs of all its layers; none if only a digest is known.
    tops: BTreeSet<ChainId>,
}

impl BaseImage {
    /// The base that a value names: a chain ID, else an image, of every platform.
    ///
    /// # Errors
    /// [`SelectError`] if there is no such image here, or it has no layers.
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

    /// What it says of a container made of `origin`.
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
    /// The image that a value names: one that is here, of every platform, or just that digest.
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
            // The image may be gone while the container still runs.
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

    /// What it says of a container made of `origin`.
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

    /// Whether its layers prove that it is another image.
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

/// The relation of a container with that chain to a base, as a refusal states it.
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
    // Settings that cannot be read are reported by the scan of the containers.
    Stores::open(
        &discovery::with_found(usual, &processes::of_node(paths), paths, &mut Vec::new()),
        paths,
    )
}
