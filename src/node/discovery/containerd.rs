//! Reads containerd's settings, and the files that they import.
//!
//! In: the file that a running containerd was given, which is root's. Out: containerd's root and
//! state directory. `imports` names further files, by path or by glob, from the directory of the
//! file that names them. The imported files are read after the importing file, each once, and a
//! value in a later file replaces the value in an earlier file (containerd 1.6 to 2.2:
//! `LoadConfig`, `resolveImports` and `mergeConfig` of services/server/config/config.go, since 2.0
//! of cmd/containerd/server/config/config.go; up to 2.0 a glob that is not absolute is relative to
//! the daemon's working directory, and nobody writes such a glob).

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{EngineSettingsError, flag, parsed, text_of};
use crate::node::processes::Process;
use crate::paths::Paths;

/// The settings file of a containerd that is given no other.
pub(crate) const SETTINGS: &str = "/etc/containerd/config.toml";

/// The most files that are read for one containerd.
const MOST_FILES: usize = 256;

/// The part of the settings that names containerd's directories and the imported files.
#[derive(Default, Deserialize)]
pub(super) struct ContainerdSettings {
    #[serde(default)]
    pub(super) root: Option<PathBuf>,
    #[serde(default)]
    pub(super) state: Option<PathBuf>,
    #[serde(default)]
    imports: Vec<PathBuf>,
}

impl ContainerdSettings {
    /// Reads this file and the files that it imports. If a file cannot be read, the reason is added
    /// to `faults`.
    pub(super) fn load(file: &Path, paths: &Paths, faults: &mut Vec<EngineSettingsError>) -> Self {
        let mut all = Self::default();
        for (file, text) in texts(file, paths, faults) {
            let one: Self = read(&file, &text, faults);
            all.root = set(one.root).or(all.root);
            all.state = set(one.state).or(all.state);
        }
        all
    }
}

/// The settings file of a running containerd.
pub(crate) fn settings_of(process: &Process) -> PathBuf {
    let file = flag(process, &["--config", "-config", "-c"]);
    file.unwrap_or(PathBuf::from(SETTINGS))
}

/// The texts of this file and of the files that it imports, in the order in which containerd reads
/// them. If a file cannot be read, the reason is added to `faults`. A file that cannot be parsed
/// imports nothing.
pub(crate) fn texts(
    file: &Path,
    paths: &Paths,
    faults: &mut Vec<EngineSettingsError>,
) -> Vec<(PathBuf, String)> {
    let mut texts = Vec::new();
    let (mut read, mut waiting) = (BTreeSet::new(), VecDeque::from([clean(file)]));
    while let Some(file) = waiting.pop_front() {
        if !read.insert(file.clone()) {
            continue;
        }
        if read.len() > MOST_FILES {
            let fault = format!("more than {MOST_FILES} files are imported");
            faults.push(EngineSettingsError::Parse(file, fault));
            break;
        }
        let Some(text) = text_of(&file, faults) else {
            continue;
        };
        let settings: ContainerdSettings = toml::from_str(&text).unwrap_or_default();
        for import in settings.imports {
            waiting.extend(imported(&file, &import, paths));
        }
        texts.push((file, text));
    }
    texts
}

/// What the text of a settings file in TOML says; the default if the text cannot be parsed, and the
/// reason goes to `faults`.
pub(crate) fn read<T: Default + DeserializeOwned>(
    file: &Path,
    text: &str,
    faults: &mut Vec<EngineSettingsError>,
) -> T {
    let read = toml::from_str(text).map_err(|error| toml_fault(text, &error));
    parsed(file, read, faults)
}

/// The parser's own sentence, with line and column. Its other lines quote the file.
fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().unwrap_or_default().start;
    let before = text.get(..start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .chars()
        .rev()
        .take_while(|letter| *letter != '\n')
        .count()
        + 1;
    let sentence = error.message().lines().collect::<Vec<_>>().join(", ");
    format!("{sentence} at line {line} column {column}")
}

/// A path that is not empty; an empty value stands for no value.
fn set(path: Option<PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// The files that a file imports by this name.
fn imported(file: &Path, name: &Path, paths: &Paths) -> Vec<PathBuf> {
    let name = if name.is_absolute() {
        &paths.of_node(name)
    } else {
        name
    };
    let path = clean(&file.parent().unwrap_or(file).join(name));
    if name.as_os_str().as_bytes().contains(&b'*') {
        glob(&path)
    } else {
        vec![path]
    }
}

/// A path without `.` and `..` in it.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => clean.push(part),
        }
    }
    clean
}

/// The files whose paths a pattern fits, in order (Go: path/filepath, `Glob`).
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        let mut longer = Vec::new();
        for directory in found {
            if !part.as_bytes().iter().any(|byte| b"*?[\\".contains(byte)) {
                longer.push(directory.join(part));
                continue;
            }
            let mut names: Vec<OsString> = Vec::new();
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                names.push(entry.file_name());
            }
            names.retain(|name| fits(part.as_bytes(), name.as_bytes()));
            names.sort();
            for name in names {
                longer.push(directory.join(name));
            }
        }
        found = longer;
    }
    found
}

/// Whether a pattern fits a whole name: `*` fits any text, `?` any byte, `[a-z]` a byte in the
/// class, `[^a-z]` a byte outside the class. A backslash removes the special meaning of the next
/// byte.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skipped| fits(rest, &name[skipped..])),
        ([b'?', rest @ ..], [_, name @ ..]) => fits(rest, name),
        ([b'[', class @ ..], [byte, name @ ..]) => match of_class(class, *byte) {
            Some((is_in, rest)) => is_in && fits(rest, name),
            None => false,
        },
        ([b'\\', own, rest @ ..] | [own, rest @ ..], [byte, name @ ..]) => {
            own == byte && fits(rest, name)
        }
        ([..], [..]) => false,
    }
}

/// Returns whether `byte` is in the class at the beginning of `class`, and the rest of the pattern
/// after that class; `None` if the class has no end.
fn of_class(class: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (is_negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        [..] => (false, class),
    };
    let mut is_in = false;
    loop {
        let (first, last);
        (first, last, rest) = match rest {
            [b']', rest @ ..] => return Some((is_in != is_negated, rest)),
            [first, b'-', last, rest @ ..] => (*first, *last, rest),
            [one, rest @ ..] => (*one, *one, rest),
            [] => return None,
        };
        is_in |= (first..=last).contains(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_as_gos_does() {
        for (pattern, name, expected) in [
            ("*.toml", "10-nvidia.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "10-nvidia.toml.bak", false),
            ("*", "", true),
            ("1?-*", "10-nvidia", true),
            ("1?-*", "1-nvidia", false),
            ("[0-9]*", "7x", true),
            ("[^0-9]*", "7x", false),
            ("[a-c7]x", "7x", true),
            ("[a-c", "a", false),
            (r"\*x", "*x", true),
            (r"\*x", "ax", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
