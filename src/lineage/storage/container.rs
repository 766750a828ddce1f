//! Finds the record of one container in a containers/storage store.
//!
//! In: the ID of a container or of its own layer, and the directories that may contain the store's
//! lists. Out: the container's record, and the list that has the record. The engine writes the
//! lists. Which list has the record depends on how the container was started: `podman run --rm` and
//! CRI-O write the record to the volatile list. In transient mode, this list and the bundle are in
//! the run root (Podman 5.8). Not checked: whether the record fits what is mounted.

use std::path::{Path, PathBuf};

use super::records::{self, ContainerRecord};
use crate::lineage::error::{InFile, LineageError, Unknown, in_time};
use crate::sys::deadline::Deadline;
use crate::sys::file::{self, Guard};

/// The size, in bytes, of the largest list that is read. A list of this size has room for some
/// 80 000 containers.
pub const LARGEST_LIST: u64 = 64 << 20;

/// The record of the container `id`, and the list that has the record, in the stores at `roots`.
///
/// # Errors
/// [`Unknown::Deadline`] when the time has run out after a list was read; [`Unknown::NoRecord`]
/// when no list has the record; [`Unknown::File`] when a list cannot be read; `Corrupt::File`
/// when a list or the record is damaged.
pub fn find(
    id: &str,
    driver: &str,
    roots: &[&Path],
    deadline: &Deadline,
) -> Result<(ContainerRecord, PathBuf), LineageError> {
    let mut lists = Vec::new();
    if let Some(found) = seek(id, &paths(driver, roots), &mut lists, deadline)? {
        return Ok(found);
    }
    // No record begins in the way in which engines write records. Now all lists have to be parsed,
    // to find out whether the record is missing or a list is damaged.
    for (path, list) in lists {
        let records: Vec<ContainerRecord> = all(&path, &list)?;
        in_time(deadline)?;
        for record in records {
            if record.id == id {
                return Ok((record, path));
            }
        }
    }
    let directory = match roots.first() {
        Some(root) => directory(driver, root),
        None => PathBuf::new(),
    };
    Err(Unknown::NoRecord("the container's record", directory).into())
}

fn directory(driver: &str, root: &Path) -> PathBuf {
    root.join(format!("{driver}-containers"))
}

/// The lists of these stores.
fn paths(driver: &str, roots: &[&Path]) -> Vec<PathBuf> {
    let mut paths = Vec::with_capacity(2 * roots.len());
    for root in roots {
        for name in ["containers.json", "volatile-containers.json"] {
            paths.push(directory(driver, root).join(name));
        }
    }
    paths
}

/// Searches for the record in one list after the other. Adds the lists without the record to
/// `passed`.
fn seek(
    id: &str,
    paths: &[PathBuf],
    passed: &mut Vec<(PathBuf, Vec<u8>)>,
    deadline: &Deadline,
) -> Result<Option<(ContainerRecord, PathBuf)>, LineageError> {
    for path in paths {
        if passed.iter().any(|(known, _)| known == path) {
            continue;
        }
        let Some(list) = read_list(path)? else {
            continue;
        };
        in_time(deadline)?;
        match records::seek(&list, id).in_file(path)? {
            Some(record) => return Ok(Some((record, path.clone()))),
            None => passed.push((path.clone(), list)),
        }
    }
    Ok(None)
}

/// The record of the container that has this layer as its own, and the list that has the record, in
/// the store at `root`. `None` when there is no such record.
///
/// # Errors
/// The errors of [`find`], except that a missing record is no error.
pub fn of_layer(
    layer: &str,
    driver: &str,
    root: &Path,
    deadline: &Deadline,
) -> Result<Option<(ContainerRecord, PathBuf)>, LineageError> {
    let containers = every(driver, &[root])?;
    in_time(deadline)?;
    let mut containers = containers.into_iter();
    Ok(containers.find(|(record, _)| record.layer == layer))
}

/// All containers of the stores at `roots`, each once, with the list that has its record.
///
/// # Errors
/// The errors of [`find`], except that a missing record is no error.
pub fn every(
    driver: &str,
    roots: &[&Path],
) -> Result<Vec<(ContainerRecord, PathBuf)>, LineageError> {
    let mut containers: Vec<(ContainerRecord, PathBuf)> = Vec::new();
    for path in paths(driver, roots) {
        let Some(list) = read_list(&path)? else {
            continue;
        };
        for record in all::<ContainerRecord>(&path, &list)? {
            if !containers.iter().any(|(known, _)| known.id == record.id) {
                containers.push((record, path.clone()));
            }
        }
    }
    Ok(containers)
}

/// The bytes of a list; `None` when the list does not exist.
///
/// # Errors
/// [`Unknown::File`] when the list cannot be read.
pub fn read_list(path: &Path) -> Result<Option<Vec<u8>>, LineageError> {
    match file::read(path, LARGEST_LIST, Guard::Any) {
        Ok(list) => Ok(Some(list)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(Unknown::File(error).into()),
    }
}

/// All records of a list.
///
/// # Errors
/// `Corrupt::File` when the bytes are not a list of such records.
pub fn all<R: serde::de::DeserializeOwned>(
    path: &Path,
    list: &[u8],
) -> Result<Vec<R>, LineageError> {
    Ok(records::all(list).in_file(path)?)
}
