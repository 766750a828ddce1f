//! Tests digests that differ only in their last byte, around the edge of a tree node. If fences
//! were shortened, a look-up would miss the second of two such digests.

use super::node::{Answer, BASE, Node, keyset};

#[test]
fn keys_sharing_31_bytes_around_a_boundary() {
    let node = Node::trusting(&keyset(&[1], 1));
    let own = u8::from_str_radix(&BASE[BASE.len() - 2..], 16).unwrap();
    let near = |last: u8| format!("{}{last:02x}", &BASE[..BASE.len() - 2]);
    // A leaf holds 25 digests. The container's own digest takes every position of a leaf in turn,
    // and so do the neighbouring digests on both sides.
    for (version, first) in (1..).zip(own - 27..own) {
        let neighbours: Vec<String> = (first..first + 60).map(near).collect();
        let with: Vec<_> = neighbours.iter().map(String::as_str).collect();
        let without: Vec<_> = with
            .iter()
            .copied()
            .filter(|digest| *digest != BASE)
            .collect();
        node.put(&node.list(2 * version).banning("base", &with).by(&[1]));
        assert_eq!(node.gate(), Answer::Banned(2 * version), "{first}");
        node.put(
            &node
                .list(2 * version + 1)
                .banning("base", &without)
                .by(&[1]),
        );
        assert_eq!(node.gate(), Answer::Admitted, "{first}");
    }
}
