//! Defines the record of a ban in a compiled list, as the verdict reads it.
//!
//! In: JSON lines from the list's records section. The bytes of a line are hashed before the line
//! is parsed. Out: [`Ban`] and [`ListEntry`]. A line with an unknown field is refused, because the
//! field may narrow the ban or widen it. Not checked here: whether a ban makes sense; the source
//! and `list lint` check that.
//!
//! ```text
//! {"id":"BAN-2026-0007","reason":"…","severity":"critical","action":"refuse","effective":"2026-11-20T00:00:00Z",…}      a ban
//! {"matches":[{"kind":"base","name":"docker.io/library/debian:12.4","platform":"linux/amd64","ban":0}]}                 an entry
//! ```
//!
//! A leaf of the tree points to an entry line, and the entry line to its bans and to bases of the
//! catalogue (see [`catalogue`](super::catalogue)), each by the offset of the line. Digests that
//! are banned in the same way share one entry line.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::clock::Timestamp;

use super::catalogue::CatalogueMatch;
pub use super::kinds::Kinds;

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// The ban's ID, as people write it: `BAN-2026-0007`.
    pub id: String,
    /// Why the ban exists, in a few words.
    pub reason: String,
    /// The advisories for the ban's cause, such as `CVE-2026-1234`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<String>,
    /// How bad the ban's cause is.
    pub severity: Severity,
    /// What happens to a container that matches.
    pub action: Action,
    /// When the ban takes effect.
    pub effective: Timestamp,
    /// When the ban lapses, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapses: Option<Timestamp>,
    /// The first second at which the ban also refuses containers that were made before it took
    /// effect. Without this time, it refuses them as soon as it is in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing_until: Option<Timestamp>,
    /// The image to use instead, as a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// What the ban does not apply to, and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Exception>,
    /// Diff IDs of layers that contain the fix. An image that also has one of these layers is
    /// admitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cure: Vec<Digest>,
    /// What to run in containers that already run on the banned content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Patch>,
}

/// How bad a ban's cause is, the lowest severity first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know; there is no hurry.
    Low,
    /// The fix is worth planning.
    Medium,
    /// The fix is worth a day of work.
    High,
    /// The fix goes before all other work.
    Critical,
}

impl Severity {
    /// The name in the list, in refusals and in reports.
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

/// What happens to a container that matches a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Refuse the container.
    Refuse,
    /// Admit the container, and write an event to the system log.
    Warn,
}

impl Action {
    /// The name in the list and in its source.
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
    /// The name in the list and in its source.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Image => "image",
            Self::Layer => "layer",
        }
    }
}

/// An exception: something that a ban does not apply to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What the digest is compared with.
    pub kind: MatchKind,
    /// A chain ID, an image digest or a diff ID, depending on `kind`.
    pub digest: Digest,
    /// The first second at which the exception no longer applies.
    pub until: Timestamp,
    /// Why the exception exists.
    pub reason: String,
    /// Where the exception was agreed, such as a ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// What to run in containers that already run on the banned content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// A command that exits 0 if the container needs no patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Vec<String>>,
    /// The digest of a script. The script is not part of the list. The patch can only be applied
    /// where somebody provides a file with this digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Digest>,
    /// The command to run. With a script: the arguments of the script, if any.
    pub run: Vec<String>,
    /// After this many seconds, no process of the patch may still run.
    pub timeout: u64,
    /// The user and group, as `uid:gid` in numbers; `0:0` by default.
    pub user: String,
}

impl Patch {
    /// The patch as text for the person who signs the list or types the command: one line for the
    /// command, one for the check, and one for the user and the time limit. Commands are in shell
    /// syntax.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("patch: {}", self.command())];
        lines.extend(
            self.typed_check()
                .map(|check| format!("patch check: {check}")),
        );
        lines.push(format!("patch runs {}", self.terms()));
        lines
    }

    /// The command, with the script if there is one, in shell syntax.
    #[must_use]
    pub fn command(&self) -> String {
        match self.script {
            Some(digest) => format!("script {digest} {}", typed(&self.run))
                .trim_end()
                .to_owned(),
            None => typed(&self.run),
        }
    }

    /// The check in shell syntax.
    #[must_use]
    pub fn typed_check(&self) -> Option<String> {
        self.check.as_deref().map(typed)
    }

    /// As whom the patch runs, and for how long.
    #[must_use]
    pub fn terms(&self) -> String {
        let unit = if self.timeout == 1 {
            "second"
        } else {
            "seconds"
        };
        format!(
            "as {} within {} {unit}",
            line::name(&self.user),
            self.timeout
        )
    }
}

/// A command as it is typed in a shell.
fn typed(arguments: &[String]) -> String {
    let words: Vec<_> = arguments
        .iter()
        .map(|argument| line::shell_word(argument))
        .collect();
    words.join(" ")
}

/// A digest that the list bans and the container has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The digest.
    pub digest: Digest,
    /// The kind as which the digest is banned.
    pub kind: MatchKind,
    /// The name of what is banned. The name is shown and never compared.
    pub name: Option<String>,
    /// The platform of what is banned, `os/architecture[/variant]`. The platform is shown and never
    /// compared.
    pub platform: Option<String>,
    /// The ban. Other matches may share it.
    pub ban: Arc<Ban>,
}

/// The largest script of a patch, in bytes.
pub const MAX_SCRIPT: u64 = 64 << 20;

/// The longest line of the records section, in bytes, including its line feed.
pub const MAX_LINE: usize = 64 << 10;

/// The largest weight (see [`weight`]) of an entry line and its ban lines together, that is, of
/// everything that a list says about one digest.
pub const MAX_WEIGHT: u64 = 128 << 10;

/// How many matches an entry line may have. Reading an entry line means reading all its bans, and a
/// container start waits until all of them are read.
pub const MAX_MATCHES: usize = 64;

/// Why a digest is in the list: its kinds, and its bans or bases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListEntry {
    /// One match for each kind, ban and name, and for each base; at most [`MAX_MATCHES`].
    pub matches: Vec<EntryMatch>,
}

impl ListEntry {
    /// Reads an entry line; `None` when the line is not an entry line, or has no matches or too
    /// many.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        parse(line).filter(|entry: &Self| (1..=MAX_MATCHES).contains(&entry.matches.len()))
    }
}

/// One reason why a digest is in the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EntryMatch {
    /// A ban bans the digest.
    Ban(BanMatch),
    /// A base of the catalogue has the digest.
    Catalogue(CatalogueMatch),
}

/// A ban of a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BanMatch {
    /// The kind as which the digest is banned.
    pub kind: MatchKind,
    /// The name of what is banned. The name is only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The platform of what is banned. The platform is only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The offset of the ban's line in the records section.
    pub ban: u64,
}

/// The cost of reading a line, in bytes: the length of the line, and a fixed amount of memory for
/// each comma, that is, for each part of the line.
#[must_use]
pub fn weight(line: &[u8]) -> u64 {
    line.iter().fold(0, |weight, byte| {
        weight + if *byte == b',' { 48 } else { 1 }
    })
}

/// Reads a line of the records section; `None` when the line does not hold a `T`.
#[must_use]
pub fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}
