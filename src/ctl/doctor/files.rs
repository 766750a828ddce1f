//! Checks Embargo's files and directories, and the system log's socket.
//!
//! In: an [`Examination`]. Out: what was found. A file that is missing is not reported here: the
//! check of that file's contents reports it.

use std::io;
use std::path::{Path, PathBuf};

use super::super::keyset::place;
use super::examination::Examination;
use super::finding::Found;
use crate::delegate;
use crate::report::line::{self, causes};
use crate::sys::directory;
use crate::sys::file::FileError;
use crate::sys::process;
use crate::sys::system_log::{self, Sockets};

/// The size of all journals of `exec-patch` from which on they are reported, in bytes: 256 MiB.
const LARGE: u64 = 256 << 20;

/// Whether the caller may see everything.
pub(super) fn not_root(_: &Examination<'_>) -> Vec<Found> {
    vec![if process::is_privileged() {
        Found::ok("the caller is root")
    } else {
        Found::unknown("the caller is not root, and may not see every engine and file")
            .hint("run as root")
    }]
}

/// Whether only root and the caller may change Embargo's files.
pub(super) fn permissions(examined: &Examination<'_>) -> Vec<Found> {
    let paths = examined.paths;
    let mut found = Vec::new();
    for path in [&paths.state, &paths.lineage, &paths.patches, &paths.entered] {
        found.extend(judged(path, directory::owned(&paths.root, path)));
    }
    for path in [
        &paths.settings,
        &paths.keyset,
        &paths.break_glass,
        &paths.list,
        &paths.copy,
        &paths.floor,
        &paths.last_install,
        &paths.status,
        &paths.not_armed,
    ] {
        let opened = directory::open_owned(&paths.root, path);
        found.extend(judged(path, opened.map(drop)));
    }
    if examined.mounted_at.is_none() {
        for (path, _) in delegate::gates(paths) {
            let opened = directory::open_owned(Path::new("/"), &path);
            found.extend(judged(&path, opened.map(drop)));
        }
    }
    if found.is_empty() {
        found.push(Found::ok("only root may change Embargo's files"));
    }
    found
}

/// What is wrong if a file or directory could not be opened as only root's and the caller's; `None`
/// if nothing is, or if it does not exist.
pub(super) fn judged(path: &Path, result: Result<(), FileError>) -> Option<Found> {
    let error = match result {
        Ok(()) => return None,
        Err(error) if error.is_absent() => return None,
        Err(error) => error,
    };
    let thing = line::path(path);
    Some(if process::takes_root(&error) {
        Found::unknown(causes(&error))
            .about(thing)
            .hint("run as root")
    } else {
        let found = Found::critical(causes(&error)).about(thing);
        match place::remedy(&error) {
            Some(remedy) => found.hint(remedy),
            None => found,
        }
    })
}

/// Whether a system log listens.
pub(super) fn log_socket(examined: &Examination<'_>) -> Vec<Found> {
    if let Some(found) = not_this_machine(examined) {
        return vec![found];
    }
    let sockets = Sockets::system();
    let (journal, syslog) = (line::path(&sockets.journal), line::path(&sockets.syslog));
    vec![match system_log::listener(&sockets) {
        Some(path) => Found::ok(format!("the system log listens on {}", line::path(path))),
        None => Found::warning(format!(
            "no system log listens on {journal} or {syslog}: events are lost"
        ))
        .hint("start systemd-journald or a syslog daemon"),
    }]
}

/// The finding of a check that can only examine this machine.
pub(super) fn not_this_machine(examined: &Examination<'_>) -> Option<Found> {
    let place = examined.mounted_at?;
    Some(Found::unknown(format!(
        "not examined: the node's file system is mounted at {}, and the node does not run",
        line::path(place)
    )))
}

/// Whether the journals of `exec-patch` are small.
pub(super) fn journal_size(examined: &Examination<'_>) -> Vec<Found> {
    let path = &examined.paths.patches;
    let mebibytes = |size: u64| format!("{} MiB", size.div_ceil(1 << 20));
    vec![match size_of(path) {
        Ok(size) if size > LARGE => Found::warning(format!(
            "the journals of exec-patch in {} have {}",
            line::path(path),
            mebibytes(size)
        ))
        .hint("remove old ones: embargo exec-patch --prune 90d"),
        Ok(size) => Found::ok(format!(
            "the journals of exec-patch have {}",
            mebibytes(size)
        )),
        Err(error) => {
            let error = FileError::Io(path.clone(), error);
            let found = Found::unknown(causes(&error));
            if process::takes_root(&error) {
                found.hint("run as root")
            } else {
                found
            }
        }
    }]
}

/// The size of all files in a directory and below it, in bytes; 0 if there is no such directory.
fn size_of(directory: &Path) -> io::Result<u64> {
    let (mut size, mut waiting) = (0, vec![PathBuf::from(directory)]);
    while let Some(next) = waiting.pop() {
        let entries = match std::fs::read_dir(&next) {
            Ok(entries) => entries,
            // A run may end while its directory is read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(facts) if facts.is_dir() => waiting.push(entry.path()),
                Ok(facts) => size += facts.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(size)
}
