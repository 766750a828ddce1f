//! Lists the drop-in files in a directory of an engine's settings.
//!
//! In: the directory. Out: the files' paths, in the order of their names, in which engines read
//! them. A missing directory has none. Not checked: the files' contents, owners and modes.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The directories of units and their drop-ins (systemd.unit(5), "UNIT FILE LOAD PATH").
pub(crate) const UNITS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// How many files of one directory are listed.
const MOST: usize = 256;

/// The files in this directory, in the order of their names; only those with this extension, if
/// there is one. Hidden files and directories are left out.
pub(crate) fn of(directory: &Path, extension: Option<&str>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let has_extension = extension.is_none() || path.extension() == extension.map(OsStr::new);
        if !is_hidden && has_extension && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    files.truncate(MOST);
    files
}
