//! Edits Docker's daemon.json in place.
//!
//! In: the text; Docker accepts a byte order mark at its start, and an empty file. Out: the new
//! text. Keys, order and indentation of everything else stay.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use super::super::error::EditError;
use super::{Rank, RuntimeEntry};

/// The byte order mark.
const MARK: char = '\u{feff}';

/// The keys of daemon.json.
const RUNTIMES: &str = "runtimes";
const DEFAULT: &str = "default-runtime";

/// JSON, and none of its extensions.
const JSON: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn has(text: &str, entry: &RuntimeEntry) -> Result<bool, EditError> {
    let settings = parsed(text)?;
    let runtime = &settings[RUNTIMES][&entry.name];
    let is_there = runtime["path"] == entry.path().as_str();
    Ok(match entry.rank {
        Rank::Default => is_there && settings[DEFAULT] == entry.name.as_str(),
        Rank::Choice => is_there,
    })
}

pub(super) fn with(text: &str, entry: &RuntimeEntry) -> Result<String, EditError> {
    let settings = parsed(text)?;
    if matches!(&settings, Value::Object(keys) if keys.is_empty()) {
        return Ok(fresh(entry));
    }
    let (mark, body) = split(text);
    let (root, object) = tree(body)?;
    let runtimes = object
        .object_value_or_create(RUNTIMES)
        .ok_or_else(|| EditError::Shape(RUNTIMES.to_owned()))?;
    let runtime = settings[RUNTIMES].get(&entry.name);
    if runtime.is_none() {
        let path = ("path".to_owned(), CstInputValue::String(entry.path()));
        runtimes.append(&entry.name, CstInputValue::Object(vec![path]));
    } else if runtime.is_some_and(|runtime| runtime["path"] != entry.path().as_str()) {
        return Err(EditError::Taken(entry.name.clone()));
    }
    match entry.rank {
        Rank::Default => set(&object, DEFAULT, &entry.name),
        Rank::Choice => {}
    }
    Ok(format!("{mark}{root}"))
}

pub(super) fn without(text: &str, entry: &RuntimeEntry, before: &str) -> Result<String, EditError> {
    let settings = parsed(text)?;
    let (mark, body) = split(text);
    if body.trim().is_empty() {
        return Ok(text.to_owned());
    }
    let (root, object) = tree(body)?;
    // What was there before the entry is somebody else's.
    let former = parsed(before)?;
    if former[RUNTIMES][&entry.name].is_null()
        && let Some(runtimes) = object.object_value(RUNTIMES)
        && let Some(own) = runtimes.get(&entry.name)
        && settings[RUNTIMES][&entry.name]["path"] == entry.path().as_str()
    {
        own.remove();
        if runtimes.properties().is_empty()
            && former.get(RUNTIMES).is_none()
            && let Some(all) = object.get(RUNTIMES)
        {
            all.remove();
        }
    }
    if settings[DEFAULT] == entry.name.as_str() {
        match (former[DEFAULT].as_str(), object.get(DEFAULT)) {
            (Some(former), _) => set(&object, DEFAULT, former),
            (None, Some(own)) => own.remove(),
            (None, None) => {}
        }
    }
    Ok(format!("{mark}{root}"))
}

/// The settings in the text, which is an object.
fn parsed(text: &str) -> Result<Value, EditError> {
    let (_, body) = split(text);
    if body.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_str(body) {
        Ok(settings @ Value::Object(_)) => Ok(settings),
        Ok(_) => Err(EditError::Shape("the whole file".to_owned())),
        Err(fault) => Err(EditError::Parse(fault.to_string())),
    }
}

/// The byte order mark, if there is one, and the rest of the text.
fn split(text: &str) -> (&str, &str) {
    match text.strip_prefix(MARK) {
        Some(rest) => (&text[..text.len() - rest.len()], rest),
        None => ("", text),
    }
}

/// The text as a tree that keeps every character.
fn tree(body: &str) -> Result<(CstRootNode, CstObject), EditError> {
    let root = CstRootNode::parse(body, &JSON);
    let root = root.map_err(|fault| EditError::Parse(fault.to_string()))?;
    let object = root.object_value();
    let object = object.ok_or_else(|| EditError::Shape("the whole file".to_owned()))?;
    Ok((root, object))
}

fn set(object: &CstObject, key: &str, value: &str) {
    let value = CstInputValue::String(value.to_owned());
    match object.get(key) {
        Some(property) => property.set_value(value),
        None => drop(object.append(key, value)),
    }
}

/// The text of a file that has nothing else.
fn fresh(entry: &RuntimeEntry) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let (name, path) = (text(&entry.name), text(&entry.path()));
    let default = match entry.rank {
        Rank::Default => format!(",\n    \"{DEFAULT}\": {name}"),
        Rank::Choice => String::new(),
    };
    format!(
        "{{\n    \"{RUNTIMES}\": {{\n        {name}: {{\n            \"path\": {path}\n        }}\n\
         \x20   }}{default}\n}}\n"
    )
}
