//! Does a source follow on from the list before it?
//!
//! In: the source, and the bans of the list that was published last. Out: dates that are set back, and bans that are gone. What else differs is told by
//! `list diff`. Pure.

use super::alone::at;
use super::finding::{Code, Findings, Place};
use crate::banlist::record::Ban;
use crate::banlist::source::draft::Draft;
use crate::report::line;
use crate::sys::clock::Timestamp;

/// The list that was published last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// Its version.
    pub version: u64,
    /// When it was issued.
    pub issued: Timestamp,
    /// Its bans.
    pub bans: Vec<Ban>,
}

/// Compares every ban with the list before.
pub(super) fn check(draft: &Draft, last: &Last, now: Timestamp, findings: &mut Findings<'_>) {
    let Last { version, issued, bans } = last;
    for ban in &draft.bans {
        let Some(effective) = &ban.effective else { continue };
        let before = ban.id.as_ref().and_then(|id| bans.iter().find(|before| before.id == id.value));
        if effective.value >= *issued || before.is_some_and(|before| before.effective <= effective.value) {
            continue;
        }
        let text = match before {
            None => format!("the ban is to hold since {}, before version {version} was issued, which does not have it", effective.value),
            Some(before) => format!("the ban is to hold since {}, and since {} by version {version}", effective.value, before.effective),
        };
        let hint = format!("nobody was told: take a time after {issued}, better some days from now");
        findings.add(Code::Backdated, at(ban, effective.line), text, hint);
    }
    let is_there = |before: &&Ban| draft.bans.iter().any(|ban| ban.id.as_ref().is_some_and(|id| id.value == before.id));
    for gone in bans.iter().filter(|before| !is_there(before) && before.lapses.is_none_or(|lapses| lapses > now)) {
        let text = format!("{} stands in version {version} and is gone: that lifts it", line::name(&gone.id));
        findings.add(
            Code::BanGone,
            Place { file: None, line: 1, ban: Some(&gone.id) },
            text,
            "if it is meant: lifting needs the keyset's lift threshold; embargoctl list diff",
        );
    }
}
