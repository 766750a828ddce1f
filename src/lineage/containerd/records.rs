//! Reads containerd's metadata database.
//!
//! In: `<root>/io.containerd.metadata.v1.bolt/meta.db`, schema `v1` (containerd
//! core/metadata/buckets.go; the same in 1.6.20 and 2.1.9), read by [`bolt`](crate::lineage::bolt).
//! A power cut may have damaged it in any way. Out: [`Facts`]: the record of the container, and the
//! snapshots on which it runs, down to the first whose name is a chain ID. All of this comes from
//! one committed version of the database. Not checked: whether the names are true; `content` hashes
//! them, and `mounted` compares them with what is mounted.

mod facts;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use facts::{
    ContainerdRecord, Facts, FactsQuery, Snapshot, chain_names, cri_image_id, facts, is_remote,
};
use facts::{snapshot, target};

use crate::lineage::bolt::{BoltError, Database, View, fault};
use crate::lineage::chain::MAX_LAYERS;
use crate::lineage::digest::{ChainId, Digest, ImageId};
use crate::lineage::error::{LineageError, Unknown};
use crate::sys::deadline::Deadline;
use crate::sys::file::{self, Guard};

/// How many image configs of one namespace are searched.
const MAX_CONFIGS: usize = 4_096;

/// containerd's metadata database.
#[derive(Debug)]
pub struct MetadataDb {
    database: Database<File>,
    path: PathBuf,
}

impl MetadataDb {
    /// The database of the containerd with this root directory.
    ///
    /// # Errors
    /// [`Unknown::File`].
    pub fn open(root: &Path) -> Result<Self, LineageError> {
        Self::open_file(root.join("io.containerd.metadata.v1.bolt/meta.db"))
    }

    /// Opens the database in this file. It must have containerd's schema (a BuildKit that runs
    /// without containerd has such a file too).
    ///
    /// # Errors
    /// [`Unknown::File`].
    pub fn open_file(path: PathBuf) -> Result<Self, LineageError> {
        let (file, _) = file::open(&path, Guard::NoLink).map_err(Unknown::File)?;
        Ok(Self {
            database: Database::new(file),
            path,
        })
    }

    /// The path of the database.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What one committed version says about `query`. `None` when there is no such record.
    ///
    /// # Errors
    /// The errors of [`fault`].
    pub fn facts(
        &self,
        namespace: &str,
        query: FactsQuery<'_>,
        deadline: &Deadline,
    ) -> Result<Option<Facts>, LineageError> {
        self.view(deadline, |view| facts(view, namespace, query))
    }

    /// The snapshots from `top` down, topmost first. `None` when one is missing, or there are too
    /// many.
    ///
    /// # Errors
    /// The errors of [`fault`].
    pub fn below(
        &self,
        namespace: &str,
        snapshotter: &str,
        top: ChainId,
        deadline: &Deadline,
    ) -> Result<Option<Vec<Snapshot>>, LineageError> {
        self.view(deadline, |view| {
            let Some(bucket) = view.bucket(&[
                b"v1",
                namespace.as_bytes(),
                b"snapshots",
                snapshotter.as_bytes(),
            ])?
            else {
                return Ok(None);
            };
            let mut found = Vec::new();
            let mut key = top.to_string();
            while !key.is_empty() && found.len() <= MAX_LAYERS {
                let Some(snapshot) = snapshot(&bucket, &key)? else {
                    return Ok(None);
                };
                key.clone_from(&snapshot.parent);
                found.push(snapshot);
            }
            Ok(key.is_empty().then_some(found))
        })
    }

    /// The image configs whose layers were unpacked to `top`, at most 16. Their blobs have the
    /// label `containerd.io/gc.ref.snapshot.<snapshotter>=<top>` (containerd client/image.go
    /// `Unpack`, core/unpack).
    ///
    /// # Errors
    /// The errors of [`fault`].
    pub fn configs_of(
        &self,
        namespace: &str,
        snapshotter: &str,
        top: ChainId,
        deadline: &Deadline,
    ) -> Result<Vec<ImageId>, LineageError> {
        let top = top.to_string();
        self.labelled(namespace, snapshotter, 16, deadline, |value| {
            *value == *top.as_bytes()
        })
    }

