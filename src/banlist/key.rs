//! Checks whether a key made a signature over some bytes.
//!
//! In: a public key from a keyset (trusted), a text and a signature (hostile). Out: yes or no. A
//! key's ID is only a hint that finds it. Trust depends on the public key alone, that is, on the
//! point on the curve: the same point in the formats of OpenSSL, OpenSSH and minisign is one key.
//!
//! The verifier is `ring`, for both kinds of key. In a static musl program on one machine it added
//! 320 KB and nothing to the start of a process (it queries the processor on first use: CPUID costs
//! microseconds in a virtual machine). The first Ed25519 verification took 87 µs, later ones 31 µs,
//! P-256 35 µs. `aws-lc-rs` 1.19 was faster when hot (23 and 36 µs) and slower where it counts: 42
//! µs more at every start, because its constructor runs even for calls that check nothing, 109 µs
//! for the first, 2,560 KB. `ed25519-dalek` 3.0 took 97 and 33 µs and 120 KB, and leaves P-256 to
//! another crate (`p256`: seven times slower).
//!
//! `ring` rejects signatures whose scalar is out of range. Keys of small order, under which anybody
//! can sign, keys that have a second spelling, and bytes that are no point of the curve are
//! rejected here when they are read. The formats of SSH and minisign are parsed here and verified
//! by `ring` as well. Both together are 16 KB of the program, half of it BLAKE2b; the `ssh-key`
//! crate alone depends on 42 others.

mod curve;
pub mod minisign;
pub mod sshsig;

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey,
};

use crate::lineage::digest::Digest;

/// What precedes the point in the `SubjectPublicKeyInfo` of an uncompressed P-256 key (RFC 5480,
/// section 2), including the point's own 0x04.
pub const P256_SPKI: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// What precedes the key in the `SubjectPublicKeyInfo` of an Ed25519 key (RFC 8410, section 4).
pub const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032) over the text; the key is 32 bytes. Note type 0x01.
    Ed25519,
    /// ECDSA over P-256 and SHA-256 of the text, in DER; the key is its `SubjectPublicKeyInfo`.
    /// Note type 0x02.
    P256,
    /// `ssh-keygen -Y sign`; the key is the blob of an SSH public key. Note type 0xff `sshsig`.
    Sshsig,
    /// minisign and signify; the key is its 42 bytes. Note type 0xff `minisign`.
    Minisign,
}

impl Algorithm {
    /// Its name in a keyset.
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

/// The curve of a key's point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// edwards25519; a point is 32 bytes.
    Ed25519,
    /// NIST P-256; a point is 65 bytes, uncompressed.
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

    /// Whether the 64 bytes `made`, for P-256 r and s, are the signature of the point `raw` over
    /// `signed`.
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

/// Which key it is, whatever its name and its format: two public keys are one key when their
/// identities are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyIdentity<'a> {
    /// Its curve.
    pub curve: Curve,
    /// Its point.
    pub point: &'a [u8],
}

/// Why a signature is not this key's over a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It does not have the form of such a signature.
    Form,
    /// It names another key itself.
    OtherKey,
    /// SSH: it was made for this purpose, not for [`sshsig::NAMESPACE`].
    Namespace(String),
    /// SSH: nobody touched the token.
    Untouched,
    /// It was made over other bytes, or by another key.
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

/// The most bytes that a public key may have.
pub const MAX_KEY: usize = 1_024;

impl PublicKey {
    /// The key of `algorithm` with these bytes. `None` when they do not have its form, or when
    /// anybody could sign under it.
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

    /// Which key it is: what signatures are counted by.
    #[must_use]
    pub fn identity(&self) -> KeyIdentity<'_> {
        KeyIdentity {
            curve: self.curve,
            point: &self.point,
        }
    }

    /// The ID by which a note's signature line refers to it, as in C2SP signed-note: the first four
    /// bytes of SHA-256 over the name, a line feed, the type and the key; for P-256 over the
    /// `SubjectPublicKeyInfo` alone.
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

    /// Whether `signature` is this key's over `text`.
    #[must_use]
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        self.check(text, signature).is_ok()
    }

    /// Whether `signature` is this key's over `text`.
    ///
    /// # Errors
    /// What is wrong with it.
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

/// The point in the bytes of a key of `algorithm`, and its curve; `None` when they do not have its
/// form.
fn point(algorithm: Algorithm, bytes: &[u8]) -> Option<(Curve, &[u8])> {
    match algorithm {
        Algorithm::Ed25519 => Some((Curve::Ed25519, bytes)),
        // The point's own 0x04 ends the prefix.
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

/// The lowest byte of 2²⁵⁵ − 19, little endian; the highest is 0x7f, those between are 0xff.
const PRIME_LOWEST: u8 = 0xed;

/// Whether the y coordinate is below the prime: the few that are not are second spellings of a
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
