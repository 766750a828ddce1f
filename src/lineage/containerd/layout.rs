//! Finds the directories in which a snapshotter stores the layers of a snapshot.
//!
//! In: `<snapshotter's root>/metadata.db` (containerd core/snapshots/storage/bolt.go, bucket
//! `v1/snapshots/<name>`, which overlayfs, native, btrfs, devmapper, blockfile, erofs and zfs all
//! use), read by [`bolt`](crate::lineage::bolt). A power cut may have damaged the database in any
//! way. Out: a [`Layout`], with the directory numbers and names of a snapshot and of all snapshots
//! below it. A name has the form `<namespace>/<number>/<key>`. The name of a directory on disk is
//! its number.

use std::ops::ControlFlow;
use std::path::Path;

use super::records::is_remote;
use crate::lineage::bolt::{BoltError, Bucket, DatabaseFile, View};
use crate::lineage::chain::MAX_LAYERS;
use crate::lineage::error::LineageError;
use crate::sys::deadline::Deadline;

/// The directories of one snapshot and of the snapshots below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The snapshot's own directory.
    pub own: SnapshotDirectory,
    /// Whether the snapshot is a view, active or committed.
    pub kind: SnapshotKind,
    /// The directories of the snapshots below, topmost first.
    pub parents: Vec<SnapshotDirectory>,
}

impl Layout {
    /// Whether any of the directories was never unpacked on this machine.
    #[must_use]
    pub fn has_remote(&self) -> bool {
        self.own.is_remote || self.parents.iter().any(|directory| directory.is_remote)
    }
}

/// The kind of a snapshot, in containerd's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
    /// A read-only snapshot. A view shows the snapshots below it, and has no directory of its own.
    View,
    /// A writable snapshot, such as the root of a container.
    Active,
    /// A finished snapshot, which other snapshots may have as their parent.
    Committed,
}

/// The directory of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotDirectory {
    /// The number of the directory, which is its name on disk.
    pub number: u64,
    /// The snapshot's key, without the namespace.
    pub key: String,
    /// The namespace that the snapshot was made in.
    pub namespace: String,
    /// Whether a label says that the snapshot was not unpacked on this machine.
    pub is_remote: bool,
}

/// The database of a snapshotter.
#[derive(Debug)]
pub struct Snapshotter(DatabaseFile);

impl Snapshotter {
    /// The database of the snapshotter with this root directory.
    ///
    /// # Errors
    /// [`Unknown::File`](crate::lineage::error::Unknown::File).
    pub fn open(root: &Path) -> Result<Self, LineageError> {
        Ok(Self(DatabaseFile::open(root.join("metadata.db"))?))
    }

    /// The path of the database.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The directories of the snapshot with this full name. `None` when this snapshot, or a
    /// snapshot below it, does not exist.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn layout(&self, name: &str, deadline: &Deadline) -> Result<Option<Layout>, LineageError> {
        self.0.view(deadline, |view| layout(view, name))
    }

    /// The directories of the snapshot with the number `own`, which must be directly above the
    /// snapshot with the number `parent`.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn layout_of(
        &self,
        own: u64,
        parent: u64,
        deadline: &Deadline,
    ) -> Result<Option<Layout>, LineageError> {
        self.0
            .view(deadline, |view| layout_above(view, own, parent))
    }

    /// The directories of the snapshot with the number `own`. Searches all snapshots; used for
    /// roots where no parent is known.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`].
    pub fn layout_numbered(
        &self,
        own: u64,
        deadline: &Deadline,
    ) -> Result<Option<Layout>, LineageError> {
        self.0.view(deadline, |view| layout_numbered(view, own))
    }
}

fn layout_above(view: &View<'_>, own: u64, parent: u64) -> Result<Option<Layout>, BoltError> {
    let Some(links) = view.bucket(&[b"v1", b"parents"])? else {
        return Ok(None);
    };
    match links.text(&link(parent, own))? {
        Some(name) => layout(view, &name),
        None => Ok(None),
    }
}

fn layout_numbered(view: &View<'_>, own: u64) -> Result<Option<Layout>, BoltError> {
    let Some(snapshots) = view.bucket(&[b"v1", b"snapshots"])? else {
        return Ok(None);
    };
    let name = snapshots.walk(|name, record| {
        if let Some(record) = record
            && number(&record)? == Some(own)
        {
            return Ok(ControlFlow::Break(
                String::from_utf8_lossy(name).into_owned(),
            ));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    match name {
        Some(name) => layout(view, &name),
        None => Ok(None),
    }
}

/// The key of the link from a parent to a child: both numbers as varints, with a zero byte between
/// them.
fn link(parent: u64, child: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(21);
    put_varint(&mut key, parent);
    key.push(0);
    put_varint(&mut key, child);
    key
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn varint(bytes: &[u8]) -> Option<u64> {
    let (last, more) = bytes.split_last()?;
    if bytes.len() > 10 || last & 0x80 != 0 || more.iter().any(|byte| byte & 0x80 == 0) {
        return None;
    }
    let mut number = 0;
    for byte in bytes.iter().rev() {
        number = number << 7 | u64::from(byte & 0x7f);
    }
    Some(number)
}

/// The number in a snapshot's record.
fn number(record: &Bucket<'_>) -> Result<Option<u64>, BoltError> {
    Ok(record.get(b"id")?.as_deref().and_then(varint))
}

/// The directories of the snapshot `name`.
///
/// # Errors
/// [`BoltError`].
pub fn layout(view: &View<'_>, name: &str) -> Result<Option<Layout>, BoltError> {
    let Some(snapshots) = view.bucket(&[b"v1", b"snapshots"])? else {
        return Ok(None);
    };
    let Some((own, kind, mut below)) = directory(&snapshots, name)? else {
        return Ok(None);
    };
    let mut found = Layout {
        own,
        kind,
        parents: Vec::new(),
    };
    while !below.is_empty() {
        let Some((parent, _, next)) = directory(&snapshots, &below)? else {
            return Ok(None);
        };
        if found.parents.len() > MAX_LAYERS {
            return Ok(None);
        }
        found.parents.push(parent);
        below = next;
    }
    Ok(Some(found))
}

/// The directory of a snapshot, its kind, and the full name of the snapshot below.
fn directory(
    snapshots: &Bucket<'_>,
    name: &str,
) -> Result<Option<(SnapshotDirectory, SnapshotKind, String)>, BoltError> {
    let Some(record) = snapshots.bucket(name.as_bytes())? else {
        return Ok(None);
    };
    let Some(number) = number(&record)? else {
        return Ok(None);
    };
    let kind = match record.get(b"kind")?.as_deref() {
        Some([1]) => SnapshotKind::View,
        Some([2]) => SnapshotKind::Active,
        Some([3]) => SnapshotKind::Committed,
        Some(_) | None => return Ok(None),
    };
    let parent = record.text(b"parent")?.unwrap_or_default();
    let is_remote = is_remote(&record)?;
    let (namespace, key) = split_name(name);
    Ok(Some((
        SnapshotDirectory {
            number,
            key: key.to_owned(),
            namespace: namespace.to_owned(),
            is_remote,
        },
        kind,
        parent,
    )))
}

/// Divides a name `<namespace>/<number>/<key>`. Only the key may contain more slashes (containerd
/// core/metadata/snapshot.go, `createKey`).
fn split_name(name: &str) -> (&str, &str) {
    let mut parts = name.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(_), Some(key)) => (namespace, key),
        (Some(_), _, None) | (None, _, _) | (Some(_), None, Some(_)) => ("", name),
    }
}

#[cfg(test)]
mod tests;
