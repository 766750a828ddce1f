//! Defines the reasons why a lineage is not known.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::digest::Digest;
use crate::container::mount::MountError;
use crate::sys::file::FileError;

/// Why a lineage is not known.
#[derive(Debug)]
pub enum LineageError {
    /// The engine or container is not recognised, or a record is missing. The setting
    /// `on_unknown_image` decides what happens.
    Unknown(Unknown),
    /// The store is corrupt or contradicts the mount. The container is refused, whatever the
    /// settings say.
    Corrupt(Corrupt),
}

/// The reason why a lineage is not known: something is missing.
#[derive(Debug)]
pub enum Unknown {
    /// The paths of bundle and root do not have the shape that a known engine gives them.
    Engine(PathBuf),
    /// The engine has no record of this container or image: what was looked for, and where.
    NoRecord(&'static str, PathBuf),
    /// A file of the engine's store could not be read.
    File(FileError),
    /// The bundle does not contain what is needed.
    Bundle(Box<dyn std::error::Error + Send + Sync>),
    /// What is mounted at the root cannot be resolved, and the engine keeps no record of it.
    Mount(PathBuf),
    /// The time for resolving has run out.
    Deadline,
    /// The container ID is not safe to use in a path.
    Id(OsString),
    /// The command line has too many possible meanings.
    Call,
}

/// A contradiction: something is false or damaged.
#[derive(Debug)]
pub enum Corrupt {
    /// A file of the store is not what the engine writes: the file, and what is wrong with it.
    File(PathBuf, String),
    /// A hash does not match: the file or record, the expected hash, the actual hash.
    Hash(PathBuf, Digest, Digest),
    /// The mount is not the one in the engine's record: the root, and the difference.
    Mount(PathBuf, String),
}

impl From<Unknown> for LineageError {
    fn from(cause: Unknown) -> Self {
        Self::Unknown(cause)
    }
}

impl From<MountError> for LineageError {
    fn from(cause: MountError) -> Self {
        Self::Unknown(Unknown::Bundle(Box::new(cause)))
    }
}

impl From<Corrupt> for LineageError {
    fn from(cause: Corrupt) -> Self {
        Self::Corrupt(cause)
    }
}

impl fmt::Display for LineageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(cause) => cause.fmt(f),
            Self::Corrupt(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for LineageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unknown(Unknown::File(error)) => error.source(),
            Self::Unknown(Unknown::Bundle(error)) => error.source(),
            Self::Unknown(
                Unknown::Engine(_)
                | Unknown::NoRecord(..)
                | Unknown::Mount(_)
                | Unknown::Deadline
                | Unknown::Id(_)
                | Unknown::Call,
            )
            | Self::Corrupt(_) => None,
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(bundle) => {
                write!(f, "cannot tell which engine made the bundle {bundle:?}")
            }
            Self::NoRecord(what, place) => write!(f, "cannot find {what} in {place:?}"),
            Self::File(error) => error.fmt(f),
            Self::Bundle(error) => error.fmt(f),
            Self::Mount(root) => write!(f, "cannot tell what is mounted at {root:?}"),
            Self::Deadline => f.write_str("cannot tell the lineage in time"),
            Self::Id(id) => write!(f, "cannot use {id:?} as a container ID"),
            Self::Call => f.write_str("cannot tell the command line's flags from their values"),
        }
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, fault) => write!(f, "cannot trust {path:?}: {fault}"),
            Self::Hash(path, expected, found) => write!(
                f,
                "cannot trust {path:?}: it hashes to {found}, not to {expected}"
            ),
            Self::Mount(root, difference) => {
                write!(f, "cannot trust the mount at {root:?}: {difference}")
            }
        }
    }
}
