//! Checks signatures of `ssh-keygen -Y sign`.
//!
//! In: the blob of an SSH public key (from a keyset, trusted), a text, and an SSHSIG blob without
//! its armor (hostile). Out: yes, or what is wrong. OpenSSH documents the envelope in
//! PROTOCOL.sshsig, and keys on a FIDO token in PROTOCOL.u2f. In the table below, a `string` is a
//! length of four bytes, big endian, followed by that many bytes.
//!
//! ```text
//! key        string kind ┐ Ed25519: string point
//!                        │ P-256:   string "nistp256", string 0x04 ‖ x ‖ y
//!                        └ on a token, then: string application
//! signature  "SSHSIG" ‖ 1 (four bytes) ‖ string key ‖ string namespace ‖ string "" ‖ string hash ‖ string made
//!     made   string kind, string: Ed25519 64 bytes; P-256 string r, string s; on a token, then: flags (a byte) ‖ counter (four)
//! signed     "SSHSIG" ‖ string namespace ‖ string "" ‖ string hash ‖ string HASH(text)
//!            on a token: SHA-256(application) ‖ flags ‖ counter ‖ SHA-256(signed)
//! ```
//!
//! The namespace keeps signatures for other purposes, such as a login or a commit, from being valid
//! here. The token must have been touched. As in OpenSSH, two things are not checked: the token's
//! counter, and whether the token asked for a PIN.

use ring::digest::{SHA512, digest};

use super::{Curve, Mismatch};
use crate::lineage::digest::Digest;

/// The namespace of signatures over lists and keysets: signers run `ssh-keygen -Y sign -n
/// banlist.v1`.
pub const NAMESPACE: &str = "banlist.v1";

const MAGIC: &[u8] = b"SSHSIG";

/// The flag that says that somebody touched the token (PROTOCOL.u2f, "SSH_SK_USER_PRESENCE_REQD").
const TOUCHED: u8 = 0x01;

/// The parts of the blob of an SSH public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SshKey<'a> {
    kind: &'a [u8],
    /// The curve of the key.
    pub curve: Curve,
    /// The key itself: 32 bytes for Ed25519, an uncompressed point for P-256.
    pub raw: &'a [u8],
    /// The application of a key on a token, usually `ssh:`.
    application: Option<&'a [u8]>,
}

impl<'a> SshKey<'a> {
    /// Divides a blob into its parts. `None` for every kind of key except Ed25519 and P-256, each
    /// with or without a token.
    #[must_use]
    pub fn parse(blob: &'a [u8]) -> Option<Self> {
        let mut rest = blob;
        let kind = string(&mut rest)?;
        let (curve, is_on_token) = match kind {
            b"ssh-ed25519" => (Curve::Ed25519, false),
            b"ecdsa-sha2-nistp256" => (Curve::P256, false),
            b"sk-ssh-ed25519@openssh.com" => (Curve::Ed25519, true),
            b"sk-ecdsa-sha2-nistp256@openssh.com" => (Curve::P256, true),
            _ => return None,
        };
        if curve == Curve::P256 && string(&mut rest)? != b"nistp256" {
            return None;
        }
        let raw = string(&mut rest)?;
        let application = if is_on_token {
            Some(string(&mut rest)?)
        } else {
            None
        };
        rest.is_empty().then_some(Self {
            kind,
            curve,
            raw,
            application,
        })
    }
}

