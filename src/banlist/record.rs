//! Defines what a ban says: its record in the compiled list, as the verdict reads it.
//!
//! In: JSON lines from the list's records section, whose bytes were hashed before they are parsed.
//! Out: [`Ban`] and [`ListEntry`]. An unknown field makes a line unreadable: it may have been meant to
//! narrow the ban, or to widen it. Not checked here: whether a ban makes sense; that is the
//! source's and the linter's work.
//!
//! ```text
//! {"id":"BAN-2026-0007","reason":"…","severity":"critical","action":"refuse","effective":"2026-11-20T00:00:00Z",…}      a ban
//! {"matches":[{"kind":"base","name":"docker.io/library/debian:12.4","platform":"linux/amd64","ban":0}]}                 an entry
//! ```
//!
//! A leaf of the tree points to an entry, and an entry to its bans, each by the offset of the line.
//! Digests that are banned alike share one entry line.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::clock::Timestamp;

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// Its name, as people cite it: `BAN-2026-0007`.
    pub id: String,
    /// Why, in a few words.
    pub reason: String,
    /// Advisories such as `CVE-2026-1234`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What a match does.
    pub action: Action,
    /// When it takes effect.
    pub effective: Timestamp,
    /// When it lapses, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapses: Option<Timestamp>,
    /// What to use instead: an image reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// What it does not hold for, and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Exception>,
    /// Diff IDs of layers that cure it: an image that also carries one of them is admitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cure: Vec<Digest>,
    /// What to run in containers that already have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Patch>,
}

/// How bad a ban's cause is; lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nice to know.
    Low,
    /// Worth a plan.
    Medium,
    /// Worth a day.
    High,
    /// Drop everything.
    Critical,
}

impl Severity {
    /// The name used in the list, in refusals and in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a match does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Refuse the container.
    Refuse,
    /// Admit it and say so in the system log.
    Warn,
}

impl Action {
    /// The name used in the list and in its source.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Warn => "warn",
        }
    }
}

/// What a list entry's digest is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchKind {
    /// The chain ID of one of the container's stacks of layers.
    Base,
    /// The image's config, manifest or index digest.
    Image,
    /// The diff ID of a layer, at any position.
    Layer,
}

impl MatchKind {
    /// The name used in the list and in its source.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Image => "image",
            Self::Layer => "layer",
        }
    }
}

/// A set of kinds of match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// This set with `kind`.
    #[must_use]
    pub const fn with(self, kind: MatchKind) -> Self {
        Self(self.0 | Self::bit(kind))
    }

    /// Whether `kind` is in it.
    #[must_use]
    pub const fn has(self, kind: MatchKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// The kinds in it for which `passes` is true.
    #[must_use]
    pub fn filter(self, mut passes: impl FnMut(MatchKind) -> bool) -> Self {
        let kinds = [MatchKind::Base, MatchKind::Image, MatchKind::Layer];
        kinds
            .into_iter()
            .filter(|kind| self.has(*kind) && passes(*kind))
            .fold(Self::NONE, Self::with)
    }

    /// The set as a leaf holds it.
    #[cfg(feature = "ctl")]
    pub(super) const fn byte(self) -> u8 {
        self.0
    }

    const fn bit(kind: MatchKind) -> u8 {
        match kind {
            MatchKind::Base => 1,
            MatchKind::Image => 2,
            MatchKind::Layer => 4,
        }
    }

    /// The set that a leaf holds as `byte`; `None` for no set or an unknown bit.
    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        if byte >= 1 && byte <= 7 {
            Some(Self(byte))
        } else {
            None
        }
    }
}

/// What a ban does not hold for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What the digest is compared with.
    pub kind: MatchKind,
    /// Chain ID, image digest or diff ID, by `kind`.
    pub digest: Digest,
    /// The first second at which the exception no longer holds.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Where it was agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// What to run in containers that already have the banned content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// A command that exits 0 when nothing needs to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Vec<String>>,
    /// The digest of a script. The script is not part of the list: the patch runs only where
    /// somebody provides a file with this digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Digest>,
    /// The command; with a script, its arguments, if any.
    pub run: Vec<String>,
    /// Seconds after which nothing of it may still run.
    pub timeout: u64,
    /// Numeric `uid:gid`; `0:0` by default.
    pub user: String,
}

impl Patch {
    /// What it runs, in shell syntax, for the person who signs or types it: one line each for the
    /// command, the check, and user and time.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let script = self
            .script
            .map(|digest| format!("script {digest} "))
            .unwrap_or_default();
        let mut lines = vec![
            format!("patch: {script}{}", typed(&self.run))
                .trim_end()
                .to_owned(),
        ];
        lines.extend(
            self.check
                .as_ref()
                .map(|check| format!("patch check: {}", typed(check))),
        );
        let unit = if self.timeout == 1 {
            "second"
        } else {
            "seconds"
        };
        lines.push(format!(
            "patch runs as {} within {} {unit}",
            line::name(&self.user),
            self.timeout
        ));
        lines
    }
}

/// A command as a person types it.
fn typed(arguments: &[String]) -> String {
    let words: Vec<_> = arguments
        .iter()
        .map(|argument| line::shell_word(argument))
        .collect();
    words.join(" ")
}

/// A digest that is in the list and in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The digest.
    pub digest: Digest,
    /// The kind as which it was banned.
    pub kind: MatchKind,
    /// The banned thing's name for people. Never matched.
    pub name: Option<String>,
    /// The banned thing's platform, `os/architecture[/variant]`, for people. Never matched.
    pub platform: Option<String>,
    /// The ban, which other matches may share.
    pub ban: Arc<Ban>,
}

/// The largest script that a patch can be, in bytes.
pub const MAX_SCRIPT: u64 = 64 << 20;

/// The longest line of the records section, its line feed included, in bytes.
pub const MAX_LINE: usize = 64 << 10;

/// The most that an entry line and its ban lines weigh together, see [`weight`]: everything that a
/// list says about one digest.
pub const MAX_WEIGHT: u64 = 128 << 10;

/// The most matches of an entry line: whoever reads one reads all of its bans, and a start waits
/// for it.
pub const MAX_MATCHES: usize = 64;

/// The kinds and bans of a digest of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListEntry {
    /// One for each kind, ban and name, at most [`MAX_MATCHES`].
    pub matches: Vec<EntryMatch>,
}

impl ListEntry {
    /// Reads an entry line; `None` when it is none, or has no matches or too many.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        parse(line).filter(|entry: &Self| (1..=MAX_MATCHES).contains(&entry.matches.len()))
    }
}

/// One reason why a digest is in the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryMatch {
    /// The kind as which it is banned.
    pub kind: MatchKind,
    /// The banned thing's name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The banned thing's platform, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The offset of the ban's line in the records section.
    pub ban: u64,
}

/// What reading a line costs, in bytes: its own, and for each of its parts the memory that the part
/// takes, however short it is.
#[must_use]
pub fn weight(line: &[u8]) -> u64 {
    line.iter().fold(0, |weight, byte| {
        weight + if *byte == b',' { 48 } else { 1 }
    })
}

/// Reads a line of the records section; `None` when it is not a `T`.
#[must_use]
pub fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}
