//! Defines what is known of a container's or an image's lineage, and how sure it is.

use std::path::PathBuf;

use super::chain::Chain;
use super::digest::{Digest, ImageId};
use super::error::LineageError;
use crate::container::ContainerId;
use crate::container::engine::Engine;
use crate::report::line;

/// What a container or an image is made of, as far as its engine's own records say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An image with at least one layer.
    Image(ImageLineage),
    /// An image without a layer (`FROM scratch` and nothing added).
    NoLayers(ImageFacts),
    /// The engine's own record says that there is no image (`--rootfs`).
    NoImage,
}

impl Origin {
    /// What is known of the image apart from its layers; nothing without an image.
    #[must_use]
    pub const fn facts(&self) -> Option<&ImageFacts> {
        match self {
            Self::Image(image) => Some(&image.facts),
            Self::NoLayers(facts) => Some(facts),
            Self::NoImage => None,
        }
    }
}

/// An image's layers, lowest first, and what else is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLineage {
    /// The layers and the chain IDs they hash to.
    pub chain: Chain,
    /// Digests and names known beside the layers.
    pub facts: ImageFacts,
    /// How sure it is that the container runs on exactly these layers.
    pub evidence: Evidence,
}

/// What is known of an image apart from its layers. Everything may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The digest of its config, when the engine's record ties it to this container.
    pub image_id: Option<ImageId>,
    /// Digests of its manifest and of the index it was pulled by, in any order.
    pub manifests: Vec<Digest>,
    /// Why its engine's record of the digests by which it was pulled cannot be read, on one line:
    /// some may be missing from `manifests`.
    pub pull_fault: Option<String>,
    /// A name for people, from the engine's own record. Never matched.
    pub name: Option<String>,
    /// The image config's file in the engine's store; its bytes must hash to `image_id` before they
    /// are believed.
    pub config_file: Option<PathBuf>,
}

impl ImageFacts {
    /// Adds the digests by which the image was pulled, and returns how many are new; or records why
    /// they are not known.
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

/// A container in an engine's store, as people name it.
#[derive(Debug)]
pub struct StoredContainer {
    /// Its ID.
    pub id: ContainerId,
    /// Its names; may be none.
    pub names: Vec<String>,
    /// What its creator asked for: an image reference, which may mean another image by now.
    pub image: Option<String>,
    /// The engine that made it, where several share the store and the record says which.
    pub engine: Option<Engine>,
    /// Why its record could not be read: its ID alone is known.
    pub unread: Option<LineageError>,
}

/// An image in an engine's store, as people name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    /// The engine's ID of it: the digest of its config, or of its manifest or index in containerd's
    /// image stores.
    pub id: Digest,
    /// References that lead to it, with tag or digest; may be none.
    pub names: Vec<String>,
}

/// How sure a lineage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Only the image's author claims the layers: lazily pulled or known by their table of
    /// contents.
    Claimed,
    /// The engine's own records, each hash recomputed. The mount is of a form that cannot be
    /// compared.
    Metadata,
    /// The engine's own records, and what is mounted is exactly that.
    Mount,
}

impl Evidence {
    /// The name used in audit events and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Metadata => "metadata",
            Self::Mount => "mount",
        }
    }
}
