//! Compares the tree with a plain sorted list, and tests attempts to hide a digest in the tree.

use std::path::Path;
use std::sync::Mutex;

use super::super::ban::MatchKind;
use super::super::bytes::Reader;
use super::super::head::{HEAD_SIZE, Head};
use super::super::testing;
use super::super::testing::{digest, terms};
use super::leaves::Leaves;
use super::*;

/// A list file with these leaf records: empty room for the head, then the tree.
fn tree(digests: &[Digest]) -> (Head, Vec<u8>) {
    let leaves: Vec<_> = digests
        .iter()
        .map(|digest| Leaf {
            digest: *digest,
            kinds: Kinds::NONE.with(MatchKind::Base),
            offset: 7,
        })
        .collect();
    let bytes = Mutex::new(Vec::new());
    let root = write(&leaves, &bytes).unwrap();
    let mut head = testing::written(&testing::parse(""), &terms(1), &std::io::sink());
    head.tree_root = root;
    head.entries.all = digests.len() as u64;
    (head, bytes.into_inner().unwrap())
}

fn write(leaves: &[Leaf], out: &impl build::WriteAt) -> std::io::Result<Digest> {
    build::write(
        leaves.len() as u64,
        |at| leaves[usize::try_from(at).unwrap()],
        out,
        &(),
    )
}

fn found(head: &Head, bytes: &[u8], digests: &[Digest]) -> Result<Vec<bool>, String> {
    let list = Reader {
        path: Path::new("list"),
        bytes,
    };
    let mut leaves = vec![None; digests.len()];
    look_up(&list, head, digests, &mut leaves).map_err(|error| error.to_string())?;
    Ok(leaves
        .iter()
        .zip(digests)
        .map(|(leaf, digest)| leaf.is_some_and(|leaf| leaf.digest == *digest))
        .collect())
}

/// The digest of every leaf record, or the first error.
fn all_leaves(head: &Head, bytes: &[u8]) -> Result<Vec<Digest>, String> {
    let list = Reader {
        path: Path::new("list"),
        bytes,
    };
    let (mut leaves, mut seen) = (Leaves::of(&list, head), Vec::new());
    while let Some(leaf) = leaves.next().map_err(|error| error.to_string())? {
        seen.push(leaf.digest);
    }
    // After the end, there is never another record.
    assert_eq!(leaves.next().unwrap(), None);
    Ok(seen)
}

#[test]
fn every_digest_is_found_and_no_other_in_trees_of_every_shape() {
    for size in [
        0, 1, 2, 24, 25, 26, 50, 374, 375, 376, 400, 5_624, 5_625, 5_626, 20_000,
    ] {
        let mut all: Vec<_> = (0..2 * size).map(digest).collect();
        all.sort_unstable();
        let listed: Vec<_> = all
            .iter()
            .copied()
            .enumerate()
            .filter(|(at, _)| at % 2 == 1)
            .map(|(_, digest)| digest)
            .collect();
        let (head, bytes) = tree(&listed);
        assert_eq!(
            bytes.len() as u64,
            HEAD_SIZE as u64 + head.shape().bytes(),
            "{size}"
        );
        let expected: Vec<_> = (0..all.len()).map(|at| at % 2 == 1).collect();
        assert_eq!(found(&head, &bytes, &all).unwrap(), expected, "{size}");
        for (at, digest) in all.iter().enumerate().step_by(97) {
            assert_eq!(found(&head, &bytes, &[*digest]).unwrap(), [at % 2 == 1]);
        }
        assert_eq!(all_leaves(&head, &bytes).unwrap(), listed, "{size}");
    }
}

#[test]
fn a_tree_of_so_many_entries_has_one_shape() {
    let shape = Shape::of(10_000_000);
    assert_eq!(
        (shape.levels, &shape.nodes[..6]),
        (6, &[400_000, 26_667, 1_778, 119, 8, 1][..])
    );
    let largest = Shape::of(super::super::head::MAX_ENTRIES);
    assert_eq!(largest.nodes[largest.levels - 1], 1);
}

