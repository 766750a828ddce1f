//! Tests a list that is authentic and meant for other nodes: staging's on production.

use super::node::{Answer, Node, OTHER, keyset};

#[test]
fn other_origin() {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node
        .list(1)
        .origin("bans.example.com/staging")
        .banning("layer", &[OTHER])
        .by(&[1]);
    let fault = "it is for \"bans.example.com/staging\", not for \"bans.example.com/prod\"";
    assert_eq!(
        node.refuses(&list),
        format!("cannot use list \"staged.lst\": {fault}")
    );
    assert_eq!(
        node.distrusts(&list),
        format!("cannot use list \"/var/lib/embargo/banlist.lst\": {fault}")
    );
    // It does not pass for ours either where the settings name its origin and the keyset does not.
    node.set("origin = \"bans.example.com/staging\"");
    node.distrusts(&list);
    let ours = node.list(1).by(&[1]);
    node.distrusts(&ours);
    node.set("origin = \"bans.example.com/prod\"");
    node.put(&ours);
    assert_eq!(node.gate(), Answer::Banned(1));
}
