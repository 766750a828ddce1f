//! Reads the images in an archive that `docker save` wrote.
//!
//! In: the members of the archive (hostile). Out: its images, from `manifest.json`. Since Docker
//! 25, such an archive is an OCI image layout as well; the digests of manifests and indexes come
//! from that layout. Docker, Podman and skopeo name the config by its digest, and the config is
//! compared with that digest.

use serde::Deserialize;

use super::source::MemberSource;
use super::{ArchiveError, ArchivedImage, FoundImages, layout};
use crate::lineage::digest::{Digest, ImageId};
use crate::lineage::image::ImageConfig;

/// The member that lists the images.
const MANIFEST: &str = "manifest.json";

/// An image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct ManifestEntry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// The images of an archive that `docker save` wrote.
pub(super) fn images(source: &MemberSource) -> Result<FoundImages, ArchiveError> {
    let entries = serde_json::from_slice(&source.document(MANIFEST)?);
    let entries: Vec<ManifestEntry> = source.good(MANIFEST, entries)?;
    let layout = match layout::images(source) {
        Err(ArchiveError::NoMember(..)) => FoundImages::default(),
        found => found?,
    };
    let mut found = FoundImages {
        images: Vec::new(),
        absent: layout.absent,
    };
    for entry in entries {
        let mut image = image(source, entry)?;
        if let Some(same) = layout
            .images
            .iter()
            .find(|known| known.image_id == image.image_id)
        {
            image.manifest = same.manifest;
            image.indexes.clone_from(&same.indexes);
        }
        found.add(image);
    }
    // For an image with several platforms, containerd lists only one platform in `manifest.json`.
    for image in layout.images {
        found.add(image);
    }
    Ok(found)
}

fn image(source: &MemberSource, entry: ManifestEntry) -> Result<ArchivedImage, ArchiveError> {
    let bytes = source.document(&entry.config)?;
    let digest = Digest::of(&bytes);
    let file_name = entry.config.rsplit('/').next().unwrap_or_default();
    if let Some(named) = Digest::from_hex(file_name.trim_end_matches(".json")) {
        source.check(&entry.config, named, digest)?;
    }
    let image_config = source.good(&entry.config, ImageConfig::parse(&bytes))?;
    let mut layers = entry.layers.unwrap_or_default();
    for name in &mut layers {
        *name = source.resolve(name);
    }
    if layers.len() != image_config.diff_ids.len() {
        let fault = format_args!(
            "it has {} diff IDs, and {MANIFEST} has {} layers",
            image_config.diff_ids.len(),
            layers.len()
        );
        return Err(source.fault(&entry.config, fault));
    }
    Ok(ArchivedImage {
        names: entry.repo_tags.unwrap_or_default(),
        image_id: ImageId(digest),
        manifest: None,
        indexes: Vec::new(),
        chain: source.good(&entry.config, image_config.chain())?,
        platform: image_config.platform,
        layers,
    })
}
