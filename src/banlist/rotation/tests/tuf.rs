//! Runs the test tables of tuf-conformance (051b735), under the names that tuf-conformance gives
//! them: `test_updater_key_rotations.py`, `test_keys.py`, `test_rollback.py`, `test_expiration.py`
//! and `test_basic.py`. Rows about things that a keyset does not have are left out.

use super::*;

#[test]
fn test_root_rotation() {
    let five = &[0, 1, 2, 3, 4][..];
    let other = &[0, 1, 3, 4, 5][..];
    let by_old = |good, needed, unknown| {
        Some(format!(
            "by root keys of keyset 1: {good} of {needed} trusted signatures (0 bad, {unknown} by unknown keys)"
        ))
    };
    let by_new = |good, needed, unknown| {
        Some(format!(
            "by its own root keys, those of keyset 2: {good} of {needed} trusted signatures (0 bad, {unknown} by unknown keys)"
        ))
    };
    let cases: &[(&str, &[Version], Option<String>)] = &[
        (
            "1-of-1-key-rotation",
            &[(&[1], 1, &[1]), (&[2], 1, &[2, 1]), (&[2], 1, &[2])],
            None,
        ),
        (
            "1-of-1-key-rotation-unused-signatures",
            &[
                (&[1], 1, &[3, 1, 4]),
                (&[2], 1, &[3, 2, 1, 4]),
                (&[2], 1, &[3, 2, 4]),
            ],
            None,
        ),
        (
            "3-of-5-sign-with-different-keycombos",
            &[
                (five, 3, &[0, 2, 4]),
                (five, 3, &[0, 4, 1]),
                (five, 3, &[0, 1, 3]),
                (five, 3, &[0, 1, 3]),
            ],
            None,
        ),
        (
            "3-of-5-one-key-rotated",
            &[(five, 3, &[0, 2, 4]), (other, 3, &[0, 4, 1])],
            None,
        ),
        (
            "3-of-5-one-key-rotated-with-intermediate-step",
            &[
                (five, 3, &[0, 2, 4]),
                (other, 3, &[0, 2, 4, 5]),
                (other, 3, &[0, 4, 5]),
            ],
            None,
        ),
        (
            "3-of-5-all-keys-rotated-with-intermediate-step",
            &[
                (five, 3, &[0, 2, 4]),
                (&[5, 6, 7, 8, 9], 3, &[0, 2, 4, 5, 6, 7]),
                (&[5, 6, 7, 8, 9], 3, &[5, 6, 7]),
            ],
            None,
        ),
        (
            "1-of-3-threshold-increase-to-2-of-3",
            &[(&[1, 2, 3], 1, &[1]), (&[1, 2, 3], 2, &[1, 2])],
            None,
        ),
        (
            "2-of-3-threshold-decrease-to-1-of-3",
            &[
                (&[1, 2, 3], 2, &[1, 2]),
                (&[1, 2, 3], 1, &[1, 2]),
                (&[1, 2, 3], 1, &[1]),
            ],
            None,
        ),
        (
            "1-of-2-threshold-increase-to-2-of-2",
            &[(&[1], 1, &[1]), (&[1, 2], 2, &[1, 2])],
            None,
        ),
        (
            "1-of-1-key-rotation-fail-not-signed-with-old-key",
            &[(&[1], 1, &[1]), (&[2], 1, &[2, 3, 4])],
            by_old(0, 1, 3),
        ),
        (
            "1-of-1-key-rotation-fail-not-signed-with-new-key",
            &[(&[1], 1, &[1]), (&[2], 1, &[1, 3, 4])],
            by_new(0, 1, 3),
        ),
        (
            "3-of-5-one-key-rotate-fails-not-signed-with-3-new-keys",
            &[(five, 3, &[0, 2, 4]), (other, 3, &[0, 2, 4])],
            by_new(2, 3, 1),
        ),
        (
            "3-of-5-one-key-rotate-fails-not-signed-with-3-old-keys",
            &[(five, 3, &[0, 2, 4]), (other, 3, &[0, 4, 5])],
            by_old(2, 3, 1),
        ),
        (
            "1-of-3-threshold-bump-to-2-of-3-fails-new-threshold-not-reached",
            &[(&[1, 2, 3], 1, &[1]), (&[1, 2, 3], 2, &[2])],
            by_new(1, 2, 0),
        ),
        (
            "2-of-3-threshold-decr-to-1-of-3-fails-old-threshold-not-reached",
            &[(&[1, 2, 3], 2, &[1, 2]), (&[1, 2, 3], 1, &[1])],
            by_old(1, 2, 0),
        ),
    ];
    for (name, versions, expected) in cases {
        let mut trusted: Option<Keyset> = None;
        let mut fault = None;
        for (number, (keys, threshold, signers)) in (1..).zip(*versions) {
            let keyset = roots(number, keys, *threshold);
            let bytes = signed_by(&keyset, signers);
            match trusted.as_ref().map(|old| next(old, &bytes)) {
                // The first keyset is trusted without a check.
                None => trusted = Some(keyset),
                Some(Ok(new)) => {
                    // The stored keyset equals the delivered keyset, byte for byte.
                    assert_eq!(new.note().into_bytes(), bytes, "{name}");
                    trusted = Some(new.keyset);
                }
                Some(Err(error)) => fault = Some(error.to_string()),
            }
        }
        assert_eq!(fault, *expected, "{name}");
        let reached = versions.len() as u64 - u64::from(expected.is_some());
        assert_eq!(trusted.map(|keyset| keyset.number), Some(reached), "{name}");
    }
}

