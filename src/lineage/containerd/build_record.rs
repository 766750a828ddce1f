//! Which layer has a step of an earlier build become?
//!
//! An image that BuildKit built stands, for the next build, on the snapshots of its own steps, which have names of their own. In: `metadata_v2.db` of
//! BuildKit's worker, a bbolt database that it holds locked: `_main/<snapshot>/{cache.snapshot,cache.chainID,cache.diffID}`, each JSON with a `value`
//! (buildkit cache/metadata.go; seen with Docker 28.5.2). Hostile as far as a power cut can make it so. Out: the chain ID that a snapshot's layer got
//! when its image was exported, if it was, and only if it is the hash of the chain ID below and the recorded diff ID.

use std::path::Path;
use std::time::Instant;

use serde::Deserialize;

use crate::lineage::bolt::{BoltError, Bucket, Database, View, fault};
use crate::lineage::chain::extend;
use crate::lineage::digest::{ChainId, DiffId};
use crate::lineage::{LineageError, Unknown};
use crate::sys::file::{self, Guard};

/// The chain ID of the snapshot `key`, which stands on the layers of `below`; `None` when the step was never exported.
///
/// # Errors
/// As [`fault`]; [`Unknown::File`] when there is no such database.
pub fn chain_id(database: &Path, key: &str, below: Option<ChainId>, deadline: Instant) -> Result<Option<ChainId>, LineageError> {
    let (file, _) = file::open(database, Guard::NoLink).map_err(Unknown::File)?;
    let look = |view: &View<'_>| {
        let Some(record) = view.bucket(&[b"_main", key.as_bytes()])? else { return Ok(None) };
        Ok(Some([value(&record, b"cache.snapshot")?, value(&record, b"cache.chainID")?, value(&record, b"cache.diffID")?]))
    };
    let record = Database::new(file).view(deadline, look).map_err(|error| fault(database, error))?;
    let Some([Some(snapshot), Some(chain_id), Some(diff_id)]) = record else { return Ok(None) };
    let (Ok(chain_id), Ok(diff_id)) = (ChainId::parse(&chain_id), DiffId::parse(&diff_id)) else { return Ok(None) };
    let hashed = below.map_or(ChainId(diff_id.0), |below| extend(below, diff_id));
    Ok((snapshot == key && hashed == chain_id).then_some(chain_id))
}

fn value(record: &Bucket<'_>, key: &[u8]) -> Result<Option<String>, BoltError> {
    #[derive(Deserialize)]
    struct Entry {
        value: String,
    }
    let json = record.get(key)?;
    Ok(json.and_then(|json| serde_json::from_slice::<Entry>(&json).ok()).map(|entry| entry.value))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    const BASE: &str = "sha256:a13aaff56dfc4ddb4002660a4c7b0ee825ff8578df70ee257e4f87e2e96a9d15";
    const ABOVE: &str = "sha256:e5e980fc888588eb4b6d4a44f6e89fb6041efd474174bd2c5d442e4546579969";
    const TOP: &str = "sha256:506a8e18a024dd3c8060c457e206b90c837c4856b0db4c28494e400a97ce2b94";
    const COPIED: &str = "sha256:55d5301a1ee43c68ca88fa5bce30b6273195f46d3f286bd03529f1aaba54148a";

    #[test]
    fn a_step_that_was_exported_has_the_chain_id_of_its_layer() {
        let database = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/docker-28.5-buildkit/metadata_v2.db");
        let id = |text: &str| ChainId::parse(text).unwrap();
        for (key, below, found) in [
            ("i5q2o4ecalg13m0g48dn9jek1", Some(BASE), Some(ABOVE)),
            ("95yfn1x2exkngbzfnvkz3lpbd", Some(ABOVE), Some(TOP)),
            ("2mu0olrpc9ho6khu45ce7ry5e", None, Some(COPIED)),
            // Not on what it was built on, so not the layer that it was exported as.
            ("95yfn1x2exkngbzfnvkz3lpbd", Some(BASE), None),
            ("i5q2o4ecalg13m0g48dn9jek1", None, None),
            // Never exported; called otherwise than its snapshot; not there.
            ("rjgx6o5p8tqcb6gztzy5wrt9x", None, None),
            ("mfppkujznhlexq6dmbtyxui1m", None, None),
            ("nothing", None, None),
        ] {
            let answer = chain_id(&database, key, below.map(id), Instant::now() + Duration::from_secs(9)).unwrap();
            assert_eq!(answer, found.map(id), "{key} on {below:?}");
        }
    }

    #[test]
    fn without_the_database_nothing_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let answer = chain_id(&folder.path().join("none"), "x", None, Instant::now() + Duration::from_secs(9));
        assert!(matches!(answer, Err(LineageError::Unknown(Unknown::File(error))) if error.is_absent()));
    }
}
