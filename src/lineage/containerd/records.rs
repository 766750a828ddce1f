//! Reads containerd's metadata database.
//!
//! In: `<root>/io.containerd.metadata.v1.bolt/meta.db`, schema `v1` (containerd
//! core/metadata/buckets.go; the same in 1.6.20 and 2.1.9), read by [`bolt`](crate::lineage::bolt).
//! A power cut may have damaged the database in any way. Out: [`Facts`]: the record of the
//! container, and the snapshots on which it runs, down to the first whose name is a chain ID. All
//! these records come from one committed version of the database. Not checked: whether the names of
//! the snapshots are true. The module `content` compares these names with hashes of diff IDs, and
//! the module `mounted` compares the snapshots with the mount.

mod facts;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use facts::{
    ContainerdRecord, Facts, FactsQuery, Snapshot, chain_names, cri_image_id, facts, is_remote,
};
use facts::{created, snapshot, snapshots, target};

use crate::lineage::bolt::DatabaseFile;
use crate::lineage::chain::MAX_LAYERS;
use crate::lineage::digest::{ChainId, Digest, ImageId};
use crate::lineage::error::{LineageError, Unknown};
use crate::sys::clock::Timestamp;
use crate::sys::deadline::Deadline;

/// How many image configs of one namespace are searched.
const MAX_CONFIGS: usize = 4_096;

/// containerd's metadata database.
#[derive(Debug)]
pub struct MetadataDb(DatabaseFile);

impl MetadataDb {
    /// The database of the containerd with this root directory.
    ///
    /// # Errors
    /// [`Unknown::File`].
    pub fn open(root: &Path) -> Result<Self, LineageError> {
        Self::open_file(root.join("io.containerd.metadata.v1.bolt/meta.db"))
    }

    /// Opens the database in this file. The database must have containerd's schema; the database of
    /// a BuildKit that runs without containerd also has that schema.
    ///
    /// # Errors
    /// The errors of [`MetadataDb::open`].
    pub fn open_file(path: PathBuf) -> Result<Self, LineageError> {
        Ok(Self(DatabaseFile::open(path)?))
    }

    /// The path of the database.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// What one committed version says about `query`. `None` when there is no such record.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn facts(
        &self,
        namespace: &str,
        query: FactsQuery<'_>,
        deadline: &Deadline,
    ) -> Result<Option<Facts>, LineageError> {
        self.0.view(deadline, |view| facts(view, namespace, query))
    }

    /// The same as `facts`, except that a missing record is an error.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`]; [`Unknown::NoRecord`].
    pub fn recorded(
        &self,
        namespace: &str,
        query: FactsQuery<'_>,
        deadline: &Deadline,
    ) -> Result<Facts, LineageError> {
        match self.facts(namespace, query, deadline)? {
            Some(facts) => Ok(facts),
            None => Err(Unknown::NoRecord("the container's record", self.path().to_owned()).into()),
        }
    }

    /// When containerd made the record of a container. `None` when there is no record.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn created(
        &self,
        namespace: &str,
        id: &str,
        deadline: &Deadline,
    ) -> Result<Option<Timestamp>, LineageError> {
        self.0.view(deadline, |view| created(view, namespace, id))
    }

    /// The snapshots from `top` down, topmost first. `None` when a snapshot is missing, or there
    /// are too many snapshots.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn below(
        &self,
        namespace: &str,
        snapshotter: &str,
        top: ChainId,
        deadline: &Deadline,
    ) -> Result<Option<Vec<Snapshot>>, LineageError> {
        self.0.view(deadline, |view| {
            let Some(bucket) = snapshots(view, namespace, snapshotter)? else {
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
    /// The errors of [`DatabaseFile::view`].
    pub fn configs_of(
        &self,
        namespace: &str,
        snapshotter: &str,
        top: ChainId,
        deadline: &Deadline,
    ) -> Result<Vec<ImageId>, LineageError> {
        self.labelled(namespace, snapshotter, 16, deadline, Some(top))
    }

    /// All image configs whose layers were unpacked, to whatever chain ID. At most [`MAX_CONFIGS`].
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn unpacked_configs(
        &self,
        namespace: &str,
        snapshotter: &str,
        deadline: &Deadline,
    ) -> Result<Vec<ImageId>, LineageError> {
        self.labelled(namespace, snapshotter, MAX_CONFIGS, deadline, None)
    }

    /// The image configs whose label contains `top`; if `top` is `None`, any chain ID in the label
    /// is accepted.
    fn labelled(
        &self,
        namespace: &str,
        snapshotter: &str,
        most: usize,
        deadline: &Deadline,
        top: Option<ChainId>,
    ) -> Result<Vec<ImageId>, LineageError> {
        let label = format!("containerd.io/gc.ref.snapshot.{snapshotter}");
        let wanted = top.as_ref().map(ChainId::to_string);
        self.0.view(deadline, |view| {
            let mut found = Vec::new();
            let Some(blobs) = view.bucket(&[b"v1", namespace.as_bytes(), b"content", b"blob"])?
            else {
                return Ok(found);
            };
            blobs.walk::<()>(|digest, blob| {
                if let Some(blob) = blob
                    && let Some(labels) = blob.bucket(b"labels")?
                    && let Some(value) = labels.get(label.as_bytes())?
                    && (wanted.is_none() || wanted.as_deref().map(str::as_bytes) == Some(&*value))
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
    /// namespaces; below a namespace, the keys are containers or images.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn keys(&self, path: &[&[u8]], deadline: &Deadline) -> Result<Vec<String>, LineageError> {
        self.0.view(deadline, |view| {
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
    /// The errors of [`DatabaseFile::view`].
    pub fn target(
        &self,
        namespace: &str,
        name: &str,
        deadline: &Deadline,
    ) -> Result<Option<Digest>, LineageError> {
        self.0.view(deadline, |view| target(view, namespace, name))
    }

    /// The runtime spec that containerd recorded for a container; `None` when there is no record.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn spec(
        &self,
        namespace: &str,
        id: &str,
        deadline: &Deadline,
    ) -> Result<Option<Vec<u8>>, LineageError> {
        let path: [&[u8]; 4] = [b"v1", namespace.as_bytes(), b"containers", id.as_bytes()];
        self.0.view(deadline, |view| {
            let Some(record) = view.bucket(&path)? else {
                return Ok(None);
            };
            Ok(record.get(b"spec")?.as_deref().map(<[u8]>::to_vec))
        })
    }

    /// The record of a snapshot; `None` when there is no record.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn snapshot(
        &self,
        namespace: &str,
        snapshotter: &str,
        key: &str,
        deadline: &Deadline,
    ) -> Result<Option<Snapshot>, LineageError> {
        self.0.view(deadline, |view| {
            match snapshots(view, namespace, snapshotter)? {
                Some(bucket) => snapshot(&bucket, key),
                None => Ok(None),
            }
        })
    }
}

#[cfg(test)]
mod tests;
