//! Reads a journal into a [`RunLog`].
//!
//! In: a journal's lines, which only root writes; names in them are hostile. Out: a [`RunLog`], or
//! an error that names the first line that this program would not have written. No line is skipped,
//! and no missing value is guessed. Text after the last line feed is ignored: its writer was killed
//! before the line was complete, so nobody acted on that line. The file is read line by line, at
//! most [`LARGEST`] bytes of it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::append::LONGEST_LINE;
use super::error::JournalError;
use super::ids::ContainerKey;
use super::line::{Ended, Findings, Line, RunHeader, Started};
use super::past::{EntryState, JOURNAL, LogEntry, RunLog, resumed};
use crate::exec_patch::job::JobResult;
use crate::exec_patch::outcome::OutcomeKind;
use crate::report::json::SCHEMA;
use crate::sys::file::{self, FileError, Guard};

/// The largest journal that is read, in bytes: some ten thousand containers.
const LARGEST: u64 = 256 << 20;

impl RunLog {
    /// Reads the journal in the directory of a run.
    ///
    /// # Errors
    /// [`JournalError::File`], [`JournalError::Line`], [`JournalError::Version`].
    pub fn read(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join(JOURNAL);
        let (file, size) = file::open(&path, Guard::Owned)?;
        if size > LARGEST {
            return Err(FileError::TooLarge(path, LARGEST).into());
        }
        let mut reading = Reading {
            directory,
            past: None,
            by_number: HashMap::new(),
            planned: HashSet::new(),
        };
        let mut lines = JournalLines {
            reader: BufReader::new(file.take(LARGEST)),
            number: 0,
        };
        while let Some(line) = lines.next(&path)? {
            reading
                .take(&line)
                .map_err(|fault| fault.at(&path, lines.number))?;
        }
        reading
            .past
            .ok_or_else(|| JournalError::Line(path, 1, "it has no header".to_owned()))
    }

    /// Whether the run may have entered a container in this boot of the machine. Most of the
    /// journal is not read for that.
    ///
    /// # Errors
    /// As [`RunLog::read`].
    pub(super) fn is_of(directory: &Path, boot: &str) -> Result<bool, JournalError> {
        let is_resumed = directory.join(resumed(boot)).symlink_metadata().is_ok();
        Ok(is_resumed || header(directory)?.boot == boot)
    }
}

/// The header of the journal in this directory.
pub(super) fn header(directory: &Path) -> Result<RunHeader, JournalError> {
    let path = directory.join(JOURNAL);
    let (file, _) = file::open(&path, Guard::Owned)?;
    let mut lines = JournalLines {
        reader: BufReader::new(file.take(LARGEST)),
        number: 0,
    };
    let line = lines.next(&path)?.unwrap_or_default();
    begin(directory, &line)
        .map(|past| past.header)
        .map_err(|fault| fault.at(&path, 1))
}

/// The complete lines of the journal in this directory, unchanged.
pub(super) fn text(directory: &Path) -> Result<String, JournalError> {
    let mut text = file::read_text(&directory.join(JOURNAL), LARGEST, Guard::Owned)?;
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    Ok(text)
}

/// A journal's complete lines.
struct JournalLines {
    reader: BufReader<std::io::Take<File>>,
    number: usize,
}

impl JournalLines {
    /// The next line, without its line feed; `None` after the last complete line.
    fn next(&mut self, path: &Path) -> Result<Option<Vec<u8>>, JournalError> {
        let mut line = Vec::new();
        let limit = LONGEST_LINE as u64 + 1;
        let read = self
            .reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut line);
        read.map_err(|error| FileError::Io(path.to_owned(), error))?;
        self.number += 1;
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() >= LONGEST_LINE => Err(JournalError::Line(
                path.to_owned(),
                self.number,
                "it is too long".to_owned(),
            )),
            Some(_) | None => Ok(None),
        }
    }
}

/// What is wrong with a line.
enum Fault {
    /// The line is of another version.
    Version(u32),
    /// Another fault, as text.
    Text(String),
}

impl Fault {
    fn at(self, path: &Path, number: usize) -> JournalError {
        match self {
            Self::Version(version) => JournalError::Version(path.to_owned(), version),
            Self::Text(fault) => JournalError::Line(path.to_owned(), number, fault),
        }
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The one field that lines of every version have.
#[derive(Deserialize)]
struct AnyForm {
    schema: u32,
}

/// A journal that is being read.
struct Reading<'a> {
    directory: &'a Path,
    past: Option<RunLog>,
    /// The position of each number in the list of entries.
    by_number: HashMap<usize, usize>,
    /// The planned containers. A resumed run plans some of them again.
    planned: HashSet<ContainerKey>,
}

impl Reading<'_> {
    fn take(&mut self, line: &[u8]) -> Result<(), Fault> {
        let Some(past) = &mut self.past else {
            self.past = Some(begin(self.directory, line)?);
            return Ok(());
        };
        match parse(line)? {
            Line::Run(_) => return Err("a second header".into()),
            Line::Carried(carried) => past.carried.push(carried),
            Line::Planned(planned) => {
                let named = ContainerKey::of(&planned.container);
                if self.planned.insert(named.clone()) {
                    past.planned.push(named);
                }
            }
            Line::Started(started) => {
                if self
                    .by_number
                    .insert(started.number, past.entries.len())
                    .is_some()
                {
                    return Err("its number was started before".into());
                }
                past.entries.push(entered(*started)?);
            }
            Line::Ended(ended) => {
                if ended.ok != ended.outcome.is_ok() {
                    return Err("it is ok, or not, against its outcome".into());
                }
                match (ended.number, ended.found.clone()) {
                    (Some(number), Some(found)) => {
                        let entry = self
                            .by_number
                            .get(&number)
                            .and_then(|at| past.entries.get_mut(*at))
                            .ok_or("its number was not started")?;
                        finish(entry, *ended, found)?;
                    }
                    (None, None) => past.entries.push(settled(*ended)),
                    (Some(_), None) | (None, Some(_)) => {
                        return Err("it was entered by halves".into());
                    }
                }
            }
            Line::NotUnderstood(unidentified) => {
                if unidentified.ok || unidentified.outcome != OutcomeKind::NotUnderstood {
                    return Err("it has another outcome".into());
                }
                // The same container was found before, perhaps for another reason: the newer line
                // replaces the older.
                past.unidentified.retain(|known| {
                    (&known.id, &known.place) != (&unidentified.id, &unidentified.place)
                });
                past.unidentified.push(unidentified);
            }
            Line::Resumed(resumed) => {
                past.resumed.push(resumed);
                past.finished = None;
            }
            Line::Finished(finished) if finished.run != past.header.id => {
                return Err("it is another run's".into());
            }
            Line::Finished(finished) => past.finished = Some(finished),
            Line::Warning { .. } | Line::LeftOut(_) | Line::Gone(_) | Line::Plan(_) => {
                return Err("it stands in no journal".into());
            }
        }
        Ok(())
    }
}

