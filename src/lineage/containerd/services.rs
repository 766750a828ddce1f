//! What does containerd answer?
//!
//! In: a connection to containerd. Out: the same [`Facts`] that the metadata database gives, one question at a time (containerd
//! api/services/{containers,snapshots,images}/v1), and the mounts that a snapshot must have. The messages are hostile as far as the peer is, which
//! must be root. None of these calls waits for the lock under which a container is created: they are read transactions (containerd core/metadata,
//! `View`). A snapshotter that runs as a process of its own is asked by containerd in turn, and can hang; the deadline ends that.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::grpc::{CallError, Connection};
use super::mounted::Expected;
use super::protobuf::{bytes_field, message, repeated, text_field};
use super::records::{CRI_CONTAINER, Container, Facts, REMOTE_LABEL, Snapshot, Wanted, cri_image_id};
use crate::lineage::chain::MAX_LAYERS;
use crate::lineage::digest::{ChainId, Digest};
use crate::lineage::{LineageError, Unknown};

const STAT: &str = "/containerd.services.snapshots.v1.Snapshots/Stat";
/// The gRPC status for what is not there.
const NOT_FOUND: u8 = 5;

/// containerd, listening.
#[derive(Debug)]
pub struct Client {
    address: PathBuf,
    namespace: String,
    connection: Connection,
}

impl Client {
    /// Connects to containerd.
    ///
    /// # Errors
    /// [`Unknown::NoAnswer`].
    pub fn open(address: &Path, namespace: &str, deadline: Instant) -> Result<Self, LineageError> {
        let connection = Connection::open(address, deadline).map_err(|error| no_answer(address, error))?;
        Ok(Self { address: address.to_owned(), namespace: namespace.to_owned(), connection })
    }

    /// What containerd says about `wanted`; `None` when it has no such record.
    ///
    /// # Errors
    /// [`Unknown::NoAnswer`].
    pub fn facts(&mut self, wanted: Wanted<'_>) -> Result<Option<Facts>, LineageError> {
        let container = match wanted {
            Wanted::Container(id) => {
                self.ask("/containerd.services.containers.v1.Containers/Get", &[(1, id)])?.map(|answer| container(&answer))
            }
            Wanted::Snapshot(snapshotter, key) => {
                Some(Container { snapshotter: snapshotter.to_owned(), snapshot_key: key.to_owned(), ..Container::default() })
            }
        };
        let Some(container) = container else { return Ok(None) };
        let mut found = Facts { container, ..Facts::default() };
        let mut key = found.container.snapshot_key.clone();
        while !key.is_empty() && found.top().is_none() && found.snapshots.len() <= MAX_LAYERS {
            let question = [(1, found.container.snapshotter.as_str()), (2, key.as_str())];
            let Some(answer) = self.ask(STAT, &question)? else { return Ok(None) };
            let snapshot = snapshot(&key, &answer);
            key.clone_from(&snapshot.parent);
            found.snapshots.push(snapshot);
        }
        if !found.container.image.is_empty() {
            let answer = self.ask("/containerd.services.images.v1.Images/Get", &[(1, &found.container.image)])?;
            found.target = answer.as_deref().and_then(target);
        }
        Ok(Some(found))
    }

    /// The chain IDs that the snapshots from `top` down are named after, lowest first; `None` when one is missing or is named otherwise. One call
    /// each.
    ///
    /// # Errors
    /// [`Unknown::NoAnswer`].
    pub fn chain_names(&mut self, snapshotter: &str, top: ChainId) -> Result<Option<Vec<ChainId>>, LineageError> {
        let mut names = Vec::new();
        let mut key = top.to_string();
        while !key.is_empty() && names.len() <= MAX_LAYERS {
            let Ok(name) = ChainId::parse(&key) else { return Ok(None) };
            let Some(answer) = self.ask(STAT, &[(1, snapshotter), (2, &key)])? else { return Ok(None) };
            names.push(name);
            key = snapshot(&key, &answer).parent;
        }
        names.reverse();
        Ok(key.is_empty().then_some(names))
    }

    /// The mount that a snapshot must have; `None` when there is no such snapshot.
    ///
    /// # Errors
    /// [`Unknown::NoAnswer`].
    pub fn mount(&mut self, snapshotter: &str, key: &str) -> Result<Option<Expected>, LineageError> {
        let answer = self.ask("/containerd.services.snapshots.v1.Snapshots/Mounts", &[(1, snapshotter), (2, key)])?;
        Ok(answer.map(|answer| mount(&answer)))
    }

    /// One call; `None` for what is not there.
    fn ask(&mut self, method: &str, question: &[(u8, &str)]) -> Result<Option<Vec<u8>>, LineageError> {
        match self.connection.call(method, &self.namespace, &message(question)) {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::Status(Some(NOT_FOUND))) => Ok(None),
            Err(error) => Err(no_answer(&self.address, error)),
        }
    }
}

fn no_answer(address: &Path, error: CallError) -> LineageError {
    Unknown::NoAnswer(address.to_owned(), error.into()).into()
}

/// `GetContainerResponse`: container = 1 { image = 3, snapshotter = 6, snapshot_key = 7, extensions = 10 (a map to `Any`) }.
#[must_use]
pub fn container(answer: &[u8]) -> Container {
    let record = bytes_field(answer, 1).unwrap_or_default();
    let cri = repeated(record, 10).find(|entry| bytes_field(entry, 1) == Some(CRI_CONTAINER.as_bytes()));
    Container {
        image: text_field(record, 3),
        snapshotter: text_field(record, 6),
        snapshot_key: text_field(record, 7),
        image_id: cri.and_then(|entry| cri_image_id(bytes_field(bytes_field(entry, 2)?, 2)?)),
    }
}

/// `StatSnapshotResponse`: info = 1 { parent = 2, labels = 6 }.
#[must_use]
pub fn snapshot(key: &str, answer: &[u8]) -> Snapshot {
    let info = bytes_field(answer, 1).unwrap_or_default();
    let is_remote = repeated(info, 6).any(|label| bytes_field(label, 1) == Some(REMOTE_LABEL));
    Snapshot { key: key.to_owned(), name: String::new(), parent: text_field(info, 2), is_remote }
}

/// `GetImageResponse`: image = 1 { target = 3 { digest = 2 } }.
fn target(answer: &[u8]) -> Option<Digest> {
    let digest = bytes_field(bytes_field(bytes_field(answer, 1)?, 3)?, 2)?;
    Digest::parse(std::str::from_utf8(digest).ok()?).ok()
}

/// `MountsResponse`: mounts = 1 { type = 1, source = 2, options = 4 }.
#[must_use]
pub fn mount(answer: &[u8]) -> Expected {
    let mut mounts = repeated(answer, 1);
    let (Some(mount), None) = (mounts.next(), mounts.next()) else { return Expected::Opaque };
    let source = PathBuf::from(text_field(mount, 2));
    match bytes_field(mount, 1) {
        Some(b"bind") => Expected::Bind(source),
        Some(b"overlay") => {
            let option = |name: &str| repeated(mount, 4).find_map(|option| std::str::from_utf8(option).ok()?.strip_prefix(name));
            let lower = option("lowerdir=").unwrap_or_default().split(':').map(PathBuf::from).collect();
            Expected::Overlay { lower, upper: option("upperdir=").map(PathBuf::from) }
        }
        Some(_) | None => Expected::Opaque,
    }
}

#[cfg(test)]
mod tests;
