//! Edits the settings of Podman, CRI-O and BuildKit, and has what all forms in TOML need.
//!
//! In: the text of a file. Out: the new text. Comments and layout of everything else stay.

use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use super::super::error::EditError;
use super::{Rank, RuntimeEntry};

/// The runtimes whose errors Podman reads as JSON by default (containers/common:
/// pkg/config/default.go).
const SUPPORT_JSON: [&str; 6] = ["crun", "runc", "kata", "runsc", "youki", "krun"];

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

pub(super) fn has_podman(text: &str, entry: &RuntimeEntry) -> Result<bool, EditError> {
    let document = document(text)?;
    let programs = item(document.as_table(), &["engine", "runtimes", &entry.name]);
    let first = programs.and_then(Item::as_array).and_then(|all| all.get(0));
    let is_there = first.and_then(Value::as_str) == Some(entry.path().as_str());
    let runtime = text_at(document.as_table(), &["engine", "runtime"]);
    Ok(match entry.rank {
        Rank::Default => is_there && runtime == Some(&entry.name),
        Rank::Choice => is_there,
    })
}

pub(super) fn with_podman(text: &str, entry: &RuntimeEntry) -> Result<String, EditError> {
    let mut document = document(text)?;
    let engine = table(document.as_table_mut(), &["engine"])?;
    match entry.rank {
        Rank::Default => set(engine, "runtime", entry.name.as_str()),
        Rank::Choice => {}
    }
    if !SUPPORT_JSON.contains(&entry.name.as_str()) && engine.get("runtime_supports_json").is_none()
    {
        let all = SUPPORT_JSON.into_iter().chain([entry.name.as_str()]);
        set(engine, "runtime_supports_json", all.collect::<Array>());
    }
    let runtimes = table(engine, &["runtimes"])?;
    set(runtimes, &entry.name, Array::from_iter([entry.path()]));
    Ok(written(&document, text))
}

pub(super) fn without_podman(
    text: &str,
    entry: &RuntimeEntry,
    before: &str,
) -> Result<String, EditError> {
    let (mut document, before) = (document(text)?, document(before)?);
    let before = before.as_table();
    let root = document.as_table_mut();
    put_back(root, &["engine", "runtime"], &entry.name, before)?;
    if item(before, &["engine", "runtime_supports_json"]).is_none() {
        remove(root, &["engine", "runtime_supports_json"], before);
    }
    remove(root, &["engine", "runtimes", &entry.name], before);
    Ok(document.to_string())
}

/// The keys of a handler of CRI-O.
fn handler(entry: &RuntimeEntry) -> [&str; 4] {
    ["crio", "runtime", "runtimes", &entry.name]
}

const CRIO_DEFAULT: [&str; 3] = ["crio", "runtime", "default_runtime"];

pub(super) fn has_crio(text: &str, entry: &RuntimeEntry) -> Result<bool, EditError> {
    let document = document(text)?;
    let root = document.as_table();
    let handler = item(root, &handler(entry)).and_then(Item::as_table_like);
    let program = handler.and_then(|handler| text_at(handler, &["runtime_path"]));
    let is_there = program == Some(entry.path().as_str());
    Ok(match entry.rank {
        Rank::Default => is_there && text_at(root, &CRIO_DEFAULT) == Some(&entry.name),
        Rank::Choice => is_there,
    })
}

pub(super) fn with_crio(
    text: &str,
    entry: &RuntimeEntry,
    model: &str,
) -> Result<String, EditError> {
    let (mut document, model) = (document(text)?, document(model)?);
    let runtime = table(document.as_table_mut(), &["crio", "runtime"])?;
    match entry.rank {
        Rank::Default => set(runtime, "default_runtime", entry.name.as_str()),
        Rank::Choice => {}
    }
    let own = table(runtime, &["runtimes", &entry.name])?;
    for (key, value) in model.iter() {
        if let Some(value) = value.as_value() {
            let mut value = value.clone();
            value.decor_mut().clear();
            set(own, key, value);
        }
    }
    set(own, "runtime_path", entry.path());
    set(own, "runtime_type", "oci");
    Ok(written(&document, text))
}

pub(super) fn without_crio(
    text: &str,
    entry: &RuntimeEntry,
    before: &str,
) -> Result<String, EditError> {
    let (mut document, before) = (document(text)?, document(before)?);
    let root = document.as_table_mut();
    put_back(root, &CRIO_DEFAULT, &entry.name, before.as_table())?;
    remove(root, &handler(entry), before.as_table());
    Ok(document.to_string())
}

const BUILDKIT: [&str; 3] = ["worker", "oci", "binary"];

pub(super) fn has_buildkit(text: &str, entry: &RuntimeEntry) -> Result<bool, EditError> {
    let document = document(text)?;
    let binary = text_at(document.as_table(), &BUILDKIT);
    Ok(binary.is_some_and(|binary| Path::new(binary) == entry.program))
}

pub(super) fn with_buildkit(text: &str, entry: &RuntimeEntry) -> Result<String, EditError> {
    let mut document = document(text)?;
    let worker = table(document.as_table_mut(), &["worker", "oci"])?;
    set(worker, "binary", entry.path());
    Ok(written(&document, text))
}

pub(super) fn without_buildkit(
    text: &str,
    entry: &RuntimeEntry,
    before: &str,
) -> Result<String, EditError> {
    let (mut document, before) = (document(text)?, document(before)?);
    let root = document.as_table_mut();
    put_back(root, &BUILDKIT, &entry.path(), before.as_table())?;
    Ok(document.to_string())
}
