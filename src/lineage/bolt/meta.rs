//! Reads the two meta pages of a bbolt file, which describe the newest committed version of the
//! database.
//!
//! In: the start of a file (hostile). Out: the newest meta page whose checksum is right. Not
//! checked: the pages that the meta page leads to.

use std::io::ErrorKind;

use super::node::{PAGE_HEADER, u32_at, u64_at};
use super::pages::{BoltError, Pages};

pub(super) const MAGIC: u32 = 0xED0C_DAED;
pub(super) const VERSION: u32 = 2;
const META_LENGTH: usize = 64;

/// The meta page of a committed version.
///
/// ```text
/// 0      4        8          12     16                  24        32        40           48    56
/// magic  version  page size  flags  root bucket's page  sequence  freelist  pages in all  txid  FNV-1a of the 56 bytes before
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) page_size: u32,
    pub(super) root: u64,
    pub(super) page_count: u64,
    pub(super) txid: u64,
}

/// The valid meta page with the highest transaction ID. At any time, one of the two meta pages may
/// be half written, but never both.
pub(super) fn newest_meta(pages: &dyn Pages) -> Result<Meta, BoltError> {
    const COMMON: usize = 4096;
    let mut bytes = [0; COMMON + PAGE_HEADER + META_LENGTH];
    match pages.fill(&mut bytes, 0) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(BoltError::Foreign),
        filled => filled.map_err(BoltError::Io)?,
    }
    let first = Meta::parse(&bytes);
    let second = match first {
        Some(meta) if meta.page_size as usize != COMMON => {
            second_meta(pages, u64::from(meta.page_size))
        }
        Some(_) => Meta::parse(&bytes[COMMON..]),
        // The first meta page is being written. The second meta page begins after one page of the
        // database, so try all three page sizes of Linux.
        None => match Meta::parse(&bytes[COMMON..]) {
            None => second_meta(pages, 16 << 10).or(second_meta(pages, 64 << 10)),
            second => second,
        },
    };
    match (first, second) {
        (Some(first), Some(second)) => Ok(if second.txid > first.txid {
            second
        } else {
            first
        }),
        (Some(only), None) | (None, Some(only)) => Ok(only),
        (None, None) => Err(BoltError::Foreign),
    }
}

fn second_meta(pages: &dyn Pages, page_size: u64) -> Option<Meta> {
    let mut bytes = [0; PAGE_HEADER + META_LENGTH];
    pages.fill(&mut bytes, page_size).ok()?;
    Meta::parse(&bytes)
}

impl Meta {
    /// The meta page at the start of `bytes`, if it is complete.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(PAGE_HEADER..PAGE_HEADER + META_LENGTH)?;
        let page_size = u32_at(bytes, 8)?;
        let valid = u32_at(bytes, 0)? == MAGIC
            && u32_at(bytes, 4)? == VERSION
            && u64_at(bytes, 56)? == fnv1a(&bytes[..56])
            && page_size.is_power_of_two()
            && (4 << 10..=64 << 10).contains(&page_size);
        valid.then_some(Self {
            page_size,
            root: u64_at(bytes, 16)?,
            page_count: u64_at(bytes, 40)?,
            txid: u64_at(bytes, 48)?,
        })
    }
}

/// FNV-1a, 64 bits.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    }
    hash
}
