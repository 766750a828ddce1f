//! Prints what the runs on this node did.
//!
//! In: the runs' journals; names in them are hostile. Out: text for `--history`. The text is a
//! table of all runs, or one run with each container, the outcome, the duration and the path of the
//! output. With `--json` the text has one line of JSON for each run; for a single run, the lines of
//! its journal follow. A journal that cannot be read becomes a line too, and changes the exit
//! status. Each cell is escaped; JSON does its own escaping.

#[cfg(test)]
mod tests;

use super::error::JournalError;
use super::ids::RunId;
use super::line::Line;
use super::node_state::NodeState;
use super::past::{EntryState, LogEntry, RunLog};
use super::reading;
use super::runs::Runs;
use super::summary::{RunSummary, UnreadableRun};
use crate::audit::who::Who;
use crate::exec_patch::job::{container_name, engine_place, place};
use crate::exec_patch::outcome::Outcome;
use crate::report::line::{causes, name, one_line};
use crate::report::{Exit, json, span};

/// The longest text in the table's columns for the command and for the run's containers, in
/// characters.
const LONGEST: usize = 48;

/// How many characters of a digest are shown; engines show the same number.
const SHORT: usize = 12;

/// All runs as a table, newest first, and the exit status.
///
/// # Errors
/// [`JournalError`] if the boot ID cannot be read, or the lock's file, which names the run under
/// way.
pub fn table(runs: &Runs) -> Result<(String, Exit), JournalError> {
    let mut rows = vec![
        [
            "RUN", "STARTED", "BY", "FOR", "COMMAND", "OK", "NOT OK", "STATE",
        ]
        .map(str::to_owned),
    ];
    let mut faults = Vec::new();
    let node = NodeState::of(runs)?;
    for id in runs.ids() {
        match runs.read(id) {
            Ok(past) => rows.push(row(&past, &node)),
            Err(error) => faults.push(format!("run {id}: {}\n", causes(&error))),
        }
    }
    let table = if rows.len() > 1 {
        aligned(&rows)
    } else {
        String::new()
    };
    let text = table + &faults.concat();
    let exit = if faults.is_empty() {
        Exit::Clear
    } else {
        Exit::Failed
    };
    Ok(if text.is_empty() {
        ("no run yet\n".to_owned(), exit)
    } else {
        (text, exit)
    })
}

/// All runs as JSON, one line for each run, newest first; and the exit status.
///
/// # Errors
/// As [`table`].
pub fn lines(runs: &Runs) -> Result<(String, Exit), JournalError> {
    let node = NodeState::of(runs)?;
    let (mut lines, mut exit) = (String::new(), Exit::Clear);
    for id in runs.ids() {
        lines += &match runs.read(id) {
            Ok(past) => summary(&past, &node),
            Err(error) => {
                exit = Exit::Failed;
                json::line(&Line::Unreadable(UnreadableRun::of(id, &error)))
            }
        };
        lines.push('\n');
    }
    Ok((lines, exit))
}

/// One run as text.
///
/// # Errors
/// [`JournalError`] when its journal cannot be read.
pub fn run(runs: &Runs, id: &RunId) -> Result<String, JournalError> {
    let past = runs.read(id)?;
    let node = NodeState::of(runs)?;
    Ok(heading(&past, &node) + &containers(&past, &node) + &footing(&past))
}

/// One run as JSON: its line in the history, then the lines of its journal.
///
/// # Errors
/// [`JournalError`] when its journal cannot be read.
pub fn run_lines(runs: &Runs, id: &RunId) -> Result<String, JournalError> {
    let past = runs.read(id)?;
    let summary = summary(&past, &NodeState::of(runs)?);
    Ok(summary + "\n" + &reading::text(&past.directory)?)
}

/// A run as a line of JSON.
fn summary(past: &RunLog, node: &NodeState) -> String {
    let (header, (ok, not_ok)) = (&past.header, past.counts());
    let mut summary = RunSummary {
        run: header.id.clone(),
        started: header.started,
        by: header.by.clone(),
        trigger: header.trigger,
        r#for: header.subject(),
        command: header.command(),
        list_version: header.list_version,
        only_failed: header.only_failed.clone(),
        state: node.phase(past),
        ended: None,
        exit: None,
        stopped: None,
        ok,
        not_ok,
        directory: past.directory.clone(),
    };
    if let Some(finished) = &past.finished {
        summary.ended = Some(finished.at);
        summary.exit = Some(finished.exit);
        summary.stopped = finished.stopped;
    }
    json::line(&Line::Summary(Box::new(summary)))
}

fn row(past: &RunLog, node: &NodeState) -> [String; 8] {
    let (header, (ok, not_ok)) = (&past.header, past.counts());
    [
        header.id.to_string(),
        header.started.to_string(),
        header.by.describe(),
        bounded(short_digests(&header.subject())),
        bounded(header.command()),
        ok.to_string(),
        not_ok.to_string(),
        node.phase(past).words().to_owned(),
    ]
}

/// The text, cut to fit a table.
fn bounded(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The text with its digests shortened.
fn short_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (digest, rest) = part.split_at(digits);
        short += "sha256:";
        short += if digits == 64 {
            &digest[..SHORT]
        } else {
            digest
        };
        short += rest;
    }
    short
}

