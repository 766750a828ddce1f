//! Edits the runtimes of Podman in a containers.conf.
//!
//! In: the text of the file. Out: the new text. Comments and layout of everything else stay.

use toml_edit::{Array, Item, Value};

use super::super::error::EditError;
use super::RuntimeEntry;
use super::toml_keys::{document, has_rank, item, put_back, remove, set, set_rank, table, written};

/// The runtimes whose errors Podman reads as JSON by default (containers/common:
/// pkg/config/default.go).
const SUPPORT_JSON: [&str; 6] = ["crun", "runc", "kata", "runsc", "youki", "krun"];

const DEFAULT: [&str; 2] = ["engine", "runtime"];

pub(super) fn has(text: &str, entry: &RuntimeEntry) -> Result<bool, EditError> {
    let document = document(text)?;
    let programs = item(document.as_table(), &["engine", "runtimes", &entry.name]);
    let first = programs.and_then(Item::as_array).and_then(|all| all.get(0));
    let is_there = first.and_then(Value::as_str) == Some(entry.path().as_str());
    Ok(is_there && has_rank(document.as_table(), &DEFAULT, entry))
}

pub(super) fn with(text: &str, entry: &RuntimeEntry) -> Result<String, EditError> {
    let mut document = document(text)?;
    let engine = table(document.as_table_mut(), &["engine"])?;
    set_rank(engine, "runtime", entry);
    if !SUPPORT_JSON.contains(&entry.name.as_str()) && engine.get("runtime_supports_json").is_none()
    {
        let all = SUPPORT_JSON.into_iter().chain([entry.name.as_str()]);
        set(engine, "runtime_supports_json", all.collect::<Array>());
    }
    let runtimes = table(engine, &["runtimes"])?;
    set(runtimes, &entry.name, Array::from_iter([entry.path()]));
    Ok(written(&document, text))
}

pub(super) fn without(text: &str, entry: &RuntimeEntry, before: &str) -> Result<String, EditError> {
    let (mut document, before) = (document(text)?, document(before)?);
    let before = before.as_table();
    let root = document.as_table_mut();
    put_back(root, &DEFAULT, &entry.name, before)?;
    if item(before, &["engine", "runtime_supports_json"]).is_none() {
        remove(root, &["engine", "runtime_supports_json"], before);
    }
    remove(root, &["engine", "runtimes", &entry.name], before);
    Ok(document.to_string())
}
