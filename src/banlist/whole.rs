//! Is every byte of this list what it must be?
//!
//! In: a list whose head is authentic. Out: its bans with the number of digests of each, or the first fault. The gate checks only what it reads; this
//! reads everything once: every node rebuilt from the leaves, every block hashed, every line parsed, every offset followed, every count compared.
//! It catches what a signature cannot: a list that was signed by mistake.

use std::collections::{HashMap, HashSet};

use crate::lineage::digest::Digest;

use super::bytes::{ReadAt, Reader};
use super::error::ListError;
use super::head::{Entries, Head};
use super::record::{self, Ban, Entry, Match, MatchKind};
use super::section;
use super::tree::{Kinds, build};

/// A ban of a list, and how many digests it has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The ban.
    pub ban: Ban,
    /// Its digests, by kind.
    pub entries: Entries,
    /// Names of what it bans, in the order of the list, at most [`MAX_NAMES`] of them.
    pub names: Vec<String>,
}

/// The most names that are kept of a ban.
pub const MAX_NAMES: usize = 16;

/// An entry line as it is checked.
struct Line {
    kinds: Kinds,
    /// The place of each ban, once, and as what it bans.
    bans: Vec<(usize, Kinds)>,
    used: bool,
}

impl Line {
    /// The line of these matches: a digest counts once for a ban, however many names it has there.
    fn of(mut matches: Vec<(usize, MatchKind)>) -> Self {
        matches.sort_unstable();
        let together = |found: &[(usize, MatchKind)]| found.iter().fold(Kinds::default(), |kinds, (_, kind)| kinds.with(*kind));
        let bans = matches.chunk_by(|one, other| one.0 == other.0).map(|found| (found[0].0, together(found))).collect();
        Self { kinds: together(&matches), bans, used: false }
    }
}

/// Checks a whole list and hands each digest to `each`, ascending, with the offset of its entry. Returns its bans in the order of the source.
///
/// # Errors
/// [`ListError`] for the first thing that is not what it must be.
pub fn check<R: ReadAt + ?Sized>(
    list: &Reader<'_, R>,
    head: &Head,
    mut each: impl FnMut(Digest, Kinds),
) -> Result<Vec<Counted>, ListError> {
    let (mut bans, mut lines) = records(list, head)?;
    let malformed = |offset| ListError::Record(list.path.to_owned(), offset);
    let mut entries = Entries::default();
    build::check(list, head, |leaf| {
        let line = lines.get_mut(&leaf.offset).filter(|line| line.kinds == leaf.kinds).ok_or_else(|| malformed(leaf.offset))?;
        line.used = true;
        count(&mut entries, leaf.kinds);
        line.bans.iter().for_each(|(ban, kinds)| count(&mut bans[*ban].entries, *kinds));
        each(leaf.digest, leaf.kinds);
        Ok(())
    })?;
    if let Some(unused) = lines.iter().filter(|(_, line)| !line.used).map(|(offset, _)| *offset).min() {
        return Err(malformed(unused));
    }
    if entries != head.entries {
        return Err(ListError::Counts(list.path.to_owned()));
    }
    Ok(bans)
}

fn count(entries: &mut Entries, kinds: Kinds) {
    entries.all += 1;
    entries.base += u64::from(kinds.has(MatchKind::Base));
    entries.image += u64::from(kinds.has(MatchKind::Image));
    entries.layer += u64::from(kinds.has(MatchKind::Layer));
}

/// The bans, and the entry lines by their offset.
fn records<R: ReadAt + ?Sized>(list: &Reader<'_, R>, head: &Head) -> Result<(Vec<Counted>, HashMap<u64, Line>), ListError> {
    let (mut bans, mut lines): (Vec<Counted>, _) = (Vec::new(), HashMap::new());
    let (mut places, mut ids) = (HashMap::new(), HashSet::new());
    section::each_line(list, head, |offset, bytes| {
        let malformed = || ListError::Record(list.path.to_owned(), offset);
        if let Some(ban) = record::parse::<Ban>(bytes) {
            if !ids.insert(ban.id.clone()) {
                return Err(malformed());
            }
            places.insert(offset, bans.len());
            bans.push(Counted { ban, entries: Entries::default(), names: Vec::new() });
            return Ok(());
        }
        let entry: Entry = record::parse(bytes).filter(|entry: &Entry| !entry.matches.is_empty()).ok_or_else(malformed)?;
        let mut found = Vec::with_capacity(entry.matches.len());
        for Match { kind, name, ban, .. } in entry.matches {
            // Ban lines come first, so the one meant is known.
            let place = *places.get(&ban).ok_or_else(malformed)?;
            found.push((place, kind));
            let names = &mut bans[place].names;
            names.extend(name.filter(|name| names.len() < MAX_NAMES && !names.contains(name)));
        }
        lines.insert(offset, Line::of(found));
        Ok(())
    })?;
    Ok((bans, lines))
}
