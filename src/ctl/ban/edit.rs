//! Adds a ban or an exception to the text of a list's source, and changes nothing else in it.
//!
//! In: the text of a `bans.toml` that people maintain, and a ban or exceptions. Out: the same text
//! with the new entry. Comments, order and spacing of the rest are kept. Pure. Not checked here:
//! whether a list can be built from the result; the caller checks that with `banlist::source`
//! before it writes the file.

use toml_edit::{
    Array, ArrayOfTables, Datetime, DocumentMut, Item, Table, TomlError, Value, value,
};

use crate::banlist::ban::{Ban, Exception, MatchKind, Patch};
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

/// One digest that a new ban matches, with the name and platform that its entry shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewMatch {
    /// Whether the digest is matched as a base, an image or a layer.
    pub kind: MatchKind,
    /// A chain ID for a base, an image ID or manifest digest for an image, a diff ID for a layer.
    pub digest: Digest,
    /// The image's name. Shown to people, never compared.
    pub name: Option<String>,
    /// The image's platform. Shown to people, never compared.
    pub platform: Option<String>,
}

/// Why an entry cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The source is not valid TOML.
    #[error("it is no TOML: {}", .0.message().lines().next().unwrap_or("it cannot be parsed"))]
    Toml(TomlError),
    /// The source's `ban` key is not an array of `[[ban]]` tables.
    #[error("its \"ban\" is not made of [[ban]] entries")]
    NotEntries,
    /// The source already has a ban with this ID.
    #[error("it has a ban {0:?} already")]
    Taken(String),
    /// The source has no ban with this ID.
    #[error("it has no ban {0:?}")]
    NoBan(String),
    /// The ban's `except` key is not an array.
    #[error("\"except\" of its ban {0:?} is not a list")]
    NotList(String),
    /// The ban already has an exception for this digest.
    #[error("its ban {0:?} has an exception for {1} already")]
    Excepted(String, Digest),
}

/// Returns the source with one more ban at its end.
///
/// # Errors
/// [`EditError`], for instance when a ban with this ID exists.
pub(super) fn add_ban(source: &str, ban: &Ban, matches: &[NewMatch]) -> Result<String, EditError> {
    let mut document: DocumentMut = source.parse().map_err(EditError::Toml)?;
    let bans = bans(&mut document)?;
    if bans.iter().any(|known| is_called(known, &ban.id)) {
        return Err(EditError::Taken(ban.id.clone()));
    }
    // The ban goes after the last line of the file. A comment at the end of the file stays with the
    // ban above it.
    let mut added = DocumentMut::new();
    added.insert(
        "ban",
        Item::ArrayOfTables([entry(ban, matches)].into_iter().collect()),
    );
    let end = if source.is_empty() || source.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let gap = if source.trim().is_empty() { "" } else { "\n" };
    Ok(format!("{source}{end}{gap}{added}"))
}

/// Returns the source with more exceptions added to one of its bans.
///
/// # Errors
/// [`EditError`], for instance when there is no such ban, or a digest already has an exception.
pub(super) fn add_exceptions(
    source: &str,
    id: &str,
    exceptions: &[Exception],
) -> Result<String, EditError> {
    let mut document: DocumentMut = source.parse().map_err(EditError::Toml)?;
    let bans = bans(&mut document)?;
    let Some(ban) = bans.iter_mut().find(|known| is_called(known, id)) else {
        return Err(EditError::NoBan(id.to_owned()));
    };
    for exception in exceptions {
        if has_exception(ban, exception.digest) {
            return Err(EditError::Excepted(id.to_owned(), exception.digest));
        }
        match ban.entry("except").or_insert_with(no_entries) {
            Item::ArrayOfTables(tables) => tables.push(exception_entry(exception)),
            Item::Value(Value::Array(list)) => push(list, exception_entry(exception)),
            Item::None | Item::Value(_) | Item::Table(_) => {
                return Err(EditError::NotList(id.to_owned()));
            }
        }
    }
    Ok(document.to_string())
}

fn bans(document: &mut DocumentMut) -> Result<&mut ArrayOfTables, EditError> {
    let bans = document.entry("ban").or_insert_with(no_entries);
    bans.as_array_of_tables_mut().ok_or(EditError::NotEntries)
}

fn no_entries() -> Item {
    Item::ArrayOfTables(ArrayOfTables::new())
}

fn is_called(ban: &Table, id: &str) -> bool {
    ban.get("id").and_then(Item::as_str) == Some(id)
}

