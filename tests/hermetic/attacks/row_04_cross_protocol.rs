//! Tests valid signatures by a trusted key that were made for another purpose: a login, a commit,
//! another file, another note.

use embargo::banlist::base64;

use super::node::{Answer, Node, ORIGIN, keyset, keyset_of, signed, text};
use super::signer::{id, line, signer};
use super::ssh::{ssh_key, ssh_string, sshsig};

/// A node that trusts the SSH key of seed 1, as `phone`.
fn with_ssh_key() -> Node {
    let key = format!(
        "key list phone sshsig {}\n",
        base64::encode(&ssh_key(&signer(1)))
    );
    Node::trusting(&keyset_of(1, "root=0 list=1 lift=1", &key))
}

/// A signature line in the name `phone`.
fn by_phone(signature: &[u8]) -> String {
    line(
        "phone",
        id("phone", &[b"\xffsshsig", &ssh_key(&signer(1))[..]].concat()),
        signature,
    )
}

#[test]
fn cross_protocol_sshsig_ns() {
    let node = with_ssh_key();
    let list = node.list(1).unsigned();
    let message = text(&list).into_bytes();
    let one = signer(1);
    for namespace in [
        "git",
        "file",
        "ssh",
        "",
        "banlist",
        "banlist.v2",
        "banlist.v1 ",
        "Banlist.v1",
        "banlist.v1\0",
    ] {
        refused(
            &node,
            &signed(&list, &[by_phone(&sshsig(&one, namespace, &message))]),
            "0 of 1 trusted signatures (1 bad, 0 by unknown keys)",
        );
    }
    // The bytes that a login signs (RFC 4252, section 7), of which the server chooses the first
    // bytes; and the list's text itself, without SSH's frame.
    let login = [
        &ssh_string(&message)[..],
        b"\x32",
        &ssh_string(b"root"),
        &ssh_string(b"ssh-connection"),
    ]
    .concat();
    for bytes in [one.raw(&login), one.raw(&message)] {
        refused(
            &node,
            &signed(&list, &[by_phone(&bytes)]),
            "0 of 1 trusted signatures (1 bad, 0 by unknown keys)",
        );
    }
    // Signatures with another key inside, and for another file in the right namespace.
    for bytes in [
        sshsig(&signer(2), "banlist.v1", &message),
        sshsig(&one, "banlist.v1", b"another file\n"),
    ] {
        refused(
            &node,
            &signed(&list, &[by_phone(&bytes)]),
            "0 of 1 trusted signatures (1 bad, 0 by unknown keys)",
        );
    }
    node.install(&signed(
        &list,
        &[by_phone(&sshsig(&one, "banlist.v1", &message))],
    ))
    .unwrap();
    assert_eq!(node.gate(), Answer::Banned(1));
}

/// The same key in its two formats signs two different messages. Neither signature can replace the
/// other.
#[test]
fn cross_protocol_sshsig_and_plain() {
    let list = with_ssh_key().list(1).unsigned();
    let message = text(&list);
    let node = Node::trusting(&keyset(&[1], 1));
    refused(
        &node,
        &signed(
            &list,
            &[signer(1).line(&sshsig(&signer(1), "banlist.v1", message.as_bytes()))],
        ),
        "0 of 1 trusted signatures (1 bad, 0 by unknown keys)",
    );
    refused(
        &node,
        &signed(
            &list,
            &[by_phone(&sshsig(
                &signer(1),
                "banlist.v1",
                message.as_bytes(),
            ))],
        ),
        "0 of 1 trusted signatures (0 bad, 1 by unknown keys)",
    );
}

