//! Which tree do these entries make?
//!
//! In: leaf records in ascending order. Out: the one tree they make, byte for byte the same wherever it is built.

use std::io::{self, Write};

use crate::lineage::digest::Digest;

use super::{HEADER, INNER_RECORD, LEAF_RECORD, Leaf, NODE_SIZE, PER_INNER, PER_LEAF, header};

/// What an inner record holds of a child: its hash and its first digest.
type Child = [u8; INNER_RECORD];

/// Writes the tree of `leaves` (ascending, no two digests alike) and returns its root's hash.
///
/// # Errors
/// Those of `out`, and `InvalidInput` when the leaves do not ascend or an offset has more than 48 bits.
pub fn write<W: Write>(leaves: &[Leaf], out: &mut W) -> io::Result<Digest> {
    let mut children = Vec::new();
    let mut before = None;
    for (index, group) in groups(leaves, PER_LEAF).enumerate() {
        for leaf in group {
            if before.replace(leaf.digest).is_some_and(|before| before >= leaf.digest) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "digests do not ascend"));
            }
        }
        let node = leaf_node(group, index as u64).ok_or(io::ErrorKind::InvalidInput)?;
        children.push(child(&node));
        out.write_all(&node)?;
    }
    let mut level = 0;
    while children.len() > 1 {
        level += 1;
        let mut above = Vec::with_capacity(children.len().div_ceil(15));
        for (index, group) in groups(&children, PER_INNER).enumerate() {
            let node = inner_node(group, level, index as u64).ok_or(io::ErrorKind::InvalidInput)?;
            above.push(child(&node));
            out.write_all(&node)?;
        }
        children = above;
    }
    let root = children.first().and_then(|child| child.first_chunk()).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(Digest::from_bytes(*root))
}

/// Groups of `size`; one empty group when there is nothing.
fn groups<T>(items: &[T], size: u64) -> impl Iterator<Item = &[T]> {
    let empty = items.is_empty().then_some(items);
    items.chunks(usize::try_from(size).unwrap_or(1)).chain(empty)
}

fn leaf_node(leaves: &[Leaf], index: u64) -> Option<[u8; NODE_SIZE]> {
    let mut node = [0; NODE_SIZE];
    node[..HEADER].copy_from_slice(&header(0, leaves.len(), index)?);
    for (record, leaf) in node[HEADER..].as_chunks_mut::<LEAF_RECORD>().0.iter_mut().zip(leaves) {
        let [offset @ .., 0, 0] = leaf.offset.to_le_bytes() else { return None };
        record[..32].copy_from_slice(leaf.digest.as_bytes());
        record[32] = leaf.kinds.0;
        record[34..].copy_from_slice(&offset);
    }
    Some(node)
}

fn inner_node(children: &[Child], level: usize, index: u64) -> Option<[u8; NODE_SIZE]> {
    let mut node = [0; NODE_SIZE];
    node[..HEADER].copy_from_slice(&header(level, children.len(), index)?);
    node[HEADER..].as_chunks_mut::<INNER_RECORD>().0.iter_mut().zip(children).for_each(|(record, child)| *record = *child);
    Some(node)
}

/// What a parent holds of this node.
fn child(node: &[u8; NODE_SIZE]) -> Child {
    let mut child = [0; INNER_RECORD];
    child[..32].copy_from_slice(Digest::of(node).as_bytes());
    let first = if node[4] == 0 { HEADER } else { HEADER + 32 };
    child[32..].copy_from_slice(&node[first..first + 32]);
    child
}
