//! Describes the images that were found under a name.
//!
//! Plain data: an image of one platform, with every known digest, and how certain its layers are.
//! Names are text that others wrote.

use crate::lineage::chain::Chain;
use crate::lineage::digest::{Digest, ImageId};
use crate::lineage::image::Platform;

/// An image of one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundImage {
    /// Its names, for people.
    pub names: Vec<String>,
    /// Where it was found, for people.
    pub places: Vec<String>,
    /// The platform it runs on, when its config is at hand.
    pub platform: Option<Platform>,
    /// The digest of its config.
    pub image_id: Option<ImageId>,
    /// Digests of its manifest and of indexes that lead to it, each with its role.
    pub manifests: Vec<(Role, Digest)>,
    /// Its layers; `None` when it has none.
    pub chain: Option<Chain>,
    /// How certain the layers are.
    pub evidence: Sureness,
}

/// What a digest beside the image ID stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The image's manifest.
    Manifest,
    /// An index of several platforms.
    Index,
    /// One of the two; the engine does not say which.
    Either,
}

impl Role {
    /// The text in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Index => "index",
            Self::Either => "digest",
        }
    }
}

/// How certain it is that an image has exactly these layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sureness {
    /// An engine's own records say so.
    Recorded,
    /// Every layer was hashed.
    Hashed,
    /// The image config says so.
    Claimed,
}

impl Sureness {
    /// The text in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Hashed => "hashed",
            Self::Claimed => "claimed",
        }
    }
}

/// What was found under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// The image, once for each platform.
    pub images: Vec<FoundImage>,
    /// Platforms that its index names and that are missing here.
    pub absent: Vec<String>,
}

impl FoundImage {
    /// Adds what is new in the same image found elsewhere.
    pub(super) fn learn(&mut self, image: Self) {
        let new: Vec<_> = image
            .places
            .into_iter()
            .filter(|place| !self.places.contains(place))
            .collect();
        self.places.extend(new);
        for (role, digest) in image.manifests {
            match self
                .manifests
                .iter_mut()
                .find(|(_, known)| *known == digest)
            {
                None => self.manifests.push((role, digest)),
                Some((known, _)) if *known == Role::Either => *known = role,
                Some(_) => {}
            }
        }
    }
}
