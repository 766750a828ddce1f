//! Tests a list that is cut off, empty, half written or changed by a careless transfer.
//! `corruption` tests a writer that changes the file while the file is read a million times.

use std::fs;

use embargo::banlist::head::HEAD_SIZE;

use super::node::{Answer, BASE, Node, OTHER, keyset};

#[test]
fn cut_at_every_kib() {
    let node = Node::trusting(&keyset(&[1], 1));
    let many: Vec<String> = (0..200_u32)
        .map(|number| format!("sha256:{number:064x}"))
        .collect();
    let list = node
        .list(412)
        .banning(
            "base",
            &many
                .iter()
                .map(String::as_str)
                .chain([BASE])
                .collect::<Vec<_>>(),
        )
        .by(&[1]);
    let ends =
        (0..list.len())
            .step_by(512)
            .chain([1, HEAD_SIZE - 1, HEAD_SIZE + 1, list.len() - 1]);
    for end in ends {
        node.distrusts(&list[..end]);
        assert!(node.install(&list[..end]).is_err(), "{end}");
    }
    assert!(
        node.names()
            .iter()
            .all(|name| [".lock", "banlist.lst"].contains(&name.as_str())),
        "{:?}",
        node.names()
    );
}

/// A file that a power cut left at its full length, with zeros where the data should be.
#[test]
fn torn_write() {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(412).by(&[1]);
    for start in (0..list.len()).step_by(512) {
        let mut torn = list.clone();
        torn[start..].fill(0);
        // If the list has only zeros from here on, writing zeros leaves the list unchanged.
        if torn == list {
            continue;
        }
        node.put(&torn);
        let answer = node.gate();
        assert!(
            matches!(answer, Answer::NoList(_) | Answer::Refused(_)),
            "{start}: {answer:?}"
        );
        assert!(node.install(&torn).is_err(), "{start}");
    }
}

#[test]
fn zero_length() {
    let node = Node::trusting(&keyset(&[1], 1));
    let fault = "not a ban list: it has no head";
    assert_eq!(
        node.distrusts(b""),
        format!("cannot use \"/var/lib/embargo/banlist.lst\": {fault}")
    );
    assert_eq!(
        node.install(b"").unwrap_err(),
        format!("cannot use \"staged.lst\": {fault}")
    );
    // The second copy is used in place of an empty file; the previous list is never used.
    fs::remove_file(node.state("banlist.lst")).unwrap();
    node.install(&node.list(1).by(&[1])).unwrap();
    node.install(&node.list(2).banning("base", &[BASE, OTHER]).by(&[1]))
        .unwrap();
    assert_eq!(node.gate(), Answer::Banned(2));
    node.put(b"");
    assert_eq!(node.gate(), Answer::BannedByCopy(2));
}

#[test]
fn crlf_and_merge_markers() {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(412).by(&[1]);
    let turned: Vec<u8> = list
        .iter()
        .flat_map(|byte| {
            if *byte == b'\n' {
                vec![b'\r', b'\n']
            } else {
                vec![*byte]
            }
        })
        .collect();
    // The head alone has CRLF line ends, still in its 4096 bytes.
    let mut head: Vec<u8> = turned
        .iter()
        .copied()
        .take_while(|byte| *byte != 0)
        .collect();
    head.resize(HEAD_SIZE, 0);
    let conflict = [
        b"<<<<<<< HEAD\n",
        &list[..HEAD_SIZE - 13],
        &list[HEAD_SIZE..],
    ]
    .concat();
    for broken in [turned, [&head, &list[HEAD_SIZE..]].concat(), conflict] {
        node.distrusts(&broken);
        assert!(node.install(&broken).is_err());
    }
}
