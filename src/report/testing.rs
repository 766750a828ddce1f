//! Compares the options of a command with a manual page, for tests.
//!
//! In: options as clap knows them, and the lines of a page in mdoc(7). Not checked: whether the
//! page describes the options correctly.

use clap::Arg;

/// The text about the option `--long` in these lines. For each item of that name, the result has
/// the lines from the item up to the next one.
pub(crate) fn described(lines: &[&str], long: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_open = false;
    for line in lines {
        if line.starts_with(".It") || line.starts_with(".El") {
            is_open = flag(line) == Some(long);
            if is_open {
                found.push((*line).to_owned());
            }
        } else if is_open && let Some(text) = found.last_mut() {
            *text += &format!("\n{line}");
        }
    }
    found
}

/// The options that have an item in these lines, in the order of the lines.
pub(crate) fn flags<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut flags: Vec<_> = lines.iter().filter_map(|line| flag(line)).collect();
    flags.retain(|flag| !flag.is_empty());
    flags
}

fn flag(line: &str) -> Option<&str> {
    line.strip_prefix(".It Fl -")?.split(' ').next()
}

/// Checks that a text has the defaults and the possible values of an option; `name` is the option,
/// for messages.
pub(crate) fn has_values(text: &str, name: &str, argument: &Arg) {
    for default in argument.get_default_values() {
        let default = default.to_string_lossy();
        assert!(
            text.contains(&*default),
            "{name}: its default {default:?} is missing"
        );
    }
    if !argument.get_action().takes_values() {
        return;
    }
    for value in argument.get_possible_values() {
        let value = value.get_name();
        assert!(
            text.contains(value),
            "{name}: its value {value:?} is missing"
        );
    }
}
