//! Reads what containerd records about one container, from one version of the database.

use serde::Deserialize;

use super::super::docker_store::is_init;
use super::super::protobuf;
use crate::lineage::bolt::{BoltError, Bucket, View};
use crate::lineage::chain::MAX_LAYERS;
use crate::lineage::digest::{ChainId, Digest, ImageId};
use crate::sys::clock::Timestamp;

/// The label of a snapshot whose contents were never unpacked on this machine, and are only claimed
/// (containerd core/unpack, stargz-snapshotter, nydus-snapshotter).
const REMOTE_LABEL: &[u8] = b"containerd.io/snapshot/remote";
/// The extension in which the CRI plugin stores its record of a container.
const CRI_CONTAINER: &str = "io.cri-containerd.container.metadata";

/// What containerd records about a container and its snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The record of the container, if the query was for a container.
    pub container: ContainerdRecord,
    /// The snapshots that the container runs on, topmost first: from the container's own snapshot
    /// down to the first snapshot whose name is a chain ID, or to the lowest snapshot.
    pub snapshots: Vec<Snapshot>,
    /// The digest that the name in [`ContainerdRecord::image`] stands for now. The digest is only a
    /// hint.
    pub target: Option<Digest>,
}

/// The record of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerdRecord {
    /// The name of the container's image. The name may lead to another image by now.
    pub image: String,
    /// The snapshotter that stores the container's root.
    pub snapshotter: String,
    /// The container's own snapshot; empty when the container was made without a snapshot.
    pub snapshot_key: String,
    /// The image ID that the CRI plugin found for the image's name.
    pub image_id: Option<ImageId>,
}

/// The record of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The snapshot's name in the namespace.
    pub key: String,
    /// The snapshot's name in the snapshotter, `<namespace>/<number>/<key>`; empty when the name is
    /// not known.
    pub name: String,
    /// The key of the snapshot below; empty for the lowest snapshot.
    pub parent: String,
    /// Whether a label says that the snapshot was not unpacked on this machine.
    pub is_remote: bool,
}

/// The record at which a query starts.
#[derive(Clone, Copy, Debug)]
pub enum FactsQuery<'a> {
    /// The record of a container, which names its snapshot.
    Container(&'a str),
    /// A snapshot, given by its snapshotter and its key. For engines that record their containers
    /// outside containerd's database.
    Snapshot(&'a str, &'a str),
}

impl Facts {
    /// The chain ID of the image's layers: the name of the last snapshot, if that is a chain ID.
    #[must_use]
    pub fn top(&self) -> Option<ChainId> {
        ChainId::parse(&self.snapshots.last()?.key).ok()
    }

    /// Whether all snapshots belong to the container alone. Such snapshots are the snapshot that
    /// the container writes to, and the snapshot that Docker puts below the container's snapshot.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        let own = self.container.snapshot_key.as_str();
        for snapshot in &self.snapshots {
            let key = snapshot.key.as_str();
            if key != own && key.strip_suffix("-init") != Some(own) {
                return false;
            }
        }
        matches!(self.snapshots.last(), Some(last) if last.parent.is_empty())
    }

    /// Whether any of the snapshots was never unpacked on this machine.
    #[must_use]
    pub fn has_remote(&self) -> bool {
        self.snapshots.iter().any(|snapshot| snapshot.is_remote)
    }
}

/// The chain IDs that are the names of these snapshots. The snapshots are given topmost first, the
/// chain IDs are returned lowest first. `None` when a snapshot has another name.
#[must_use]
pub fn chain_names(snapshots: &[Snapshot]) -> Option<Vec<ChainId>> {
    let mut names = Vec::with_capacity(snapshots.len());
    for snapshot in snapshots.iter().rev() {
        if !is_init(&snapshot.key) {
            names.push(ChainId::parse(&snapshot.key).ok()?);
        }
    }
    Some(names)
}

/// What `view` says about `query`; `None` when there is no such record.
///
/// # Errors
/// [`BoltError`].
pub fn facts(
    view: &View<'_>,
    namespace: &str,
    query: FactsQuery<'_>,
) -> Result<Option<Facts>, BoltError> {
    let container = match query {
        FactsQuery::Container(id) => container(view, namespace, id)?,
        FactsQuery::Snapshot(snapshotter, key) => Some(ContainerdRecord {
            snapshotter: snapshotter.to_owned(),
            snapshot_key: key.to_owned(),
            ..ContainerdRecord::default()
        }),
    };
    let Some(container) = container else {
        return Ok(None);
    };
    let mut found = Facts {
        target: target(view, namespace, &container.image)?,
        container,
        snapshots: Vec::new(),
    };
    let mut key = found.container.snapshot_key.clone();
    if key.is_empty() {
        return Ok(Some(found));
    }
    let Some(bucket) = snapshots(view, namespace, &found.container.snapshotter)? else {
        return Ok(None);
    };
    while !key.is_empty() && found.top().is_none() && found.snapshots.len() <= MAX_LAYERS {
        let Some(snapshot) = snapshot(&bucket, &key)? else {
            return Ok(None);
        };
        key.clone_from(&snapshot.parent);
        found.snapshots.push(snapshot);
    }
    Ok(Some(found))
}

