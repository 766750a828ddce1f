//! Reads all leaf records of a tree, in order.
//!
//! In: the authentic head, and the nodes of the file (hostile until hashed). Out: one leaf record
//! after the other, for code that checks a list or compares two. The path goes down from the root,
//! with one node of each level at a time. A node is hashed, its hash is compared with the one in
//! its parent, and only then is the node interpreted. So every leaf record that is returned has
//! already been proven and need not be taken back. The end comes only after as many leaf records as
//! the head states. Every byte of the tree is read and hashed once, including the padding. So a
//! tree that is unsorted, overlaps, or is padded with anything but zeros is refused, whoever signed
//! it. Not checked: what a leaf record points to.

use super::super::bytes::{ReadAt, Reader};
use super::super::error::ListError;
use super::super::head::Head;
use super::super::shape::{NODE_SIZE, PER_INNER, Shape};
use super::super::watch::Watch;
use super::{HEADER, Leaf, TreeNode, Visit, authentic, record_size};
use crate::lineage::digest::Digest;

/// How many nodes are read at once.
const PIECE: u64 = 256;

/// The leaf records that have not been read yet.
pub struct Leaves<'a, R: ReadAt + ?Sized> {
    list: &'a Reader<'a, R>,
    shape: Shape,
    root: Digest,
    /// The nodes on the path to the next leaf record, one for each level, the leaf first. Empty
    /// before the first leaf record is read.
    path: Vec<PathNode>,
    watch: &'a dyn Watch,
}

/// A node on the path.
#[derive(Default)]
struct PathNode {
    /// A piece of the file that contains the node, and where the node begins in the piece.
    piece: Vec<u8>,
    start: usize,
    index: u64,
    /// How many records the node has, and which record is next.
    count: usize,
    next: usize,
    /// The fence after the node. The last node of a level has none.
    to: Option<[u8; 32]>,
}

impl PathNode {
    /// The node, whose hash was checked when the node was read into the piece.
    fn node(&self, level: usize) -> TreeNode<'_> {
        let start = self.start + HEADER;
        TreeNode {
            level,
            records: &self.piece[start..start + self.count * record_size(level)],
        }
    }
}

impl<'a, R: ReadAt + ?Sized> Leaves<'a, R> {
    /// All leaf records of a list.
    #[must_use]
    pub const fn of(list: &'a Reader<'a, R>, head: &Head) -> Self {
        Self {
            list,
            shape: head.shape(),
            root: head.tree_root,
            path: Vec::new(),
            watch: &(),
        }
    }

    /// The same leaf records; the number of bytes that are read is reported to `watch`.
    #[must_use]
    pub fn watched(self, watch: &'a dyn Watch) -> Self {
        Self { watch, ..self }
    }

    /// The next leaf record; `None` after the last.
    ///
    /// # Errors
    /// [`ListError::Node`] for the first node that is not the one that its parent, or the head,
    /// names; [`ListError::Read`].
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results could be collected up to its first error and taken for the whole"
    )]
    pub fn next(&mut self) -> Result<Option<Leaf>, ListError> {
        if self.path.is_empty() {
            self.path.resize_with(self.shape.levels, PathNode::default);
            let top = self.shape.levels - 1;
            self.enter(
                top,
                &Visit {
                    index: 0,
                    hash: self.root,
                    from: None,
                    to: None,
                    range: 0..0,
                },
            )?;
        }
        while self.path[0].next == self.path[0].count {
            if !self.advance(0)? {
                return Ok(None);
            }
        }
        let step = &mut self.path[0];
        step.next += 1;
        let (index, leaf) = (step.index, step.node(0).leaf(step.next - 1));
        match leaf {
            Some(leaf) => Ok(Some(leaf)),
            None => Err(self.corrupt(0, index)),
        }
    }

    /// Goes to the next node of a level. If the node above has no more records, the level above
    /// advances first. Returns `false` after the last node.
    fn advance(&mut self, level: usize) -> Result<bool, ListError> {
        let above = level + 1;
        if above == self.shape.levels {
            return Ok(false);
        }
        while self.path[above].next == self.path[above].count {
            if !self.advance(above)? {
                return Ok(false);
            }
        }
        let step = &mut self.path[above];
        let at = step.next;
        step.next += 1;
        let (step, node) = (&self.path[above], self.path[above].node(above));
        let Ok(hash) = <[u8; 32]>::try_from(node.child(at)) else {
            return Err(self.corrupt(above, step.index));
        };
        let visit = Visit {
            index: step.index * PER_INNER + at as u64,
            hash: Digest::from_bytes(hash),
            from: node.fence(at),
            to: if at + 1 < step.count {
                node.fence(at + 1)
            } else {
                step.to
            },
            range: 0..0,
        };
        self.enter(level, &visit)?;
        Ok(true)
    }

    /// Reads and checks the node of `visit`.
    fn enter(&mut self, level: usize, visit: &Visit) -> Result<(), ListError> {
        let step = &mut self.path[level];
        let at = visit.index % PIECE;
        if at == 0 {
            let nodes = PIECE.min(self.shape.nodes[level] - visit.index);
            step.piece
                .resize(usize::try_from(nodes).unwrap_or(0) * NODE_SIZE, 0);
            self.list
                .read_into(&mut step.piece, self.shape.offset(level, visit.index))?;
            self.watch.advance(step.piece.len() as u64);
        }
        step.start = usize::try_from(at).unwrap_or(0) * NODE_SIZE;
        let bytes = step.piece[step.start..].first_chunk::<NODE_SIZE>();
        let count = bytes.and_then(|bytes| {
            let node = authentic(bytes, &self.shape, level, visit)?;
            bytes[HEADER + node.records.len()..]
                .iter()
                .all(|byte| *byte == 0)
                .then(|| node.count())
        });
        let Some(count) = count else {
            return Err(self.corrupt(level, visit.index));
        };
        *step = PathNode {
            piece: std::mem::take(&mut step.piece),
            start: step.start,
            index: visit.index,
            count,
            next: 0,
            to: visit.to,
        };
        Ok(())
    }

    fn corrupt(&self, level: usize, index: u64) -> ListError {
        ListError::Node(
            self.list.path.to_owned(),
            u8::try_from(level).unwrap_or(u8::MAX),
            index,
        )
    }
}
