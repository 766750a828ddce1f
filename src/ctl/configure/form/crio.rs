//! Edits the handlers of CRI-O in a crio.conf.
//!
//! In: the text of the file, and the keys of the handler that is the default so far. Out: the new
//! text. Comments and layout of everything else stay.

use toml_edit::Item;

use super::super::error::EditError;
use super::RuntimeEntry;
use super::toml_keys::{
    document, has_rank, item, put_back, remove, set, set_rank, table, text_at, written,
};

/// The keys of a handler of CRI-O.
fn handler(entry: &RuntimeEntry) -> [&str; 4] {
    ["crio", "runtime", "runtimes", &entry.name]
}

const DEFAULT: [&str; 3] = ["crio", "runtime", "default_runtime"];

pub(super) fn has(text: &str, entry: &RuntimeEntry) -> Result<bool, EditError> {
    let document = document(text)?;
    let root = document.as_table();
    let handler = item(root, &handler(entry)).and_then(Item::as_table_like);
    let program = handler.and_then(|handler| text_at(handler, &["runtime_path"]));
    let is_there = program == Some(entry.path().as_str());
    Ok(is_there && has_rank(root, &DEFAULT, entry))
}

pub(super) fn with(text: &str, entry: &RuntimeEntry, model: &str) -> Result<String, EditError> {
    let (mut document, model) = (document(text)?, document(model)?);
    let runtime = table(document.as_table_mut(), &["crio", "runtime"])?;
    set_rank(runtime, "default_runtime", entry);
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

pub(super) fn without(text: &str, entry: &RuntimeEntry, before: &str) -> Result<String, EditError> {
    let (mut document, before) = (document(text)?, document(before)?);
    let root = document.as_table_mut();
    put_back(root, &DEFAULT, &entry.name, before.as_table())?;
    remove(root, &handler(entry), before.as_table());
    Ok(document.to_string())
}
