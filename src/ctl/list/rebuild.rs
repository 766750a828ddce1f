//! Implements `embargoctl list verify --source`: checks that a list was made from a source.
//!
//! In: a list whose bytes have been checked against its head, and a source. Out: a confirmation, or
//! an error that says how the compiled list differs. The source is compiled again, with the origin,
//! edition, times and impact from the list's head. Then the two heads are compared. A head has the
//! hashes of the whole list, so lists with equal heads are equal, and no second list has to be
//! written. Not checked here: who signed the list.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::super::progress::Progress;
use super::super::{CtlError, change as wording};
use super::{AuthoringError, build};
use crate::banlist::bytes::Reader;
use crate::banlist::change;
use crate::banlist::compile::Compiled;
use crate::banlist::head::Head;
use crate::banlist::source::Source;
use crate::banlist::terms::HeadTerms;
use crate::banlist::whole::WholeList;
use crate::report::line;

/// The most lines of difference that an error lists.
const MAX_LINES: usize = 20;

/// The most files of a source that a message names.
const MAX_NAMES: usize = 8;

/// Why a list does not match a source.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The text of the source differs: the paths of the list and of `bans.toml`.
    #[error("cannot vouch for {0:?}: it was not made from {1:?} as it is here")]
    Source(PathBuf, PathBuf),
    /// The text of the source is the same, but compiles to another list: the paths of the list and
    /// of `bans.toml`, the first differing line of the list's head, and the compiled line.
    #[error("cannot vouch for {0:?}: its head says {2:?}, and {1:?} makes {3:?} of that")]
    Head(PathBuf, PathBuf, String, String),
}

/// Checks that the list with this head was made from the source at `path`, and returns a line of
/// confirmation.
///
/// # Errors
/// [`AuthoringError::Rebuild`], and the errors of compiling the source.
pub(super) fn compare(
    path: &Path,
    list: &Reader<'_, File>,
    head: &Head,
) -> Result<String, CtlError> {
    let (source, compiled) = build::compile(path)?;
    let made = compiled
        .write(
            &HeadTerms::of(head),
            &io::sink(),
            &Progress::start("comparing", 0),
        )
        .map_err(AuthoringError::Compile)?;
    if made == *head {
        return Ok(format!("made from this source: {}\n", names(&source)));
    }
    let (path, list_path) = (path.to_owned(), list.path.to_owned());
    let error = if made.source == head.source {
        let (found, made) = (head.text(), made.text());
        let (found, made) = found
            .lines()
            .zip(made.lines())
            .find(|(found, made)| found != made)
            .unwrap_or_default();
        RebuildError::Head(list_path, path, found.to_owned(), made.to_owned())
    } else {
        RebuildError::Source(list_path, path)
    };
    Err(CtlError::from(AuthoringError::Rebuild(error))
        .detailed(details(list, head, &source, &compiled)?))
}

/// Lines that say how the compiled list differs from the given one.
fn details(
    list: &Reader<'_, File>,
    head: &Head,
    source: &Source,
    compiled: &Compiled,
) -> Result<Vec<String>, CtlError> {
    let made = Mutex::new(Vec::new());
    let made_head = compiled
        .write(&HeadTerms::of(head), &made, &())
        .map_err(AuthoringError::Compile)?;
    let made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    let made = Reader {
        path: Path::new("the list that the source makes"),
        bytes: made.as_slice(),
    };
    let change = change::compare(
        WholeList::open(list, head)?,
        WholeList::open(&made, &made_head)?,
        head.issued,
    )?;
    let changes = wording::lines(&change);
    let first = if changes.is_empty() {
        "  it bans the same: only its text is another"
    } else {
        "  from the list to this source:"
    };
    let sizes = format!(
        "  the list: {} bytes of source; {}: {} bytes",
        head.source_size,
        names(source),
        source.size
    );
    let mut lines = vec![sizes, first.to_owned()];
    for line in changes.iter().take(MAX_LINES) {
        lines.push(format!("  {line}"));
    }
    if changes.len() > MAX_LINES {
        let more = changes.len() - MAX_LINES;
        lines.push(format!("  and {more} more lines"));
    }
    Ok(lines)
}

/// The names of the source's files.
fn names(source: &Source) -> String {
    let mut names: Vec<_> = source.files.iter().map(line::path).collect();
    let more = names.split_off(names.len().min(MAX_NAMES)).len();
    names.join(", ")
        + &if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        }
}

#[cfg(test)]
mod tests;
