//! Tests an authentic list that is meant for other nodes: staging's list on production.

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
    // The list is not accepted either if the settings name its origin but the keyset does not.
    node.set("origin = \"bans.example.com/staging\"");
    node.distrusts(&list);
    let ours = node.list(1).by(&[1]);
    node.distrusts(&ours);
    node.set("origin = \"bans.example.com/prod\"");
    node.put(&ours);
    assert_eq!(node.gate(), Answer::Banned(1));
}
