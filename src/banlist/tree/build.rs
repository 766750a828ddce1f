//! Builds the tree of a list.
//!
//! In: leaf records in ascending order. Out: the tree. The tree is the same, byte for byte, on
//! every machine and with any number of threads.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use super::super::shape::{NODE_SIZE, PER_INNER, PER_LEAF, Shape};
use super::super::watch::Watch;
use super::{HEADER, INNER_RECORD, LEAF_RECORD, Leaf, header};
use crate::lineage::digest::Digest;
use crate::sys::threads;

/// Something that several threads can write to, at any offset: a file, bytes in memory, or nothing
/// if only hashes are needed.
pub trait WriteAt: Sync {
    /// Writes all of `bytes` from `offset` on.
    ///
    /// # Errors
    /// The operating system's error.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
}

impl WriteAt for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }
}

impl WriteAt for Mutex<Vec<u8>> {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let Ok(start) = usize::try_from(offset) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        let mut all = self.lock().unwrap_or_else(PoisonError::into_inner);
        let end = all.len().max(start + bytes.len());
        all.resize(end, 0);
        all[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

impl WriteAt for io::Sink {
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }
}

/// The record for a child in an inner node: the child's hash and its first digest.
type Child = [u8; INNER_RECORD];

/// How many nodes are made and written at once.
const PIECE: u64 = 1_024;

/// Writes the tree to its offset in a list. `leaf` returns each of the `entries` leaf records by
/// its number; they must be ascending, without duplicate digests. Returns the hash of the root.
///
/// # Errors
/// The errors of `out`; `InvalidInput` when the leaf records are not ascending, or an offset has
/// more than 48 bits.
pub fn write(
    entries: u64,
    leaf: impl Fn(u64) -> Leaf + Sync,
    out: &impl WriteAt,
    watch: &dyn Watch,
) -> io::Result<Digest> {
    let shape = Shape::of(entries);
    watch.expect(shape.bytes());
    let mut children = level(&shape, 0, out, watch, |index, count, node| {
        let first = index * PER_LEAF;
        // The value of `before` also checks the order between the last record of one node and the
        // first of the next.
        let mut before = first.checked_sub(1).map(|before| leaf(before).digest);
        let (records, _) = node[HEADER..].as_chunks_mut::<LEAF_RECORD>();
        for (at, record) in (first..).zip(records.iter_mut().take(count)) {
            let leaf = leaf(at);
            if before >= Some(leaf.digest) {
                let fault = "digests do not ascend";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
            }
            before = Some(leaf.digest);
            leaf_record(&leaf, record).ok_or(io::ErrorKind::InvalidInput)?;
        }
        Ok(())
    })?;
    for above in 1..shape.levels {
        children = level(&shape, above, out, watch, |index, count, node| {
            let first = number(index * PER_INNER)?;
            node[HEADER..HEADER + count * INNER_RECORD]
                .copy_from_slice(children[first..first + count].as_flattened());
            Ok(())
        })?;
    }
    let root = children
        .first()
        .and_then(|child| child.first_chunk())
        .ok_or(io::ErrorKind::InvalidInput)?;
    Ok(Digest::from_bytes(*root))
}

/// Writes the nodes of a level, and returns the records for them that go into the level above.
/// `fill` writes the records of a node, given the index of the node and the number of its records.
fn level(
    shape: &Shape,
    level: usize,
    out: &impl WriteAt,
    watch: &dyn Watch,
    fill: impl Fn(u64, usize, &mut [u8; NODE_SIZE]) -> io::Result<()> + Sync,
) -> io::Result<Vec<Child>> {
    let nodes = shape.nodes[level];
    let mut pieces = Vec::new();
    for start in (0..nodes).step_by(PIECE as usize) {
        pieces.push(start..nodes.min(start + PIECE));
    }
    let made = threads::share(pieces, |piece: Range<u64>| -> io::Result<Vec<Child>> {
        let offset = shape.offset(level, piece.start);
        let mut bytes = vec![0; number(piece.end - piece.start)? * NODE_SIZE];
        let mut children = Vec::with_capacity(bytes.len() / NODE_SIZE);
        for (index, node) in piece.zip(bytes.as_chunks_mut::<NODE_SIZE>().0) {
            let count = number(shape.count(level, index))?;
            node[..HEADER]
                .copy_from_slice(&header(level, count, index).ok_or(io::ErrorKind::InvalidInput)?);
            fill(index, count, node)?;
            children.push(child(node));
        }
        out.write_at(&bytes, offset)?;
        watch.advance(bytes.len() as u64);
        Ok(children)
    });
    let mut children = Vec::new();
    for piece in made {
        children.append(&mut piece?);
    }
    Ok(children)
}

fn number(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn leaf_record(leaf: &Leaf, record: &mut [u8; LEAF_RECORD]) -> Option<()> {
    let [offset @ .., 0, 0] = leaf.offset.to_le_bytes() else {
        return None;
    };
    record[..32].copy_from_slice(leaf.digest.as_bytes());
    record[32] = leaf.kinds.byte();
    record[34..].copy_from_slice(&offset);
    Some(())
}

/// The record for this node in its parent.
fn child(node: &[u8; NODE_SIZE]) -> Child {
    let mut child = [0; INNER_RECORD];
    child[..32].copy_from_slice(Digest::of(node).as_bytes());
    let first = if node[4] == 0 { HEADER } else { HEADER + 32 };
    child[32..].copy_from_slice(&node[first..first + 32]);
    child
}
