//! Writes the node's state where everybody may read it, and reads back what only root can see.
//!
//! In: a [`NodeStatus`]. Out: `/run/embargo/status.json`, the same document as `--json` prints. For
//! reading, the file must be root's or the caller's, like every file that Embargo trusts.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use super::containers::Containers;
use super::coverage::RuntimeNames;
use super::facts::NodeStatus;
use crate::paths::Paths;
use crate::report::json::{self, SCHEMA};
use crate::sys::clock::Timestamp;
use crate::sys::file::FileError;
use crate::sys::replace::{self, WriteError};
use crate::sys::{directory, process};
use crate::verdict::listed::span;

/// The largest document that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Why the stored state cannot be used in place of a look at the node.
#[derive(Debug, Error)]
pub(in crate::ctl) enum StoredError {
    /// There is no stored state.
    #[error(
        "cannot read this node's engines without root, and {0:?} is missing: embargoctl status \
         --write makes it"
    )]
    Missing(PathBuf),
    /// The file cannot be read, or others may write to it.
    #[error("cannot read this node's engines without root")]
    File(#[source] FileError),
    /// The file is not such a document, or another version of the program wrote it.
    #[error("cannot use {0:?}: {1}")]
    Malformed(PathBuf, String),
    /// The document does not have this part.
    #[error("cannot read this node's engines without root, and {0:?} has no {1} either")]
    Without(PathBuf, &'static str),
}

/// The part of the document that takes root.
#[derive(Deserialize)]
struct Document {
    schema: u32,
    containers: Option<Containers>,
    runtimes: Option<RuntimeNames>,
}

/// Writes the document.
pub(super) fn write(paths: &Paths, status: &NodeStatus) -> Result<(), WriteError> {
    let path = &paths.status;
    if let Some(directory) = path.parent() {
        // Nobody else may write to the directory, whatever umask the caller has.
        let mut made = DirBuilder::new();
        let made = made.recursive(true).mode(0o755).create(directory);
        made.map_err(|cause| WriteError::new(path, cause))?;
    }
    let text = json::pretty(status) + "\n";
    replace::replace(path, 0o644, text.as_bytes())
}

/// The oldest stored look at the containers that still counts, in seconds. A timer looks every five
/// minutes.
const OLDEST: u64 = 900;

/// Why this look at the containers says nothing about the present; `None` if it does.
pub(in crate::ctl) fn doubt(found: &Containers, now: Timestamp) -> Option<String> {
    let (age, ahead) = (now.since(found.at), found.at.since(now));
    if age > OLDEST {
        Some(format!("the containers were looked at {} ago", span(age)))
    } else if ahead > OLDEST {
        let at = found.at;
        Some(format!(
            "the containers were looked at {at}, which is ahead"
        ))
    } else {
        None
    }
}

/// Whether this caller has to use the document. Read as an ordinary user, a node looks empty.
pub(super) fn is_needed(paths: &Paths) -> bool {
    !process::is_privileged() && paths.root == Path::new("/")
}

/// The containers in the document.
pub(super) fn containers(paths: &Paths) -> Result<Containers, StoredError> {
    let found = document(paths)?.containers;
    found.ok_or_else(|| StoredError::Without(paths.status.clone(), "containers"))
}

/// The runtime names in the document.
pub(super) fn runtimes(paths: &Paths) -> Result<RuntimeNames, StoredError> {
    let found = document(paths)?.runtimes;
    found.ok_or_else(|| StoredError::Without(paths.status.clone(), "runtime names"))
}

fn document(paths: &Paths) -> Result<Document, StoredError> {
    let path = &paths.status;
    let bytes = match directory::read_owned(&paths.root, path, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return Err(StoredError::Missing(path.clone())),
        Err(error) => return Err(StoredError::File(error)),
    };
    match serde_json::from_slice::<Document>(&bytes) {
        Ok(Document { schema, .. }) if schema != SCHEMA => {
            let fault = format!("expected schema {SCHEMA}, found {schema}");
            Err(StoredError::Malformed(path.clone(), fault))
        }
        Ok(document) => Ok(document),
        Err(error) => Err(StoredError::Malformed(path.clone(), error.to_string())),
    }
}
