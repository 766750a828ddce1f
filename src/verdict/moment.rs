//! Decides which time counts as "now", and how old the list is.
//!
//! In: the system clock, and the times in signed documents. Out: the time that counts as "now", and
//! the list's freshness. A clock that was set back, or never set, must not make a list fresh again
//! or lift a ban. So "now" is the latest of three times: the system clock, the issue time of the
//! list's head, and the issue time that the floor records. A clock that is far behind the signed
//! times is broken, and the list's age is then unknown (as with apt's `Check-Date` and dnsmasq's
//! `--dnssec-timestamp`).

use crate::banlist::error::ListError;
use crate::banlist::store::{Bans, ListAnswer};
use crate::report::line;
use crate::sys::clock::Timestamp;

use super::Case;
use super::event::{Event, EventKind, Subject};
use super::sentence::days_of;

/// How many seconds the system clock may be behind a signed time. A clock that is further behind is
/// treated as broken.
pub const TOLERANCE: u64 = 86_400;

/// The time that counts as "now", and the list's freshness at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time that counts as "now".
    pub now: Timestamp,
    /// The list's freshness.
    pub freshness: Freshness,
}

/// Whether a list is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The list has not expired, or there is no list.
    Fresh,
    /// The list has expired.
    Stale,
    /// The list's grace period ended at this time.
    Overdue(Timestamp),
    /// It is unknown whether the list is fresh, because the clock is far behind this signed time.
    Unknown(Timestamp),
}

impl Moment {
    /// Makes the moment from the system clock and the list's times. `grace` is in seconds.
    #[must_use]
    pub fn of(clock: Timestamp, bans: &Bans, grace: u64) -> Self {
        let known = match bans {
            Bans::Known(known) => known,
            Bans::Missing(_) => {
                return Self {
                    now: clock,
                    freshness: Freshness::Fresh,
                };
            }
        };
        let signed = known.issued.max(known.floor_issued.unwrap_or(known.issued));
        let now = clock.max(signed);
        let overdue = known.expires.plus(grace);
        let freshness = if signed.since(clock) > TOLERANCE {
            Freshness::Unknown(signed)
        } else if now >= overdue {
            Freshness::Overdue(overdue)
        } else if now >= known.expires {
            Freshness::Stale
        } else {
            Freshness::Fresh
        };
        Self { now, freshness }
    }
}

/// The events about the list. They do not depend on whether the container starts.
pub(super) fn events(case: &Case<'_>, moment: &Moment, subject: &Subject) -> Vec<Event> {
    let Bans::Known(known) = case.bans else {
        return Vec::new();
    };
    let ListAnswer {
        version,
        expires,
        bad_signatures: bad,
        ..
    } = known;
    let mut events = Vec::new();
    // A bad signature stops nothing if enough others are good, but somebody must repair the signer.
    if *bad > 0 {
        let message = format!(
            "embargo: list {version} has enough good signatures, and {bad} beside them that do not verify"
        );
        events.push(Event {
            bad_signatures: Some(*bad),
            ..Event::new(EventKind::ListBadSignature, subject, &[], &message)
        });
    }
    if let Some(fault) = &known.fault {
        let message = passed_over(known, fault);
        events.push(Event::new(EventKind::SecondCopy, subject, &[], &message));
    }
    let age = days_of(moment.now.since(*expires) / 86_400);
    let (kind, message) = match moment.freshness {
        Freshness::Fresh => return events,
        Freshness::Stale => (
            EventKind::ListStale,
            format!(
                "embargo: list {version} expired at {expires}, {age} ago, and is still enforced"
            ),
        ),
        Freshness::Overdue(_) => (
            EventKind::ListOverdue,
            format!(
                "embargo: list {version} expired at {expires}, {age} ago, past its grace, and is still enforced"
            ),
        ),
        Freshness::Unknown(signed) => (
            EventKind::ClockUntrusted,
            format!(
                "embargo: the clock says {}, which is before {signed}: the age of list {version} is not judged",
                case.now
            ),
        ),
    };
    events.push(Event::new(kind, subject, &[], &message));
    events
}

/// The message that the second copy of the list is in use, with the reason.
fn passed_over(known: &ListAnswer, fault: &ListError) -> String {
    format!(
        "embargo: the second copy of list {} is in use: {}",
        known.version,
        line::causes(fault)
    )
}