/// Why a list with these signatures is refused under this keyset; `None` when it is accepted.
fn list_fault(keyset: Keyset, signers: &[u8]) -> Option<String> {
    let bytes = list(&source(&[("base", digest(1))]), &terms(1), signers);
    let reader = Reader {
        path: std::path::Path::new("list"),
        bytes: bytes.as_slice(),
    };
    let trust = Trust {
        keyset,
        floor: None,
        rules: Rules::default(),
    };
    trust
        .authenticate(&reader, bytes.len() as u64, Placement::Staged, Enough::All)
        .err()
        .map(|fault| fault.to_string())
}

#[test]
fn test_non_root_rotations() {
    let five = &[0, 1, 2, 3, 4][..];
    let other = &[0, 1, 3, 4, 5][..];
    let too_few = |good, needed, unknown| {
        Some(format!(
            "cannot trust list \"list\": {good} of {needed} trusted signatures (0 bad, {unknown} by unknown keys)"
        ))
    };
    let cases: &[(&str, Version, Option<String>)] = &[
        ("1-of-1-key-rotation", (&[2], 1, &[2]), None),
        (
            "1-of-1-key-rotation-unused-signatures",
            (&[1], 1, &[3, 1, 4]),
            None,
        ),
        (
            "1-of-1-key-rotation-fail-not-signed-with-new-key",
            (&[2], 1, &[1, 3, 4]),
            too_few(0, 1, 3),
        ),
        (
            "3-of-5-one-key-signature-wrong-not-signed-with-3-expected-keys",
            (other, 3, &[0, 2, 4]),
            too_few(2, 3, 1),
        ),
        (
            "2-of-5-one-key-signature-missing-threshold-not-reached",
            (other, 3, &[0, 4]),
            too_few(2, 3, 0),
        ),
        ("3-of-5-sign-first-combo", (five, 3, &[0, 2, 4]), None),
        ("3-of-5-sign-second-combo", (five, 3, &[0, 4, 1]), None),
        ("3-of-5-sign-third-combo", (five, 3, &[0, 1, 3]), None),
        ("3-of-5-sign-fourth-combo", (five, 3, &[1, 2, 3]), None),
        ("3-of-5-sign-fifth-combo", (five, 3, &[2, 3, 4]), None),
    ];
    for (name, (keys, threshold, signers), expected) in cases {
        assert_eq!(
            list_fault(keyset(keys, *threshold), signers),
            *expected,
            "{name}"
        );
    }
}

#[test]
fn test_root_has_keys_but_not_snapshot() {
    // Root keys sign keysets and no lists; list keys sign lists and no keysets.
    let mixed = roots(1, &[1, 2], 2);
    assert!(list_fault(mixed.clone(), &[1, 2]).is_some());
    assert_eq!(list_fault(mixed.clone(), &[100]), None);
    let new = Keyset {
        number: 2,
        ..mixed.clone()
    };
    let tally = "by root keys of keyset 1: 1 of 2 trusted signatures (0 bad, 1 by unknown keys)";
    assert_eq!(fault(&mixed, &signed_by(&new, &[1, 100])), tally);
}

#[test]
fn test_snapshot_threshold() {
    // The threshold is higher than the number of keys. Such a keyset is refused when it is read, so
    // it never comes into force.
    let too_few = roots(2, &[1, 2], 3);
    assert_eq!(
        fault(&roots(1, &[1], 1), &signed_by(&too_few, &[1, 2])),
        "line 6: expected thresholds that the keys can meet"
    );
    // A threshold above the number of signatures that a note can have cannot be met either.
    let keys: Vec<_> = (0..17).collect();
    assert_eq!(
        Keyset::parse(&roots(1, &keys, 16).text()),
        Ok(roots(1, &keys, 16))
    );
    assert!(Keyset::parse(&roots(1, &keys, 17).text()).is_err());
}