/// Other texts that the same keys sign: a keyset, a list for another origin, a checkpoint of a log.
/// None of these texts can be a list's head, and a list with one of them as its head is not valid.
#[test]
fn cross_protocol_note() {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(1).unsigned();
    let one = signer(1);
    let checkpoint = format!("{ORIGIN}\n4027504\ntRZ2FzgKbBUWSCjE4OoJaBUnPNb4KyLSzDh2lcDXoAU=\n");
    let next = text(&list).replace("banlist-head/v2", "banlist-head/v3");
    for other in [keyset(&[1], 1), checkpoint, next, "yes\n".to_owned()] {
        refused(
            &node,
            &signed(&list, &[one.sign(&other)]),
            "0 of 1 trusted signatures (1 bad, 0 by unknown keys)",
        );
        let fault = node.refuses(&super::node::with_head(
            &list,
            &format!("{other}\n{}", one.sign(&other)),
        ));
        assert_eq!(
            fault,
            "cannot use \"staged.lst\": not a ban list: it has no head"
        );
    }
    let staging = node.list(1).origin("bans.example.com/staging").by(&[1]);
    let moved: Vec<_> = String::from_utf8_lossy(&staging[..4_096])
        .lines()
        .filter(|line| line.starts_with('\u{2014}'))
        .map(|line| format!("{line}\n"))
        .collect();
    refused(
        &node,
        &signed(&list, &moved),
        "0 of 1 trusted signatures (1 bad, 0 by unknown keys)",
    );
}

/// The text that attestations of in-toto and cosign sign: the same bytes in another frame (DSSE
/// 1.0.2, PAE).
#[test]
fn cross_protocol_dsse() {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(1).unsigned();
    let text = text(&list);
    let kind = "application/vnd.in-toto+json";
    let framed = format!("DSSEv1 {} {kind} {} {text}", kind.len(), text.len());
    refused(
        &node,
        &signed(&list, &[signer(1).sign(&framed)]),
        "0 of 1 trusted signatures (1 bad, 0 by unknown keys)",
    );
}

/// minisign makes two signatures: one over the file or its hash, and one over that signature and a
/// comment. Only a signature over the file or its hash counts for a list.
#[test]
fn cross_protocol_minisign() {
    let one = signer(1);
    let key = [&b"Ed"[..], &[7; 8], one.public()].concat();
    let node = Node::trusting(&keyset_of(
        1,
        "root=0 list=1 lift=1",
        &format!("key list laptop minisign {}\n", base64::encode(&key)),
    ));
    let list = node.list(1).unsigned();
    let text = text(&list);
    let by_laptop = |kind: &[u8], number: [u8; 8], signature: &[u8]| {
        let id = id("laptop", &[b"\xffminisign", &key[..]].concat());
        line("laptop", id, &[kind, &number, signature].concat())
    };
    let (over_text, over_other) = (one.raw(text.as_bytes()), one.raw(b"another file\n"));
    let global = one.raw(&[&over_text[..], b"timestamp:1795183200"].concat());
    for wrong in [
        by_laptop(b"Ed", [7; 8], &over_other),
        by_laptop(b"Ed", [7; 8], &global),
        by_laptop(b"Ed", [8; 8], &over_text),
        // A signature that is labelled as made over the hash, but was made over the text.
        by_laptop(b"ED", [7; 8], &over_text),
        by_laptop(
            b"ED",
            [7; 8],
            &one.raw(embargo::lineage::digest::Digest::of(text.as_bytes()).as_bytes()),
        ),
    ] {
        refused(
            &node,
            &signed(&list, &[wrong]),
            "0 of 1 trusted signatures (1 bad, 0 by unknown keys)",
        );
    }
    node.install(&signed(&list, &[by_laptop(b"Ed", [7; 8], &over_text)]))
        .unwrap();
    assert_eq!(node.gate(), Answer::Banned(1));
}

/// Asserts that the list is not installed, and is not used when it is written to the node by force.
fn refused(node: &Node, list: &[u8], counts: &str) {
    assert_eq!(
        node.refuses(list),
        format!("cannot trust list \"staged.lst\": {counts}")
    );
    assert_eq!(
        node.distrusts(list),
        format!("cannot trust list \"/var/lib/embargo/banlist.lst\": {counts}")
    );
    std::fs::remove_file(node.state("banlist.lst")).unwrap();
}
