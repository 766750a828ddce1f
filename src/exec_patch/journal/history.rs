//! Prints what the runs on this node did.
//!
//! In: the runs' journals; names in them are hostile. Out: text for `--history`. It is a table of
//! all runs, or one run with each container, the outcome, the duration and the path of the output.
//! With `--json` it is one line for each run; for a single run, the lines of its journal follow. A
//! journal that cannot be read becomes one such line too, and changes the exit status. Each cell is
//! escaped; JSON does its own escaping.

mod document;
#[cfg(test)]
mod tests;

use self::document::{HistoryLine, Summary};
use super::error::JournalError;
use super::ids::{ContainerKey, RunId};
use super::line::{Carried, NotUnderstood};
use super::past::{EntryState, RunLog};
use super::phase::{NodeState, Phase};
use super::reading;
use super::runs::Runs;
use super::who::Who;
use crate::container::engine::Engine;
use crate::exec_patch::job::{container_name, place};
use crate::exec_patch::outcome::Outcome;
use crate::report::line::{causes, name, one_line};
use crate::report::{Exit, json, span};

/// How many characters of a command, and of a run's purpose, are shown in the table.
const LONGEST: usize = 48;

/// How many characters of a digest are shown; engines show as many.
const SHORT: usize = 12;

/// All runs as a table, newest first, and the exit status.
///
/// # Errors
/// [`JournalError`] if the lock's file, which names the run under way, cannot be read, or the boot
/// ID.
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
            Ok(past) => json::line(&HistoryLine::Summary(Summary::of(&past, &node))),
            Err(error) => {
                exit = Exit::Failed;
                json::line(&HistoryLine::Unreadable {
                    run: id,
                    fault: causes(&error),
                })
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
    let summary = json::line(&HistoryLine::Summary(Summary::of(
        &past,
        &NodeState::of(runs)?,
    )));
    Ok(summary + "\n" + &reading::text(&past.directory)?)
}

fn row(past: &RunLog, node: &NodeState) -> [String; 8] {
    let (header, (ok, not_ok)) = (&past.header, past.counts());
    let state = Phase::of(past, node.holder.as_ref(), &node.boot)
        .words()
        .to_owned();
    [
        header.id.to_string(),
        header.started.to_string(),
        header.by.describe(),
        bounded(short_digests(&header.subject())),
        bounded(header.command()),
        ok.to_string(),
        not_ok.to_string(),
        state,
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
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |told, part| {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (digest, rest) = part.split_at(digits);
        told + "sha256:"
            + if digits == 64 {
                &digest[..SHORT]
            } else {
                digest
            }
            + rest
    })
}

/// The lines above the table: who started the run, for which containers, and what it runs.
fn heading(past: &RunLog, node: &NodeState) -> String {
    let header = &past.header;
    let from = |who: &Who| match &who.terminal {
        Some(terminal) => format!(
            "{} at {} ({})",
            who.describe(),
            name(&who.host),
            name(terminal)
        ),
        None => format!("{} at {}", who.describe(), name(&who.host)),
    };
    let phase = Phase::of(past, node.holder.as_ref(), &node.boot).words();
    let mut lines = vec![
        format!("run {}: {phase}", header.id),
        format!("started {} by {}", header.started, from(&header.by)),
    ];
    lines.extend(
        past.resumed
            .iter()
            .map(|resumed| format!("resumed {} by {}", resumed.at, from(&resumed.by))),
    );
    let list = header
        .list_version
        .map_or_else(String::new, |version| format!(", by list {version}"));
    lines.push(format!("for {}{list}", header.subject()));
    lines.extend(past.carried.iter().map(
        |Carried {
             digest,
             ban,
             command,
             ..
         }| {
            let of = ban
                .as_ref()
                .map_or_else(String::new, |ban| format!(" (of {})", name(ban)));
            format!("runs {}{of}, {digest}", one_line(command))
        },
    ));
    lines.iter().map(|line| one_line(line) + "\n").collect()
}

/// The table of the containers and their outcomes.
fn containers(past: &RunLog, node: &NodeState) -> String {
    let mut rows =
        vec![["CONTAINER", "ENGINE", "IMAGE", "OUTCOME", "TOOK", "OUTPUT"].map(str::to_owned)];
    rows.extend(past.reached().into_iter().map(|entry| {
        let outcome = if entry.is_under_way(&node.boot) {
            "under way".to_owned()
        } else {
            sentence(entry.outcome())
        };
        let took = match &entry.state {
            EntryState::Ended { done, .. } => span(done.took),
            EntryState::Started { .. } | EntryState::Settled(_) => "-".to_owned(),
        };
        let output = past
            .output(entry)
            .filter(|path| path.symlink_metadata().is_ok_and(|facts| facts.is_file()));
        let output = output.map_or_else(|| "-".to_owned(), |path| name(&path.to_string_lossy()));
        let image = entry
            .container
            .image
            .as_deref()
            .map_or_else(|| "-".to_owned(), name);
        [
            container_name(&entry.container),
            place(&entry.container),
            image,
            outcome,
            took,
            output,
        ]
    }));
    let or_id = |id: &str, place: &str| {
        if id.is_empty() {
            name(place)
        } else {
            name(&id.chars().take(SHORT).collect::<String>())
        }
    };
    let of = |engine: &Engine, namespace: Option<&String>| {
        engine.to_string()
            + &namespace
                .map(|namespace| format!("/{}", name(namespace)))
                .unwrap_or_default()
    };
    rows.extend(past.unidentified.iter().map(|unidentified| {
        let NotUnderstood {
            id,
            engine,
            namespace,
            place,
            why,
            ..
        } = unidentified;
        let outcome = format!("not understood: {}", one_line(why));
        [
            or_id(id, place),
            of(engine, namespace.as_ref()),
            "-".to_owned(),
            outcome,
            "-".to_owned(),
            "-".to_owned(),
        ]
    }));
    rows.extend(past.not_started().into_iter().map(
        |ContainerKey {
             engine,
             namespace,
             id,
             ..
         }| {
            let outcome = Outcome::NotStarted.word().to_owned();
            [
                or_id(id, ""),
                of(engine, namespace.as_ref()),
                "-".to_owned(),
                outcome,
                "-".to_owned(),
                "-".to_owned(),
            ]
        },
    ));
    if rows.len() > 1 {
        format!("\n{}\n", aligned(&rows))
    } else {
        "\n".to_owned()
    }
}

/// The line below the table: how the run ended.
fn footing(past: &RunLog) -> String {
    let (ok, not_ok) = past.counts();
    let end = match &past.finished {
        Some(finished) => {
            let stopped = finished
                .stopped
                .map_or_else(String::new, |why| format!(", stopped because {why}"));
            format!(
                "; ended {} with status {}{stopped}",
                finished.at, finished.exit
            )
        }
        None => String::new(),
    };
    format!("{ok} ok, {not_ok} not ok{end}\n")
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
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let line = |row: &[String; N]| {
        let cells: String = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        format!("{}\n", cells.trim_end())
    };
    rows.iter().map(line).collect()
}