#[test]
fn test_duplicate_keys_root() {
    // One key under ten names: such a keyset is refused when it is read, in whatever formats the
    // key is written.
    let key_1 = key(1).public();
    let minisign = PublicKey::new(
        Algorithm::Minisign,
        [b"Ed12345678".as_slice(), key_1.as_bytes()].concat(),
    )
    .unwrap();
    for (role, again) in [("root", key_1.clone()), ("root", minisign)] {
        let line = format!(
            "key {role} again {} {}\n",
            again.algorithm().word(),
            base64::encode(again.as_bytes())
        );
        let text = roots(2, &[1, 2], 2).text() + &line;
        assert_eq!(
            fault(&roots(1, &[1], 1), text.as_bytes()),
            "line 10: expected a key and a name that no line above has"
        );
    }
    // A key that signs several times also counts once, under whatever names.
    let old = roots(1, &[1, 2], 2);
    let new = Keyset {
        number: 2,
        ..old.clone()
    };
    let one = key(1).signature(&new.text());
    let other_name = Signature {
        name: "key-2".to_owned(),
        ..one.clone()
    };
    let tally = |bad| {
        format!(
            "by root keys of keyset 1: 1 of 2 trusted signatures ({bad} bad, 0 by unknown keys)"
        )
    };
    assert_eq!(
        fault(&old, &signed(&new, &[one.clone(), other_name, one.clone()])),
        tally(0)
    );
    // The ID is only a hint. With the ID of another key, the signature counts as an invalid
    // signature of that key.
    let other_id = Signature {
        id: key(2).public().id("key-2"),
        ..one.clone()
    };
    assert_eq!(fault(&old, &signed(&new, &[one, other_id])), tally(1));
}

#[test]
fn test_rollback() {
    // Numbers must follow each other exactly: not lower, not equal, none left out. Nothing follows
    // the highest number.
    let old = roots(3, &[1], 1);
    for number in [0, 1, 2, 3, 5, 6, u64::MAX] {
        assert_eq!(
            fault(&old, &signed_by(&roots(number, &[1], 1), &[1])),
            format!("keyset {number} does not follow keyset 3")
        );
    }
    assert_eq!(
        next(&old, &signed_by(&roots(4, &[1], 1), &[1]))
            .unwrap()
            .keyset
            .number,
        4
    );
    let last = roots(u64::MAX, &[1], 1);
    assert_eq!(
        fault(&last, &signed_by(&roots(0, &[1], 1), &[1])),
        format!("keyset 0 does not follow keyset {}", u64::MAX)
    );
}

#[test]
fn test_expiration() {
    // A rotation works even if the old or the new keyset is expired: expiry disables nothing, and a
    // node that was away must be able to come back.
    let expired = |number| Keyset {
        issued: Timestamp::from_seconds(0),
        expires: Timestamp::from_seconds(86_400),
        ..roots(number, &[1], 1)
    };
    for (old, new) in [
        (expired(1), roots(2, &[1], 1)),
        (roots(1, &[1], 1), expired(2)),
        (expired(1), expired(2)),
    ] {
        assert_eq!(next(&old, &signed_by(&new, &[1])).unwrap().keyset, new);
    }
    assert_eq!(
        list_fault(
            Keyset {
                expires: ISSUED,
                ..keyset(&[1], 1)
            },
            &[1]
        ),
        None
    );
}

#[test]
fn test_basic() {
    let old = roots(1, &[1], 1);
    let new = roots(2, &[1], 1);
    let text = new.text();
    // The keyset is not signed, or was changed after it was signed.
    let unsigned = "by root keys of keyset 1: not signed, and 1 trusted signature needed";
    assert_eq!(fault(&old, text.as_bytes()), unsigned);
    let changed = String::from_utf8(signed_by(&new, &[1]))
        .unwrap()
        .replace("lift=1", "lift=01");
    assert_eq!(
        fault(&old, changed.as_bytes()),
        "line 6: expected \"threshold: root=NUMBER list=NUMBER lift=NUMBER\""
    );
    let changed = String::from_utf8(signed_by(&new, &[1]))
        .unwrap()
        .replace("2028", "2029");
    assert_eq!(
        fault(&old, changed.as_bytes()),
        "by root keys of keyset 1: 0 of 1 trusted signatures (1 bad, 0 by unknown keys)"
    );
    // The text is signed, but is another kind of document.
    let head = text.replace("banlist-keyset", "banlist-head");
    let bytes = format!("{head}\n{}", key(1).signature(&head).line());
    assert_eq!(
        fault(&old, bytes.as_bytes()),
        "line 1: expected \"embargo/banlist-keyset/v1\""
    );
    // TUF accepts unknown fields. Here they are refused: every line has one meaning, and every
    // keyset can be written in one way only.
    let more = text.clone() + "x-note: hello\n";
    let bytes = format!("{more}\n{}", key(1).signature(&more).line());
    assert_eq!(
        fault(&old, bytes.as_bytes()),
        "line 9: expected \"key ROLE NAME ALGORITHM BASE64\""
    );
    // The keyset is for another origin.
    let other = Keyset {
        origin: "bans.example.com/staging".to_owned(),
        ..new
    };
    let origins = "it is for \"bans.example.com/staging\", not for \"bans.example.com/prod\"";
    assert_eq!(fault(&old, &signed_by(&other, &[1])), origins);
}
