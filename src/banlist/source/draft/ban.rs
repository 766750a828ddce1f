//! Defines a ban as far as it can be read, and what cannot be read.

use std::path::PathBuf;

use crate::banlist::record::{Action, MatchKind, Patch, Severity};
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

/// A value and its line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// The line.
    pub line: usize,
}

/// Something that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// `bans.toml`, or one of its files of digests.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftBan {
    /// The line of its table.
    pub line: usize,
    /// Its name.
    pub id: Option<Placed<String>>,
    /// Advisories.
    pub advisories: Vec<Placed<String>>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// What a match does.
    pub action: Action,
    /// When it takes effect.
    pub effective: Option<Placed<Timestamp>>,
    /// When it lapses.
    pub lapses: Option<Placed<Timestamp>>,
    /// What to use instead.
    pub successor: Option<Placed<String>>,
    /// Layers that cure it.
    pub cure: Vec<Placed<Digest>>,
    /// Whether a match was written, readable or not.
    pub has_match: bool,
    /// What it applies to.
    pub matches: Vec<DraftMatch>,
    /// What it does not apply to.
    pub except: Vec<DraftException>,
    /// What to run.
    pub patch: Option<DraftPatch>,
}

/// One match of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftMatch {
    /// The line of its digest, or of its file's name.
    pub line: usize,
    /// The kind as which the digests are banned.
    pub kind: MatchKind,
    /// The file of digests; `None` for a digest in the source itself.
    pub file: Option<PathBuf>,
    /// The digests, each with its line in its file.
    pub digests: Vec<(Digest, u32)>,
    /// The name for people.
    pub name: Option<Placed<String>>,
    /// The platform for people.
    pub platform: Option<Placed<String>>,
}

/// One exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftException {
    /// The line of its digest.
    pub line: usize,
    /// What the digest is compared with.
    pub kind: MatchKind,
    /// The digest.
    pub digest: Digest,
    /// Its end.
    pub until: Option<Placed<Timestamp>>,
    /// Whether an end was written, readable or not.
    pub has_end: bool,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftPatch {
    /// The line of its table.
    pub line: usize,
    /// The line of its timeout, else of its table.
    pub timeout_line: usize,
    /// The line of its command, else of its table.
    pub run_line: usize,
    /// The patch.
    pub patch: Patch,
}
