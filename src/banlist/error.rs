//! Defines the reasons why a list, a keyset or a floor cannot be used.
//!
//! Every error names its file, fits on one line and is stated once. An error of the operating
//! system is its `source()`.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::lineage::digest::Digest;
use crate::sys::file::FileError;

use super::floor::{Edition, MAX_JUMP};
use super::record::MAX_WEIGHT;
use super::text::Malformed;

/// Why a list, a keyset or a floor cannot be used. The path is that of the file with the error.
#[derive(Debug)]
pub enum ListError {
    /// A file cannot be opened or read as a whole.
    File(FileError),
    /// A part of the list cannot be read.
    Read(PathBuf, io::Error),
    /// The keyset does not have the right format.
    Keyset(PathBuf, Malformed),
    /// The floor does not have the right format.
    Floor(PathBuf, Malformed),
    /// The file is not a list: it has no head.
    NoHead(PathBuf),
    /// The head does not have the right format.
    Head(PathBuf, Malformed),
    /// The list is for another origin: found, expected.
    Origin(PathBuf, String, String),
    /// The list was made for a keyset newer than the node's: needed, the node's.
    NewerKeyset(PathBuf, u64, u64),
    /// Too few trusted keys signed the list.
    Signatures(PathBuf, SignatureTally),
    /// `embargoctl install` did not install the list, and fewer trusted keys signed it than the
    /// lift threshold asks for.
    NotInstalled(PathBuf, SignatureTally),
    /// The file is not as long as its head says: found, expected, in bytes.
    Size(PathBuf, u64, u64),
    /// The list is older than a list that this node has had: found, the floor.
    Rollback(PathBuf, Edition, Edition),
    /// The list's version is higher than the floor's by more than a single step may be: found, the
    /// floor.
    Jump(PathBuf, Edition, Edition),
    /// The list has the same version as the floor but other contents.
    Equivocation(PathBuf, Edition),
    /// The list is older than the settings' `min_version`: found, required.
    TooOld(PathBuf, u64, u64),
    /// A node of the tree is not the one that its parent, or the head, names: level (0 = leaves),
    /// index.
    Node(PathBuf, u8, u64),
    /// The hash of the table of the records' blocks is not the one in the head.
    Table(PathBuf),
    /// The hash of a block of the records is not the one in the table: the number of the block.
    Block(PathBuf, u64),
    /// A record does not have the right format: its offset.
    Record(PathBuf, u64),
    /// The entry counts of the head and the tree differ.
    Counts(PathBuf),
    /// A digest's entry line at this offset and its bans say more than a list may say about one
    /// digest.
    Heavy(PathBuf, u64),
    /// The list says more about one container than the start of the container may read.
    Excess(PathBuf),
    /// The list bans a digest of the query, but what it says about this digest, or about the
    /// others, cannot be read: the digest, and why.
    Unread(Digest, Box<ListError>),
}

/// How many signatures a note has, by the result of checking them.
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
    /// error says nothing about the contents. A missing file, a link and a truncated file do not
    /// count.
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

impl From<FileError> for ListError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Read(path, _) => write!(f, "cannot read {path:?}"),
            Self::Keyset(path, fault) => write!(f, "cannot use keyset {path:?}: {fault}"),
            Self::Floor(path, fault) => write!(f, "cannot use floor {path:?}: {fault}"),
            Self::NoHead(path) => write!(f, "cannot use {path:?}: not a ban list: it has no head"),
            Self::Head(path, fault) => write!(f, "cannot use list {path:?}: head {fault}"),
            Self::Origin(path, found, expected) => write!(
                f,
                "cannot use list {path:?}: it is for {found:?}, not for {expected:?}"
            ),
            Self::NewerKeyset(path, expected, ours) => {
                write!(
                    f,
                    "cannot use list {path:?}: it needs keyset {expected}, this node has keyset {ours}"
                )
            }
            Self::Signatures(path, tally) => write!(f, "cannot trust list {path:?}: {tally}"),
            Self::NotInstalled(path, tally) => {
                write!(
                    f,
                    "cannot trust list {path:?}: it was not installed, so it must be signed like one that lifts bans: {tally}"
                )
            }
            Self::Size(path, found, expected) => write!(
                f,
                "cannot use list {path:?}: it has {found} bytes, its head says {expected}"
            ),
            Self::Rollback(path, found, floor) => write!(
                f,
                "cannot go back to {found} of the list, in {path:?}: this node had {floor}"
            ),
            Self::Jump(path, found, floor) => {
                write!(
                    f,
                    "cannot go to {found} of the list, in {path:?}: more than {MAX_JUMP} above {floor}, the highest that this node had"
                )
            }
            Self::Equivocation(path, edition) => write!(
                f,
                "cannot trust list {path:?}: {edition} was installed with other content"
            ),
            Self::TooOld(path, found, expected) => write!(
                f,
                "cannot use list {path:?}: version {found} is below min_version {expected}"
            ),
            Self::Node(path, level, index) => write!(
                f,
                "cannot trust list {path:?}: node {level}/{index} of its tree is corrupt"
            ),
            Self::Table(path) => {
                write!(f, "cannot trust list {path:?}: its block table is corrupt")
            }
            Self::Block(path, block) => write!(
                f,
                "cannot trust list {path:?}: block {block} of its records is corrupt"
            ),
            Self::Record(path, offset) => write!(
                f,
                "cannot trust list {path:?}: the record at {offset} is malformed"
            ),
            Self::Counts(path) => write!(
                f,
                "cannot trust list {path:?}: its head counts other entries than it has"
            ),
            Self::Heavy(path, offset) => {
                write!(
                    f,
                    "cannot use list {path:?}: the entry at {offset} and its bans say more than {MAX_WEIGHT} bytes"
                )
            }
            Self::Excess(path) => write!(
                f,
                "cannot use list {path:?}: it says more about one container than its start may read"
            ),
            Self::Unread(digest, fault) => write!(f, "cannot read the ban of {digest}: {fault}"),
        }
    }
}

impl std::error::Error for ListError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Read(_, error) => Some(error),
            Self::Unread(_, fault) => fault.source(),
            Self::Keyset(..)
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
            | Self::Excess(_) => None,
        }
    }
}
