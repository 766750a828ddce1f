//! Tests signatures of OpenSSH 9.2 and of a simulated token, and every way to damage them.

use super::super::testing::{Sealed, TestSsh};
use super::super::{Algorithm, PublicKey};
use super::*;
use crate::banlist::base64;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/signatures/openssh-9.2-",
            $name
        ))
    };
}

const HEAD: &[u8] = include_bytes!("../../../../tests/fixtures/signatures/head");

fn blob(public: &str) -> Vec<u8> {
    base64::decode(public.split(' ').nth(1).unwrap()).unwrap()
}

fn unarmored(file: &str) -> Vec<u8> {
    base64::decode(
        &file
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect::<String>(),
    )
    .unwrap()
}

#[test]
fn what_ssh_keygen_signs_is_good_for_its_key_alone() {
    let (ed25519, ecdsa) = (blob(fixture!("ed25519.pub")), blob(fixture!("ecdsa.pub")));
    for (case, key, signature, expected) in [
        (
            "ed25519, sha512",
            &ed25519,
            fixture!("ed25519-sha512.sig"),
            Ok(()),
        ),
        (
            "ed25519, sha256",
            &ed25519,
            fixture!("ed25519-sha256.sig"),
            Ok(()),
        ),
        (
            "ecdsa, sha512",
            &ecdsa,
            fixture!("ecdsa-sha512.sig"),
            Ok(()),
        ),
        (
            "ecdsa, sha256",
            &ecdsa,
            fixture!("ecdsa-sha256.sig"),
            Ok(()),
        ),
        (
            "another namespace",
            &ed25519,
            fixture!("ed25519-namespace-file.sig"),
            Err(Mismatch::Namespace("file".to_owned())),
        ),
        (
            "another key",
            &ed25519,
            fixture!("ecdsa-sha512.sig"),
            Err(Mismatch::OtherKey),
        ),
        (
            "an RSA key",
            &ed25519,
            fixture!("rsa.sig"),
            Err(Mismatch::OtherKey),
        ),
    ] {
        let key = PublicKey::new(Algorithm::Sshsig, key.clone()).unwrap();
        assert_eq!(key.check(HEAD, &unarmored(signature)), expected, "{case}");
        assert!(!key.verifies(&HEAD[1..], &unarmored(signature)), "{case}");
    }
}

#[test]
fn keys_that_are_not_taken_are_refused_by_their_kind() {
    for (case, public) in [
        ("rsa", fixture!("rsa.pub")),
        ("p384", fixture!("ecdsa-p384.pub")),
    ] {
        assert_eq!(SshKey::parse(&blob(public)), None, "{case}");
    }
    for public in [fixture!("ed25519.pub"), fixture!("ecdsa.pub")] {
        let whole = blob(public);
        for cut in 0..whole.len() {
            assert_eq!(SshKey::parse(&whole[..cut]), None, "{cut} bytes");
        }
        assert_eq!(SshKey::parse(&[whole.as_slice(), b"\0"].concat()), None);
    }
}

#[test]
fn a_key_of_small_order_is_refused_inside_an_ssh_key_too() {
    for token in [None, Some(b"ssh:".as_slice())] {
        let mut key = TestSsh::ed25519(1);
        key.application = token;
        let good = key.blob();
        let at = good
            .windows(32)
            .position(|window| *window == *key.point())
            .unwrap();
        assert!(PublicKey::new(Algorithm::Sshsig, good.clone()).is_some());
        let bad = [&good[..at], &[0; 32], &good[at + 32..]].concat();
        assert!(SshKey::parse(&bad).is_some());
        assert_eq!(PublicKey::new(Algorithm::Sshsig, bad), None);
    }
}

/// Every kind of key.
fn kinds() -> [TestSsh; 4] {
    [
        TestSsh::ed25519(1),
        TestSsh::p256(),
        TestSsh::ed25519(1).on_token(b"ssh:"),
        TestSsh::p256().on_token(b"ssh:"),
    ]
}

