//! Reads image configs, manifests and indexes.
//!
//! In: the bytes of an image config, manifest or index, written by the image's author (hostile; at
//! most [`MAX_CONFIG`] bytes are ever read). Out: the few fields that Embargo needs. Every other
//! field may hold anything, values newer than today's specification included, so that an image that
//! its engine can start is never refused because of its documents. A diff ID found here is a claim
//! until the chain it hashes to is the one that an engine recorded. Two keys that differ only in
//! case are two keys here and one to an engine written in Go: the same comparison settles that.
//!
//! Rules: OCI image-spec, config.md "Properties", manifest.md, image-index.md, descriptor.md;
//! Docker's image manifest version 2, schema 2.

mod text;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use text::{ConfigText, DescriptorText, DigestText, DocumentText, LabelledText, PlatformText};

use super::chain::{Chain, MAX_LAYERS};
use super::digest::{DiffId, Digest, ImageId, LayerDigest};
use super::error::{Corrupt, LineageError, Unknown};
use super::origin::ImageFacts;
use crate::sys::file::{self, Guard};

/// The largest manifest or index that is read, in bytes: what registries and engines take
/// (containers/image: `MaxManifestBodySize`, 4 MiB).
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// The largest image config that is read, in bytes. Engines set no limit, and labels and history
/// can be long: one of 20 MiB was seen to start.
pub const MAX_CONFIG: u64 = 64 << 20;

/// The longest label that is kept, in bytes; a longer one counts as missing.
const MAX_LABEL: usize = 1_024;

/// Bytes that are not the expected image document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    document: &'static str,
    fault: String,
}

impl BadImage {
    fn new(document: &'static str, fault: impl fmt::Display) -> Self {
        Self {
            document,
            fault: fault.to_string().chars().take(200).collect(),
        }
    }

    /// What is wrong, without the name of the document.
    #[must_use]
    pub fn fault(&self) -> &str {
        &self.fault
    }
}

impl fmt::Display for BadImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the image {}: {}", self.document, self.fault)
    }
}

impl std::error::Error for BadImage {}

/// Where an image runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// Operating system: `linux`.
    pub os: String,
    /// Processor: `amd64`, `arm64`.
    pub architecture: String,
    /// Kind of processor: `v7`, where that matters.
    pub variant: Option<String>,
}

impl Platform {
    /// Whether it is no platform at all: BuildKit's value for an attestation (moby/buildkit,
    /// docs/attestations/attestation-storage.md).
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    /// `os/architecture[/variant]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .iter()
            .try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// Whether the text is a name with a tag as it is, although its first part may also be a place.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(_, tag)| !tag.is_empty() && !tag.contains([':', '/', '@']))
}

/// An image config: the document whose digest is the image ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// The layers' diff IDs, lowest first; none for an image without layers.
    pub diff_ids: Vec<DiffId>,
    /// What it was built for; fields that it does not name are empty.
    pub platform: Platform,
}

impl ImageConfig {
    /// Reads the bytes of an image config.
    ///
    /// # Errors
    /// [`BadImage`] when they are not JSON, hold a field twice, or hold a diff ID that is not a
    /// SHA-256 digest.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadImage> {
        let text: ConfigText = object(bytes, "config")?;
        let layers = text
            .rootfs
            .and_then(|rootfs| rootfs.diff_ids)
            .unwrap_or_default();
        let platform = PlatformText {
            os: text.os,
            architecture: text.architecture,
            variant: text.variant,
        };
        Ok(Self {
            diff_ids: layers
                .into_iter()
                .map(|DigestText(digest)| DiffId(digest))
                .collect(),
            platform: platform.into(),
        })
    }

    /// Reads the image config at `path`, which must hash to `image_id`.
    ///
    /// # Errors
    /// As [`load_config`]; [`Corrupt::File`] when it is not an image config.
    pub fn load(path: &Path, image_id: ImageId) -> Result<Self, LineageError> {
        Self::parse(&load_config(path, image_id)?)
            .map_err(|fault| Corrupt::File(path.to_owned(), fault.to_string()).into())
    }

    /// The chain that its layers hash to, `None` when it has no layers.
    ///
    /// # Errors
    /// [`BadImage`] when it has more than [`MAX_LAYERS`].
    pub fn chain(&self) -> Result<Option<Chain>, BadImage> {
        if self.diff_ids.len() > MAX_LAYERS {
            return Err(BadImage::new(
                "config",
                format_args!("it has {} layers", self.diff_ids.len()),
            ));
        }
        Ok(Chain::from_diff_ids(self.diff_ids.clone()))
    }
}

