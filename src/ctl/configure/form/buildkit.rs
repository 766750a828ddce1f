//! Edits the runtime of BuildKit in a buildkitd.toml.
//!
//! In: the text of the file. Out: the new text. Comments and layout of everything else stay.

use std::path::Path;

use super::super::error::EditError;
use super::RuntimeEntry;
use super::toml_keys::{document, put_back, set, table, text_at, written};

const BINARY: [&str; 3] = ["worker", "oci", "binary"];

pub(super) fn has(text: &str, entry: &RuntimeEntry) -> Result<bool, EditError> {
    let document = document(text)?;
    let binary = text_at(document.as_table(), &BINARY);
    Ok(binary.is_some_and(|binary| Path::new(binary) == entry.program))
}

pub(super) fn with(text: &str, entry: &RuntimeEntry) -> Result<String, EditError> {
    let mut document = document(text)?;
    let worker = table(document.as_table_mut(), &["worker", "oci"])?;
    set(worker, "binary", entry.path());
    Ok(written(&document, text))
}

pub(super) fn without(text: &str, entry: &RuntimeEntry, before: &str) -> Result<String, EditError> {
    let (mut document, before) = (document(text)?, document(before)?);
    let root = document.as_table_mut();
    put_back(root, &BINARY, &entry.path(), before.as_table())?;
    Ok(document.to_string())
}
