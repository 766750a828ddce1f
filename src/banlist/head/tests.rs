//! Tests the format of the head, byte by byte.

use super::super::testing::{ISSUED, ORIGIN, key};
use super::*;

fn head() -> Head {
    Head {
        format: Format::V2,
        origin: ORIGIN.to_owned(),
        edition: Edition {
            keyset: 1,
            version: 412,
        },
        issued: ISSUED,
        expires: ISSUED.plus(14 * 86_400),
        impact: Impact::Guarded,
        urgency: Urgency::Routine,
        entries: Entries {
            all: 26,
            base: 20,
            image: 6,
            layer: 1,
            catalogue: 2,
        },
        tree_root: Digest::of(b"root"),
        records: Digest::of(b"table"),
        records_size: 5_000,
        source: Digest::of(b"source"),
        source_size: 9_000,
    }
}

fn block(text: &str) -> [u8; HEAD_SIZE] {
    let mut block = [0; HEAD_SIZE];
    block[..text.len()].copy_from_slice(text.as_bytes());
    block
}

#[test]
fn a_head_is_written_as_documented_and_read_alike() {
    let (root, table, source) = (
        Digest::of(b"root"),
        Digest::of(b"table"),
        Digest::of(b"source"),
    );
    let text = format!(
        "embargo/banlist-head/v2\norigin: bans.example.com/prod\nkeyset: 1\nversion: 412\nissued: 2026-11-20T14:00:00Z\n\
         expires: 2026-12-04T14:00:00Z\nimpact: guarded\nentries: 26 base=20 image=6 layer=1 catalogue=2\nnode-size: 1024\ntree-root: {root}\n\
         tree-size: 3072\nrecords: {table} size=5000 block-size=4096\nsource: {source} size=9000\n"
    );
    assert_eq!(head().text(), text);
    assert_eq!(Head::parse(&text), Ok(head()));
    assert_eq!(
        (head().records_at(), head().table_at(), head().file_size()),
        (7_168, 12_168, 12_232)
    );
}

#[test]
fn a_head_of_the_first_format_is_read_and_has_neither_urgency_nor_a_catalogue() {
    let first = Head {
        format: Format::V1,
        entries: Entries {
            catalogue: 0,
            ..head().entries
        },
        ..head()
    };
    let text = head()
        .text()
        .replace("/v2", "/v1")
        .replace(" catalogue=2", "");
    assert_eq!(first.text(), text);
    assert_eq!(Head::parse(&text), Ok(first));
    for (from, to, expected) in [
        (
            "layer=1",
            "layer=1 catalogue=2",
            "line 8: expected \"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER\"",
        ),
        (
            "guarded\n",
            "guarded\nurgent: yes\n",
            "line 8: expected \"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER\"",
        ),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_eq!(
            Head::parse(&broken).unwrap_err().to_string(),
            expected,
            "{to:?}"
        );
    }
}

#[test]
fn an_urgent_head_says_so_in_a_line_of_its_own() {
    let urgent = Head {
        urgency: Urgency::Urgent,
        ..head()
    };
    let text = head()
        .text()
        .replace("impact: guarded\n", "impact: guarded\nurgent: yes\n");
    assert_eq!(urgent.text(), text);
    assert_eq!(Head::parse(&text), Ok(urgent));
}

#[test]
fn the_longest_head_and_16_signatures_fit() {
    let longest = Head {
        origin: "o".repeat(128),
        edition: Edition {
            keyset: u64::MAX,
            version: u64::MAX,
        },
        entries: Entries {
            all: MAX_ENTRIES,
            base: MAX_ENTRIES,
            image: MAX_ENTRIES,
            layer: MAX_ENTRIES,
            catalogue: MAX_ENTRIES,
        },
        impact: Impact::Acknowledged,
        urgency: Urgency::Urgent,
        records_size: MAX_RECORDS,
        source_size: u64::MAX,
        ..head()
    };
    let text = longest.text();
    assert!(text.len() <= MAX_TEXT, "{}", text.len());
    assert_eq!(Head::parse(&text).as_ref(), Ok(&longest));
    let signatures = (1..=16).map(|seed| key(seed).signature(&text)).collect();
    let mut claim = Claim {
        head: longest,
        text,
        signatures,
    };
    let block = claim.block().unwrap();
    assert_eq!(Claim::parse(&block).as_ref(), Ok(&claim));
    claim.signatures.push(key(17).signature("x"));
    assert_eq!(claim.block(), None);
}

