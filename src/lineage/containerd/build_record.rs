//! Reads which image layer a step of an earlier build has become.
//!
//! When an image that BuildKit built is used in the next build, the image's layers are the
//! snapshots of its own build steps, and the names of these snapshots are not chain IDs. In:
//! `metadata_v2.db` of BuildKit's worker, a bbolt database that BuildKit holds locked:
//! `_main/<snapshot>/{cache.snapshot,cache.chainID,cache.diffID}`, each JSON with a `value`
//! (buildkit cache/metadata.go; seen with Docker 28.5.2). A power cut may have damaged the database
//! in any way. Out: the chain ID that the snapshot's layer got when its image was exported, if it
//! is the hash of the chain ID below and the recorded diff ID; or that the snapshot was not
//! exported. A merge (`COPY --link`) that was exported has a chain ID and no diff ID; the snapshot
//! of such a merge is treated as unknown.

use std::path::Path;

use serde::Deserialize;

use crate::lineage::bolt::{BoltError, Bucket, DatabaseFile};
use crate::lineage::chain::extend;
use crate::lineage::digest::{ChainId, DiffId};
use crate::lineage::error::LineageError;
use crate::sys::deadline::Deadline;

/// What a snapshot of BuildKit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildSnapshot {
    /// A layer with this chain ID, exported as part of an image.
    Layer(ChainId),
    /// A step of a build from which no image was exported.
    Step,
}

/// Says what the snapshot `key` on the stack `below` is. `None` when BuildKit has no record of the
/// snapshot, or when the record does not fit the stack.
///
/// # Errors
/// The errors of [`DatabaseFile::view`] and [`DatabaseFile::open`].
pub fn snapshot(
    database: &Path,
    key: &str,
    below: Option<ChainId>,
    deadline: &Deadline,
) -> Result<Option<BuildSnapshot>, LineageError> {
    let record = DatabaseFile::open(database.to_owned())?.view(deadline, |view| {
        let Some(record) = view.bucket(&[b"_main", key.as_bytes()])? else {
            return Ok(None);
        };
        Ok(Some([
            value(&record, b"cache.snapshot")?,
            value(&record, b"cache.chainID")?,
            value(&record, b"cache.diffID")?,
            value(&record, b"cache.blob")?,
        ]))
    })?;
    Ok(match record {
        Some([Some(snapshot), None, None, None]) if snapshot == key => Some(BuildSnapshot::Step),
        Some([Some(snapshot), Some(chain_id), Some(diff_id), _]) if snapshot == key => {
            layer(&chain_id, &diff_id, below).map(BuildSnapshot::Layer)
        }
        Some(_) | None => None,
    })
}

/// The recorded chain ID, if it is the hash of the chain ID below and the recorded diff ID.
fn layer(chain_id: &str, diff_id: &str, below: Option<ChainId>) -> Option<ChainId> {
    let (chain_id, diff_id) = (ChainId::parse(chain_id).ok()?, DiffId::parse(diff_id).ok()?);
    let hashed = match below {
        Some(below) => extend(below, diff_id),
        None => ChainId(diff_id.0),
    };
    (hashed == chain_id).then_some(chain_id)
}

/// The value of `key`. A value that cannot be parsed is treated as an empty text, which matches
/// nothing.
fn value(record: &Bucket<'_>, key: &[u8]) -> Result<Option<String>, BoltError> {
    #[derive(Deserialize)]
    struct CacheValue {
        value: String,
    }
    let Some(json) = record.get(key)? else {
        return Ok(None);
    };
    Ok(Some(match serde_json::from_slice::<CacheValue>(&json) {
        Ok(entry) => entry.value,
        Err(_) => String::new(),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::lineage::error::Unknown;

    const BASE: &str = "sha256:a13aaff56dfc4ddb4002660a4c7b0ee825ff8578df70ee257e4f87e2e96a9d15";
    const ABOVE: &str = "sha256:e5e980fc888588eb4b6d4a44f6e89fb6041efd474174bd2c5d442e4546579969";
    const TOP: &str = "sha256:506a8e18a024dd3c8060c457e206b90c837c4856b0db4c28494e400a97ce2b94";
    const STEP: &str = "rjgx6o5p8tqcb6gztzy5wrt9x";
    const COPIED: &str = "sha256:55d5301a1ee43c68ca88fa5bce30b6273195f46d3f286bd03529f1aaba54148a";

    #[test]
    fn a_step_that_was_exported_has_the_chain_id_of_its_layer() {
        let database = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/docker-28.5-buildkit/metadata_v2.db");
        let id = |text: &str| ChainId::parse(text).unwrap();
        for (key, below, found) in [
            ("i5q2o4ecalg13m0g48dn9jek1", Some(BASE), Some(ABOVE)),
            ("95yfn1x2exkngbzfnvkz3lpbd", Some(ABOVE), Some(TOP)),
            ("2mu0olrpc9ho6khu45ce7ry5e", None, Some(COPIED)),
            // The snapshot does not lie on the layer on which it was built, so the snapshot is not
            // the exported layer.
            ("95yfn1x2exkngbzfnvkz3lpbd", Some(BASE), None),
            ("i5q2o4ecalg13m0g48dn9jek1", None, None),
            // One snapshot's record names another snapshot; the other snapshot does not exist.
            ("mfppkujznhlexq6dmbtyxui1m", None, None),
            ("nothing", None, None),
        ] {
            let answer = snapshot(
                &database,
                key,
                below.map(id),
                &Duration::from_secs(9).into(),
            )
            .unwrap();
            assert_eq!(
                answer,
                found.map(id).map(BuildSnapshot::Layer),
                "{key} on {below:?}"
            );
        }
        for below in [None, Some(id(BASE))] {
            let answer = snapshot(&database, STEP, below, &Duration::from_secs(9).into()).unwrap();
            assert_eq!(answer, Some(BuildSnapshot::Step), "never exported");
        }
    }

    #[test]
    fn without_the_database_nothing_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let answer = snapshot(
            &directory.path().join("none"),
            "x",
            None,
            &Duration::from_secs(9).into(),
        );
        assert!(
            matches!(answer, Err(LineageError::Unknown(Unknown::File(error))) if error.is_absent())
        );
    }
}
