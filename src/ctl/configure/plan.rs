//! Plans which settings files get which text.
//!
//! In: the engine, the options, the node's files, its daemons, and the record of the last change.
//! Out: a [`ConfigurePlan`]. Nothing is written here. A change starts from the text without
//! Embargo's entry, so that the record always has the text from before the first change. If nobody
//! else has changed a file since the record was made, that text is the recorded one, byte for byte;
//! otherwise it is today's text without Embargo's keys.

use std::path::{Path, PathBuf};

use super::error::ConfigureError;
use super::form::{Form, Rank, RuntimeEntry};
use super::record::{Record, RecordedFile};
use super::settings_files::{SettingsFiles, text};
use super::{ConfigureArgs, ConfiguredEngine, program};
use crate::ctl::CtlError;
use crate::delegate::RuntimeFamily;
use crate::node::processes;
use crate::paths::Paths;

/// The names that Docker does not give to another runtime.
const RESERVED: [&str; 2] = ["runc", "io.containerd.runc.v2"];

/// The changes to an engine's settings.
#[derive(Debug)]
pub(super) struct ConfigurePlan {
    pub(super) engine: ConfiguredEngine,
    pub(super) aim: Aim,
    /// The files, also those that do not change.
    pub(super) files: Vec<FileChange>,
    /// The record of the last change.
    pub(super) record: Option<Record>,
    /// What an operator should know about the change, one line each.
    pub(super) notes: Vec<&'static str>,
}

/// What a plan is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// The engine gets this runtime.
    Add(RuntimeEntry),
    /// The engine loses what was added.
    Undo,
}

/// A settings file, before and after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileChange {
    /// The file, as a path of this process.
    pub(super) path: PathBuf,
    pub(super) form: Form,
    /// The text today; `None` if there is no file.
    pub(super) before: Option<String>,
    /// The new text; `None` if there is to be no file.
    pub(super) after: Option<String>,
    /// The text without Embargo's entry, to which an undo leads.
    pub(super) original: Option<String>,
}

impl ConfigurePlan {
    /// The files that change.
    pub(super) fn changes(&self) -> impl Iterator<Item = &FileChange> {
        self.files.iter().filter(|file| file.before != file.after)
    }

    pub(super) fn is_change(&self) -> bool {
        self.changes().next().is_some()
    }

    /// Whether there is something to carry out. If somebody else has put back the files, the record
    /// of the change is left.
    pub(super) fn is_work(&self) -> bool {
        self.is_change() || self.aim == Aim::Undo && self.record.is_some()
    }

    /// Whether containers get Embargo without asking for it.
    pub(super) fn is_default(&self) -> bool {
        match &self.aim {
            Aim::Add(entry) => {
                entry.rank == Rank::Default || self.engine == ConfiguredEngine::Buildkit
            }
            Aim::Undo => false,
        }
    }
}

/// The plan to add Embargo to an engine.
pub(super) fn draw(args: &ConfigureArgs, paths: &Paths) -> Result<ConfigurePlan, CtlError> {
    let entry = RuntimeEntry {
        name: name(args)?,
        program: program(args.path.as_deref(), paths)?,
        rank: if args.default {
            Rank::Default
        } else {
            Rank::Choice
        },
    };
    let record = Record::load(paths, args.engine)?;
    let processes = processes::of_node(paths);
    let mut files = Vec::new();
    for (path, form) in SettingsFiles::of(paths, &processes).targets(args)? {
        files.push(added(path, form, &entry, record.as_ref(), paths)?);
    }
    Ok(ConfigurePlan {
        engine: args.engine,
        notes: notes(args.engine, &entry),
        aim: Aim::Add(entry),
        files,
        record,
    })
}

/// The plan to undo what was added to an engine.
pub(super) fn undo(engine: ConfiguredEngine, paths: &Paths) -> Result<ConfigurePlan, CtlError> {
    let record = Record::load(paths, engine)?;
    let mut files = Vec::new();
    for recorded in record.iter().flat_map(|record| &record.files) {
        let before = text(&recorded.path, paths)?;
        let original = original(recorded, before.as_deref())?;
        files.push(FileChange {
            path: recorded.path.clone(),
            form: recorded.form.clone(),
            before,
            after: original.clone(),
            original,
        });
    }
    Ok(ConfigurePlan {
        engine,
        aim: Aim::Undo,
        files,
        record,
        notes: Vec::new(),
    })
}

fn name(args: &ConfigureArgs) -> Result<String, ConfigureError> {
    let name = args.name.clone();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(ConfigureError::Name(name, ""));
    }
    if args.engine == ConfiguredEngine::Docker && RESERVED.contains(&name.as_str()) {
        return Err(ConfigureError::Name(name, ": Docker keeps it for its own"));
    }
    Ok(name)
}

fn notes(engine: ConfiguredEngine, entry: &RuntimeEntry) -> Vec<&'static str> {
    match engine {
        ConfiguredEngine::Docker if entry.rank == Rank::Default => vec![
            "note: BuildKit does not use the default runtime: embargoctl configure buildkit, or \
             before Docker 26 embargoctl divert",
            "note: containers that exist keep their runtime until they are created anew",
        ],
        ConfiguredEngine::Containerd => {
            vec!["note: other handlers that run runc lead past Embargo: embargoctl divert"]
        }
        ConfiguredEngine::Podman if entry.rank == Rank::Default => {
            let mut notes = vec![
                "note: Embargo becomes the runtime that /etc/embargo/config.toml names, or else \
                 runc: for crun, set runtime = \"/usr/bin/crun\" there",
            ];
            if RuntimeFamily::of(Path::new(&entry.name)) == RuntimeFamily::Other {
                notes.push(
                    "note: containers that exist keep their runtime; --name crun also covers \
                     those of crun",
                );
            }
            notes
        }
        ConfiguredEngine::Docker
        | ConfiguredEngine::Podman
        | ConfiguredEngine::Crio
        | ConfiguredEngine::Buildkit => Vec::new(),
    }
}

fn added(
    path: PathBuf,
    form: Form,
    entry: &RuntimeEntry,
    record: Option<&Record>,
    paths: &Paths,
) -> Result<FileChange, CtlError> {
    let before = text(&path, paths)?;
    let fault = |fault| ConfigureError::Edit(path.clone(), fault);
    let is_there = match &before {
        Some(text) => form.has(text, entry).map_err(fault)?,
        None => false,
    };
    let recorded = record.and_then(|record| record.file(&path));
    let original = match recorded {
        Some(recorded) => original(recorded, before.as_deref())?,
        None => before.clone(),
    };
    let after = if is_there {
        before.clone()
    } else {
        let base = original.as_deref().unwrap_or_default();
        Some(form.with(base, entry).map_err(fault)?)
    };
    Ok(FileChange {
        form,
        before,
        after,
        original,
        path,
    })
}

/// The text of a recorded file without what was added to it.
fn original(
    recorded: &RecordedFile,
    today: Option<&str>,
) -> Result<Option<String>, ConfigureError> {
    let Some(today) = today else { return Ok(None) };
    if recorded.is_known(today) {
        return Ok(recorded.before.clone());
    }
    let before = recorded.before.as_deref().unwrap_or_default();
    let mut without = today.to_owned();
    for entry in recorded.entries() {
        let edited = recorded.form.without(&without, entry, before);
        without = edited.map_err(|fault| ConfigureError::Edit(recorded.path.clone(), fault))?;
    }
    let is_gone = recorded.before.is_none() && recorded.form.is_empty(&without);
    Ok((!is_gone).then_some(without))
}
