//! Tests a node that was away while lists were published and a list key was replaced. The node must
//! catch up, and must always have a list meanwhile.

use super::node::{Answer, Node, keyset_of, rotated};
use super::signer::signer;

/// The text of the keyset with this number, with root key 5 and these list keys.
fn text(number: u64, list_keys: &[u8]) -> String {
    let keys: String = list_keys
        .iter()
        .map(|seed| signer(*seed).key_line("list"))
        .collect();
    keyset_of(
        number,
        "root=1 list=1 lift=1",
        &(signer(5).key_line("root") + &keys),
    )
}

/// A node at keyset 1, with list 1, signed by key 1 alone; and the next keyset, which has key 2
/// instead of key 1.
fn node() -> (Node, String) {
    let node = Node::trusting(&text(1, &[1]));
    node.install(&node.list(1).by(&[1])).unwrap();
    (node, rotated(&text(2, &[2]), &[5]))
}

/// Neither a list for the new keyset nor the new keyset itself can come first.
#[test]
fn each_waits_for_the_other() {
    let (node, next) = node();
    let fault = node.refuses(&node.list(5).keyset(2).by(&[1, 2]));
    assert_eq!(
        fault,
        "cannot use list \"staged.lst\": it needs keyset 2, this node has keyset 1"
    );
    assert!(
        node.rotate(&[&next], &[])
            .unwrap_err()
            .contains("the list in force would no longer be trusted")
    );
    assert_eq!((node.keyset_number(), node.gate()), (1, Answer::Banned(1)));
}

/// A list for the old keyset, signed by old and new keys, must come first. This list is used before
/// and after the rotation.
#[test]
fn a_list_for_the_old_keyset_signed_by_keys_of_both_goes_first() {
    let (node, next) = node();
    node.install(&node.list(5).keyset(1).by(&[1, 2])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(5));
    node.rotate(&[&next], &[]).unwrap();
    assert_eq!((node.keyset_number(), node.gate()), (2, Answer::Banned(5)));
    // After the rotation, the new keys sign alone.
    node.install(&node.list(6).keyset(2).by(&[2])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(6));
}

/// The list in force itself also works, with another signature by a new key.
#[test]
fn the_list_in_force_is_signed_once_more() {
    let (node, next) = node();
    let list = std::fs::read(node.state("banlist.lst")).unwrap();
    let head = super::node::text(&list);
    node.install(&super::node::signed(
        &list,
        &[signer(1).sign(&head), signer(2).sign(&head)],
    ))
    .unwrap();
    node.rotate(&[&next], &[]).unwrap();
    assert_eq!((node.keyset_number(), node.gate()), (2, Answer::Banned(1)));
}

/// An operator who rotates without such a list is warned of the consequences. The next list ends
/// these consequences.
#[test]
fn without_a_list_nothing_starts_until_the_next_one() {
    let (node, next) = node();
    let said = node.rotate(&[&next], &["--without-list"]).unwrap();
    let follows = "no list is trusted now: with mode = \"enforce\" every start is refused until a list is installed; that list needs 1 signature";
    assert!(said.contains(follows), "{said}");
    assert!(matches!(node.gate(), Answer::NoList(_)));
    node.install(&node.list(5).keyset(2).by(&[2])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(5));
}
