//! Carries out a plan, so that a crash at any moment leaves the old list or the new one.
//!
//! In: a plan, and the copy of the new list that was checked. Out: the node's files, each replaced
//! whole, in the order of the steps. The copy is written to the disk before anything else is
//! touched: a disk that is full, or fails, leaves everything as it was. A step that fails ends the
//! run; nothing is tried twice. A second run starts again with a copy of its own and finds what is
//! done.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::super::CtlError;
use super::super::consequences::error;
use super::super::consequences::node::NodeState;
use super::super::consequences::plan::Step;
use crate::banlist::head::HEAD_SIZE;
use crate::paths::Paths;
use crate::sys::replace::{self, Draft, WriteError};

/// Copies exactly `size` bytes of the staged list to the file from which it will be renamed, and
/// removes what killed installations left.
///
/// # Errors
/// Errors in writing.
pub(super) fn copy(staged: &File, size: u64, paths: &Paths) -> Result<Draft, CtlError> {
    for path in [&paths.list, &paths.copy, &paths.floor] {
        replace::sweep(path)?;
    }
    let draft = Draft::open(&paths.list, 0o644).map_err(|fault| error::of_disk(fault, size))?;
    let mut staged = staged;
    let copied = staged
        .seek(SeekFrom::Start(0))
        .and_then(|_| io::copy(&mut staged.take(size), &mut draft.file()));
    copied.map_err(|fault| error::of_disk(WriteError::new(&paths.list, fault), size))?;
    Ok(draft)
}

/// Gives the copy another head block: the same text, with more signatures.
///
/// # Errors
/// Errors in writing.
pub(super) fn sign(draft: &Draft, head: &[u8; HEAD_SIZE], paths: &Paths) -> Result<(), CtlError> {
    draft
        .file()
        .write_all_at(head, 0)
        .map_err(|fault| WriteError::new(&paths.list, fault).into())
}

/// Carries out the steps of a plan with the copy that was checked.
///
/// # Errors
/// Errors in writing.
pub(super) fn carry_out(
    steps: &[Step],
    draft: Draft,
    size: u64,
    node: &NodeState<'_>,
) -> Result<(), CtlError> {
    let paths = node.paths;
    let puts = |wanted: fn(&Step) -> bool| steps.iter().any(wanted);
    let mut second = puts(|step| matches!(step, Step::Copy(_)))
        .then(|| second(&draft, size, paths))
        .transpose()?;
    if puts(|step| matches!(step, Step::Put(_))) {
        draft
            .file()
            .sync_all()
            .map_err(|fault| error::of_disk(WriteError::new(&paths.list, fault), size))?;
    }
    let mut draft = Some(draft);
    for step in steps {
        match step {
            Step::Announce(floor) | Step::Raise(floor) => {
                replace::replace(&paths.floor, 0o644, floor.text().as_bytes())?
            }
            Step::Copy(_) => second.take().map_or(Ok(()), Draft::replace)?,
            Step::Put(_) => draft.take().map_or(Ok(()), Draft::replace)?,
        }
    }
    // Nobody reads it any more. Where it cannot be removed it does no harm.
    fs::remove_file(&paths.previous).ok();
    Ok(())
}

/// The second copy, on the disk: a separate file, so that damage to one leaves the other.
fn second(draft: &Draft, size: u64, paths: &Paths) -> Result<Draft, CtlError> {
    let fault = |fault| error::of_disk(WriteError::new(&paths.copy, fault), size);
    let second = Draft::open(&paths.copy, 0o644).map_err(|fault| error::of_disk(fault, size))?;
    let mut from = draft.file();
    let copied = from
        .seek(SeekFrom::Start(0))
        .and_then(|_| io::copy(&mut from.take(size), &mut second.file()));
    copied
        .and_then(|_| second.file().sync_all())
        .map_err(fault)?;
    Ok(second)
}