/// The keys of an entry that name a digest.
const KINDS: [&str; 3] = ["base", "image", "layer"];

fn has_exception(ban: &Table, digest: Digest) -> bool {
    let text = digest.to_string();
    let mut known = Vec::new();
    match ban.get("except") {
        Some(Item::Value(Value::Array(list))) => {
            for table in list.iter().filter_map(Value::as_inline_table) {
                for key in KINDS {
                    known.extend(table.get(key).and_then(Value::as_str));
                }
            }
        }
        Some(Item::ArrayOfTables(tables)) => {
            for table in tables {
                for key in KINDS {
                    known.extend(table.get(key).and_then(Item::as_str));
                }
            }
        }
        Some(Item::None | Item::Value(_) | Item::Table(_)) | None => {}
    }
    known.contains(&text.as_str())
}

/// A ban as a TOML table, its keys in the order that is easiest to read.
fn entry(ban: &Ban, matches: &[NewMatch]) -> Table {
    let mut table = Table::new();
    table.insert("id", value(&ban.id));
    table.insert("reason", value(&ban.reason));
    if !ban.advisories.is_empty() {
        table.insert(
            "advisories",
            value(ban.advisories.iter().collect::<Array>()),
        );
    }
    table.insert("severity", value(ban.severity.word()));
    table.insert("action", value(ban.action.word()));
    table.insert("effective", time(ban.effective));
    if let Some(lapses) = ban.lapses {
        table.insert("lapses", time(lapses));
    }
    if let Some(until) = ban.existing_until {
        table.insert("existing_until", time(until));
    }
    if let Some(successor) = &ban.successor {
        table.insert("successor", value(successor));
    }
    if !ban.cure.is_empty() {
        table.insert(
            "cure",
            value(ban.cure.iter().map(ToString::to_string).collect::<Array>()),
        );
    }
    table.insert(
        "match",
        Item::ArrayOfTables(matches.iter().map(match_entry).collect()),
    );
    if !ban.except.is_empty() {
        table.insert(
            "except",
            Item::ArrayOfTables(ban.except.iter().map(exception_entry).collect()),
        );
    }
    if let Some(patch) = &ban.patch {
        table.insert("patch", Item::Table(patch_entry(patch)));
    }
    table
}

fn match_entry(found: &NewMatch) -> Table {
    let mut entry = paragraph();
    entry.insert(found.kind.word(), value(found.digest.to_string()));
    for (key, text) in [("name", &found.name), ("platform", &found.platform)] {
        if let Some(text) = text {
            entry.insert(key, value(text));
        }
    }
    entry
}

fn exception_entry(exception: &Exception) -> Table {
    let mut entry = paragraph();
    entry.insert(exception.kind.word(), value(exception.digest.to_string()));
    entry.insert("until", time(exception.until));
    entry.insert("reason", value(&exception.reason));
    if let Some(ticket) = &exception.ticket {
        entry.insert("ticket", value(ticket));
    }
    entry
}

fn patch_entry(patch: &Patch) -> Table {
    let mut entry = paragraph();
    if let Some(check) = &patch.check {
        entry.insert("check", value(check.iter().collect::<Array>()));
    }
    if let Some(script) = patch.script {
        entry.insert("script", value(script.to_string()));
    }
    if patch.script.is_none() || !patch.run.is_empty() {
        entry.insert("run", value(patch.run.iter().collect::<Array>()));
    }
    entry.insert("timeout", value(format!("{}s", patch.timeout)));
    entry.insert("user", value(&patch.user));
    entry
}

/// A TOML table with an empty line before it.
fn paragraph() -> Table {
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table
}

/// A time as a TOML date; with the time of day only when it is not midnight.
fn time(time: Timestamp) -> Item {
    let text = if time.seconds().is_multiple_of(86_400) {
        time.date()
    } else {
        time.to_string()
    };
    match text.parse::<Datetime>() {
        Ok(time) => value(time),
        Err(_) => value(text),
    }
}

/// Appends an entry to an inline array, on a line of its own.
fn push(list: &mut Array, entry: Table) {
    let mut entry = Value::InlineTable(entry.into_inline_table());
    entry.decor_mut().set_prefix("\n  ");
    list.push_formatted(entry);
    list.set_trailing_comma(true);
    if list.trailing().as_str().is_none_or(str::is_empty) {
        list.set_trailing("\n");
    }
}

#[cfg(test)]
mod tests;
