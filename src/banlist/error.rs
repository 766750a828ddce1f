//! Defines the reasons why a list, a keyset or a floor cannot be used.
//!
//! Every fault names its file, fits on one line and is stated once. Causes from the operating
//! system, and the fault that hides a ban, are its `source()`.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use thiserror::Error;

use crate::lineage::digest::Digest;
use crate::sys::file::FileError;

use super::ban::MAX_WEIGHT;
use super::floor::{Edition, MAX_JUMP};
use super::text::Malformed;

/// Why a list, a keyset or a floor cannot be used. The path is that of the file with the error.
#[derive(Debug, Error)]
pub enum ListError {
    /// A file cannot be opened or read as a whole.
    #[error(transparent)]
    File(#[from] FileError),
    /// A part of the list cannot be read.
    #[error("cannot read {0:?}")]
    Read(PathBuf, #[source] io::Error),
    /// The keyset does not have the right format.
    #[error("cannot use keyset {0:?}: {1}")]
    Keyset(PathBuf, Malformed),
    /// The floor does not have the right format.
    #[error("cannot use floor {0:?}: {1}")]
    Floor(PathBuf, Malformed),
    /// The file is not a list: it has no head.
    #[error("cannot use {0:?}: not a ban list: it has no head")]
    NoHead(PathBuf),
    /// The head does not have the right format.
    #[error("cannot use list {0:?}: head {1}")]
    Head(PathBuf, Malformed),
    /// The list is for another origin: its origin, the expected origin.
    #[error("cannot use list {0:?}: it is for {1:?}, not for {2:?}")]
    Origin(PathBuf, String, String),
    /// The list was made for a keyset newer than the node's: the number of the list's keyset, the
    /// number of the node's keyset.
    #[error("cannot use list {0:?}: it needs keyset {1}, this node has keyset {2}")]
    NewerKeyset(PathBuf, u64, u64),
    /// Too few trusted keys signed the list.
    #[error("cannot trust list {0:?}: {1}")]
    Signatures(PathBuf, SignatureTally),
    /// `embargoctl install` did not install the list, and fewer trusted keys signed it than the
    /// lift threshold requires.
    #[error(
        "cannot trust list {0:?}: it was not installed, so it must be signed like one that lifts \
         bans: {1}"
    )]
    NotInstalled(PathBuf, SignatureTally),
    /// The file is not as long as its head says: the file's size, the size in the head, in bytes.
    #[error("cannot use list {0:?}: it has {1} bytes, its head says {2}")]
    Size(PathBuf, u64, u64),
    /// The list is older than a list that this node has had: the list's edition, the floor's
    /// edition.
    #[error("cannot go back to {1} of the list, in {0:?}: this node had {2}")]
    Rollback(PathBuf, Edition, Edition),
    /// The list's version is too far above the floor's version: the list's edition, the floor's
    /// edition.
    #[error(
        "cannot go to {1} of the list, in {0:?}: more than {MAX_JUMP} above {2}, the highest that \
         this node had"
    )]
    Jump(PathBuf, Edition, Edition),
    /// The list has the same version as the floor but other contents.
    #[error("cannot trust list {0:?}: {1} was installed with other content")]
    Equivocation(PathBuf, Edition),
    /// The list is older than the settings' `min_version`: the list's version, `min_version`.
    #[error("cannot use list {0:?}: version {1} is below min_version {2}")]
    TooOld(PathBuf, u64, u64),
    /// A node of the tree is not the one that its parent, or the head, names: level (0 = leaves),
    /// index.
    #[error("cannot trust list {0:?}: node {1}/{2} of its tree is corrupt")]
    Node(PathBuf, u8, u64),
    /// The hash of the table of the records' blocks is not the one in the head.
    #[error("cannot trust list {0:?}: its block table is corrupt")]
    Table(PathBuf),
    /// The hash of a block of the records is not the one in the table: the number of the block.
    #[error("cannot trust list {0:?}: block {1} of its records is corrupt")]
    Block(PathBuf, u64),
    /// A record does not have the right format: its offset.
    #[error("cannot trust list {0:?}: the record at {1} is malformed")]
    Record(PathBuf, u64),
    /// The entry counts of the head and the tree differ.
    #[error("cannot trust list {0:?}: its head counts other entries than it has")]
    Counts(PathBuf),
    /// A digest's entry line at this offset and its bans say more than a list may say about one
    /// digest.
    #[error(
        "cannot use list {0:?}: the entry at {1} and its bans say more than {MAX_WEIGHT} bytes"
    )]
    Heavy(PathBuf, u64),
    /// The list says more about one container than the start of the container may read.
    #[error("cannot use list {0:?}: it says more about one container than its start may read")]
    Excess(PathBuf),
    /// The list bans a digest of the query, but what it says about this digest, or about the
    /// others, cannot be read: the digest, and why.
    #[error("cannot read the ban of {0}")]
    Unread(Digest, #[source] Box<ListError>),
}

