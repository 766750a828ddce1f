//! Which list does a source make?
//!
//! In: a checked source and what the head says beside it. Out: the one list they make: the same source and the same terms give the same bytes on
//! every machine. Ban lines come first, in the order of the source, then entry lines, in the order of the digests that use them first.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Seek, SeekFrom, Write};

use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

use super::error::Edition;
use super::head::{Claim, Entries, HEAD_SIZE, Head, Impact, MAX_ENTRIES, MAX_RECORDS};
use super::record::{Entry, MAX_LINE, Match, MatchKind};
use super::section;
use super::source::Source;
use super::tree::{Kinds, Leaf, build};

/// What the head says beside the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whose list.
    pub origin: String,
    /// Keyset and version.
    pub edition: Edition,
    /// When it is issued.
    pub issued: Timestamp,
    /// When a newer one should have come.
    pub expires: Timestamp,
    /// Whether the signers know what it refuses.
    pub impact: Impact,
}

/// Why a source makes no list.
#[derive(Debug)]
pub enum CompileError {
    /// A digest stands twice in one ban, as the same kind and under the same name: the digest, the ban.
    Twice(Digest, String),
    /// A ban's line, or that of an entry of it, is longer than a list can hold: the ban.
    TooLong(String),
    /// There are more records than a list can hold.
    TooManyRecords,
    /// There are more digests than a list can hold.
    TooManyEntries,
    /// It could not be written.
    Write(io::Error),
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(digest, ban) => write!(f, "cannot compile {ban}: {digest} stands in it twice"),
            Self::TooLong(ban) => write!(f, "cannot compile {ban}: its record has more than {MAX_LINE} bytes"),
            Self::TooManyRecords => write!(f, "cannot compile the source: its records have more than {MAX_RECORDS} bytes"),
            Self::TooManyEntries => write!(f, "cannot compile the source: it has more than {MAX_ENTRIES} digests"),
            Self::Write(_) => f.write_str("cannot write the list"),
        }
    }
}

impl std::error::Error for CompileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            Self::Twice(..) | Self::TooLong(_) | Self::TooManyRecords | Self::TooManyEntries => None,
        }
    }
}

impl From<io::Error> for CompileError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Writes the unsigned list that `source` makes to `out` from its start, and returns its head.
///
/// # Errors
/// [`CompileError`].
pub fn write<W: Write + Seek>(source: &Source, terms: &Terms, out: &mut W) -> Result<Head, CompileError> {
    let (leaves, records, entries) = contents(source)?;
    let table = section::table(&records);
    let Terms { origin, edition, issued, expires, impact } = terms.clone();
    out.seek(SeekFrom::Start(HEAD_SIZE as u64))?;
    let tree_root = build::write(&leaves, out)?;
    out.write_all(&records)?;
    out.write_all(&table)?;
    let (records, records_size) = (Digest::of(&table), records.len() as u64);
    let (source, source_size) = (source.digest, source.size);
    let head = Head { origin, edition, issued, expires, impact, entries, tree_root, records, records_size, source, source_size };
    let block = Claim { text: head.text(), head: head.clone(), signatures: Vec::new() }.block();
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&block.ok_or(io::Error::from(io::ErrorKind::InvalidInput))?)?;
    Ok(head)
}

/// The leaves, the records section and the counts.
fn contents(source: &Source) -> Result<(Vec<Leaf>, Vec<u8>, Entries), CompileError> {
    let mut records = Records::new(source)?;
    let digests = digests(source, &records.reasons);
    let mut leaves = Vec::with_capacity(digests.len());
    let mut entries = Entries::default();
    for group in digests.chunk_by(|(one, _), (other, _)| one == other) {
        let digest = group[0].0;
        if let Some(twice) = group.windows(2).find(|pair| pair[0].1 == pair[1].1) {
            return Err(CompileError::Twice(digest, records.ban_id(twice[0].1).to_owned()));
        }
        let kinds = group.iter().fold(Kinds::default(), |kinds, (_, reason)| kinds.with(records.kinds[*reason as usize]));
        leaves.push(Leaf { digest, kinds, offset: records.entry(group)? });
        entries.all += 1;
        entries.base += u64::from(kinds.has(MatchKind::Base));
        entries.image += u64::from(kinds.has(MatchKind::Image));
        entries.layer += u64::from(kinds.has(MatchKind::Layer));
    }
    if entries.all > MAX_ENTRIES {
        return Err(CompileError::TooManyEntries);
    }
    Ok((leaves, records.bytes, entries))
}