#[test]
fn a_signature_that_is_wrong_in_one_thing_is_refused_for_it() {
    for key in kinds() {
        let check = |sealed: &Sealed<'_>| check(&key.blob(), HEAD, &key.seal(HEAD, sealed));
        let other = TestSsh::ed25519(2).blob();
        let on_token = key.application.is_some();
        let good = Sealed::default();
        for (case, sealed, expected) in [
            ("nothing", good.clone(), Ok(())),
            (
                "sha256",
                Sealed {
                    hash: b"sha256",
                    ..good.clone()
                },
                Ok(()),
            ),
            (
                "another key inside",
                Sealed {
                    key: Some(&other),
                    ..good.clone()
                },
                Err(Mismatch::OtherKey),
            ),
            (
                "another namespace",
                Sealed {
                    namespace: b"git",
                    ..good.clone()
                },
                Err(Mismatch::Namespace("git".to_owned())),
            ),
            (
                "no namespace",
                Sealed {
                    namespace: b"",
                    ..good.clone()
                },
                Err(Mismatch::Namespace(String::new())),
            ),
            (
                "a longer namespace",
                Sealed {
                    namespace: b"banlist.v1\0",
                    ..good.clone()
                },
                Err(Mismatch::Namespace("banlist.v1\0".to_owned())),
            ),
            (
                "another hash",
                Sealed {
                    hash: b"sha384",
                    ..good.clone()
                },
                Err(Mismatch::Form),
            ),
            (
                "no hash",
                Sealed {
                    hash: b"",
                    ..good.clone()
                },
                Err(Mismatch::Form),
            ),
            (
                "a reserved field",
                Sealed {
                    reserved: b"x",
                    ..good.clone()
                },
                Err(Mismatch::Form),
            ),
            (
                "another version",
                Sealed {
                    version: 2,
                    ..good.clone()
                },
                Err(Mismatch::Form),
            ),
            (
                "another kind of signature",
                Sealed {
                    kind: Some(b"ssh-rsa"),
                    ..good.clone()
                },
                Err(Mismatch::Form),
            ),
            (
                "nobody touched it",
                Sealed {
                    flags: 0x04,
                    ..good.clone()
                },
                if on_token {
                    Err(Mismatch::Untouched)
                } else {
                    Ok(())
                },
            ),
            (
                "touch and PIN",
                Sealed {
                    flags: 0x05,
                    ..good.clone()
                },
                Ok(()),
            ),
            (
                "something behind it",
                Sealed {
                    behind: b"\0",
                    ..good.clone()
                },
                Err(Mismatch::Form),
            ),
            (
                "made for another hash",
                Sealed {
                    hashed: Some(b"text"),
                    ..good.clone()
                },
                Err(Mismatch::Bytes),
            ),
        ] {
            assert_eq!(check(&sealed), expected, "{case}, {key:?}");
        }
    }
}

#[test]
fn the_flags_and_the_application_of_a_token_are_signed() {
    let key = TestSsh::ed25519(1).on_token(b"ssh:");
    let mut signature = key.seal(
        HEAD,
        &Sealed {
            flags: 0,
            ..Sealed::default()
        },
    );
    let flags = signature.len() - 5;
    signature[flags] = 1;
    assert_eq!(check(&key.blob(), HEAD, &signature), Err(Mismatch::Bytes));
    let elsewhere = TestSsh::ed25519(1).on_token(b"ssh:elsewhere");
    let moved = elsewhere.seal(
        HEAD,
        &Sealed {
            key: Some(&key.blob()),
            ..Sealed::default()
        },
    );
    assert_eq!(check(&key.blob(), HEAD, &moved), Err(Mismatch::Bytes));
}

#[test]
fn every_changed_byte_and_every_truncation_is_refused() {
    for key in kinds() {
        let (blob, good) = (key.blob(), key.seal(HEAD, &Sealed::default()));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(check(&blob, HEAD, &bad).is_err(), "byte {at}");
            assert!(check(&blob, HEAD, &good[..at]).is_err(), "{at} bytes");
        }
    }
}

#[test]
fn a_false_length_is_refused() {
    let key = TestSsh::ed25519(1);
    let good = key.seal(HEAD, &Sealed::default());
    for length in [0_u32, 1, 0x7fff_ffff, u32::MAX] {
        let mut bad = good.clone();
        bad[10..14].copy_from_slice(&length.to_be_bytes());
        assert_eq!(
            check(&key.blob(), HEAD, &bad),
            Err(Mismatch::Form),
            "{length}"
        );
    }
}

#[test]
fn numbers_have_one_spelling() {
    let filled = |last: &[u8]| {
        Some(
            [&vec![0; 32 - last.len()], last]
                .concat()
                .try_into()
                .unwrap(),
        )
    };
    for (mpint, expected) in [
        (&[1][..], filled(&[1])),
        (&[0x7f, 0], filled(&[0x7f, 0])),
        (&[0, 0x80], filled(&[0x80])),
        (&[0, 0xff, 0xff], filled(&[0xff, 0xff])),
        (&[], None),     // zero
        (&[0], None),    // zero, in a longer form
        (&[0, 1], None), // one, in a longer form
        (&[0x80], None), // negative
        (&[0xff, 1], None),
        (&[1; 32], filled(&[1; 32])),
        (&[1; 33], None),
    ] {
        assert_eq!(scalar(mpint), expected, "{mpint:?}");
    }
    assert_eq!(
        scalar(&[&[0][..], &[0x80; 32]].concat()),
        filled(&[0x80; 32])
    );
}
