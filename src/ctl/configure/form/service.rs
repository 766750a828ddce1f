//! Edits the drop-in that names the runtime of Docker's own BuildKit.
//!
//! In: the text of a systemd drop-in for docker.service. Out: the new text. Only the line with the
//! variable is Embargo's.

use super::RuntimeEntry;

/// The variable (moby#47563, Docker 26).
const VARIABLE: &str = "DOCKER_BUILDKIT_RUNC_COMMAND";

/// The line that sets the variable. systemd takes a value with blanks in quotes, in which it reads
/// `\` and `"` as a shell does, and specifiers that begin with `%` (systemd.exec(5)).
fn own(entry: &RuntimeEntry) -> String {
    let path = entry.path().replace('\\', "\\\\").replace('"', "\\\"");
    format!("Environment=\"{VARIABLE}={}\"", path.replace('%', "%%"))
}

pub(super) fn has(text: &str, entry: &RuntimeEntry) -> bool {
    text.lines().any(|line| line.trim() == own(entry))
}

pub(super) fn with(text: &str, entry: &RuntimeEntry) -> String {
    let mut new = if text.trim().is_empty() {
        "# Made by embargoctl configure; embargoctl configure --undo removes it.\n".to_owned()
    } else {
        text.to_owned()
    };
    if !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str("[Service]\n");
    new.push_str(&own(entry));
    new.push('\n');
    new
}

pub(super) fn without(text: &str, entry: &RuntimeEntry, before: &str) -> String {
    if has(before, entry) {
        return text.to_owned();
    }
    let mut new = String::new();
    for line in text.split_inclusive('\n') {
        if line.trim() != own(entry) {
            new.push_str(line);
        }
    }
    new
}
