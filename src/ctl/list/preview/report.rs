//! Formats the output of `list preview`.
//!
//! In: the verdicts on everything on the node. Names, reasons and paths in it are hostile. Out:
//! aligned tables, or one JSON document with stable fields. Only what the draft refuses, mentions
//! or cannot judge gets a row; everything else is only counted. Every cell of a table is escaped;
//! JSON does its own escaping.

use serde::Serialize;

use super::super::super::amount;
use super::super::super::impact::lists::Lists;
use super::super::super::impact::{ImpactError, Surveyed, objection::on_a_later_day};
use super::signed::Signed;
use super::{Preview, PreviewedImage, restart};
use crate::banlist::head::{Head, Impact};
use crate::container::engine::Engine;
use crate::lineage::Origin;
use crate::node::subject::Kind;
use crate::report::Exit;
use crate::report::line::{causes, name, one_line};
use crate::settings::{MAX_IMPACT, Settings};
use crate::sys::clock::Timestamp;
use crate::verdict::Grounds;
use crate::verdict::listed::{BanFound, List};

/// The whole output.
#[derive(Debug, Serialize)]
pub(super) struct PreviewReport {
    draft: DraftSummary,
    /// The list in force. `None` when there is no authentic list.
    in_force: Option<List>,
    in_force_fault: Option<String>,
    armed: bool,
    /// Reasons why containers that a list refuses can start on this node all the same, for instance
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

/// Whether an installation of the draft would succeed, judged by the running containers and by the
/// draft's signatures.
#[derive(Debug, Serialize)]
struct Forecast {
    objection: Option<Objection>,
    message: Option<String>,
    counted: usize,
    newly_refused: usize,
    /// How many of the newly refused containers can still start today.
    later: usize,
    max_impact_percent: u8,
    /// How many places could not be read. More containers may be running than were counted.
    unread: usize,
}

/// The reason why an installation would fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Objection {
    /// Too many of the running containers could not start again.
    Share,
    /// The pause container of a running pod could not start again.
    Pause,
    /// The draft has too few signatures for what it lifts.
    Lifts,
    /// The draft cannot be installed on this node, whatever it lifts.
    List,
}

/// What the draft means for one container or image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Prediction {
    /// It would start: no ban in effect refuses it.
    Starts,
    /// It would not start.
    Refused,
    /// Its lineage is not known, so neither is the verdict.
    Unknown,
}

