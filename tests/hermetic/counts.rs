//! Tests that the real gate counts its events on a node, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::attacks::node::{Answer, BASE, Node, OTHER, keyset};

/// A node whose `/run/embargo` the tests' user may write to, with a list that bans this digest.
fn node(digest: &str) -> Node {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(7).banning("base", &[digest]).by(&[1]))
        .unwrap();
    fs::create_dir_all(run(&node)).unwrap();
    node.room.give(&run(&node));
    node
}

fn run(node: &Node) -> PathBuf {
    node.room.path("node/run/embargo")
}

/// The sizes of the files of the counts; `None` without their directory.
fn counts(node: &Node) -> Option<BTreeMap<String, u64>> {
    let mut sizes = BTreeMap::new();
    for entry in fs::read_dir(run(node).join("counts")).ok()? {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        sizes.insert(name, entry.metadata().unwrap().len());
    }
    Some(sizes)
}

fn expected(counts: &[(&str, u64)]) -> Option<BTreeMap<String, u64>> {
    Some(
        counts
            .iter()
            .map(|(name, size)| ((*name).to_owned(), *size))
            .collect(),
    )
}

#[test]
fn each_refusal_is_counted_and_a_plain_admission_is_not() {
    let admitting = node(OTHER);
    assert_eq!(admitting.gate(), Answer::Admitted);
    assert_eq!(counts(&admitting), None);

    let node = node(BASE);
    for _ in 0..3 {
        assert_eq!(node.gate(), Answer::Banned(7));
    }
    let refused = [("ban.high.BAN-1", 3), ("event.refused.banned.docker", 3)];
    assert_eq!(counts(&node), expected(&refused));
    node.set("mode = \"audit\"");
    assert_eq!(node.gate(), Answer::Admitted);
    let [ban, event] = refused;
    let would = ("event.would-refuse.banned.docker", 1);
    assert_eq!(counts(&node), expected(&[ban, event, would]));
}

#[test]
fn what_cannot_be_counted_changes_no_verdict() {
    let node = node(BASE);
    let outcomes = |node: &Node| {
        node.set("");
        assert_eq!(node.gate(), Answer::Banned(7));
        node.set("mode = \"audit\"");
        assert_eq!(node.gate(), Answer::Admitted);
    };
    // The directory cannot be made.
    fs::set_permissions(run(&node), fs::Permissions::from_mode(0o555)).unwrap();
    outcomes(&node);
    assert_eq!(counts(&node), None);
    // Others may write to the directory.
    fs::set_permissions(run(&node), fs::Permissions::from_mode(0o777)).unwrap();
    outcomes(&node);
    assert_eq!(counts(&node), expected(&[]));
    // Something else has its name.
    fs::remove_dir_all(run(&node)).unwrap();
    fs::write(run(&node), "").unwrap();
    outcomes(&node);
}
