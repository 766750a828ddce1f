//! Holds what is known of the images that a source names.
//!
//! Plain data: images with their digests, under the names by which they were asked for, and what
//! each name of the source means. In: what `search` found. Out: answers by digest. The images were
//! named by an author on his own machine; their names are text that others wrote, and leave here
//! escaped.

use std::collections::HashMap;

use crate::banlist::record::MatchKind;
use crate::ctl::image::{FoundImage, Role};
use crate::lineage::chain::Chain;
use crate::lineage::digest::Digest;
use crate::report::line;

/// What was found under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name it was asked for by.
    pub word: String,
    /// The image, once for each platform; for an archive without a name behind it, all its images.
    pub images: Vec<FoundImage>,
    /// Platforms that its index names and whose image is missing here.
    pub absent: Vec<String>,
}

/// All images that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The images.
    pub groups: Vec<Group>,
    /// Which group a name in the source means.
    pub meanings: HashMap<String, usize>,
    /// Names in the source that mean nothing here, each with the reason why.
    pub unknown: HashMap<String, String>,
    /// Why not every image here was looked at.
    pub unseen: Vec<String>,
}

impl Known {
    /// What a name in the source means here.
    #[must_use]
    pub fn meaning(&self, name: &str) -> Option<&Group> {
        self.groups.get(*self.meanings.get(name)?)
    }
}

/// What a digest is to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The chain ID of its lowest layers: how many of them, and of how many.
    Stack(usize, usize),
    /// The diff ID of a layer.
    Layer,
    /// Its image ID.
    Config,
    /// Its manifest, or an index that leads to it.
    Manifest(Role),
}

impl Part {
    /// What a match or an exception would call it.
    pub(super) const fn kind(self) -> MatchKind {
        match self {
            Self::Stack(..) => MatchKind::Base,
            Self::Layer => MatchKind::Layer,
            Self::Config | Self::Manifest(_) => MatchKind::Image,
        }
    }

    /// What it is, for people.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Stack(height, of) if height == of => "the top chain ID",
            Self::Stack(..) => "a chain ID",
            Self::Layer => "the diff ID of a layer",
            Self::Config => "the image ID",
            Self::Manifest(Role::Manifest) => "the manifest digest",
            Self::Manifest(Role::Index) => "the index digest",
            Self::Manifest(Role::Either) => "the manifest or index digest",
        }
    }
}

/// The images by their digests.
pub(super) struct Index<'k>(HashMap<Digest, Vec<(Part, &'k FoundImage)>>);

impl<'k> Index<'k> {
    /// The index of all of them.
    pub(super) fn of(known: &'k Known) -> Self {
        let mut parts: HashMap<_, Vec<_>> = HashMap::new();
        for image in known.groups.iter().flat_map(|group| &group.images) {
            let mut add = |digest, part| parts.entry(digest).or_default().push((part, image));
            if let Some(chain) = &image.chain {
                let height = chain.chain_ids().len();
                chain
                    .chain_ids()
                    .iter()
                    .zip(1..)
                    .for_each(|(id, at)| add(id.0, Part::Stack(at, height)));
                chain
                    .diff_ids()
                    .iter()
                    .for_each(|id| add(id.0, Part::Layer));
            }
            image.image_id.iter().for_each(|id| add(id.0, Part::Config));
            image
                .manifests
                .iter()
                .for_each(|(role, digest)| add(*digest, Part::Manifest(*role)));
        }
        Self(parts)
    }

