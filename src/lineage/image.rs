//! Reads image configs, manifests and indexes.
//!
//! In: the bytes of an image config, manifest or index, written by the author of the image
//! (hostile; never more than [`MAX_CONFIG`] bytes are read). Out: the few fields that Embargo
//! needs. All other fields may hold anything, even values of a newer specification. So an image
//! that its engine can start is never refused because of its documents. A diff ID found here is
//! only a claim, until the chain of the diff IDs is compared with the chain that an engine
//! recorded. Two keys that differ only in case are two keys here, and one key for an engine written
//! in Go; the comparison of the chains also finds such differences.
//!
//! Rules: OCI image-spec, config.md "Properties", manifest.md, image-index.md, descriptor.md;
//! Docker's image manifest version 2, schema 2.

mod text;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use text::{ConfigText, DescriptorText, DigestText, DocumentText, LabelledText, PlatformText};

use super::chain::{Chain, MAX_LAYERS};
use super::digest::{DiffId, Digest, ImageId, LayerDigest};
use super::error::{Corrupt, InFile, LineageError, Unknown};
use super::origin::ImageFacts;
use crate::sys::file::{self, Guard};

/// The size, in bytes, of the largest manifest or index that is read. Registries and engines have
/// the same limit (containers/image: `MaxManifestBodySize`, 4 MiB).
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// The size, in bytes, of the largest image config that is read. Engines have no limit, and labels
/// and history can be long: an image with a config of 20 MiB was seen to start.
pub const MAX_CONFIG: u64 = 64 << 20;

/// The size, in bytes, of the longest label that is read. A longer label is treated as missing.
const MAX_LABEL: usize = 1_024;

/// An error: the bytes are not the expected image document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the image {document}: {fault}")]
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

/// The platform that an image runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system: `linux`.
    pub os: String,
    /// The processor: `amd64`, `arm64`.
    pub architecture: String,
    /// The variant of the processor, where that matters: `v7`.
    pub variant: Option<String>,
}

impl Platform {
    /// Whether the platform is `unknown/unknown`, which stands for no platform. BuildKit writes
    /// `unknown/unknown` for an attestation (moby/buildkit,
    /// docs/attestations/attestation-storage.md).
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    /// Writes `os/architecture[/variant]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// Whether the text can be the name of an image with a tag. A text such as `docker:27` can be such
/// a name, although `docker:` can also be a prefix that names the engine.
#[must_use]
pub fn is_name(text: &str) -> bool {
    match text.split_once(':') {
        Some((_, tag)) => !tag.is_empty() && !tag.contains([':', '/', '@']),
        None => false,
    }
}

/// An image config. Its digest is the image ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// The diff IDs of the layers, lowest first; empty for an image without layers.
    pub diff_ids: Vec<DiffId>,
    /// The platform that the image was built for. Fields that the config does not have are empty.
    pub platform: Platform,
}

impl ImageConfig {
    /// Reads the bytes of an image config.
    ///
    /// # Errors
    /// [`BadImage`] when the bytes are not JSON, contain a field twice, or contain a diff ID that
    /// is not a SHA-256 digest.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadImage> {
        let text: ConfigText = object(bytes, "config")?;
        let platform = PlatformText {
            os: text.os,
            architecture: text.architecture,
            variant: text.variant,
        };
        let mut diff_ids = Vec::new();
        if let Some(layers) = text.rootfs.and_then(|rootfs| rootfs.diff_ids) {
            diff_ids.extend(layers.into_iter().map(|DigestText(digest)| DiffId(digest)));
        }
        Ok(Self {
            diff_ids,
            platform: platform.into(),
        })
    }

    /// Reads the image config at `path`. The file must hash to `image_id`.
    ///
    /// # Errors
    /// The errors of [`load_config`]; [`Corrupt::File`] when the file is not an image config.
    pub fn load(path: &Path, image_id: ImageId) -> Result<Self, LineageError> {
        Ok(Self::parse(&load_config(path, image_id)?).in_file(path)?)
    }

    /// The chain of the image's layers; `None` when the image has no layers.
    ///
    /// # Errors
    /// [`BadImage`] when there are more than [`MAX_LAYERS`] layers.
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

/// A document that a digest in a registry or in an engine's content store may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageDocument {
    /// A manifest: an image for one platform.
    Manifest(Manifest),
    /// An index: the same image for several platforms.
    Index(ImageIndex),
}

/// An image manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of the image config.
    pub image_id: ImageId,
    /// The media type of the config. The config of an artifact that is not an image may have
    /// another media type than an image config.
    pub config_type: Option<String>,
    /// The layers as they are stored, lowest first.
    pub layers: Vec<LayerDigest>,
    /// Whether the manifest has layers and all its layers are JSON documents, as in an in-toto
    /// attestation or a signature. No file system is made of such layers.
    pub holds_documents: bool,
}

