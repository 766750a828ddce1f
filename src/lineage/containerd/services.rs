//! Asks a running containerd for its records.
//!
//! In: a connection to containerd. Out: the same [`Facts`] as from the metadata database, one
//! question at a time (containerd api/services/{containers,snapshots,images}/v1), and the mounts
//! that a snapshot must have. The peer must be root or the caller; its messages are treated as
//! hostile. None of these calls waits for the lock under which a container is created, because they
//! are read transactions (containerd core/metadata, `View`). A snapshotter may run as a process of
//! its own. containerd then asks that process, which can hang; the deadline limits this.

use std::io;
use std::path::{Path, PathBuf};

use super::grpc::{CallError, Connection};
use super::mounted::Expected;
use super::protobuf::{bytes_field, message, repeated, text_field};
use super::records::{
    CRI_CONTAINER, ContainerdRecord, Facts, FactsQuery, REMOTE_LABEL, Snapshot, cri_image_id,
};
use crate::lineage::chain::MAX_LAYERS;
use crate::lineage::digest::{ChainId, Digest};
use crate::lineage::error::{LineageError, Unknown};
use crate::sys::deadline::Deadline;

const STAT: &str = "/containerd.services.snapshots.v1.Snapshots/Stat";
/// The gRPC status for "not found".
const NOT_FOUND: u8 = 5;

/// A client of a running containerd.
#[derive(Debug)]
pub struct Client<'a> {
    address: PathBuf,
    namespace: String,
    connection: Connection<'a>,
}

impl<'a> Client<'a> {
    /// Connects to containerd.
    ///
    /// # Errors
    /// [`Unknown::NoAnswer`].
    pub fn open(
        address: &Path,
        namespace: &str,
        deadline: &'a Deadline,
    ) -> Result<Self, LineageError> {
        let connection =
            Connection::open(address, deadline).map_err(|error| no_answer(address, error))?;
        Ok(Self {
            address: address.to_owned(),
            namespace: namespace.to_owned(),
            connection,
        })
    }

    /// What containerd says about `query`; `None` when there is no such record.
    ///
    /// # Errors
    /// [`Unknown::NoAnswer`].
    pub fn facts(&mut self, query: FactsQuery<'_>) -> Result<Option<Facts>, LineageError> {
        let container = match query {
            FactsQuery::Container(id) => {
                let Some(answer) = self.ask(
                    "/containerd.services.containers.v1.Containers/Get",
                    &[(1, id)],
                )?
                else {
                    return Ok(None);
                };
                container(id, &answer).ok_or_else(|| self.no_such_answer())?
            }
            FactsQuery::Snapshot(snapshotter, key) => ContainerdRecord {
                snapshotter: snapshotter.to_owned(),
                snapshot_key: key.to_owned(),
                ..ContainerdRecord::default()
            },
        };
        let mut found = Facts {
            container,
            ..Facts::default()
        };
        let mut key = found.container.snapshot_key.clone();
        while !key.is_empty() && found.top().is_none() && found.snapshots.len() <= MAX_LAYERS {
            let Some(snapshot) = self.snapshot(&found.container.snapshotter, &key)? else {
                return Ok(None);
            };
            key.clone_from(&snapshot.parent);
            found.snapshots.push(snapshot);
        }
        if !found.container.image.is_empty() {
            let answer = self.ask(
                "/containerd.services.images.v1.Images/Get",
                &[(1, &found.container.image)],
            )?;
            found.target = answer.as_deref().and_then(target);
        }
        Ok(Some(found))
    }

    /// The snapshots from `top` down, topmost first. `None` when one is missing, or there are too
    /// many. This takes one call for each snapshot.
    ///
    /// # Errors
    /// [`Unknown::NoAnswer`].
    pub fn below(
        &mut self,
        snapshotter: &str,
        top: ChainId,
    ) -> Result<Option<Vec<Snapshot>>, LineageError> {
        let mut found = Vec::new();
        let mut key = top.to_string();
        while !key.is_empty() && found.len() <= MAX_LAYERS {
            let Some(snapshot) = self.snapshot(snapshotter, &key)? else {
                return Ok(None);
            };
            key.clone_from(&snapshot.parent);
            found.push(snapshot);
        }
        Ok(key.is_empty().then_some(found))
    }

    /// The record of a snapshot; `None` when there is none.
    fn snapshot(&mut self, snapshotter: &str, key: &str) -> Result<Option<Snapshot>, LineageError> {
        let Some(answer) = self.ask(STAT, &[(1, snapshotter), (2, key)])? else {
            return Ok(None);
        };
        snapshot(key, &answer)
            .map(Some)
            .ok_or_else(|| self.no_such_answer())
    }

