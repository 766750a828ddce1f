//! Compares two lists: what the new list bans that the old list does not, and what it lifts.
//!
//! In: two lists whose heads are known, and the time from which the bans are compared. Out:
//! [`Change`], by ban, with numbers of digests. Both lists are checked to their last byte while
//! they are compared, in one pass over each. The comparison looks at what the gate would do with a
//! digest, not at which ban makes the gate do so. A digest that the old list bans as some kind
//! (base, image, layer) is *kept* if some ban of the new list bans it as the same kind at least as
//! strictly, whatever that ban's ID. Otherwise it is *lifted*. A digest that two new bans cover
//! only one after the other is treated as lifted, which is the safe result.
//!
//! A new ban is as strict as an old ban if all of this holds from `at` on: it refuses if the old
//! ban does; it takes effect no later; it lapses no earlier; it spares existing containers no
//! longer; and it has no exception or cure that the old ban does not have. The new list's issue
//! time moves the clock of every gate forward. So a new ban that has lapsed by that time ends
//! early, and is treated as no ban. Reason, severity, advisories, successor, names and patch do not
//! matter: they neither refuse nor admit.
//!
//! The catalogue says what images may be built on, so there it is a lift to add: a digest, or a
//! project that may use it. If the new list has no catalogue any more, that is a lift too.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::ban::Ban;
use super::bytes::ReadAt;
use super::error::ListError;
use super::head::{Entries, Head};
use super::whole::{CountedBan, WholeList};
use crate::sys::clock::Timestamp;

mod strictness;
mod alteration;
mod catalogue;
mod comparison;

pub use alteration::{Alteration, How, NONE, PATCH};
use catalogue::CatalogueComparison;
pub use catalogue::{BaseChange, BaseStatus, CatalogueChange};
use comparison::Comparison;
use strictness::Times;
pub use strictness::{has_lapsed, is_as_strict};

/// What differs between two lists. A ban is in at most one of `lifted`, `added` and `changed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Bans from which the new list lifts something: some of their digests are no longer banned as
    /// strictly. In the order of the old list.
    pub lifted: Vec<BanChange>,
    /// Bans that are new, in the order of the new list.
    pub added: Vec<BanChange>,
    /// Other bans that differ or were removed, in the order of the old list.
    pub changed: Vec<BanChange>,
    /// How many digests are lifted as one kind or more.
    pub digests_lifted: u64,
    /// How many digests have a new kind of ban: the new list bans them as a base, an image or a
    /// layer, and the old list does not ban them as the same kind.
    pub digests_added: u64,
    /// What became of the catalogue.
    pub catalogue: CatalogueChange,
    /// All bans of the new list.
    pub bans: Vec<CountedBan>,
}

impl Change {
    /// Whether the new list needs the signatures of the lift threshold.
    #[must_use]
    pub const fn is_lift(&self) -> bool {
        !self.lifted.is_empty() || self.catalogue.is_lift()
    }
}

/// How one ban differs between the two lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanChange {
    /// The ban as it is in the new list; for a removed ban, as it was in the old list.
    pub ban: Ban,
    /// Whether the ban was added, kept or removed.
    pub status: BanStatus,
    /// What differs in the ban's record. For a removed ban, only its successor and its patch.
    pub alterations: Vec<Alteration>,
    /// Digests that the ban has in the new list and not in the old one.
    pub added: Entries,
    /// Digests that the ban has in the old list and not in the new one.
    pub dropped: Entries,
    /// Digests of the old ban that no ban of the new list bans as strictly.
    pub lifted: Entries,
    /// IDs of the new list's bans that cover digests which this ban dropped.
    pub heirs: Vec<String>,
}

/// Whether a ban was added, kept or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanStatus {
    /// Only the new list has the ban.
    Added,
    /// Both lists have the ban.
    Kept,
    /// Only the old list has the ban.
    Removed,
    /// Only the old list has the ban, and it had already lapsed.
    Expired,
}

/// The time at which a new list is compared with the list that it replaces: the time of the clock,
/// or the new list's issue time if the clock is later. A clock that is fast must not make bans
/// lapse that are still in effect.
#[must_use]
pub fn moment(new: &Head, clock: Timestamp) -> Timestamp {
    clock.min(new.issued)
}

/// Compares two lists, and checks both as a whole. `at` is the earliest time that the gates may
/// assume.
///
/// # Errors
/// [`ListError`] for the first error in either list.
pub fn compare<A, B>(
    mut old: WholeList<'_, A>,
    mut new: WholeList<'_, B>,
    at: Timestamp,
) -> Result<Change, ListError>
where
    A: ReadAt + ?Sized,
    B: ReadAt + ?Sized,
{
    let pairs = pairs(&mut old, &mut new)?;
    let issued = new.issued();
    let (old, new) = (old.finish()?, new.finish()?);
    let mut comparison = Comparison::new(&old, &new, Times { at, issued });
    let mut catalogue = CatalogueComparison::new(&old, &new);
    for ((from, to), number) in pairs {
        comparison.count(from, to, number);
        catalogue.count(from, to, number);
    }
    let (lifted, added, changed) = comparison.sorted();
    let Comparison {
        digests_lifted,
        digests_added,
        ..
    } = comparison;
    Ok(Change {
        lifted,
        added,
        changed,
        digests_lifted,
        digests_added,
        catalogue: catalogue.finish(),
        bans: new.bans,
    })
}

/// The entry line that a digest has in the old list, and the one that it has in the new list.
type LinePair = (Option<usize>, Option<usize>);

/// For each pair of entry lines, how many digests have this pair. The pair decides everything about
/// a digest, and ten million digests have only a few different pairs.
fn pairs<A, B>(
    old: &mut WholeList<'_, A>,
    new: &mut WholeList<'_, B>,
) -> Result<HashMap<LinePair, u64>, ListError>
where
    A: ReadAt + ?Sized,
    B: ReadAt + ?Sized,
{
    let mut pairs = HashMap::new();
    let (mut run, mut length) = ((None, None), 0);
    let (mut left, mut right) = (old.next()?, new.next()?);
    loop {
        let order = match (left, right) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((one, _)), Some((other, _))) => one.cmp(&other),
        };
        let mut pair = (None, None);
        if order.is_le()
            && let Some((_, line)) = left
        {
            pair.0 = Some(line);
            left = old.next()?;
        }
        if order.is_ge()
            && let Some((_, line)) = right
        {
            pair.1 = Some(line);
            right = new.next()?;
        }
        // Neighbouring digests mostly have the same pair.
        if pair != run {
            *pairs.entry(run).or_default() += length;
            (run, length) = (pair, 0);
        }
        length += 1;
    }
    *pairs.entry(run).or_default() += length;
    pairs.remove(&(None, None));
    Ok(pairs)
}

#[cfg(test)]
mod tests;
