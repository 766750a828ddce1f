//! Reads a journal into a [`RunLog`].
//!
//! In: a journal's lines, which only root writes; names in them are hostile. Out: a [`RunLog`], or
//! an error that names the first line that this program cannot have written. No line is skipped,
//! and no missing value is guessed. Text after the last line feed is ignored: its writer was killed
//! before the line was complete, so nobody acted on that line. The file is read line by line, at
//! most [`LARGEST`] bytes of it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::append::LONGEST_LINE;
use super::error::JournalError;
use super::files::{JOURNAL, resumed};
use super::header::RunHeader;
use super::ids::ContainerKey;
use super::line::{Ended, Line, Started};
use super::past::{EntryState, LogEntry, RunLog};
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
        let (mut lines, size) = JournalLines::open(directory)?;
        if size > LARGEST {
            return Err(FileError::TooLarge(lines.path, LARGEST).into());
        }
        let mut log = LogReader {
            directory,
            past: None,
            by_number: HashMap::new(),
            planned: HashSet::new(),
        };
        while let Some(line) = lines.next()? {
            if let Err(fault) = log.take(&line) {
                return Err(lines.error(fault));
            }
        }
        match log.past {
            Some(past) => Ok(past),
            None => Err(JournalError::Line(
                lines.path,
                1,
                "it has no header".to_owned(),
            )),
        }
    }

    /// Whether the run may have entered a container in this boot of the machine. Only the journal's
    /// header is read.
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
    let (mut lines, _) = JournalLines::open(directory)?;
    let line = lines.next()?.unwrap_or_default();
    match header_of(directory, &line) {
        Ok(header) => Ok(header),
        Err(fault) => Err(lines.error(fault)),
    }
}

/// The complete lines of the journal in this directory, unchanged.
pub(super) fn text(directory: &Path) -> Result<String, JournalError> {
    let mut text = file::read_text(&directory.join(JOURNAL), LARGEST, Guard::Owned)?;
    let whole = match text.rfind('\n') {
        Some(end) => end + 1,
        None => 0,
    };
    text.truncate(whole);
    Ok(text)
}

/// A journal's complete lines.
struct JournalLines {
    path: PathBuf,
    reader: BufReader<std::io::Take<File>>,
    number: usize,
}

impl JournalLines {
    /// Opens the journal in this directory; the second value is the journal's size in bytes.
    fn open(directory: &Path) -> Result<(Self, u64), JournalError> {
        let path = directory.join(JOURNAL);
        let (file, size) = file::open(&path, Guard::Owned)?;
        let lines = Self {
            path,
            reader: BufReader::new(file.take(LARGEST)),
            number: 0,
        };
        Ok((lines, size))
    }

    /// The next line, without its line feed; `None` after the last complete line.
    fn next(&mut self) -> Result<Option<Vec<u8>>, JournalError> {
        let mut line = Vec::new();
        let mut reader = self.reader.by_ref().take(LONGEST_LINE as u64 + 1);
        if let Err(error) = reader.read_until(b'\n', &mut line) {
            return Err(FileError::Io(self.path.clone(), error).into());
        }
        self.number += 1;
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() >= LONGEST_LINE => Err(self.error("it is too long".into())),
            Some(_) | None => Ok(None),
        }
    }

    /// The error for the last line.
    fn error(&self, fault: LineFault) -> JournalError {
        let path = self.path.clone();
        match fault {
            LineFault::Version(version) => JournalError::Version(path, version),
            LineFault::Text(fault) => JournalError::Line(path, self.number, fault),
        }
    }
}

/// What is wrong with a line.
enum LineFault {
    /// The line is of another version.
    Version(u32),
    /// Another fault, as text.
    Text(String),
}

impl From<&str> for LineFault {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<serde_json::Error> for LineFault {
    fn from(error: serde_json::Error) -> Self {
        Self::Text(error.to_string())
    }
}

/// The one field that lines of every version have.
#[derive(Deserialize)]
struct AnyForm {
    schema: u32,
}

/// A journal that is being read.
struct LogReader<'a> {
    directory: &'a Path,
    past: Option<RunLog>,
    /// The position of each number in the list of entries.
    by_number: HashMap<usize, usize>,
    /// The planned containers. A resumed run plans some of them again.
    planned: HashSet<ContainerKey>,
}

