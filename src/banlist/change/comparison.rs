//! Counts what a new list lifts, keeps and adds, ban by ban.
//!
//! In: two checked lists, and for each pair of an old and a new entry line, how many digests have
//! this pair. Out: what became of each ban. Pure.

use std::collections::{BTreeSet, HashMap};

use super::strictness::{Times, ends_early, has_lapsed, is_as_strict};
use super::{BanChange, BanStatus, alteration};
use crate::banlist::ban::{Ban, Kinds};
use crate::banlist::head::Entries;
use crate::banlist::whole::{Checked, CountedBan, EntryLine};

/// What is known so far from comparing two checked lists.
pub(super) struct Comparison<'a> {
    old: &'a Checked,
    new: &'a Checked,
    times: Times,
    /// The position of each old ban in the new list; below, of each new ban in the old list.
    stayed: Vec<Option<usize>>,
    came_from: Vec<Option<usize>>,
    /// Whether a new ban is as strict as an old ban, by their positions (old, new). At most
    /// [`MAX_REMEMBERED`] pairs are remembered.
    strict: HashMap<(usize, usize), bool>,
    losses: Vec<Loss>,
    gains: Vec<Entries>,
    pub(super) digests_lifted: u64,
    pub(super) digests_added: u64,
}

/// For how many pairs of bans the result is remembered. Other pairs are compared every time.
const MAX_REMEMBERED: usize = 1 << 20;

/// What an old ban loses in the new list.
#[derive(Clone, Default)]
struct Loss {
    dropped: Entries,
    lifted: Entries,
    heirs: BTreeSet<usize>,
}

pub(super) const NOTHING: &EntryLine = &EntryLine {
    kinds: Kinds::NONE,
    bans: Vec::new(),
    bases: Vec::new(),
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
    pub(super) fn new(old: &'a Checked, new: &'a Checked, times: Times) -> Self {
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
    pub(super) fn count(&mut self, from: Option<usize>, to: Option<usize>, number: u64) {
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
        if to.kinds.banned().without(from.kinds) != Kinds::NONE {
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
    pub(super) fn sorted(&self) -> (Vec<BanChange>, Vec<BanChange>, Vec<BanChange>) {
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
        if change.status == BanStatus::Removed {
            change.alterations = alteration::gone(ban);
        }
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

/// The contents of an entry line; empty if `line` is `None`.
pub(super) fn line_at(list: &Checked, line: Option<usize>) -> &EntryLine {
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