#[test]
fn every_line_has_one_spelling() {
    let text = head().text();
    let zero = Digest::from_bytes([0; 32]);
    for (from, to, expected) in [
        (
            "/v2",
            "/v3",
            "line 1: expected \"embargo/banlist-head/v2\" or \"embargo/banlist-head/v1\"",
        ),
        ("origin: ", "Origin: ", "line 2: expected \"origin: NAME\""),
        (
            "bans.example.com/prod",
            "bans example",
            "line 2: expected \"origin: NAME\"",
        ),
        (
            "origin: bans.example.com/prod\n",
            "",
            "line 2: expected \"origin: NAME\"",
        ),
        (
            "keyset: 1\n",
            "keyset: 01\n",
            "line 3: expected \"keyset: NUMBER\"",
        ),
        (
            "keyset: 1\n",
            "keyset: 1\nkeyset: 1\n",
            "line 4: expected \"version: NUMBER\"",
        ),
        (
            "version: 412",
            "version: +412",
            "line 4: expected \"version: NUMBER\"",
        ),
        (
            "version: 412",
            "version: 18446744073709551616",
            "line 4: expected \"version: NUMBER\"",
        ),
        (
            "version: 412",
            "version:  412",
            "line 4: expected \"version: NUMBER\"",
        ),
        (
            "2026-11-20T14:00:00Z",
            "2026-11-20",
            "line 5: expected \"issued: YYYY-MM-DDThh:mm:ssZ\"",
        ),
        (
            "2026-12-04T14:00:00Z",
            "2026-12-32T14:00:00Z",
            "line 6: expected \"expires: YYYY-MM-DDThh:mm:ssZ\", after the issue",
        ),
        (
            "2026-12-04T14:00:00Z",
            "2026-11-20T14:00:00Z",
            "line 6: expected \"expires: YYYY-MM-DDThh:mm:ssZ\", after the issue",
        ),
        (
            "2026-12-04T14:00:00Z",
            "2026-11-20T13:59:59Z",
            "line 6: expected \"expires: YYYY-MM-DDThh:mm:ssZ\", after the issue",
        ),
        (
            "2026-12-04T14:00:00Z",
            "1970-01-01T00:00:00Z",
            "line 6: expected \"expires: YYYY-MM-DDThh:mm:ssZ\", after the issue",
        ),
        (
            "guarded",
            "ignored",
            "line 7: expected \"impact: guarded\" or \"impact: acknowledged\"",
        ),
        (
            "entries: 26",
            "entries: 30",
            "line 8: expected \"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER catalogue=NUMBER\"",
        ),
        (
            "base=20 image=6",
            "image=6 base=20",
            "line 8: expected \"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER catalogue=NUMBER\"",
        ),
        (
            "entries: 26",
            "entries: 4294967297",
            "line 8: expected \"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER catalogue=NUMBER\"",
        ),
        (
            "catalogue=2\n",
            "catalogue=2 x=1\n",
            "line 8: expected \"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER catalogue=NUMBER\"",
        ),
        (
            " catalogue=2",
            "",
            "line 8: expected \"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER catalogue=NUMBER\"",
        ),
        (
            "guarded\n",
            "guarded\nurgent: no\n",
            "line 8: expected \"urgent: yes\", or no such line",
        ),
        (
            "guarded\n",
            "guarded\nurgent: yes\nurgent: yes\n",
            "line 9: expected \"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER catalogue=NUMBER\"",
        ),
        (
            "node-size: 1024",
            "node-size: 4096",
            "line 9: expected \"node-size: 1024\"",
        ),
        (
            "tree-root: sha256:",
            "tree-root: sha512:",
            "line 10: expected \"tree-root: sha256:DIGEST\"",
        ),
        (
            "tree-size: 3072",
            "tree-size: 2048",
            "line 11: expected \"tree-size: NUMBER\", the size of a tree of so many entries",
        ),
        (
            "block-size=4096",
            "block-size=8192",
            "line 12: expected \"records: sha256:DIGEST size=NUMBER block-size=4096\"",
        ),
        (
            "size=5000",
            "size=134217729",
            "line 12: expected \"records: sha256:DIGEST size=NUMBER block-size=4096\"",
        ),
        (
            " size=9000",
            "",
            "line 13: expected \"source: sha256:DIGEST size=NUMBER\"",
        ),
        (
            "size=9000\n",
            "size=9000\nx-more: 1\n",
            "line 14: expected no more lines",
        ),
        (
            "size=9000\n",
            "size=9000\n\n",
            "line 14: expected no more lines",
        ),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{from:?} {to:?} {zero}");
        assert_eq!(
            Head::parse(&broken).unwrap_err().to_string(),
            expected,
            "{from:?} {to:?}"
        );
    }
    assert_eq!(
        Head::parse(&"x".repeat(MAX_TEXT + 1))
            .unwrap_err()
            .to_string(),
        "line 1: expected at most 1024 bytes of text"
    );
}

#[test]
fn a_head_block_is_a_note_and_zeros() {
    let text = head().text();
    let unsigned = Claim::parse(&block(&text)).unwrap();
    assert_eq!((&unsigned.head, unsigned.signatures.len()), (&head(), 0));
    let mut padded = block(&text);
    padded[HEAD_SIZE - 1] = 1;
    assert_eq!(
        Claim::parse(&padded).unwrap_err().to_string(),
        "line 14: expected zeros up to byte 4096"
    );
    assert_eq!(
        Claim::parse(&[0; HEAD_SIZE]).unwrap_err().to_string(),
        "line 1: expected a line feed at the end"
    );
    assert_eq!(
        Claim::parse(&block(&text.replace('\n', "\r\n")))
            .unwrap_err()
            .to_string(),
        "line 1: expected line ends of Unix, not CR LF"
    );
    assert_eq!(
        Claim::parse(&block(&format!("\u{feff}{text}")))
            .unwrap_err()
            .to_string(),
        "line 1: expected \"embargo/banlist-head/v2\" or \"embargo/banlist-head/v1\""
    );
}

#[test]
fn every_prefix_of_a_head_is_refused() {
    let text = head().text();
    for end in 0..text.len() {
        assert!(Claim::parse(&block(&text[..end])).is_err(), "{end}");
    }
}
