//! Is this signature over these bytes by that key?
//!
//! In: a public key from a keyset (trusted), a text and a signature (hostile). Out: yes or no. A key's ID is a hint that finds it; trust hangs on the
//! public key's bytes alone.
//!
//! The verifier is `ring`, for both kinds: in one static musl program on one machine, `ring` added 320 KB and nothing to the start of a process
//! (it asks the processor on first use: CPUID costs microseconds in a virtual machine), first Ed25519 verification 87 µs, later ones 31 µs, P-256
//! 35 µs. `aws-lc-rs` 1.19 was faster when hot (23 and 36 µs) and slower where it counts: 42 µs more at every start, its constructor runs even for
//! calls that check nothing, 109 µs for the first, 2,560 KB. `ed25519-dalek` 3.0 took 97 and 33 µs and 120 KB and leaves P-256 to another crate
//! (`p256`: seven times slower). `ring` rejects signatures whose scalar is out of range; keys of small order, under which anybody can sign, are
//! rejected here when they are read.

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};

use crate::lineage::digest::Digest;

/// What comes before the point in the `SubjectPublicKeyInfo` of an uncompressed P-256 key (RFC 5480, section 2), the point's own 0x04 included.
pub const P256_SPKI: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
    0x07, 0x03, 0x42, 0x00, 0x04,
];

/// What comes before the key in the `SubjectPublicKeyInfo` of an Ed25519 key (RFC 8410, section 4).
pub const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032) over the text; the key is 32 bytes. Note type 0x01.
    Ed25519,
    /// ECDSA over P-256 and SHA-256 of the text, in DER; the key is its `SubjectPublicKeyInfo`. Note type 0x02.
    P256,
    /// `ssh-keygen -Y sign`; the key is the blob of an SSH public key. Note type 0xff `sshsig`.
    Sshsig,
    /// minisign; the key is its 42 bytes. Note type 0xff `minisign`.
    Minisign,
}

impl Algorithm {
    /// Its word in a keyset.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::Sshsig => "sshsig",
            Self::Minisign => "minisign",
        }
    }

    /// The algorithm of that word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Ed25519, Self::P256, Self::Sshsig, Self::Minisign].into_iter().find(|algorithm| algorithm.word() == word)
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// The most bytes that a public key may have.
pub const MAX_KEY: usize = 1_024;

impl PublicKey {
    /// The key of `algorithm` with these bytes. `None` when they have not its form, or when anybody could sign under it.
    #[must_use]
    pub fn new(algorithm: Algorithm, bytes: Vec<u8>) -> Option<Self> {
        let formed = match algorithm {
            Algorithm::Ed25519 => bytes.len() == 32 && !of_small_order(&bytes),
            Algorithm::P256 => bytes.len() == P256_SPKI.len() + 64 && bytes.starts_with(&P256_SPKI),
            Algorithm::Sshsig => (12..=MAX_KEY).contains(&bytes.len()),
            Algorithm::Minisign => bytes.len() == 42 && bytes.starts_with(b"Ed"),
        };
        formed.then_some(Self { algorithm, bytes })
    }

    /// The key of a DER `SubjectPublicKeyInfo`, Ed25519 or P-256; `None` for any other.
    #[must_use]
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        match der.strip_prefix(&ED25519_SPKI) {
            Some(key) => Self::new(Algorithm::Ed25519, key.to_vec()),
            None => Self::new(Algorithm::P256, der.to_vec()),
        }
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its bytes, as a keyset has them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The ID by which a note's signature line finds it, as C2SP signed-note says: the first four bytes of SHA-256 over the name, a line feed, the
    /// type and the key; for P-256 over the `SubjectPublicKeyInfo` alone.
    #[must_use]
    pub fn id(&self, name: &str) -> [u8; 4] {
        let named = |kind: &[u8]| [name.as_bytes(), b"\n", kind, &self.bytes].concat();
        let hashed = match self.algorithm {
            Algorithm::Ed25519 => Digest::of(&named(&[0x01])),
            Algorithm::P256 => Digest::of(&self.bytes),
            Algorithm::Sshsig => Digest::of(&named(b"\xffsshsig")),
            Algorithm::Minisign => Digest::of(&named(b"\xffminisign")),
        };
        let [a, b, c, d, ..] = *hashed.as_bytes();
        [a, b, c, d]
    }

    /// Whether this program can check its signatures: those of SSH and minisign keys are told apart, and skipped.
    #[must_use]
    pub const fn is_checked(&self) -> bool {
        match self.algorithm {
            Algorithm::Ed25519 | Algorithm::P256 => true,
            Algorithm::Sshsig | Algorithm::Minisign => false,
        }
    }

    /// Whether `signature` is this key's over `text`; never for a key that is not [`PublicKey::is_checked`].
    #[must_use]
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.bytes).verify(text, signature).is_ok(),
            Algorithm::P256 => {
                let point = &self.bytes[P256_SPKI.len() - 1..];
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(text, signature).is_ok()
            }
            Algorithm::Sshsig | Algorithm::Minisign => false,
        }
    }
}

/// The y coordinates of the points of order 1, 2, 4 and 8 on edwards25519, little endian, reduced and not.
const SMALL_ORDER: [[u8; 32]; 7] = {
    let mut table = [[0_u8; 32]; 7];
    table[1][0] = 1;
    table[2] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
        0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    table[3] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
        0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    table[4] = around_the_prime(0xec);
    table[5] = around_the_prime(0xed);
    table[6] = around_the_prime(0xee);
    table
};

/// 2²⁵⁵ − 256 + `lowest`, little endian; the prime's lowest byte is 0xed.
const fn around_the_prime(lowest: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = lowest;
    bytes[31] = 0x7f;
    bytes
}

fn of_small_order(key: &[u8]) -> bool {
    let Some((last, rest)) = key.split_last() else { return true };
    SMALL_ORDER.iter().any(|point| point[..31] == *rest && point[31] == last & 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
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
        // golang.org/x/mod/sumdb/note: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".
        let encoded = super::super::base64::decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
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
        assert_eq!(PublicKey::new(Algorithm::Sshsig, vec![0; MAX_KEY + 1]), None);
    }
}
