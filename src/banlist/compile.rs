//! Compiles a source into a list, for `list build`.
//!
//! In: a checked source, and the values of the head that do not follow from the source. Out: the
//! list. The same source and the same head terms give the same bytes on every machine. Ban lines
//! come first, in the order of the source. Entry lines follow, in the order of the digests that use
//! them first.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::io;

use thiserror::Error;

use crate::lineage::digest::Digest;
use crate::sys::threads;

use super::ban::{self, BanMatch, EntryMatch, Kinds, ListEntry, MAX_LINE, MAX_MATCHES, MAX_WEIGHT};
use super::head::{Claim, Entries, Head, MAX_ENTRIES, MAX_RECORDS};
use super::section;
use super::source::Source;
use super::terms::{Contents, HeadTerms};
use super::tree::Leaf;
use super::tree::build::{self, WriteAt};
use super::watch::Watch;

/// Why no list can be made from a source.
#[derive(Debug, Error)]
pub enum CompileError {
    /// A ban has a digest twice, as the same kind and under the same name: the digest, the ban.
    #[error("cannot compile {1}: {0} is in it twice")]
    Twice(Digest, String),
    /// The source has a digest more often than an entry line can hold: the digest, the first ban
    /// that names it.
    #[error(
        "cannot compile {1}: {0} is in it and in other bans under more than {MAX_MATCHES} names"
    )]
    TooOften(Digest, String),
    /// The line of a ban, or of one of the ban's entries, is longer than a list can hold: the ban.
    #[error("cannot compile {0}: its record has more than {MAX_LINE} bytes")]
    TooLong(String),
    /// The list would say more about a digest than a container start may read: the digest, the
    /// first ban that names it.
    #[error(
        "cannot compile {1}: what it and other bans say about {0} has more than {MAX_WEIGHT} \
         bytes, a comma counted as 48"
    )]
    TooHeavy(Digest, String),
    /// There are more records than a list can hold.
    #[error("cannot compile the source: its records have more than {MAX_RECORDS} bytes")]
    TooManyRecords,
    /// There are more digests than a list can hold.
    #[error("cannot compile the source: it has more than {MAX_ENTRIES} digests")]
    TooManyEntries,
    /// The list could not be written.
    #[error("cannot write the list")]
    Write(#[from] io::Error),
}

/// A compiled source. The head terms are added when the list is written.
#[derive(Debug)]
pub struct Compiled {
    /// Every digest once, ascending, with the number of its entry line.
    digests: Vec<(Digest, u32)>,
    /// Where each entry line starts, and the kinds as which it bans its digests.
    lines: Vec<(u64, Kinds)>,
    records: Vec<u8>,
    entries: Entries,
    source: Digest,
    source_size: u64,
}

impl Compiled {
    /// Compiles a source.
    ///
    /// # Errors
    /// [`CompileError`], except [`CompileError::Write`].
    pub fn of(source: &Source) -> Result<Self, CompileError> {
        let mut records = RecordsBuilder::new(source)?;
        let mut digests = sorted(source, &records.reasons);
        let mut entries = Entries::default();
        // All reasons for a digest are merged into one entry line. The merge needs no second array,
        // so that a long list is not in memory twice.
        let (mut start, mut kept) = (0, 0);
        while let Some((digest, _)) = digests.get(start).copied() {
            let same = digests[start..]
                .iter()
                .take_while(|(other, _)| *other == digest)
                .count();
            let number = records.entry(&digests[start..start + same])?;
            entries.add(records.lines[number as usize].1, 1);
            digests[kept] = (digest, number);
            kept += 1;
            start += same;
        }
        digests.truncate(kept);
        if entries.all > MAX_ENTRIES {
            return Err(CompileError::TooManyEntries);
        }
        let RecordsBuilder { bytes, lines, .. } = records;
        Ok(Self {
            digests,
            lines,
            records: bytes,
            entries,
            source: source.digest,
            source_size: source.size,
        })
    }

