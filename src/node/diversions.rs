//! Reads and writes the record of the runtimes whose places Embargo has taken.
//!
//! In and out: `/var/lib/embargo/divert.json`, which `embargoctl divert` writes before it changes a
//! place, and removes when no place is taken any more. So a place in the record may be taken, or
//! about to be taken, or about to be given back. Not checked: what is at the places now.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::report::json;
use crate::sys::file::{self, FileError, Guard};
use crate::sys::replace::{self, WriteError};

/// The largest record that is read.
const LARGEST: u64 = 1 << 20;

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// The file is no record.
    #[error("cannot read {0:?}: it is not a record of diversions")]
    Form(PathBuf, #[source] serde_json::Error),
}

/// Who moves updates of the runtime's package to the runtime's new path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeper {
    /// dpkg, by a local diversion.
    Dpkg,
    /// Nobody: an update puts the runtime back at its place, and Embargo must be put there again.
    Nobody,
}

/// A place that Embargo has taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diversion {
    /// The runtime's own path, where a link leads to Embargo. The path is one of the node, without
    /// a root directory before it.
    pub place: PathBuf,
    /// Where the runtime is now.
    pub real: PathBuf,
    /// Who keeps it there.
    pub keeper: Keeper,
}

#[derive(Default, Serialize, Deserialize)]
struct Record {
    diversions: Vec<Diversion>,
}

/// The diversions of the node, in the order in which they were made. A missing file has none.
///
/// # Errors
/// [`RecordError`].
pub fn load(path: &Path) -> Result<Vec<Diversion>, RecordError> {
    let bytes = match file::read(path, LARGEST, Guard::NoLink) {
        Ok(bytes) => bytes,
        Err(fault) if fault.is_absent() => return Ok(Vec::new()),
        Err(fault) => return Err(fault.into()),
    };
    match serde_json::from_slice::<Record>(&bytes) {
        Ok(record) => Ok(record.diversions),
        Err(fault) => Err(RecordError::Form(path.to_owned(), fault)),
    }
}

/// Writes the record. Without diversions, the file is removed.
///
/// # Errors
/// [`WriteError`].
pub fn store(path: &Path, diversions: Vec<Diversion>) -> Result<(), WriteError> {
    if diversions.is_empty() {
        return match std::fs::remove_file(path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(WriteError::new(path, cause))
            }
            Ok(()) | Err(_) => Ok(()),
        };
    }
    let text = json::pretty(&Record { diversions }) + "\n";
    replace::replace(path, 0o644, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_an_empty_one_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("divert.json");
        assert_eq!(load(&path).unwrap(), []);
        store(&path, Vec::new()).unwrap();
        let diversion = Diversion {
            place: "/usr/sbin/runc".into(),
            real: "/usr/sbin/runc.real".into(),
            keeper: Keeper::Dpkg,
        };
        store(&path, vec![diversion.clone()]).unwrap();
        assert_eq!(load(&path).unwrap(), [diversion]);
        let text = file::read_text(&path, LARGEST, Guard::NoLink).unwrap();
        assert!(text.contains("\"schema\": 1") && text.contains("\"keeper\": \"dpkg\""));
        store(&path, Vec::new()).unwrap();
        assert!(std::fs::symlink_metadata(&path).is_err());
        replace::replace(&path, 0o644, b"{}").unwrap();
        assert_eq!(
            load(&path).unwrap_err().to_string(),
            format!("cannot read {path:?}: it is not a record of diversions")
        );
    }
}