/// What a digest of a registry or an engine's content store may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageDocument {
    /// An image of one platform.
    Manifest(Manifest),
    /// The same image for several platforms.
    Index(ImageIndex),
}

/// An image manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of the image config.
    pub image_id: ImageId,
    /// The config's media type; in artifacts such as attestations it is not an image config's.
    pub config_type: Option<String>,
    /// The layers as they are stored, lowest first.
    pub layers: Vec<LayerDigest>,
    /// Whether it has layers and each of them is a JSON document: an in-toto attestation, a
    /// signature. No file system is made of these.
    pub holds_documents: bool,
}

/// An image index, or Docker's manifest list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageIndex {
    /// What it lists, in its order.
    pub manifests: Vec<IndexEntry>,
}

/// One image of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The digest of a manifest, or of a further index.
    pub digest: Digest,
    /// What the digest means, as the index claims it.
    pub media_type: Option<String>,
    /// Where the image runs, as the index claims it.
    pub platform: Option<Platform>,
    /// Whether it only says something about another image (BuildKit: annotation
    /// `vnd.docker.reference.type`).
    pub is_attestation: bool,
}

impl ImageDocument {
    /// Reads the bytes of a manifest or an index. Their fields decide which of the two they are,
    /// never a media type that somebody else wrote beside the digest.
    ///
    /// # Errors
    /// [`BadImage`] when they are not JSON, hold a bad digest, are neither, or are both (an image
    /// that is one thing to one reader and another to the next: CVE-2021-41190).
    pub fn parse(bytes: &[u8]) -> Result<Self, BadImage> {
        let text: DocumentText = object(bytes, "manifest")?;
        match (text.config, text.layers, text.manifests) {
            (Some(config), layers, None) => {
                let layers = layers.unwrap_or_default();
                Ok(Self::Manifest(Manifest {
                    image_id: ImageId(config.digest.0),
                    config_type: config.media_type,
                    holds_documents: !layers.is_empty() && layers.iter().all(is_json),
                    layers: layers
                        .into_iter()
                        .map(|layer| LayerDigest(layer.digest.0))
                        .collect(),
                }))
            }
            (None, None, Some(manifests)) => Ok(Self::Index(ImageIndex {
                manifests: manifests.into_iter().map(IndexEntry::from).collect(),
            })),
            (None, _, None) => Err(BadImage::new(
                "manifest",
                "it names neither a config nor manifests",
            )),
            (_, _, Some(_)) => Err(BadImage::new(
                "manifest",
                "it is a manifest and an index at once",
            )),
        }
    }

    /// Reads the manifest or index at `path`, which must hash to `digest`.
    ///
    /// # Errors
    /// As [`load`]; [`Corrupt::File`] when it is neither.
    pub fn load(path: &Path, digest: Digest) -> Result<Self, LineageError> {
        Self::parse(&load(path, digest)?)
            .map_err(|fault| Corrupt::File(path.to_owned(), fault.to_string()).into())
    }
}

impl Manifest {
    /// Whether it is an image, and not some other artifact in the same form. Its config and its
    /// layers decide: an attestation has the config of an image, and may have lost the annotation
    /// that calls it one.
    #[must_use]
    pub fn is_image(&self) -> bool {
        !self.holds_documents
            && match self.config_type.as_deref() {
                None
                | Some(
                    "application/vnd.oci.image.config.v1+json"
                    | "application/vnd.docker.container.image.v1+json",
                ) => true,
                Some(_) => false,
            }
    }
}

