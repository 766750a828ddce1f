//! Looks a digest up in the tree of a list. A look-up also proves that a digest is not in the tree.
//!
//! The tree is a static, fully packed Merkle B+tree over the sorted digests. In: the authentic
//! head, and the nodes on the way (hostile until hashed). Out: the leaf record of each digest; or
//! the certainty that the tree has no record of it, because the leaf whose authentic fences enclose
//! the digest does not have it. A node is hashed, its hash is compared with the one in its parent
//! (or in the head), and only then is the node interpreted. Nodes are packed, so nobody can compute
//! digests that all fall into one overfull bucket. Fences are full 32 bytes, so no digest can hide
//! behind a shortened fence, even if digests share a long prefix. Level, index and count are part
//! of the hashed bytes, so no node can stand in for another.
//!
//! ```text
//! node    1024 B   magic "EBLN" | level u8 | 0 u8 | count u16 | index u64 | 0 u64 | records | zeros        (little endian)
//! leaf      40 B   digest 32 | kinds u8 (see `kinds`)                | 0 u8 | offset u48 into the records section      25 a node
//! inner     64 B   SHA-256 of the child 32 | the child's first digest 32                                             15 a node
//! file             leaves, then each inner level, the root last; an empty list has one empty leaf
//! ```
//!
//! A look-up of many digests goes level by level; each node is read and hashed once. The nodes of a
//! level that are in the page cache are read first. Meanwhile the kernel is told about the nodes
//! that are not (`POSIX_FADV_WILLNEED`), and these nodes are read afterwards. In a list of ten
//! million digests, with nothing cached, a look-up of 32 digests took 6.1 ms without this advice
//! and 2.0 ms with it. Giving the advice for nodes that were cached already took a tenth of the
//! gate's time.

#[cfg(feature = "ctl")]
pub mod build;
#[cfg(feature = "ctl")]
pub mod leaves;

use std::ops::Range;

use crate::lineage::digest::Digest;

use super::ban::Kinds;
use super::bytes::{ReadAt, Reader};
use super::error::ListError;
use super::head::Head;
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
    /// The kinds as which the digest is banned.
    pub kinds: Kinds,
    /// The offset of the digest's entry line in the records section, below 2⁴⁸.
    pub offset: u64,
}

/// A node whose hash was correct.
struct TreeNode<'a> {
    level: usize,
    records: &'a [u8],
}

impl<'a> TreeNode<'a> {
    /// Reads a node. `None` when its header does not fit this position in the tree, or its digests
    /// are not in ascending order.
    fn parse(bytes: &'a [u8; NODE_SIZE], shape: &Shape, level: usize, index: u64) -> Option<Self> {
        let count = usize::try_from(shape.count(level, index)).ok()?;
        let records = &bytes[HEADER..HEADER + count * record_size(level)];
        let node = Self { level, records };
        if bytes[..HEADER] != header(level, count, index)? {
            return None;
        }
        for at in 1..count {
            if rank(node.key(at - 1)) >= rank(node.key(at)) {
                return None;
            }
        }
        Some(node)
    }

    fn count(&self) -> usize {
        self.records.len() / record_size(self.level)
    }

    /// The digest of a leaf's record, or the fence of an inner node's record.
    fn key(&self, at: usize) -> &'a [u8] {
        let start = at * record_size(self.level) + if self.level == 0 { 0 } else { 32 };
        &self.records[start..start + 32]
    }

    /// The key at this position as a fence.
    fn fence(&self, at: usize) -> Option<[u8; 32]> {
        self.key(at).try_into().ok()
    }

    /// The hash of the child at this position.
    fn child(&self, at: usize) -> &'a [u8] {
        &self.records[at * INNER_RECORD..][..32]
    }

    /// How many keys are less than or equal to `digest`.
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

    /// The record of a leaf; `None` when a reserved bit is set.
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

/// The value that keys are sorted by. Random digests differ in their first eight bytes, and
/// comparing these bytes needs no function call.
fn rank(key: &[u8]) -> (Option<u64>, &[u8]) {
    (key.first_chunk().copied().map(u64::from_be_bytes), key)
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

/// A node to read, the hash and fences that it must have, and the digests whose search leads to it.
struct Visit {
    index: u64,
    hash: Digest,
    /// The fences that enclose the node's keys: the node's first key, and the first key after the
    /// node. The root has no fences.
    from: Option<[u8; 32]>,
    to: Option<[u8; 32]>,
    /// Which of the digests that are looked up lead to this node.
    range: Range<usize>,
}

/// Looks up each of `digests`, which must be ascending without duplicates. If the list has a
/// digest, its leaf record is stored at the same position in `found`, which has the same length. A
/// wrong node hides only what is below it: everything found elsewhere is authentic.
///
/// # Errors
/// The first error: [`ListError::Node`] for a node that is not the one that its parent names;
/// [`ListError::Read`] when a node cannot be read.
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
            if enter(bytes, &shape, level, visit, digests, &mut below, found).is_some() {
                return None;
            }
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            Some(ListError::Node(list.path.to_owned(), level, visit.index))
        };
        let mut awaited = Vec::new();
        for visit in visits.drain(..) {
            if list
                .bytes
                .read_cached(&mut bytes, shape.offset(level, visit.index))
            {
                fault = fault.or(follow(&visit, &bytes));
            } else {
                awaited.push(visit);
            }
        }
        for visit in &awaited {
            let failed = match list.read_into(&mut bytes, shape.offset(level, visit.index)) {
                Ok(()) => follow(visit, &bytes),
                Err(unread) => Some(unread),
            };
            fault = fault.or(failed);
        }
        std::mem::swap(&mut visits, &mut below);
    }
    fault.map_or(Ok(()), Err)
}

/// The node of `visit`; `None` unless it has the hash that its parent holds, has the right format,
/// and lies between its fences.
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
    if let Some(from) = visit.from
        && (count == 0 || node.key(0) != from)
    {
        return None;
    }
    if let Some(to) = visit.to
        && (count == 0 || node.key(count - 1) >= to.as_slice())
    {
        return None;
    }
    Some(node)
}

/// Checks a node, and follows the digests through it. In a leaf, records go to `found`; otherwise
/// the children to visit go to `below`. `None` when the node is not the right one.
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
        // All digests before the end of this slot lead to the same child.
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
            for at in these {
                if digests[at] == leaf.digest {
                    found[at] = Some(leaf);
                }
            }
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