fn container(
    view: &View<'_>,
    namespace: &str,
    id: &str,
) -> Result<Option<ContainerdRecord>, BoltError> {
    let Some(record) = view.bucket(&[b"v1", namespace.as_bytes(), b"containers", id.as_bytes()])?
    else {
        return Ok(None);
    };
    // containerd always writes this key; its value is empty when there is no snapshot
    // (core/metadata/containers.go, `writeContainer`).
    if record.get(b"snapshotKey")?.is_none() {
        return Err(record.fault("holds a container without a snapshot key"));
    }
    let cri = match record.bucket(b"extensions")? {
        Some(extensions) => extensions.get(CRI_CONTAINER.as_bytes())?,
        None => None,
    };
    let cri = cri.as_deref().and_then(|any| protobuf::bytes_field(any, 2));
    Ok(Some(ContainerdRecord {
        image: text(&record, b"image")?,
        snapshotter: text(&record, b"snapshotter")?,
        snapshot_key: text(&record, b"snapshotKey")?,
        image_id: cri.and_then(cri_image_id),
    }))
}

/// When containerd made the record of a container. The record of a container that is started again
/// stays; the CRI plugin makes a new one.
pub(super) fn created(
    view: &View<'_>,
    namespace: &str,
    id: &str,
) -> Result<Option<Timestamp>, BoltError> {
    let path: [&[u8]; 4] = [b"v1", namespace.as_bytes(), b"containers", id.as_bytes()];
    let Some(record) = view.bucket(&path)? else {
        return Ok(None);
    };
    Ok(record.get(b"createdat")?.as_deref().and_then(go_time))
}

/// Seconds from the beginning of year 1, with which Go counts, to that of 1970.
const YEAR_1970: u64 = 62_135_596_800;

/// Reads a time as Go's `time.Time.MarshalBinary` writes it: version 1 or 2, seconds since year 1
/// in UTC (8 bytes, big endian), nanoseconds (4 bytes), and the offset of the time zone, which does
/// not change the time (2 bytes, in version 2 one more).
fn go_time(bytes: &[u8]) -> Option<Timestamp> {
    let (version, rest) = bytes.split_first()?;
    let (seconds, rest) = rest.split_first_chunk::<8>()?;
    match (version, rest.len()) {
        (1, 6) | (2, 7) => {}
        _other => return None,
    }
    let seconds = u64::from_be_bytes(*seconds).checked_sub(YEAR_1970)?;
    Some(Timestamp::from_seconds(seconds))
}

/// The bucket of a snapshotter's snapshots.
pub(super) fn snapshots<'a>(
    view: &'a View<'a>,
    namespace: &str,
    snapshotter: &str,
) -> Result<Option<Bucket<'a>>, BoltError> {
    view.bucket(&[
        b"v1",
        namespace.as_bytes(),
        b"snapshots",
        snapshotter.as_bytes(),
    ])
}

pub(super) fn snapshot(bucket: &Bucket<'_>, key: &str) -> Result<Option<Snapshot>, BoltError> {
    let Some(record) = bucket.bucket(key.as_bytes())? else {
        return Ok(None);
    };
    Ok(Some(Snapshot {
        key: key.to_owned(),
        name: text(&record, b"name")?,
        parent: text(&record, b"parent")?,
        is_remote: is_remote(&record)?,
    }))
}

/// Whether the record of a snapshot has the label [`REMOTE_LABEL`].
///
/// # Errors
/// [`BoltError`].
pub fn is_remote(record: &Bucket<'_>) -> Result<bool, BoltError> {
    Ok(match record.bucket(b"labels")? {
        Some(labels) => labels.get(REMOTE_LABEL)?.is_some(),
        None => false,
    })
}

pub(super) fn target(
    view: &View<'_>,
    namespace: &str,
    name: &str,
) -> Result<Option<Digest>, BoltError> {
    let Some(target) = view.bucket(&[
        b"v1",
        namespace.as_bytes(),
        b"images",
        name.as_bytes(),
        b"target",
    ])?
    else {
        return Ok(None);
    };
    Ok(Digest::parse(&text(&target, b"digest")?).ok())
}

/// A value as text; empty when the key has no value.
fn text(bucket: &Bucket<'_>, key: &[u8]) -> Result<String, BoltError> {
    Ok(bucket.text(key)?.unwrap_or_default())
}

/// The image ID in the CRI plugin's own record of a container, which is JSON (containerd
/// internal/cri/store/container/metadata.go).
#[must_use]
pub fn cri_image_id(json: &[u8]) -> Option<ImageId> {
    #[derive(Deserialize)]
    struct CriRecord {
        #[serde(rename = "Metadata")]
        metadata: CriMetadata,
    }
    #[derive(Deserialize)]
    struct CriMetadata {
        #[serde(rename = "ImageRef")]
        image_ref: String,
    }
    let record: CriRecord = serde_json::from_slice(json).ok()?;
    ImageId::parse(&record.metadata.image_ref).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_go_writes_it() {
        // 2026-11-20T14:00:00Z, with nanoseconds and with an offset of an hour and some seconds.
        let seconds = (YEAR_1970 + 1_795_183_200).to_be_bytes();
        let time = |version: u8, rest: &[u8]| [&[version], &seconds[..], rest].concat();
        let expected = Timestamp::parse("2026-11-20T14:00:00Z");
        for (bytes, expected) in [
            (time(1, &[0, 0, 0, 1, 0xff, 0xff]), expected),
            (time(1, &[0, 0, 0, 0, 0, 60]), expected),
            (time(2, &[0, 0, 0, 0, 0, 60, 7]), expected),
            (time(1, &[0, 0, 0, 0, 0, 60, 7]), None),
            (time(3, &[0, 0, 0, 0, 0, 60]), None),
            (Vec::new(), None),
            (vec![1; 5], None),
            (
                vec![1; 15],
                expected.map(|_| Timestamp::from_seconds(u64::MAX)),
            ),
            ([&[1], &[0; 14][..]].concat(), None),
        ] {
            assert_eq!(go_time(&bytes), expected, "{bytes:?}");
        }
    }
}
