//! Compares two lists: what the new list bans that the old list does not, and what it lifts.
//!
//! In: two lists whose heads are known, and the time from which the comparison counts. Out:
//! [`Change`], by ban, with numbers of digests. Both lists are checked to their last byte while
//! they are compared, in one pass over each. The comparison asks what the gate would do with a
//! digest, not which ban does it. A digest that the old list bans as some kind (base, image, layer)
//! is *kept* if some ban of the new list bans it as the same kind at least as strictly, whatever
//! that ban's ID. Otherwise it is *lifted*. A digest that two new bans cover only one after the
//! other counts as lifted, which is the safe answer.
//!
//! A new ban is as strict as an old ban if all of this holds from `at` on: it refuses if the old
//! ban does; it takes effect no later; it lapses no earlier; and it has no exception or cure that
//! the old ban does not have. The new list's issue time moves the clock of every gate forward. So a
//! new ban that has lapsed by then ends early, and counts as no ban. Reason, severity, advisories,
//! successor, names and patch do not matter: they neither refuse nor admit.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use super::bytes::ReadAt;
use super::error::ListError;
use super::head::{Entries, Head};
use super::record::{Ban, Kinds};
use super::whole::{Checked, CountedBan, EntryLine, WholeList};
use crate::sys::clock::Timestamp;

mod strictness;
mod alteration;

pub use alteration::{Alteration, How};
use strictness::{Times, ends_early};
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
    /// The number of digests that are lifted, as at least one kind.
    pub digests_lifted: u64,
    /// The number of digests that the new list bans as a kind that the old list did not ban them
    /// as.
    pub digests_added: u64,
    /// All bans of the new list.
    pub bans: Vec<CountedBan>,
}

impl Change {
    /// Whether the new list needs the signatures of the lift threshold.
    #[must_use]
    pub const fn is_lift(&self) -> bool {
        !self.lifted.is_empty()
    }
}

/// How one ban differs between the two lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanChange {
    /// The ban in the new list; if it was removed, in the old list.
    pub ban: Ban,
    /// Whether it was added, kept or removed.
    pub status: BanStatus,
    /// What differs in the ban's record.
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
/// or the new list's issue time if the clock is later. A clock that runs ahead must not make bans
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
    for ((from, to), number) in pairs {
        comparison.count(from, to, number);
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
        bans: new.bans,
    })
}

/// The entry line that a digest has in the old list, and the one that it has in the new list.
type LinePair = (Option<usize>, Option<usize>);

/// How many digests have each pair of entry lines. The pair decides everything about a digest, and
/// ten million digests have only a few different pairs.
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

/// What is known so far from comparing two checked lists.
struct Comparison<'a> {
    old: &'a Checked,
    new: &'a Checked,
    times: Times,
    /// The position of each old ban in the new list; below, of each new ban in the old list.
    stayed: Vec<Option<usize>>,
    came_from: Vec<Option<usize>>,
    /// Whether a new ban is as strict as an old ban, by their positions (old, new). At most
    /// [`MAX_REMEMBERED`] pairs are kept.
    strict: HashMap<(usize, usize), bool>,
    losses: Vec<Loss>,
    gains: Vec<Entries>,
    digests_lifted: u64,
    digests_added: u64,
}

/// For how many pairs of bans the answer is kept. Other pairs are compared every time.
const MAX_REMEMBERED: usize = 1 << 20;

/// What an old ban loses in the new list.
#[derive(Clone, Default)]
struct Loss {
    dropped: Entries,
    lifted: Entries,
    heirs: BTreeSet<usize>,
}

const NOTHING: &EntryLine = &EntryLine {
    kinds: Kinds::NONE,
    bans: Vec::new(),
};

/// For each of `bans`, the position in `among` of the ban with the same ID.
fn places(among: &[CountedBan], bans: &[CountedBan]) -> Vec<Option<usize>> {
    let mut places = HashMap::new();
    for (place, counted) in among.iter().enumerate() {
        places.insert(counted.ban.id.as_str(), place);
    }
    let mut found = Vec::with_capacity(bans.len());
    for counted in bans {
        found.push(places.get(counted.ban.id.as_str()).copied());
    }
    found
}

impl<'a> Comparison<'a> {
    fn new(old: &'a Checked, new: &'a Checked, times: Times) -> Self {
        Self {
            old,
            new,
            times,
            stayed: places(&new.bans, &old.bans),
            came_from: places(&old.bans, &new.bans),
            strict: HashMap::new(),
            losses: vec![Loss::default(); old.bans.len()],
            gains: vec![Entries::default(); new.bans.len()],
            digests_lifted: 0,
            digests_added: 0,
        }
    }