    /// Every digest that is known.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.0.keys().copied()
    }

    /// Which images have this digest, and as what.
    pub(super) fn parts(&self, digest: Digest) -> &[(Part, &'k FoundImage)] {
        self.0.get(&digest).map_or(&[], Vec::as_slice)
    }

    /// What has this digest as `kind`.
    pub(super) fn having(
        &self,
        kind: MatchKind,
        digest: Digest,
    ) -> impl Iterator<Item = (Part, &'k FoundImage)> + '_ {
        self.parts(digest)
            .iter()
            .copied()
            .filter(move |(part, _)| part.kind() == kind)
    }

    /// The images whose whole chain has this chain ID.
    pub(super) fn with_top(&self, digest: Digest) -> impl Iterator<Item = &'k FoundImage> + '_ {
        let is_top = |part| matches!(part, Part::Stack(height, of) if height == of);
        self.parts(digest)
            .iter()
            .filter(move |(part, _)| is_top(*part))
            .map(|(_, image)| *image)
    }

    /// Whether everything that has `digest` as `kind` certainly has `other`, too.
    pub(super) fn implies(
        &self,
        (kind, digest): (MatchKind, Digest),
        other: (MatchKind, Digest),
    ) -> bool {
        if (kind, digest) == other {
            return true;
        }
        match kind {
            // The chain ID of one layer is its diff ID.
            MatchKind::Base => {
                other == (MatchKind::Layer, digest)
                    || self.having(kind, digest).any(|(part, image)| {
                        image
                            .chain
                            .as_ref()
                            .is_some_and(|chain| has_below(chain, part, other))
                    })
            }
            MatchKind::Layer => false,
            MatchKind::Image => {
                let mut images = self.having(kind, digest).map(|(_, image)| image).peekable();
                images.peek().is_some() && images.all(|image| has_for_sure(image, other))
            }
        }
    }
}

/// Whether a stack of a chain contains a layer, or a lower stack.
fn has_below(chain: &Chain, part: Part, (kind, digest): (MatchKind, Digest)) -> bool {
    let Part::Stack(height, _) = part else {
        return false;
    };
    match kind {
        MatchKind::Base => chain
            .chain_ids()
            .iter()
            .take(height)
            .any(|id| id.0 == digest),
        MatchKind::Layer => chain
            .diff_ids()
            .iter()
            .take(height)
            .any(|id| id.0 == digest),
        MatchKind::Image => false,
    }
}

/// Whether every engine knows that an image has this. Some do not keep digests of manifests.
fn has_for_sure(image: &FoundImage, (kind, digest): (MatchKind, Digest)) -> bool {
    match kind {
        MatchKind::Image => image.image_id.is_some_and(|id| id.0 == digest),
        MatchKind::Base | MatchKind::Layer => has(image, (kind, digest)),
    }
}

/// Whether an image has a digest as this kind.
pub(super) fn has(image: &FoundImage, (kind, digest): (MatchKind, Digest)) -> bool {
    match kind {
        MatchKind::Base => image
            .chain
            .iter()
            .any(|chain| chain.chain_ids().iter().any(|id| id.0 == digest)),
        MatchKind::Layer => image
            .chain
            .iter()
            .any(|chain| chain.diff_ids().iter().any(|id| id.0 == digest)),
        MatchKind::Image => {
            image.image_id.is_some_and(|id| id.0 == digest)
                || image
                    .manifests
                    .iter()
                    .any(|(_, manifest)| *manifest == digest)
        }
    }
}

/// The chain ID of a whole image.
pub(super) fn top(image: &FoundImage) -> Option<Digest> {
    image.chain.as_ref().map(|chain| chain.top().0)
}

/// Whether two results are the same image.
pub(super) fn is_same(one: &FoundImage, other: &FoundImage) -> bool {
    match (one.image_id, other.image_id) {
        (Some(one), Some(other)) => one == other,
        (Some(_) | None, _) => one == other,
    }
}

/// An image, for people: its name, else its image ID.
pub(super) fn label(image: &FoundImage) -> String {
    match (image.names.first(), image.image_id) {
        (Some(name), _) => line::name(name),
        (None, Some(id)) => id.to_string(),
        (None, None) => format!("an image from {}", image.places.join(" and ")),
    }
}

/// The platform of an image, for people.
pub(super) fn platform(image: &FoundImage) -> Option<String> {
    image
        .platform
        .as_ref()
        .map(ToString::to_string)
        .filter(|text| text.split('/').all(|part| !part.is_empty()))
}

/// Several images or other things, for people: the first three of them.
pub(super) fn several(labels: impl IntoIterator<Item = String>) -> String {
    let mut labels: Vec<_> = labels.into_iter().collect();
    labels.sort();
    labels.dedup();
    let more = labels.len().saturating_sub(3);
    labels.truncate(3);
    match (labels.as_slice(), more) {
        ([rest @ .., last], 0) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        (labels, 0) => labels.concat(),
        (labels, more) => format!("{} and {more} more", labels.join(", ")),
    }
}
