//! Tests the gate's verdicts when bits flip on the disk, in memory or in transfer. `corruption`
//! tests the reader itself with every bit.

use std::fs;

use super::node::{Answer, BASE, Node, OTHER, keyset};

/// A banned container is never admitted, and a container that is not banned is never reported as
/// banned.
#[test]
fn flip_through_the_gate() {
    for banned in [BASE, OTHER] {
        let node = Node::trusting(&keyset(&[1], 1));
        let list = node.list(412).banning("base", &[banned]).by(&[1]);
        node.install(&list).unwrap();
        // Only the first copy is tested here; the second copy is tested below.
        fs::remove_file(node.state("banlist.copy.lst")).unwrap();
        for at in (0..list.len()).step_by(13) {
            let mut flipped = list.clone();
            flipped[at] ^= 1 << (at % 8);
            node.put(&flipped);
            let answer = node.gate();
            let is_true = answer
                == if banned == BASE {
                    Answer::Banned(412)
                } else {
                    Answer::Admitted
                };
            assert!(
                is_true || matches!(answer, Answer::NoList(_) | Answer::Refused(_)),
                "byte {at}: {answer:?}"
            );
        }
    }
}

/// The second copy is used in place of a list that is found damaged, wherever the damage is.
#[test]
fn flip_beside_a_second_copy() {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(411).by(&[1])).unwrap();
    node.install(&node.list(412).by(&[1])).unwrap();
    let list = fs::read(node.state("banlist.lst")).unwrap();
    for at in (0..list.len()).step_by(41) {
        let mut flipped = list.clone();
        flipped[at] ^= 0x80;
        node.put(&flipped);
        let answer = node.gate();
        assert!(
            matches!(answer, Answer::Banned(412) | Answer::BannedByCopy(412)),
            "byte {at}: {answer:?}"
        );
    }
    // A flipped bit in the second copy changes nothing, and the next installation of the same list
    // repairs the copy.
    node.put(&list);
    let mut flipped = list.clone();
    flipped[list.len() / 2] ^= 1;
    fs::remove_file(node.state("banlist.copy.lst")).unwrap();
    fs::write(node.state("banlist.copy.lst"), flipped).unwrap();
    assert_eq!(node.gate(), Answer::Banned(412));
    assert!(
        node.install(&list)
            .unwrap()
            .contains("\nits second copy was made anew\n")
    );
    assert_eq!(fs::read(node.state("banlist.copy.lst")).unwrap(), list);
}

/// Every flipped bit is found when a list is installed.
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
