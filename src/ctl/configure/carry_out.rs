//! Carries out a plan: checks the new texts, records what was there, and replaces the files.
//!
//! The record is written before the first file. So an interrupted change can be undone: a file that
//! was not changed yet has a text that the record knows. In: a plan that may be carried out. Out:
//! the new files, with the mode, owner and link of the old ones. A file that somebody else has
//! changed since the plan was made is not replaced.

use std::fs::{self, DirBuilder, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, fchown};
use std::path::{Path, PathBuf};

use super::error::ConfigureError;
use super::form::RuntimeEntry;
use super::plan::{Aim, ConfigurePlan, FileChange};
use super::record::{FormerText, Record, RecordedFile};
use super::settings_files::text;
use super::{checker, service};
use crate::ctl::CtlError;
use crate::paths::Paths;
use crate::sys::file;
use crate::sys::replace::{self, Draft, WriteError};

/// The mode of a new settings file.
const MODE: u32 = 0o644;

/// Whether the engine is to be reloaded or restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    /// Now.
    Now,
    /// By the operator.
    Later,
}

/// Carries out the plan. The caller must hold the lock of the records.
pub(super) fn carry_out(plan: &ConfigurePlan, paths: &Paths) -> Result<(), CtlError> {
    // CRI-O reads every file in its directory, so also the draft of a killed command.
    for file in &plan.files {
        replace::sweep(&file::target(&file.path))?;
    }
    Record::sweep(paths, plan.engine)?;
    for change in plan.changes() {
        check(change, &plan.aim, paths)?;
    }
    for change in plan.changes() {
        if text(&change.path, paths)? != change.before {
            return Err(ConfigureError::Meanwhile(change.path.clone()).into());
        }
    }
    let mut directories = match &plan.record {
        Some(record) => record.directories.clone(),
        None => Vec::new(),
    };
    match &plan.aim {
        Aim::Add(_) => {
            for change in plan.changes() {
                directories.extend(missing_directories(&change.path));
            }
            recorded(plan, directories.clone()).save(paths, plan.engine)?;
        }
        Aim::Undo => {}
    }
    for change in plan.changes() {
        put(change)?;
    }
    match &plan.aim {
        Aim::Add(_) => {}
        Aim::Undo => {
            for directory in directories.iter().rev() {
                // A directory that has other files by now stays.
                drop(fs::remove_dir(directory));
            }
            if plan.record.is_some() {
                Record::remove(paths, plan.engine)?;
            }
        }
    }
    Ok(())
}

/// Lets the engine's program check the new text. What was there before can always be put back if
/// the program accepts today's text no better, as after an update or a mistake of somebody else.
fn check(change: &FileChange, aim: &Aim, paths: &Paths) -> Result<(), CtlError> {
    let check = |text: &Option<String>| match text {
        Some(text) => checker::check(&change.path, &change.form, text, paths),
        None => Ok(()),
    };
    match (check(&change.after), aim) {
        (Err(fault), Aim::Undo) if check(&change.before).is_ok() => Err(fault),
        (Ok(()), _) | (Err(_), Aim::Undo) => Ok(()),
        (Err(fault), Aim::Add(_)) => Err(fault),
    }
}

/// The record of a plan: its own files, and those of the last record that it does not change.
fn recorded(plan: &ConfigurePlan, directories: Vec<PathBuf>) -> Record {
    let mut files = Vec::new();
    for file in plan.record.iter().flat_map(|record| &record.files) {
        if !plan.files.iter().any(|change| change.path == file.path) {
            files.push(file.clone());
        }
    }
    if let Aim::Add(entry) = &plan.aim {
        for change in &plan.files {
            let last = plan
                .record
                .as_ref()
                .and_then(|record| record.file(&change.path));
            files.push(RecordedFile {
                former: former(last, entry),
                path: change.path.clone(),
                form: change.form.clone(),
                entry: entry.clone(),
                before: change.original.clone(),
                after: change.after.clone().unwrap_or_default(),
            });
        }
    }
    Record { files, directories }
}

/// What the file may still have if this change is interrupted: what the last ones added.
fn former(last: Option<&RecordedFile>, entry: &RuntimeEntry) -> Vec<FormerText> {
    let Some(last) = last else { return Vec::new() };
    let mut former = last.former.clone();
    former.push(FormerText {
        entry: last.entry.clone(),
        after: last.after.clone(),
    });
    // One text for each name is enough.
    former.retain(|one| one.entry != *entry);
    former
}

/// The directories above a file that do not exist, the outermost first.
fn missing_directories(path: &Path) -> Vec<PathBuf> {
    let mut missing = Vec::new();
    for directory in path.ancestors().skip(1) {
        if directory.symlink_metadata().is_ok() {
            break;
        }
        missing.insert(0, directory.to_owned());
    }
    missing
}

/// Writes or removes one file.
fn put(change: &FileChange) -> Result<(), WriteError> {
    let file = file::target(&change.path);
    let fault = |error: io::Error| WriteError::new(&file, error);
    let Some(text) = &change.after else {
        return fs::remove_file(&file).map_err(fault);
    };
    if let Some(directory) = file.parent() {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory);
        made.map_err(|error| WriteError::new(directory, error))?;
    }
    let old = fs::metadata(&file).ok();
    let mode = old.as_ref().map_or(MODE, |old| old.mode() & 0o7777);
    let draft = Draft::open(&file, mode)?;
    draft.file().write_all(text.as_bytes()).map_err(fault)?;
    if let Some(old) = old {
        keep_owner(&draft, &old).map_err(fault)?;
    }
    draft.replace()
}

/// Gives the new file the owner and the group of the old one.
fn keep_owner(draft: &Draft, old: &Metadata) -> io::Result<()> {
    let new = draft.file().metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(draft.file(), Some(old.uid()), Some(old.gid()))
}

/// Reloads or restarts the engine, or says how the operator does that.
pub(super) fn refresh(plan: &ConfigurePlan, restart: Restart) -> Result<String, CtlError> {
    let steps = service::steps(plan);
    match restart {
        Restart::Later if plan.is_change() => Ok(service::advice(&steps)),
        Restart::Later if plan.aim == Aim::Undo => Ok(String::new()),
        Restart::Later => Ok(service::reminder(&steps)),
        Restart::Now => service::run(&steps),
    }
}
