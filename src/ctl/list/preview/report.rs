//! Formats the output of `list preview`.
//!
//! In: the verdicts on everything on the node. Names, reasons and paths in it are hostile. Out:
//! aligned tables, or one JSON document with stable fields. Only what the draft refuses, mentions
//! or cannot judge gets a row; everything else is only counted. Every cell of a table is escaped;
//! JSON does its own escaping.

mod forecast;
mod row;

use serde::Serialize;

use super::Preview;
use super::signed::Signed;
use crate::banlist::head::Head;
use crate::ctl::impact::lists::Lists;
use crate::report::Exit;
use crate::report::amount;
use crate::report::line::{name, one_line};
use crate::report::table::table;
use crate::settings::{MAX_IMPACT, Settings};
use crate::sys::clock::Timestamp;
use crate::verdict::listed::List;
use forecast::Forecast;
use row::{Prediction, Row, remarkable};

/// The whole output.
#[derive(Debug, Serialize)]
pub(super) struct PreviewReport {
    draft: DraftSummary,
    /// The list in force. `None` when there is no authentic list.
    in_force: Option<List>,
    in_force_fault: Option<String>,
    armed: bool,
    /// Reasons why containers that a list refuses can start on this node nevertheless, for instance
    /// audit mode.
    notes: Vec<String>,
    counts: PreviewCounts,
    running: Vec<Row>,
    stopped: Vec<Row>,
    images: Vec<Row>,
    installation: Forecast,
    faults: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DraftSummary {
    path: String,
    origin: String,
    keyset: u64,
    version: u64,
    issued: String,
    expires: String,
    impact: &'static str,
    #[serde(flatten)]
    signed: Signed,
}

#[derive(Debug, Serialize)]
struct PreviewCounts {
    running: Count,
    stopped: Count,
    images: Count,
}

#[derive(Debug, Serialize)]
struct Count {
    all: usize,
    refused: usize,
    newly_refused: usize,
    unknown: usize,
}

impl PreviewReport {
    pub(super) fn new(
        preview: &Preview,
        head: &Head,
        lists: &Lists<'_>,
        signed: Signed,
        settings: Option<&Settings>,
        notes: Vec<String>,
        now: Timestamp,
    ) -> Self {
        let limit = match settings {
            Some(settings) => settings.max_impact,
            None => MAX_IMPACT,
        };
        let (in_force, in_force_fault) = List::of(lists.in_force(), now);
        let running: Vec<_> = preview
            .survey
            .running
            .iter()
            .map(Row::of_container)
            .collect();
        let stopped: Vec<_> = preview.stopped.iter().map(Row::of_container).collect();
        let images: Vec<_> = preview.images.iter().map(Row::of_image).collect();
        Self {
            installation: Forecast::new(
                preview,
                &signed,
                limit,
                signed.impact.unwrap_or(head.impact),
            ),
            draft: DraftSummary::new(preview, head, signed),
            in_force,
            in_force_fault,
            armed: settings.is_some(),
            notes,
            counts: PreviewCounts {
                running: Count::of(&running),
                stopped: Count::of(&stopped),
                images: Count::of(&images),
            },
            running: remarkable(running),
            stopped: remarkable(stopped),
            images: remarkable(images),
            faults: preview.survey.faults.clone(),
        }
    }

    /// The exit status. [`Exit::Banned`] if the draft would refuse anything on this node.
    /// [`Exit::CouldNotTell`] if a store or a runtime's state could not be read, or a container
    /// could not be identified. An image that could not be identified does not matter here, because
    /// it may never be started.
    pub(super) const fn exit(&self) -> Exit {
        let PreviewCounts {
            running,
            stopped,
            images,
        } = &self.counts;
        if running.refused + stopped.refused + images.refused > 0 {
            Exit::Banned
        } else if !self.faults.is_empty() || running.unknown + stopped.unknown > 0 {
            Exit::CouldNotTell
        } else {
            Exit::Clear
        }
    }

    /// The output as JSON: one object and a line feed.
    pub(super) fn json(&self) -> String {
        // The report has only strings, numbers, booleans and lists of these, so writing JSON cannot
        // fail.
        crate::report::json::pretty(self) + "\n"
    }

    /// The output as text.
    pub(super) fn text(&self) -> String {
        let DraftSummary {
            path,
            origin,
            version,
            signed,
            ..
        } = &self.draft;
        let in_force = List::line(self.in_force.as_ref(), self.in_force_fault.as_deref());
        let mut lines = vec![
            head(
                "draft",
                &format!("{}: version {version} for {}", name(path), name(origin)),
            ),
            head("signed", &signed.text()),
        ];
        if let Some(lifts) = signed.lifts() {
            lines.push(head("lifts", &lifts));
        }
        for brought in &signed.brought {
            lines.push(head(brought.does.word(), &brought.line));
        }
        if let Some(withheld) = &signed.withheld {
            lines.push(head("note", withheld));
        }
        lines.push(head("in force", &in_force));
        for note in &self.notes {
            lines.push(head("note", note));
        }
        lines.extend(self.sections());
        lines.extend(self.others());
        lines.push(String::new());
        lines.push(head("install", &self.installation.text()));
        for ahead in &self.installation.ahead {
            lines.push(head("", &ahead.text()));
        }
        lines.join("\n") + "\n"
    }

