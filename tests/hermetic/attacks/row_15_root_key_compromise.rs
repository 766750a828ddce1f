//! Tests stolen root keys that are fewer than the threshold. A keyset follows another keyset if
//! enough root keys of both signed it. The table is that of tuf-conformance
//! (`test_updater_key_rotations.py`); `embargoctl keyset rotate` makes each step on a node.

use super::node::{Node, keyset_of, rotated};
use super::signer::signer;

/// A keyset: its root keys, its threshold, and the keys that sign it.
type Keyset = (&'static [u8], usize, &'static [u8]);

/// A case: its name, the node's keyset, the keysets that should follow, and the keyset that the
/// node reaches.
type Case = (&'static str, (&'static [u8], usize), &'static [Keyset], u64);

const FIVE: &[u8] = &[11, 12, 13, 14, 15];
const OTHER_FIVE: &[u8] = &[21, 22, 23, 24, 25];

const CASES: [Case; 22] = [
    ("1 of 1, rotated", (&[11], 1), &[(&[12], 1, &[11, 12])], 2),
    (
        "1 of 1, rotated and back",
        (&[11], 1),
        &[(&[12], 1, &[11, 12]), (&[11], 1, &[12, 11])],
        3,
    ),
    ("1 of 1, the same key", (&[11], 1), &[(&[11], 1, &[11])], 2),
    (
        "1 of 1, not signed with the old key",
        (&[11], 1),
        &[(&[12], 1, &[12])],
        1,
    ),
    (
        "1 of 1, not signed with the new key",
        (&[11], 1),
        &[(&[12], 1, &[11])],
        1,
    ),
    ("not signed at all", (&[11], 1), &[(&[11], 1, &[])], 1),
    (
        "3 of 5, one key rotated",
        (FIVE, 3),
        &[(&[11, 12, 13, 14, 16], 3, &[11, 12, 13])],
        2,
    ),
    (
        "3 of 5, one key rotated, the new one among the three",
        (FIVE, 3),
        &[(&[11, 12, 13, 14, 16], 3, &[11, 12, 14, 16])],
        2,
    ),
    (
        "3 of 5, all rotated",
        (FIVE, 3),
        &[(OTHER_FIVE, 3, &[12, 13, 15, 21, 22, 23])],
        2,
    ),
    (
        "3 of 5, all rotated with a step between",
        (FIVE, 3),
        &[
            (&[11, 12, 13, 21, 22], 3, &[11, 12, 13, 21, 22]),
            (OTHER_FIVE, 3, &[11, 12, 13, 21, 22, 25]),
        ],
        3,
    ),
    (
        "3 of 5, too few old keys",
        (FIVE, 3),
        &[(OTHER_FIVE, 3, &[12, 13, 21, 22, 23])],
        1,
    ),
    (
        "3 of 5, too few new keys",
        (FIVE, 3),
        &[(OTHER_FIVE, 3, &[11, 12, 13, 21, 22])],
        1,
    ),
    (
        "3 of 5, two stolen keys and one twice",
        (FIVE, 3),
        &[(FIVE, 3, &[11, 12, 12, 11])],
        1,
    ),
    (
        "3 of 5, two stolen keys lower the threshold",
        (FIVE, 3),
        &[(FIVE, 2, &[11, 12])],
        1,
    ),
    (
        "3 of 5, two stolen keys and strangers",
        (FIVE, 3),
        &[(FIVE, 3, &[11, 12, 31, 32, 33])],
        1,
    ),
    (
        "threshold 1 to 2",
        (&[11], 1),
        &[(&[11, 12], 2, &[11, 12])],
        2,
    ),
    (
        "threshold 1 to 2, the new one not reached",
        (&[11], 1),
        &[(&[11, 12], 2, &[11])],
        1,
    ),
    (
        "threshold 1 to 2 and on, the second not reached",
        (&[11], 1),
        &[(&[11, 12], 2, &[11, 12]), (&[11, 12], 2, &[12])],
        2,
    ),
    (
        "threshold 2 to 1",
        (&[11, 12], 2),
        &[(&[11, 12], 1, &[11, 12])],
        2,
    ),
    (
        "threshold 2 to 1, and the next by one",
        (&[11, 12], 2),
        &[(&[11, 12], 1, &[11, 12]), (&[11, 12], 1, &[12])],
        3,
    ),
    (
        "threshold 2 to 1, the old one not reached",
        (&[11, 12], 2),
        &[(&[11, 12], 1, &[11])],
        1,
    ),
    ("signed by list keys", (&[11], 1), &[(&[11], 1, &[1, 2])], 1),
];

