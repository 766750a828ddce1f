//! Tests notes, and which signatures count.

use super::super::key::Algorithm;
use super::super::key::testing::{Sealed, TestSsh};
use super::super::testing::{TestKey, key};
use super::super::text::is_origin;
use super::*;

fn fault(bytes: &[u8]) -> String {
    Note::parse(bytes)
        .and_then(|note| note.signatures())
        .unwrap_err()
        .to_string()
}

#[test]
fn text_and_signatures_are_divided_at_the_last_empty_line() {
    let bytes = "a\n\nb\n\n\u{2014} who AAAAAQI=\n".as_bytes();
    let note = Note::parse(bytes).unwrap();
    assert_eq!(note.text, "a\n\nb\n");
    let signature = Signature {
        name: "who".to_owned(),
        id: [0, 0, 0, 1],
        bytes: vec![2],
    };
    assert_eq!(note.signatures().unwrap(), std::slice::from_ref(&signature));
    assert_eq!(
        note.with(&signature),
        format!(
            "{}{}",
            std::str::from_utf8(bytes).unwrap(),
            signature.line()
        )
    );
    let unsigned = Note::parse(b"a\n").unwrap();
    assert_eq!(
        (unsigned.text, unsigned.signatures().unwrap()),
        ("a\n", Vec::new())
    );
}

