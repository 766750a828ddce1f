//! Implements `embargoctl list verify --source`: checks that a list was made from a source.
//!
//! In: a list of which every byte is what its head says, and a source. Out: that the source makes
//! it, or what it makes instead. The source is compiled once more, with what the head says of
//! origin, edition, times and impact, and every line of the two heads is compared. The heads hold
//! the hashes of everything behind them, so equal heads are equal lists, and nothing has to be
//! written to find out. Not checked here: who signed the list.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fmt, io};

use super::super::progress::Progress;
use super::super::{CtlError, change as wording};
use super::{AuthoringError, build};
use crate::banlist::bytes::Reader;
use crate::banlist::change;
use crate::banlist::compile::{Compiled, HeadTerms};
use crate::banlist::head::Head;
use crate::banlist::source::Source;
use crate::banlist::whole::WholeList;
use crate::report::line;

/// The most lines that are printed of what a source would make.
const MAX_LINES: usize = 20;

/// The most files of a source that are named.
const MAX_NAMES: usize = 8;

/// Why a list was not made from a source.
#[derive(Debug)]
pub enum RebuildError {
    /// The text of the source differs: the list, `bans.toml`.
    Source(PathBuf, PathBuf),
    /// The text is the same and what it makes is not: the list, `bans.toml`, a line of the list's
    /// head, and that line as it would be made.
    Head(PathBuf, PathBuf, String, String),
}

impl fmt::Display for RebuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(list, source) => write!(
                f,
                "cannot vouch for {list:?}: it was not made from {source:?} as it is here"
            ),
            Self::Head(list, source, found, made) => {
                write!(
                    f,
                    "cannot vouch for {list:?}: its head says {found:?}, and {source:?} makes {made:?} of that"
                )
            }
        }
    }
}

impl std::error::Error for RebuildError {}

/// Confirms that the list whose head is `head` was made from the source at `path`.
///
/// # Errors
/// [`AuthoringError::Rebuild`], and what prevents the source from being compiled.
pub(super) fn compare(
    path: &Path,
    list: &Reader<'_, File>,
    head: &Head,
) -> Result<String, CtlError> {
    let (source, compiled) = build::compile(path)?;
    let made = compiled
        .write(&terms(head), &io::sink(), &Progress::start("comparing", 0))
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

/// What a head says beside its source.
fn terms(head: &Head) -> HeadTerms {
    let Head {
        origin,
        edition,
        issued,
        expires,
        impact,
        ..
    } = head.clone();
    HeadTerms {
        origin,
        edition,
        issued,
        expires,
        impact,
    }
}

/// What the source would make instead of the list, in a few lines.
fn details(
    list: &Reader<'_, File>,
    head: &Head,
    source: &Source,
    compiled: &Compiled,
) -> Result<Vec<String>, CtlError> {
    let made = Mutex::new(Vec::new());
    let made_head = compiled
        .write(&terms(head), &made, &())
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
    let mut lines: Vec<_> = wording::lines(&change)
        .into_iter()
        .map(|line| format!("  {line}"))
        .collect();
    let first = if lines.is_empty() {
        "  it bans the same: only its text is another"
    } else {
        "  from the list to this source:"
    };
    if lines.len() > MAX_LINES {
        let more = lines.split_off(MAX_LINES).len();
        lines.push(format!("  and {more} more lines"));
    }
    let sizes = format!(
        "  the list: {} bytes of source; {}: {} bytes",
        head.source_size,
        names(source),
        source.size
    );
    Ok([sizes, first.to_owned()].into_iter().chain(lines).collect())
}

/// The files of a source.
fn names(source: &Source) -> String {
    let mut names: Vec<_> = source
        .files
        .iter()
        .map(|path| line::name(&path.to_string_lossy()))
        .collect();
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
