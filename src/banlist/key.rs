//! Checks whether a signature over some bytes was made by a key.
//!
//! In: a public key from a keyset (trusted), a text and a signature (hostile). Out: yes or no. A
//! key's ID is only a hint for finding the key. Trust depends on the public key alone, that is, on
//! the point on the curve: the same point in the formats of OpenSSL, OpenSSH and minisign is one
//! key.
//!
//! `ring` verifies both kinds of keys. Measured in a static musl program on one machine: it added
//! 320 KB to the program and nothing to the start of a process (it queries the processor on first
//! use; CPUID takes microseconds in a virtual machine). The first Ed25519 verification took 87 µs,
//! later ones 31 µs, P-256 35 µs. `aws-lc-rs` 1.19 took 23 and 36 µs once in use, but was slower
//! where it matters: 42 µs more at every start, because its constructor runs even for calls that
//! verify nothing, 109 µs for the first verification, and 2,560 KB. `ed25519-dalek` 3.0 took 97 and
//! 33 µs and 120 KB, but would need another crate for P-256 (`p256`: seven times slower).
//!
//! `ring` rejects signatures whose scalar is out of range. When a key is read, this file rejects
//! keys of small order, under which anybody can sign; keys that are not in their only valid form;
//! and bytes that are not a point of the curve. The formats of SSH and minisign are parsed here,
//! and their signatures are verified by `ring` as well. Both formats together take 16 KB of the
//! program, half of that for BLAKE2b; the `ssh-key` crate alone depends on 42 other crates.

mod curve;
pub mod minisign;
pub mod sshsig;

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey,
};

use crate::lineage::digest::Digest;

/// The bytes before the point in the `SubjectPublicKeyInfo` of an uncompressed P-256 key (RFC 5480,
/// section 2). The last of these bytes is 0x04, with which the point begins.
pub const P256_SPKI: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The bytes before the key in the `SubjectPublicKeyInfo` of an Ed25519 key (RFC 8410, section 4).
pub const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The algorithm and format in which a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032) over the text. The key is 32 bytes. Note type 0x01.
    Ed25519,
    /// ECDSA over P-256 and SHA-256 of the text, in DER. The key is its `SubjectPublicKeyInfo`.
    /// Note type 0x02.
    P256,
    /// `ssh-keygen -Y sign`. The key is the blob of an SSH public key. Note type 0xff `sshsig`.
    Sshsig,
    /// minisign and signify. The key is the 42 bytes that these tools write. Note type 0xff
    /// `minisign`.
    Minisign,
}

impl Algorithm {
    /// The algorithm's name in a keyset.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::Sshsig => "sshsig",
            Self::Minisign => "minisign",
        }
    }

    /// The algorithm with that name.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Ed25519, Self::P256, Self::Sshsig, Self::Minisign]
            .into_iter()
            .find(|algorithm| algorithm.word() == word)
    }
}

/// The curve on which the point of a key lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// edwards25519. A point is 32 bytes.
    Ed25519,
    /// NIST P-256. A point is 65 bytes, uncompressed.
    P256,
}

impl Curve {
    /// Whether `raw` is a point of the curve under which only its owner can sign.
    #[must_use]
    fn fits(self, raw: &[u8]) -> bool {
        match self {
            Self::Ed25519 => {
                !of_small_order(raw)
                    && <&[u8; 32]>::try_from(raw)
                        .is_ok_and(|key| is_reduced(key) && curve::is_on_edwards25519(key))
            }
            Self::P256 => match raw.split_first() {
                Some((0x04, point)) => {
                    matches!(point.as_chunks(), ([x, y], []) if curve::is_on_p256(x, y))
                }
                Some(_) | None => false,
            },
        }
    }

    /// Whether the 64 bytes `made` are the signature of the point `raw` over `signed`. For P-256,
    /// `made` is r and s.
    fn verifies(self, raw: &[u8], signed: &[u8], made: &[u8]) -> bool {
        match self {
            Self::Ed25519 => UnparsedPublicKey::new(&ED25519, raw)
                .verify(signed, made)
                .is_ok(),
            Self::P256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, raw)
                .verify(signed, made)
                .is_ok(),
        }
    }
}

/// The identity of a key, whatever its name and its format. Two public keys are the same key when
/// their identities are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyIdentity<'a> {
    /// The key's curve.
    pub curve: Curve,
    /// The key's point.
    pub point: &'a [u8],
}

/// Why a signature is not valid for a key and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The signature does not have the right format.
    Form,
    /// The signature itself names another key.
    OtherKey,
    /// SSH: the signature was made for the purpose that the text names, not for
    /// [`sshsig::NAMESPACE`].
    Namespace(String),
    /// SSH: nobody touched the token when the signature was made.
    Untouched,
    /// The signature was made over other bytes, or by another key.
    Bytes,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
    curve: Curve,
    point: Vec<u8>,
}

