//! Predicts whether an installation of the draft would fail, and for which reason.
//!
//! In: the running containers, judged, and what is wrong with the draft's signatures. Out: a line
//! for people and fields for programs.

use serde::Serialize;

use super::super::Preview;
use super::super::signed::Signed;
use crate::banlist::head::Impact;
use crate::ctl::impact::ahead::Ahead;
use crate::ctl::impact::{ImpactError, objection::on_a_later_day};
use crate::report::amount;
use crate::report::line::causes;

/// Whether an installation of the draft would succeed, judged by the running containers and by the
/// draft's signatures.
#[derive(Debug, Serialize)]
pub(super) struct Forecast {
    objection: Option<Objection>,
    message: Option<String>,
    counted: usize,
    newly_refused: usize,
    /// How many of the newly refused containers can still start today.
    later: usize,
    /// How many more running containers the draft refuses from a later time on.
    pub(super) ahead: Vec<Ahead>,
    max_impact_percent: u8,
    /// How many directories or files could not be read. More containers may be running than were
    /// found.
    pub(super) unread: usize,
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

impl Forecast {
    pub(super) fn new(preview: &Preview, signed: &Signed, limit: u8, impact: Impact) -> Self {
        let of_containers = preview.survey.objection(limit, impact);
        let (objection, message) = match (&of_containers, &signed.too_few, &signed.fault) {
            (Some(error), ..) => {
                let objection = match error {
                    ImpactError::Share { .. } => Objection::Share,
                    ImpactError::Pause { .. } => Objection::Pause,
                };
                (Some(objection), Some(causes(error)))
            }
            (None, Some(message), _) => (Some(Objection::Lifts), Some(message.clone())),
            (None, None, Some(message)) => (Some(Objection::List), Some(message.clone())),
            (None, None, None) => (None, None),
        };
        Self {
            objection,
            message,
            counted: preview.survey.counted().count(),
            newly_refused: preview.survey.newly_refused().count(),
            later: preview.survey.later(),
            ahead: preview.survey.ahead(),
            max_impact_percent: limit,
            unread: preview.survey.faults.len(),
        }
    }

    pub(super) fn text(&self) -> String {
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
            // The line `signed` above gives the reason. Signatures may still be added.
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