/// Reads a line. Written out again, the result must give the same line: so no field of the line is
/// ignored.
fn parse(line: &[u8]) -> Result<Line, Fault> {
    let fault = |error: serde_json::Error| Fault::Text(error.to_string());
    let mut read: Value = serde_json::from_slice(line).map_err(fault)?;
    let schema = read
        .as_object_mut()
        .and_then(|fields| fields.remove("schema"));
    if schema != Some(SCHEMA.into()) {
        return Err(Fault::Text(format!("its schema is not {SCHEMA}")));
    }
    let line: Line = serde_json::from_value(read.clone()).map_err(fault)?;
    match difference(&read, &serde_json::to_value(&line).map_err(fault)?) {
        None => Ok(line),
        Some(difference) => Err(Fault::Text(difference)),
    }
}

/// The first difference between a line and what this program has read from it.
fn difference(read: &Value, known: &Value) -> Option<String> {
    match (read, known) {
        (Value::Object(read), Value::Object(known)) => {
            let unknown = read
                .keys()
                .find(|key| !known.contains_key(*key))
                .map(|key| format!("unknown field `{key}`"));
            let missing = known
                .keys()
                .find(|key| !read.contains_key(*key))
                .map(|key| format!("missing field `{key}`"));
            unknown.or(missing).or_else(|| {
                read.iter()
                    .find_map(|(key, value)| difference(value, known.get(key)?))
            })
        }
        (Value::Array(read), Value::Array(known)) if read.len() == known.len() => read
            .iter()
            .zip(known)
            .find_map(|(read, known)| difference(read, known)),
        (read, known) => (read != known).then(|| format!("{read} where {known} is meant")),
    }
}

/// Reads the first line, which is the run's header.
fn begin(directory: &Path, line: &[u8]) -> Result<RunLog, Fault> {
    let AnyForm { schema } =
        serde_json::from_slice(line).map_err(|_| Fault::from("it has no schema"))?;
    if schema != SCHEMA {
        return Err(Fault::Version(schema));
    }
    let Line::Run(header) = parse(line)? else {
        return Err("it is no header".into());
    };
    if directory.file_name() != Some(header.id.as_str().as_ref()) {
        return Err(Fault::Text(format!("it is that of run {}", header.id)));
    }
    let (planned, entries, unidentified, resumed) = Default::default();
    Ok(RunLog {
        directory: directory.to_owned(),
        carried: header.carried.clone(),
        header: *header,
        planned,
        entries,
        unidentified,
        resumed,
        finished: None,
    })
}

/// Makes the entry for a start.
fn entered(started: Started) -> Result<LogEntry, Fault> {
    let Started {
        number,
        at,
        boot,
        digest,
        ban,
        container,
        worker,
        unpause,
    } = started;
    let worker = worker.ok_or("it has no worker")?;
    Ok(LogEntry {
        at,
        boot,
        digest: Some(digest),
        ban,
        container,
        state: EntryState::Started {
            number,
            worker,
            unpause,
        },
    })
}

/// Adds the result to the entry that recorded the start.
fn finish(entry: &mut LogEntry, ended: Ended, found: Findings) -> Result<(), Fault> {
    let EntryState::Started { number, .. } = entry.state else {
        return Err("its number has ended before".into());
    };
    if (&entry.container, entry.digest, &entry.ban, &entry.boot)
        != (&ended.container, ended.digest, &ended.ban, &ended.boot)
    {
        return Err("its number was started otherwise".into());
    }
    let Findings {
        duration_ms,
        output_bytes,
        output_tail: _,
        background,
        zombies,
    } = found;
    let done = JobResult {
        outcome: ended.outcome,
        took: duration_ms,
        written: output_bytes,
        tail: String::new(),
        left: background,
        zombies,
    };
    entry.state = EntryState::Ended { number, done };
    Ok(())
}

/// Makes an entry for a container that nothing entered.
fn settled(ended: Ended) -> LogEntry {
    let Ended {
        at,
        boot,
        digest,
        ban,
        container,
        outcome,
        ..
    } = ended;
    LogEntry {
        at,
        boot,
        digest,
        ban,
        container,
        state: EntryState::Settled(outcome),
    }
}
