//! Compares compiled lists with a plain map.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::super::testing::{digest, list, parse, source, terms, written};
use super::super::{ban::MatchKind, head::HEAD_SIZE};
use super::*;

#[test]
fn every_digest_is_in_the_list_once_with_all_its_kinds() {
    let kinds = [
        ("base", MatchKind::Base),
        ("image", MatchKind::Image),
        ("layer", MatchKind::Layer),
    ];
    // Most digests occur once, some as two kinds, and some differ only in their last byte.
    let near = |number: u64| {
        Digest::from_bytes(std::array::from_fn(|at| {
            if at == 31 { number.to_le_bytes()[0] } else { 7 }
        }))
    };
    let any = |number: u64| {
        if number.is_multiple_of(4) {
            near(number)
        } else {
            digest(number)
        }
    };
    let mut expected: BTreeMap<Digest, Kinds> = BTreeMap::new();
    let mut matches = Vec::new();
    for (number, (word, kind)) in (0..1_500).zip(kinds.into_iter().cycle()) {
        for digest in [any(number % 1_000), digest(number + 10_000)] {
            let before = expected.entry(digest).or_insert(Kinds::NONE);
            if !before.has(kind) {
                *before = before.with(kind);
                matches.push((word, digest));
            }
        }
    }
    let compiled = Compiled::of(&source(&matches)).unwrap();
    let digests = compiled
        .digests
        .iter()
        .map(|(digest, number)| (*digest, compiled.lines[*number as usize].1));
    assert_eq!(
        digests.collect::<Vec<_>>(),
        expected.into_iter().collect::<Vec<_>>()
    );
}

#[test]
fn the_same_source_and_terms_make_the_same_bytes() {
    let source = source(&[("base", digest(1)), ("layer", digest(2))]);
    assert_eq!(list(&source, &terms(1), &[]), list(&source, &terms(1), &[]));
    // Other head terms change only the head.
    let (one, other) = (list(&source, &terms(1), &[]), list(&source, &terms(2), &[]));
    assert!(one[..HEAD_SIZE] != other[..HEAD_SIZE] && one[HEAD_SIZE..] == other[HEAD_SIZE..]);
    // The head is the same when the list itself is not written anywhere.
    let (kept, head) = (
        Mutex::new(Vec::new()),
        written(&source, &terms(1), &io::sink()),
    );
    assert_eq!(written(&source, &terms(1), &kept), head);
    assert_eq!(kept.into_inner().unwrap().len() as u64, head.file_size());
}

#[test]
fn what_cannot_be_a_list_is_reported_with_its_ban() {
    let ban = |id: &str, more: &str| {
        format!(
            "[[ban]]\nid = \"{id}\"\nreason = \"r\"\nseverity = \"low\"\neffective = 2026-11-20\n{more}"
        )
    };
    let matched = |name: &str| {
        format!(
            "[[ban.match]]\nbase = \"{}\"\nname = \"{name}\"\n",
            digest(1)
        )
    };
    let advisories = format!("advisories = [{}]\n", "\"CVE-2026-123456\",".repeat(20_000));
    for (text, expected) in [
        (
            ban("A", &(matched("n") + &matched("n"))),
            format!("cannot compile A: {} is in it twice", digest(1)),
        ),
        (
            ban("A", &matched("n")) + &ban("B", &(advisories + &matched("n"))),
            "cannot compile B: its record has more than 65536 bytes".to_owned(),
        ),
    ] {
        assert_eq!(
            Compiled::of(&parse(&text)).unwrap_err().to_string(),
            expected
        );
    }
    let often = |names: usize| {
        ban("A", "")
            + &(0..names)
                .map(|name| matched(&name.to_string()))
                .collect::<String>()
    };
    let error = Compiled::of(&parse(&often(65))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot compile A: {} is in it and in other bans under more than 64 names",
            digest(1)
        )
    );
    assert!(Compiled::of(&parse(&often(64))).is_ok());
    // The limit also applies to all bans of one digest together.
    let heavy = |id: &str| {
        ban(
            id,
            &(format!("advisories = [{}]\n", "\"CVE-2026-123456\",".repeat(1_200)) + &matched("n")),
        )
    };
    let many = |bans: usize| {
        (0..bans)
            .map(|number| heavy(&format!("B{number}")))
            .collect::<String>()
    };
    assert!(Compiled::of(&parse(&many(1))).is_ok());
    assert_eq!(
        Compiled::of(&parse(&many(2))).unwrap_err().to_string(),
        format!(
            "cannot compile B0: what it and other bans say about {} has more than 131072 bytes, a comma counted as 48",
            digest(1)
        )
    );
    // Two matches with different names, or of different bans, are two reasons.
    assert!(
        Compiled::of(&parse(
            &(ban("A", &(matched("n") + &matched("m"))) + &ban("B", &matched("n")))
        ))
        .is_ok()
    );
}
