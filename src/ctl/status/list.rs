//! Describes the list in force.
//!
//! In: the copy of the list that answers a start, authenticated as at a start. Out: whose list it
//! is, its age, and how many bans and digests it has. The bans are read with their hashes; the tree
//! is not, because it may be long and says nothing that a status shows.

use std::fs::File;
use std::path::Path;

use serde::Serialize;

use crate::banlist::ban::{Action, Ban};
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::head::{Entries, Head};
use crate::banlist::note::Enough;
use crate::banlist::section;
use crate::banlist::store::{self, Authentic, Bans, ListAnswer, Placement, Slot, Trust};
use crate::ctl::last_install::LastInstall;
use crate::paths::Paths;
use crate::report::line::causes;
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::verdict::listed::List;

/// How many digits of the head's digest are shown.
const SHORT_HEAD: usize = 12;

/// The list in force.
#[derive(Debug, Serialize)]
pub(super) struct InForceStatus {
    /// Who publishes the list, and for what.
    pub(super) origin: String,
    /// The number of the keyset that the list was made for.
    pub(super) keyset: u64,
    /// The version of the list.
    pub(super) version: u64,
    /// The first 12 digits of the SHA-256 of the list's head.
    pub(super) head: String,
    /// When the list was issued.
    pub(super) issued: Timestamp,
    /// When the list was installed, if that is on record.
    pub(super) installed: Option<Timestamp>,
    /// When a newer list should have replaced this list.
    pub(super) expires: Timestamp,
    /// The age of the list, in seconds.
    pub(super) age_seconds: u64,
    /// Whether the list has expired.
    pub(super) expired: bool,
    /// Whether the list is past its grace period.
    pub(super) overdue: bool,
    /// Which copy of the list answers: `current` or `copy`.
    pub(super) slot: &'static str,
    /// The number of bans, by action and standing. `None` if the bans cannot be read.
    pub(super) bans: Option<Vec<BanCount>>,
    /// The bans that are not yet in effect.
    pub(super) ahead: Vec<BanAhead>,
    /// Why the bans cannot be read.
    pub(super) bans_fault: Option<String>,
    /// How many digests the list has.
    pub(super) digests: DigestCounts,
    /// The list's version and times, as text for people.
    #[serde(skip)]
    pub(super) text: String,
}

/// How many bans have this action and this standing.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct BanCount {
    /// `refuse` or `warn`.
    pub(super) action: &'static str,
    /// `in-effect`, `ahead` or `lapsed`.
    pub(super) standing: &'static str,
    /// How many bans.
    pub(super) bans: usize,
}

/// A ban that is not yet in effect.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct BanAhead {
    /// The ban's ID.
    pub(super) ban: String,
    /// When the ban takes effect.
    pub(super) effective: Timestamp,
}

/// How many digests a list has, all and by kind. A digest may have several kinds.
#[derive(Debug, Serialize)]
pub(super) struct DigestCounts {
    pub(super) all: u64,
    pub(super) base: u64,
    pub(super) image: u64,
    pub(super) layer: u64,
}

/// The list in force; and why there is none, or why its first copy does not answer.
pub(super) fn of(
    paths: &Paths,
    settings: Option<&Settings>,
    last_install: Option<&LastInstall>,
    now: Timestamp,
) -> (Option<InForceStatus>, Option<String>) {
    let rules = settings.map(Settings::rules).unwrap_or_default();
    let bans = store::survey(paths, &rules, &[]);
    let (list, fault) = List::of(&bans, now);
    let (Bans::Known(known), Some(list)) = (&bans, list) else {
        return (None, fault);
    };
    let path = match known.slot {
        Slot::Current => &paths.list,
        Slot::Copy => &paths.copy,
    };
    let opened = Trust::load(paths, &rules).and_then(|trust| open(path, &trust));
    let (file, found) = match opened {
        // A list that was installed meanwhile is described at the next call.
        Ok((file, found)) if found.digest == known.head => (file, found),
        Ok(_) => return (None, Some("the list was replaced meanwhile".to_owned())),
        Err(fault) => return (None, Some(causes(&fault))),
    };
    let grace = settings.map_or_else(|| Settings::unset().grace, |settings| settings.grace);
    let reader = Reader { path, bytes: &file };
    let mut status = InForceStatus::new(known, &found.head, now, grace);
    status.add_bans(&reader, &found.head, present(known, now));
    status.installed = last_install
        .filter(|last| last.list_version == Some(known.version))
        .and_then(|last| last.success);
    status.text = list.text();
    (Some(status), fault)
}

/// Opens one of the node's lists, and authenticates it.
fn open(path: &Path, trust: &Trust) -> Result<(File, Authentic), ListError> {
    let (file, size) = file::open(path, Guard::NoLink)?;
    let reader = Reader { path, bytes: &file };
    let found = trust.authenticate(&reader, size, Placement::Current, Enough::Threshold)?;
    Ok((file, found))
}

/// The present time, as a start assumes it: no earlier than the list and the newest list.
fn present(known: &ListAnswer, now: Timestamp) -> Timestamp {
    let floor = known.floor_issued.unwrap_or(known.issued);
    now.max(known.issued).max(floor)
}

impl InForceStatus {
    fn new(known: &ListAnswer, head: &Head, now: Timestamp, grace: u64) -> Self {
        let mut digits = known.head.to_string().replace("sha256:", "");
        digits.truncate(SHORT_HEAD);
        Self {
            origin: head.origin.clone(),
            keyset: known.keyset,
            version: known.version,
            head: digits,
            issued: known.issued,
            installed: None,
            expires: known.expires,
            age_seconds: now.since(known.issued),
            expired: now >= known.expires,
            overdue: now >= known.expires.plus(grace),
            slot: match known.slot {
                Slot::Current => "current",
                Slot::Copy => "copy",
            },
            bans: None,
            ahead: Vec::new(),
            bans_fault: None,
            digests: DigestCounts::of(&head.entries),
            text: String::new(),
        }
    }

    /// Reads the bans of the list, and counts them.
    fn add_bans(&mut self, list: &Reader<'_, File>, head: &Head, now: Timestamp) {
        let (mut counts, mut ahead) = (Vec::new(), Vec::new());
        let read = section::each_ban(list, head, |ban| {
            let standing = standing(&ban, now);
            add(&mut counts, ban.action, standing);
            if standing == "ahead" {
                ahead.push(BanAhead {
                    ban: ban.id,
                    effective: ban.effective,
                });
            }
        });
        match read {
            Ok(()) => (self.bans, self.ahead) = (Some(counts), ahead),
            Err(fault) => self.bans_fault = Some(causes(&fault)),
        }
    }
}

/// Whether a ban applies at the time `now`, whatever it is compared with.
fn standing(ban: &Ban, now: Timestamp) -> &'static str {
    if ban.lapses.is_some_and(|lapses| now >= lapses) {
        "lapsed"
    } else if now < ban.effective {
        "ahead"
    } else {
        "in-effect"
    }
}

fn add(counts: &mut Vec<BanCount>, action: Action, standing: &'static str) {
    let action = action.word();
    let same = counts
        .iter_mut()
        .find(|count| count.action == action && count.standing == standing);
    match same {
        Some(count) => count.bans += 1,
        None => counts.push(BanCount {
            action,
            standing,
            bans: 1,
        }),
    }
}

impl DigestCounts {
    const fn of(entries: &Entries) -> Self {
        Self {
            all: entries.all,
            base: entries.base,
            image: entries.image,
            layer: entries.layer,
        }
    }
}
