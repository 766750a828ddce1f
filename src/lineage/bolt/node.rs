//! Reads one node of a bbolt tree.
//!
//! In: the bytes of a run of pages, or the few bytes of a bucket that is stored in its parent's
//! value (hostile). Out: keys, values and children. Every offset is checked against the length of
//! the bytes. Not checked: whether keys are sorted. If the keys are not sorted, a search may miss a
//! key; the container is then refused.

use std::ops::{Deref, Range};
use std::rc::Rc;

use super::pages::BoltError;

/// The size of the header of every page, in bytes.
pub(super) const PAGE_HEADER: usize = 16;
const ELEMENT: usize = 16;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const BUCKET_FLAG: u32 = 0x01;

/// A node of the tree: a run of pages, or the few bytes of a bucket that is stored in its parent's
/// value.
///
/// ```text
/// 0   8      10     12        16
/// id  flags  count  overflow  elements (16 bytes each), keys and values
///
/// branch element: key offset u32 (from the element), key length u32, child page u64
/// leaf element:   flags u32, key offset u32 (from the element), key length u32, value length u32 (the value follows the key)
/// ```
pub(super) struct PageNode {
    pub(super) id: u64,
    bytes: Vec<u8>,
    pub(super) count: usize,
    pub(super) is_leaf: bool,
}

/// The bytes of a value. The bytes stay valid as long as the look lasts.
pub struct BoltValue {
    node: Rc<PageNode>,
    range: Range<usize>,
}

impl BoltValue {
    /// The page that contains the value.
    pub(super) fn page(&self) -> u64 {
        self.node.id
    }
}

impl Deref for BoltValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.node.bytes[self.range.clone()]
    }
}

impl PageNode {
    /// Parses the node in `bytes`, which were read from page `id`.
    pub(super) fn parse(id: u64, bytes: Vec<u8>) -> Result<Self, BoltError> {
        let is_leaf = match u16_at(&bytes, 8) {
            Some(LEAF) => true,
            Some(BRANCH) => false,
            Some(_) | None => return Err(BoltError::Damaged(id, "is neither branch nor leaf")),
        };
        let count = usize::from(u16_at(&bytes, 10).unwrap_or(0));
        if bytes.len() < PAGE_HEADER + count * ELEMENT || (count == 0 && !is_leaf) {
            return Err(BoltError::Damaged(id, "counts wrong"));
        }
        Ok(Self {
            id,
            bytes,
            count,
            is_leaf,
        })
    }

    fn range(&self, start: usize, length: u32) -> Result<Range<usize>, BoltError> {
        match start.checked_add(length as usize) {
            Some(end) if end <= self.bytes.len() => Ok(start..end),
            Some(_) | None => Err(BoltError::Damaged(self.id, "points past its end")),
        }
    }

    /// Field number `field` of the element `index`. Each field has four bytes.
    fn field(&self, index: usize, field: usize) -> Result<u32, BoltError> {
        u32_at(&self.bytes, PAGE_HEADER + index * ELEMENT + field * 4)
            .ok_or(BoltError::Damaged(self.id, "counts wrong"))
    }

    fn key_range(&self, index: usize) -> Result<Range<usize>, BoltError> {
        let (offset, length) = if self.is_leaf { (1, 2) } else { (0, 1) };
        self.range(
            PAGE_HEADER + index * ELEMENT + self.field(index, offset)? as usize,
            self.field(index, length)?,
        )
    }

    /// The key of the element `index`.
    pub(super) fn key(&self, index: usize) -> Result<&[u8], BoltError> {
        Ok(&self.bytes[self.key_range(index)?])
    }

    /// How many keys are lower than `key`.
    pub(super) fn rank(&self, key: &[u8]) -> Result<usize, BoltError> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle)? < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The page of the child at `index`, in a branch.
    pub(super) fn child(&self, index: usize) -> Result<u64, BoltError> {
        Ok(u64::from(self.field(index, 2)?) | u64::from(self.field(index, 3)?) << 32)
    }

    /// The value of the element `index`, in a leaf, and whether the value is a bucket.
    pub(super) fn value(self: &Rc<Self>, index: usize) -> Result<(bool, BoltValue), BoltError> {
        let range = self.range(self.key_range(index)?.end, self.field(index, 3)?)?;
        Ok((
            self.field(index, 0)? & BUCKET_FLAG != 0,
            BoltValue {
                node: Rc::clone(self),
                range,
            },
        ))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
