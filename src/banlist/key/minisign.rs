//! Checks signatures of minisign and signify.
//!
//! In: the 42 bytes of a public key (from a keyset, trusted), a text and the 74 bytes of a
//! signature (hostile). Out: yes, or what is wrong. minisign's format is described at
//! <https://jedisct1.github.io/minisign/>. minisign's format was developed from signify's format,
//! which has only the first form of signature below.
//!
//! ```text
//! key        "Ed" ‖ key number (8 bytes) ‖ point (32 bytes)
//! signature  "Ed" ‖ key number ‖ Ed25519 signature of the text         signify, and `minisign -l`
//!            "ED" ‖ key number ‖ … of BLAKE2b-512(text)                minisign
//! ```
//!
//! minisign's trusted comment and the signature over it are not read, so nobody has to trust the
//! comment.

use blake2::{Blake2b512, Digest as _};

use super::{Curve, Mismatch};

/// The key number in a public key or a signature. The number has the same offset in a key and in a
/// signature.
#[must_use]
pub fn number(bytes: &[u8]) -> Option<[u8; 8]> {
    bytes.get(2..10)?.try_into().ok()
}

/// The point in a public key; `None` when the key does not have the right format.
#[must_use]
pub fn point(key: &[u8]) -> Option<&[u8]> {
    let (numbered, point) = key.split_at_checked(10)?;
    (numbered.starts_with(b"Ed") && point.len() == 32).then_some(point)
}

/// Checks that `signature` was made by `key` over `text`.
///
/// # Errors
/// What is wrong with the signature.
pub fn check(key: &[u8], text: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
    let point = point(key).ok_or(Mismatch::Form)?;
    let (numbered, made) = signature
        .split_at_checked(10)
        .filter(|(_, made)| made.len() == 64)
        .ok_or(Mismatch::Form)?;
    let hashed;
    let signed = match numbered {
        [b'E', b'd', ..] => text,
        [b'E', b'D', ..] => {
            hashed = Blake2b512::digest(text);
            &hashed[..]
        }
        _ => return Err(Mismatch::Form),
    };
    if number(numbered) != number(key) {
        return Err(Mismatch::OtherKey);
    }
    if Curve::Ed25519.verifies(point, signed, made) {
        Ok(())
    } else {
        Err(Mismatch::Bytes)
    }
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