    /// Writes the unsigned list with these head terms to `out`, and returns its head.
    ///
    /// # Errors
    /// [`CompileError::Write`].
    pub fn write(
        &self,
        terms: &HeadTerms,
        out: &impl WriteAt,
        watch: &dyn Watch,
    ) -> Result<Head, CompileError> {
        let leaf = |at: u64| {
            let (digest, number) = self.digests[usize::try_from(at).unwrap_or(usize::MAX)];
            let (offset, kinds) = self.lines[number as usize];
            Leaf {
                digest,
                kinds,
                offset,
            }
        };
        let tree_root = build::write(self.entries.all, leaf, out, watch)?;
        let table = section::table(&self.records);
        let head = terms.head(Contents {
            entries: self.entries,
            tree_root,
            records: Digest::of(&table),
            records_size: self.records.len() as u64,
            source: self.source,
            source_size: self.source_size,
        });
        out.write_at(&self.records, head.records_at())?;
        out.write_at(&table, head.table_at())?;
        let block = Claim {
            text: head.text(),
            head: head.clone(),
            signatures: Vec::new(),
        }
        .block();
        out.write_at(
            &block.ok_or(io::Error::from(io::ErrorKind::InvalidInput))?,
            0,
        )?;
        Ok(head)
    }
}

/// Every digest with the number of the reason why it is banned, ascending. The digests are first
/// sorted into one bucket for each first byte. Then every bucket is sorted by itself: it fits into
/// a processor's cache, and any processor can sort it.
fn sorted(source: &Source, reasons: &[u32]) -> Vec<(Digest, u32)> {
    let mut sizes = [0; 256];
    for digest in source.matches.iter().flat_map(|found| &found.digests) {
        sizes[first_byte(digest)] += 1;
    }
    let mut next = [0; 256];
    for at in 1..256 {
        next[at] = next[at - 1] + sizes[at - 1];
    }
    let mut digests = vec![(Digest::from_bytes([0; 32]), 0); sizes.iter().sum()];
    for (found, reason) in source.matches.iter().zip(reasons) {
        for digest in &found.digests {
            let place = &mut next[first_byte(digest)];
            digests[*place] = (*digest, *reason);
            *place += 1;
        }
    }
    let (mut buckets, mut rest) = (Vec::new(), digests.as_mut_slice());
    for size in sizes {
        let (bucket, behind) = rest.split_at_mut(size);
        buckets.push(bucket);
        rest = behind;
    }
    threads::share(buckets, |bucket| bucket.sort_unstable_by(in_order));
    digests
}

/// The order of digests and reasons. The first bytes nearly always decide, and comparing them as
/// one number takes half the time.
fn in_order(one: &(Digest, u32), other: &(Digest, u32)) -> Ordering {
    let order = first_bytes(&one.0).cmp(&first_bytes(&other.0));
    if order.is_eq() { one.cmp(other) } else { order }
}

fn first_byte(digest: &Digest) -> usize {
    usize::from(digest.as_bytes()[0])
}

fn first_bytes(digest: &Digest) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Builds the records section. Matches that differ only in their digests share one *reason* (kind,
/// name, platform, ban).
struct RecordsBuilder<'a> {
    source: &'a Source,
    bytes: Vec<u8>,
    /// The weight of every ban line, by its offset.
    weights: HashMap<u64, u64>,
    /// The number of the reason for each match of the source.
    reasons: Vec<u32>,
    /// For each reason, the part of an entry line that describes this reason.
    matches: Vec<BanMatch>,
    /// Where each entry line starts, and the kinds as which it bans its digests.
    lines: Vec<(u64, Kinds)>,
    /// The number of the entry line for a set of reasons. Sets of one reason are in a table of
    /// their own, because they are by far the most common and there may be millions of look-ups.
    single: Vec<Option<u32>>,
    several: HashMap<Vec<u32>, u32>,
}