    /// All image configs whose layers were unpacked, to whatever chain ID. At most [`MAX_CONFIGS`].
    ///
    /// # Errors
    /// The errors of [`fault`].
    pub fn unpacked_configs(
        &self,
        namespace: &str,
        snapshotter: &str,
        deadline: &Deadline,
    ) -> Result<Vec<ImageId>, LineageError> {
        self.labelled(namespace, snapshotter, MAX_CONFIGS, deadline, |_| true)
    }

    fn labelled(
        &self,
        namespace: &str,
        snapshotter: &str,
        most: usize,
        deadline: &Deadline,
        matches: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<ImageId>, LineageError> {
        let label = format!("containerd.io/gc.ref.snapshot.{snapshotter}");
        self.view(deadline, |view| {
            let mut found = Vec::new();
            let Some(blobs) = view.bucket(&[b"v1", namespace.as_bytes(), b"content", b"blob"])?
            else {
                return Ok(found);
            };
            blobs.walk::<()>(|digest, blob| {
                if let Some(blob) = blob
                    && let Some(labels) = blob.bucket(b"labels")?
                    && let Some(value) = labels.get(label.as_bytes())?
                    && matches(&value)
                    && let Ok(image_id) = ImageId::parse(&String::from_utf8_lossy(digest))
                {
                    found.push(image_id);
                }
                Ok(if found.len() < most {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                })
            })?;
            Ok(found)
        })
    }

    /// The keys below `path`, in order, from one committed version. Below `v1`, the keys are
    /// namespaces; below a namespace, they are containers or images.
    ///
    /// # Errors
    /// The errors of [`fault`].
    pub fn keys(&self, path: &[&[u8]], deadline: &Deadline) -> Result<Vec<String>, LineageError> {
        self.view(deadline, |view| {
            let mut keys = Vec::new();
            if let Some(bucket) = view.bucket(path)? {
                bucket.walk::<()>(|key, below| {
                    if below.is_some() {
                        keys.push(String::from_utf8_lossy(key).into_owned());
                    }
                    Ok(ControlFlow::Continue(()))
                })?;
            }
            Ok(keys)
        })
    }

    /// The digest that the name of an image stands for now.
    ///
    /// # Errors
    /// The errors of [`fault`].
    pub fn target(
        &self,
        namespace: &str,
        name: &str,
        deadline: &Deadline,
    ) -> Result<Option<Digest>, LineageError> {
        self.view(deadline, |view| target(view, namespace, name))
    }

    /// The runtime spec that containerd recorded for a container; `None` when there is none.
    ///
    /// # Errors
    /// The errors of [`fault`].
    pub fn spec(
        &self,
        namespace: &str,
        id: &str,
        deadline: &Deadline,
    ) -> Result<Option<Vec<u8>>, LineageError> {
        self.view(deadline, |view| {
            let record =
                view.bucket(&[b"v1", namespace.as_bytes(), b"containers", id.as_bytes()])?;
            let spec = match record {
                Some(record) => record.get(b"spec")?,
                None => None,
            };
            Ok(spec.map(|spec| spec.to_vec()))
        })
    }

    /// The record of a snapshot; `None` when there is none.
    ///
    /// # Errors
    /// The errors of [`fault`].
    pub fn snapshot(
        &self,
        namespace: &str,
        snapshotter: &str,
        key: &str,
        deadline: &Deadline,
    ) -> Result<Option<Snapshot>, LineageError> {
        self.view(deadline, |view| {
            let bucket = view.bucket(&[
                b"v1",
                namespace.as_bytes(),
                b"snapshots",
                snapshotter.as_bytes(),
            ])?;
            match bucket {
                Some(bucket) => snapshot(&bucket, key),
                None => Ok(None),
            }
        })
    }

    fn view<T>(
        &self,
        deadline: &Deadline,
        look: impl Fn(&View<'_>) -> Result<T, BoltError>,
    ) -> Result<T, LineageError> {
        self.database
            .view(deadline, look)
            .map_err(|error| fault(&self.path, error))
    }
}

#[cfg(test)]
mod tests;
