//! Tests the head of one list with the tree or the records of another list.

use super::node::{Answer, BASE, Node, OTHER, keyset};

use embargo::banlist::head::HEAD_SIZE;

#[test]
fn swapped_trees() {
    let node = Node::trusting(&keyset(&[1], 1));
    let (one, two) = (
        node.list(1).banning("base", &[OTHER]).by(&[1]),
        node.list(2).banning("base", &[BASE]).by(&[1]),
    );
    assert_eq!(one.len(), two.len());
    let tree_end = HEAD_SIZE + 1_024;
    let corrupt = "node 0/0 of its tree is corrupt";
    // First the new head with the rest of the old list; then the new head and records with the old
    // tree.
    for mixed in [
        [&two[..HEAD_SIZE], &one[HEAD_SIZE..]].concat(),
        [
            &two[..HEAD_SIZE],
            &one[HEAD_SIZE..tree_end],
            &two[tree_end..],
        ]
        .concat(),
    ] {
        assert_eq!(
            node.refuses(&mixed),
            format!("cannot trust list \"staged.lst\": {corrupt}")
        );
        assert_eq!(
            node.distrusts(&mixed),
            format!("cannot trust list \"/var/lib/embargo/banlist.lst\": {corrupt}")
        );
    }
    node.put(&two);
    assert_eq!(node.gate(), Answer::Banned(2));
}

/// The tree says that the container is banned. The records behind the tree belong to a list that
/// does not ban the container.
#[test]
fn swapped_records() {
    let node = Node::trusting(&keyset(&[1], 1));
    let ban = |action: &str, reason: &str| {
        let ban = "[[ban]]\nid = \"BAN-1\"\nseverity = \"high\"\neffective = 2026-11-01";
        format!(
            "{ban}\nreason = \"{reason}\"\naction = \"{action}\"\n[[ban.match]]\nbase = \"{BASE}\"\n"
        )
    };
    // Two lists whose records have the same length.
    let (refuses, warns) = (
        node.list(2).source(ban("refuse", "old")).by(&[1]),
        node.list(1).source(ban("warn", "older")).by(&[1]),
    );
    assert_eq!(refuses.len(), warns.len());
    let tree_end = HEAD_SIZE + 1_024;
    node.put(&warns);
    assert_eq!(node.gate(), Answer::Admitted);
    let mixed = [&refuses[..tree_end], &warns[tree_end..]].concat();
    node.put(&mixed);
    let fault = "cannot trust list \"/var/lib/embargo/banlist.lst\": its block table is corrupt";
    assert_eq!(
        node.gate(),
        Answer::Refused(format!(
            "it is banned, and no more is known: cannot read the ban of {BASE}: {fault}"
        ))
    );
    assert_eq!(
        node.refuses(&mixed),
        "cannot trust list \"staged.lst\": its block table is corrupt"
    );
}
