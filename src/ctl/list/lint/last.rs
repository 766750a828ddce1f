//! Compares a source with the list that was published last, for `list lint`.
//!
//! In: the source, and the bans of the last list. Out: findings about effective dates that are set
//! back, and about bans that are missing. `list diff` reports all other differences, and whether
//! another ban replaces a missing one. Pure.

use super::alone::at;
use super::finding::{Code, Findings, Location};
use crate::banlist::record::Ban;
use crate::banlist::source::draft::{Draft, DraftBan, Placed};
use crate::sys::clock::Timestamp;

/// The list that was published last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// The list's version.
    pub version: u64,
    /// The time when the list was issued.
    pub issued: Timestamp,
    /// The list's bans.
    pub bans: Vec<Ban>,
}

/// Compares every ban with the last list.
pub(super) fn check(draft: &Draft, last: &Last, now: Timestamp, findings: &mut Findings<'_>) {
    let Last {
        version,
        issued,
        bans,
    } = last;
    let is_there = |before: &Ban| {
        draft
            .bans
            .iter()
            .any(|ban| ban.id.as_ref().is_some_and(|id| id.value == before.id))
    };
    let gone: Vec<_> = bans
        .iter()
        .filter(|before| !is_there(before) && before.lapses.is_none_or(|lapses| lapses > now))
        .collect();
    for ban in &draft.bans {
        let Some(effective) = &ban.effective else {
            continue;
        };
        let before = ban
            .id
            .as_ref()
            .and_then(|id| bans.iter().find(|before| before.id == id.value));
        if effective.value >= *issued
            || before.is_some_and(|before| before.effective <= effective.value)
        {
            continue;
        }
        if before.is_none() && gone.iter().any(|before| is_renamed(before, ban)) {
            continue;
        }
        let text = match before {
            None => format!(
                "the ban is to hold since {}, before version {version} was issued, which does not have it",
                effective.value
            ),
            Some(before) => format!(
                "the ban is to hold since {}, and since {} by version {version}",
                effective.value, before.effective
            ),
        };
        let hint =
            format!("nobody was told: take a time after {issued}, better some days from now");
        findings.add(Code::Backdated, at(ban, effective.line), text, hint);
    }
    for gone in gone {
        let text = format!(
            "stands in version {version} and is gone: that lifts it, unless another ban holds for the same"
        );
        findings.add(
            Code::BanGone,
            Location {
                file: None,
                line: 1,
                ban: Some(&gone.id),
            },
            text,
            "embargoctl list diff tells; if it is meant: lifting needs the keyset's lift threshold",
        );
    }
}

/// Whether a ban of the source looks like a missing ban under another ID. Digests are not compared:
/// only the records of the last list are read.
fn is_renamed(before: &Ban, ban: &DraftBan) -> bool {
    let placed = |value: &Option<Placed<String>>| value.as_ref().map(|placed| placed.value.clone());
    ban.effective
        .as_ref()
        .is_some_and(|effective| effective.value == before.effective)
        && ban.lapses.as_ref().map(|lapses| lapses.value) == before.lapses
        && ban.severity == Some(before.severity)
        && ban.action == before.action
        && placed(&ban.successor) == before.successor
        && ban
            .advisories
            .iter()
            .map(|advisory| &advisory.value)
            .eq(&before.advisories)
}
