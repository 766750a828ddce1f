//! Counts the events of this node without a process that stays.
//!
//! One byte is appended to a file below `/run/embargo/counts/` for each event: the size of the file
//! is the count. There is a file for each event, grounds and engine, and for each ban that refused
//! a container. A reboot removes the files, as Prometheus expects of a counter. In: the events of
//! the verdict, and for reading a directory that only root may write to. Out: counts. A count that
//! cannot be written is lost in silence: a start never waits for it and never fails for it. Nothing
//! is written for the containers of an unprivileged user's engine, whose `/run` is the user's own.
//!
//! ```text
//! event.refused.banned.docker       event, grounds, engine
//! event.list-stale.-.docker         an event without grounds
//! ban.critical.BAN-2026-0007        severity, ban
//! ```

use std::ffi::OsStr;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::value::{Error as WordError, StrDeserializer};
use thiserror::Error;

use crate::banlist::ban::Severity;
use crate::banlist::text::is_id;
use crate::container::engine::Engine;
use crate::paths::Paths;
use crate::sys::directory::Directory;
use crate::sys::file::{self, FileError};
use crate::verdict::Grounds;
use crate::verdict::event::{Event, EventKind};

/// At most this many files are made. Events, grounds and engines are few, and bans are tens.
const MOST_FILES: usize = 1_024;

/// Stands in a file's name for missing grounds.
const NO_GROUNDS: &str = "-";

/// How often each thing happened since the node was booted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The events, in the order of their files' names.
    pub events: Vec<EventCount>,
    /// The refusals by each ban. A container that two bans refuse is counted for both.
    pub refusals: Vec<BanCount>,
}

/// How many events of one kind there were, on these grounds, for containers of this engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// What happened.
    pub event: EventKind,
    /// Why a container was refused, or would have been.
    pub grounds: Option<Grounds>,
    /// The containers' engine.
    pub engine: Engine,
    /// How many events.
    pub count: u64,
}

/// How many containers one ban refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanCount {
    /// The ban's ID.
    pub ban: String,
    /// The ban's severity, when it refused.
    pub severity: Severity,
    /// How many containers.
    pub count: u64,
}

/// Why the counts cannot be read.
#[derive(Debug, Error)]
pub enum CountsError {
    /// The directory or a file in it cannot be read, or others may write to it.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not a count that this version knows.
    #[error("cannot use {0:?}: expected a file of Embargo's counts")]
    Unknown(PathBuf),
}

/// Counts these events, which concern containers of the user `owner` (the user's ID on the host).
pub fn add(paths: &Paths, owner: u32, events: &[Event]) {
    // A directory elsewhere is an unprivileged caller's own node: `Paths::for_caller`.
    if owner != 0 && paths.root == Path::new("/") {
        return;
    }
    let Some(directory) = directory(&paths.counts) else {
        return;
    };
    for name in events.iter().flat_map(names) {
        // A lost count is not reported: see the head of this file.
        drop(add_one(&directory, &name));
    }
}

/// The directory of the counts, which is made if it is missing; `None` if it cannot be used.
fn directory(path: &Path) -> Option<Directory> {
    let opened = match Directory::open(path) {
        Err(error) if error.is_absent() => {
            file::make_directory(path.parent()?).ok()?;
            file::make_directory(path).ok()?;
            Directory::open(path)
        }
        opened => opened,
    };
    opened.ok().filter(|directory| directory.guarded().is_ok())
}

fn add_one(directory: &Directory, name: &str) -> Result<(), FileError> {
    let name = OsStr::new(name);
    match directory.append(name, b".") {
        Err(error) if error.is_absent() => {
            if directory.entries()?.count() < MOST_FILES {
                directory.append_new(name, b".")?;
            }
            Ok(())
        }
        done => done,
    }
}

/// The names of the files that count this event.
fn names(event: &Event) -> Vec<String> {
    let grounds = event.grounds.map_or(NO_GROUNDS, Grounds::word);
    let (kind, engine) = (event.kind.word(), event.subject.engine.word());
    let mut names = vec![format!("event.{kind}.{grounds}.{engine}")];
    if event.kind == EventKind::Refused {
        for (ban, severity) in event.bans.iter().zip(&event.severities) {
            // Whoever signs a list chooses its IDs, and an ID becomes a file's name here.
            if is_id(ban) {
                names.push(format!("ban.{}.{ban}", severity.word()));
            }
        }
    }
    names
}

/// Reads the node's counts. Without the directory, nothing has happened since the node was booted.
///
/// # Errors
/// [`CountsError`]; also for a file that is not a count, because a later version may have written
/// it.
pub fn read(paths: &Paths) -> Result<Counts, CountsError> {
    let directory = match Directory::open(&paths.counts) {
        Ok(directory) => directory,
        Err(error) if error.is_absent() => return Ok(Counts::default()),
        Err(error) => return Err(error.into()),
    };
    directory.guarded()?;
    let failed = FileError::io(&paths.counts);
    let mut files = Vec::new();
    for entry in directory.entries()? {
        files.push(entry.map_err(failed)?);
    }
    files.sort_by_key(DirEntry::file_name);
    let mut counts = Counts::default();
    for file in files {
        let name = file.file_name();
        if counts.take(&name, size(&file, paths)?).is_none() {
            return Err(CountsError::Unknown(paths.counts.join(name)));
        }
    }
    Ok(counts)
}

/// The size of a count's file.
fn size(entry: &DirEntry, paths: &Paths) -> Result<u64, CountsError> {
    let path = paths.counts.join(entry.file_name());
    let facts = entry.metadata().map_err(FileError::io(&path))?;
    if facts.is_file() {
        Ok(facts.len())
    } else {
        Err(FileError::NotRegular(path).into())
    }
}

impl Counts {
    /// Adds the count of the file with this name; `None` if this version makes no such file.
    fn take(&mut self, name: &OsStr, count: u64) -> Option<()> {
        let (kind, rest) = name.to_str()?.split_once('.')?;
        let (first, rest) = rest.split_once('.')?;
        match kind {
            "event" => {
                let (grounds, engine) = rest.split_once('.')?;
                self.events.push(EventCount {
                    event: word(first)?,
                    grounds: match grounds {
                        NO_GROUNDS => None,
                        grounds => Some(word(grounds)?),
                    },
                    engine: word(engine)?,
                    count,
                });
            }
            "ban" => self.refusals.push(BanCount {
                ban: is_id(rest).then(|| rest.to_owned())?,
                severity: word(first)?,
                count,
            }),
            _ => return None,
        }
        Some(())
    }
}

/// The value that has this name in every output.
fn word<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    T::deserialize(StrDeserializer::<WordError>::new(text)).ok()
}

#[cfg(test)]
mod tests;
