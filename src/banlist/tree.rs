//! Looks a digest up in the list's tree, and proves its absence when it is not there.
//!
//! The tree is a static, fully packed Merkle B+tree over the sorted digests. In: the authentic
//! head, and the nodes read on the way (hostile until hashed). Out: the leaf record of each digest,
//! or the certainty that there is none: the leaf whose authentic fences enclose the digest does not
//! have it. A node is hashed, compared with the hash that its parent (or the head) holds, and only
//! then read. Nodes are packed, so nobody can grind digests into one overfull bucket. Fences are
//! full 32 bytes, so digests that share a long prefix cannot hide behind a shortened one. Level,
//! index and count are in the hashed bytes, so no node passes for another.
//!
//! ```text
//! node    1024 B   magic "EBLN" | level u8 | 0 u8 | count u16 | index u64 | 0 u64 | records | zeros        (little endian)
//! leaf      40 B   digest 32 | kinds u8 (base 1, image 2, layer 4) | 0 u8 | offset u48 into the records section      25 a node
//! inner     64 B   SHA-256 of the child 32 | the child's first digest 32                                             15 a node
//! file             leaves, then each inner level, the root last; an empty list has one empty leaf
//! ```
//!
//! A look-up of many digests goes level by level, and each node is read and hashed once. The nodes
//! of a level that are in the page cache are read first. The others are announced meanwhile
//! (`POSIX_FADV_WILLNEED`), and then waited for. In a list of ten million, 32 digests took 6.1 ms
//! without and 2.0 ms with announcing when nothing was cached; announcing what was cached already
//! took a tenth of the gate's time.

#[cfg(feature = "ctl")]
pub mod build;
#[cfg(feature = "ctl")]
pub mod leaves;

use std::ops::Range;

use crate::lineage::digest::Digest;

use super::bytes::{ReadAt, Reader};
use super::error::ListError;
use super::head::Head;
use super::record::Kinds;
use super::shape::{NODE_SIZE, PER_INNER, Shape};

const HEADER: usize = 24;
const MAGIC: [u8; 4] = *b"EBLN";
const LEAF_RECORD: usize = 40;
const INNER_RECORD: usize = 64;

/// The leaf record of one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The digest.
    pub digest: Digest,
    /// The kinds as which it is banned.
    pub kinds: Kinds,
    /// The offset of its entry line in the records section, below 2⁴⁸.
    pub offset: u64,
}

/// A node whose hash was right.
struct TreeNode<'a> {
    level: usize,
    records: &'a [u8],
}

impl<'a> TreeNode<'a> {
    /// Reads a node; `None` when its header does not fit this place, or its digests do not ascend.
    fn parse(bytes: &'a [u8; NODE_SIZE], shape: &Shape, level: usize, index: u64) -> Option<Self> {
        let count = usize::try_from(shape.count(level, index)).ok()?;
        let records = &bytes[HEADER..HEADER + count * record_size(level)];
        let node = Self { level, records };
        (bytes[..HEADER] == header(level, count, index)?
            && (1..count).all(|at| rank(node.key(at - 1)) < rank(node.key(at))))
        .then_some(node)
    }

    fn count(&self) -> usize {
        self.records.len() / record_size(self.level)
    }

    /// The digest of a leaf's record, or the fence of an inner one.
    fn key(&self, at: usize) -> &'a [u8] {
        let start = at * record_size(self.level) + if self.level == 0 { 0 } else { 32 };
        &self.records[start..start + 32]
    }

    /// The key as a fence.
    fn fence(&self, at: usize) -> Option<[u8; 32]> {
        self.key(at).try_into().ok()
    }

    /// The hash of a child.
    fn child(&self, at: usize) -> &'a [u8] {
        &self.records[at * INNER_RECORD..][..32]
    }

    /// How many keys are at most `digest`.
    fn up_to(&self, digest: &Digest) -> usize {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle) <= digest.as_bytes().as_slice() {
                low = middle + 1
            } else {
                high = middle
            }
        }
        low
    }

    /// A leaf's record; `None` when a reserved bit is set.
    fn leaf(&self, at: usize) -> Option<Leaf> {
        let (digest, [kinds, 0, offset @ ..]) =
            self.records[at * LEAF_RECORD..][..LEAF_RECORD].split_first_chunk::<32>()?
        else {
            return None;
        };
        let [a, b, c, d, e, f] = *offset else {
            return None;
        };
        Some(Leaf {
            digest: Digest::from_bytes(*digest),
            kinds: Kinds::from_byte(*kinds)?,
            offset: u64::from_le_bytes([a, b, c, d, e, f, 0, 0]),
        })
    }
}

/// The sort value of a key. Random digests differ in their first eight bytes, and comparing these
/// needs no call.
fn rank(key: &[u8]) -> (Option<u64>, &[u8]) {
    (
        key.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)),
        key,
    )
}

const fn record_size(level: usize) -> usize {
    if level == 0 {
        LEAF_RECORD
    } else {
        INNER_RECORD
    }
}

