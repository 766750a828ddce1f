//! Tests two different lists of the same version, shown to different nodes, or to one node one
//! after the other.

use std::fs;

use super::node::{Answer, Node, OTHER, signed, text};
use super::signer::signer;

#[test]
fn equivocation() {
    let node = Node::with_list(412);
    let other = node.list(412).banning("base", &[OTHER]).by(&[1]);
    assert_eq!(
        node.refuses(&other),
        "cannot trust list \"staged.lst\": version 412 (keyset 1) was installed with other content"
    );
    assert_eq!(
        node.distrusts(&other),
        "cannot trust list \"/var/lib/embargo/banlist.lst\": version 412 (keyset 1) was installed with other content"
    );
}

/// With more signatures over the same text, a list is still the same list.
#[test]
fn the_same_text_with_other_signatures_is_no_equivocation() {
    let node = Node::with_list(412);
    let list = fs::read(node.state("banlist.lst")).unwrap();
    let text = text(&list);
    node.install(&signed(
        &list,
        &[signer(9).sign(&text), signer(1).sign(&text)],
    ))
    .unwrap();
    assert_eq!(node.gate(), Answer::Banned(412));
    assert_eq!(
        node.names(),
        [".lock", "banlist.copy.lst", "banlist.lst", "floor"]
    );
    assert_eq!(
        fs::read(node.state("banlist.copy.lst")).unwrap(),
        fs::read(node.state("banlist.lst")).unwrap()
    );
}
