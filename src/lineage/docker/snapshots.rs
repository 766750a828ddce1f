//! Reads what BuildKit in Docker records about the snapshot on which a `RUN` step runs.
//!
//! In: `<data root>/buildkit/snapshots.db`, a bbolt database that dockerd holds locked (moby:
//! daemon/internal/builder-next/adapters/snapshot). A bucket whose name is a directory of the graph
//! driver says in `parent` what the directory was made from: nothing, the chain ID of an image, or
//! a finished snapshot. The bucket of a finished snapshot names its directory in `committed`. If
//! the snapshot has become a layer, `chainid` names that layer. Out: the image at the bottom. Not
//! checked: the contents of the directories.

use std::path::Path;

use crate::lineage::bolt::{BoltError, DatabaseFile, View};
use crate::lineage::chain::MAX_LAYERS;
use crate::lineage::digest::ChainId;
use crate::lineage::error::{LineageError, Unknown};
use crate::sys::deadline::Deadline;

/// What a snapshot was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SnapshotBase {
    /// Nothing: the build started from scratch.
    Nothing,
    /// The layers with this top chain ID.
    Chain(ChainId),
}

/// What the snapshot in this directory of the graph driver was made from. `root` is BuildKit's
/// directory.
pub(super) fn base_of(
    root: &Path,
    directory: &str,
    deadline: &Deadline,
) -> Result<SnapshotBase, LineageError> {
    let database = DatabaseFile::open(root.join("snapshots.db"))?;
    match database.view(deadline, |view| walk(view, directory))? {
        Some(base) => Ok(base),
        None => {
            let path = database.path().to_owned();
            Err(Unknown::NoRecord("the snapshot of the build step", path).into())
        }
    }
}

fn walk(view: &View<'_>, directory: &str) -> Result<Option<SnapshotBase>, BoltError> {
    let mut directory = directory.to_owned();
    for _ in 0..MAX_LAYERS {
        let Some(parent) = text(view, &directory, b"parent")? else {
            return Ok(None);
        };
        if parent.is_empty() {
            return Ok(Some(SnapshotBase::Nothing));
        }
        let chain_id = match ChainId::parse(&parent) {
            Err(_) => ChainId::parse(&text(view, &parent, b"chainid")?.unwrap_or_default()),
            named => named,
        };
        if let Ok(chain_id) = chain_id {
            return Ok(Some(SnapshotBase::Chain(chain_id)));
        }
        let Some(committed) = text(view, &parent, b"committed")? else {
            return Ok(None);
        };
        directory = committed;
    }
    Ok(None)
}

/// A value in this bucket, as text.
fn text(view: &View<'_>, bucket: &str, key: &[u8]) -> Result<Option<String>, BoltError> {
    match view.bucket(&[bucket.as_bytes()])? {
        Some(bucket) => bucket.text(key),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    const BASE: &str = "sha256:7a6b42c194afeebb4e29dd9bbf2c3b65f7f8d1066e1409285feda9993e5a8782";

    fn base(directory: &str) -> Result<SnapshotBase, LineageError> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/docker-20.10-buildkit-run/buildkit");
        base_of(&root, directory, &Duration::from_secs(30).into())
    }

    #[test]
    fn a_step_leads_through_earlier_steps_to_its_base() {
        for directory in ["25vja3b4reblehss24hw1fj5b", "vn6jsxo94hkolzh9dhgpv2pcn"] {
            assert_eq!(
                base(directory).unwrap(),
                SnapshotBase::Chain(ChainId::parse(BASE).unwrap()),
                "{directory}"
            );
        }
    }

    #[test]
    fn a_directory_without_a_record_is_unknown() {
        let error = base("0000000000000000000000000").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot find the snapshot of the build step in "),
            "{error}"
        );
        assert!(matches!(
            base_of(Path::new("/none"), "x", &Duration::ZERO.into()),
            Err(LineageError::Unknown(Unknown::File(_)))
        ));
    }
}
