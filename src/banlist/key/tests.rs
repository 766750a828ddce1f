//! Tests keys, and signatures of Ed25519 and P-256 without an envelope.

use super::testing::TestSsh;
use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn the_third_vector_of_rfc_8032_verifies_and_nothing_near_it_does() {
    let key = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    let signature = bytes(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    );
    let key = PublicKey::new(Algorithm::Ed25519, key).unwrap();
    assert!(key.verifies(&[0xaf, 0x82], &signature));
    assert!(!key.verifies(&[0xaf, 0x83], &signature));
    for at in 0..signature.len() {
        let mut other = signature.clone();
        other[at] ^= 1;
        assert!(!key.verifies(&[0xaf, 0x82], &other), "byte {at}");
    }
}

#[test]
fn the_key_id_is_that_of_the_c2sp_example() {
    // From golang.org/x/mod/sumdb/note:
    // "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".
    let encoded =
        super::super::base64::decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let key = PublicKey::new(Algorithm::Ed25519, encoded[1..].to_vec()).unwrap();
    assert_eq!(key.id("PeterNeumann"), [0xc7, 0x4f, 0x20, 0xa3]);
}

#[test]
fn keys_under_which_anybody_can_sign_are_not_keys() {
    for point in SMALL_ORDER {
        for sign in [0, 0x80] {
            let mut key = point.to_vec();
            key[31] |= sign;
            assert_eq!(PublicKey::new(Algorithm::Ed25519, key), None);
        }
    }
}

#[test]
fn a_key_of_another_form_is_not_a_key() {
    assert_eq!(PublicKey::new(Algorithm::Ed25519, vec![3; 31]), None);
    assert_eq!(PublicKey::new(Algorithm::P256, vec![4; 91]), None);
    assert_eq!(PublicKey::new(Algorithm::Minisign, vec![b'E'; 42]), None);
    assert_eq!(
        PublicKey::new(Algorithm::Sshsig, vec![0; MAX_KEY + 1]),
        None
    );
}

/// The same point in the formats of openssl, ssh-keygen, a token and minisign.
fn one_key_in_four_forms(seed: u8) -> [PublicKey; 4] {
    let ssh = TestSsh::ed25519(seed);
    let token = TestSsh::ed25519(seed).on_token(b"ssh:");
    let minisign = [b"Ed".as_slice(), &[7; 8], ssh.point()].concat();
    [
        (Algorithm::Ed25519, ssh.point().to_vec()),
        (Algorithm::Sshsig, ssh.blob()),
        (Algorithm::Sshsig, token.blob()),
        (Algorithm::Minisign, minisign),
    ]
    .map(|(algorithm, bytes)| PublicKey::new(algorithm, bytes).unwrap())
}

#[test]
fn a_key_is_one_in_whatever_form_it_is_written() {
    let (one, two) = (one_key_in_four_forms(1), one_key_in_four_forms(2));
    for key in &one {
        assert_eq!(key.identity(), one[0].identity(), "{key:?}");
        assert!(two.iter().all(|other| other.identity() != key.identity()));
    }
    let p256 = TestSsh::p256();
    let spki = [&P256_SPKI[..P256_SPKI.len() - 1], p256.point()].concat();
    let p256 = [(Algorithm::P256, spki), (Algorithm::Sshsig, p256.blob())]
        .map(|(algorithm, bytes)| PublicKey::new(algorithm, bytes).unwrap());
    assert_eq!(p256[0].identity(), p256[1].identity());
}

#[test]
fn a_key_has_one_spelling() {
    // y = 3 is on the curve. y = 3 + (2^255 - 19) is another way to write the same point.
    let mut again = [0xff; 32];
    (again[0], again[31]) = (PRIME_LOWEST + 3, 0x7f);
    let mut once = [0; 32];
    once[0] = 3;
    assert!(PublicKey::new(Algorithm::Ed25519, once.to_vec()).is_some());
    for sign in [0, 0x80] {
        again[31] = 0x7f | sign;
        assert_eq!(PublicKey::new(Algorithm::Ed25519, again.to_vec()), None);
    }
    // The largest y below the prime that belongs to a point which is not of small order. The next y
    // belongs to no point.
    (again[0], again[31]) = (PRIME_LOWEST - 3, 0x7f);
    assert!(PublicKey::new(Algorithm::Ed25519, again.to_vec()).is_some());
    again[0] = PRIME_LOWEST - 2;
    assert_eq!(PublicKey::new(Algorithm::Ed25519, again.to_vec()), None);
}

/// No signature is ever valid under a key that is not a point of its curve, so a keyset with such a
/// key would count a signer who cannot sign.
#[test]
fn bytes_that_are_no_point_are_no_key_in_any_form() {
    let ssh = TestSsh::ed25519(1);
    let blob = ssh.blob();
    let no_point = [7; 32];
    assert_eq!(PublicKey::new(Algorithm::Ed25519, no_point.to_vec()), None);
    assert_eq!(
        PublicKey::new(
            Algorithm::Minisign,
            [&b"Ed12345678"[..], &no_point].concat()
        ),
        None
    );
    assert_eq!(
        PublicKey::new(
            Algorithm::Sshsig,
            [&blob[..blob.len() - 32], &no_point].concat()
        ),
        None
    );
    let p256 = TestSsh::p256();
    let blob = p256.blob();
    let spki = |point: &[u8]| [&P256_SPKI[..P256_SPKI.len() - 1], point].concat();
    assert!(PublicKey::new(Algorithm::P256, spki(p256.point())).is_some());
    let mut moved = p256.point().to_vec();
    moved[64] ^= 1;
    assert_eq!(PublicKey::new(Algorithm::P256, spki(&moved)), None);
    assert_eq!(
        PublicKey::new(
            Algorithm::Sshsig,
            [&blob[..blob.len() - 65], &moved].concat()
        ),
        None
    );
}
