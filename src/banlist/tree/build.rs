//! Which tree do these entries make, and is that the one in the file?
//!
//! In: leaf records in ascending order. Out: the one tree they make, byte for byte the same wherever it is built. The check of a whole list builds
//! the tree again from the file's own leaves and compares every byte, so that nothing unsorted, overlapping or padded with anything but zeros is
//! ever installed, whoever signed it.

use std::io::{self, Write};

use crate::lineage::digest::Digest;

use super::super::bytes::{ReadAt, Reader};
use super::super::error::ListError;
use super::super::head::Head;
use super::{HEADER, INNER_RECORD, LEAF_RECORD, Leaf, NODE_SIZE, Node, PER_INNER, PER_LEAF, Shape, header};

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

/// Checks every node of the tree and hands each leaf record to `each`, in ascending order.
///
/// # Errors
/// [`ListError::Node`] for the first node that is not what these leaves make, [`ListError::Read`], and whatever `each` returns.
pub fn check<R, F>(list: &Reader<'_, R>, head: &Head, mut each: F) -> Result<(), ListError>
where
    R: ReadAt + ?Sized,
    F: FnMut(Leaf) -> Result<(), ListError>,
{
    let shape = head.shape();
    let corrupt = |level: usize, index| ListError::Node(list.path.to_owned(), u8::try_from(level).unwrap_or(u8::MAX), index);
    let mut nodes = Nodes { list, shape, buffer: Vec::new() };
    let mut children: Vec<Child> = Vec::new();
    let mut before = None;
    for index in 0..shape.nodes[0] {
        let bytes = nodes.next(0, index)?;
        let leaves = leaves_of(&bytes, &shape, index).ok_or_else(|| corrupt(0, index))?;
        for leaf in &leaves {
            if before.replace(leaf.digest).is_some_and(|before| before >= leaf.digest) {
                return Err(corrupt(0, index));
            }
            each(*leaf)?;
        }
        children.push(child(&bytes));
    }
    for level in 1..shape.levels {
        let mut above = Vec::with_capacity(children.len().div_ceil(15));
        for (index, group) in groups(&children, PER_INNER).enumerate() {
            let bytes = nodes.next(level, index as u64)?;
            if inner_node(group, level, index as u64) != Some(bytes) {
                return Err(corrupt(level, index as u64));
            }
            above.push(child(&bytes));
        }
        children = above;
    }
    let root = children.first().map(|child| &child[..32]);
    if root == Some(head.tree_root.as_bytes()) { Ok(()) } else { Err(corrupt(shape.levels - 1, 0)) }
}

/// The records of a leaf node; `None` when it has any other byte than they make.
fn leaves_of(bytes: &[u8; NODE_SIZE], shape: &Shape, index: u64) -> Option<Vec<Leaf>> {
    let node = Node::parse(bytes, shape, 0, index)?;
    let leaves: Vec<_> = (0..node.count()).map(|at| node.leaf(at)).collect::<Option<_>>()?;
    (leaf_node(&leaves, index)? == *bytes).then_some(leaves)
}

/// Nodes in the order of the file, read in large pieces.
struct Nodes<'a, R: ReadAt + ?Sized> {
    list: &'a Reader<'a, R>,
    shape: Shape,
    buffer: Vec<u8>,
}

/// Nodes read at once.
const PIECE: u64 = 256;

impl<R: ReadAt + ?Sized> Nodes<'_, R> {
    fn next(&mut self, level: usize, index: u64) -> Result<[u8; NODE_SIZE], ListError> {
        let at = usize::try_from(index % PIECE).unwrap_or(0) * NODE_SIZE;
        if at == 0 {
            let nodes = PIECE.min(self.shape.nodes[level] - index);
            self.buffer.resize(usize::try_from(nodes).unwrap_or(0) * NODE_SIZE, 0);
            self.list.read_into(&mut self.buffer, self.shape.offset(level, index))?;
        }
        let mut node = [0; NODE_SIZE];
        node.copy_from_slice(&self.buffer[at..at + NODE_SIZE]);
        Ok(node)
    }
}
