//! Tests texts that a careless parser would misread, and texts that would cost a careless parser
//! too much time or memory. `tests/fuzz` feeds random bytes to each parser.

use std::fs;
use std::time::{Duration, Instant};

use embargo::banlist::base64;

use super::craft::Parts;
use super::node::{Answer, BASE, Node, keyset, signed, text, with_head};
use super::signer::{line, signer};

/// Changes to a head's text: the old part, the new part, and the error. Each changed head is
/// signed, so only the grammar can reject it.
const HEADS: [(&str, &str, &str); 22] = [
    (
        "entries: 1 base=1",
        "entries: 18446744073709551615 base=18446744073709551615",
        "line 8: expected \"entries: ",
    ),
    (
        "entries: 1 base=1",
        "entries: 18446744073709551616 base=1",
        "line 8: expected \"entries: ",
    ),
    (
        "entries: 1 base=1",
        "entries: 4294967297 base=4294967297",
        "line 8: expected \"entries: ",
    ),
    (
        "entries: 1 base=1",
        "entries: 4294967296 base=4294967296",
        "line 11: expected \"tree-size: ",
    ),
    (
        "entries: 1 base=1",
        "entries: -1 base=1",
        "line 8: expected \"entries: ",
    ),
    (
        "entries: 1 base=1",
        "entries: 1e0 base=1",
        "line 8: expected \"entries: ",
    ),
    (
        "entries: 1 base=1",
        "entries: 0x1 base=1",
        "line 8: expected \"entries: ",
    ),
    (
        "entries: 1 base=1",
        "entries: \u{661} base=1",
        "line 8: expected \"entries: ",
    ),
    (
        "tree-size: 1024",
        "tree-size: 18446744073709551615",
        "line 11: expected \"tree-size: ",
    ),
    (
        "tree-size: 1024",
        "tree-size: 01024",
        "line 11: expected \"tree-size: ",
    ),
    (
        " block-size=4096",
        " block-size=0",
        "line 12: expected \"records: ",
    ),
    (
        " size=",
        " size=99999999999",
        "line 12: expected \"records: ",
    ),
    (
        "version: 1\n",
        "version: 1\nversion: 2\n",
        "line 5: expected \"issued: ",
    ),
    (
        "origin: bans",
        "origin: bans.example.com/prod\norigin: bans",
        "line 3: expected \"keyset: ",
    ),
    (
        "version: 1\n",
        "version: 1 \n",
        "line 4: expected \"version: ",
    ),
    (
        "version: 1\n",
        "version: 1\r\n",
        "line 4: expected line ends of Unix, not CR LF",
    ),
    (
        "version: 1\n",
        "version: \u{1}1\n",
        "line 4: expected text without control characters",
    ),
    ("version: 1\n", "version: 1\u{85}\n", "line 4: expected "),
    ("embargo/", "\u{feff}embargo/", ""),
    (
        "impact: guarded",
        "impact: acknowledged\u{200b}",
        "line 7: expected \"impact: ",
    ),
    (
        "origin: bans.example.com/prod",
        "origin: bans.example.com/prod\u{202e}",
        "line 2: expected \"origin: ",
    ),
    ("\nissued: ", "\n\nissued: ", "line "),
];

#[test]
fn heads() {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(1).unsigned();
    for (from, to, expected) in HEADS {
        let changed = text(&list).replacen(from, to, 1);
        assert_ne!(changed, text(&list), "{from:?}");
        let list = with_head(&list, &format!("{changed}\n{}", signer(1).sign(&changed)));
        assert_malformed(&node, &list, expected);
    }
}

/// Bytes that are not text at all, and bytes after the head.
#[test]
fn nul_and_bytes_that_are_no_text() {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(1).by(&[1]);
    let end = list.iter().position(|byte| *byte == 0).unwrap();
    let written = |at: usize, bytes: &[u8]| {
        let mut list = list.clone();
        list[at..at + bytes.len()].copy_from_slice(bytes);
        list
    };
    for (list, expected) in [
        (written(40, b"\0"), ""),
        (written(end - 1, b"\0"), ""),
        (written(end + 1, b"x"), "expected zeros up to byte 4096"),
        (written(4_095, b"\n"), "expected zeros up to byte 4096"),
        (written(60, b"\xff"), "expected UTF-8"),
        (written(60, b"\xc0\xaf"), "expected UTF-8"),
        (written(60, b"\xed\xa0\x80"), "expected UTF-8"),
        (written(end - 3, &[b'A'; 4_099][..4_096 - end]), ""),
    ] {
        assert_malformed(&node, &list, expected);
    }
}

#[test]
fn seventeen_signatures() {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(1).unsigned();
    let strangers = |count: u8| {
        (0..count)
            .map(|seed| signer(100 + seed).sign(&text(&list)))
            .chain([signer(1).sign(&text(&list))])
    };
    node.install(&signed(&list, &strangers(15).collect::<Vec<_>>()))
        .unwrap();
    assert_eq!(node.gate(), Answer::Banned(1));
    assert_malformed(
        &node,
        &signed(&list, &strangers(16).collect::<Vec<_>>()),
        "expected at most 16 signatures",
    );
}