/// An image index, or Docker's manifest list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageIndex {
    /// The images that the index lists, in its order.
    pub manifests: Vec<IndexEntry>,
}

/// One image of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The digest of a manifest, or of another index.
    pub digest: Digest,
    /// The media type of that manifest or index, as the index claims.
    pub media_type: Option<String>,
    /// The platform of the image, as the index claims.
    pub platform: Option<Platform>,
    /// Whether the entry only describes another image (BuildKit: annotation
    /// `vnd.docker.reference.type`).
    pub is_attestation: bool,
}

impl ImageDocument {
    /// Reads the bytes of a manifest or an index. Only the fields of the document decide whether it
    /// is a manifest or an index; a media type that somebody wrote beside the digest does not.
    ///
    /// # Errors
    /// [`BadImage`] when the bytes are not JSON, contain an invalid digest, are neither a manifest
    /// nor an index, or are both. A document that is both would mean different images to different
    /// programs (CVE-2021-41190).
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

    /// Reads the manifest or index at `path`. The file must hash to `digest`.
    ///
    /// # Errors
    /// The errors of [`load`]; [`Corrupt::File`] when the file is neither a manifest nor an index.
    pub fn load(path: &Path, digest: Digest) -> Result<Self, LineageError> {
        Ok(Self::parse(&load(path, digest)?).in_file(path)?)
    }
}

impl Manifest {
    /// Whether the manifest describes an image, and not another artifact. Config and layers decide:
    /// an attestation has the config of an image, and may have lost the annotation that marks it as
    /// an attestation.
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

/// The labels in which the image's author says where the image comes from. The labels are only
/// shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLabels {
    /// `org.opencontainers.image.source`: where the source code is.
    pub source: Option<String>,
    /// `org.opencontainers.image.revision`: the revision of the source that the image was built
    /// from.
    pub revision: Option<String>,
}

impl SourceLabels {
    /// Reads an image config's labels.
    ///
    /// # Errors
    /// [`BadImage`] when the bytes are not an image config.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadImage> {
        let text: LabelledText = object(bytes, "config")?;
        let Some(labels) = text.config.and_then(|config| config.labels) else {
            return Ok(Self::default());
        };
        Ok(Self {
            source: kept(labels.source),
            revision: kept(labels.revision),
        })
    }
}

/// The labels of a container's image, to be shown with a refusal. `None` when the image has neither
/// label, or when its config is missing, unreadable, or does not match its digest.
#[must_use]
pub fn labels(facts: &ImageFacts) -> Option<SourceLabels> {
    let (path, image_id) = (facts.config_file.as_deref()?, facts.image_id?);
    let labels = SourceLabels::parse(&load_config(path, image_id).ok()?).ok()?;
    (labels != SourceLabels::default()).then_some(labels)
}

/// The bytes of a manifest or index in an engine's store. The file must have at most
/// [`MAX_DOCUMENT`] bytes and hash to `digest`.
///
/// # Errors
/// [`Unknown::File`] when the file cannot be read; [`Corrupt::Hash`] when the file has another
/// hash.
pub fn load(path: &Path, digest: Digest) -> Result<Vec<u8>, LineageError> {
    load_within(path, digest, MAX_DOCUMENT)
}

/// The bytes of an image config in an engine's store. The file must have at most [`MAX_CONFIG`]
/// bytes and hash to `image_id`.
///
/// # Errors
/// The errors of [`load`].
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

/// Reads one JSON object. serde alone would also accept a list for a struct, with the fields in
/// order.
fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8], document: &'static str) -> Result<T, BadImage> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(BadImage::new(document, "it is not a JSON object"));
    }
    match serde_json::from_slice(bytes) {
        Ok(object) => Ok(object),
        Err(error) => Err(BadImage::new(document, error)),
    }
}

/// Whether a layer is a JSON document. The manifest is then an attestation or something similar.
fn is_json(layer: &DescriptorText) -> bool {
    matches!(&layer.media_type, Some(kind) if kind.ends_with("json"))
}

/// Returns the label, unless it is too long to be shown.
fn kept(label: Option<Cow<'_, str>>) -> Option<String> {
    let label = label?;
    if !(1..=MAX_LABEL).contains(&label.len()) {
        return None;
    }
    Some(label.into_owned())
}

// The following types have the form of the documents. In some places, Go writes an empty list, map
// or struct as `null`, so nearly every field may be null.

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
        let kind = text
            .annotations
            .and_then(|annotations| annotations.reference_type);
        Self {
            is_attestation: kind.as_deref() == Some("attestation-manifest"),
            digest: text.digest.0,
            media_type: text.media_type,
            platform: text.platform.map(Platform::from),
        }
    }
}

#[cfg(test)]
mod tests;
