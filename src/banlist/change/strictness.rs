//! Compares two bans by what they refuse.

use crate::banlist::record::{Action, Ban, Exception};
use crate::sys::clock::Timestamp;

/// Whether a ban has ended at `at`, so that nothing of it can be lifted.
#[must_use]
pub fn has_lapsed(ban: &Ban, at: Timestamp) -> bool {
    ban.lapses.is_some_and(|lapses| lapses <= at)
}

/// Whether `new` holds at least as strictly as `old` from `at` on, for a digest that both ban as
/// the same kind.
#[must_use]
pub fn is_as_strict(new: &Ban, old: &Ban, at: Timestamp) -> bool {
    acts_as_hard(new, old)
        && starts_as_early(new, old, at)
        && ends_as_late(new, old)
        && new.except.iter().all(|except| is_covered(except, old, at))
        && new.cure.iter().all(|layer| old.cure.contains(layer))
}

pub(super) fn acts_as_hard(new: &Ban, old: &Ban) -> bool {
    new.action == Action::Refuse || old.action == Action::Warn
}

/// Whatever ended by `at` is over for both: no gate assumes a time before the newest list's issue.
pub(super) fn starts_as_early(new: &Ban, old: &Ban, at: Timestamp) -> bool {
    new.effective.max(at) <= old.effective.max(at)
}

pub(super) fn ends_as_late(new: &Ban, old: &Ban) -> bool {
    new.lapses
        .is_none_or(|new| old.lapses.is_some_and(|old| new >= old))
}

/// Whether an exception permits nothing that the old ban's do not permit, or nothing now.
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
    /// The earliest time that it can be now.
    pub(super) at: Timestamp,
    /// When the new list is issued: no gate that has it assumes an earlier time.
    pub(super) issued: Timestamp,
}

/// Whether the new list's issue time ends its ban while the old one still holds.
pub(super) fn ends_early(new: &Ban, old: &Ban, times: Times) -> bool {
    has_lapsed(new, times.issued) && !has_lapsed(old, times.at)
}
