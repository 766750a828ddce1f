//! Tests that one key that signs twice, or that has two names, does not count as two keys.

use std::fs;

use embargo::banlist::base64;

use super::node::{Node, keyset, keyset_of, signed, text};
use super::signer::{called, line, signer};
use super::ssh::ssh_key;

#[test]
fn dup_sig() {
    let node = Node::trusting(&keyset(&[1, 2], 2));
    let list = node.list(1).unsigned();
    let signature = signer(1).sign(&text(&list));
    for lines in [vec![signature.clone(); 2], vec![signature; 16]] {
        let list = signed(&list, &lines);
        assert_eq!(
            node.refuses(&list),
            "cannot trust list \"staged.lst\": 1 of 2 trusted signatures (0 bad, 0 by unknown keys)"
        );
        node.distrusts(&list);
    }
}

/// The signature of one key again, under the ID and the name of the other key, and under names that
/// no key has.
#[test]
fn dup_keyid() {
    let node = Node::trusting(&keyset(&[1, 2], 2));
    let list = node.list(1).unsigned();
    let text = text(&list);
    let (one, two) = (signer(1), signer(2));
    let signature = one.raw(text.as_bytes());
    for (again, counts) in [
        (two.line(&signature), "1 bad, 0 by unknown keys"),
        (
            line("alias", one.id(), &signature),
            "0 bad, 0 by unknown keys",
        ),
        (
            line(&one.name, [0; 4], &signature),
            "0 bad, 1 by unknown keys",
        ),
        (called("alias", 1).sign(&text), "0 bad, 1 by unknown keys"),
    ] {
        let list = signed(&list, &[one.sign(&text), again]);
        assert_eq!(
            node.refuses(&list),
            format!("cannot trust list \"staged.lst\": 1 of 2 trusted signatures ({counts})")
        );
        node.distrusts(&list);
    }
}

/// A keyset that has one key under two names is invalid: its author believes that two people must
/// sign.
#[test]
fn dup_key_material() {
    let one = signer(1);
    let ssh = format!("key list alias sshsig {}\n", base64::encode(&ssh_key(&one)));
    let minisign = format!(
        "key list alias minisign {}\n",
        base64::encode(&[&b"Ed"[..], &[7; 8], one.public()].concat())
    );
    for again in [called("alias", 1).key_line("list"), ssh, minisign] {
        let node = Node::trusting(&keyset(&[1, 2], 2));
        let list = node.list(1).by(&[1, 2]);
        let keyset = keyset_of(1, "root=0 list=2 lift=2", &(one.key_line("list") + &again));
        fs::write(node.room.path("node/etc/embargo/keyset"), keyset).unwrap();
        let fault = "line 8: expected a key and a name that no line above has";
        assert_eq!(
            node.refuses(&list),
            format!("cannot use keyset \"/node/etc/embargo/keyset\": {fault}")
        );
        assert_eq!(
            node.distrusts(&list),
            format!("cannot use keyset \"/etc/embargo/keyset\": {fault}")
        );
    }
}