/// The header of a node; `None` when a number does not fit.
fn header(level: usize, count: usize, index: u64) -> Option<[u8; HEADER]> {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = u8::try_from(level).ok()?;
    header[6..8].copy_from_slice(&u16::try_from(count).ok()?.to_le_bytes());
    header[8..16].copy_from_slice(&index.to_le_bytes());
    Some(header)
}

/// A node to read, what it must be, and the digests that lead to it.
struct Visit {
    index: u64,
    hash: Digest,
    /// The fences that enclose its keys: its first key, and the first key after it. The root has
    /// none.
    from: Option<[u8; 32]>,
    to: Option<[u8; 32]>,
    /// Where the digests that lead here are among those looked up.
    range: Range<usize>,
}

/// Looks up each of `digests` (ascending, no duplicates): its leaf record, if the list has one, goes
/// to its place in `found`, which has the same length. A bad node hides only what is below it:
/// everything found elsewhere is authentic.
///
/// # Errors
/// The first fault: [`ListError::TreeNode`] for a node that is not what its parent says,
/// [`ListError::Read`] when one cannot be read.
pub fn look_up<R: ReadAt + ?Sized>(
    list: &Reader<'_, R>,
    head: &Head,
    digests: &[Digest],
    found: &mut [Option<Leaf>],
) -> Result<(), ListError> {
    let shape = head.shape();
    if digests.is_empty() {
        return Ok(());
    }
    let (mut visits, mut below) = (
        Vec::with_capacity(digests.len()),
        Vec::with_capacity(digests.len()),
    );
    visits.push(Visit {
        index: 0,
        hash: head.tree_root,
        from: None,
        to: None,
        range: 0..digests.len(),
    });
    let mut bytes = [0; NODE_SIZE];
    let mut fault = None;
    for level in (0..shape.levels).rev() {
        let mut follow = |visit: &Visit, bytes: &[u8; NODE_SIZE]| {
            let corrupt = || {
                ListError::Node(
                    list.path.to_owned(),
                    u8::try_from(level).unwrap_or(u8::MAX),
                    visit.index,
                )
            };
            enter(bytes, &shape, level, visit, digests, &mut below, found).ok_or_else(corrupt)
        };
        let mut awaited = Vec::new();
        for visit in visits.drain(..) {
            if list
                .bytes
                .read_cached(&mut bytes, shape.offset(level, visit.index))
            {
                fault = fault.or(follow(&visit, &bytes).err());
            } else {
                awaited.push(visit);
            }
        }
        for visit in &awaited {
            let read = list.read_into(&mut bytes, shape.offset(level, visit.index));
            fault = fault.or(read.and_then(|()| follow(visit, &bytes)).err());
        }
        std::mem::swap(&mut visits, &mut below);
    }
    fault.map_or(Ok(()), Err)
}

/// The node of `visit`, if it has the hash that its parent holds, is well formed, and lies between
/// the fences; else `None`.
fn authentic<'a>(
    bytes: &'a [u8; NODE_SIZE],
    shape: &Shape,
    level: usize,
    visit: &Visit,
) -> Option<TreeNode<'a>> {
    if Digest::of(bytes) != visit.hash {
        return None;
    }
    let node = TreeNode::parse(bytes, shape, level, visit.index)?;
    let count = node.count();
    let starts = visit
        .from
        .is_none_or(|from| count > 0 && node.key(0) == from);
    let ends = visit
        .to
        .is_none_or(|to| count > 0 && node.key(count - 1) < to.as_slice());
    (starts && ends).then_some(node)
}

/// Checks a node and follows the digests through it: into `below`, or into `found` when it
/// is a leaf. `None` when it is not what it must be.
fn enter(
    bytes: &[u8; NODE_SIZE],
    shape: &Shape,
    level: usize,
    visit: &Visit,
    digests: &[Digest],
    below: &mut Vec<Visit>,
    found: &mut [Option<Leaf>],
) -> Option<()> {
    let node = authentic(bytes, shape, level, visit)?;
    let count = node.count();
    let mut next = visit.range.start;
    while next < visit.range.end {
        let slot = node.up_to(&digests[next]);
        // All digests before the slot's end go the same way.
        let end = if slot < count {
            digests.partition_point(|digest| digest.as_bytes().as_slice() < node.key(slot))
        } else {
            visit.range.end
        };
        let these = next..end.min(visit.range.end);
        next = these.end;
        let Some(at) = slot.checked_sub(1) else {
            continue;
        };
        if level == 0 {
            let leaf = node.leaf(at)?;
            these
                .filter(|at| digests[*at] == leaf.digest)
                .for_each(|at| found[at] = Some(leaf));
        } else {
            below.push(Visit {
                index: visit.index * PER_INNER + at as u64,
                hash: Digest::from_bytes(node.child(at).try_into().ok()?),
                from: node.fence(at),
                to: if slot < count {
                    node.fence(slot)
                } else {
                    visit.to
                },
                range: these,
            });
        }
    }
    Some(())
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
