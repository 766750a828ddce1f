//! What did the authors write?
//!
//! In: `bans.toml`, reviewed in version control, and the text files of digests that it names. Out: [`Source`], every value checked. Strict, because a
//! misspelt key that is ignored is a ban that does not hold: each fault is one line with file and line number. Not checked here: what `list lint` is
//! for, such as a ban that hits its own successor.
//!
//! ```toml
//! [[ban]]
//! id = "BAN-2026-0007"
//! reason = "remote code execution in the resolver"
//! advisories = ["CVE-2026-1234"]
//! severity = "critical"                                # low, medium, high, critical
//! action = "refuse"                                    # or "warn"; "refuse" when left out
//! effective = 2026-11-20
//! lapses = 2027-11-20                                  # optional
//! successor = "docker.io/library/debian:12.5"          # optional
//! cure = ["sha256:…"]                                  # optional: diff IDs of layers that bring the fix
//!
//! [[ban.match]]                                        # at least one
//! base = "sha256:…"                                    # or image = , layer = ; or base_file = "digests.txt", image_file = , layer_file =
//! name = "docker.io/library/debian:12.4"               # optional, shown and never matched
//! platform = "linux/amd64"                             # optional, shown and never matched
//!
//! [[ban.except]]                                       # optional
//! image = "sha256:…"
//! until = 2026-12-24
//! reason = "replaced with release 7"
//! ticket = "OPS-4711"                                  # optional
//!
//! [ban.patch]                                          # optional
//! check = ["sh", "-c", "dpkg --compare-versions …"]    # optional
//! run = ["apt-get", "install", "-y", "--only-upgrade", "libc6"]
//! timeout = "10m"                                      # "10m" when left out
//! user = "0:0"                                         # "0:0" when left out
//! ```
//!
//! A file of digests stands beside `bans.toml` or below its folder: one `sha256:…` a line, empty lines and lines that start with `#` aside.

pub mod draft;
mod written;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::lineage::digest::Digest;
use crate::sys::file::{self, FileError, Guard};

use super::record::{Ban, MatchKind};
use written::{Document, Fault, Target};
pub use written::{MAX_REASON, is_id, is_reason};

/// The largest `bans.toml`, in bytes.
pub const MAX_SOURCE: u64 = 64 << 20;

/// The largest file of digests, in bytes: ten million of them.
pub const MAX_DIGESTS: u64 = 1 << 30;

/// What the authors wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The bans, in the order of the source.
    pub bans: Vec<Ban>,
    /// What they hold for, in the order of the source.
    pub matches: Vec<Banned>,
    /// SHA-256 of `bans.toml` and then of each file of digests, in the order in which they are named.
    pub digest: Digest,
    /// Bytes of all of them.
    pub size: u64,
}

/// What one `match` of a ban holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banned {
    /// The ban's place in [`Source::bans`].
    pub ban: usize,
    /// As what the digests are banned.
    pub kind: MatchKind,
    /// The name for people.
    pub name: Option<String>,
    /// The platform for people.
    pub platform: Option<String>,
    /// The digests: one, or those of a file.
    pub digests: Vec<Digest>,
}

/// Why a source cannot be used.
#[derive(Debug)]
pub enum SourceError {
    /// A file cannot be read.
    File(FileError),
    /// A line is not what it should be: the file, the line, what is wrong.
    Line(PathBuf, usize, String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Line(path, line, fault) => write!(f, "cannot use {path:?}: line {line}: {fault}"),
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Line(..) => None,
        }
    }
}

impl From<FileError> for SourceError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl Source {
    /// Reads `bans.toml` at `path` and the files that it names.
    ///
    /// # Errors
    /// [`SourceError`] for the first fault.
    pub fn load(path: &Path) -> Result<Self, SourceError> {
        let text = file::read_text(path, MAX_SOURCE, Guard::Any)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(path, &text, |name| file::read(&folder.join(name), MAX_DIGESTS, Guard::Any))
    }

    /// Reads the text of a `bans.toml`, which errors call `path`; `open` reads the files of digests that it names.
    ///
    /// # Errors
    /// [`SourceError`] for the first fault.
    pub fn parse(path: &Path, text: &str, open: impl Fn(&Path) -> Result<Vec<u8>, FileError>) -> Result<Self, SourceError> {
        let at = |fault: Fault| SourceError::Line(path.to_owned(), line_of(text, fault.at), fault.what);
        let document = Document::parse(text).map_err(at)?;
        let mut hasher = Sha256::new_with_prefix(text);
        let mut source = Self { bans: Vec::new(), matches: Vec::new(), digest: Digest::of(b""), size: text.len() as u64 };
        let mut ids = HashSet::new();
        for (ban, written) in document.bans.iter().enumerate() {
            let read = written.get_ref().ban(written.span().start).map_err(at)?;
            if let Some(id) = written.get_ref().id.as_ref().filter(|id| !ids.insert(id.get_ref().as_str())) {
                return Err(at(Fault::new(id, format!("{:?} stands here for the second time", id.get_ref()))));
            }
            source.bans.push(read);
            for found in &written.get_ref().matches {
                let found = found.checked().map_err(at)?;
                let digests = match found.target {
                    Target::Digest(digest) => vec![digest],
                    Target::File(name, place) => {
                        let name =
                            beside(name).ok_or_else(|| at(Fault { at: place, what: format!("{name:?} is not a file beside this one") }))?;
                        let bytes = open(name)?;
                        hasher.update(&bytes);
                        source.size += bytes.len() as u64;
                        digests(&bytes)
                            .map_err(|line| SourceError::Line(path.with_file_name(name), line, "expected sha256:DIGEST".to_owned()))?
                    }
                };
                source.matches.push(Banned { ban, kind: found.kind, name: found.name, platform: found.platform, digests });
            }
        }
        source.digest = Digest::from_bytes(hasher.finalize().into());
        Ok(source)
    }
}

/// The path when it leads into the folder of the source or below.
fn beside(name: &str) -> Option<&Path> {
    let path = Path::new(name);
    let inside = path.components().all(|component| matches!(component, Component::Normal(_)));
    (inside && !name.is_empty()).then_some(path)
}

/// The digests of a file; the number of the first line that is none.
fn digests(bytes: &[u8]) -> Result<Vec<Digest>, usize> {
    let mut digests = Vec::with_capacity(bytes.len() / 72);
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if !line.is_empty() && line[0] != b'#' {
            digests.push(std::str::from_utf8(line).ok().and_then(|line| Digest::parse(line).ok()).ok_or(at + 1)?);
        }
    }
    Ok(digests)
}

/// The line, counted from 1, in which the byte at `at` stands.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
