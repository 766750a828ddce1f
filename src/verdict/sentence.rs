//! Formats a verdict as one line.
//!
//! In: the findings (names and labels are hostile). Out: one line, with the most important words
//! first. Every name is quoted unless all its characters are harmless. The form is that of
//! embargo(8), A REFUSAL; tests compare every word.

use crate::banlist::ban::{Hit, MatchKind};
use crate::banlist::error::ListError;
use crate::banlist::store::{Bans, ListAnswer};
use crate::lineage::{LineageError, Origin};
use crate::report::line::{causes, name};

use super::event::parts;
use super::{Case, Finding, Labels, Standing};

/// At most this many advisories are named in a line.
const MOST_ADVISORIES: usize = 3;

/// The match as text: `built on docker.io/library/debian:12.4`.
fn matched(hit: &Hit, origin: Option<&Origin>) -> String {
    let (chain, ..) = parts(origin);
    let relation = match hit.kind {
        MatchKind::Base if chain.is_some_and(|chain| chain.top().0 != hit.digest) => "built on",
        MatchKind::Base | MatchKind::Image => "is",
        MatchKind::Layer => "contains layer",
    };
    let what = match hit.name.as_deref() {
        None | Some("") => hit.digest.to_string(),
        Some(text) => name(text),
    };
    format!("{relation} {what}")
}

/// The ban as text: `BAN-2026-0007 (critical, CVE-2026-1234)`.
fn ban(hit: &Hit) -> String {
    let advisories = &hit.ban.advisories;
    let mut words = vec![hit.ban.severity.word().to_owned()];
    for advisory in advisories.iter().take(MOST_ADVISORIES) {
        words.push(name(advisory));
    }
    if advisories.len() > MOST_ADVISORIES {
        words.push("…".to_owned());
    }
    format!("{} ({})", name(&hit.ban.id), words.join(", "))
}

/// The finding as text, without the list: `built on …, banned by … since …; use …`.
pub(super) fn finding(finding: &Finding, origin: Option<&Origin>) -> String {
    let hit = &finding.hit;
    let (matched, ban, effective) = (matched(hit, origin), ban(hit), hit.ban.effective.date());
    let fact = match &finding.standing {
        Standing::InEffect => format!("{matched}, banned by {ban} since {effective}"),
        Standing::Ahead { days } => format!(
            "{matched}, banned by {ban} from {effective}, {} left",
            days_of(*days)
        ),
        Standing::Lapsed => format!("{matched}, no longer banned by {ban}"),
        Standing::Existing { days } => format!(
            "{matched}, banned by {ban} since {effective}, but made before, {} left",
            days_of(*days)
        ),
        Standing::Warns => format!("{matched}, warned of by {ban} since {effective}"),
        Standing::Excepted(exception) => {
            let ticket = match &exception.ticket {
                Some(ticket) => format!(" by {}", name(ticket)),
                None => String::new(),
            };
            format!(
                "{matched}, banned by {ban} since {effective}, excepted{ticket} until {}",
                exception.until
            )
        }
        Standing::Cured(layer) => {
            format!("{matched}, banned by {ban} since {effective}, cured by layer {layer}")
        }
    };
    match hit.ban.successor.as_deref() {
        // The space after the reference lets a reader select only the reference with a double
        // click.
        Some(successor) => format!("{fact}; use {} ", name(successor)),
        None => fact,
    }
}

/// The end of the line: `; list 412`, or a text that says what is unusual about the list; then the
/// image's labels.
pub(super) fn tail(case: &Case<'_>) -> String {
    let list = match case.bans {
        Bans::Known(ListAnswer {
            fault: None,
            version,
            ..
        }) => format!("; list {version}"),
        Bans::Known(ListAnswer {
            fault: Some(_),
            version,
            ..
        }) => format!("; second copy of list {version}"),
        Bans::Missing(_) => "; no list".to_owned(),
    };
    format!("{list}{}", labels(case.labels))
}

/// The labels that the image has: ` (source …, revision …)`.
fn labels(labels: Labels<'_>) -> String {
    let mut words = Vec::new();
    for (word, label) in [("source", labels.source), ("revision", labels.revision)] {
        if let Some(label) = label
            && !label.is_empty()
        {
            words.push(format!("{word} {}", name(label)));
        }
    }
    if words.is_empty() {
        String::new()
    } else {
        format!(" ({})", words.join(", "))
    }
}

/// Why the lineage is unknown: `cannot tell what it is made of: …`.
pub(super) fn unknown(error: &LineageError) -> String {
    format!("cannot tell what it is made of: {}", causes(error))
}

/// Says that the container is banned, why the ban cannot be read, and the labels: `it is banned,
/// and no more is known: …`.
pub(super) fn unread(error: &ListError, labelled: Labels<'_>) -> String {
    format!(
        "it is banned, and no more is known: {}{}",
        causes(error),
        labels(labelled)
    )
}

/// Says why there is no usable list, and the labels: `there is no ban list to go by: …`.
pub(super) fn no_list(error: &ListError, labelled: Labels<'_>) -> String {
    format!(
        "there is no ban list to go by: {}{}",
        causes(error),
        labels(labelled)
    )
}

/// A number of days as text: `1 day`, `11 days`.
pub(super) fn days_of(days: u64) -> String {
    if days == 1 {
        "1 day".to_owned()
    } else {
        format!("{days} days")
    }
}
