//! Tests lists that too few trusted keys signed, whatever other keys signed them.

use super::node::{Answer, Node, OTHER, keyset, keyset_of, signed, text};
use super::signer::signer;

#[test]
fn wrong_key() {
    assert_refused(&[8], "0 of 2 trusted signatures (0 bad, 1 by unknown keys)");
    assert_refused(
        &[8, 9],
        "0 of 2 trusted signatures (0 bad, 2 by unknown keys)",
    );
}

#[test]
fn no_sig() {
    assert_refused(&[], "not signed, and 2 trusted signatures needed");
}

#[test]
fn one_of_two() {
    assert_refused(&[1], "1 of 2 trusted signatures (0 bad, 0 by unknown keys)");
    assert_refused(
        &[1, 9],
        "1 of 2 trusted signatures (0 bad, 1 by unknown keys)",
    );
}

#[test]
fn two_of_two_beside_strangers() {
    let node = Node::trusting(&keyset(&[1, 2, 3], 2));
    for (version, seeds) in [(1, &[1, 2][..]), (2, &[3, 1]), (3, &[9, 1, 8, 3])] {
        node.install(&node.list(version).by(seeds)).unwrap();
        assert_eq!(node.gate(), Answer::Banned(version));
    }
}

/// A signature over one list, moved to another list.
#[test]
fn stolen_signature() {
    let node = Node::with_list(1);
    let forged = node.list(2).unsigned();
    let stolen = signer(1).sign(&text(&node.list(1).by(&[1])));
    let fault = "0 of 1 trusted signatures (1 bad, 0 by unknown keys)";
    assert_eq!(
        node.refuses(&signed(&forged, &[stolen])),
        format!("cannot trust list \"staged.lst\": {fault}")
    );
}

/// A signature by a key of the other role: a root key signs keysets and nothing else.
#[test]
fn root_key() {
    let node = Node::trusting(&keyset_of(
        1,
        "root=1 list=1 lift=1",
        &(signer(5).key_line("root") + &signer(1).key_line("list")),
    ));
    let fault =
        "cannot trust list \"staged.lst\": 0 of 1 trusted signatures (0 bad, 1 by unknown keys)";
    assert_eq!(node.refuses(&node.list(1).by(&[5])), fault);
    node.install(&node.list(1).by(&[5, 1])).unwrap();
}

/// Asserts that a list with these signatures is not installed. If the list is written to the node
/// by force, it is not used, and the second copy of the installed list is used.
fn assert_refused(seeds: &[u8], fault: &str) {
    let node = Node::trusting(&keyset(&[1, 2, 3], 2));
    let forged = node.list(9).banning("layer", &[OTHER]).by(seeds);
    assert_eq!(
        node.refuses(&forged),
        format!("cannot trust list \"staged.lst\": {fault}")
    );
    assert_eq!(
        node.distrusts(&forged),
        format!("cannot trust list \"/var/lib/embargo/banlist.lst\": {fault}")
    );
    // The list is built only once: a second build would be another list.
    let first = node.list(1).by(&[1, 2]);
    node.put(&first);
    node.install(&first).unwrap();
    node.install(&node.list(2).by(&[1, 2])).unwrap();
    node.put(&forged);
    assert_eq!(node.gate(), Answer::BannedByCopy(2));
}