/// Every digest with the number of the reason why it is banned, ascending.
fn digests(source: &Source, reasons: &[u32]) -> Vec<(Digest, u32)> {
    let mut digests = Vec::with_capacity(source.matches.iter().map(|found| found.digests.len()).sum());
    for (found, reason) in source.matches.iter().zip(reasons) {
        digests.extend(found.digests.iter().map(|digest| (*digest, *reason)));
    }
    digests.sort_unstable();
    digests
}

/// The records section while it grows. A reason is a match without its digests; two matches that say the same are one reason.
struct Records<'a> {
    source: &'a Source,
    bytes: Vec<u8>,
    /// The reason of each match of the source.
    reasons: Vec<u32>,
    /// What an entry says of each reason, and its kind.
    said: Vec<Match>,
    kinds: Vec<MatchKind>,
    /// Where the entry line of a set of reasons starts; the common sets of one reason apart, because there may be millions of look-ups.
    single: Vec<Option<u64>>,
    several: HashMap<Vec<u32>, u64>,
}

impl<'a> Records<'a> {
    /// Writes the ban lines and numbers the reasons.
    fn new(source: &'a Source) -> Result<Self, CompileError> {
        let mut records = Self {
            source,
            bytes: Vec::new(),
            reasons: Vec::new(),
            said: Vec::new(),
            kinds: Vec::new(),
            single: Vec::new(),
            several: HashMap::new(),
        };
        let bans = source.bans.iter().map(|ban| records.line(ban, &ban.id)).collect::<Result<Vec<_>, _>>()?;
        let mut numbers = HashMap::new();
        for found in &source.matches {
            let said = Match { kind: found.kind, name: found.name.clone(), platform: found.platform.clone(), ban: bans[found.ban] };
            let next = u32::try_from(numbers.len()).map_err(|_| CompileError::TooManyRecords)?;
            let number = *numbers.entry(said.clone()).or_insert(next);
            if number == next {
                records.kinds.push(said.kind);
                records.said.push(said);
                records.single.push(None);
            }
            records.reasons.push(number);
        }
        Ok(records)
    }

    /// Where the entry line of a digest with these reasons starts.
    fn entry(&mut self, group: &[(Digest, u32)]) -> Result<u64, CompileError> {
        let known = match group {
            [(_, reason)] => self.single[*reason as usize],
            several => self.several.get(&several.iter().map(|(_, reason)| *reason).collect::<Vec<_>>()).copied(),
        };
        if let Some(offset) = known {
            return Ok(offset);
        }
        let reasons: Vec<u32> = group.iter().map(|(_, reason)| *reason).collect();
        let entry = Entry { matches: reasons.iter().map(|reason| self.said[*reason as usize].clone()).collect() };
        let ban = self.ban_id(reasons[0]).to_owned();
        let offset = self.line(&entry, &ban)?;
        match reasons[..] {
            [reason] => self.single[reason as usize] = Some(offset),
            _ => drop(self.several.insert(reasons, offset)),
        }
        Ok(offset)
    }

    /// Appends a line and returns where it starts.
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

    /// The ID of the ban of a reason.
    fn ban_id(&self, reason: u32) -> &'a str {
        let first = self.reasons.iter().position(|known| *known == reason);
        first.map_or("", |at| &self.source.bans[self.source.matches[at].ban].id)
    }
}
