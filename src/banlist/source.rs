//! Reads the source of a list, which its authors write.
//!
//! In: `bans.toml`, which is reviewed in version control, and the text files of digests that it
//! names. Out: [`Source`]; every value in it has been checked. Reading is strict: if a misspelt key
//! were ignored, a ban would not take effect. Every error is one line with file and line number.
//! Not checked here: what `list lint` looks for, such as a ban that matches its own successor.
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
//! existing_until = 2026-12-20                          # optional
//! successor = "docker.io/library/debian:12.5"          # optional
//! cure = ["sha256:…"]                                  # optional: diff IDs of layers that have the fix
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
//! A file of digests must be in the directory of `bans.toml` or below it. The file has one
//! `sha256:…` on each line; empty lines and lines that start with `#` are ignored.

mod fault;
mod values;
mod digests;
mod written;
pub mod draft;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::lineage::digest::Digest;
use crate::sys::file::{self, FileError, Guard};

use super::ban::{Ban, MatchKind};
pub use super::text::is_id;
use super::watch::Watch;
use digests::DigestsError;
use fault::SourceFault;
pub use values::{MAX_REASON, is_reason};
use written::{MatchTarget, WrittenSource};

/// The largest `bans.toml`, in bytes.
pub const MAX_SOURCE: u64 = 64 << 20;

/// The largest file of digests, in bytes: enough for ten million digests.
pub const MAX_DIGESTS: u64 = 1 << 30;

/// How many occurrences of one digest are reported.
pub const MAX_PLACES: usize = 4;

/// The source of a list, as its authors wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The bans, in the order of the source.
    pub bans: Vec<Ban>,
    /// The matches of all bans, in the order of the source.
    pub matches: Vec<Banned>,
    /// `bans.toml`, then every file of digests, in the order in which `bans.toml` names them.
    pub files: Vec<PathBuf>,
    /// SHA-256 of all these files, one after the other.
    pub digest: Digest,
    /// The total size of these files, in bytes.
    pub size: u64,
}

/// One `match` of a ban: the digests that it bans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banned {
    /// The position of the ban in [`Source::bans`].
    pub ban: usize,
    /// The kind as which the digests are banned.
    pub kind: MatchKind,
    /// The name of what is banned, to be shown.
    pub name: Option<String>,
    /// The platform of what is banned, to be shown.
    pub platform: Option<String>,
    /// The digests: a single one, or all digests of a file.
    pub digests: Vec<Digest>,
}

/// Why a source cannot be used.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is wrong: the file, the line, what is wrong.
    #[error("cannot use {0:?}: line {1}: {2}")]
    Line(PathBuf, usize, String),
}

impl SourceError {
    /// Turns an error of a file of digests into an error of the source.
    fn of_file(file: &Path, fault: DigestsError) -> Self {
        match fault {
            DigestsError::Io(error) => Self::File(FileError::Io(file.to_owned(), error)),
            DigestsError::TooLarge(limit) => {
                Self::File(FileError::TooLarge(file.to_owned(), limit))
            }
            DigestsError::Line(line, fault) => Self::Line(file.to_owned(), line, fault),
        }
    }
}

impl Source {
    /// Reads `bans.toml` at `path` and the files that it names.
    ///
    /// # Errors
    /// [`SourceError`] for the first error.
    pub fn load(path: &Path) -> Result<Self, SourceError> {
        Self::load_watched(path, &())
    }

    /// The same as [`Source::load`], and reports progress to `watch`.
    ///
    /// # Errors
    /// The errors of [`Source::load`].
    pub fn load_watched(path: &Path, watch: &dyn Watch) -> Result<Self, SourceError> {
        let text = file::read_text(path, MAX_SOURCE, Guard::Any)?;
        written::check_not_empty(&text)
            .map_err(|fault| SourceError::Line(path.to_owned(), 1, fault.what))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let open = |name: &Path| {
            let (file, size) = file::open(&directory.join(name), Guard::Any)?;
            watch.expect(size);
            Ok(file)
        };
        Self::read(path, &text, open, watch)
    }

    /// Reads the text of a `bans.toml`. `path` is its name in errors; `open` reads the files of
    /// digests that it names.
    ///
    /// # Errors
    /// [`SourceError`] for the first error.
    pub fn parse(
        path: &Path,
        text: &str,
        open: impl Fn(&Path) -> Result<Vec<u8>, FileError>,
    ) -> Result<Self, SourceError> {
        Self::read(path, text, |name| open(name).map(Cursor::new), &())
    }

    /// The files and lines in which a digest occurs, at most [`MAX_PLACES`], to help in correcting
    /// the source. A file that can no longer be read is left out.
    #[must_use]
    pub fn places(&self, digest: &Digest) -> Vec<(&Path, usize)> {
        let (hex, mut places) = (digest.hex(), Vec::new());
        for path in &self.files {
            let Ok((file, _)) = file::open(path, Guard::Any) else {
                continue;
            };
            let lines = BufReader::new(file.take(MAX_DIGESTS)).split(b'\n');
            for (text, line) in lines.map_while(Result::ok).zip(1..) {
                if places.len() == MAX_PLACES {
                    return places;
                }
                if str::from_utf8(&text).is_ok_and(|text| text.contains(&hex)) {
                    places.push((path.as_path(), line));
                }
            }
        }
        places
    }

    fn read<R: Read>(
        path: &Path,
        text: &str,
        open: impl Fn(&Path) -> Result<R, FileError>,
        watch: &dyn Watch,
    ) -> Result<Self, SourceError> {
        let at = |fault: SourceFault| {
            SourceError::Line(path.to_owned(), line_of(text, fault.at), fault.what)
        };
        let document = WrittenSource::parse(text).map_err(at)?;
        let mut hasher = Sha256::new_with_prefix(text);
        let mut source = Self {
            bans: Vec::new(),
            matches: Vec::new(),
            files: vec![path.to_owned()],
            digest: Digest::of(b""),
            size: text.len() as u64,
        };
        let mut ids = HashSet::new();
        for (ban, written) in document.bans.iter().enumerate() {
            let (start, written) = (written.span().start, written.get_ref());
            source.bans.push(written.ban(start).map_err(at)?);
            if let Some(id) = &written.id
                && !ids.insert(id.get_ref().as_str())
            {
                let what = format_args!("{:?} is here for the second time", id.get_ref());
                return Err(at(SourceFault::new(id, what)));
            }
            for found in &written.matches {
                let found = found.checked().map_err(at)?;
                let digests = match found.target {
                    MatchTarget::Digest(digest) => vec![digest],
                    MatchTarget::File(name, place) => {
                        let name = beside(name, place).map_err(at)?;
                        let file = path.with_file_name(name);
                        let read = digests::read(open(name)?, MAX_DIGESTS, &mut hasher, watch);
                        let (digests, size) =
                            read.map_err(|fault| SourceError::of_file(&file, fault))?;
                        source.size += size;
                        source.files.push(file);
                        digests
                    }
                };
                source.matches.push(Banned {
                    ban,
                    kind: found.kind,
                    name: found.name,
                    platform: found.platform,
                    digests,
                });
            }
        }
        source.digest = Digest::from_bytes(hasher.finalize().into());
        Ok(source)
    }
}

/// The path, if it leads into the directory of the source or below. `at` is the position of `name`
/// in the source.
fn beside(name: &str, at: usize) -> Result<&Path, SourceFault> {
    let path = Path::new(name);
    let inside = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    if inside && !name.is_empty() {
        return Ok(path);
    }
    let what = format!("{name:?} is not a file beside this one");
    Err(SourceFault { at, what })
}

/// The line that contains the byte at `at`, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
