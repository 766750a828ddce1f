//! Tests a disk that was restored from a snapshot: the list and the floor both go back, and both
//! are authentic.

use std::fs;

use super::node::{Answer, Node, OTHER, keyset};

#[test]
fn restored_directory_with_min_version_set() {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(397).banning("layer", &[OTHER]).by(&[1]))
        .unwrap();
    node.install(&node.list(398).banning("layer", &[OTHER]).by(&[1]))
        .unwrap();
    let snapshot = node.everything();
    node.install(&node.list(412).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(412));
    for (name, bytes) in snapshot {
        fs::remove_file(node.state(&name)).unwrap();
        fs::write(node.state(&name), bytes).unwrap();
    }
    // Nothing on the restored disk shows that the list is old. `min_version`, which configuration
    // management writes to /etc, does show that, for both copies.
    assert_eq!(node.gate(), Answer::Admitted);
    node.set("min_version = 412");
    let fault = "version 398 is below min_version 412";
    assert_eq!(
        node.gate(),
        Answer::NoList(format!(
            "cannot use list \"/var/lib/embargo/banlist.lst\": {fault}"
        ))
    );
    fs::remove_file(node.state("banlist.lst")).unwrap();
    assert_ne!(node.gate(), Answer::Admitted);
    node.install(&node.list(412).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(412));
}
