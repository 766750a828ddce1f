//! Reads images in a directory or an archive, outside any engine, for `embargoctl`.
//!
//! In: an OCI image layout (directory or tar archive), an archive of `docker save` in its old or
//! new layout, plain or gzipped, or the bytes of an image config. All these files are hostile. Out:
//! the images with their platforms, digests and chains. Every document hashes to the digest by
//! which it was found. The layers themselves are read only by [`Archive::verify_layers`]. Before
//! that, an image's diff IDs are only its author's claim, just as for an engine before the engine
//! unpacks the layers. Nothing is unpacked here.
//!
//! Rules: OCI image-spec, image-layout.md; Docker's image specification v1.2, "Combined Image
//! JSON + Filesystem Changeset Format".

mod docker;
mod layers;
mod layout;
mod source;

use std::io;
use std::path::{Path, PathBuf};

use self::source::MemberSource;
use super::chain::Chain;
use super::digest::{Digest, ImageId, IndexDigest, ManifestDigest};
use super::image::{BadImage, ImageConfig, ImageDocument, Platform};
use crate::sys::file::FileError;

/// The format in which images are stored in a directory or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveForm {
    /// An OCI image layout in a directory.
    Layout,
    /// An OCI image layout in a tar archive.
    OciArchive,
    /// An archive that `docker save` wrote.
    DockerArchive,
}

/// An image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedImage {
    /// The names that the archive gives the image, only to be shown.
    pub names: Vec<String>,
    /// The platform in the image's config.
    pub platform: Platform,
    /// The image ID: the digest of the image's config.
    pub image_id: ImageId,
    /// The digest of the image's manifest, if the archive has one.
    pub manifest: Option<ManifestDigest>,
    /// The digests of the indexes that lead to the image.
    pub indexes: Vec<IndexDigest>,
    /// The image's layers; `None` when the image has no layers.
    pub chain: Option<Chain>,
    /// The members of the archive that contain the layers, lowest first.
    layers: Vec<String>,
}

/// The images of one directory or file.
#[derive(Debug)]
pub struct Archive {
    /// The images, in the order of the archive.
    pub images: Vec<ArchivedImage>,
    /// Platforms that an index names and whose images are not in the archive. The platforms are
    /// only shown.
    pub absent: Vec<String>,
    source: MemberSource,
}

impl Archive {
    /// Reads the images at `path`. If `reference` is given, reads only the images that have this
    /// name in the archive.
    ///
    /// # Errors
    /// [`ArchiveError`], also when there is no such image.
    pub fn open(
        form: ArchiveForm,
        path: &Path,
        reference: Option<&str>,
    ) -> Result<Self, ArchiveError> {
        let source = match form {
            ArchiveForm::Layout => MemberSource::directory(there(path)?),
            ArchiveForm::OciArchive | ArchiveForm::DockerArchive => MemberSource::tar(path)?,
        };
        let found = match form {
            ArchiveForm::Layout | ArchiveForm::OciArchive => layout::images(&source)?,
            ArchiveForm::DockerArchive => docker::images(&source)?,
        };
        let images = choose(found.images, path, reference)?;
        Ok(Self {
            images,
            absent: found.absent,
            source,
        })
    }

    /// Reads every layer to its end, and compares the layer with its diff ID and, if the layer has
    /// a digest, with that digest.
    ///
    /// # Errors
    /// [`ArchiveError::Hash`] for the first layer with another hash; other errors when a layer is
    /// missing or is compressed in an unknown way.
    pub fn verify_layers(&self) -> Result<(), ArchiveError> {
        layers::verify(&self.source, &self.images)
    }
}

/// Returns `directory` if the directory exists. Otherwise the error names the directory instead of
/// a file in the directory.
fn there(directory: &Path) -> Result<&Path, ArchiveError> {
    match directory.metadata() {
        Ok(_) => Ok(directory),
        Err(error) => Err(ArchiveError::File(FileError::Io(
            directory.to_owned(),
            error,
        ))),
    }
}

/// The images that a manifest or an index leads to, and the platforms that an index names, but
/// whose images are missing. The blobs of the directory must be laid out as in an OCI image layout;
/// containerd's content store has this layout too.
///
/// # Errors
/// [`ArchiveError`].
pub fn below(
    directory: &Path,
    digest: Digest,
) -> Result<(Vec<ArchivedImage>, Vec<String>), ArchiveError> {
    let found = layout::below(&MemberSource::directory(directory), digest)?;
    Ok((found.images, found.absent))
}

