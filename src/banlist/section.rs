//! Reads lines of the records section by their offset.
//!
//! In: the authentic head, the table of the section's blocks, and the blocks themselves (hostile
//! until hashed). Out: single lines. The section is read only if a digest was found in the tree, so
//! its size costs an admitted container nothing. Before a line is used, the hash of the table is
//! compared with the head, and the hash of the line's block with the table, once each. However much
//! a list says about one container, the start of the container reads only a limited part of it.

use std::collections::BTreeMap;

use super::ban::{self, Ban, ListEntry, MAX_LINE, MAX_WEIGHT};
use super::bytes::{ReadAt, Reader};
use super::error::ListError;
use super::head::{BLOCK_SIZE, Head};
use crate::lineage::digest::Digest;

/// For whom the records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// For one container, whose start waits. At most [`MAX_BLOCKS`] blocks are read, and lines that
    /// together weigh at most [`MAX_START`].
    Start,
    /// For all containers of a node at once, or for a report. Everything is read, so the result
    /// does not show what the start of one container would read.
    Unlimited,
}

/// How many blocks are read for one start: 768 KiB. Everything that a list says about one digest
/// needs fewer blocks, wherever its lines are.
pub const MAX_BLOCKS: usize = 192;

/// The largest total weight (see [`ban::weight`]) of the lines that are read for one start: the
/// weight that a list may have for four digests.
pub const MAX_START: u64 = 4 * MAX_WEIGHT;

/// The records section of a list, whose table has been checked.
#[derive(Debug)]
pub struct Section<'a, R: ReadAt + ?Sized> {
    list: &'a Reader<'a, R>,
    head: &'a Head,
    table: Vec<u8>,
    blocks: BTreeMap<u64, Vec<u8>>,
    budget: Budget,
    /// The weight of all lines read so far.
    weight: u64,
}

impl<'a, R: ReadAt + ?Sized> Section<'a, R> {
    /// Reads the table and checks it.
    ///
    /// # Errors
    /// [`ListError::Table`] when the hash of the table is not the one in the head;
    /// [`ListError::Read`].
    pub fn open(
        list: &'a Reader<'a, R>,
        head: &'a Head,
        budget: Budget,
    ) -> Result<Self, ListError> {
        // The table has at most 256 KiB, because the format of the head limits the section.
        let mut table = vec![0; usize::try_from(head.blocks() * 32).unwrap_or(0)];
        list.read_into(&mut table, head.table_at())?;
        if Digest::of(&table) != head.records {
            return Err(ListError::Table(list.path.to_owned()));
        }
        Ok(Self {
            list,
            head,
            table,
            blocks: BTreeMap::new(),
            budget,
            weight: 0,
        })
    }

    /// Reads the entry whose line starts at `offset`.
    ///
    /// # Errors
    /// [`ListError::Block`] when the hash of a block is not the one in the table;
    /// [`ListError::Record`] when no entry line starts at `offset`; [`ListError::Excess`] when the
    /// start of one container may not read so much; [`ListError::Read`].
    pub fn entry(&mut self, offset: u64) -> Result<ListEntry, ListError> {
        match ListEntry::parse(&self.line(offset)?) {
            Some(entry) => Ok(entry),
            None => Err(self.malformed(offset)),
        }
    }

    /// Reads the ban whose line starts at `offset`.
    ///
    /// # Errors
    /// The errors of [`Section::entry`].
    pub fn ban(&mut self, offset: u64) -> Result<Ban, ListError> {
        match ban::parse(&self.line(offset)?) {
            Some(ban) => Ok(ban),
            None => Err(self.malformed(offset)),
        }
    }

    /// The line that starts at `offset`, without its line feed.
    fn line(&mut self, offset: u64) -> Result<Vec<u8>, ListError> {
        let mut line = Vec::new();
        let mut at = offset;
        while at < self.head.records_size && line.len() < MAX_LINE {
            let block = self.block(at / BLOCK_SIZE)?;
            let rest = &block[usize::try_from(at % BLOCK_SIZE).unwrap_or(0)..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                line.extend_from_slice(&rest[..end]);
                self.weight += ban::weight(&line);
                return if self.budget == Budget::Start && self.weight > MAX_START {
                    Err(self.excess())
                } else {
                    Ok(line)
                };
            }
            line.extend_from_slice(rest);
            at += rest.len() as u64;
        }
        Err(self.malformed(offset))
    }

