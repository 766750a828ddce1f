//! Tests signatures of minisign 0.11 and signify 31, and every way to damage them.

use blake2::{Blake2b512, Digest as _};
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::super::{Algorithm, PublicKey};
use super::*;
use crate::banlist::base64;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/signatures/",
            $name
        ))
    };
}

const HEAD: &[u8] = fixture!("head").as_bytes();

/// The second line of a file. Both tools write the data in the second line.
fn line(file: &str) -> Vec<u8> {
    base64::decode(file.lines().nth(1).unwrap()).unwrap()
}

#[test]
fn what_the_real_tools_sign_is_good_for_their_key_alone() {
    let (minisign, signify) = (
        line(fixture!("minisign-0.11.pub")),
        line(fixture!("signify-31.pub")),
    );
    for (case, key, signature, expected) in [
        (
            "prehashed",
            &minisign,
            fixture!("minisign-0.11.minisig"),
            Ok(()),
        ),
        (
            "plain",
            &minisign,
            fixture!("minisign-0.11-legacy.minisig"),
            Ok(()),
        ),
        ("signify", &signify, fixture!("signify-31.sig"), Ok(())),
        (
            "of another key",
            &minisign,
            fixture!("minisign-0.11-other.minisig"),
            Err(Mismatch::OtherKey),
        ),
        (
            "of the other tool",
            &minisign,
            fixture!("signify-31.sig"),
            Err(Mismatch::OtherKey),
        ),
    ] {
        let key = PublicKey::new(Algorithm::Minisign, key.clone()).unwrap();
        assert_eq!(key.check(HEAD, &line(signature)), expected, "{case}");
        assert!(!key.verifies(&HEAD[1..], &line(signature)), "{case}");
    }
}

#[test]
fn the_vector_of_rfc_7693_is_what_minisign_hashes_with() {
    // RFC 7693, appendix A.
    assert!(
        Blake2b512::digest(b"abc").starts_with(&[0xba, 0x80, 0xa5, 0x3f, 0x98, 0x1c, 0x4d, 0x0d])
    );
}

#[test]
fn one_form_never_passes_for_the_other() {
    let key = line(fixture!("minisign-0.11.pub"));
    for (file, other) in [
        (fixture!("minisign-0.11.minisig"), b'd'),
        (fixture!("minisign-0.11-legacy.minisig"), b'D'),
    ] {
        let mut signature = line(file);
        signature[1] = other;
        assert_eq!(check(&key, HEAD, &signature), Err(Mismatch::Bytes));
        signature[1] = b'e';
        assert_eq!(check(&key, HEAD, &signature), Err(Mismatch::Form));
    }
}

#[test]
fn every_changed_byte_and_every_other_length_is_refused() {
    let key = line(fixture!("minisign-0.11.pub"));
    let good = line(fixture!("minisign-0.11.minisig"));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        // 0x20 is the difference between the two forms "Ed" and "ED".
        let expected = if at < 2 {
            [Mismatch::Form, Mismatch::Bytes][at].clone()
        } else if at < 10 {
            Mismatch::OtherKey
        } else {
            Mismatch::Bytes
        };
        assert_eq!(check(&key, HEAD, &bad), Err(expected), "byte {at}");
        assert_eq!(
            check(&key, HEAD, &good[..at]),
            Err(Mismatch::Form),
            "{at} bytes"
        );
    }
    assert_eq!(
        check(&key, HEAD, &[good.as_slice(), b"\0"].concat()),
        Err(Mismatch::Form)
    );
}

#[test]
fn a_key_of_another_form_or_of_small_order_is_not_a_key() {
    let key = line(fixture!("minisign-0.11.pub"));
    for (case, bytes) in [
        ("short", key[..41].to_vec()),
        ("long", [key.as_slice(), &[0]].concat()),
        ("another word", [b"ED", &key[2..]].concat()),
        ("small order", [&key[..10], &[0; 32]].concat()),
    ] {
        assert_eq!(PublicKey::new(Algorithm::Minisign, bytes), None, "{case}");
    }
}

#[test]
fn the_key_number_is_no_part_of_the_identity() {
    // The owner of a secret key can write any key number beside it. Another number must not make
    // the key count twice.
    let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let keys = [7_u8, 8]
        .map(|number| [b"Ed".as_slice(), &[number; 8], pair.public_key().as_ref()].concat());
    let keys = keys.map(|bytes| PublicKey::new(Algorithm::Minisign, bytes).unwrap());
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[0].identity(), keys[1].identity());
}
