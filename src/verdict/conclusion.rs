//! Makes the judgement from an obstacle, and decides which events are sent.
//!
//! In: the obstacle, if there is one, the mode, break-glass and the findings. Out: the judgement.
//! It has an event for each fact that somebody should know although the container starts.

use crate::banlist::store::Bans;
use crate::lineage::Origin;
use crate::report::line;
use crate::settings::Mode;
use crate::sys::clock::Timestamp;

use super::break_glass::{BreakGlass, Open};
use super::event::{Event, EventKind, Subject};
use super::obstacle::{doubt, pull_doubt};
use super::{Admission, Case, Finding, Judgement, Refusal, Standing, Verdict, sentence, short};

/// The events when the container is admitted.
pub(super) fn remarks(case: &Case<'_>, findings: &[Finding], subject: &Subject) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut reported = Vec::new();
    for finding in findings {
        let kind = match finding.standing {
            Standing::Ahead { .. } => EventKind::BanAhead,
            Standing::Existing { .. } => EventKind::Existing,
            Standing::Warns => EventKind::Warned,
            Standing::Excepted(_) => EventKind::Excepted,
            Standing::Cured(_) => EventKind::Cured,
            Standing::InEffect | Standing::Lapsed => continue,
        };
        // A ban that matches many layers is reported once.
        if reported.contains(&(kind, &finding.hit.ban.id)) {
            continue;
        }
        reported.push((kind, &finding.hit.ban.id));
        let message = admitted(case, &sentence::finding(finding, case.origin.ok()));
        events.push(Event::new(kind, subject, &[finding], &message));
    }
    if let Ok(Origin::NoImage) = case.origin {
        let message = admitted(case, "it is made from no image");
        events.push(Event::new(EventKind::NoImage, subject, &[], &message));
    }
    if let Some(doubt) = doubt(case).or_else(|| pull_doubt(case.origin.ok(), case.bans)) {
        let message = admitted(case, &doubt);
        events.push(Event::new(EventKind::UnknownImage, subject, &[], &message));
    }
    if let Bans::Missing(error) = case.bans {
        let message = format!(
            "embargo: admitted {}: {}",
            line::name(case.called()),
            sentence::no_list(error, case.labels)
        );
        events.push(Event::new(EventKind::ListMissing, subject, &[], &message));
    }
    events
}

/// The message about a container that starts, with the remark `because`.
fn admitted(case: &Case<'_>, because: &str) -> String {
    let (container, tail) = (line::name(case.called()), sentence::tail(case));
    format!("embargo: admitted {container}: {because}{tail}")
}

/// What the final decision needs, once the obstacle is known.
pub(super) struct Conclusion<'a> {
    pub(super) subject: Subject,
    pub(super) obstacle: Option<Refusal>,
    pub(super) mode: Mode,
    pub(super) glass: Option<&'a BreakGlass>,
    /// The time to judge by.
    pub(super) now: Timestamp,
    /// How many seconds after its file was written break-glass may stay open.
    pub(super) break_glass_max: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) events: Vec<Event>,
}

/// Decides whether the obstacle refuses the container. If break-glass is open or the mode is
/// `audit`, the obstacle does not refuse the container, but only becomes an event.
pub(super) fn conclude(conclusion: Conclusion<'_>) -> Judgement {
    let Conclusion {
        subject,
        obstacle,
        mode,
        glass,
        now,
        break_glass_max,
        findings,
        mut events,
    } = conclusion;
    let concerned: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.standing.is_in_effect())
        .collect();
    let mut open = None;
    if let Some(glass) = glass {
        match glass.state(now, break_glass_max) {
            Ok(state) => open = Some(state),
            Err(shut) => {
                let (kind, message) = (EventKind::BreakGlassIgnored, format!("embargo: {shut}"));
                events.push(Event::new(kind, &subject, &concerned, &message));
            }
        }
    }
    if let Some((kind, message)) = outcome(&subject, obstacle.as_ref(), open, mode) {
        events.push(Event {
            grounds: obstacle.as_ref().map(Refusal::grounds),
            ..Event::new(kind, &subject, &concerned, &message)
        });
    }
    let (verdict, withheld) = match (obstacle, open, mode) {
        (Some(refusal), None, Mode::Enforce) => (Verdict::Refuse(refusal), None),
        (Some(refusal), Some(_), Mode::Enforce) | (Some(refusal), Some(_) | None, Mode::Audit) => {
            (Verdict::Admit(Admission(())), Some(refusal))
        }
        (None, Some(_) | None, Mode::Enforce | Mode::Audit) => {
            (Verdict::Admit(Admission(())), None)
        }
    };
    Judgement {
        verdict,
        withheld,
        events,
        findings,
    }
}

/// The event about what happens to the container, and the message; `None` if no event is needed.
fn outcome(
    subject: &Subject,
    obstacle: Option<&Refusal>,
    open: Option<Open<'_>>,
    mode: Mode,
) -> Option<(EventKind, String)> {
    let container = line::name(match &subject.name {
        Some(name) => name,
        None => short(&subject.container),
    });
    Some(match (obstacle, open, mode) {
        (None, None, Mode::Enforce | Mode::Audit) => return None,
        (None, Some(open), Mode::Enforce | Mode::Audit) => (
            EventKind::BreakGlass,
            format!("embargo: admitted {container} under {open}"),
        ),
        (Some(refusal), Some(open), Mode::Enforce | Mode::Audit) => (
            EventKind::BreakGlassOverride,
            format!(
                "embargo: admitted {container} under {open} instead of: {}",
                refusal.line
            ),
        ),
        (Some(refusal), None, Mode::Audit) => (
            EventKind::WouldRefuse,
            format!("embargo: mode audit: {}", refusal.line),
        ),
        (Some(refusal), None, Mode::Enforce) => (EventKind::Refused, refusal.line.clone()),
    })
}
