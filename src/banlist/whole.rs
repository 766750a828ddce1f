//! Checks every byte of a list.
//!
//! In: a list whose head is authentic. Out: its bans, with the number of digests of each; or the
//! first error. The gate checks only the parts that it reads. This check reads everything once:
//! every node of the tree, every block, every line, every offset and every count. The check finds
//! what a signature cannot prevent: a list that was signed although it is wrong. A caller that also
//! wants the digests takes them one by one. The contents of the entry lines are returned only by
//! [`WholeList::finish`], so nothing is concluded from a list whose rest is wrong.

use std::collections::{HashMap, HashSet};

use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

use super::ban::{self, Ban, EntryMatch, Kinds, ListEntry, MAX_WEIGHT, MatchKind};
use super::bytes::{ReadAt, Reader};
use super::error::ListError;
use super::head::{Entries, Head};
use super::section;
use super::tree::leaves::Leaves;
use super::watch::Watch;

/// A ban of a list, and how many digests it has in that list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedBan {
    /// The ban.
    pub ban: Ban,
    /// The number of the ban's digests, by kind.
    pub entries: Entries,
    /// Names of what the ban bans, in the order of the list, at most [`MAX_NAMES`].
    pub names: Vec<String>,
}

/// How many names are remembered for each ban.
pub const MAX_NAMES: usize = 16;

/// What an entry line says: the kinds and the bans of its digests. If a ban has a digest under
/// several names, the digest is counted once for this ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryLine {
    /// The kinds as which the bans, taken together, ban the digest.
    pub kinds: Kinds,
    /// The position in the list of each ban, ascending, and the kinds as which that ban covers the
    /// digest.
    pub bans: Vec<(usize, Kinds)>,
}

impl EntryLine {
    fn of(mut matches: Vec<(usize, MatchKind)>) -> Self {
        matches.sort_unstable();
        let (mut all, mut bans) = (Kinds::NONE, Vec::<(usize, Kinds)>::new());
        for (ban, kind) in matches {
            all = all.with(kind);
            match bans.last_mut() {
                Some((last, kinds)) if *last == ban => *kinds = kinds.with(kind),
                Some(_) | None => bans.push((ban, Kinds::NONE.with(kind))),
            }
        }
        Self { kinds: all, bans }
    }
}

/// What is known of a list after it has been checked to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The bans, in the order of the source.
    pub bans: Vec<CountedBan>,
    /// The entry lines. [`WholeList::next`] returns their positions here.
    pub lines: Vec<EntryLine>,
}

/// A list that is being checked.
pub struct WholeList<'a, R: ReadAt + ?Sized> {
    list: &'a Reader<'a, R>,
    head: &'a Head,
    leaves: Leaves<'a, R>,
    records: CheckedRecords,
    /// The offset and number of the entry line of the last leaf record. A long list has few entry
    /// lines, and the next leaf record mostly has the same entry line.
    last: (u64, usize),
}

/// The records of a list that is being checked.
#[derive(Default)]
struct CheckedRecords {
    bans: Vec<CountedBan>,
    lines: Vec<EntryLine>,
    /// The number of each entry line, by the offset at which it starts.
    numbers: HashMap<u64, usize>,
    /// How many leaf records each entry line has.
    uses: Vec<u64>,
}

impl<'a, R: ReadAt + ?Sized> WholeList<'a, R> {
    /// Checks the records of a list.
    ///
    /// # Errors
    /// [`ListError`] for the first error in the records.
    pub fn open(list: &'a Reader<'a, R>, head: &'a Head) -> Result<Self, ListError> {
        let records = records(list, head)?;
        // No line has the offset `u64::MAX`, because no records section is that large.
        Ok(Self {
            list,
            head,
            leaves: Leaves::of(list, head),
            records,
            last: (u64::MAX, 0),
        })
    }

    /// The same check; the number of bytes of the tree that are read is reported to `watch`.
    #[must_use]
    pub fn watched(mut self, watch: &'a dyn Watch) -> Self {
        self.leaves = self.leaves.watched(watch);
        self
    }

    /// When the list was issued.
    #[must_use]
    pub const fn issued(&self) -> Timestamp {
        self.head.issued
    }