/// Base64 must have only one spelling for the same bytes. Otherwise one signature would have many
/// texts.
#[test]
fn non_canonical_base64() {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(1).unsigned();
    let good = signer(1).sign(&text(&list));
    let (dash_and_name, payload) = good.trim_end().rsplit_once(' ').unwrap();
    // The Base64 of 68 bytes ends with one `=`. The letter before it carries two bits without
    // meaning.
    let (body, last) = (
        &payload[..payload.len() - 2],
        payload.as_bytes()[payload.len() - 2],
    );
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let at = alphabet.bytes().position(|letter| letter == last).unwrap();
    assert!(payload.ends_with('=') && at % 4 == 0);
    let loose = &alphabet[at + 1..=at + 1];
    for spelling in [
        format!("{body}{loose}="),
        format!("{body}{}", last as char),
        format!("{payload}="),
        payload.replace(['+', '/'], "-"),
        format!("{payload} "),
        format!(" {payload}"),
        format!("{}\u{200b}{}", &payload[..8], &payload[8..]),
        format!("{}%3d", &payload[..payload.len() - 1]),
        String::new(),
        base64::encode(&[1, 2, 3]),
        base64::encode(&[1, 2, 3, 4]),
    ] {
        if spelling == payload {
            continue;
        }
        assert_malformed(
            &node,
            &signed(&list, &[format!("{dash_and_name} {spelling}\n")]),
            "expected \"\u{2014} NAME BASE64\"",
        );
    }
    let name = "a".repeat(3_000);
    for lines in [
        line(&name, [0; 4], &[7; 64]),
        line("with space", [0; 4], &[7; 64]),
        line("", [0; 4], &[7; 64]),
    ] {
        assert_malformed(&node, &signed(&list, &[lines + &good]), "");
    }
}

/// Records with correct hashes: a signer may write anything into them, and a ban must still be
/// either read or reported as unreadable.
#[test]
fn records() {
    let node = Node::trusting(&keyset(&[1], 1));
    let parts = Parts::of(&node.list(1).by(&[1]));
    let text_of = String::from_utf8(parts.records.clone()).unwrap();
    let (ban, entry) = text_of.trim_end().split_once('\n').unwrap();
    let deep = format!(
        "{}{}",
        "[".repeat(ban.len() / 2),
        "]".repeat(ban.len() - ban.len() / 2)
    );
    let again = format!("{}{}", &ban[..ban.len() - 1], ",\"id\":\"BAN-2\"}");
    for changed in [
        format!("{}\n{entry}\n", "{".repeat(ban.len())),
        format!("{deep}\n{entry}\n"),
        format!("{}\n{entry}\n", " ".repeat(ban.len())),
        format!("{}\n{entry}\n", "\0".repeat(ban.len())),
        format!("{ban}\n{}\n", entry.replace("\"ban\":0", "\"ban\":9")),
        format!("{ban}\n{}\n", entry.replace("\"ban\":0", "\"ban\":1")),
        format!("{ban}\n{}\n", entry.replace("base", "bass")),
        format!("{}\n{entry}", ban.replace("high", "hihg")),
        format!("{again}\n{entry}\n"),
        format!("{ban} {entry}\n"),
    ] {
        assert_ne!(changed, text_of);
        let mut wrong = parts.clone();
        wrong.records = changed.clone().into_bytes();
        let list = wrong.sealed();
        let list = signed(&list, &[signer(1).sign(&text(&list))]);
        let fault = node.refuses(&list);
        assert!(
            fault.starts_with("cannot trust list \"staged.lst\": "),
            "{fault} {changed}"
        );
        node.put(&list);
        let answer = node.gate();
        assert!(
            matches!(&answer, Answer::Refused(line) if line.contains(BASE))
                || answer == Answer::Banned(1),
            "{answer:?} {changed}"
        );
        fs::remove_file(node.state("banlist.lst")).unwrap();
    }
}

/// The same abuse of a keyset and of a floor. These files are trusted because of their directory,
/// but are read just as strictly.
#[test]
fn keysets_and_floors() {
    let node = Node::with_list(1);
    let (keyset_path, floor_path) = (
        node.room.path("node/etc/embargo/keyset"),
        node.state("floor"),
    );
    let list = node.list(2).by(&[1]);
    for (path, reported) in [(keyset_path, "keyset"), (floor_path, "floor")] {
        let good = fs::read_to_string(&path).unwrap();
        for broken in [
            String::new(),
            "\n".to_owned(),
            format!("\u{feff}{good}"),
            good.replace('\n', "\r\n"),
            good.replacen('1', "18446744073709551616", 1),
            good.replacen(' ', "\0", 1),
            good.replacen(' ', "  ", 1),
            format!("{good}{good}"),
            format!("{good}\u{1}\n"),
            good.trim_end().to_owned() + " ",
            "x".repeat(20_000),
        ] {
            fs::write(&path, &broken).unwrap();
            let Answer::NoList(fault) = node.gate() else {
                panic!("{reported}: {broken:?}")
            };
            assert!(
                fault.starts_with("cannot ") && fault.contains(reported),
                "{fault}"
            );
            assert!(
                node.install(&list).unwrap_err().starts_with("cannot "),
                "{reported}: {broken:?}"
            );
        }
        fs::write(&path, good).unwrap();
    }
    assert_eq!(node.gate(), Answer::Banned(1));
}

/// Asserts that the list is neither installed nor used, that the refusal takes no time, and that
/// the error names the wrong line.
fn assert_malformed(node: &Node, list: &[u8], expected: &str) {
    let began = Instant::now();
    let before = node.everything();
    let faults = [node.refuses(list), node.distrusts(list)];
    for fault in faults {
        assert!(
            fault.starts_with("cannot ") && fault.contains(expected),
            "{fault}"
        );
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    // Restores the list that was in force before.
    match before.iter().find(|(name, _)| name == "banlist.lst") {
        Some((_, list)) => node.put(list),
        None => fs::remove_file(node.state("banlist.lst")).unwrap(),
    }
}
