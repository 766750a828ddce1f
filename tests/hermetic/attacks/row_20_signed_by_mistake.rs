//! Tests a tree that is unsorted, overlaps or contradicts itself, but is signed: by a builder with
//! a mistake, or with a stolen key.

use embargo::banlist::base64;
use embargo::banlist::key::P256_SPKI;

use super::craft::{HEADER, INNER, LEAF, NODE, Parts};
use super::node::{Answer, BASE, Node, OTHER, keyset, signed, text};
use super::signer::signer;

/// A mistake: its description, and a function that makes it, given the list's parts and the
/// position of the container's digest in them.
type Mistake = (&'static str, fn(&mut Parts, (usize, usize)));

/// The record at this position.
fn record(parts: &mut Parts, (leaf, at): (usize, usize)) -> &mut [u8] {
    &mut parts.levels[0][leaf][HEADER + at * LEAF..][..LEAF]
}

/// The fence of a leaf, which is in the root above.
fn fence(parts: &mut Parts, leaf: usize) -> &mut [u8] {
    &mut parts.levels[1][0][HEADER + leaf * INNER + 32..][..32]
}

const MISTAKES: [Mistake; 18] = [
    ("two records exchanged", |parts, (leaf, at)| {
        parts.levels[0][leaf][HEADER + (at - 1) * LEAF..][..2 * LEAF].rotate_left(LEAF)
    }),
    ("a record twice", |parts, (leaf, at)| {
        let before = record(parts, (leaf, at - 1)).to_vec();
        record(parts, (leaf, at)).copy_from_slice(&before);
    }),
    ("a leaf whose order is turned", |parts, (leaf, _)| {
        let mut records: Vec<_> = parts.levels[0][leaf][HEADER..][..25 * LEAF]
            .as_chunks::<LEAF>()
            .0
            .to_vec();
        records.reverse();
        parts.levels[0][leaf][HEADER..][..25 * LEAF].copy_from_slice(&records.concat());
    }),
    ("two leaves exchanged", |parts, (leaf, _)| {
        parts.levels[0].swap(leaf, leaf - 1)
    }),
    ("a leaf twice", |parts, (leaf, _)| {
        parts.levels[0][leaf - 1] = parts.levels[0][leaf]
    }),
    ("a leaf in the place of another", |parts, (leaf, _)| {
        parts.levels[0][leaf] = parts.levels[0][leaf - 1]
    }),
    ("a digest beyond the next fence", |parts, (leaf, _)| {
        record(parts, (leaf - 1, 24))[..32].fill(0xff)
    }),
    (
        "a fence above its leaf's first digest",
        |parts, (leaf, _)| fence(parts, leaf)[31] ^= 1,
    ),
    (
        "a fence that hides the rest of a leaf",
        |parts, (leaf, at)| {
            let digest = record(parts, (leaf, at))[..32].to_vec();
            fence(parts, leaf + 1).copy_from_slice(&digest);
        },
    ),
    ("fences that do not ascend", |parts, (leaf, _)| {
        fence(parts, leaf + 1).fill(0)
    }),
    ("a leaf that says it is empty", |parts, (leaf, _)| {
        parts.levels[0][leaf][6..8].fill(0)
    }),
    ("a leaf that says it is longer", |parts, (leaf, _)| {
        parts.levels[0][leaf][6] = 26
    }),
    (
        "a leaf that says it is an inner node",
        |parts, (leaf, _)| parts.levels[0][leaf][4] = 1,
    ),
    ("a leaf with the index of another", |parts, (leaf, _)| {
        parts.levels[0][leaf][8] ^= 1
    }),
    ("a digest banned as nothing", |parts, place| {
        record(parts, place)[32] = 0
    }),
    (
        "a digest banned as another kind than its entry says",
        |parts, place| record(parts, place)[32] = 4,
    ),
    ("an entry in the middle of a line", |parts, place| {
        record(parts, place)[34] += 1
    }),
    ("an entry behind the last", |parts, place| {
        record(parts, place)[34..40].fill(0xff)
    }),
];

#[test]
fn malformed_builder_outputs() {
    let node = Node::trusting(&keyset(&[1], 1));
    let digests = digests();
    let sound = node.list(1).banning("base", &digests).by(&[1]);
    let parts = Parts::of(&sound);
    let place = parts.place_of(BASE);
    assert!(
        parts.levels.len() == 2
            && place.0 > 0
            && place.1 > 0
            && place.0 + 1 < parts.levels[0].len(),
        "{place:?}"
    );
    // Sealed again without a mistake, the result is exactly the same list.
    assert!(sign(&parts.clone().sealed()) == sound);
    for (mistake, make) in MISTAKES {
        let mut wrong = parts.clone();
        make(&mut wrong, place);
        let list = sign(&wrong.sealed());
        assert!(
            node.refuses(&list)
                .starts_with("cannot trust list \"staged.lst\": "),
            "{mistake}"
        );
        node.put(&list);
        let answer = node.gate();
        // The list is not accepted, or the container is refused, or banned. The ban is never lost.
        assert!(
            matches!(
                answer,
                Answer::NoList(_) | Answer::Refused(_) | Answer::Banned(1)
            ),
            "{mistake}: {answer:?}"
        );
        std::fs::remove_file(node.state("banlist.lst")).unwrap();
    }
}

/// Installation also checks the parts that no look-up reads, so that nobody can use them for
/// anything.
#[test]
fn padding_counts_and_records_nobody_reads() {
    let node = Node::trusting(&keyset(&[1], 1));
    let parts = Parts::of(&node.list(1).banning("base", &digests()).by(&[1]));
    type Change = (&'static str, fn(&mut Parts));
    let changes: [Change; 5] = [
        ("padding of a leaf", |parts| {
            parts.levels[0][0][NODE - 1] = 1
        }),
        ("padding of the root", |parts| {
            parts.levels[1][0][NODE - 1] = 1
        }),
        ("other counts", |parts| {
            parts.set("entries: ", "120 base=120 image=1 layer=0 catalogue=0")
        }),
        ("a record that is no JSON", |parts| {
            *parts.records.first_mut().unwrap() = b'?'
        }),
        ("a line that no digest uses", |parts| {
            let at = parts.records[..parts.records.len() - 1]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .unwrap();
            let last = parts.records[at + 1..].to_vec();
            parts.records.extend(last);
        }),
    ];
    for (case, change) in changes {
        let mut wrong = parts.clone();
        change(&mut wrong);
        assert!(
            node.refuses(&sign(&wrong.sealed()))
                .starts_with("cannot trust list \"staged.lst\": "),
            "{case}"
        );
    }
}

/// A gate that trusted the head's numbers of digests would not look for the digest at all.
#[test]
fn a_head_that_denies_what_the_tree_holds() {
    let node = Node::trusting(&keyset(&[1], 1));
    let parts = Parts::of(&node.list(1).banning("base", &[BASE, OTHER]).by(&[1]));
    for counts in [
        "2 base=0 image=2 layer=0 catalogue=0",
        "2 base=0 image=0 layer=2 catalogue=0",
        "2 base=0 image=1 layer=1 catalogue=0",
        "2 base=0 image=0 layer=0 catalogue=2",
    ] {
        let mut wrong = parts.clone();
        wrong.set("entries: ", counts);
        let list = sign(&wrong.sealed());
        let fault = "cannot trust list \"staged.lst\": its head counts other entries than it has";
        assert_eq!(node.refuses(&list), fault, "{counts}");
        node.put(&list);
        let answer = node.gate();
        assert!(
            matches!(&answer, Answer::Refused(line) if line.starts_with("it is banned, and no more is known")),
            "{counts}: {answer:?}"
        );
        std::fs::remove_file(node.state("banlist.lst")).unwrap();
    }
}

#[test]
fn an_end_before_the_issue() {
    let node = Node::trusting(&keyset(&[1], 1));
    let (issued, before) = ("2026-11-20T14:00:00Z", "2026-11-20T13:59:59Z");
    let expected = "expected \"expires: YYYY-MM-DDThh:mm:ssZ\", after the issue";
    for expires in [before, issued, "1970-01-01T00:00:00Z"] {
        let mut wrong = Parts::of(&node.list(1).by(&[1]));
        wrong.set("issued: ", issued);
        wrong.set("expires: ", expires);
        let list = sign(&wrong.sealed());
        assert_eq!(
            node.refuses(&list),
            format!("cannot use list \"staged.lst\": head line 6: {expected}")
        );
        assert_eq!(
            node.distrusts(&list),
            format!("cannot use list \"/var/lib/embargo/banlist.lst\": head line 6: {expected}")
        );
        std::fs::remove_file(node.state("banlist.lst")).unwrap();
    }
    let ends = keyset(&[1], 1).replace("expires: 2028-11-01", "expires: 2026-10-31");
    let node = Node::trusting(&ends);
    let list = node.list(1).by(&[1]);
    let fault = format!("cannot use keyset \"/etc/embargo/keyset\": line 5: {expected}");
    assert_eq!(node.distrusts(&list), fault);
    assert!(node.install(&list).is_err());
}

/// A key that is not on its curve can never sign, so a keyset must not count it as a signer.
#[test]
fn a_key_that_is_no_point_of_its_curve() {
    let line = |algorithm: &str, key: &[u8]| {
        format!("key list nobody {algorithm} {}\n", base64::encode(key))
    };
    let p256 = [&P256_SPKI[..], &[1; 64]].concat();
    for key in [
        line("ed25519", &[7; 32]),
        line("minisign", &[&b"Ed12345678"[..], &[7; 32]].concat()),
        line("p256", &p256),
    ] {
        let node = Node::trusting(&(keyset(&[1], 1) + &key));
        let list = node.list(1).by(&[1]);
        let fault = "cannot use keyset \"/etc/embargo/keyset\": line 8: expected \"key ROLE NAME ALGORITHM BASE64\"";
        assert_eq!(node.distrusts(&list), fault);
        assert!(
            node.install(&list)
                .unwrap_err()
                .contains("line 8: expected")
        );
    }
}

/// Digests around the container's own digest. The container's digest then lies inside a leaf that
/// is neither the first nor the last.
fn digests() -> Vec<&'static str> {
    let spread = (0..119_u32).map(|number| {
        &*format!(
            "sha256:{:08x}{:056x}",
            number.wrapping_mul(36_000_001),
            number
        )
        .leak()
    });
    spread.chain([BASE]).collect()
}

fn sign(list: &[u8]) -> Vec<u8> {
    signed(list, &[signer(1).sign(&text(list))])
}
