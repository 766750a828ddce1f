//! Reads what a containers/storage store contains about the image of a container.
//!
//! In: an image ID. Out: the image config, if a store has it, and the other digests of the image
//! that are known. The bytes of the config must hash to the digest in its name. Not checked:
//! whether the container runs on the layers that the config names.

use std::path::Path;

use super::big_data;
use super::container::read_list;
use super::records::{self, ImageRecord};
use super::stores::DriverStores;
use crate::lineage::digest::{DiffId, Digest, ImageId};
use crate::lineage::error::{InFile, LineageError, Unknown};
use crate::lineage::image::ImageConfig;
use crate::lineage::origin::ImageFacts;
use crate::sys::file::FileError;

/// How many items of one image are read.
const MAX_ITEMS: usize = 256;

/// What the stores contain about an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreImage {
    /// The digests of the image.
    pub facts: ImageFacts,
    /// The diff IDs in the image's config, lowest first; `None` when no store has the config.
    pub diff_ids: Option<Vec<DiffId>>,
}

/// The image with this ID, in the stores that are known or named by the settings.
///
/// # Errors
/// [`Unknown::File`] when a file that exists cannot be read; `Corrupt` when a file has the wrong
/// format or hash. It is not an error if no store has the config.
pub fn find(image: Digest, stores: &mut DriverStores) -> Result<StoreImage, LineageError> {
    if let Some(found) =
        stores.find(|stores, root| config(stores, root, image, ImageId(image)).transpose())
    {
        return found;
    }
    // If the layers of an image are known only by their tables of contents, its ID is not the
    // digest of its config (containers/image, storage/storage_dest.go, `computeID`).
    if let Some(found) = stores.find(|stores, root| listed_config(stores, root, image).transpose())
    {
        return found;
    }
    Ok(StoreImage {
        facts: ImageFacts {
            image_id: Some(ImageId(image)),
            ..ImageFacts::default()
        },
        diff_ids: None,
    })
}

/// The config with this digest, from the items of an image in the store at `root`.
fn config(
    stores: &DriverStores,
    root: &Path,
    image: Digest,
    image_id: ImageId,
) -> Result<Option<StoreImage>, LineageError> {
    let directory = stores.file(root, "images", &image.hex());
    let path = directory.join(big_data::file_name(&image_id.to_string()));
    let config = match ImageConfig::load(&path, image_id) {
        // If the config cannot be read, the store's list of layers is enough.
        Err(LineageError::Unknown(Unknown::File(FileError::TooLarge(..)))) => return Ok(None),
        Err(LineageError::Unknown(Unknown::File(error))) if error.is_absent() => return Ok(None),
        config => config?,
    };
    let facts = ImageFacts {
        image_id: Some(image_id),
        manifests: manifests(&directory),
        config_file: Some(path),
        ..ImageFacts::default()
    };
    Ok(Some(StoreImage {
        facts,
        diff_ids: Some(config.diff_ids),
    }))
}

/// The config of an image, as the store's list of images names it.
fn listed_config(
    stores: &DriverStores,
    root: &Path,
    image: Digest,
) -> Result<Option<StoreImage>, LineageError> {
    let path = stores.file(root, "images", "images.json");
    let Some(list) = read_list(&path)? else {
        return Ok(None);
    };
    let record: Option<ImageRecord> = records::seek(&list, &image.hex()).in_file(&path)?;
    let Some(record) = record else {
        return Ok(None);
    };
    for item in record.items.iter().take(MAX_ITEMS) {
        let Ok(image_id) = ImageId::parse(item) else {
            continue;
        };
        if let Some(found) = config(stores, root, image, image_id)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The digests of an image's manifests, by the names of its items: of the manifest for its
/// platform, and of the index through which the image was pulled (seen with skopeo 1.9). Empty if
/// the items of the image cannot be listed, because these digests are not required.
fn manifests(directory: &Path) -> Vec<Digest> {
    let Ok(items) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut digests = Vec::new();
    for item in items.take(MAX_ITEMS).flatten() {
        digests.extend(item.file_name().to_str().and_then(big_data::manifest));
    }
    digests.sort_unstable();
    digests
}
