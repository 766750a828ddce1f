//! Decides whether a list is kept off a node for what it would do to the containers there.
//!
//! In: a survey, the node's limit, and whether the list's signers know what it does. Out: nothing,
//! or why not. Pure. One container may always be refused: a ban that hits a single container is
//! what lists are for. A pause container may never be refused, whoever acknowledges it: no pod of
//! the node would start.

use std::fmt;
use std::path::PathBuf;

use super::{Survey, Surveyed};
use crate::banlist::head::Impact;
use crate::banlist::store::Bans;
use crate::report::line;

/// The most containers that a message names.
const MOST_NAMED: usize = 3;

/// Why a list must not be put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImpactError {
    /// It would newly refuse too many of the running containers.
    Share {
        /// The list.
        list: PathBuf,
        /// How many it would refuse that the list in force does not ban.
        refused: usize,
        /// How many of these it refuses only from a later day on.
        later: usize,
        /// How many run.
        running: usize,
        /// The node's limit, in percent.
        limit: u8,
        /// The names of the first few, for people.
        called: Vec<String>,
    },
    /// It refuses the pause container of a running pod.
    Pause {
        /// The list.
        list: PathBuf,
        /// The pause container.
        called: String,
        /// What was found: `is …, banned by …`.
        because: String,
    },
}

impl ImpactError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let preview = |list: &PathBuf| {
            format!(
                "embargoctl list preview {}",
                line::name(&list.to_string_lossy())
            )
        };
        match self {
            Self::Share { list, .. } => {
                let acknowledge = "build it with --acknowledge-impact and have as many keys sign it as lift a ban";
                format!(
                    "{} shows them; if it is meant, {acknowledge}, or raise max_impact",
                    preview(list)
                )
            }
            Self::Pause { list, .. } => {
                format!(
                    "{} shows it; take that image out of the ban, or change the engine's pause image",
                    preview(list)
                )
            }
        }
    }
}

impl fmt::Display for ImpactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share {
                list,
                refused,
                later,
                running,
                limit,
                called,
            } => {
                let on_a_later_day = on_a_later_day(*later);
                write!(
                    f,
                    "cannot install {list:?}: {refused} of the {running} running containers would not start again{on_a_later_day} ("
                )?;
                f.write_str(
                    &called
                        .iter()
                        .map(|called| line::name(called))
                        .collect::<Vec<_>>()
                        .join(", "),
                )?;
                let more = refused.saturating_sub(called.len());
                if more > 0 {
                    write!(f, " and {more} more")?;
                }
                write!(f, "), which is more than max_impact = \"{limit}%\"")
            }
            Self::Pause {
                list,
                called,
                because,
            } => {
                write!(
                    f,
                    "cannot install {list:?}: no pod could start: the pause container {} {because}",
                    line::name(called)
                )
            }
        }
    }
}

impl std::error::Error for ImpactError {}

impl Survey {
    /// Why the draft should not be installed: it newly refuses a pause container, or more than
    /// `limit` percent of the running containers and its signers have not acknowledged that.
    /// `acknowledged` is what they say, where enough of them signed it. A ban that takes effect on
    /// a later day counts like one of today: nobody is asked again on that day.
    #[must_use]
    pub fn objection(&self, limit: u8, acknowledged: Impact) -> Option<ImpactError> {
        let list = self.draft.clone();
        if let Some(pause) = self
            .counted()
            .find(|one| one.is_pause && one.is_to_be_refused())
        {
            return Some(ImpactError::Pause {
                list,
                called: called(pause),
                because: banned_by(pause)
                    .unwrap_or_else(|| format!("would be refused: {}", no_ban(pause))),
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

    /// The containers that count: those that no user controls.
    pub fn counted(&self) -> impl Iterator<Item = &Surveyed> {
        self.running
            .iter()
            .filter(|one| one.is_trusted && !one.is_unaccounted)
    }

    /// For how many running containers it is not known what they are made of, counted or not.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.running
            .iter()
            .filter(|one| one.is_trusted && (one.is_unaccounted || !one.is_known()))
            .count()
    }

    /// Those of them that the draft would refuse, today or on a later day, and that the list in
    /// force does not refuse, or refuses later.
    pub fn newly_refused(&self) -> impl Iterator<Item = &Surveyed> {
        self.counted().filter(|one| one.is_to_be_refused())
    }

    /// How many of the newly refused still start today.
    #[must_use]
    pub fn later(&self) -> usize {
        self.newly_refused()
            .filter(|one| !one.is_newly_refused())
            .count()
    }
}

/// How many of those just counted are refused only once a ban takes effect or an exception ends;
/// empty for none.
#[must_use]
pub fn on_a_later_day(later: usize) -> String {
    if later == 0 {
        String::new()
    } else {
        format!(", {later} of them from a later day on")
    }
}

/// Its name for people; an ID is cut to its first 12 digits.
fn called(one: &Surveyed) -> String {
    let called = one.called().unwrap_or_default();
    let is_id = called.len() == 64 && called.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        called[..12].to_owned()
    } else {
        called.to_owned()
    }
}

/// The ban that refuses it, as a refusal says it.
fn banned_by(one: &Surveyed) -> Option<String> {
    let origin = one.subject.origin.as_ref().ok()?;
    let findings = &one.draft.judgement.findings;
    let in_effect = findings
        .iter()
        .find(|finding| finding.standing.is_in_effect());
    let later = findings
        .iter()
        .find(|finding| !one.is_refused() && finding.refuses_from(origin).is_some());
    Some(in_effect.or(later)?.sentence(Some(origin)))
}

/// What else refuses it.
fn no_ban(one: &Surveyed) -> String {
    match &one.draft.bans {
        Bans::Missing(fault) => line::causes(fault),
        Bans::Known(_) => "the list is overdue".to_owned(),
    }
}

/// What will happen to it at its next start, and why.
pub(in crate::ctl) fn prediction(one: &Surveyed) -> String {
    let because = banned_by(one).unwrap_or_else(|| no_ban(one));
    format!("would refuse {}: {because}", line::name(&called(one)))
}
