//! Edits the CRI's handlers in containerd's config.toml, of version 1, 2 or 3.
//!
//! In: the text. Out: the new text. Embargo's handler is a copy of the default handler, with
//! `options.BinaryName`, so that the cgroup driver and the other options are the same. Up to
//! containerd 1.7 a list of handlers replaces the built-in `runc`, which would then be missing
//! (seen with 1.6.20). So a list that starts here gets `runc`, too.

use toml_edit::{Item, Table, TableLike, value};

use super::super::error::EditError;
use super::RuntimeEntry;
use super::toml_keys::{
    document, has_rank, item, put_back, remove, set, set_rank, table, text_at, written,
};
use crate::node::coverage::PLUGINS;

const RUNC: &str = "runc";

/// The shim of runc, and so of Embargo.
const SHIM: &str = "io.containerd.runc.v2";

const DEFAULT: &str = "default_runtime_name";

/// The name of the CRI's plugin in this text.
fn plugin(root: &dyn TableLike) -> &'static str {
    let [third, second, first] = PLUGINS;
    match root.get("version").and_then(Item::as_integer) {
        Some(3) => third,
        Some(2) => second,
        // A text without any key becomes one of version 2.
        None if root.is_empty() => second,
        Some(_) | None => first,
    }
}

fn keys(plugin: &'static str) -> [&'static str; 3] {
    ["plugins", plugin, "containerd"]
}

pub(super) fn has(text: &str, entry: &RuntimeEntry) -> Result<bool, EditError> {
    let document = document(text)?;
    let root = document.as_table();
    let Some(containerd) = item(root, &keys(plugin(root))).and_then(Item::as_table_like) else {
        return Ok(false);
    };
    let program = text_at(
        containerd,
        &["runtimes", &entry.name, "options", "BinaryName"],
    );
    let is_there = program == Some(entry.path().as_str());
    Ok(is_there && has_rank(containerd, &[DEFAULT], entry))
}

pub(super) fn with(text: &str, entry: &RuntimeEntry) -> Result<String, EditError> {
    let mut document = document(text)?;
    let root = document.as_table_mut();
    if is_off(root) {
        return Err(EditError::Disabled);
    }
    let plugin = plugin(root);
    if root.is_empty() {
        root.insert("version", value(2));
    }
    let containerd = table(root, &keys(plugin))?;
    let default = text_at(containerd, &[DEFAULT]).unwrap_or(RUNC).to_owned();
    let runtimes = table(containerd, &["runtimes"])?;
    if let Some(taken) = runtimes.get(&entry.name).and_then(Item::as_table_like) {
        let program = text_at(taken, &["options", "BinaryName"]);
        if program != Some(entry.path().as_str()) {
            return Err(EditError::Taken(entry.name.clone()));
        }
    } else {
        if runtimes.is_empty() {
            runtimes.insert(RUNC, Item::Table(of_runc()));
        }
        let mut own = model(runtimes, &default);
        let options = table(&mut own, &["options"])?;
        set(options, "BinaryName", entry.path());
        runtimes.insert(&entry.name, Item::Table(own));
    }
    set_rank(containerd, DEFAULT, entry);
    Ok(written(&document, text))
}

pub(super) fn without(text: &str, entry: &RuntimeEntry, before: &str) -> Result<String, EditError> {
    let (mut document, before) = (document(text)?, document(before)?);
    let before = before.as_table();
    let root = document.as_table_mut();
    let [plugins, plugin, containerd] = keys(plugin(root));
    let default = [plugins, plugin, containerd, DEFAULT];
    put_back(root, &default, &entry.name, before)?;
    let own = [plugins, plugin, containerd, "runtimes", &entry.name];
    remove(root, &own, before);
    let runc = [plugins, plugin, containerd, "runtimes", RUNC];
    let is_ours = item(root, &runc)
        .and_then(Item::as_table_like)
        .is_some_and(|runc| runc.len() == 1 && text_at(runc, &["runtime_type"]) == Some(SHIM));
    if is_ours && item(before, &runc).is_none() {
        remove(root, &runc, before);
    }
    Ok(document.to_string())
}

/// Whether the settings turn the CRI off.
fn is_off(root: &dyn TableLike) -> bool {
    let disabled = root.get("disabled_plugins").and_then(Item::as_array);
    let mut disabled = disabled
        .into_iter()
        .flatten()
        .filter_map(|one| one.as_str());
    disabled.any(|plugin| PLUGINS.contains(&plugin))
}

/// A copy of the default handler, if runc's shim runs it, else of `runc`.
fn model(runtimes: &dyn TableLike, default: &str) -> Table {
    for name in [default, RUNC] {
        let Some(handler) = runtimes.get(name).and_then(Item::as_table_like) else {
            continue;
        };
        if text_at(handler, &["runtime_type"]) == Some(SHIM) {
            return copy(handler);
        }
    }
    of_runc()
}

fn of_runc() -> Table {
    let mut table = Table::new();
    table.insert("runtime_type", value(SHIM));
    table
}

/// A copy of a table, without its place in the file and its comments.
fn copy(from: &dyn TableLike) -> Table {
    let mut new = Table::new();
    for (key, item) in from.iter() {
        match item.as_table_like() {
            Some(inner) => {
                new.insert(key, Item::Table(copy(inner)));
            }
            None => {
                if let Some(value) = item.as_value() {
                    let mut value = value.clone();
                    value.decor_mut().clear();
                    new.insert(key, Item::Value(value));
                }
            }
        }
    }
    new
}