    /// The next digest, in ascending order, and the number of its entry line; `None` after the last
    /// digest.
    ///
    /// # Errors
    /// [`ListError`] for the first error.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results could be collected up to its first error and taken for the whole"
    )]
    pub fn next(&mut self) -> Result<Option<(Digest, usize)>, ListError> {
        let Some(leaf) = self.leaves.next()? else {
            return Ok(None);
        };
        if self.last.0 != leaf.offset {
            let Some(number) = self.records.numbers.get(&leaf.offset) else {
                return Err(self.malformed(leaf.offset));
            };
            self.last = (leaf.offset, *number);
        }
        let number = self.last.1;
        if self.records.lines[number].kinds != leaf.kinds {
            return Err(self.malformed(leaf.offset));
        }
        self.records.uses[number] += 1;
        Ok(Some((leaf.digest, number)))
    }

    /// Reads the rest of the list, compares the counts, and returns what the lines mean.
    ///
    /// # Errors
    /// [`ListError`] for the first error.
    pub fn finish(mut self) -> Result<Checked, ListError> {
        while self.next()?.is_some() {}
        if let Some(unused) = self.records.uses.iter().position(|uses| *uses == 0) {
            let offset = self
                .records
                .numbers
                .iter()
                .find(|(_, number)| **number == unused)
                .map_or(0, |(offset, _)| *offset);
            return Err(self.malformed(offset));
        }
        let CheckedRecords {
            mut bans,
            lines,
            uses,
            ..
        } = self.records;
        let mut entries = Entries::default();
        for (line, uses) in lines.iter().zip(uses) {
            entries.add(line.kinds, uses);
            for (ban, kinds) in &line.bans {
                bans[*ban].entries.add(*kinds, uses);
            }
        }
        if entries == self.head.entries {
            Ok(Checked { bans, lines })
        } else {
            Err(ListError::Counts(self.list.path.to_owned()))
        }
    }

    fn malformed(&self, offset: u64) -> ListError {
        ListError::Record(self.list.path.to_owned(), offset)
    }
}

/// Checks a whole list, and returns its bans in the order of the source.
///
/// # Errors
/// [`ListError`] for the first error.
pub fn check<R: ReadAt + ?Sized>(
    list: &Reader<'_, R>,
    head: &Head,
) -> Result<Vec<CountedBan>, ListError> {
    Ok(WholeList::open(list, head)?.finish()?.bans)
}

/// The bans, and the entry lines in their order.
fn records<R: ReadAt + ?Sized>(
    list: &Reader<'_, R>,
    head: &Head,
) -> Result<CheckedRecords, ListError> {
    let mut records = CheckedRecords::default();
    let (mut places, mut ids, mut weights) = (HashMap::new(), HashSet::new(), Vec::new());
    section::each_line(list, head, |offset, bytes| {
        let malformed = || ListError::Record(list.path.to_owned(), offset);
        if let Some(ban) = ban::parse::<Ban>(bytes) {
            if !ids.insert(ban.id.clone()) {
                return Err(malformed());
            }
            places.insert(offset, records.bans.len());
            weights.push(ban::weight(bytes) + 1);
            records.bans.push(CountedBan {
                ban,
                entries: Entries::default(),
                names: Vec::new(),
            });
            return Ok(());
        }
        let entry = ListEntry::parse(bytes).ok_or_else(malformed)?;
        let mut found = Vec::with_capacity(entry.matches.len());
        for EntryMatch {
            kind, name, ban, ..
        } in entry.matches
        {
            // Ban lines come before entry lines, so this ban is already known.
            let place = *places.get(&ban).ok_or_else(malformed)?;
            found.push((place, kind));
            let names = &mut records.bans[place].names;
            if let Some(name) = name
                && names.len() < MAX_NAMES
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        let line = EntryLine::of(found);
        let mut weight = ban::weight(bytes) + 1;
        for (place, _) in &line.bans {
            weight += weights[*place];
        }
        if weight > MAX_WEIGHT {
            return Err(ListError::Heavy(list.path.to_owned(), offset));
        }
        records.numbers.insert(offset, records.lines.len());
        records.lines.push(line);
        records.uses.push(0);
        Ok(())
    })?;
    Ok(records)
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
