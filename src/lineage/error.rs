//! Defines the reasons why a lineage is not known.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::digest::Digest;
use crate::container::mount::MountError;
use crate::sys::deadline::Deadline;
use crate::sys::file::FileError;

/// Why a lineage is not known.
#[derive(Debug, Error)]
#[error(transparent)]
pub enum LineageError {
    /// The engine or container is not recognised, or a record is missing. The setting
    /// `on_unknown_image` decides what happens.
    Unknown(#[from] Unknown),
    /// The store is corrupt or contradicts the mount. The container is refused, whatever the
    /// settings say.
    Corrupt(#[from] Corrupt),
}

/// The reason why a lineage is not known: something is missing.
#[derive(Debug, Error)]
pub enum Unknown {
    /// The paths of bundle and root do not have the shape that a known engine gives them.
    #[error("cannot tell which engine made the bundle {0:?}")]
    Engine(PathBuf),
    /// The engine has no record of this container or image: what was searched for, and where.
    #[error("cannot find {0} in {1:?}")]
    NoRecord(&'static str, PathBuf),
    /// A file of the engine's store could not be read.
    #[error(transparent)]
    File(FileError),
    /// The bundle, or the state that a hook gets, does not contain what is needed.
    #[error(transparent)]
    Bundle(Box<dyn std::error::Error + Send + Sync>),
    /// What is mounted at the root cannot be resolved, and the engine has no record of the
    /// container.
    #[error("cannot tell what is mounted at {0:?}")]
    Mount(PathBuf),
    /// The time for resolving has run out.
    #[error("cannot tell the lineage in time")]
    Deadline,
    /// The container ID is not safe to use in a path.
    #[error("cannot use {0:?} as a container ID")]
    Id(OsString),
    /// The command line has too many possible meanings.
    #[error("cannot tell the command line's flags from their values")]
    Call,
}

/// A contradiction: something is false or damaged.
#[derive(Debug, Error)]
pub enum Corrupt {
    /// A file of the store is not what the engine writes: the file, and what is wrong with it.
    #[error("cannot trust {0:?}: {1}")]
    File(PathBuf, String),
    /// A hash does not match: the file or record, the expected hash, the actual hash.
    #[error("cannot trust {0:?}: it hashes to {2}, not to {1}")]
    Hash(PathBuf, Digest, Digest),
    /// The mount is not the one in the engine's record: the root, and the difference.
    #[error("cannot trust the mount at {0:?}: {1}")]
    Mount(PathBuf, String),
}

impl LineageError {
    /// The file or directory with the fault, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unknown(Unknown::File(error)) => Some(error.path()),
            Self::Unknown(
                Unknown::Engine(path) | Unknown::NoRecord(_, path) | Unknown::Mount(path),
            )
            | Self::Corrupt(
                Corrupt::File(path, _) | Corrupt::Hash(path, ..) | Corrupt::Mount(path, _),
            ) => Some(path),
            Self::Unknown(
                Unknown::Bundle(_) | Unknown::Deadline | Unknown::Id(_) | Unknown::Call,
            ) => None,
        }
    }
}

impl From<MountError> for LineageError {
    fn from(cause: MountError) -> Self {
        Self::Unknown(Unknown::Bundle(Box::new(cause)))
    }
}

/// Names the file in which a fault was found.
pub(super) trait InFile<T> {
    /// [`Corrupt::File`] with this error as the fault.
    fn in_file(self, path: &Path) -> Result<T, Corrupt>;
}

impl<T, E: Display> InFile<T> for Result<T, E> {
    fn in_file(self, path: &Path) -> Result<T, Corrupt> {
        self.map_err(|fault| Corrupt::File(path.to_owned(), fault.to_string()))
    }
}

/// [`Unknown::Deadline`] when the time is over.
pub(super) fn in_time(deadline: &Deadline) -> Result<(), Unknown> {
    if deadline.is_over() {
        Err(Unknown::Deadline)
    } else {
        Ok(())
    }
}