/// The parts of an SSHSIG blob. None of them is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The public key that the envelope names as the maker of the signature, as a blob.
    pub key: &'a [u8],
    /// The purpose for which the signature was made.
    pub namespace: &'a [u8],
    hash: &'a [u8],
    made: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Divides a blob into its parts. A blob whose reserved field is not empty is refused: OpenSSH
    /// 9.2 writes an empty field, and verifies as if the field were empty.
    #[must_use]
    pub fn parse(blob: &'a [u8]) -> Option<Self> {
        let mut rest = blob.strip_prefix(MAGIC)?.strip_prefix(&[0, 0, 0, 1])?;
        let (key, namespace, reserved) =
            (string(&mut rest)?, string(&mut rest)?, string(&mut rest)?);
        let (hash, made) = (string(&mut rest)?, string(&mut rest)?);
        (reserved.is_empty() && rest.is_empty()).then_some(Self {
            key,
            namespace,
            hash,
            made,
        })
    }

    /// The bytes over which a key without a token signs.
    fn signed(&self, text: &[u8]) -> Option<Vec<u8>> {
        let hashed = match self.hash {
            b"sha256" => Digest::of(text).as_bytes().to_vec(),
            b"sha512" => digest(&SHA512, text).as_ref().to_vec(),
            _ => return None,
        };
        let mut signed = MAGIC.to_vec();
        for field in [self.namespace, b"", self.hash, &hashed] {
            signed.extend(u32::try_from(field.len()).ok()?.to_be_bytes());
            signed.extend(field);
        }
        Some(signed)
    }
}

/// Checks that `signature` was made by the key with this blob over `text`.
///
/// # Errors
/// What is wrong with the signature.
pub fn check(blob: &[u8], text: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
    let envelope = Envelope::parse(signature).ok_or(Mismatch::Form)?;
    let key = SshKey::parse(blob).ok_or(Mismatch::Form)?;
    if envelope.key != blob {
        return Err(Mismatch::OtherKey);
    }
    if envelope.namespace != NAMESPACE.as_bytes() {
        return Err(Mismatch::Namespace(
            String::from_utf8_lossy(envelope.namespace).into_owned(),
        ));
    }
    let mut signed = envelope.signed(text).ok_or(Mismatch::Form)?;
    let Made { raw, token } = Made::parse(&key, envelope.made).ok_or(Mismatch::Form)?;
    if let (Some(application), Some(token)) = (key.application, token) {
        if token[0] & TOUCHED == 0 {
            return Err(Mismatch::Untouched);
        }
        signed = [
            Digest::of(application).as_bytes(),
            &token[..],
            Digest::of(&signed).as_bytes(),
        ]
        .concat();
    }
    if key.curve.verifies(key.raw, &signed, &raw) {
        Ok(())
    } else {
        Err(Mismatch::Bytes)
    }
}

/// The signature as the key made it: 64 bytes, which are r and s for P-256. If the key is on a
/// token, also the token's flags and counter.
struct Made {
    raw: [u8; 64],
    token: Option<[u8; 5]>,
}

impl Made {
    fn parse(key: &SshKey<'_>, blob: &[u8]) -> Option<Self> {
        let mut rest = blob;
        if string(&mut rest)? != key.kind {
            return None;
        }
        let mut made = string(&mut rest)?;
        let raw = match key.curve {
            Curve::Ed25519 => made.try_into().ok()?,
            Curve::P256 => {
                let (r, s) = (scalar(string(&mut made)?)?, scalar(string(&mut made)?)?);
                made.is_empty().then(|| [r, s].concat().try_into().ok())??
            }
        };
        let token = match key.application {
            Some(_) => Some(rest.split_off(..5)?.try_into().ok()?),
            None => None,
        };
        rest.is_empty().then_some(Self { raw, token })
    }
}

/// Takes a `string` from the front of `rest` (RFC 4251, section 5).
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = rest.split_off(..4)?;
    rest.split_off(..usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?)
}

/// Reads a positive `mpint` of at most 256 bits, which must be in its shortest form (RFC 4251,
/// section 5). Returns the number as 32 bytes, with zeros in front.
fn scalar(mpint: &[u8]) -> Option<[u8; 32]> {
    let digits = match mpint {
        [0, 0x80..=0xff, ..] => &mpint[1..],
        [1..0x80, ..] => mpint,
        _ => return None,
    };
    let mut filled = [0; 32];
    filled[32_usize.checked_sub(digits.len())?..].copy_from_slice(digits);
    Some(filled)
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
