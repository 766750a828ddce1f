//! Tests a stolen list key that signs the highest possible version, so that no list of the rightful
//! signers would ever be newer.

use std::fs;

use super::node::{Answer, Node, OTHER, keyset_of, rotated};
use super::signer::signer;

/// By how much one list may raise the version.
const JUMP: u64 = 1 << 20;

fn node() -> Node {
    let keys =
        signer(5).key_line("root") + &signer(1).key_line("list") + &signer(2).key_line("list");
    let node = Node::trusting(&keyset_of(1, "root=1 list=1 lift=1", &keys));
    node.install(&node.list(412).by(&[1])).unwrap();
    node
}

#[test]
fn jump_cap() {
    let node = node();
    for version in [u64::MAX, u64::MAX - 1, 1 << 63, 412 + JUMP + 1] {
        let list = node.list(version).banning("base", &[OTHER]).by(&[2]);
        let fault = node.refuses(&list);
        assert!(
            fault.contains(&format!("version {version} (keyset 1)"))
                && fault.contains("\"staged.lst\""),
            "{fault}"
        );
        let before = fs::read(node.state("banlist.lst")).unwrap();
        let fault = node.distrusts(&list);
        assert!(
            fault.contains(&format!("version {version} (keyset 1)"))
                && fault.contains("banlist.lst"),
            "{fault}"
        );
        node.put(&before);
        assert_eq!(node.gate(), Answer::Banned(412));
    }
    node.install(&node.list(412 + JUMP).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(412 + JUMP));
}

/// The thief can still raise the version by that much. A rotation removes the stolen key, and
/// versions start again at the rightful signers' number.
#[test]
fn ff_then_rotate_recovers() {
    let node = node();
    let ahead = node.list(412 + JUMP).banning("base", &[OTHER]).by(&[2]);
    node.install(&ahead).unwrap();
    assert_eq!(node.gate(), Answer::Admitted);
    // Under the same keyset, the rightful signers' next list is treated as older.
    assert!(
        node.refuses(&node.list(413).by(&[1]))
            .starts_with("cannot go back to version 413")
    );
    let keys = signer(5).key_line("root") + &signer(1).key_line("list");
    let next = rotated(&keyset_of(2, "root=1 list=1 lift=1", &keys), &[5]);
    // The rotation does not happen silently: afterwards there would be no list in force.
    assert_eq!(
        node.rotate(&[&next], &[]).unwrap_err(),
        "cannot rotate to \"keyset-0\": the list in force would no longer be trusted: \
         cannot trust list \"/node/var/lib/embargo/banlist.lst\": 0 of 1 trusted signatures (0 bad, 1 by unknown keys)"
    );
    node.rotate(&[&next], &["--without-list"]).unwrap();
    // From now on both copies of the thief's list are invalid, and so is any newer list of the
    // thief's.
    assert!(matches!(node.gate(), Answer::NoList(_)));
    for keyset in [1, 2] {
        let fault = node
            .install(
                &node
                    .list(412 + JUMP + 1)
                    .keyset(keyset)
                    .banning("base", &[OTHER])
                    .by(&[2]),
            )
            .unwrap_err();
        assert_eq!(
            fault,
            "cannot trust list \"staged.lst\": 0 of 1 trusted signatures (0 bad, 1 by unknown keys)"
        );
    }
    node.install(&node.list(413).keyset(2).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(413));
    // The thief's list, which was in force before, is not accepted again either.
    node.put(&ahead);
    assert_ne!(node.gate(), Answer::Admitted);
}
