//! Finds the store's record of one container.
//!
//! In: a container's ID or the ID of its own layer, and the directories that may hold the store's
//! lists. Out: its record, and the list that has it. The engine writes the lists; which of them has
//! the record depends on how the container was started. `podman run --rm` and CRI-O write the
//! volatile one, which in transient mode is in the run root, and so is the bundle (Podman 5.8). Not
//! checked: whether the record fits what is mounted.

use std::path::{Path, PathBuf};

use super::records::{self, ContainerRecord};
use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::sys::deadline::Deadline;
use crate::sys::file::{self, Guard};

/// The largest list that is read, in bytes: some 80 000 containers.
pub const LARGEST_LIST: u64 = 64 << 20;

/// The record of the container `id` and the list that has it, of the stores at `roots`.
///
/// # Errors
/// [`Unknown::Deadline`] when the time is over after a list, [`Unknown::NoRecord`] when no list has
/// it, [`Unknown::File`] when a list cannot be read, [`Corrupt::File`] when a list or the record is
/// broken.
pub fn find(
    id: &str,
    driver: &str,
    roots: &[&Path],
    deadline: &Deadline,
) -> Result<(ContainerRecord, PathBuf), LineageError> {
    let directory = |root: &Path| root.join(format!("{driver}-containers"));
    let paths = roots.iter().flat_map(|root| {
        [
            directory(root).join("containers.json"),
            directory(root).join("volatile-containers.json"),
        ]
    });
    let mut lists = Vec::new();
    if let Some(found) = seek(id, paths, &mut lists, deadline)? {
        return Ok(found);
    }
    // No record starts as the engines write it. Only reading all lists shows whether it is missing
    // or a list is broken.
    for (path, list) in lists {
        let records: Vec<ContainerRecord> = all(&path, &list)?;
        in_time(deadline)?;
        if let Some(record) = records.into_iter().find(|record| record.id == id) {
            return Ok((record, path));
        }
    }
    Err(Unknown::NoRecord(
        "the container's record",
        roots
            .first()
            .map_or_else(PathBuf::new, |root| directory(root)),
    )
    .into())
}

/// Looks for the record in one list after the other, and keeps those that do not have it.
fn seek(
    id: &str,
    paths: impl Iterator<Item = PathBuf>,
    passed: &mut Vec<(PathBuf, Vec<u8>)>,
    deadline: &Deadline,
) -> Result<Option<(ContainerRecord, PathBuf)>, LineageError> {
    for path in paths {
        if passed.iter().any(|(known, _)| *known == path) {
            continue;
        }
        let Some(list) = read_list(&path)? else {
            continue;
        };
        in_time(deadline)?;
        match records::seek(&list, id)
            .map_err(|fault| Corrupt::File(path.clone(), fault.to_string()))?
        {
            Some(record) => return Ok(Some((record, path))),
            None => passed.push((path, list)),
        }
    }
    Ok(None)
}

/// The record of the container whose own layer this is, in the store at `root`, and the list that
/// has it; `None` when there is none.
///
/// # Errors
/// As [`find`], except for a missing record.
pub fn of_layer(
    layer: &str,
    driver: &str,
    root: &Path,
    deadline: &Deadline,
) -> Result<Option<(ContainerRecord, PathBuf)>, LineageError> {
    let containers = every(driver, &[root])?;
    in_time(deadline)?;
    Ok(containers
        .into_iter()
        .find(|(record, _)| record.layer == layer))
}

/// All containers of the stores at `roots`, each once, with the list that has it.
///
/// # Errors
/// As [`find`], except for a missing record.
pub fn every(
    driver: &str,
    roots: &[&Path],
) -> Result<Vec<(ContainerRecord, PathBuf)>, LineageError> {
    let mut containers: Vec<(ContainerRecord, PathBuf)> = Vec::new();
    for root in roots {
        for name in ["containers.json", "volatile-containers.json"] {
            let path = root.join(format!("{driver}-containers")).join(name);
            let Some(list) = read_list(&path)? else {
                continue;
            };
            for record in all::<ContainerRecord>(&path, &list)? {
                if !containers.iter().any(|(known, _)| known.id == record.id) {
                    containers.push((record, path.clone()));
                }
            }
        }
    }
    Ok(containers)
}

/// Whether there is time left.
///
/// # Errors
/// [`Unknown::Deadline`] when there is none.
pub fn in_time(deadline: &Deadline) -> Result<(), LineageError> {
    if deadline.is_over() {
        Err(Unknown::Deadline.into())
    } else {
        Ok(())
    }
}

/// The bytes of a list; `None` when it is not there.
///
/// # Errors
/// [`Unknown::File`] when it cannot be read.
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
/// [`Corrupt::File`] when it is not a list of such records.
pub fn all<R: serde::de::DeserializeOwned>(
    path: &Path,
    list: &[u8],
) -> Result<Vec<R>, LineageError> {
    records::all(list).map_err(|fault| Corrupt::File(path.to_owned(), fault.to_string()).into())
}
