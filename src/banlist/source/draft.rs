//! Reads a source including its mistakes, for `list lint`.
//!
//! In: what [`super::Source`] reads, `bans.toml` and its files of digests. Out: [`Draft`]: every
//! ban as far as it can be read, every value with its line, and every error that prevents building
//! a list, not only the first. No list is built from a draft. Three mistakes that [`super::Source`]
//! refuses are values here, not errors, because the linter says more about them: an ID that occurs
//! twice, a ban without a match, and an exception without an end. Not checked: anything that
//! depends on more than one value, such as a ban that lapses before it takes effect.

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

/// A source, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The path of `bans.toml`.
    pub path: PathBuf,
    /// The bans, in the order of the source.
    pub bans: Vec<DraftBan>,
    /// The errors that prevent building a list.
    pub faults: Vec<Mistake>,
}

impl Draft {
    /// Reads `bans.toml` at `path`, and the files that it names.
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

    /// Reads the text of a `bans.toml`. `path` is its name in errors; `open` reads the files of
    /// digests that it names.
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
        // After a syntax error, nothing more is read: what follows would be misread, and reported
        // as mistakes of its own.
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
