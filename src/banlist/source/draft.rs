//! Reads what the authors of a list write, mistakes included.
//!
//! In: what [`super::Source`] reads, `bans.toml` and its files of digests. Out: [`Draft`]: each ban
//! as far as it can be read, every value with its line, and every fault that keeps a list from
//! being built, not only the first. `list lint` works on it; no list is built from it. Three
//! mistakes that the strict reading refuses are values here and no faults, because the linter has
//! more to say about them: an ID that occurs twice, a ban without a match, an exception without an
//! end. Not checked: whether a ban lapses before it holds, and whatever else takes more than one
//! value.

mod ban;
mod reader;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use ban::{DraftBan, DraftException, DraftMatch, DraftPatch, Mistake, Placed};
use reader::{DraftReader, MAX_FAULTS};

use super::fault::SourceFault;
use super::{MAX_DIGESTS, MAX_SOURCE, written};
use crate::sys::file::{self, FileError, Guard};

/// A source as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The file.
    pub path: PathBuf,
    /// Its bans, in its order.
    pub bans: Vec<DraftBan>,
    /// The faults that keep it from being read.
    pub faults: Vec<Mistake>,
}

impl Draft {
    /// Reads `bans.toml` at `path` and the files that it names.
    ///
    /// # Errors
    /// [`FileError`] when `path` itself cannot be read.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let text = file::read_text(path, MAX_SOURCE, Guard::Any)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let mut draft = Self::parse(path, &text, |name| {
            file::read(&directory.join(name), MAX_DIGESTS, Guard::Any)
        });
        if let Err(fault) = written::check_not_empty(&text) {
            draft.faults.push(Mistake {
                file: path.to_owned(),
                line: 1,
                what: fault.what,
            });
        }
        Ok(draft)
    }

    /// Reads the text of a `bans.toml` that is called `path`; `open` reads the files of digests
    /// that it names.
    #[must_use]
    pub fn parse(
        path: &Path,
        text: &str,
        open: impl Fn(&Path) -> Result<Vec<u8>, FileError>,
    ) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut reader = DraftReader::new(path, text, open);
        for error in errors.iter().take(MAX_FAULTS) {
            reader.fault(SourceFault::of_toml(error));
        }
        // What follows a syntax error is guesswork, and would be reported as a mistake of its own.
        let bans = if errors.is_empty() {
            reader.document(root.into_inner())
        } else {
            Vec::new()
        };
        Self {
            path: path.to_owned(),
            bans,
            faults: reader.faults,
        }
    }
}
