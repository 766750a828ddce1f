//! Reads the images in an OCI image layout.
//!
//! In: the members of a layout (hostile). Out: its images, found by following digests from
//! `index.json`. Every document is hashed before it is parsed. Attestations and other artifacts are
//! skipped. An index may name platforms whose images were never downloaded; these platforms are
//! reported, but are not errors.

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, ImageIndex, OciLayout};

use super::source::{MemberSource, blob_name};
use super::{ArchiveError, ArchivedImage, FoundImages};
use crate::lineage::digest::{Digest, IndexDigest, ManifestDigest};
use crate::lineage::image::{self, ImageConfig, ImageDocument, Manifest};

/// How deeply indexes may be nested. `docker buildx` writes one index below `index.json`.
const MAX_DEPTH: usize = 4;
/// How many images are listed from one layout.
const MAX_IMAGES: usize = 1_024;

/// The images of a layout.
pub(super) fn images(source: &MemberSource) -> Result<FoundImages, ArchiveError> {
    let layout: OciLayout = parse(source, "oci-layout")?;
    if !layout.image_layout_version().starts_with("1.") {
        return Err(source.fault(
            "oci-layout",
            format_args!("it has version {:?}", layout.image_layout_version()),
        ));
    }
    let index: ImageIndex = parse(source, "index.json")?;
    let mut walk = Walk::new(source);
    for descriptor in index.manifests() {
        let digest = Digest::parse(descriptor.digest().as_ref());
        let digest = source.good("index.json", digest)?;
        walk.names = names(descriptor);
        walk.document(digest)?;
    }
    Ok(walk.found)
}

/// The images that one document leads to, in a directory whose blobs have the same paths as in an
/// OCI image layout.
pub(super) fn below(source: &MemberSource, digest: Digest) -> Result<FoundImages, ArchiveError> {
    let mut walk = Walk::new(source);
    walk.document(digest)?;
    Ok(walk.found)
}

fn parse<T: serde::de::DeserializeOwned>(
    source: &MemberSource,
    name: &str,
) -> Result<T, ArchiveError> {
    source.good(name, serde_json::from_slice(&source.document(name)?))
}

/// The names that a layout gives an image. containerd writes the full name in its own annotation,
/// because the annotation of the OCI specification often contains only the tag.
fn names(descriptor: &Descriptor) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    if let Some(annotations) = descriptor.annotations() {
        for key in ["io.containerd.image.name", ANNOTATION_REF_NAME] {
            names.extend(annotations.get(key).cloned());
        }
    }
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}

/// The walk from one entry of `index.json` to the images below it.
struct Walk<'a> {
    source: &'a MemberSource,
    found: FoundImages,
    names: Vec<String>,
    indexes: Vec<IndexDigest>,
}

impl<'a> Walk<'a> {
    fn new(source: &'a MemberSource) -> Self {
        Self {
            source,
            found: FoundImages::default(),
            names: Vec::new(),
            indexes: Vec::new(),
        }
    }

    fn document(&mut self, digest: Digest) -> Result<(), ArchiveError> {
        let name = blob_name(digest);
        if self.found.images.len() >= MAX_IMAGES {
            return Err(ArchiveError::TooMuch(
                self.source.path().to_owned(),
                "images",
            ));
        }
        let document = ImageDocument::parse(&self.source.blob(digest)?);
        match self.source.good(&name, document)? {
            ImageDocument::Manifest(manifest) => self.manifest(ManifestDigest(digest), &manifest),
            ImageDocument::Index(_) if self.indexes.len() >= MAX_DEPTH => Err(self
                .source
                .fault(&name, "its indexes are nested too deeply")),
            ImageDocument::Index(index) => self.index(IndexDigest(digest), &index),
        }
    }

    fn index(
        &mut self,
        digest: IndexDigest,
        index: &image::ImageIndex,
    ) -> Result<(), ArchiveError> {
        self.indexes.push(digest);
        for entry in index.manifests.iter().filter(|entry| !entry.is_attestation) {
            match self.document(entry.digest) {
                Err(ArchiveError::NoMember(_, name)) if name == blob_name(entry.digest) => {
                    match &entry.platform {
                        Some(platform) if platform.is_unknown() => {}
                        Some(platform) => self.found.absent.push(platform.to_string()),
                        None => self.found.absent.push(entry.digest.to_string()),
                    }
                }
                other => other?,
            }
        }
        self.indexes.pop();
        Ok(())
    }

    fn manifest(
        &mut self,
        digest: ManifestDigest,
        manifest: &Manifest,
    ) -> Result<(), ArchiveError> {
        if !manifest.is_image() {
            return Ok(());
        }
        let name = blob_name(manifest.image_id.0);
        let image_config = ImageConfig::parse(&self.source.blob(manifest.image_id.0)?);
        let image_config = self.source.good(&name, image_config)?;
        let (stored, claimed) = (manifest.layers.len(), image_config.diff_ids.len());
        if stored != claimed {
            return Err(self.source.fault(
                &name,
                format_args!("it has {claimed} diff IDs, and its manifest has {stored} layers"),
            ));
        }
        self.found.add(ArchivedImage {
            names: self.names.clone(),
            image_id: manifest.image_id,
            manifest: Some(digest),
            indexes: self.indexes.clone(),
            chain: self.source.good(&name, image_config.chain())?,
            platform: image_config.platform,
            layers: manifest
                .layers
                .iter()
                .map(|layer| blob_name(layer.0))
                .collect(),
        });
        Ok(())
    }
}