/// A container or image that the output lists.
#[derive(Debug, Serialize)]
struct Row {
    outcome: Prediction,
    /// Why the draft refuses it.
    #[serde(skip)]
    grounds: Option<Grounds>,
    /// Whether the list in force bans it already.
    refused_already: bool,
    engine: Engine,
    place: String,
    id: Option<String>,
    names: Vec<String>,
    image: Option<String>,
    image_id: Option<String>,
    pause: bool,
    /// Whether a user controls the container, so that it does not count.
    of_user: bool,
    /// The name of the restart policy by which its engine starts it again.
    restart: Option<&'static str>,
    message: Option<String>,
    bans: Vec<BanFound>,
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
        let limit = settings.map_or(MAX_IMPACT, |settings| settings.max_impact);
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
        let in_force = self
            .in_force
            .as_ref()
            .map_or_else(|| "none".to_owned(), List::text);
        let why = self
            .in_force_fault
            .as_ref()
            .map(|fault| format!(" ({fault})"))
            .unwrap_or_default();
        let mut lines = vec![
            head(
                "draft",
                &format!("{}: version {version} for {}", name(path), name(origin)),
            ),
            head("signed", &signed.text()),
        ];
        lines.extend(signed.lifts().map(|lifts| head("lifts", &lifts)));
        lines.extend(
            signed
                .adds
                .iter()
                .flatten()
                .map(|added| head("adds", added)),
        );
        lines.push(head("in force", &format!("{in_force}{why}")));
        lines.extend(self.notes.iter().map(|note| head("note", note)));
        let unread = self.installation.unread;
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
        for (title, [called, made_from], rows) in sections {
            let refused: Vec<_> = rows
                .iter()
                .filter(|row| row.outcome == Prediction::Refused)
                .map(Row::cells)
                .collect();
            lines.extend(title.map(|title| format!("\n{title}")));
            if !refused.is_empty() {
                let heads = [
                    called,
                    "ENGINE",
                    made_from,
                    "BAN",
                    "SEVERITY",
                    "USE INSTEAD",
                    "",
                ]
                .map(str::to_owned);
                lines.extend(table(&[vec![heads], refused].concat()));
            }
        }
        lines.extend(self.others());
        lines.push(String::new());
        lines.push(head("install", &self.installation.text()));
        lines.join("\n") + "\n"
    }

    /// The sections about what would start although the draft mentions it, and about what is
    /// unknown.
    fn others(&self) -> Vec<String> {
        let all = || self.running.iter().chain(&self.stopped).chain(&self.images);
        let says = |row: &Row| {
            row.bans
                .iter()
                .map(|ban| [row.called(), ban.sentence.clone()])
                .collect::<Vec<_>>()
        };
        let starting: Vec<_> = all()
            .filter(|row| row.outcome == Prediction::Starts)
            .flat_map(says)
            .collect();
        let unknown: Vec<_> = all()
            .filter(|row| row.outcome == Prediction::Unknown)
            .map(|row| [row.called(), row.message.clone().unwrap_or_default()])
            .collect();
        let section = |title: &str, rows: &[[String; 2]]| {
            let lines = if rows.is_empty() {
                Vec::new()
            } else {
                table(rows)
            };
            lines
                .into_iter()
                .enumerate()
                .flat_map(|(at, line)| {
                    (at == 0)
                        .then(|| format!("\n{title}"))
                        .into_iter()
                        .chain([line])
                })
                .collect()
        };
        let starting: Vec<String> =
            section("would start, although the draft mentions it", &starting);
        let unknown: Vec<String> = section("unknown", &unknown);
        [starting, unknown].concat()
    }
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
        let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
        let newly_refused = rows
            .iter()
            .filter(|row| row.outcome == Prediction::Refused && !row.refused_already)
            .count();
        Self {
            all: rows.len(),
            refused: count(Prediction::Refused),
            newly_refused,
            unknown: count(Prediction::Unknown),
        }
    }

    /// The line above a table; `None` if there is nothing to count. If `unread` places could not be
    /// read, more may exist than was counted, and the line says so.
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

impl Forecast {
    fn new(preview: &Preview, signed: &Signed, limit: u8, impact: Impact) -> Self {
        let of_containers = preview.survey.objection(limit, impact).map(|objection| {
            let word = match objection {
                ImpactError::Share { .. } => Objection::Share,
                ImpactError::Pause { .. } => Objection::Pause,
            };
            (word, causes(&objection))
        });
        let too_few = signed
            .too_few
            .iter()
            .map(|message| (Objection::Lifts, message.clone()));
        let fault = signed
            .fault
            .iter()
            .map(|message| (Objection::List, message.clone()));
        let (objection, message) = of_containers
            .into_iter()
            .chain(too_few)
            .chain(fault)
            .next()
            .unzip();
        Self {
            objection,
            message,
            counted: preview.survey.counted().count(),
            newly_refused: preview.survey.newly_refused().count(),
            later: preview.survey.later(),
            max_impact_percent: limit,
            unread: preview.survey.faults.len(),
        }
    }

    fn text(&self) -> String {
        let Self {
            counted,
            newly_refused,
            later,
            max_impact_percent,
            unread,
            ..
        } = self;
        let newly = format!(
            "{newly_refused} of {} newly refused{}",
            amount(*counted, "running container"),
            on_a_later_day(*later)
        );
        let share = format!("{newly}, max_impact = \"{max_impact_percent}%\"");
        match (self.objection, &self.message) {
            // The line `signed` above says why. Signatures may still be added.
            (Some(Objection::List), _) => {
                format!("would stop: this node would not take it as it is; {share}")
            }
            (_, Some(message)) => format!("would stop: {message}"),
            (_, None) if *unread > 0 => {
                format!(
                    "cannot tell: {} could not be read; of the others, {share}",
                    amount(*unread, "place")
                )
            }
            (_, None) => format!("no objection: {share}"),
        }
    }
}