/// The text of the keyset with this number, with these root keys, and with list keys 1 and 2.
fn text(number: u64, roots: &[u8], threshold: usize) -> String {
    let keys = |role, seeds: &[u8]| {
        seeds
            .iter()
            .map(|seed| signer(*seed).key_line(role))
            .collect::<String>()
    };
    keyset_of(
        number,
        &format!("root={threshold} list=1 lift=1"),
        &(keys("root", roots) + &keys("list", &[1, 2])),
    )
}

#[test]
fn rotation_cases() {
    for (case, (roots, threshold), steps, last) in CASES {
        let node = Node::trusting(&text(1, roots, threshold));
        let keysets: Vec<_> = (2..)
            .zip(steps)
            .map(|(number, (roots, threshold, signers))| {
                rotated(&text(number, roots, *threshold), signers)
            })
            .collect();
        let files: Vec<_> = keysets.iter().map(String::as_str).collect();
        let done = node.rotate(&files, &[]);
        let goes_through = last == 1 + steps.len() as u64;
        assert_eq!(
            (done.is_ok(), node.keyset_number()),
            (goes_through, last),
            "{case}: {done:?}"
        );
        // A second attempt ends in the same way: steps that are done are skipped, a step that
        // failed fails again, and no step is ever undone.
        assert_eq!(
            (node.rotate(&files, &[]).is_ok(), node.keyset_number()),
            (goes_through, last),
            "{case}"
        );
    }
}

/// Only the next number is accepted.
#[test]
fn numbers() {
    for number in [0, 3, 4, u64::MAX] {
        let node = Node::trusting(&text(1, &[11], 1));
        let done = node.rotate(&[&rotated(&text(number, &[11], 1), &[11])], &[]);
        assert_eq!(node.keyset_number(), 1, "{number}: {done:?}");
        assert!(done.is_err() || number == 0, "{number}: {done:?}");
    }
    // The same number with other keys means another keyset.
    let node = Node::trusting(&text(1, &[11], 1));
    assert!(
        node.rotate(&[&rotated(&text(1, &[11, 12], 1), &[11, 12])], &[])
            .is_err()
    );
    assert_eq!(node.keyset_number(), 1);
}

/// A bad signature does not stop a rotation if there are enough good ones. A keyset for another
/// origin, or a keyset that was damaged after it was signed, is not valid.
#[test]
fn bad_signatures_and_spoilt_texts() {
    let good = text(2, &[12], 1);
    let signed = rotated(&good, &[11, 12]);
    let beside = format!("{signed}{}", signer(11).line(&[7; 64]));
    let node = Node::trusting(&text(1, &[11], 1));
    node.rotate(&[&beside], &[]).unwrap();
    assert_eq!(node.keyset_number(), 2);
    for spoilt in [
        signed
            .replace("list=1", "list=2")
            .replace("lift=1", "lift=2"),
        signed.replace("bans.example.com/prod", "bans.example.com/staging"),
        rotated(
            &good.replace("bans.example.com/prod", "bans.example.com/staging"),
            &[11, 12],
        ),
        signed.replacen(&signer(1).key_line("list"), &signer(9).key_line("list"), 1),
        signed.trim_end().to_owned(),
        String::new(),
    ] {
        assert_ne!(spoilt, signed);
        let node = Node::trusting(&text(1, &[11], 1));
        assert!(
            node.rotate(&[&spoilt], &[])
                .unwrap_err()
                .starts_with("cannot "),
            "{spoilt}"
        );
        assert_eq!(node.keyset_number(), 1);
    }
}

/// An expired keyset can still be followed by the next. Otherwise a node that was away too long
/// could never catch up.
#[test]
fn expired_keysets() {
    let expired = |number| text(number, &[11], 1).replace("2028-11-01", "2026-11-02");
    let node = Node::trusting(&expired(1));
    node.rotate(
        &[
            &rotated(&expired(2), &[11]),
            &rotated(&text(3, &[11], 1), &[11]),
        ],
        &[],
    )
    .unwrap();
    assert_eq!(node.keyset_number(), 3);
}
