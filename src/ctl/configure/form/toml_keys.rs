//! Reads, sets and removes keys in TOML, for every engine's settings in that format.
//!
//! In: the text of a file, or its keys. Out: the keys, or the new text. Comments and layout of
//! everything else stay.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::super::error::EditError;
use super::{Rank, RuntimeEntry};

/// The first line of a file that is made here.
const HEAD: &str = "# Made by embargoctl configure; embargoctl configure --undo removes it.\n";

pub(super) fn document(text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|fault: toml_edit::TomlError| {
        let sentence: Vec<_> = fault.message().lines().collect();
        let start = fault.span().unwrap_or_default().start;
        let before = text.get(..start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        EditError::Parse(format!("{} at line {line}", sentence.join(", ")))
    })
}

/// The table at these keys; tables that are missing are made.
pub(super) fn table<'t>(
    root: &'t mut dyn TableLike,
    keys: &[&str],
) -> Result<&'t mut dyn TableLike, EditError> {
    let mut here = root;
    for key in keys {
        let mut made = Table::new();
        made.set_implicit(true);
        let item = here.entry(key).or_insert(Item::Table(made));
        here = item
            .as_table_like_mut()
            .ok_or_else(|| EditError::Shape((*key).to_owned()))?;
    }
    Ok(here)
}

/// What is at these keys, if anything is.
pub(super) fn item<'t>(root: &'t dyn TableLike, keys: &[&str]) -> Option<&'t Item> {
    let (last, tables) = keys.split_last()?;
    let mut here = root;
    for key in tables {
        here = here.get(key)?.as_table_like()?;
    }
    here.get(last)
}

pub(super) fn text_at<'t>(root: &'t dyn TableLike, keys: &[&str]) -> Option<&'t str> {
    item(root, keys)?.as_str()
}

/// Sets a key. A comment after the old value stays.
pub(super) fn set(table: &mut dyn TableLike, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    match table.get_mut(key) {
        // The key keeps its indentation and the comments before it.
        Some(item) => *item = Item::Value(value),
        None => drop(table.insert(key, Item::Value(value))),
    }
}

/// Removes a key, and then the tables above it as far as they are empty and `before` does not have
/// them. If `before` has the key itself, its value is put back.
pub(super) fn remove(root: &mut dyn TableLike, keys: &[&str], before: &dyn TableLike) {
    if let (Some(former), Some((last, tables))) = (item(before, keys), keys.split_last()) {
        if let Ok(table) = table(root, tables)
            && let Some(own) = table.get_mut(last)
        {
            *own = former.clone();
        }
        return;
    }
    for length in (1..=keys.len()).rev() {
        let (last, tables) = match keys[..length].split_last() {
            Some(split) => split,
            None => return,
        };
        let is_whole = length == keys.len();
        let is_needed = !is_whole && item(before, &keys[..length]).is_some();
        let Ok(table) = table(root, tables) else {
            return;
        };
        let is_empty = table
            .get(last)
            .and_then(Item::as_table_like)
            .is_none_or(TableLike::is_empty);
        if !is_whole && (is_needed || !is_empty) {
            return;
        }
        table.remove(last);
    }
}

/// Puts back the value that a key had in `before`, if the key still has our value.
pub(super) fn put_back(
    root: &mut dyn TableLike,
    keys: &[&str],
    ours: &str,
    before: &dyn TableLike,
) -> Result<(), EditError> {
    if text_at(root, keys) != Some(ours) {
        return Ok(());
    }
    match (text_at(before, keys), keys.split_last()) {
        (Some(former), Some((last, tables))) => set(table(root, tables)?, last, former),
        (Some(_) | None, _) => remove(root, keys, before),
    }
    Ok(())
}

/// The text of a document, under a heading if there was no text before.
pub(super) fn written(document: &DocumentMut, old: &str) -> String {
    let text = document.to_string();
    if old.trim().is_empty() {
        format!("{HEAD}{}", text.trim_start())
    } else {
        text
    }
}

/// Whether the entry has its rank: as the default, its name is at `default`.
pub(super) fn has_rank(root: &dyn TableLike, default: &[&str], entry: &RuntimeEntry) -> bool {
    match entry.rank {
        Rank::Default => text_at(root, default) == Some(&entry.name),
        Rank::Choice => true,
    }
}

/// Gives the entry its rank. The key of the default is `default` in `table`.
pub(super) fn set_rank(table: &mut dyn TableLike, default: &str, entry: &RuntimeEntry) {
    match entry.rank {
        Rank::Default => set(table, default, entry.name.as_str()),
        Rank::Choice => {}
    }
}