    /// Returns a block, and checks the hash of the block on its first use. `number` is below
    /// [`Head::blocks`].
    fn block(&mut self, number: u64) -> Result<&[u8], ListError> {
        if !self.blocks.contains_key(&number) {
            if self.budget == Budget::Start && self.blocks.len() == MAX_BLOCKS {
                return Err(self.excess());
            }
            let block = read_block(self.list, self.head, &self.table, number)?;
            self.blocks.insert(number, block);
        }
        Ok(&self.blocks[&number])
    }

    fn malformed(&self, offset: u64) -> ListError {
        ListError::Record(self.list.path.to_owned(), offset)
    }

    fn excess(&self) -> ListError {
        ListError::Excess(self.list.path.to_owned())
    }
}

/// Reads a block, and compares its hash with the one in the table.
fn read_block<R: ReadAt + ?Sized>(
    list: &Reader<'_, R>,
    head: &Head,
    table: &[u8],
    number: u64,
) -> Result<Vec<u8>, ListError> {
    let start = number * BLOCK_SIZE;
    let size = BLOCK_SIZE.min(head.records_size.saturating_sub(start));
    let mut block = vec![0; usize::try_from(size).unwrap_or(0)];
    list.read_into(&mut block, head.records_at() + start)?;
    let hashes = table.as_chunks::<32>().0;
    let expected = hashes.get(usize::try_from(number).unwrap_or(usize::MAX));
    if Some(Digest::of(&block).as_bytes()) == expected {
        Ok(block)
    } else {
        Err(ListError::Block(list.path.to_owned(), number))
    }
}

/// Checks the table and every block, and calls `each` for every line, with its offset and without
/// its line feed.
///
/// # Errors
/// The errors of [`Section::open`], of [`Section::entry`] and of `each`; [`ListError::Record`] if
/// the last line has no line feed.
pub fn each_line<R, F>(list: &Reader<'_, R>, head: &Head, mut each: F) -> Result<(), ListError>
where
    R: ReadAt + ?Sized,
    F: FnMut(u64, &[u8]) -> Result<(), ListError>,
{
    let section = Section::open(list, head, Budget::Unlimited)?;
    let (mut line, mut offset) = (Vec::new(), 0);
    for number in 0..head.blocks() {
        let block = read_block(list, head, &section.table, number)?;
        for piece in block.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if line.len() > MAX_LINE {
                return Err(section.malformed(offset));
            }
            if let Some((b'\n', whole)) = line.split_last() {
                each(offset, whole)?;
                offset += line.len() as u64;
                line.clear();
            }
        }
    }
    if line.is_empty() {
        Ok(())
    } else {
        Err(section.malformed(offset))
    }
}

/// Calls `each` for every ban of the list, in the order of the source. The rest of the list is not
/// examined: whether a digest belongs to each ban, the tree and the entry lines show.
///
/// # Errors
/// The errors of [`each_line`].
#[cfg(feature = "ctl")]
pub fn each_ban<R, F>(list: &Reader<'_, R>, head: &Head, mut each: F) -> Result<(), ListError>
where
    R: ReadAt + ?Sized,
    F: FnMut(Ban),
{
    // Ban lines come before entry lines.
    let mut is_over = false;
    each_line(list, head, |_, line| {
        if !is_over {
            match ban::parse(line) {
                Some(ban) => each(ban),
                None => is_over = true,
            }
        }
        Ok(())
    })
}

/// The table of a records section: the SHA-256 of each block.
#[must_use]
pub fn table(records: &[u8]) -> Vec<u8> {
    let mut table = Vec::new();
    for block in records.chunks(usize::try_from(BLOCK_SIZE).unwrap_or(usize::MAX)) {
        table.extend_from_slice(Digest::of(block).as_bytes());
    }
    table
}
