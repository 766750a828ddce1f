//! Describes the images that were found under a name.
//!
//! Plain data: the image of one platform, with every known digest, and how certain its layers are.
//! Names are text that other people chose.

use serde::{Deserialize, Serialize};

use crate::lineage::chain::Chain;
use crate::lineage::digest::{Digest, ImageId};
use crate::lineage::image::Platform;

/// The image of one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundImage {
    /// The image's names, for reports.
    pub names: Vec<String>,
    /// Where the image was found, for reports.
    pub places: Vec<String>,
    /// The platform that the image runs on, if the image's config is available.
    pub platform: Option<Platform>,
    /// The image ID: the digest of the image's config.
    pub image_id: Option<ImageId>,
    /// The digests of the image's manifest and of the indexes that lead to the manifest, each with
    /// its role.
    pub manifests: Vec<(Role, Digest)>,
    /// The image's layers; `None` when the image has no layers.
    pub chain: Option<Chain>,
    /// How certain the layers are.
    pub evidence: Sureness,
}

/// What a digest other than the image ID identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The image's manifest.
    Manifest,
    /// An index, which lists the manifests of several platforms.
    Index,
    /// A manifest or an index; the engine does not say which.
    Either,
}

impl Role {
    /// The role's name in reports.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sureness {
    /// An engine's own records name these layers.
    Recorded,
    /// Every layer was hashed.
    Hashed,
    /// Only the image's config names these layers.
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

/// The images that were found under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// The image, once for each platform.
    pub images: Vec<FoundImage>,
    /// Platforms that the image's index names, but whose images are not on this machine.
    pub absent: Vec<String>,
}

impl FoundImage {
    /// Adds the names, places and digests of the same image found in another place.
    pub(super) fn learn(&mut self, image: Self) {
        for place in image.places {
            if !self.places.contains(&place) {
                self.places.push(place);
            }
        }
        for (role, digest) in image.manifests {
            let mut known = self.manifests.iter_mut();
            match known.find(|(_, known)| *known == digest) {
                None => self.manifests.push((role, digest)),
                Some((known, _)) if *known == Role::Either => *known = role,
                Some(_) => {}
            }
        }
    }
}
