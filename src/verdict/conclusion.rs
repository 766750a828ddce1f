//! Decides what follows from an obstacle, and which events are sent.
//!
//! In: the obstacle, if there is one, the mode, break-glass and the findings. Out: the judgement,
//! with an event for everything that somebody should know although the container starts.

use crate::banlist::store::Bans;
use crate::lineage::Origin;
use crate::report::line;
use crate::settings::Mode;

use super::break_glass::{Open, Shut};
use super::event::{Event, EventKind, Subject};
use super::obstacle::{doubt, pull_doubt};
use super::{Admission, Case, Finding, Judgement, Refusal, Standing, Verdict, short, words};

/// The events of an admission.
pub(super) fn remarks(case: &Case<'_>, findings: &[Finding], subject: &Subject) -> Vec<Event> {
    let admitted = |because: &str| {
        format!(
            "embargo: admitted {}: {because}{}",
            line::name(case.called()),
            words::tail(case)
        )
    };
    let mut events: Vec<Event> = Vec::new();
    let mut told = Vec::new();
    for finding in findings {
        let kind = match finding.standing {
            Standing::Ahead { .. } => EventKind::BanAhead,
            Standing::Warns => EventKind::Warned,
            Standing::Excepted(_) => EventKind::Excepted,
            Standing::Cured(_) => EventKind::Cured,
            Standing::InEffect | Standing::Lapsed => continue,
        };
        // A ban that matches many layers is reported once.
        if told.contains(&(kind, &finding.hit.ban.id)) {
            continue;
        }
        told.push((kind, &finding.hit.ban.id));
        let message = admitted(&words::finding(finding, case.origin.ok()));
        events.push(Event::new(kind, subject, &[finding], &message));
    }
    if let Ok(Origin::NoImage) = case.origin {
        events.push(Event::new(
            EventKind::NoImage,
            subject,
            &[],
            &admitted("it is made from no image"),
        ));
    }
    if let Some(doubt) = doubt(case).or_else(|| pull_doubt(case.origin.ok(), case.bans)) {
        events.push(Event::new(
            EventKind::UnknownImage,
            subject,
            &[],
            &admitted(&doubt),
        ));
    }
    if let Bans::Missing(error) = case.bans {
        let message = format!(
            "embargo: admitted {}: {}",
            line::name(case.called()),
            words::no_list(error, case.labels)
        );
        events.push(Event::new(EventKind::ListMissing, subject, &[], &message));
    }
    events
}

/// What is left to decide once the obstacle is known.
pub(super) struct Conclusion<'a> {
    pub(super) subject: Subject,
    pub(super) obstacle: Option<Refusal>,
    pub(super) mode: Mode,
    pub(super) glass: Option<Result<Open<'a>, Shut<'a>>>,
    pub(super) findings: Vec<Finding>,
    pub(super) events: Vec<Event>,
}

/// Whether the obstacle refuses the container, or becomes an event because break-glass is open or
/// the mode is `audit`.
pub(super) fn conclude(conclusion: Conclusion<'_>) -> Judgement {
    let Conclusion {
        subject,
        obstacle,
        mode,
        glass,
        findings,
        mut events,
    } = conclusion;
    let concerned: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.standing.is_in_effect())
        .collect();
    let mut event = |kind, refusal: Option<&Refusal>, message: &str| {
        events.push(Event {
            grounds: refusal.map(Refusal::grounds),
            ..Event::new(kind, &subject, &concerned, message)
        });
    };
    let open = match glass {
        Some(Ok(open)) => Some(open),
        Some(Err(shut)) => {
            event(
                EventKind::BreakGlassIgnored,
                None,
                &format!("embargo: {shut}"),
            );
            None
        }
        None => None,
    };
    let container = line::name(
        subject
            .name
            .as_deref()
            .unwrap_or_else(|| short(&subject.container)),
    );
    match (&obstacle, open, mode) {
        (None, None, Mode::Enforce | Mode::Audit) => {}
        (None, Some(open), Mode::Enforce | Mode::Audit) => {
            event(
                EventKind::BreakGlass,
                None,
                &format!("embargo: admitted {container} under {open}"),
            );
        }
        (Some(refusal), Some(open), Mode::Enforce | Mode::Audit) => {
            let message = format!(
                "embargo: admitted {container} under {open} instead of: {}",
                refusal.line
            );
            event(EventKind::BreakGlassOverride, Some(refusal), &message);
        }
        (Some(refusal), None, Mode::Audit) => event(
            EventKind::WouldRefuse,
            Some(refusal),
            &format!("embargo: mode audit: {}", refusal.line),
        ),
        (Some(refusal), None, Mode::Enforce) => {
            event(EventKind::Refused, Some(refusal), &refusal.line);
            return Judgement {
                verdict: Verdict::Refuse(refusal.clone()),
                withheld: None,
                events,
                findings,
            };
        }
    }
    Judgement {
        verdict: Verdict::Admit(Admission(())),
        withheld: obstacle,
        events,
        findings,
    }
}