#[test]
fn what_is_no_note_is_refused_with_its_line() {
    let many = format!("a\n\n{}", "\u{2014} who AAAAAQI=\n".repeat(17));
    for (bytes, expected) in [
        (&b""[..], "line 1: expected a line feed at the end"),
        (b"a", "line 1: expected a line feed at the end"),
        (b"a\r\n", "line 1: expected line ends of Unix, not CR LF"),
        (
            b"a\rb\n",
            "line 1: expected text without control characters",
        ),
        (
            b"a\nb\0\n",
            "line 2: expected text without control characters",
        ),
        (
            b"a\nb\x7f\n",
            "line 2: expected text without control characters",
        ),
        (b"a\n\xff\n", "line 2: expected UTF-8"),
        (
            "a\n\n\u{2014} who AAAAAQI=".as_bytes(),
            "line 3: expected a line feed at the end",
        ),
        (
            b"a\n\n- who AAAAAQI=\n",
            "line 3: expected \"\u{2014} NAME BASE64\"",
        ),
        (
            "a\n\n\u{2014}  who AAAAAQI=\n".as_bytes(),
            "line 3: expected \"\u{2014} NAME BASE64\"",
        ),
        (
            "a\n\n\u{2014} who+ AAAAAQI=\n".as_bytes(),
            "line 3: expected \"\u{2014} NAME BASE64\"",
        ),
        (
            "a\n\n\u{2014} who AAAAAQI\n".as_bytes(),
            "line 3: expected \"\u{2014} NAME BASE64\"",
        ),
        (
            "a\n\n\u{2014} who AAAAAQJ=\n".as_bytes(),
            "line 3: expected \"\u{2014} NAME BASE64\"",
        ),
        (
            "a\n\n\u{2014} who AAAAAQ==\n".as_bytes(),
            "line 3: expected \"\u{2014} NAME BASE64\"",
        ),
        (
            "a\n\n\u{2014} who AAAAAQI= x\n".as_bytes(),
            "line 3: expected \"\u{2014} NAME BASE64\"",
        ),
        (many.as_bytes(), "line 19: expected at most 16 signatures"),
    ] {
        assert_eq!(
            fault(bytes),
            expected,
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_signature_is_recognised_by_its_form() {
    let form = |bytes: &[u8]| {
        Signature {
            name: "who".to_owned(),
            id: [0; 4],
            bytes: bytes.to_vec(),
        }
        .form()
    };
    assert_eq!(form(&[1; 64]), SignatureForm::Ed25519);
    assert_eq!(form(&[0x30, 6, 2, 1, 1, 2, 1, 1]), SignatureForm::EcdsaDer);
    assert_eq!(form(b"SSHSIG\0\0\0\x01"), SignatureForm::Sshsig);
    assert_eq!(
        form(&[b"ED".as_slice(), &[0; 72]].concat()),
        SignatureForm::Minisign
    );
    assert_eq!(
        form(&[b"Ed".as_slice(), &[0; 72]].concat()),
        SignatureForm::Minisign
    );
    assert_eq!(form(b"?"), SignatureForm::Other);
}

const TEXT: &str = "text\n";

fn count(signatures: &[Signature], keys: &[&TestKey], needed: usize) -> SignatureTally {
    let public: Vec<_> = keys.iter().map(|key| key.public()).collect();
    let named: Vec<_> = keys
        .iter()
        .zip(&public)
        .map(|(key, public)| (key.name.as_str(), public))
        .collect();
    tally(TEXT, signatures, &named, needed, Enough::All)
}

#[test]
fn keys_are_counted_by_their_public_key_and_bad_signatures_are_skipped() {
    let (one, two, unknown) = (key(1), key(2), key(3));
    let same = TestKey {
        name: "alias".to_owned(),
        ..key(1)
    };
    let good = |key: &TestKey| key.signature(TEXT);
    let bad = |key: &TestKey| Signature {
        bytes: vec![7; 64],
        ..key.signature(TEXT)
    };
    for (case, signatures, keys, expected) in [
        ("nobody", vec![], vec![&one, &two], (0, 0, 0)),
        ("one of two", vec![good(&one)], vec![&one, &two], (1, 0, 0)),
        (
            "two of two",
            vec![good(&two), good(&one)],
            vec![&one, &two],
            (2, 0, 0),
        ),
        (
            "one signs twice",
            vec![good(&one), good(&one)],
            vec![&one, &two],
            (1, 0, 0),
        ),
        (
            "one key under two names",
            vec![good(&one), good(&same)],
            vec![&one, &same],
            (1, 0, 0),
        ),
        ("a stranger", vec![good(&unknown)], vec![&one], (0, 0, 1)),
        (
            "a bad one beside good ones",
            vec![bad(&one), good(&one), good(&two)],
            vec![&one, &two],
            (2, 1, 0),
        ),
        (
            "only a bad one",
            vec![bad(&two)],
            vec![&one, &two],
            (0, 1, 0),
        ),
        (
            "over another text",
            vec![one.signature("other\n")],
            vec![&one],
            (0, 1, 0),
        ),
    ] {
        let found = count(&signatures, &keys, 2);
        assert_eq!((found.good, found.bad, found.unknown), expected, "{case}");
    }
}

#[test]
fn two_keys_with_one_id_are_both_tried() {
    // An ID is only four bytes of a hash, so a signature line may fit two keys.
    let (one, two) = (key(1), key(2));
    let (first, second) = (one.public(), two.public());
    let names = [("key-1", &first), ("key-2", &second)];
    let claimed = Signature {
        id: first.id("key-1"),
        ..two.signature(TEXT)
    };
    // The ID is that of the first key, but the second key made the signature.
    assert_eq!(
        tally(TEXT, std::slice::from_ref(&claimed), &names, 1, Enough::All),
        SignatureTally {
            needed: 1,
            good: 0,
            bad: 1,
            unknown: 0
        }
    );
    // The first key is listed twice, under the same name and ID. The first key counts once.
    let both = [("key-1", &first), ("key-1", &first), ("key-2", &second)];
    assert_eq!(
        tally(TEXT, &[one.signature(TEXT)], &both, 1, Enough::All).good,
        1
    );
}

#[test]
fn one_key_counts_once_in_whatever_form_it_signs() {
    let (plain, ssh) = (key(1), TestSsh::ed25519(1));
    let public = [
        plain.public(),
        PublicKey::new(Algorithm::Sshsig, ssh.blob()).unwrap(),
        key(2).public(),
    ];
    let keys = [
        ("key-1", &public[0]),
        ("laptop", &public[1]),
        ("key-2", &public[2]),
    ];
    let sealed = ssh.seal(TEXT.as_bytes(), &Sealed::default());
    let by_ssh = Signature {
        name: "laptop".to_owned(),
        id: public[1].id("laptop"),
        bytes: sealed,
    };
    let mut signatures = vec![plain.signature(TEXT), by_ssh];
    assert_eq!(
        tally(TEXT, &signatures, &keys, 2, Enough::Threshold),
        SignatureTally {
            needed: 2,
            good: 1,
            bad: 0,
            unknown: 0
        }
    );
    signatures.push(key(2).signature(TEXT));
    assert_eq!(
        tally(TEXT, &signatures, &keys, 2, Enough::Threshold),
        SignatureTally {
            needed: 2,
            good: 2,
            bad: 0,
            unknown: 0
        }
    );
    assert_eq!(
        tally(TEXT, &signatures[1..2], &keys, 1, Enough::All),
        SignatureTally {
            needed: 1,
            good: 1,
            bad: 0,
            unknown: 0
        }
    );
}

#[test]
fn counting_stops_at_the_threshold_when_that_is_enough() {
    let (one, two) = (key(1), key(2));
    let (first, second) = (one.public(), two.public());
    let keys = [("key-1", &first), ("key-2", &second)];
    let signatures = [
        one.signature(TEXT),
        Signature {
            bytes: vec![7; 64],
            ..two.signature(TEXT)
        },
    ];
    assert_eq!(tally(TEXT, &signatures, &keys, 1, Enough::Threshold).bad, 0);
    assert_eq!(tally(TEXT, &signatures, &keys, 1, Enough::All).bad, 1);
}

#[test]
fn an_origin_and_a_keys_name_have_the_alphabets_of_the_manual() {
    let long = |length| "o".repeat(length);
    for (text, origin, name) in [
        ("a", true, true),
        ("bans.example.com/prod", true, true),
        ("!\"#$%&'()*,-./:;<=>?@[\\]^_`{|}~", true, true),
        ("a+b", true, false),
        ("", false, false),
        ("a b", false, false),
        ("a\tb", false, false),
        ("\u{e9}", false, false),
        (long(64).as_str(), true, true),
        (long(65).as_str(), true, false),
        (long(128).as_str(), true, false),
        (long(129).as_str(), false, false),
    ] {
        assert_eq!((is_origin(text), is_name(text)), (origin, name), "{text:?}");
    }
}
