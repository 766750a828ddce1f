//! Tests a list with one bad signature and enough good ones: one broken signer must not stop a list
//! for a whole fleet.

use super::node::{Answer, Node, OTHER, keyset, signed, text};
use super::signer::signer;

#[test]
fn invalid_sig_in_valid_head() {
    let node = Node::trusting(&keyset(&[1, 2, 3], 2));
    for (version, bytes) in [
        (2, vec![7; 64]),
        (3, vec![0; 1]),
        (4, vec![0xff; 100]),
        (5, signer(2).raw(b"another text\n")),
    ] {
        let list = node.list(version).unsigned();
        let text = text(&list);
        // The bad signature is before, between or after the good signatures.
        for at in 0..3 {
            let mut lines = vec![signer(1).sign(&text), signer(3).sign(&text)];
            lines.insert(at, signer(2).line(&bytes));
            let said = node.install(&signed(&list, &lines)).unwrap();
            assert!(said.contains("beside 2 good signatures 1 do"), "{said}");
            assert_eq!(node.gate(), Answer::Banned(version));
        }
    }
}

/// The gate reports the bad signature, unless it has counted enough good signatures before; so does
/// `check`.
#[test]
fn invalid_sig_is_reported() {
    let node = Node::trusting(&keyset(&[1, 2, 3], 2));
    for at in 0..3 {
        let version = at as u64 + 1;
        let list = node.list(version).banning("base", &[OTHER]).unsigned();
        let mut lines = vec![signer(1).sign(&text(&list)), signer(3).sign(&text(&list))];
        lines.insert(at, signer(2).line(&[7; 64]));
        node.install(&signed(&list, &lines)).unwrap();
        let message = format!(
            "list {version} has enough good signatures, and 1 beside them that do not verify"
        );
        assert_eq!(
            node.messages().contains(&message),
            at < 2,
            "{}",
            node.messages()
        );
    }
    node.install(&node.list(4).banning("base", &[OTHER]).by(&[1, 2, 3]))
        .unwrap();
    assert!(
        !node.messages().contains("do not verify"),
        "{}",
        node.messages()
    );
}

/// A bad signature is skipped, but the list still needs enough good signatures.
#[test]
fn invalid_sig_in_the_place_of_a_good_one() {
    let node = Node::trusting(&keyset(&[1, 2, 3], 2));
    let list = node.list(1).unsigned();
    let list = signed(
        &list,
        &[signer(1).sign(&text(&list)), signer(2).line(&[7; 64])],
    );
    let fault = "1 of 2 trusted signatures (1 bad, 0 by unknown keys)";
    assert_eq!(
        node.refuses(&list),
        format!("cannot trust list \"staged.lst\": {fault}")
    );
    assert_eq!(
        node.distrusts(&list),
        format!("cannot trust list \"/var/lib/embargo/banlist.lst\": {fault}")
    );
}