impl LogReader<'_> {
    fn take(&mut self, line: &[u8]) -> Result<(), LineFault> {
        let Some(past) = &mut self.past else {
            let header = header_of(self.directory, line)?;
            self.past = Some(RunLog::new(self.directory, header));
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
                let at = past.entries.len();
                if self.by_number.insert(started.number, at).is_some() {
                    return Err("its number was started before".into());
                }
                past.entries.push(entered(*started)?);
            }
            Line::Ended(ended) => end(past, &self.by_number, *ended)?,
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
            Line::Warning { .. }
            | Line::LeftOut(_)
            | Line::Gone(_)
            | Line::Plan(_)
            | Line::Summary(_)
            | Line::Unreadable(_) => return Err("it stands in no journal".into()),
        }
        Ok(())
    }
}

/// Reads a line. The result is written out again and must give the same line, so that no field of
/// the line is ignored.
fn parse(line: &[u8]) -> Result<Line, LineFault> {
    let mut read: Value = serde_json::from_slice(line)?;
    if read.get("schema") != Some(&SCHEMA.into()) {
        return Err(LineFault::Text(format!("its schema is not {SCHEMA}")));
    }
    if let Value::Object(fields) = &mut read {
        fields.remove("schema");
    }
    let line: Line = serde_json::from_value(read.clone())?;
    match difference(&read, &serde_json::to_value(&line)?) {
        None => Ok(line),
        Some(difference) => Err(LineFault::Text(difference)),
    }
}

/// The first difference between a line and what this program has read from it.
fn difference(read: &Value, known: &Value) -> Option<String> {
    match (read, known) {
        (Value::Object(read), Value::Object(known)) => {
            for key in read.keys() {
                if !known.contains_key(key) {
                    return Some(format!("unknown field `{key}`"));
                }
            }
            for key in known.keys() {
                if !read.contains_key(key) {
                    return Some(format!("missing field `{key}`"));
                }
            }
            read.iter()
                .find_map(|(key, value)| difference(value, known.get(key)?))
        }
        (Value::Array(read), Value::Array(known)) if read.len() == known.len() => {
            let mut pairs = read.iter().zip(known);
            pairs.find_map(|(read, known)| difference(read, known))
        }
        (read, known) if read == known => None,
        (read, known) => Some(format!("{read} where {known} is meant")),
    }
}

/// Reads the first line, which is the run's header.
fn header_of(directory: &Path, line: &[u8]) -> Result<RunHeader, LineFault> {
    let Ok(AnyForm { schema }) = serde_json::from_slice(line) else {
        return Err("it has no schema".into());
    };
    if schema != SCHEMA {
        return Err(LineFault::Version(schema));
    }
    let Line::Run(header) = parse(line)? else {
        return Err("it is no header".into());
    };
    if directory.file_name() != Some(header.id.as_str().as_ref()) {
        return Err(LineFault::Text(format!("it is that of run {}", header.id)));
    }
    Ok(*header)
}

/// Makes the entry for a start.
fn entered(started: Started) -> Result<LogEntry, LineFault> {
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

/// Adds how a patch of a container ended: to the entry of its start, or as an entry of its own if
/// nothing entered the container.
fn end(
    past: &mut RunLog,
    by_number: &HashMap<usize, usize>,
    ended: Ended,
) -> Result<(), LineFault> {
    if ended.ok != ended.outcome.is_ok() {
        return Err("it is ok, or not, against its outcome".into());
    }
    let (number, mut found) = match (ended.number, ended.found) {
        (Some(number), Some(found)) => (number, found),
        (None, None) => {
            past.entries.push(LogEntry {
                at: ended.at,
                boot: ended.boot,
                digest: ended.digest,
                ban: ended.ban,
                container: ended.container,
                state: EntryState::Settled(ended.outcome),
            });
            return Ok(());
        }
        (Some(_), None) | (None, Some(_)) => return Err("it was entered by halves".into()),
    };
    let at = by_number.get(&number).ok_or("its number was not started")?;
    let entry = &mut past.entries[*at];
    if !matches!(entry.state, EntryState::Started { .. }) {
        return Err("its number has ended before".into());
    }
    if (&entry.container, entry.digest, &entry.ban, &entry.boot)
        != (&ended.container, ended.digest, &ended.ban, &ended.boot)
    {
        return Err("its number was started otherwise".into());
    }
    found.output_tail.clear();
    let done = JobResult {
        outcome: ended.outcome,
        found,
    };
    entry.state = EntryState::Ended { number, done };
    Ok(())
}
