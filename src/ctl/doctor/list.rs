//! Checks the settings, the list in force, and what the list is trusted by.
//!
//! In: an [`Examination`]. Out: what was found. The verdicts on the list are those of a container
//! start: the same look-up, the same clock rules. What the caller may not read is unknown.

use std::error::Error;

use super::super::consequences::node::CLOCK_SET;
use super::super::keyset::{place, renewal};
use super::examination::Examination;
use super::finding::Found;
use crate::banlist::error::ListError;
use crate::banlist::floor::{Edition, Floor};
use crate::banlist::store::{self, Bans, ListAnswer, Slot};
use crate::report::amount;
use crate::report::line::{self, causes};
use crate::settings::Mode;
use crate::sys::clock::Timestamp;
use crate::sys::file::Guard;
use crate::sys::process;
use crate::verdict::break_glass::{self, Shut};
use crate::verdict::moment::{Freshness, Moment, TOLERANCE};

/// How long before its expiry a list is reported, in seconds: three days.
const NOTICE: u64 = 3 * 86_400;

/// How to put a list in force.
const INSTALL: &str = "put a newer list in force: embargoctl install LIST";

/// A fault as a finding: unknown if only root can read the file.
fn fault(error: &(dyn Error + 'static)) -> Found {
    if process::takes_root(error) {
        Found::unknown(causes(error)).hint("run as root")
    } else {
        Found::critical(causes(error))
    }
}

/// Whether there is a settings file.
pub(super) fn armed(examined: &Examination<'_>) -> Vec<Found> {
    let path = line::path(&examined.paths.settings);
    vec![match &examined.settings {
        Ok(Some(_)) => Found::ok(format!("the node is armed by {path}")),
        Ok(None) => Found::critical(format!(
            "the node is not armed: there is no {path}, so every container starts"
        ))
        .hint(format!(
            "write {path}, at first with mode = \"audit\": embargo-config.toml(5)"
        )),
        Err(error) if process::takes_root(error) => fault(error),
        Err(_) => Found::ok(format!(
            "the node is armed by {path}, which cannot be used: see settings"
        )),
    }]
}

/// Whether the settings can be used.
pub(super) fn settings(examined: &Examination<'_>) -> Vec<Found> {
    vec![match &examined.settings {
        Ok(Some(_)) => Found::ok("the settings can be used"),
        Ok(None) => Found::ok("there are no settings that could be wrong: see armed"),
        Err(error) => {
            let found = fault(error);
            match &found.hint {
                Some(_) => found,
                None => found.hint("correct the settings; until then every container is refused"),
            }
        }
    }]
}

/// Whether refusals are carried out.
pub(super) fn mode(examined: &Examination<'_>) -> Vec<Found> {
    vec![match &examined.settings {
        Ok(Some(settings)) => match settings.mode {
            Mode::Enforce => Found::ok("mode enforce: a banned container is refused"),
            Mode::Audit => Found::warning("mode audit: nothing is refused, events only")
                .hint("set mode = \"enforce\" once the events are as expected"),
        },
        Ok(None) => Found::warning("there is no mode, because the node is not armed"),
        Err(_) => Found::unknown("cannot tell the mode: the settings cannot be used"),
    }]
}

/// Whether break-glass is shut.
pub(super) fn glass(examined: &Examination<'_>) -> Vec<Found> {
    let path = line::path(&examined.paths.break_glass);
    let Some(glass) = break_glass::load(examined.paths) else {
        return vec![Found::ok("break-glass is shut")];
    };
    let state = glass.state(examined.now, examined.effective.break_glass_max);
    let remove = format!("embargoctl break-glass --end removes {path}");
    vec![match state {
        Ok(open) => Found::warning(format!("every container starts: {open}")).hint(remove),
        Err(Shut::Unusable(cause)) if process::takes_root(cause) => fault(cause),
        Err(shut @ Shut::Ended(_)) => Found::ok(shut.to_string()).hint(remove),
        Err(shut @ (Shut::TooLong { .. } | Shut::Unusable(_))) => {
            Found::warning(shut.to_string()).hint(remove)
        }
    }]
}

/// Whether there is a list in force, authentic and fresh.
pub(super) fn in_force(examined: &Examination<'_>) -> Vec<Found> {
    vec![match &examined.bans {
        Bans::Missing(error) if error.is_of_the_system() && !process::takes_root(error) => {
            Found::unknown(causes(error))
        }
        Bans::Missing(error) if error.path() == examined.paths.keyset => {
            let found = fault(error);
            match found.hint {
                Some(_) => found,
                None => found.hint("see keyset"),
            }
        }
        Bans::Missing(error) => {
            let found = fault(error);
            match (&found.hint, place::remedy_of(error)) {
                (Some(_), _) => found,
                (None, Some(remedy)) => found.hint(remedy),
                (None, None) => found.hint(INSTALL),
            }
        }
        Bans::Known(known) => fresh(known, examined),
    }]
}

fn fresh(known: &ListAnswer, examined: &Examination<'_>) -> Found {
    let moment = Moment::of(examined.now, &examined.bans, examined.effective.grace);
    let ListAnswer {
        version, expires, ..
    } = known;
    let days = |seconds| amount(seconds / 86_400, "day");
    match moment.freshness {
        Freshness::Unknown(signed) => Found::unknown(format!(
            "cannot tell the age of list {version}: the clock is before {signed}"
        )),
        Freshness::Overdue(since) => Found::critical(format!(
            "list {version} expired at {expires}, and its grace period ended at {since}"
        ))
        .hint(INSTALL),
        Freshness::Stale => Found::warning(format!(
            "list {version} expired at {expires}, {} ago, and is still enforced",
            days(moment.now.since(*expires))
        ))
        .hint(INSTALL),
        Freshness::Fresh if expires.since(moment.now) < NOTICE => Found::warning(format!(
            "list {version} expires at {expires}, in {}",
            days(expires.since(moment.now))
        ))
        .hint(INSTALL),
        Freshness::Fresh => Found::ok(format!(
            "list {version} is authentic, and expires at {expires}"
        )),
    }
}

/// Whether the second copy is the list in force.
pub(super) fn second_copy(examined: &Examination<'_>) -> Vec<Found> {
    let (Bans::Known(known), Ok(trust)) = (&examined.bans, &examined.trust) else {
        return vec![Found::unknown(
            "cannot compare the second copy: no list is in force",
        )];
    };
    let version = known.version;
    let again = "install the same list again: it restores both copies";
    if let (Slot::Copy, Some(error)) = (known.slot, &known.fault) {
        return vec![
            Found::warning(format!(
                "the second copy of list {version} is in use: {}",
                causes(error)
            ))
            .hint(again),
        ];
    }
    vec![match store::authentic(&examined.paths.copy, trust) {
        Ok((.., copy)) if copy.digest == known.head => {
            Found::ok(format!("the second copy is list {version} too"))
        }
        Ok((.., copy)) => Found::warning(format!(
            "the second copy is list {}, and list {version} is in force",
            copy.head.edition.version
        ))
        .hint(again),
        Err(error) if process::takes_root(&error) => fault(&error),
        Err(error) if error.is_of_the_system() => Found::unknown(causes(&error)),
        Err(error) => Found::warning(causes(&error)).hint(again),
    }]
}

/// Whether the floor fits the list in force.
pub(super) fn floor(examined: &Examination<'_>) -> Vec<Found> {
    let again = "install the list again: embargoctl install LIST";
    vec![match (&examined.trust, &examined.bans) {
        (Err(error), _) if error.path() == examined.paths.keyset => {
            Found::unknown("cannot read the floor: the keyset cannot be used")
        }
        (Err(error), _) => fault(error),
        (_, Bans::Missing(ListError::Rollback(_, list, floor))) => Found::critical(format!(
            "the floor is ahead of the list: this node had {floor}, and has {list}"
        ))
        .hint(INSTALL),
        (Ok(trust), Bans::Known(known)) => match trust.floor {
            Some(floor) => fitting(&floor, known, again),
            None => {
                Found::warning("there is no floor: an older list would not be noticed").hint(again)
            }
        },
        (Ok(trust), Bans::Missing(_)) => match trust.floor {
            Some(floor) => Found::unknown(format!(
                "the floor is {}, and no list is in force to compare it with",
                floor.edition
            )),
            None => Found::unknown("there is no floor, and no list is in force"),
        },
    }]
}

fn fitting(floor: &Floor, known: &ListAnswer, again: &str) -> Found {
    let list = Edition {
        keyset: known.keyset,
        version: known.version,
    };
    match floor.next {
        _ if floor.edition < list => Found::warning(format!(
            "the floor is behind the list: it names {}, and {list} is in force",
            floor.edition
        ))
        .hint(again),
        Some(_) => Found::warning("an installation was interrupted").hint(again),
        None => Found::ok(format!("the floor names {list}, the list in force")),
    }
}

/// Whether the clock is later than what was signed.
pub(super) fn clock(examined: &Examination<'_>) -> Vec<Found> {
    let now = examined.now;
    let mut signed: Vec<Timestamp> = Vec::new();
    if let Bans::Known(known) = &examined.bans {
        signed.push(known.issued);
    }
    if let Ok(trust) = &examined.trust {
        signed.push(trust.keyset.issued);
        signed.extend(trust.floor.map(|floor| floor.issued));
    }
    let set = "set the clock, and let NTP keep it";
    vec![match signed.into_iter().max() {
        Some(latest) if latest.since(now) > TOLERANCE => Found::critical(format!(
            "the clock says {now}, {} before {latest}, when the newest keyset or list was issued",
            amount(latest.since(now) / 86_400, "day")
        ))
        .hint(set),
        _ if now < CLOCK_SET => {
            Found::critical(format!("the clock was never set: it says {now}")).hint(set)
        }
        Some(latest) => Found::ok(format!("the clock says {now}, after {latest}")),
        None => Found::unknown("cannot judge the clock: there is nothing signed to compare with"),
    }]
}

/// Whether the keyset can be used, and until when.
pub(super) fn keyset(examined: &Examination<'_>) -> Vec<Found> {
    let found = match store::keyset(&examined.paths.keyset, Guard::Owned) {
        Ok(signed) => match renewal(&signed.keyset, examined.now) {
            Some(text) => Found::warning(text),
            None => Found::ok(format!(
                "keyset {} is to be renewed by {}",
                signed.keyset.number, signed.keyset.expires
            )),
        },
        Err(error) => {
            let found = fault(&error);
            let remedy = place::remedy_of(&error);
            match (&found.hint, remedy) {
                (Some(_), _) => found,
                (None, Some(remedy)) => found.hint(remedy),
                (None, None) => found.hint(
                    "put the keyset of the list's signers there; without it no list can be used",
                ),
            }
        }
    };
    vec![found]
}
