//! Decides whether a container is built on or made from a named image.
//!
//! In: the value of `--base` or `--image`, and what a container is made of. Out: the digests that
//! the value stands for, found once; and for each container, whether it has one of these digests.
//! The value is looked up only in root's stores and in the caller's own, because other users could
//! give any image that name. Containers are compared by digests, never by names.

use std::collections::BTreeSet;

use super::error::SelectError;
use super::match_result::MatchResult;
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
    /// The chain ID of all the image's layers, for each platform. Empty if only the image's digest
    /// is known.
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
    pub(super) fn says(&self, origin: &Origin) -> MatchResult {
        let Origin::Image(lineage) = origin else {
            return MatchResult::Nothing;
        };
        let chain = &lineage.chain;
        for chain_id in chain.chain_ids() {
            if self.tops.contains(chain_id) {
                let relation = relation(chain, *chain_id);
                return MatchResult::matches(format!("{relation} {}", line::name(&self.word)));
            }
        }
        if lineage.evidence == Evidence::Claimed {
            MatchResult::claimed()
        } else {
            MatchResult::Nothing
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
        let mut digests = BTreeSet::from_iter(digest);
        for image in &images {
            digests.extend(image.image_id.map(|id| id.0));
            for (_, manifest) in &image.manifests {
                digests.insert(*manifest);
            }
        }
        Ok(Self {
            word: word.to_owned(),
            digests,
            tops: tops(&images),
        })
    }

    /// The result for a container made of `origin`.
    #[must_use]
    pub(super) fn says(&self, origin: &Origin) -> MatchResult {
        let Some(facts) = origin.facts() else {
            return MatchResult::Nothing;
        };
        let id = facts.image_id.as_ref().map(|id| &id.0);
        for digest in facts.manifests.iter().chain(id) {
            if self.digests.contains(digest) {
                return MatchResult::matches(format!("is {}", line::name(&self.word)));
            }
        }
        if facts.image_id.is_some() || self.is_another(origin) {
            return MatchResult::Nothing;
        }
        MatchResult::Unclear(
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
    let mut tops = BTreeSet::new();
    for image in images {
        tops.extend(image.chain.as_ref().map(Chain::top));
    }
    tops
}

fn stores(paths: &Paths, settings: &Settings) -> Stores {
    let usual = places::of_node(paths, &settings.engines, Whose::Own);
    // Faults of the settings are ignored in this look-up; the scan of the containers reports the
    // faults.
    Stores::open(
        &discovery::with_found(usual, &processes::of_node(paths), paths, &mut Vec::new()),
        paths,
    )
}
