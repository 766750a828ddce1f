//! Bits that turn on the disk, in memory or in transfer. Every bit of every byte, at the reader itself: `corruption`. Here what the gate makes of it.

use std::fs;

use super::node::{Answer, BASE, Node, OTHER, keyset};

/// A banned container is never admitted, and one that is not never said to be banned.
#[test]
fn flip_through_the_gate() {
    for banned in [BASE, OTHER] {
        let node = Node::trusting(&keyset(&[1], 1));
        let list = node.list(412).banning("base", &[banned]).by(&[1]);
        node.install(&list).unwrap();
        for at in (0..list.len()).step_by(13) {
            let mut flipped = list.clone();
            flipped[at] ^= 1 << (at % 8);
            node.put(&flipped);
            let answer = node.gate();
            let is_true = answer == if banned == BASE { Answer::Banned(412) } else { Answer::Admitted };
            assert!(is_true || matches!(answer, Answer::NoList(_) | Answer::Refused(_)), "byte {at}: {answer:?}");
        }
    }
}

/// With an authentic list that was kept, that one answers for a list that is found broken: a ban that both have goes on.
#[test]
fn flip_over_a_list_that_was_kept() {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(411).by(&[1])).unwrap();
    node.install(&node.list(412).by(&[1])).unwrap();
    let list = fs::read(node.state("banlist.lst")).unwrap();
    for at in (0..list.len()).step_by(41) {
        let mut flipped = list.clone();
        flipped[at] ^= 0x80;
        node.put(&flipped);
        let answer = node.gate();
        let said = matches!(&answer, Answer::Refused(line) if line.starts_with("it is banned, and no more can be told"));
        assert!(said || matches!(answer, Answer::Banned(412) | Answer::BannedBefore(411)), "byte {at}: {answer:?}");
    }
}

/// Every flip is found where a list is installed, one in a signature that is not needed included: that one is told.
#[test]
fn flip_at_installation() {
    let node = Node::with_list(1);
    let list = node.list(2).by(&[1]);
    for at in (0..list.len()).step_by(29) {
        let mut flipped = list.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(node.refuses(&flipped).starts_with("cannot "), "byte {at}");
    }
}