/// If fences were shortened, a look-up would miss the second of two digests that share a long
/// prefix and lie at the end of one node and the start of the next.
#[test]
fn digests_that_share_31_bytes_across_the_edge_of_a_node_differ() {
    let near = |last: u8| {
        let mut bytes = [0x77; 32];
        bytes[31] = last;
        Digest::from_bytes(bytes)
    };
    let listed: Vec<_> = (0..=255_u8)
        .filter(|last| last % 2 == 0)
        .map(near)
        .collect();
    let all: Vec<_> = (0..=255).map(near).collect();
    let (head, bytes) = tree(&listed);
    assert!(head.shape().levels > 1);
    let expected: Vec<_> = (0..=255_u8).map(|last| last % 2 == 0).collect();
    assert_eq!(found(&head, &bytes, &all).unwrap(), expected);
}

/// Digests that were computed to fall into one bucket do not make the tree higher.
#[test]
fn digests_with_a_common_prefix_make_the_same_tree_as_any_others() {
    let ground: Vec<_> = (0..10_000_u64)
        .map(|number| {
            let mut bytes = [0; 32];
            bytes[24..].copy_from_slice(&number.to_be_bytes());
            Digest::from_bytes(bytes)
        })
        .collect();
    let mut spread: Vec<_> = (0..10_000).map(digest).collect();
    spread.sort_unstable();
    assert_eq!(tree(&ground).1.len(), tree(&spread).1.len());
}

#[test]
fn the_builder_refuses_digests_that_do_not_ascend() {
    let leaf = |number: u8| Leaf {
        digest: Digest::from_bytes([number; 32]),
        kinds: Kinds::NONE.with(MatchKind::Base),
        offset: 0,
    };
    for leaves in [
        vec![leaf(2), leaf(1)],
        vec![leaf(1), leaf(1)],
        vec![Leaf {
            offset: 1 << 48,
            ..leaf(1)
        }],
    ] {
        assert_eq!(
            write(&leaves, &std::io::sink()).unwrap_err().kind(),
            std::io::ErrorKind::InvalidInput
        );
    }
}

