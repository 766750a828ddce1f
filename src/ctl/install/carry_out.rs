//! Carries out a plan, so that a crash at any moment leaves the old list or the new one.
//!
//! In: a plan, and the checked copy of the new list. Out: the node's files, each replaced as a
//! whole, in the order of the steps. The copy is written to the disk before any other file is
//! changed, so a full or failing disk leaves everything as it was. If a step fails, the run ends;
//! no step is tried twice. A second run starts with a new copy, and skips the steps that are
//! already done.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::CtlError;
use super::super::consequences::error;
use super::super::consequences::node::NodeState;
use super::super::consequences::plan::InstallStep;
use crate::banlist::head::HEAD_SIZE;
use crate::paths::Paths;
use crate::sys::replace::{self, Draft, WriteError};

/// Copies exactly `size` bytes of the staged list to a temporary file, which a later step renames.
/// Also removes temporary files of killed installations.
///
/// # Errors
/// [`CtlError`] when a file cannot be written.
pub(super) fn copy(staged: &File, size: u64, paths: &Paths) -> Result<Draft, CtlError> {
    for path in [&paths.list, &paths.copy, &paths.floor, &paths.last_install] {
        replace::sweep(path)?;
    }
    copied(staged, size, &paths.list)
}

/// A temporary file with the first `size` bytes of `from`, which will replace `path`.
fn copied(mut from: &File, size: u64, path: &Path) -> Result<Draft, CtlError> {
    let draft = Draft::open(path, 0o644).map_err(|fault| error::of_disk(fault, size))?;
    let done = from
        .seek(SeekFrom::Start(0))
        .and_then(|_| io::copy(&mut from.take(size), &mut draft.file()));
    match done {
        Ok(_) => Ok(draft),
        Err(fault) => Err(error::of_disk(WriteError::new(path, fault), size)),
    }
}

/// Makes sure that the bytes of a temporary file are on the disk.
fn sync(draft: &Draft, size: u64, path: &Path) -> Result<(), CtlError> {
    match draft.file().sync_all() {
        Ok(()) => Ok(()),
        Err(fault) => Err(error::of_disk(WriteError::new(path, fault), size)),
    }
}

/// Writes another head block into the copy: the same text, with more signatures.
///
/// # Errors
/// [`CtlError`] when a file cannot be written.
pub(super) fn sign(draft: &Draft, head: &[u8; HEAD_SIZE], paths: &Paths) -> Result<(), CtlError> {
    draft
        .file()
        .write_all_at(head, 0)
        .map_err(|fault| WriteError::new(&paths.list, fault).into())
}

/// Carries out the steps of a plan, with the checked copy of the list.
///
/// # Errors
/// [`CtlError`] when a file cannot be written.
pub(super) fn carry_out(
    steps: &[InstallStep],
    draft: Draft,
    size: u64,
    node: &NodeState<'_>,
) -> Result<(), CtlError> {
    let paths = node.paths;
    // The second copy is a file of its own, not a link, so that damage to one copy leaves the other
    // intact.
    let mut copy = if steps.iter().any(InstallStep::is_copy) {
        let second = copied(draft.file(), size, &paths.copy)?;
        sync(&second, size, &paths.copy)?;
        Some(second)
    } else {
        None
    };
    if steps.iter().any(InstallStep::is_put) {
        sync(&draft, size, &paths.list)?;
    }
    let mut draft = Some(draft);
    for step in steps {
        match step {
            InstallStep::Announce(floor) | InstallStep::Raise(floor) => {
                replace::replace(&paths.floor, 0o644, floor.text().as_bytes())?
            }
            InstallStep::Copy(_) => copy.take().map_or(Ok(()), Draft::replace)?,
            InstallStep::Put(_) => draft.take().map_or(Ok(()), Draft::replace)?,
        }
    }
    // A file that an earlier version of this program wrote, and that nothing reads any more. If the
    // file cannot be removed, it does no harm.
    fs::remove_file(&paths.previous).ok();
    Ok(())
}
