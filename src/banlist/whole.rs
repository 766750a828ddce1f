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

use super::ban::{self, Ban, BanMatch, EntryMatch, Kinds, ListEntry, MAX_WEIGHT, MatchKind};
use super::bytes::{ReadAt, Reader};
use super::catalogue::{CatalogueBase, CatalogueMatch};
use super::error::ListError;
use super::head::{Entries, Head};
use super::kinds::CatalogueScope;
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

/// A base of a list's catalogue, and how many digests it has in that list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedBase {
    /// The base.
    pub base: CatalogueBase,
    /// The number of the base's digests.
    pub digests: u64,
}

/// How many names are remembered for each ban.
pub const MAX_NAMES: usize = 16;

/// What an entry line says: the kinds, the bans and the bases of its digests. If a ban has a digest
/// under several names, the digest is counted once for this ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryLine {
    /// The kinds as which the bans, taken together, ban the digest; and for whom the bases, taken
    /// together, have it.
    pub kinds: Kinds,
    /// The position in the list of each ban, ascending, and the kinds as which that ban covers the
    /// digest.
    pub bans: Vec<(usize, Kinds)>,
    /// The position in the catalogue of each base, ascending.
    pub bases: Vec<usize>,
}

impl EntryLine {
    /// The line with these matches with bans, and with these bases. Each base comes with its scope.
    fn of(mut matches: Vec<(usize, MatchKind)>, mut bases: Vec<(usize, CatalogueScope)>) -> Self {
        matches.sort_unstable();
        let (mut all, mut bans) = (Kinds::NONE, Vec::<(usize, Kinds)>::new());
        for (ban, kind) in matches {
            all = all.with(kind);
            match bans.last_mut() {
                Some((last, kinds)) if *last == ban => *kinds = kinds.with(kind),
                Some(_) | None => bans.push((ban, Kinds::NONE.with(kind))),
            }
        }
        // One base for everybody is enough: then it does not matter that another is limited.
        let is_open = bases
            .iter()
            .any(|(_, scope)| *scope == CatalogueScope::Everybody);
        if is_open {
            all = all.catalogued(CatalogueScope::Everybody);
        } else if !bases.is_empty() {
            all = all.catalogued(CatalogueScope::SomeProjects);
        }
        bases.sort_unstable_by_key(|(base, _)| *base);
        let mut bases: Vec<usize> = bases.into_iter().map(|(base, _)| base).collect();
        bases.dedup();
        Self {
            kinds: all,
            bans,
            bases,
        }
    }
}

/// What is known of a list after it has been checked to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The bans, in the order of the source.
    pub bans: Vec<CountedBan>,
    /// The bases of the catalogue, in the order of the list.
    pub bases: Vec<CountedBase>,
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
    bases: Vec<CountedBase>,
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
            mut bases,
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
            for base in &line.bases {
                bases[*base].digests += uses;
            }
        }
        if entries == self.head.entries {
            Ok(Checked { bans, bases, lines })
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

/// The bans, the bases and the entry lines, each in their order.
fn records<R: ReadAt + ?Sized>(
    list: &Reader<'_, R>,
    head: &Head,
) -> Result<CheckedRecords, ListError> {
    let mut records = CheckedRecords::default();
    let mut known = KnownRecords::default();
    section::each_line(list, head, |offset, bytes| {
        let malformed = || ListError::Record(list.path.to_owned(), offset);
        let weight = ban::weight(bytes) + 1;
        if let Some(ban) = ban::parse::<Ban>(bytes) {
            let id = (RecordKind::Ban, ban.id.clone());
            known
                .add(id, offset, records.bans.len(), weight)
                .ok_or_else(malformed)?;
            records.bans.push(CountedBan {
                ban,
                entries: Entries::default(),
                names: Vec::new(),
            });
            return Ok(());
        }
        if let Some(base) = ban::parse::<CatalogueBase>(bytes) {
            let id = (RecordKind::Base, base.id.clone());
            known
                .add(id, offset, records.bases.len(), weight)
                .ok_or_else(malformed)?;
            records.bases.push(CountedBase { base, digests: 0 });
            return Ok(());
        }
        let entry = ListEntry::parse(bytes).ok_or_else(malformed)?;
        let line = records.line(entry, &known).ok_or_else(malformed)?;
        let mut weight = weight;
        for (ban, _) in &line.bans {
            weight += known.weights[&(RecordKind::Ban, *ban)];
        }
        for base in &line.bases {
            weight += known.weights[&(RecordKind::Base, *base)];
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

/// The two kinds of record to which entry lines point.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum RecordKind {
    Ban,
    Base,
}

/// The bans and bases before an entry line.
#[derive(Default)]
struct KnownRecords {
    ids: HashSet<(RecordKind, String)>,
    /// The position of each ban, and of each base, by the offset of its line.
    places: HashMap<(RecordKind, u64), usize>,
    /// The weight of the line of each ban, and of each base, by its position.
    weights: HashMap<(RecordKind, usize), u64>,
}

impl KnownRecords {
    /// Adds a record. `None` if there is a record with the same ID already.
    fn add(
        &mut self,
        id: (RecordKind, String),
        offset: u64,
        place: usize,
        weight: u64,
    ) -> Option<()> {
        let kind = id.0;
        self.places.insert((kind, offset), place);
        self.weights.insert((kind, place), weight);
        self.ids.insert(id).then_some(())
    }
}

impl CheckedRecords {
    /// What an entry line says. `None` if the line points to something else than a ban or a base
    /// before it.
    fn line(&mut self, entry: ListEntry, known: &KnownRecords) -> Option<EntryLine> {
        let (mut matches, mut bases) = (Vec::with_capacity(entry.matches.len()), Vec::new());
        for found in entry.matches {
            match found {
                EntryMatch::Ban(BanMatch {
                    kind, name, ban, ..
                }) => {
                    let place = *known.places.get(&(RecordKind::Ban, ban))?;
                    matches.push((place, kind));
                    let names = &mut self.bans[place].names;
                    if let Some(name) = name
                        && names.len() < MAX_NAMES
                        && !names.contains(&name)
                    {
                        names.push(name);
                    }
                }
                EntryMatch::Catalogue(CatalogueMatch { base, .. }) => {
                    let place = *known.places.get(&(RecordKind::Base, base))?;
                    bases.push((place, self.bases[place].base.scope()));
                }
            }
        }
        Some(EntryLine::of(matches, bases))
    }
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