/// The lines above the table: who started the run, for which containers, and what it runs.
fn heading(past: &RunLog, node: &NodeState) -> String {
    let header = &past.header;
    let mut text = format!("run {}: {}\n", header.id, node.phase(past).words());
    text += &format!("started {} by {}\n", header.started, from(&header.by));
    for resumed in &past.resumed {
        text += &format!("resumed {} by {}\n", resumed.at, from(&resumed.by));
    }
    text += &format!("for {}", one_line(&header.subject()));
    if let Some(version) = header.list_version {
        text += &format!(", by list {version}");
    }
    text.push('\n');
    for carried in &past.carried {
        text += &format!("runs {}", one_line(&carried.command));
        if let Some(ban) = &carried.ban {
            text += &format!(" (of {})", name(ban));
        }
        text += &format!(", {}\n", carried.digest);
    }
    text
}

/// Who started the run, on which terminal and machine.
fn from(who: &Who) -> String {
    let from = format!("{} at {}", who.describe(), name(&who.host));
    match &who.terminal {
        Some(terminal) => format!("{from} ({})", name(terminal)),
        None => from,
    }
}

/// The table of the containers and their outcomes.
fn containers(past: &RunLog, node: &NodeState) -> String {
    let mut rows =
        vec![["CONTAINER", "ENGINE", "IMAGE", "OUTCOME", "TOOK", "OUTPUT"].map(str::to_owned)];
    for entry in past.reached() {
        rows.push(entry_row(past, entry, node));
    }
    for one in &past.unidentified {
        let id = if one.id.is_empty() {
            name(&one.place)
        } else {
            short(&one.id)
        };
        let engine = engine_place(one.engine, one.namespace.as_deref());
        let outcome = format!("not understood: {}", one_line(&one.why));
        rows.push([id.as_str(), &engine, "-", &outcome, "-", "-"].map(str::to_owned));
    }
    for one in past.not_started() {
        let (id, outcome) = (short(&one.id), Outcome::NotStarted.word());
        let engine = engine_place(one.engine, one.namespace.as_deref());
        rows.push([id.as_str(), &engine, "-", outcome, "-", "-"].map(str::to_owned));
    }
    if rows.len() > 1 {
        format!("\n{}\n", aligned(&rows))
    } else {
        "\n".to_owned()
    }
}

/// The beginning of an ID.
fn short(id: &str) -> String {
    name(&id.chars().take(SHORT).collect::<String>())
}

/// The row of one entry of the journal, whether or not the container was entered.
fn entry_row(past: &RunLog, entry: &LogEntry, node: &NodeState) -> [String; 6] {
    let outcome = if entry.is_under_way(&node.boot) {
        "under way".to_owned()
    } else {
        sentence(entry.outcome())
    };
    let took = match &entry.state {
        EntryState::Ended { done, .. } => span(done.found.duration_ms),
        EntryState::Started { .. } | EntryState::Settled(_) => "-".to_owned(),
    };
    let output = match past.output(entry) {
        Some(path) if path.symlink_metadata().is_ok_and(|facts| facts.is_file()) => {
            name(&path.to_string_lossy())
        }
        Some(_) | None => "-".to_owned(),
    };
    let image = match &entry.container.image {
        Some(image) => name(image),
        None => "-".to_owned(),
    };
    [
        container_name(&entry.container),
        place(&entry.container),
        image,
        outcome,
        took,
        output,
    ]
}

/// The line below the table: how the run ended.
fn footing(past: &RunLog) -> String {
    let (ok, not_ok) = past.counts();
    let mut text = format!("{ok} ok, {not_ok} not ok");
    if let Some(finished) = &past.finished {
        text += &format!("; ended {} with status {}", finished.at, finished.exit);
        if let Some(why) = finished.stopped {
            text += &format!(", stopped because {why}");
        }
    }
    text + "\n"
}

/// An outcome, short enough for a table.
fn sentence(outcome: &Outcome) -> String {
    let word = outcome.word();
    match outcome {
        Outcome::Failed { status, .. } => format!("{word} (status {status})"),
        Outcome::PatchedBefore { run } => format!("{word} in {}", name(run)),
        Outcome::Cancelled { left } if left.is_empty() => word.to_owned(),
        Outcome::Survived { left } | Outcome::Cancelled { left } => {
            format!("{word}: {}", one_line(&left.join(", ")))
        }
        Outcome::LeftUnpaused { why }
        | Outcome::CouldNotEnter { why }
        | Outcome::NotUnderstood { why } => {
            format!("{word}: {}", one_line(why))
        }
        Outcome::Restarting { starts } => format!("{word}: entered in {starts} of its starts"),
        Outcome::Patched
        | Outcome::AlreadyFine
        | Outcome::TimedOut
        | Outcome::Paused
        | Outcome::Vanished
        | Outcome::NotStarted
        | Outcome::Interrupted => word.to_owned(),
    }
}

/// Lines with aligned columns, two spaces apart; the last column is not padded.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += &format!("{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