impl<'a> RecordsBuilder<'a> {
    /// Writes the ban lines, and gives every reason a number.
    fn new(source: &'a Source) -> Result<Self, CompileError> {
        let mut records = Self {
            source,
            bytes: Vec::new(),
            weights: HashMap::new(),
            reasons: Vec::new(),
            matches: Vec::new(),
            lines: Vec::new(),
            single: Vec::new(),
            several: HashMap::new(),
        };
        let mut bans = Vec::with_capacity(source.bans.len());
        for ban in &source.bans {
            let offset = records.line(ban, &ban.id)?;
            records.weights.insert(offset, records.last_weight(offset));
            bans.push(offset);
        }
        let mut numbers = HashMap::new();
        for found in &source.matches {
            let one = BanMatch {
                kind: found.kind,
                name: found.name.clone(),
                platform: found.platform.clone(),
                ban: bans[found.ban],
            };
            let next = number(numbers.len())?;
            let number = *numbers.entry(one.clone()).or_insert(next);
            if number == next {
                records.matches.push(one);
                records.single.push(None);
            }
            records.reasons.push(number);
        }
        Ok(records)
    }

    /// The number of the entry line for a digest that has these reasons.
    fn entry(&mut self, group: &[(Digest, u32)]) -> Result<u32, CompileError> {
        let known = match group {
            [(_, reason)] => self.single[*reason as usize],
            several => self.several.get(&reasons_of(several)).copied(),
        };
        if let Some(number) = known {
            return Ok(number);
        }
        for (one, next) in group.iter().zip(&group[1..]) {
            if one.1 == next.1 {
                let ban = self.ban_id(one.1).to_owned();
                return Err(CompileError::Twice(one.0, ban));
            }
        }
        if group.len() > MAX_MATCHES {
            return Err(CompileError::TooOften(
                group[0].0,
                self.ban_id(group[0].1).to_owned(),
            ));
        }
        let reasons = reasons_of(group);
        let (mut matches, mut kinds, mut bans) = (Vec::new(), Kinds::NONE, BTreeSet::new());
        for reason in &reasons {
            let found = self.matches[*reason as usize].clone();
            kinds = kinds.with(found.kind);
            bans.insert(found.ban);
            matches.push(EntryMatch::Ban(found));
        }
        let offset = self.line(&ListEntry { matches }, self.ban_id(reasons[0]))?;
        let mut weight = self.last_weight(offset);
        for ban in bans {
            weight += self.weights.get(&ban).copied().unwrap_or(0);
        }
        if weight > MAX_WEIGHT {
            return Err(CompileError::TooHeavy(
                group[0].0,
                self.ban_id(reasons[0]).to_owned(),
            ));
        }
        let number = number(self.lines.len())?;
        self.lines.push((offset, kinds));
        match reasons[..] {
            [reason] => self.single[reason as usize] = Some(number),
            _ => drop(self.several.insert(reasons, number)),
        }
        Ok(number)
    }

    /// Appends a line, and returns the offset at which it starts.
    fn line(&mut self, record: &impl serde::Serialize, ban: &str) -> Result<u64, CompileError> {
        let offset = self.bytes.len() as u64;
        serde_json::to_writer(&mut self.bytes, record).map_err(io::Error::from)?;
        self.bytes.push(b'\n');
        let length = self.bytes.len() as u64 - offset;
        if length > MAX_LINE as u64 {
            return Err(CompileError::TooLong(ban.to_owned()));
        }
        if self.bytes.len() as u64 > MAX_RECORDS {
            return Err(CompileError::TooManyRecords);
        }
        Ok(offset)
    }

    /// The weight of the last line, which starts at `offset`.
    fn last_weight(&self, offset: u64) -> u64 {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        ban::weight(self.bytes.get(start..).unwrap_or_default())
    }

    /// The ID of the ban that a reason belongs to.
    fn ban_id(&self, reason: u32) -> &'a str {
        let first = self.reasons.iter().position(|known| *known == reason);
        first.map_or("", |at| &self.source.bans[self.source.matches[at].ban].id)
    }
}

fn number(count: usize) -> Result<u32, CompileError> {
    u32::try_from(count).map_err(|_| CompileError::TooManyRecords)
}

fn reasons_of(group: &[(Digest, u32)]) -> Vec<u32> {
    group.iter().map(|(_, reason)| *reason).collect()
}

#[cfg(test)]
mod tests;
