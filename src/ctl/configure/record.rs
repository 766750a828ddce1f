//! Keeps the record of what `configure` changed, by which an undo puts back what was there.
//!
//! The record is `/var/lib/embargo/configure/ENGINE.json`, one for each engine. It has the text of
//! each file from before and after the change. A settings file may have secrets, such as a proxy's
//! password, so only root can read the record. In: the node's paths. Out: a [`Record`].

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ConfiguredEngine;
use super::error::ConfigureError;
use super::form::{Form, RuntimeEntry};
use crate::ctl::CtlError;
use crate::paths::Paths;
use crate::report::json;
use crate::sys::file::{self, Guard};
use crate::sys::replace::{self, WriteError};

/// The largest record that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// What was changed for one engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) files: Vec<RecordedFile>,
    /// The directories that were made, the outermost first.
    pub(super) directories: Vec<PathBuf>,
}

/// What was changed in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordedFile {
    pub(super) path: PathBuf,
    pub(super) form: Form,
    pub(super) entry: RuntimeEntry,
    /// The text before the first change; `None` if there was no file.
    pub(super) before: Option<String>,
    /// The text after the last change.
    pub(super) after: String,
    /// What earlier changes added, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) former: Vec<FormerText>,
}

/// What a change added that a later change has replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FormerText {
    pub(super) entry: RuntimeEntry,
    /// The text after that change.
    pub(super) after: String,
}

/// The directory of the records.
pub(super) fn directory(paths: &Paths) -> PathBuf {
    paths.state.join("configure")
}

fn path(paths: &Paths, engine: ConfiguredEngine) -> PathBuf {
    directory(paths).join(format!("{}.json", engine.word()))
}

impl Record {
    /// The record of an engine; `None` if there is none.
    pub(super) fn load(paths: &Paths, engine: ConfiguredEngine) -> Result<Option<Self>, CtlError> {
        let path = path(paths, engine);
        let bytes = match file::read(&path, LARGEST, Guard::Owned) {
            Ok(bytes) => bytes,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match serde_json::from_slice(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(fault) => Err(ConfigureError::Record(path, fault).into()),
        }
    }

    /// Writes the record.
    pub(super) fn save(&self, paths: &Paths, engine: ConfiguredEngine) -> Result<(), WriteError> {
        let directory = directory(paths);
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&directory);
        made.map_err(|error| WriteError::new(&directory, error))?;
        let text = json::pretty(self) + "\n";
        replace::replace(&path(paths, engine), 0o600, text.as_bytes())
    }

    /// Removes what a killed command left of its record. The caller must hold the lock.
    pub(super) fn sweep(paths: &Paths, engine: ConfiguredEngine) -> Result<(), WriteError> {
        replace::sweep(&path(paths, engine)).map(drop)
    }

    /// Removes the record.
    pub(super) fn remove(paths: &Paths, engine: ConfiguredEngine) -> Result<(), WriteError> {
        let path = path(paths, engine);
        std::fs::remove_file(&path).map_err(|error| WriteError::new(&path, error))
    }

    /// The record of this file.
    pub(super) fn file(&self, path: &Path) -> Option<&RecordedFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl RecordedFile {
    /// Whether this is a text that the changes made, or the one from before them. An interrupted
    /// change leaves the text from before it.
    pub(super) fn is_known(&self, text: &str) -> bool {
        text == self.after
            || self.before.as_deref() == Some(text)
            || self.former.iter().any(|former| text == former.after)
    }

    /// Everything that the changes added, the last one first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &RuntimeEntry> {
        let former = self.former.iter().rev().map(|former| &former.entry);
        std::iter::once(&self.entry).chain(former)
    }
}