/// The check of the whole tree finds what somebody signed by mistake. A look-up finds the mistake
/// too, if it reads the wrong part.
#[test]
fn a_tree_that_is_unsorted_overlapping_or_padded_is_refused_though_its_hashes_are_right() {
    let mut listed: Vec<_> = (0..60).map(digest).collect();
    listed.sort_unstable();
    let (good, bytes) = tree(&listed);
    let node = |at: usize| HEAD_SIZE + at * NODE_SIZE;
    // Each change is made to a leaf. Then the leaf's hash in the root, and the root's hash in the
    // head, are corrected.
    type Change = (&'static str, usize, fn(&mut [u8]));
    let changes: [Change; 5] = [
        ("two records exchanged", 0, |leaf| {
            leaf[24..104].rotate_left(40)
        }),
        ("a record beyond the next node's fence", 0, |leaf| {
            leaf[24 + 24 * 40..][..32].fill(0xff)
        }),
        ("another first key than the fence", 1, |leaf| {
            leaf[24..56].fill(0)
        }),
        ("no kinds", 1, |leaf| leaf[56] = 0),
        ("a reserved byte", 1, |leaf| leaf[57] = 1),
    ];
    for (case, which, change) in changes {
        let (mut head, mut bytes) = (good.clone(), bytes.clone());
        change(&mut bytes[node(which)..node(which + 1)]);
        let hash = Digest::of(&bytes[node(which)..node(which + 1)]);
        bytes[node(3) + HEADER + which * INNER_RECORD..][..32].copy_from_slice(hash.as_bytes());
        head.tree_root = Digest::of(&bytes[node(3)..node(4)]);
        let fault = format!("cannot trust list \"list\": node 0/{which} of its tree is corrupt");
        assert_eq!(all_leaves(&head, &bytes).unwrap_err(), fault, "{case}");
        assert_eq!(found(&head, &bytes, &listed).unwrap_err(), fault, "{case}");
    }
    // Nobody may use the padding. Look-ups do not read it; the check of the whole tree does.
    let (mut head, mut bytes) = (good, bytes);
    bytes[node(4) - 1] = 1;
    head.tree_root = Digest::of(&bytes[node(3)..node(4)]);
    assert_eq!(
        all_leaves(&head, &bytes).unwrap_err(),
        "cannot trust list \"list\": node 1/0 of its tree is corrupt"
    );
}

#[test]
fn nodes_that_change_places_are_refused() {
    let mut listed: Vec<_> = (0..60).map(digest).collect();
    listed.sort_unstable();
    let (head, mut bytes) = tree(&listed);
    let (first, second) = bytes[HEAD_SIZE..HEAD_SIZE + 2 * NODE_SIZE].split_at_mut(NODE_SIZE);
    first.swap_with_slice(second);
    assert_eq!(
        found(&head, &bytes, &listed[..1]).unwrap_err(),
        "cannot trust list \"list\": node 0/0 of its tree is corrupt"
    );
}

/// No leaf record of a wrong node is returned, and every leaf record before it was right.
#[test]
fn a_leaf_that_is_handed_out_is_proven_already() {
    let mut listed: Vec<_> = (0..1_000).map(digest).collect();
    listed.sort_unstable();
    let (head, good) = tree(&listed);
    let nodes = (good.len() - HEAD_SIZE) / NODE_SIZE;
    for node in 0..nodes {
        let mut bytes = good.clone();
        bytes[HEAD_SIZE + node * NODE_SIZE + 500] ^= 4;
        let list = Reader {
            path: Path::new("list"),
            bytes: bytes.as_slice(),
        };
        let (mut leaves, mut seen) = (Leaves::of(&list, &head), Vec::new());
        let fault = loop {
            match leaves.next() {
                Ok(Some(leaf)) => seen.push(leaf.digest),
                Ok(None) => panic!("node {node} was not missed"),
                Err(fault) => break fault.to_string(),
            }
        };
        assert!(fault.ends_with("of its tree is corrupt"), "{fault}");
        assert_eq!(seen, listed[..seen.len()]);
        assert!(
            seen.len() % 25 == 0 && seen.len() <= node * 25,
            "node {node}: {}",
            seen.len()
        );
    }
}

/// A file in which every third node is not in the page cache.
struct Cold<'a>(&'a [u8], std::cell::RefCell<Vec<u64>>);

impl ReadAt for Cold<'_> {
    fn read_into(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.1.borrow_mut().push(offset);
        self.0.read_into(buffer, offset)
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> bool {
        // A read that was aborted may leave anything in the buffer.
        buffer.fill(0xff);
        !(offset / NODE_SIZE as u64).is_multiple_of(3) && self.0.read_cached(buffer, offset)
    }
}

#[test]
fn nodes_that_a_disk_must_be_waited_for_are_read_after_the_others_and_once() {
    let mut all: Vec<_> = (0..10_000).map(digest).collect();
    all.sort_unstable();
    let (head, bytes) = tree(&all[1..]);
    let cold = Cold(&bytes, std::cell::RefCell::default());
    let list = Reader {
        path: Path::new("list"),
        bytes: &cold,
    };
    let mut leaves = vec![None; all.len()];
    look_up(&list, &head, &all, &mut leaves).unwrap();
    assert_eq!(leaves.iter().position(Option::is_some), Some(1));
    assert!(
        leaves[1..]
            .iter()
            .zip(&all[1..])
            .all(|(leaf, digest)| leaf.is_some_and(|leaf| leaf.digest == *digest))
    );
    let nodes = (HEAD_SIZE..bytes.len())
        .step_by(NODE_SIZE)
        .map(|at| at as u64);
    let awaited: Vec<_> = nodes
        .filter(|at| (at / NODE_SIZE as u64).is_multiple_of(3))
        .collect();
    let mut read = cold.1.into_inner();
    read.sort_unstable();
    assert_eq!(read, awaited);
}
