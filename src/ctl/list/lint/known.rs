//! Holds the images that are known on this machine, for the checks of `list lint`.
//!
//! Plain data: images with their digests, the names by which they were found, and the image to
//! which each name in the source belongs. In: the images that `search` found. Out: look-ups by
//! digest. The author chose to look at these images, but their names are untrusted text, and are
//! printed escaped.

use std::collections::HashMap;

use crate::banlist::ban::MatchKind;
use crate::ctl::image::{FoundImage, Role};
use crate::lineage::digest::{ChainId, DiffId, Digest, ImageId};
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
    /// For each name in the source, the number of the group of images to which the name belongs.
    pub meanings: HashMap<String, usize>,
    /// Names in the source for which no image was found, each with the reason.
    pub unknown: HashMap<String, String>,
    /// Why some images on this machine could not be examined.
    pub unseen: Vec<String>,
}

impl Group {
    /// Whether the group has this image.
    pub(super) fn has(&self, image: &FoundImage) -> bool {
        self.images.iter().any(|other| is_same(image, other))
    }
}

impl KnownImages {
    /// The images to which a name in the source belongs.
    #[must_use]
    pub fn meaning(&self, name: &str) -> Option<&Group> {
        self.groups.get(*self.meanings.get(name)?)
    }
}

/// What a digest is in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DigestRole {
    /// A chain ID: over how many of the image's lowest layers, and how many layers the image has in
    /// total.
    Stack(usize, usize),
    /// The diff ID of a layer.
    Layer,
    /// The image ID.
    Config,
    /// The digest of the image's manifest, or of an index that leads to this manifest.
    Manifest(Role),
}

impl DigestRole {
    /// The kind under which a match or an exception uses a digest with this role.
    pub(super) const fn kind(self) -> MatchKind {
        match self {
            Self::Stack(..) => MatchKind::Base,
            Self::Layer => MatchKind::Layer,
            Self::Config | Self::Manifest(_) => MatchKind::Image,
        }
    }

    /// Whether the digest is the chain ID of all of the image's layers.
    const fn is_top(self) -> bool {
        matches!(self, Self::Stack(height, of) if height == of)
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
        let mut index = Self(HashMap::new());
        for image in known.groups.iter().flat_map(|group| &group.images) {
            if let Some(chain) = &image.chain {
                let height = chain.chain_ids().len();
                for (id, at) in chain.chain_ids().iter().zip(1..) {
                    index.add(id.0, DigestRole::Stack(at, height), image);
                }
                for id in chain.diff_ids() {
                    index.add(id.0, DigestRole::Layer, image);
                }
            }
            if let Some(id) = image.image_id {
                index.add(id.0, DigestRole::Config, image);
            }
            for (role, digest) in &image.manifests {
                index.add(*digest, DigestRole::Manifest(*role), image);
            }
        }
        index
    }

    fn add(&mut self, digest: Digest, part: DigestRole, image: &'k FoundImage) {
        self.0.entry(digest).or_default().push((part, image));
    }

    /// Every digest of a known image.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.0.keys().copied()
    }

    /// The images that have this digest, and what the digest is in each of them.
    pub(super) fn parts(&self, digest: Digest) -> &[(DigestRole, &'k FoundImage)] {
        self.0.get(&digest).map_or(&[], Vec::as_slice)
    }

    /// The images that a match with this kind and this digest would cover.
    pub(super) fn having(
        &self,
        kind: MatchKind,
        digest: Digest,
    ) -> impl Iterator<Item = &'k FoundImage> + '_ {
        self.parts(digest)
            .iter()
            .filter(move |(part, _)| part.kind() == kind)
            .map(|(_, image)| *image)
    }

    /// The images with this top chain ID.
    pub(super) fn with_top(&self, digest: Digest) -> impl Iterator<Item = &'k FoundImage> + '_ {
        self.parts(digest)
            .iter()
            .filter(|(part, _)| part.is_top())
            .map(|(_, image)| *image)
    }

    /// Whether every image that has `digest` with the kind `kind` certainly also has the digest
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
                    || self
                        .parts(digest)
                        .iter()
                        .any(|(part, image)| has_below(image, *part, other))
            }
            MatchKind::Layer => false,
            MatchKind::Image => {
                let mut images = self.having(kind, digest).peekable();
                images.peek().is_some() && images.all(|image| has_for_sure(image, other))
            }
        }
    }
}

/// Whether the stack `part` of an image's layers contains the given digest: as a layer, or as the
/// chain ID of a lower part of the stack.
fn has_below(image: &FoundImage, part: DigestRole, (kind, digest): (MatchKind, Digest)) -> bool {
    let (DigestRole::Stack(height, _), Some(chain)) = (part, &image.chain) else {
        return false;
    };
    match kind {
        MatchKind::Base => {
            let mut lower = chain.chain_ids().iter().take(height);
            lower.any(|id| id.0 == digest)
        }
        MatchKind::Layer => {
            let mut layers = chain.diff_ids().iter().take(height);
            layers.any(|id| id.0 == digest)
        }
        MatchKind::Image => false,
    }
}

/// Whether an image has this digest, and every engine knows it. Some engines do not keep digests of
/// manifests.
pub(super) fn has_for_sure(image: &FoundImage, (kind, digest): (MatchKind, Digest)) -> bool {
    match kind {
        MatchKind::Image => image.image_id == Some(ImageId(digest)),
        MatchKind::Base | MatchKind::Layer => has(image, (kind, digest)),
    }
}

/// Whether an image has this digest with this kind.
pub(super) fn has(image: &FoundImage, (kind, digest): (MatchKind, Digest)) -> bool {
    match (kind, &image.chain) {
        (MatchKind::Base, Some(chain)) => chain.chain_ids().contains(&ChainId(digest)),
        (MatchKind::Layer, Some(chain)) => chain.diff_ids().contains(&DiffId(digest)),
        (MatchKind::Base | MatchKind::Layer, None) => false,
        (MatchKind::Image, _) => {
            image.image_id == Some(ImageId(digest))
                || image.manifests.iter().any(|(_, known)| *known == digest)
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
pub(in crate::ctl) fn platform(image: &FoundImage) -> Option<String> {
    let text = image.platform.as_ref()?.to_string();
    if text.split('/').any(str::is_empty) {
        None
    } else {
        Some(text)
    }
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