/// The largest public key, in bytes.
pub const MAX_KEY: usize = 1_024;

impl PublicKey {
    /// The key of `algorithm` with these bytes. `None` when the bytes do not have the right format,
    /// or when anybody could sign under this key.
    #[must_use]
    pub fn new(algorithm: Algorithm, bytes: Vec<u8>) -> Option<Self> {
        let (curve, point) = point(algorithm, &bytes)?;
        let (is_key, point) = (bytes.len() <= MAX_KEY && curve.fits(point), point.to_vec());
        is_key.then_some(Self {
            algorithm,
            bytes,
            curve,
            point,
        })
    }

    /// The key in a DER `SubjectPublicKeyInfo`, if it is Ed25519 or P-256; otherwise `None`.
    #[must_use]
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        match der.strip_prefix(&ED25519_SPKI) {
            Some(key) => Self::new(Algorithm::Ed25519, key.to_vec()),
            None => Self::new(Algorithm::P256, der.to_vec()),
        }
    }

    /// How the key signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's bytes, as in a keyset.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key's identity. Signatures by keys of the same identity count once.
    #[must_use]
    pub fn identity(&self) -> KeyIdentity<'_> {
        KeyIdentity {
            curve: self.curve,
            point: &self.point,
        }
    }

    /// The ID by which the signature line of a note refers to the key, as in C2SP signed-note: the
    /// first four bytes of a SHA-256. For P-256, the hash is over the `SubjectPublicKeyInfo` alone;
    /// for all other algorithms, over the name, a line feed, the type and the key.
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

    /// Whether `signature` was made by this key over `text`.
    #[must_use]
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        self.check(text, signature).is_ok()
    }

    /// Checks that `signature` was made by this key over `text`.
    ///
    /// # Errors
    /// What is wrong with the signature.
    pub fn check(&self, text: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        let is_good = match self.algorithm {
            Algorithm::Ed25519 => self.curve.verifies(&self.point, text, signature),
            Algorithm::P256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
                .verify(text, signature)
                .is_ok(),
            Algorithm::Sshsig => return sshsig::check(&self.bytes, text, signature),
            Algorithm::Minisign => return minisign::check(&self.bytes, text, signature),
        };
        if is_good {
            Ok(())
        } else {
            Err(Mismatch::Bytes)
        }
    }
}

/// The curve and the point in the bytes of a key of `algorithm`. `None` when the bytes do not have
/// the right format.
fn point(algorithm: Algorithm, bytes: &[u8]) -> Option<(Curve, &[u8])> {
    match algorithm {
        Algorithm::Ed25519 => Some((Curve::Ed25519, bytes)),
        // The last byte of the prefix, 0x04, belongs to the point.
        Algorithm::P256 => Some((
            Curve::P256,
            bytes.strip_prefix(&P256_SPKI[..P256_SPKI.len() - 1])?,
        )),
        Algorithm::Sshsig => sshsig::SshKey::parse(bytes).map(|key| (key.curve, key.raw)),
        Algorithm::Minisign => Some((Curve::Ed25519, minisign::point(bytes)?)),
    }
}

/// The y coordinates of the points of order 1, 2, 4 and 8 on edwards25519, little endian.
const SMALL_ORDER: [[u8; 32]; 5] = {
    let mut table = [[0_u8; 32]; 5];
    table[1][0] = 1;
    table[2] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ];
    table[3] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ];
    table[4] = [0xff; 32];
    table[4][0] = PRIME_LOWEST - 1;
    table[4][31] = 0x7f;
    table
};

/// The lowest byte of 2²⁵⁵ − 19, little endian. The highest byte is 0x7f; all bytes between are
/// 0xff.
const PRIME_LOWEST: u8 = 0xed;

/// Whether the y coordinate is below the prime. A coordinate that is not is a second way to write a
/// point (RFC 8032, section 5.1.3).
fn is_reduced(key: &[u8]) -> bool {
    key[0] < PRIME_LOWEST || key[1..31].iter().any(|byte| *byte != 0xff) || key[31] & 0x7f != 0x7f
}

fn of_small_order(key: &[u8]) -> bool {
    let Some((last, rest)) = key.split_last() else {
        return true;
    };
    SMALL_ORDER
        .iter()
        .any(|point| point[..31] == *rest && point[31] == last & 0x7f)
}

#[cfg(test)]
#[cfg(feature = "ctl")]
pub(crate) mod testing;
#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
