//! Tests authentic lists that are older than the list that this node had.

use std::fs;

use embargo::banlist::head::HEAD_SIZE;

use super::node::{Answer, Node, OTHER, keyset, keyset_of};
use super::signer::signer;

#[test]
fn older_head() {
    let node = Node::trusting(&keyset(&[1], 1));
    let older = node.list(411).banning("layer", &[OTHER]).by(&[1]);
    node.install(&older).unwrap();
    assert_eq!(node.gate(), Answer::Admitted);
    node.install(&node.list(412).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(412));
    let fault = "this node had version 412 (keyset 1)";
    assert_eq!(
        node.refuses(&older),
        format!("cannot go back to version 411 (keyset 1) of the list, in \"staged.lst\": {fault}")
    );
    // When the older list is written to the node by force, the second copy is used, and the gate
    // reports the rollback.
    node.put(&older);
    assert_eq!(node.gate(), Answer::BannedByCopy(412));
    let reported = node.messages();
    assert!(reported.contains("the second copy of list 412 is in use: cannot go back to version 411 (keyset 1) of the list, in "), "{reported}");
    let path = "/var/lib/embargo/banlist.lst";
    assert_eq!(
        node.distrusts(&older),
        format!("cannot go back to version 411 (keyset 1) of the list, in {path:?}: {fault}")
    );
}

/// An older list is never used in place of a newer list, however the newer list is lost and
/// wherever the older list is.
#[test]
fn older_list_for_a_newer_one() {
    let node = Node::trusting(&keyset(&[1], 1));
    let older = node.list(411).banning("layer", &[OTHER]).by(&[1]);
    let newest = node.list(412).by(&[1]);
    let in_every_place = |bytes: &[u8]| {
        for name in ["banlist.lst", "banlist.copy.lst", "banlist.previous.lst"] {
            fs::remove_file(node.state(name)).ok();
            fs::write(node.state(name), bytes).unwrap();
        }
    };
    node.install(&older).unwrap();
    node.install(&newest).unwrap();
    let mut flipped = newest.clone();
    flipped[newest.len() - 1] ^= 1;
    // One byte of the list in force is wrong, the whole file is empty, or another file is there
    // instead: the second copy, of the same version, is used.
    for torn in [&flipped[..], b"", &older] {
        node.put(torn);
        assert_eq!(node.gate(), Answer::BannedByCopy(412));
    }
    fs::remove_file(node.state("banlist.lst")).unwrap();
    assert_eq!(node.gate(), Answer::BannedByCopy(412));
    // If both copies are lost, there is no list. If only their records are damaged, the second copy
    // can still prove that the container is banned.
    in_every_place(b"torn");
    assert!(matches!(node.gate(), Answer::NoList(_)));
    in_every_place(&flipped);
    assert!(
        matches!(node.gate(), Answer::Refused(line) if line.starts_with("it is banned, and no more is known"))
    );
    in_every_place(&older);
    assert!(matches!(node.gate(), Answer::NoList(_)));
    node.install(&newest).unwrap();
    assert_eq!(
        (
            node.gate(),
            node.names().contains(&"banlist.previous.lst".to_owned())
        ),
        (Answer::Banned(412), false)
    );
    // The state in which an earlier version of Embargo left a node: the previous list has a file of
    // its own, and the floor names that list.
    let floor = fs::read_to_string(node.state("floor")).unwrap();
    let head = embargo::lineage::digest::Digest::of(super::node::text(&older).as_bytes());
    let as_before = || {
        for (name, bytes) in [
            ("floor", format!("{floor}previous {head}\n").as_bytes()),
            ("banlist.previous.lst", &older),
            ("banlist.lst", &newest),
        ] {
            fs::remove_file(node.state(name)).ok();
            fs::write(node.state(name), bytes).unwrap();
        }
        fs::remove_file(node.state("banlist.copy.lst")).unwrap();
    };
    as_before();
    assert_eq!(node.gate(), Answer::Banned(412));
    node.put(&flipped[..flipped.len() - 1]);
    assert!(matches!(node.gate(), Answer::NoList(_)));
    // An installation repairs the node, even an installation of the same list.
    node.put(&newest);
    let said = node.install(&newest).unwrap();
    assert!(
        said.starts_with("already in force: version 412 ")
            && said.contains("\nits second copy was made anew\n"),
        "{said}"
    );
    assert_eq!(
        node.names(),
        [".lock", "banlist.copy.lst", "banlist.lst", "floor"]
    );
    node.put(b"torn");
    assert_eq!(node.gate(), Answer::BannedByCopy(412));
}

/// A newer list was written to the node by hand, and is then damaged. The second copy, of the
/// previous list, is not used instead, as long as the damaged list's head can be read.
#[test]
fn second_copy_of_an_older_list_for_one_put_by_hand() {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(412).banning("layer", &[OTHER]).by(&[1]))
        .unwrap();
    let by_hand = node.list(413).by(&[1]);
    node.put(&by_hand);
    assert_eq!(node.gate(), Answer::Banned(413));
    for at in [HEAD_SIZE + 30, by_hand.len() - 1] {
        let mut torn = by_hand.clone();
        torn[at] ^= 1;
        node.put(&torn);
        assert_ne!(node.gate(), Answer::Admitted, "{at}");
    }
}

/// The keyset's number is compared first: a high version under an older keyset is older than any
/// version under a newer keyset.
#[test]
fn older_keyset() {
    let keys = signer(1).key_line("list");
    let node = Node::trusting(&keyset_of(3, "root=0 list=1 lift=1", &keys));
    node.install(&node.list(5).keyset(2).by(&[1])).unwrap();
    node.install(&node.list(1).keyset(3).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(1));
    let older = node.list(900).keyset(2).banning("layer", &[OTHER]).by(&[1]);
    let fault = "this node had version 1 (keyset 3)";
    assert_eq!(
        node.refuses(&older),
        format!("cannot go back to version 900 (keyset 2) of the list, in \"staged.lst\": {fault}")
    );
    let path = "/var/lib/embargo/banlist.lst";
    assert_eq!(
        node.distrusts(&older),
        format!("cannot go back to version 900 (keyset 2) of the list, in {path:?}: {fault}")
    );
}
