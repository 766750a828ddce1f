//! Defines a ban of a draft, as far as it can be read, and the parts that cannot be read.

use std::path::PathBuf;

use crate::banlist::ban::{Action, MatchKind, Patch, Severity};
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

/// A value, and its line in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// The line, counted from 1.
    pub line: usize,
}

/// A part of a source that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// `bans.toml`, or one of the files of digests that it names.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// One ban of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftBan {
    /// The first line of the ban's table.
    pub line: usize,
    /// The ban's ID.
    pub id: Option<Placed<String>>,
    /// The advisories for the ban's cause.
    pub advisories: Vec<Placed<String>>,
    /// How bad the ban's cause is.
    pub severity: Option<Severity>,
    /// What happens to a container that matches.
    pub action: Action,
    /// When the ban takes effect.
    pub effective: Option<Placed<Timestamp>>,
    /// When the ban lapses.
    pub lapses: Option<Placed<Timestamp>>,
    /// Until when containers that were made before may start again.
    pub existing_until: Option<Placed<Timestamp>>,
    /// The image to use instead.
    pub successor: Option<Placed<String>>,
    /// Layers that contain the fix.
    pub cure: Vec<Placed<Digest>>,
    /// Whether the source has a match for the ban, even a match that cannot be read.
    pub has_match: bool,
    /// What the ban applies to.
    pub matches: Vec<DraftMatch>,
    /// What the ban does not apply to.
    pub except: Vec<DraftException>,
    /// What to run in containers that already run on the banned content.
    pub patch: Option<DraftPatch>,
}

/// One match of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftMatch {
    /// The line of the digest, or of the name of the file of digests.
    pub line: usize,
    /// The kind as which the digests are banned.
    pub kind: MatchKind,
    /// The file of digests; `None` if the digest is in the source itself.
    pub file: Option<PathBuf>,
    /// The digests, each with its line in the file.
    pub digests: Vec<(Digest, u32)>,
    /// The name of what is banned, to be shown.
    pub name: Option<Placed<String>>,
    /// The platform of what is banned, to be shown.
    pub platform: Option<Placed<String>>,
}

/// One exception of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftException {
    /// The line of the exception's digest.
    pub line: usize,
    /// What the digest is compared with.
    pub kind: MatchKind,
    /// The digest.
    pub digest: Digest,
    /// When the exception ends.
    pub until: Option<Placed<Timestamp>>,
    /// Whether the source has an end for the exception, even an end that cannot be read.
    pub has_end: bool,
}

/// The patch of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftPatch {
    /// The first line of the patch's table.
    pub line: usize,
    /// The line of the timeout; without a timeout, the line of the table.
    pub timeout_line: usize,
    /// The line of the command; without a command, the line of the table.
    pub run_line: usize,
    /// The patch.
    pub patch: Patch,
}
