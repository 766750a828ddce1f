//! Defines what is known of the lineage of a container or an image, and how certain it is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::digest::{Digest, ImageId};
use super::error::LineageError;
use crate::container::ContainerId;
use crate::container::engine::Engine;
use crate::report::line;
use crate::sys::clock::Timestamp;

/// The layers of a container or an image, as far as its engine's own records say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// An image with at least one layer.
    Image(ImageLineage),
    /// An image without layers (`FROM scratch`, with nothing added).
    NoLayers(ImageFacts),
    /// There is no image, as the engine's own record says (`--rootfs`).
    NoImage,
}

impl Origin {
    /// An image with this chain, or without layers.
    pub(super) fn of_image(chain: Option<Chain>, facts: ImageFacts, evidence: Evidence) -> Self {
        match chain {
            Some(chain) => Self::Image(ImageLineage {
                chain,
                facts,
                evidence,
            }),
            None => Self::NoLayers(facts),
        }
    }

    /// The same facts that [`Origin::facts`] returns, for a caller that changes them.
    pub(super) const fn facts_mut(&mut self) -> Option<&mut ImageFacts> {
        match self {
            Self::Image(image) => Some(&mut image.facts),
            Self::NoLayers(facts) => Some(facts),
            Self::NoImage => None,
        }
    }

    /// What is known of the image besides its layers; `None` if there is no image.
    #[must_use]
    pub const fn facts(&self) -> Option<&ImageFacts> {
        match self {
            Self::Image(image) => Some(&image.facts),
            Self::NoLayers(facts) => Some(facts),
            Self::NoImage => None,
        }
    }
}

/// The layers of an image, lowest first, and what else is known of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLineage {
    /// The layers, and the chain IDs of its stacks.
    pub chain: Chain,
    /// Digests and names that are known besides the layers.
    pub facts: ImageFacts,
    /// How certain it is that the container runs on exactly these layers.
    pub evidence: Evidence,
}

/// What is known of an image besides its layers. Each of these facts may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The digest of the image's config, if the engine's record ties the digest to this container.
    pub image_id: Option<ImageId>,
    /// The digests of the image's manifest and of the index by which the image was pulled, in any
    /// order.
    pub manifests: Vec<Digest>,
    /// The reason, on one line, why the engine's store does not show the digests by which the image
    /// was pulled. Some digests may be missing from `manifests` then.
    pub pull_fault: Option<String>,
    /// A name from the engine's own record. The name is shown, and never compared with a list.
    pub name: Option<String>,
    /// The path of the image config in the engine's store. The file is used only if its bytes hash
    /// to `image_id`.
    pub config_file: Option<PathBuf>,
}

impl ImageFacts {
    /// Adds the digests by which the image was pulled. Returns how many of these digests are new.
    /// If the digests are not known, the reason is recorded.
    pub(super) fn add_pulled(&mut self, pulled: Result<Vec<Digest>, LineageError>) -> usize {
        let before = self.manifests.len();
        match pulled {
            Ok(mut pulled) => {
                pulled.retain(|digest| !self.manifests.contains(digest));
                self.manifests.extend(pulled);
            }
            Err(fault) => self.pull_fault = Some(line::causes(&fault)),
        }
        self.manifests.len() - before
    }
}

/// A container in an engine's store.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredContainer {
    /// The container's ID.
    pub id: ContainerId,
    /// The container's names; may be empty.
    pub names: Vec<String>,
    /// The image reference that the container was made with. The reference may lead to another
    /// image by now.
    pub image: Option<String>,
    /// The engine that made the container, if several engines share the store and the record says
    /// which.
    pub engine: Option<Engine>,
    /// When the engine made the container.
    pub created: Option<Timestamp>,
    /// Why the container's record could not be read. Only the container's ID is known then.
    pub unread: Option<LineageError>,
}

/// An image in an engine's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    /// The ID of the image in the engine: the digest of its config or, in containerd's image
    /// stores, of its manifest or index.
    pub id: Digest,
    /// References that lead to the image, with a tag or a digest; may be empty.
    pub names: Vec<String>,
}

/// How certain a lineage is, the least certain first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Evidence {
    /// Only the image's author claims the layers: the layers were pulled lazily, or are known only
    /// by their tables of contents.
    Claimed,
    /// The engine's own records name the layers, and every hash was computed again. The mount has a
    /// form that cannot be compared with the records.
    Metadata,
    /// The engine's own records name the layers, and the mounted layers match these records
    /// exactly.
    Mount,
}

impl Evidence {
    /// The name in audit events and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Metadata => "metadata",
            Self::Mount => "mount",
        }
    }
}
