//! Compares two bans by what they refuse, to tell whether a new list lifts something.

use crate::banlist::ban::{Action, Ban, Exception};
use crate::sys::clock::Timestamp;

/// Whether a ban has lapsed at `at`. A lapsed ban bans nothing, so a change to it lifts nothing.
#[must_use]
pub fn has_lapsed(ban: &Ban, at: Timestamp) -> bool {
    matches!(ban.lapses, Some(lapses) if lapses <= at)
}

/// Whether `new` is at least as strict as `old` from `at` on, for a digest that both bans cover as
/// the same kind.
#[must_use]
pub fn is_as_strict(new: &Ban, old: &Ban, at: Timestamp) -> bool {
    acts_as_hard(new, old)
        && starts_as_early(new, old, at)
        && ends_as_late(new, old)
        && spares_as_shortly(new, old, at)
        && new.except.iter().all(|except| is_covered(except, old, at))
        && new.cure.iter().all(|layer| old.cure.contains(layer))
}

pub(super) fn acts_as_hard(new: &Ban, old: &Ban) -> bool {
    new.action == Action::Refuse || old.action == Action::Warn
}

/// Whether the new ban takes effect no later than the old ban. Times before `at` make no
/// difference: no gate assumes a time before the issue of its newest list. But if the new ban
/// spares containers that existed before it took effect, its time decides which containers these
/// are, even if that time is past.
pub(super) fn starts_as_early(new: &Ban, old: &Ban, at: Timestamp) -> bool {
    new.effective.max(at) <= old.effective.max(at)
        && (new.effective <= old.effective || !spares(new, old, at))
}

/// Whether the new ban spares existing containers no longer than the old ban.
pub(super) fn spares_as_shortly(new: &Ban, old: &Ban, at: Timestamp) -> bool {
    !spares(new, old, at) || old.existing_until >= new.existing_until
}

/// Whether the new ban spares existing containers at a time at which the old ban refuses others.
fn spares(new: &Ban, old: &Ban, at: Timestamp) -> bool {
    new.existing_until
        .is_some_and(|until| until > at.max(old.effective))
}

pub(super) fn ends_as_late(new: &Ban, old: &Ban) -> bool {
    match (new.lapses, old.lapses) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(new), Some(old)) => new >= old,
    }
}

/// Returns `true` if an exception of the new ban weakens nothing: the exception has ended at `at`,
/// or the old ban has an exception for the same digest that ends no earlier.
pub(super) fn is_covered(except: &Exception, old: &Ban, at: Timestamp) -> bool {
    except.until <= at
        || old.except.iter().any(|known| {
            (known.kind, known.digest) == (except.kind, except.digest)
                && known.until >= except.until
        })
}

/// The times that a comparison depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The earliest time that the gates may assume.
    pub(super) at: Timestamp,
    /// When the new list was issued. No gate that has the new list assumes an earlier time.
    pub(super) issued: Timestamp,
}

/// Returns `true` if the new list ends a ban early: the new ban has lapsed when the new list is
/// issued, and the old ban has not lapsed at the time of the comparison.
pub(super) fn ends_early(new: &Ban, old: &Ban, times: Times) -> bool {
    has_lapsed(new, times.issued) && !has_lapsed(old, times.at)
}