/// The image described by the bytes of an image config.
///
/// # Errors
/// [`ArchiveError::Input`] when the bytes are not an image config.
pub fn from_config(bytes: &[u8]) -> Result<ArchivedImage, ArchiveError> {
    if let Ok(ImageDocument::Manifest(_) | ImageDocument::Index(_)) = ImageDocument::parse(bytes) {
        return Err(ArchiveError::Input(
            "it is an image manifest or index, not an image config".to_owned(),
        ));
    }
    let (image_config, chain) = match config_and_chain(bytes) {
        Ok(found) => found,
        Err(fault) => return Err(ArchiveError::Input(fault.fault().to_owned())),
    };
    match serde_json::from_slice(bytes) {
        Ok(Rootfs { rootfs: Some(_) }) => {}
        Ok(Rootfs { rootfs: None }) => {
            return Err(ArchiveError::Input(
                "it has no \"rootfs\", so it is not an image config".to_owned(),
            ));
        }
        Err(error) => return Err(ArchiveError::Input(error.to_string())),
    }
    Ok(ArchivedImage {
        names: Vec::new(),
        platform: image_config.platform,
        image_id: ImageId(Digest::of(bytes)),
        manifest: None,
        indexes: Vec::new(),
        chain,
        layers: Vec::new(),
    })
}

/// An image config and the chain of its layers.
fn config_and_chain(bytes: &[u8]) -> Result<(ImageConfig, Option<Chain>), BadImage> {
    let image_config = ImageConfig::parse(bytes)?;
    let chain = image_config.chain()?;
    Ok((image_config, chain))
}

/// The one field that every image config must have (config.md: `rootfs` is required).
#[derive(serde::Deserialize)]
#[serde(expecting = "an image config")]
struct Rootfs {
    rootfs: Option<serde::de::IgnoredAny>,
}

/// All images that were found in the archive, before a reference selects some of the images.
#[derive(Default)]
struct FoundImages {
    images: Vec<ArchivedImage>,
    absent: Vec<String>,
}

impl FoundImages {
    /// Adds an image. If the same image has been found before, only its names are added.
    fn add(&mut self, image: ArchivedImage) {
        for known in &mut self.images {
            if known.image_id == image.image_id
                && known.manifest == image.manifest
                && known.indexes == image.indexes
            {
                for name in image.names {
                    if !known.names.contains(&name) {
                        known.names.push(name);
                    }
                }
                return;
            }
        }
        self.images.push(image);
    }
}

fn choose(
    images: Vec<ArchivedImage>,
    path: &Path,
    reference: Option<&str>,
) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let Some(name) = reference else {
        return if images.is_empty() {
            Err(ArchiveError::NoImage(path.to_owned()))
        } else {
            Ok(images)
        };
    };
    let (mut chosen, mut names) = (Vec::new(), Vec::new());
    for image in images {
        names.extend_from_slice(&image.names);
        if image.names.iter().any(|known| known == name) {
            chosen.push(image);
        }
    }
    if chosen.is_empty() {
        return Err(ArchiveError::NoReference(
            path.to_owned(),
            name.to_owned(),
            names,
        ));
    }
    Ok(chosen)
}

/// Why images could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file could not be read.
    #[error(transparent)]
    File(FileError),
    /// The file is not a tar archive, or the tar archive is damaged.
    #[error("cannot read {0:?} as a tar archive")]
    Tar(PathBuf, #[source] io::Error),
    /// The whole archive is compressed in a way that cannot be read here.
    #[error("cannot read {0:?}: decompress it first, it is in {1} form")]
    Compressed(PathBuf, &'static str),
    /// The archive does not have this member.
    #[error("cannot find {1:?} in {0:?}")]
    NoMember(PathBuf, String),
    /// The archive has two members of this name.
    #[error("cannot choose between two members {1:?} of {0:?}")]
    Twice(PathBuf, String),
    /// A member does not have the right format.
    #[error("cannot read {1:?} in {0:?}: {2}")]
    Member(PathBuf, String, String),
    /// The hash of a member differs from the member's digest. The fields are the archive, the
    /// member, the digest and the hash.
    #[error("cannot trust {1:?} in {0:?}: it hashes to {3}, not to {2}")]
    Hash(PathBuf, String, Digest, Digest),
    /// The archive exceeds a limit.
    #[error("cannot read {0:?}: it holds too many {1}")]
    TooMuch(PathBuf, &'static str),
    /// The archive has no image.
    #[error("cannot find an image in {0:?}")]
    NoImage(PathBuf),
    /// The archive has no image with this name. The fields are the archive, the name, and the names
    /// of the archive's images.
    #[error("cannot find the image {1:?} in {0:?}, which has {2:?}")]
    NoReference(PathBuf, String, Vec<String>),
    /// Standard input is not an image config.
    #[error("cannot read standard input as an image config: {0}")]
    Input(String),
}

#[cfg(test)]
mod tests;
