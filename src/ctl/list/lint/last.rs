//! Compares a source with the list that was published last, for `list lint`.
//!
//! In: the source, and the bans of the last list. Out: findings about effective dates that are set
//! back, and about bans that are missing. `list diff` reports all other differences, and whether
//! another ban replaces a missing ban. Pure.

use super::alone::{at, value};
use super::finding::{Code, Findings, Location};
use crate::banlist::ban::Ban;
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
    let gone = gone(draft, last, now);
    for ban in &draft.bans {
        backdated(ban, last, &gone, findings);
    }
    for gone in gone {
        let text = format!(
            "is in version {} and no longer in the source: that lifts it, unless another ban holds for the same",
            last.version
        );
        findings.add(
            Code::BanGone,
            Location::of_source(Some(&gone.id)),
            text,
            "embargoctl list diff shows what is lifted; if it is meant: lifting needs the keyset's lift threshold",
        );
    }
}

/// The bans of the last list that have not lapsed and that are missing in the source.
fn gone<'a>(draft: &Draft, last: &'a Last, now: Timestamp) -> Vec<&'a Ban> {
    let mut gone = Vec::new();
    for before in &last.bans {
        let is_there = draft.bans.iter().any(|ban| is_of(ban, before));
        if !is_there && before.lapses.is_none_or(|lapses| lapses > now) {
            gone.push(before);
        }
    }
    gone
}

fn is_of(ban: &DraftBan, before: &Ban) -> bool {
    value(ban.id.as_ref()) == Some(&before.id)
}

/// Finds a ban whose effective date is before the last list was issued. A ban that the last list
/// has with a date as early, or with another ID, is not reported.
fn backdated(ban: &DraftBan, last: &Last, gone: &[&Ban], findings: &mut Findings<'_>) {
    let (version, issued) = (last.version, last.issued);
    let Some(Placed { value, line }) = &ban.effective else {
        return;
    };
    if *value >= issued {
        return;
    }
    let text = match last.bans.iter().find(|before| is_of(ban, before)) {
        Some(before) if before.effective <= *value => return,
        Some(before) => format!(
            "the ban is to hold since {value}, and since {} by version {version}",
            before.effective
        ),
        None if gone.iter().any(|before| is_renamed(before, ban)) => return,
        None => format!(
            "the ban is to hold since {value}, before version {version} was issued, which does not have it"
        ),
    };
    let hint = format!("nobody was warned: take a time after {issued}, better some days from now");
    findings.add(Code::Backdated, at(ban, *line), text, hint);
}

/// Whether a ban of the source looks like a missing ban under another ID. Digests are not compared:
/// only the records of the last list are read.
fn is_renamed(before: &Ban, ban: &DraftBan) -> bool {
    value(ban.effective.as_ref()) == Some(&before.effective)
        && value(ban.lapses.as_ref()) == before.lapses.as_ref()
        && value(ban.existing_until.as_ref()) == before.existing_until.as_ref()
        && ban.severity == Some(before.severity)
        && ban.action == before.action
        && value(ban.successor.as_ref()) == before.successor.as_ref()
        && ban
            .advisories
            .iter()
            .map(|advisory| &advisory.value)
            .eq(&before.advisories)
}