    /// Counts `number` digests whose entry line is `from` in the old list and `to` in the new list.
    fn count(&mut self, from: Option<usize>, to: Option<usize>, number: u64) {
        let (from, to) = (line_at(self.old, from), line_at(self.new, to));
        let mut is_lifted = false;
        for (ban, kinds) in &from.bans {
            let dropped = kinds.without(kinds_of(to, self.stayed[*ban]));
            let (heirs, lost) = self.heirs(*ban, *kinds, to);
            // A ban that has lapsed bans nothing, so removing it lifts nothing.
            let is_over = has_lapsed(&self.old.bans[*ban].ban, self.times.at);
            let lifted = if is_over { Kinds::NONE } else { lost };
            let loss = &mut self.losses[*ban];
            loss.dropped.add(dropped, number);
            loss.lifted.add(lifted, number);
            for (heir, as_what) in heirs {
                if as_what.and(dropped) != Kinds::NONE {
                    loss.heirs.insert(heir);
                }
            }
            is_lifted |= lifted != Kinds::NONE;
        }
        for (ban, kinds) in &to.bans {
            let before = kinds_of(from, self.came_from[*ban]);
            self.gains[*ban].add(kinds.without(before), number);
        }
        if is_lifted {
            self.digests_lifted += number;
        }
        if to.kinds.without(from.kinds) != Kinds::NONE {
            self.digests_added += number;
        }
    }

    /// Finds the bans of the entry line `to` that are as strict as the old ban `old`, and the kinds
    /// that each of them covers. Also returns the kinds that none covers. The ban with the same ID
    /// is tried first; the search ends when every kind is covered.
    fn heirs(&mut self, old: usize, kinds: Kinds, to: &EntryLine) -> (Vec<(usize, Kinds)>, Kinds) {
        let (mut heirs, mut lost) = (Vec::new(), kinds);
        let same = self.stayed[old];
        let first = same.into_iter().zip([kinds_of(to, same)]);
        for (new, as_what) in first.chain(to.bans.iter().copied()) {
            if lost == Kinds::NONE {
                break;
            }
            let taken = as_what.and(lost);
            if taken != Kinds::NONE && self.is_strict(old, new) {
                heirs.push((new, taken));
                lost = lost.without(taken);
            }
        }
        (heirs, lost)
    }

    /// Whether a new ban is as strict as an old ban, both given by position.
    fn is_strict(&mut self, old: usize, new: usize) -> bool {
        if let Some(known) = self.strict.get(&(old, new)) {
            return *known;
        }
        let (one, other) = (&self.old.bans[old].ban, &self.new.bans[new].ban);
        let is_strict =
            is_as_strict(other, one, self.times.at) && !ends_early(other, one, self.times);
        if self.strict.len() < MAX_REMEMBERED {
            self.strict.insert((old, new), is_strict);
        }
        is_strict
    }

    /// The bans from which something is lifted, the added bans, and the other bans that differ.
    fn sorted(&self) -> (Vec<BanChange>, Vec<BanChange>, Vec<BanChange>) {
        let (mut lifted, mut changed) = (Vec::new(), Vec::new());
        for (place, CountedBan { ban, .. }) in self.old.bans.iter().enumerate() {
            let change = self.of_old(place, ban);
            if change.lifted.all > 0 {
                lifted.push(change);
            } else if change.status != BanStatus::Kept
                || !change.alterations.is_empty()
                || change.added.all > 0
                || change.dropped.all > 0
            {
                changed.push(change);
            }
        }
        let mut added = Vec::new();
        for (place, CountedBan { ban, .. }) in self.new.bans.iter().enumerate() {
            if self.came_from[place].is_some() {
                continue;
            }
            added.push(BanChange {
                ban: ban.clone(),
                status: BanStatus::Added,
                alterations: Vec::new(),
                added: self.gains[place],
                dropped: Entries::default(),
                lifted: Entries::default(),
                heirs: Vec::new(),
            });
        }
        (lifted, added, changed)
    }

    /// How a ban of the old list differs in the new list.
    fn of_old(&self, place: usize, ban: &Ban) -> BanChange {
        let Loss {
            dropped,
            lifted,
            heirs,
        } = self.losses[place].clone();
        let mut names = Vec::with_capacity(heirs.len());
        for heir in heirs {
            names.push(self.new.bans[heir].ban.id.clone());
        }
        let mut change = BanChange {
            ban: ban.clone(),
            status: if has_lapsed(ban, self.times.at) {
                BanStatus::Expired
            } else {
                BanStatus::Removed
            },
            alterations: Vec::new(),
            added: Entries::default(),
            dropped,
            lifted,
            heirs: names,
        };
        if let Some(stayed) = self.stayed[place] {
            let new = &self.new.bans[stayed];
            change.ban = new.ban.clone();
            change.status = BanStatus::Kept;
            change.alterations = alteration::between(&self.old.bans[place], new, self.times);
            change.added = self.gains[stayed];
        }
        change
    }
}

/// What an entry line says; nothing without one.
fn line_at(list: &Checked, line: Option<usize>) -> &EntryLine {
    match line {
        Some(line) => &list.lines[line],
        None => NOTHING,
    }
}

/// The kinds as which one ban, if there is one, bans a line's digests.
fn kinds_of(line: &EntryLine, ban: Option<usize>) -> Kinds {
    let Some(ban) = ban else {
        return Kinds::NONE;
    };
    match line.bans.binary_search_by_key(&ban, |(ban, _)| *ban) {
        Ok(at) => line.bans[at].1,
        Err(_) => Kinds::NONE,
    }
}

#[cfg(test)]
mod tests;
