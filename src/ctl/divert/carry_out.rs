//! Carries out the steps of a diversion.
//!
//! In: one step and its place. Out: the changed file system. Each step is one link, one rename or
//! one removal, is on the disk before the next one, and may be repeated. Not checked: whether the
//! plan still fits; the lock keeps other commands away.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::error::DivertError;
use super::place::DivertNode;
use super::plan::DivertStep;
use crate::ctl::CtlError;
use crate::node::diversions::{self, Diversion};
use crate::sys::replace;

/// Carries out one step.
///
/// # Errors
/// A fault of the file system, of the record, or what dpkg-divert says.
pub(super) fn carry_out(
    step: DivertStep,
    diversion: &Diversion,
    node: &DivertNode<'_>,
    record: &mut Vec<Diversion>,
) -> Result<(), CtlError> {
    let (place, real) = (node.at(&diversion.place), node.at(&diversion.real));
    match step {
        DivertStep::Record => {
            record.retain(|known| known.place != diversion.place);
            record.push(diversion.clone());
            diversions::store(&node.paths.diversions, record.clone())?;
        }
        DivertStep::Forget => {
            record.retain(|known| known.place != diversion.place);
            diversions::store(&node.paths.diversions, record.clone())?;
        }
        DivertStep::Divert => {
            let target = diversion.real.to_string_lossy();
            let words = [
                "--quiet",
                "--local",
                "--no-rename",
                "--divert",
                &target,
                "--add",
            ];
            node.dpkg_divert(diversion, &words)?;
        }
        DivertStep::Undivert => {
            node.dpkg_divert(
                diversion,
                &["--quiet", "--local", "--no-rename", "--remove"],
            )?;
        }
        DivertStep::Keep => put(&real, |draft| fs::hard_link(&place, draft))?,
        DivertStep::Take => put(&place, |draft| symlink(&node.gate, draft))?,
        DivertStep::Restore => changed(&place, fs::rename(&real, &place))?,
        DivertStep::RemoveReal => changed(&real, fs::remove_file(&real))?,
        DivertStep::RemoveLink => changed(&place, fs::remove_file(&place))?,
    }
    Ok(())
}

/// Removes what a command left that was killed just before a rename.
///
/// # Errors
/// [`DivertError::Change`].
pub(super) fn sweep(diversion: &Diversion, node: &DivertNode<'_>) -> Result<(), DivertError> {
    for path in [&diversion.place, &diversion.real] {
        let draft = draft_of(&node.at(path));
        match fs::remove_file(&draft) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(DivertError::Change(draft, error)),
        }
    }
    Ok(())
}

/// Makes a file under another name, and renames it to `path`. A file that is there is replaced.
fn put(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), DivertError> {
    let draft = draft_of(path);
    make(&draft).map_err(|error| DivertError::Change(draft.clone(), error))?;
    changed(path, fs::rename(&draft, path))
}

/// The name of a file that is about to get the name `path`.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".embargo-new");
    path.with_file_name(name)
}

/// The change at `path`, on the disk.
fn changed(path: &Path, done: io::Result<()>) -> Result<(), DivertError> {
    done.and_then(|()| replace::sync_directory(path))
        .map_err(|error| DivertError::Change(path.to_owned(), error))
}
