//! Formats the answers of `embargo check`.
//!
//! In: the containers and images that were found, and the verdicts on them. Names, reasons and
//! paths in them are hostile. Out: a few lines of text, or one JSON object with stable fields. Text
//! is escaped line by line; JSON does its own escaping.

use serde::Serialize;

use super::found::{CheckOutcome, FoundSubject, line};
use crate::node::judged::Judged;
use crate::node::subject::Subject;
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::verdict::break_glass::BreakGlass;
use crate::verdict::leniency::{self, Leniency};
use crate::verdict::listed::List;

/// The answer to one question.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// The name that was asked about.
    pub asked: String,
    /// The worst outcome of everything that was found.
    pub outcome: CheckOutcome,
    /// Whether this node is armed: it has settings, so the gate may refuse something.
    pub armed: bool,
    /// The list that was used. `None` if there is no authentic list.
    pub list: Option<List>,
    /// Why there is no list, or why the list in force was skipped and its second copy used.
    pub list_fault: Option<String>,
    /// The containers and images with this name.
    pub found: Vec<FoundSubject>,
    /// What could not be read, one line each.
    pub faults: Vec<String>,
    /// What lets banned containers start on this node, or was meant to and does not. The text
    /// output shows these lines.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// Notes on what lets banned containers start on this node, and on a break-glass file that has no
/// effect. Audit mode and an open break-glass are only noted if they change a verdict.
pub fn notes(
    judged: &[(Subject, Judged)],
    settings: Option<&Settings>,
    glass: Option<&BreakGlass>,
    now: Timestamp,
) -> Vec<String> {
    let is_withheld = judged
        .iter()
        .any(|(_, judged)| judged.judgement.withheld.is_some());
    let mut notes = Vec::new();
    for leniency in leniency::all(settings, glass, now) {
        let makes_a_difference = match leniency {
            Leniency::NotArmed | Leniency::Shut(_) => true,
            Leniency::Open(_) | Leniency::Audit => is_withheld,
        };
        if makes_a_difference {
            notes.push(leniency.to_string());
        }
    }
    notes
}

impl Answer {
    /// The answer about all containers and images with this name. Without `settings`, the gate does
    /// nothing on this node.
    #[must_use]
    pub fn new(
        asked: &str,
        judged: &[(Subject, Judged)],
        settings: Option<&Settings>,
        faults: Vec<String>,
        now: Timestamp,
    ) -> Self {
        let (list, list_fault) = match judged.first() {
            Some((_, first)) => List::of(&first.bans, now),
            None => (None, None),
        };
        let mut found = Vec::new();
        let mut outcome = None;
        for (subject, judged) in judged {
            let one = FoundSubject::new(subject, judged, settings);
            outcome = outcome.max(Some(one.outcome));
            found.push(one);
        }
        Self {
            asked: asked.to_owned(),
            outcome: outcome.unwrap_or(CheckOutcome::Unknown),
            armed: settings.is_some(),
            list,
            list_fault,
            found,
            faults,
            notes: Vec::new(),
        }
    }

    /// The answer as text, without a line feed at the end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for found in &self.found {
            lines.extend(found.lines());
            lines.push(String::new());
        }
        let list = List::line(self.list.as_ref(), self.list_fault.as_deref());
        lines.push(line("list", &list));
        lines.extend(note_lines(&self.notes));
        lines.join("\n")
    }

    /// The answer as one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        crate::report::json::pretty(self)
    }
}

/// Formats each note as a line.
pub(super) fn note_lines(notes: &[String]) -> Vec<String> {
    notes.iter().map(|note| line("note", note)).collect()
}
