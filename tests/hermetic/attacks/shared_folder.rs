//! A folder that others may write: whoever takes list and floor away there and brings an older list, signed by all the right keys, lifts nothing.

use std::fs;

use super::node::{Answer, Node, OTHER};

const FAULT: &str = "cannot trust \"/var/lib/embargo\": owned or writable by another user";

#[test]
fn floor_and_list_taken_away() {
    for mode in [0o777, 0o1777, 0o775] {
        let node = Node::with_list(412);
        let old = node.list(7).banning("base", &[OTHER]).by(&[1]);
        node.room.keep(mode);
        fs::remove_file(node.state("floor")).unwrap();
        assert_eq!(node.distrusts(&old), FAULT, "{mode:o}");
        // Nothing is installed there, either, until the folder is its owner's alone.
        let next = node.list(413).by(&[1]);
        assert_eq!(node.install(&next).unwrap_err(), FAULT.replace("/var", "/node/var"), "{mode:o}");
        node.room.keep(0o755);
        node.install(&next).unwrap();
        assert_eq!(node.gate(), Answer::Banned(413));
    }
}