    /// The containers and images that would be refused: one table for each kind.
    fn sections(&self) -> Vec<String> {
        let unread = self.installation.unread;
        let mut lines = Vec::new();
        let sections = [
            (
                self.counts
                    .running
                    .title("running container", "would not start again", unread),
                ["CONTAINER", "MADE FROM"],
                &self.running,
            ),
            (
                self.counts
                    .stopped
                    .title("stopped container", "would not start", unread),
                ["CONTAINER", "MADE FROM"],
                &self.stopped,
            ),
            (
                self.counts.images.title("image", "would not start", unread),
                ["IMAGE", "IMAGE ID"],
                &self.images,
            ),
        ];
        for (title, heads, rows) in sections {
            if let Some(title) = title {
                lines.push(format!("\n{title}"));
            }
            lines.extend(refused(heads, rows));
        }
        lines
    }

    /// The sections about containers and images that would start although the draft mentions them,
    /// and about those whose lineage is unknown.
    fn others(&self) -> Vec<String> {
        let (mut starting, mut unknown) = (Vec::new(), Vec::new());
        for row in self.running.iter().chain(&self.stopped).chain(&self.images) {
            match row.outcome {
                Prediction::Starts => {
                    for ban in &row.bans {
                        starting.push([row.full_name(), ban.sentence.clone()]);
                    }
                }
                Prediction::Refused => {}
                Prediction::Unknown => {
                    unknown.push([row.full_name(), row.message.clone().unwrap_or_default()]);
                }
            }
        }
        let mut lines = section("would start, although the draft mentions it", &starting);
        lines.extend(section("unknown", &unknown));
        lines
    }
}

/// The table of containers or images that would be refused, if there are any.
fn refused([called, made_from]: [&str; 2], rows: &[Row]) -> Vec<String> {
    let heads = [
        called,
        "ENGINE",
        made_from,
        "BAN",
        "SEVERITY",
        "USE INSTEAD",
        "",
    ];
    let mut lines = vec![heads.map(str::to_owned)];
    for row in rows {
        if row.outcome == Prediction::Refused {
            lines.push(row.cells());
        }
    }
    if lines.len() > 1 {
        table(&lines)
    } else {
        Vec::new()
    }
}

/// A table with a title, if it has rows.
fn section(title: &str, rows: &[[String; 2]]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = table(rows);
    lines[0] = format!("\n{title}\n{}", lines[0]);
    lines
}

impl DraftSummary {
    fn new(preview: &Preview, head: &Head, signed: Signed) -> Self {
        Self {
            path: preview.survey.draft.to_string_lossy().into_owned(),
            origin: head.origin.clone(),
            keyset: head.edition.keyset,
            version: head.edition.version,
            issued: head.issued.to_string(),
            expires: head.expires.to_string(),
            impact: head.impact.word(),
            signed,
        }
    }
}

impl Count {
    fn of(rows: &[Row]) -> Self {
        let mut count = Self {
            all: rows.len(),
            refused: 0,
            newly_refused: 0,
            unknown: 0,
        };
        for row in rows {
            match row.outcome {
                Prediction::Starts => {}
                Prediction::Refused => {
                    count.refused += 1;
                    count.newly_refused += usize::from(!row.refused_already);
                }
                Prediction::Unknown => count.unknown += 1,
            }
        }
        count
    }

    /// The line above a table of containers or images: how many there are, and how many would be
    /// refused; `None` if there are none. `unread` is how many directories or files could not be
    /// read. If it is not zero and nothing would be refused, the line only speaks of the containers
    /// or images that could be read.
    fn title(&self, thing: &str, consequence: &str, unread: usize) -> Option<String> {
        let Self {
            all,
            refused,
            newly_refused,
            unknown,
        } = self;
        let already = match refused - newly_refused {
            0 => String::new(),
            already => format!(", {already} of them banned already"),
        };
        match (all, refused) {
            (0, _) => None,
            (_, 0) if unread + unknown > 0 => Some(format!(
                "{}: none of those that could be read would be refused",
                amount(*all, thing)
            )),
            (_, 0) => Some(format!("{}: none would be refused", amount(*all, thing))),
            (..) => Some(format!(
                "{}: {refused} {consequence}{already}",
                amount(*all, thing)
            )),
        }
    }
}

fn head(word: &str, rest: &str) -> String {
    format!("{word:<9} {}", one_line(rest))
}
