//! Holds the images that are known on this machine, for the checks of `list lint`.
//!
//! Plain data: images with their digests, the names by which they were found, and which image each
//! name in the source means. In: the images that `search` found. Out: look-ups by digest. The
//! author chose to look at these images, but their names are untrusted text, and are printed
//! escaped.

use std::collections::HashMap;

use crate::banlist::record::MatchKind;
use crate::ctl::image::{FoundImage, Role};
use crate::lineage::chain::Chain;
use crate::lineage::digest::Digest;
use crate::report::line;

/// The images that were found under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name.
    pub word: String,
    /// The image, once for each platform. For an archive from which no image was chosen by name,
    /// all images in it.
    pub images: Vec<FoundImage>,
    /// Platforms that the image's index names, but whose image is missing on this machine.
    pub absent: Vec<String>,
}

/// All images that are known on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownImages {
    /// The images, grouped by the name under which they were found.
    pub groups: Vec<Group>,
    /// Which group each name in the source means.
    pub meanings: HashMap<String, usize>,
    /// Names in the source for which no image was found, each with the reason.
    pub unknown: HashMap<String, String>,
    /// Why some images on this machine could not be examined.
    pub unseen: Vec<String>,
}

impl KnownImages {
    /// The images that a name in the source means.
    #[must_use]
    pub fn meaning(&self, name: &str) -> Option<&Group> {
        self.groups.get(*self.meanings.get(name)?)
    }
}

/// What a digest is in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DigestRole {
    /// A chain ID: of how many of the lowest layers, and of how many layers in total.
    Stack(usize, usize),
    /// The diff ID of a layer.
    Layer,
    /// The image ID.
    Config,
    /// The digest of its manifest, or of an index that leads to it.
    Manifest(Role),
}

impl DigestRole {
    /// The kind under which a match or an exception uses such a digest.
    pub(super) const fn kind(self) -> MatchKind {
        match self {
            Self::Stack(..) => MatchKind::Base,
            Self::Layer => MatchKind::Layer,
            Self::Config | Self::Manifest(_) => MatchKind::Image,
        }
    }

    /// A description for messages.
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

/// All known images, by their digests.
pub(super) struct ImageIndex<'k>(HashMap<Digest, Vec<(DigestRole, &'k FoundImage)>>);

impl<'k> ImageIndex<'k> {
    /// Indexes all known images.
    pub(super) fn of(known: &'k KnownImages) -> Self {
        let mut parts: HashMap<_, Vec<_>> = HashMap::new();
        for image in known.groups.iter().flat_map(|group| &group.images) {
            let mut add = |digest, part| parts.entry(digest).or_default().push((part, image));
            if let Some(chain) = &image.chain {
                let height = chain.chain_ids().len();
                chain
                    .chain_ids()
                    .iter()
                    .zip(1..)
                    .for_each(|(id, at)| add(id.0, DigestRole::Stack(at, height)));
                chain
                    .diff_ids()
                    .iter()
                    .for_each(|id| add(id.0, DigestRole::Layer));
            }
            image
                .image_id
                .iter()
                .for_each(|id| add(id.0, DigestRole::Config));
            image
                .manifests
                .iter()
                .for_each(|(role, digest)| add(*digest, DigestRole::Manifest(*role)));
        }
        Self(parts)
    }

    /// Every digest of a known image.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.0.keys().copied()
    }

    /// The images that have this digest, and what the digest is in each of them.
    pub(super) fn parts(&self, digest: Digest) -> &[(DigestRole, &'k FoundImage)] {
        self.0.get(&digest).map_or(&[], Vec::as_slice)
    }

    /// The images that have this digest with the kind `kind`.
    pub(super) fn having(
        &self,
        kind: MatchKind,
        digest: Digest,
    ) -> impl Iterator<Item = (DigestRole, &'k FoundImage)> + '_ {
        self.parts(digest)
            .iter()
            .copied()
            .filter(move |(part, _)| part.kind() == kind)
    }

    /// The images with this top chain ID.
    pub(super) fn with_top(&self, digest: Digest) -> impl Iterator<Item = &'k FoundImage> + '_ {
        let is_top = |part| matches!(part, DigestRole::Stack(height, of) if height == of);
        self.parts(digest)
            .iter()
            .filter(move |(part, _)| is_top(*part))
            .map(|(_, image)| *image)
    }

    /// Whether everything that has `digest` with the kind `kind` certainly also has the digest
    /// `other`.
    pub(super) fn implies(
        &self,
        (kind, digest): (MatchKind, Digest),
        other: (MatchKind, Digest),
    ) -> bool {
        if (kind, digest) == other {
            return true;
        }
        match kind {
            // The chain ID of a single layer equals the layer's diff ID.
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

/// Whether the stack `part` of a chain contains a layer, or another stack as its lower part.
fn has_below(chain: &Chain, part: DigestRole, (kind, digest): (MatchKind, Digest)) -> bool {
    let DigestRole::Stack(height, _) = part else {
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

/// Whether an image has this digest, and every engine knows it. Some engines do not keep digests of
/// manifests.
fn has_for_sure(image: &FoundImage, (kind, digest): (MatchKind, Digest)) -> bool {
    match kind {
        MatchKind::Image => image.image_id.is_some_and(|id| id.0 == digest),
        MatchKind::Base | MatchKind::Layer => has(image, (kind, digest)),
    }
}

/// Whether an image has this digest with this kind.
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

/// The top chain ID of an image.
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

/// The image's name for messages, else its image ID.
pub(super) fn label(image: &FoundImage) -> String {
    match (image.names.first(), image.image_id) {
        (Some(name), _) => line::name(name),
        (None, Some(id)) => id.to_string(),
        (None, None) => format!("an image from {}", image.places.join(" and ")),
    }
}

/// The image's platform for messages, if it is complete.
pub(super) fn platform(image: &FoundImage) -> Option<String> {
    image
        .platform
        .as_ref()
        .map(ToString::to_string)
        .filter(|text| text.split('/').all(|part| !part.is_empty()))
}

/// Joins labels into readable text: at most three, then "and N more".
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
