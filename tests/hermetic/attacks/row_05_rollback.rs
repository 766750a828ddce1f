//! An authentic list that is older than the one this node had.

use std::fs;

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
    assert_eq!(node.refuses(&older), format!("cannot go back to version 411 (keyset 1) of the list, in \"staged.lst\": {fault}"));
    // Put in place by force, it is passed over. The list that was kept, the very same, stands in while there is no other, and the gate says so.
    node.put(&older);
    assert_eq!(node.gate(), Answer::Admitted);
    let told = node.messages();
    assert!(told.contains("previous list 411 is in use: cannot go back to version 411 (keyset 1) of the list, in "), "{told}");
    fs::remove_file(node.state("banlist.previous.lst")).unwrap();
    let path = "/var/lib/embargo/banlist.lst";
    assert_eq!(node.distrusts(&older), format!("cannot go back to version 411 (keyset 1) of the list, in {path:?}: {fault}"));
    // One that was never kept does not stand in, however authentic.
    fs::write(node.state("banlist.previous.lst"), node.list(410).banning("layer", &[OTHER]).by(&[1])).unwrap();
    node.distrusts(&older);
}

/// The number of the keyset comes first: a high version under an older keyset is older than any under the newer one.
#[test]
fn older_keyset() {
    let keys = signer(1).key_line("list");
    let node = Node::trusting(&keyset_of(3, "root=0 list=1 lift=1", &keys));
    node.install(&node.list(5).keyset(2).by(&[1])).unwrap();
    node.install(&node.list(1).keyset(3).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(1));
    let older = node.list(900).keyset(2).banning("layer", &[OTHER]).by(&[1]);
    let fault = "this node had version 1 (keyset 3)";
    assert_eq!(node.refuses(&older), format!("cannot go back to version 900 (keyset 2) of the list, in \"staged.lst\": {fault}"));
    fs::remove_file(node.state("banlist.previous.lst")).unwrap();
    let path = "/var/lib/embargo/banlist.lst";
    assert_eq!(node.distrusts(&older), format!("cannot go back to version 900 (keyset 2) of the list, in {path:?}: {fault}"));
}
