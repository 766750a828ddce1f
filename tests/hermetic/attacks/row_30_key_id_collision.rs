//! Tests two keys with the same ID. An ID is four bytes of a hash: the ID says which key to try,
//! never which key to trust.

use super::node::{Answer, Node, keyset_of, signed, text};
use super::signer::{Signer, called, line};

/// The keys of seeds 1 and 2, with names that give them the same ID.
fn pair() -> [Signer; 2] {
    let pair = [called("alice-48102", 1), called("bob-61320", 2)];
    assert_eq!(
        pair.each_ref().map(Signer::id),
        [[0x1a, 0x0e, 0x3d, 0xd2]; 2]
    );
    pair
}

fn node() -> Node {
    let lines: String = pair()
        .iter()
        .map(|signer| signer.key_line("list"))
        .collect();
    Node::trusting(&keyset_of(1, "root=0 list=2 lift=2", &lines))
}

#[test]
fn two_keys_same_id() {
    let node = node();
    let [alice, bob] = pair();
    for (version, turned) in [(1, false), (2, true)] {
        let list = node.list(version).unsigned();
        let mut lines = vec![alice.sign(&text(&list)), bob.sign(&text(&list))];
        if turned {
            lines.reverse();
        }
        node.install(&signed(&list, &lines)).unwrap();
        assert_eq!(node.gate(), Answer::Banned(version));
    }
}

#[test]
fn one_of_two_keys_with_one_id_counts_once() {
    let node = node();
    let [alice, bob] = pair();
    let list = node.list(1).unsigned();
    let own = alice.raw(text(&list).as_bytes());
    // Alice's signature under Bob's name has an ID that is right for both.
    for (second, counts) in [
        (bob.line(&own), "0 bad, 0 by unknown keys"),
        (
            line("mallory", alice.id(), &own),
            "0 bad, 0 by unknown keys",
        ),
        (bob.line(&[7; 64]), "1 bad, 0 by unknown keys"),
    ] {
        let list = signed(&list, &[alice.line(&own), second]);
        assert_eq!(
            node.refuses(&list),
            format!("cannot trust list \"staged.lst\": 1 of 2 trusted signatures ({counts})")
        );
        node.distrusts(&list);
        std::fs::remove_file(node.state("banlist.lst")).unwrap();
    }
}
