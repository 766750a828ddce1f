//! Describes the list that was used, and its bans that match a container or an image.
//!
//! In: the result of a look-up in the list, with reasons and names that the list's authors wrote.
//! Out: text, and fields of a JSON object. `embargo check` and `embargoctl list preview` both print
//! these fields, whose names are stable. Only [`BanFound::sentence`] is escaped here.

use serde::Serialize;

use super::Finding;
use crate::banlist::store::{Bans, Slot};
use crate::lineage::Origin;
use crate::report::line::causes;
use crate::sys::clock::Timestamp;

/// The list that was used.
#[derive(Clone, Debug, Serialize)]
pub struct List {
    version: u64,
    issued: String,
    expires: String,
    age_seconds: u64,
    expired: bool,
    slot: &'static str,
}

impl List {
    /// The list from which `bans` comes, and an error: why there is no list, or why the first copy
    /// of the list is not used.
    #[must_use]
    pub fn of(bans: &Bans, now: Timestamp) -> (Option<Self>, Option<String>) {
        match bans {
            Bans::Missing(fault) => (None, Some(causes(fault))),
            Bans::Known(known) => {
                let slot = match known.slot {
                    Slot::Current => "current",
                    Slot::Copy => "copy",
                };
                let list = Self {
                    version: known.version,
                    issued: known.issued.to_string(),
                    expires: known.expires.to_string(),
                    age_seconds: now.since(known.issued),
                    expired: now >= known.expires,
                    slot,
                };
                (Some(list), known.fault.as_ref().map(|fault| causes(fault)))
            }
        }
    }

    /// The list's version and times, as text for people.
    #[must_use]
    pub fn text(&self) -> String {
        let expired = if self.expired { ", EXPIRED" } else { "" };
        let slot = if self.slot == "copy" {
            ", its second copy"
        } else {
            ""
        };
        format!(
            "{}{slot}, issued {} ({} ago), expires {}{expired}",
            self.version,
            self.issued,
            span(self.age_seconds),
            self.expires
        )
    }

    /// The list that was used, if there was one, and the error, as one line for people.
    #[must_use]
    pub fn line(list: Option<&Self>, fault: Option<&str>) -> String {
        let list = match list {
            Some(list) => list.text(),
            None => "none".to_owned(),
        };
        match fault {
            Some(fault) => format!("{list} ({fault})"),
            None => list,
        }
    }
}

/// One match with the list.
#[derive(Debug, Serialize)]
pub struct BanFound {
    /// The ban's ID.
    pub id: String,
    /// Whether the ban applies now: `in-effect`, `ahead` (takes effect later), `lapsed`, `existing`
    /// (the container existed before, and may start again for some time), `warns`, `excepted` or
    /// `cured`.
    pub standing: &'static str,
    /// The ban's severity.
    pub severity: &'static str,
    action: &'static str,
    /// The ban's reason.
    pub reason: String,
    advisories: Vec<String>,
    matched: &'static str,
    digest: String,
    name: Option<String>,
    effective: String,
    lapses: Option<String>,
    existing_until: Option<String>,
    days_left: Option<u64>,
    /// The image to use instead.
    pub successor: Option<String>,
    /// The whole sentence about the match, as in a refusal; escaped.
    #[serde(skip)]
    pub sentence: String,
}

impl BanFound {
    /// Describes a match for a container or an image made of `origin`.
    #[must_use]
    pub fn new(finding: &Finding, origin: Option<&Origin>) -> Self {
        let (hit, ban) = (&finding.hit, &finding.hit.ban);
        Self {
            id: ban.id.clone(),
            standing: finding.standing.word(),
            severity: ban.severity.word(),
            action: ban.action.word(),
            reason: ban.reason.clone(),
            advisories: ban.advisories.clone(),
            matched: hit.kind.word(),
            digest: hit.digest.to_string(),
            name: hit.name.clone(),
            effective: ban.effective.to_string(),
            lapses: ban.lapses.map(|lapses| lapses.to_string()),
            existing_until: ban.existing_until.map(|until| until.to_string()),
            days_left: finding.standing.days_left(),
            successor: ban.successor.clone(),
            sentence: finding.sentence(origin),
        }
    }
}

/// A time span as text, in its largest unit.
pub(crate) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        86_400.. => (seconds / 86_400, "day"),
    };
    if count == 1 {
        format!("1 {unit}")
    } else {
        format!("{count} {unit}s")
    }
}