    /// The mount that a snapshot must have; `None` when there is no such snapshot.
    ///
    /// # Errors
    /// [`Unknown::NoAnswer`].
    pub fn mount(
        &mut self,
        snapshotter: &str,
        key: &str,
    ) -> Result<Option<Expected>, LineageError> {
        let answer = self.ask(
            "/containerd.services.snapshots.v1.Snapshots/Mounts",
            &[(1, snapshotter), (2, key)],
        )?;
        Ok(answer.map(|answer| mount(&answer)))
    }

    /// The address of containerd's socket.
    #[must_use]
    pub fn address(&self) -> &Path {
        &self.address
    }

    fn no_such_answer(&self) -> LineageError {
        Unknown::NoAnswer(
            self.address.clone(),
            io::Error::new(io::ErrorKind::InvalidData, "an answer to another question"),
        )
        .into()
    }

    /// Makes one call; `None` when containerd answers "not found".
    fn ask(
        &mut self,
        method: &str,
        question: &[(u8, &str)],
    ) -> Result<Option<Vec<u8>>, LineageError> {
        match self
            .connection
            .call(method, &self.namespace, &message(question))
        {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::Status(Some(NOT_FOUND))) => Ok(None),
            Err(error) => Err(no_answer(&self.address, error)),
        }
    }
}

/// Whether an answer is about what was asked for. An empty field is left out of the message. So an
/// answer may only be read as "no snapshot" or "no parent" if it names what was asked for.
fn names(record: &[u8], asked: &str) -> bool {
    bytes_field(record, 1) == Some(asked.as_bytes())
}

fn no_answer(address: &Path, error: CallError) -> LineageError {
    Unknown::NoAnswer(address.to_owned(), error.into()).into()
}

/// Reads `GetContainerResponse`: container = 1 { id = 1, image = 3, snapshotter = 6, snapshot_key =
/// 7, extensions = 10 (a map to `Any`) }. `None` when it is not about `id`.
#[must_use]
pub fn container(id: &str, answer: &[u8]) -> Option<ContainerdRecord> {
    let record = bytes_field(answer, 1).filter(|record| names(record, id))?;
    let cri =
        repeated(record, 10).find(|entry| bytes_field(entry, 1) == Some(CRI_CONTAINER.as_bytes()));
    Some(ContainerdRecord {
        image: text_field(record, 3),
        snapshotter: text_field(record, 6),
        snapshot_key: text_field(record, 7),
        image_id: cri.and_then(|entry| cri_image_id(bytes_field(bytes_field(entry, 2)?, 2)?)),
    })
}

/// Reads `StatSnapshotResponse`: info = 1 { name = 1, parent = 2, labels = 6 }. `None` when it is
/// not about `key`.
#[must_use]
pub fn snapshot(key: &str, answer: &[u8]) -> Option<Snapshot> {
    let info = bytes_field(answer, 1).filter(|info| names(info, key))?;
    let is_remote = repeated(info, 6).any(|label| bytes_field(label, 1) == Some(REMOTE_LABEL));
    Some(Snapshot {
        key: key.to_owned(),
        name: String::new(),
        parent: text_field(info, 2),
        is_remote,
    })
}

/// Reads `GetImageResponse`: image = 1 { target = 3 { digest = 2 } }.
fn target(answer: &[u8]) -> Option<Digest> {
    let digest = bytes_field(bytes_field(bytes_field(answer, 1)?, 3)?, 2)?;
    Digest::parse(std::str::from_utf8(digest).ok()?).ok()
}

/// Reads `MountsResponse`: mounts = 1 { type = 1, source = 2, options = 4 }.
#[must_use]
pub fn mount(answer: &[u8]) -> Expected {
    let mut mounts = repeated(answer, 1);
    let (Some(mount), None) = (mounts.next(), mounts.next()) else {
        return Expected::Opaque;
    };
    let source = PathBuf::from(text_field(mount, 2));
    match bytes_field(mount, 1) {
        Some(b"bind") => Expected::Bind(source),
        Some(b"overlay") => {
            let lower = option(mount, "lowerdir=")
                .unwrap_or_default()
                .split(':')
                .map(PathBuf::from)
                .collect();
            Expected::Overlay {
                lower,
                upper: option(mount, "upperdir=").map(PathBuf::from),
            }
        }
        Some(_) | None => Expected::Opaque,
    }
}

/// The value of an option of a mount.
fn option<'a>(mount: &'a [u8], name: &str) -> Option<&'a str> {
    repeated(mount, 4).find_map(|option| std::str::from_utf8(option).ok()?.strip_prefix(name))
}

#[cfg(test)]
mod tests;