/// Where an image says that it comes from: its author's claim, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLabels {
    /// `org.opencontainers.image.source`: where its source is kept.
    pub source: Option<String>,
    /// `org.opencontainers.image.revision`: which revision of it was built.
    pub revision: Option<String>,
}

impl SourceLabels {
    /// Reads an image config's labels.
    ///
    /// # Errors
    /// [`BadImage`] when the bytes are not an image config.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadImage> {
        let text: LabelledText = object(bytes, "config")?;
        let labels = text
            .config
            .and_then(|config| config.labels)
            .unwrap_or_default();
        Ok(Self {
            source: kept(labels.source),
            revision: kept(labels.revision),
        })
    }
}

/// The labels of a container's image, for the reader of a refusal: `None` when it has neither, or
/// when its config is missing, unreadable or not what its digest says.
#[must_use]
pub fn labels(facts: &ImageFacts) -> Option<SourceLabels> {
    let (path, image_id) = (facts.config_file.as_deref()?, facts.image_id?);
    let labels = SourceLabels::parse(&load_config(path, image_id).ok()?).ok()?;
    (labels != SourceLabels::default()).then_some(labels)
}

/// The bytes of a manifest or an index in an engine's store, at most [`MAX_DOCUMENT`], which must
/// hash to `digest`.
///
/// # Errors
/// [`Unknown::File`] when it cannot be read, [`Corrupt::Hash`] when it is something else.
pub fn load(path: &Path, digest: Digest) -> Result<Vec<u8>, LineageError> {
    load_within(path, digest, MAX_DOCUMENT)
}

/// The bytes of an image config in an engine's store, at most [`MAX_CONFIG`], which must hash to
/// `image_id`.
///
/// # Errors
/// As [`load`].
pub fn load_config(path: &Path, image_id: ImageId) -> Result<Vec<u8>, LineageError> {
    load_within(path, image_id.0, MAX_CONFIG)
}

fn load_within(path: &Path, digest: Digest, limit: u64) -> Result<Vec<u8>, LineageError> {
    let bytes = file::read(path, limit, Guard::Any).map_err(Unknown::File)?;
    let found = Digest::of(&bytes);
    if found != digest {
        return Err(Corrupt::Hash(path.to_owned(), digest, found).into());
    }
    Ok(bytes)
}

/// Reads one JSON object; serde alone would accept a list for a struct, with the fields in order.
fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8], document: &'static str) -> Result<T, BadImage> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(BadImage::new(document, "it is not a JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|error| BadImage::new(document, error))
}

/// Whether a layer is a document: such a manifest is an attestation or the like.
fn is_json(layer: &DescriptorText) -> bool {
    matches!(&layer.media_type, Some(kind) if kind.ends_with("json"))
}

/// A label that is not too long to show.
fn kept(label: Option<Cow<'_, str>>) -> Option<String> {
    let label = label?;
    (1..=MAX_LABEL)
        .contains(&label.len())
        .then(|| label.into_owned())
}

// The documents as they are written. Go writes an empty list, map or struct as `null` in places, so
// nearly every field may be null.

impl From<PlatformText> for Platform {
    fn from(text: PlatformText) -> Self {
        Self {
            os: text.os.unwrap_or_default(),
            architecture: text.architecture.unwrap_or_default(),
            variant: text.variant.filter(|variant| !variant.is_empty()),
        }
    }
}

impl From<DescriptorText> for IndexEntry {
    fn from(text: DescriptorText) -> Self {
        let is_attestation = text.annotations.is_some_and(|annotations| {
            annotations.reference_type.as_deref() == Some("attestation-manifest")
        });
        Self {
            digest: text.digest.0,
            media_type: text.media_type,
            platform: text.platform.map(Platform::from),
            is_attestation,
        }
    }
}

#[cfg(test)]
mod tests;