impl Row {
    fn of_container(one: &Surveyed) -> Self {
        let row = Self::new(one);
        match &one.subject.kind {
            Kind::Container {
                id, names, asked, ..
            } => Self {
                id: Some(id.to_string()),
                names: names
                    .iter()
                    .map(|name| name.trim_start_matches('/').to_owned())
                    .collect(),
                image: row.image.clone().or_else(|| asked.clone()),
                restart: restart::policy(&one.subject),
                ..row
            },
            Kind::Image => row,
        }
    }

    fn of_image(image: &PreviewedImage) -> Self {
        Self {
            names: image.names.clone(),
            ..Self::new(&image.judged)
        }
    }

    fn new(one: &Surveyed) -> Self {
        let origin = one.subject.origin.as_ref().ok();
        let facts = origin.and_then(Origin::facts);
        let outcome = match (one.is_refused(), one.is_known()) {
            (true, _) => Prediction::Refused,
            (false, false) => Prediction::Unknown,
            (false, true) => Prediction::Starts,
        };
        Self {
            outcome,
            grounds: one.grounds(),
            refused_already: one.is_refused() && !one.is_newly_refused(),
            engine: one.subject.engine,
            place: one.subject.place.to_string_lossy().into_owned(),
            id: None,
            names: Vec::new(),
            image: facts.and_then(|facts| facts.name.clone()),
            image_id: facts
                .and_then(|facts| facts.image_id)
                .map(|id| id.to_string()),
            pause: one.is_pause,
            of_user: !one.is_trusted,
            restart: None,
            message: one.message(),
            bans: one
                .draft
                .judgement
                .findings
                .iter()
                .map(|finding| BanFound::new(finding, origin))
                .collect(),
        }
    }

    fn called(&self) -> String {
        let id = self
            .id
            .as_ref()
            .map(|id| id.chars().take(12).collect::<String>());
        self.names
            .first()
            .cloned()
            .or(id)
            .map_or_else(|| "(no name)".to_owned(), |called| name(&called))
    }

    /// The cells of the row in the table.
    fn cells(&self) -> [String; 7] {
        let none = || "-".to_owned();
        let ban = self.bans.iter().find(|ban| ban.standing == "in-effect");
        let remarks: Vec<_> = [
            self.refused_already.then(|| "banned already".to_owned()),
            self.pause.then(|| "PAUSE CONTAINER".to_owned()),
            self.of_user.then(|| "a user's".to_owned()),
            self.restart.map(|policy| format!("restarts: {policy}")),
            match (ban, self.grounds) {
                (None, Some(Grounds::Banned)) => {
                    Some("banned, and the bans are more than a start reads".to_owned())
                }
                (None, Some(Grounds::OverdueList)) => Some("list overdue".to_owned()),
                (None, _) | (Some(_), _) => None,
            },
        ]
        .into_iter()
        .flatten()
        .collect();
        // An image's name is in the first cell already, so this cell has its image ID.
        let image = self.id.as_ref().map_or_else(
            || {
                self.image_id
                    .as_ref()
                    .map(|id| id.chars().take(19).collect())
            },
            |_| self.image.as_deref().map(name),
        );
        [
            self.called(),
            self.engine.word().to_owned(),
            image.unwrap_or_else(none),
            ban.map_or_else(none, |ban| name(&ban.id)),
            ban.map_or_else(none, |ban| ban.severity.to_owned()),
            ban.and_then(|ban| ban.successor.as_deref())
                .map_or_else(none, name),
            remarks.join(", "),
        ]
    }
}

/// The rows that are worth printing, sorted by name.
fn remarkable(rows: Vec<Row>) -> Vec<Row> {
    let is_remarkable = |row: &Row| {
        row.outcome != Prediction::Starts || row.bans.iter().any(|ban| ban.standing != "lapsed")
    };
    let mut rows: Vec<Row> = rows.into_iter().filter(is_remarkable).collect();
    rows.sort_by_key(Row::called);
    rows
}

fn head(word: &str, rest: &str) -> String {
    format!("{word:<9} {}", one_line(rest))
}

/// Lines with aligned columns, two spaces apart. The last column is not padded.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| std::array::from_fn(|column| one_line(&row[column])))
        .collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let line = |row: &[String; N]| {
        row.iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}  "))
            .collect::<String>()
    };
    rows.iter()
        .map(|row| line(row).trim_end().to_owned())
        .collect()
}
