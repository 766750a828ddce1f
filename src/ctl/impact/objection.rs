//! Decides whether a list's impact on the running containers forbids its installation.
//!
//! In: a survey, the node's limit, and whether the list's signers acknowledge its impact. Out: the
//! objection, if there is one. Pure. There is no objection to a list that refuses a single
//! container: lists exist to refuse containers. There is always an objection to a list that newly
//! refuses a pause container, even with an acknowledgement: no pod of the node would start.

use std::path::PathBuf;

use super::{Survey, Surveyed};
use crate::banlist::head::Impact;
use crate::banlist::store::Bans;
use crate::report::line;
use crate::verdict::short;

/// The most containers that a message names.
const MOST_NAMED: usize = 3;

/// Why a list must not be installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImpactError {
    /// The list would newly refuse too many of the running containers.
    #[error("cannot install {list:?}: {refused} of the {running} running containers would not start again{} ({}), which is more than max_impact = \"{limit}%\"", on_a_later_day(*.later), line::names(.called, *.refused))]
    Share {
        /// The list.
        list: PathBuf,
        /// How many containers the list would refuse that the list in force does not ban.
        refused: usize,
        /// How many of the refused containers are refused only from a later day on.
        later: usize,
        /// How many containers are running.
        running: usize,
        /// The node's limit (`max_impact`), in percent of the running containers.
        limit: u8,
        /// The names of the first few refused containers, for the message.
        called: Vec<String>,
    },
    /// The list refuses the pause container of a running pod.
    #[error("cannot install {list:?}: no pod could start: the pause container {} {because}", line::name(.called))]
    Pause {
        /// The list.
        list: PathBuf,
        /// The name of the pause container.
        called: String,
        /// Why the pause container is refused, in the words of a refusal: `is …, banned by …`.
        because: String,
    },
}

impl ImpactError {
    /// What the operator can do about the objection.
    #[must_use]
    pub fn hint(&self) -> String {
        let (Self::Share { list, .. } | Self::Pause { list, .. }) = self;
        let preview = format!("embargoctl list preview {}", line::path(list));
        match self {
            Self::Share { .. } => format!(
                "{preview} shows them; if it is meant, build it with --acknowledge-impact and have as many keys sign it as lift a ban, or raise max_impact"
            ),
            Self::Pause { .. } => format!(
                "{preview} shows it; take that image out of the ban, or change the engine's pause image"
            ),
        }
    }
}

impl Survey {
    /// The objection to installing the draft, if there is one: it newly refuses a pause container,
    /// or it newly refuses more than `limit` percent of the running containers without an
    /// acknowledgement. An acknowledgement is valid only if enough keys signed the draft; the
    /// caller checks their number. A ban that takes effect on a later day is treated like a ban
    /// that is in effect now, because nobody checks the impact again on that day.
    #[must_use]
    pub fn objection(&self, limit: u8, acknowledged: Impact) -> Option<ImpactError> {
        let list = self.draft.clone();
        if let Some(pause) = self.newly_refused().find(|one| one.is_pause) {
            return Some(ImpactError::Pause {
                list,
                called: called(pause),
                because: match banned_by(pause) {
                    Some(because) => because,
                    None => format!("would be refused: {}", no_ban(pause)),
                },
            });
        }
        let newly: Vec<_> = self.newly_refused().collect();
        let (refused, running) = (newly.len(), self.counted().count());
        let is_above = refused > 1 && refused * 100 > running * usize::from(limit);
        match acknowledged {
            Impact::Guarded if is_above => Some(ImpactError::Share {
                list,
                refused,
                later: self.later(),
                running,
                limit,
                called: newly.into_iter().take(MOST_NAMED).map(called).collect(),
            }),
            Impact::Guarded | Impact::Acknowledged => None,
        }
    }

    /// The containers from which the share is computed: those that root or the caller controls, and
    /// that a runtime state or a record explains.
    pub fn counted(&self) -> impl Iterator<Item = &Surveyed> {
        self.running
            .iter()
            .filter(|one| one.is_trusted && !one.is_unaccounted)
    }

    /// How many running containers have an unknown lineage. Containers that another user controls
    /// are not included.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.running
            .iter()
            .filter(|one| one.is_trusted && (one.is_unaccounted || !one.is_known()))
            .count()
    }

    /// The counted containers that the draft would refuse, today or on a later day, and that the
    /// list in force does not refuse, or refuses later.
    pub fn newly_refused(&self) -> impl Iterator<Item = &Surveyed> {
        self.counted().filter(|one| one.is_to_be_refused())
    }

    /// How many of the newly refused containers can still start today.
    #[must_use]
    pub fn later(&self) -> usize {
        self.newly_refused()
            .filter(|one| !one.is_newly_refused())
            .count()
    }
}

/// Text that says how many of the newly refused containers are refused only from a later day on.
/// The text is empty if there are no such containers.
#[must_use]
pub fn on_a_later_day(later: usize) -> String {
    if later == 0 {
        String::new()
    } else {
        format!(", {later} of them from a later day on")
    }
}

/// The container's name for messages. An ID is cut to its first 12 digits.
fn called(one: &Surveyed) -> String {
    short(one.called().unwrap_or_default()).to_owned()
}

/// The ban by which the draft refuses the container, in the words of a refusal.
fn banned_by(one: &Surveyed) -> Option<String> {
    let origin = one.subject.origin.as_ref().ok()?;
    let findings = &one.draft.judgement.findings;
    let in_effect = findings.iter().find(|found| found.standing.is_in_effect());
    let ban = match in_effect {
        None if !one.is_refused() => findings
            .iter()
            .find(|found| found.refuses_from(origin, one.subject.created).is_some()),
        found => found,
    };
    Some(ban?.sentence(Some(origin)))
}

/// Why the draft refuses the container, when no ban does.
fn no_ban(one: &Surveyed) -> String {
    match &one.draft.bans {
        Bans::Missing(fault) => line::causes(fault),
        Bans::Known(_) => "the list is overdue".to_owned(),
    }
}

/// Says that the draft would refuse the container at its next start, and why.
pub(in crate::ctl) fn prediction(one: &Surveyed) -> String {
    let because = match banned_by(one) {
        Some(because) => because,
        None => no_ban(one),
    };
    format!("would refuse {}: {because}", line::name(&called(one)))
}
