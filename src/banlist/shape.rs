//! Computes where the parts of a list are, from the number of its entries alone.
//!
//! The head comes first, then the tree: the leaves, each inner level, the root. Every level is
//! fully packed, so its size is known without reading the file.

/// The size of the head's block, in bytes. The size is also that of the largest raw message that
/// key services sign (AWS KMS, `Sign`, RAW).
pub const HEAD_SIZE: usize = 4_096;

/// The size of a node, in bytes.
pub const NODE_SIZE: usize = 1_024;

/// How many records a full leaf has.
pub(super) const PER_LEAF: u64 = 25;
/// How many records a full inner node has.
pub(super) const PER_INNER: u64 = 15;
/// The number of levels of a tree of 2³² entries, plus one.
const MAX_LEVELS: usize = 10;

/// The number of nodes on each level of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    entries: u64,
    /// The number of nodes on each level, the leaves first.
    pub(super) nodes: [u64; MAX_LEVELS],
    /// How many levels there are.
    pub(super) levels: usize,
}

impl Shape {
    /// The shape of a tree with this many entries, at most 2³².
    #[must_use]
    pub const fn of(entries: u64) -> Self {
        let mut nodes = [0; MAX_LEVELS];
        nodes[0] = if entries == 0 {
            1
        } else {
            entries.div_ceil(PER_LEAF)
        };
        let mut levels = 1;
        while nodes[levels - 1] > 1 && levels < MAX_LEVELS {
            nodes[levels] = nodes[levels - 1].div_ceil(PER_INNER);
            levels += 1;
        }
        Self {
            entries,
            nodes,
            levels,
        }
    }

    /// The size of all nodes in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.nodes_below(self.levels) * NODE_SIZE as u64
    }

    const fn nodes_below(&self, level: usize) -> u64 {
        let (mut sum, mut below) = (0, 0);
        while below < level {
            sum += self.nodes[below];
            below += 1;
        }
        sum
    }

    /// The offset of a node in the file.
    pub(super) const fn offset(&self, level: usize, index: u64) -> u64 {
        HEAD_SIZE as u64 + (self.nodes_below(level) + index) * NODE_SIZE as u64
    }

    /// The number of records in a node. All nodes of a level are full, except for the last one.
    pub(super) const fn count(&self, level: usize, index: u64) -> u64 {
        let (records, fan_out) = if level == 0 {
            (self.entries, PER_LEAF)
        } else {
            (self.nodes[level - 1], PER_INNER)
        };
        let left = records.saturating_sub(index * fan_out);
        if left < fan_out { left } else { fan_out }
    }
}
