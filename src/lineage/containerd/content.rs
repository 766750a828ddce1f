//! Finds the diff IDs that belong to a chain ID, in containerd's content store.
//!
//! The name of a snapshot is a hash of its layers' diff IDs, which cannot be reversed. In: the
//! content store, in which each blob is a file named by its digest; and hints where to look: the
//! digest of a config, a manifest or an index. Hints come from records that may be out of date and
//! from image names that may lead to other images by now. Authors of images wrote the documents
//! (hostile). Out: the chain and the image's digests, if there is a config whose diff IDs hash to
//! exactly this chain ID. A wrong hint may lead to no image, but never to a wrong image.

use std::path::{Path, PathBuf};

use crate::lineage::chain::Chain;
use crate::lineage::digest::{ChainId, Digest, ImageId};
use crate::lineage::error::{LineageError, in_time};
use crate::lineage::image::{self, ImageConfig, ImageDocument, Manifest};
use crate::lineage::origin::ImageFacts;
use crate::sys::deadline::Deadline;

/// How many images of one index are read. Docker's official indexes list about twenty, including
/// attestations.
const MAX_INDEX: usize = 64;

/// This machine's architecture, as image indexes name it (Go's `GOARCH`).
pub const ARCHITECTURE: &str = match std::env::consts::ARCH.as_bytes() {
    b"x86_64" => "amd64",
    b"aarch64" => "arm64",
    _ => std::env::consts::ARCH,
};

/// A content store of containerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    blobs: PathBuf,
}

/// Which image is searched for.
#[derive(Clone, Copy, Debug)]
pub enum ImageQuery<'a> {
    /// An image whose layers hash to this chain ID.
    Top(ChainId),
    /// An image with exactly these layers.
    Known(&'a Chain),
    /// An image without layers.
    NoLayers,
    /// Any image, because there is no record to compare the image with.
    Any,
}

/// An image that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentImage {
    /// The image's layers, if it has any.
    pub chain: Option<Chain>,
    /// The image's digests.
    pub facts: ImageFacts,
}

impl Content {
    /// The content store of the containerd with this root directory.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self::at(&root.join("io.containerd.content.v1.content"))
    }

    /// The content store in this directory.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self {
            blobs: directory.join("blobs/sha256"),
        }
    }

    /// The path of a blob's file.
    #[must_use]
    pub fn file(&self, digest: Digest) -> PathBuf {
        self.blobs.join(digest.hex())
    }

    /// The manifest or index with this digest. `None` when the document is missing, cannot be read,
    /// or is neither a manifest nor an index.
    ///
    /// # Errors
    /// [`Corrupt::Hash`](crate::lineage::error::Corrupt::Hash) when a blob of that name has another
    /// digest.
    fn document(&self, digest: Digest) -> Result<Option<ImageDocument>, LineageError> {
        match known(image::load(&self.file(digest), digest))? {
            Some(bytes) => Ok(ImageDocument::parse(&bytes).ok()),
            None => Ok(None),
        }
    }

    /// The image with this config, if the image matches `query`.
    ///
    /// # Errors
    /// [`LineageError::Corrupt`] for a blob that does not match its digest.
    pub fn by_config(
        &self,
        image_id: ImageId,
        query: ImageQuery<'_>,
    ) -> Result<Option<ContentImage>, LineageError> {
        let Some(bytes) = known(image::load_config(&self.file(image_id.0), image_id))? else {
            return Ok(None);
        };
        let Ok(config) = ImageConfig::parse(&bytes) else {
            return Ok(None);
        };
        let chain = match query {
            ImageQuery::Known(chain) if chain.diff_ids() == config.diff_ids => Some(chain.clone()),
            ImageQuery::Top(top) => match config.chain() {
                Ok(Some(chain)) if chain.top() == top => Some(chain),
                Ok(_) | Err(_) => return Ok(None),
            },
            ImageQuery::NoLayers if config.diff_ids.is_empty() => None,
            ImageQuery::Any => match config.chain() {
                Ok(chain) => chain,
                Err(_) => return Ok(None),
            },
            ImageQuery::Known(_) | ImageQuery::NoLayers => return Ok(None),
        };
        let facts = ImageFacts {
            image_id: Some(image_id),
            config_file: Some(self.file(image_id.0)),
            ..ImageFacts::default()
        };
        Ok(Some(ContentImage { chain, facts }))
    }

    /// The image that matches `query`, if `target` is the image's manifest or an index that lists
    /// the image. If `image_id` is given, the image must have that ID.
    ///
    /// # Errors
    /// [`LineageError::Corrupt`] for a blob that does not match its digest; `Unknown::Deadline`.
    pub fn by_target(
        &self,
        target: Digest,
        image_id: Option<ImageId>,
        query: ImageQuery<'_>,
        deadline: &Deadline,
    ) -> Result<Option<ContentImage>, LineageError> {
        let index = match self.document(target)? {
            Some(ImageDocument::Index(index)) => index,
            Some(ImageDocument::Manifest(manifest)) => {
                return self.by_manifest(target, &manifest, image_id, query);
            }
            None => return Ok(None),
        };
        // The entries for this machine's architecture come first.
        let (mut entries, mut others) = (Vec::new(), Vec::new());
        for entry in index
            .manifests
            .iter()
            .filter(|entry| !entry.is_attestation)
            .take(MAX_INDEX)
        {
            match &entry.platform {
                Some(platform) if platform.architecture == ARCHITECTURE => entries.push(entry),
                Some(_) | None => others.push(entry),
            }
        }
        entries.append(&mut others);
        for entry in entries {
            in_time(deadline)?;
            let Some(ImageDocument::Manifest(manifest)) = self.document(entry.digest)? else {
                continue;
            };
            if let Some(found) = self.by_manifest(entry.digest, &manifest, image_id, query)? {
                return Ok(Some(found.with_manifest(target)));
            }
        }
        Ok(None)
    }

    /// The image of this manifest, if the image matches the query.
    fn by_manifest(
        &self,
        digest: Digest,
        manifest: &Manifest,
        image_id: Option<ImageId>,
        query: ImageQuery<'_>,
    ) -> Result<Option<ContentImage>, LineageError> {
        if image_id.unwrap_or(manifest.image_id) != manifest.image_id {
            return Ok(None);
        }
        let found = self.by_config(manifest.image_id, query)?;
        Ok(found.map(|found| found.with_manifest(digest)))
    }
}

impl ContentImage {
    fn with_manifest(mut self, digest: Digest) -> Self {
        self.facts.manifests.push(digest);
        self
    }
}

/// Returns the document that was read; `None` if the document is missing or cannot be read.
fn known<T>(read: Result<T, LineageError>) -> Result<Option<T>, LineageError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(LineageError::Unknown(_)) => Ok(None),
        Err(error @ LineageError::Corrupt(_)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