/// The number of signatures of a note for each result of the check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignatureTally {
    /// How many distinct trusted keys are needed.
    pub needed: usize,
    /// How many distinct trusted keys have a good signature.
    pub good: usize,
    /// Signatures that name a trusted key but are not valid.
    pub bad: usize,
    /// Signatures by keys that are not in the keyset.
    pub unknown: usize,
}

impl SignatureTally {
    /// Whether there is no signature at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.good == 0 && self.bad == 0 && self.unknown == 0
    }
}

impl fmt::Display for SignatureTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            let plural = if self.needed == 1 { "" } else { "s" };
            return write!(
                f,
                "not signed, and {} trusted signature{plural} needed",
                self.needed
            );
        }
        write!(
            f,
            "{} of {} trusted signatures ({} bad, {} by unknown keys)",
            self.good, self.needed, self.bad, self.unknown
        )
    }
}

impl ListError {
    /// The file with the error.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(error) => error.path(),
            Self::Read(path, _)
            | Self::Keyset(path, _)
            | Self::Floor(path, _)
            | Self::NoHead(path)
            | Self::Head(path, _)
            | Self::Origin(path, ..)
            | Self::NewerKeyset(path, ..)
            | Self::Signatures(path, _)
            | Self::NotInstalled(path, _)
            | Self::Size(path, ..)
            | Self::Rollback(path, ..)
            | Self::Jump(path, ..)
            | Self::Equivocation(path, _)
            | Self::TooOld(path, ..)
            | Self::Node(path, ..)
            | Self::Table(path)
            | Self::Block(path, _)
            | Self::Record(path, _)
            | Self::Counts(path)
            | Self::Heavy(path, _)
            | Self::Excess(path) => path,
            Self::Unread(_, fault) => fault.path(),
        }
    }

    /// Whether the error is that the file does not exist.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::File(error) if error.is_absent())
    }

    /// Whether the operating system failed to read the file, as with `EMFILE` and `EIO`. Such an
    /// error says nothing about the contents. The result is `false` for a missing file, a link and
    /// a truncated file.
    #[must_use]
    pub fn is_of_the_system(&self) -> bool {
        match self {
            Self::File(FileError::Io(_, error)) => {
                !self.is_absent() && error.raw_os_error() != Some(libc::ELOOP)
            }
            Self::Read(_, error) => error.kind() != io::ErrorKind::UnexpectedEof,
            Self::File(
                FileError::NotRegular(_)
                | FileError::TooLarge(..)
                | FileError::Unguarded(_)
                | FileError::NotText(_),
            )
            | Self::Keyset(..)
            | Self::Floor(..)
            | Self::NoHead(_)
            | Self::Head(..)
            | Self::Origin(..)
            | Self::NewerKeyset(..)
            | Self::Signatures(..)
            | Self::NotInstalled(..)
            | Self::Size(..)
            | Self::Rollback(..)
            | Self::Jump(..)
            | Self::Equivocation(..)
            | Self::TooOld(..)
            | Self::Node(..)
            | Self::Table(_)
            | Self::Block(..)
            | Self::Record(..)
            | Self::Counts(_)
            | Self::Heavy(..)
            | Self::Excess(_)
            | Self::Unread(..) => false,
        }
    }
}
