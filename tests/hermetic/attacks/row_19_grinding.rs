//! Tests a million digests that were computed until they shared a prefix, in order to overfill one
//! bucket of a list. A packed tree has no buckets: its height and the cost of a look-up are the
//! same as with any other million digests.

use std::cell::Cell;
use std::io;
use std::path::Path;

use embargo::banlist::ban::MatchKind;
use embargo::banlist::bytes::{ReadAt, Reader};
use embargo::banlist::head::{Claim, HEAD_SIZE};
use embargo::banlist::section::Budget;
use embargo::banlist::store::{self, Query};
use embargo::lineage::digest::Digest;

use super::craft::Parts;
use super::node::{Node, keyset};

const MANY: u64 = 1_000_000;

/// Bytes in memory, with a count of the reads.
struct Counted<'a> {
    bytes: &'a [u8],
    reads: Cell<usize>,
}

impl ReadAt for Counted<'_> {
    fn read_into(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.reads.set(self.reads.get() + 1);
        self.bytes.read_into(buffer, offset)
    }
}

#[test]
fn a_million_keys_with_equal_24_bit_prefix() {
    // Digests with 24 equal bits, each with the next number after these bits; and digests spread
    // over the whole range.
    let ground = |number: u64| digest(0xabcd_ef00_0000_0000 + number, number);
    let spread = |number: u64| digest(number * (u64::MAX / MANY), number);
    let ground: Vec<_> = (0..MANY).map(ground).collect();
    assert!(
        ground
            .iter()
            .all(|digest| digest.starts_with(&[0xab, 0xcd, 0xef]))
    );
    let spread: Vec<_> = (0..MANY).map(spread).collect();
    let node = Node::trusting(&keyset(&[1], 1));
    let parts = Parts::of(&node.list(1).by(&[1]));
    let costs = [ground, spread].map(|digests| {
        let list = parts.clone().filled(&digests).sealed();
        (list.len(), cost(&list, &digests))
    });
    assert_eq!(costs[0], costs[1]);
    // A look-up reads the root and four levels below it. If the look-up finds the digest, it also
    // reads the table and one block of records.
    assert_eq!(costs[0].1, (5, 7));
}

/// How many reads the most expensive look-ups take: one for a digest that is not listed, and one
/// for a listed digest.
fn cost(list: &[u8], digests: &[[u8; 32]]) -> (usize, usize) {
    let head = Claim::parse(list[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .head;
    let bytes = Counted {
        bytes: list,
        reads: Cell::new(0),
    };
    let reader = Reader {
        path: Path::new("list"),
        bytes: &bytes,
    };
    let reads = |digest: [u8; 32]| {
        bytes.reads.set(0);
        let query = Query {
            digest: Digest::from_bytes(digest),
            kind: MatchKind::Base,
        };
        let hits = store::hits(&reader, &head, &[query], Budget::Start).unwrap();
        (hits.len(), bytes.reads.get())
    };
    let mut costs = (0, 0);
    for digest in digests.iter().step_by(1_009) {
        let (found, listed) = reads(*digest);
        let mut other = *digest;
        other[31] ^= 1;
        let (not_found, absent) = reads(other);
        assert_eq!((found, not_found), (1, 0));
        costs = (absent.max(costs.0), listed.max(costs.1));
    }
    costs
}

/// The digest that begins with the first number and ends with the second.
fn digest(begins: u64, ends: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&begins.to_be_bytes());
    digest[16..24].copy_from_slice(&ends.to_be_bytes());
    digest
}
