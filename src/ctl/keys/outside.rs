//! Reads the signature in a file that another tool wrote.
//!
//! In: the output of a tool that signed the bytes of `list head`: 64 bytes, DER, Base 64 of either
//! in any of its spellings; the JSON of a key service's command or of cosign; an armored SSH
//! signature; a file of minisign or signify. Hostile, though the caller bounds its size. Out: the
//! bytes that may be the signature, for a key of some algorithm. Only the key can confirm that they
//! are.

use std::fmt;

use serde_json::Value;

use super::pem;
use crate::banlist::base64;
use crate::banlist::key::Algorithm;

/// The most bytes of such a file: cosign's bundles hold certificates and proofs.
pub const MAX_SIGNATURE: u64 = 64 << 10;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// An SSHSIG blob.
    Ssh(Vec<u8>),
    /// The bytes that minisign and signify write.
    Minisign(Vec<u8>),
    /// Bytes without a form of their own, in each way in which the file can be read.
    Plain(Vec<Vec<u8>>),
}

/// Why a file holds no signature that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSignature {
    /// OpenPGP.
    Pgp,
    /// CMS, or S/MIME.
    Cms,
    /// signify with the message inside.
    Embedded,
    /// cosign, or in-toto: a DSSE envelope, which signs something else.
    Envelope,
    /// A public key.
    PublicKey,
    /// JSON without a signature.
    Json,
    /// It is incomplete.
    Damaged,
    /// Nothing.
    Empty,
}

impl fmt::Display for NoSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pgp => "it is an OpenPGP signature",
            Self::Cms => "it is a CMS signature",
            Self::Embedded => "its message is inside it",
            Self::Envelope => "it is a DSSE envelope, which signs other bytes",
            Self::PublicKey => "it is a key",
            Self::Json => "it is JSON without a signature",
            Self::Damaged => "it is damaged",
            Self::Empty => "it is empty",
        })
    }
}

impl NoSignature {
    /// What to do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Embedded => "sign without -e: signify -S -s KEY -m head -x head.sig",
            Self::Envelope => "sign the file itself: cosign sign-blob --key KEY --bundle FILE head",
            Self::PublicKey => {
                "it belongs to --key; --signature takes what the tool wrote when it signed"
            }
            Self::Pgp | Self::Cms | Self::Json | Self::Damaged | Self::Empty => {
                "embargo-signing(7) has the commands of each tool"
            }
        }
    }
}

/// Finds the signature in what a tool wrote.
///
/// # Errors
/// [`NoSignature`].
pub fn parse(bytes: &[u8]) -> Result<Outside, NoSignature> {
    if bytes.starts_with(b"SSHSIG") {
        return Ok(Outside::Ssh(bytes.to_vec()));
    }
    // A signature's own bytes are rarely text, but may be.
    let text = std::str::from_utf8(bytes)
        .map(str::trim)
        .unwrap_or_default();
    if text.starts_with("-----BEGIN ") {
        return armored(text);
    }
    if text.starts_with("untrusted comment:") {
        return commented(text);
    }
    if text.starts_with('{') {
        return json(text);
    }
    let readings: Vec<_> = [Some(bytes.to_vec()), lenient(text)]
        .into_iter()
        .flatten()
        .filter(|bytes| !bytes.is_empty())
        .collect();
    if readings.is_empty() {
        Err(NoSignature::Empty)
    } else {
        Ok(Outside::Plain(readings))
    }
}

fn armored(text: &str) -> Result<Outside, NoSignature> {
    const SSH: &str = "SSH SIGNATURE";
    if text.starts_with("-----BEGIN SSH SIGNATURE-----") {
        return pem::decode(text, SSH)
            .map(Outside::Ssh)
            .ok_or(NoSignature::Damaged);
    }
    Err(if text.starts_with("-----BEGIN PGP") {
        NoSignature::Pgp
    } else if text.starts_with("-----BEGIN PKCS7-----") || text.starts_with("-----BEGIN CMS-----") {
        NoSignature::Cms
    } else if text.contains("KEY-----") {
        NoSignature::PublicKey
    } else {
        NoSignature::Damaged
    })
}

/// A comment, the signature's line, and for minisign a trusted comment and the signature over it.
fn commented(text: &str) -> Result<Outside, NoSignature> {
    let mut lines = text.lines().skip(1);
    let signature = lines
        .next()
        .and_then(|line| base64::decode(line.trim_end()))
        .ok_or(NoSignature::Damaged)?;
    match (signature.len(), lines.next()) {
        (74, None) => Ok(Outside::Minisign(signature)),
        (74, Some(line)) if line.starts_with("trusted comment:") => {
            Ok(Outside::Minisign(signature))
        }
        (74, Some(_)) => Err(NoSignature::Embedded),
        (42, _) => Err(NoSignature::PublicKey),
        _ => Err(NoSignature::Damaged),
    }
}

/// Where the signature is in JSON: sigstore's bundle, cosign's older one, `aws kms sign`, `az
/// keyvault key sign`, Azure's and Google's own API.
const FIELDS: [&str; 6] = [
    "/messageSignature/signature",
    "/base64Signature",
    "/Signature",
    "/signature",
    "/value",
    "/result",
];

fn json(text: &str) -> Result<Outside, NoSignature> {
    let value: Value = serde_json::from_str(text).map_err(|_| NoSignature::Damaged)?;
    if value
        .get("dsseEnvelope")
        .or_else(|| value.get("payloadType"))
        .is_some()
    {
        return Err(NoSignature::Envelope);
    }
    let encoded = FIELDS
        .iter()
        .find_map(|field| value.pointer(field)?.as_str())
        .ok_or(NoSignature::Json)?;
    lenient(encoded)
        .map(|bytes| Outside::Plain(vec![bytes]))
        .ok_or(NoSignature::Damaged)
}

/// Base 64 in either alphabet (RFC 4648, sections 4 and 5), with line breaks or not, padded or not.
fn lenient(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .chars()
        .filter(|digit| !digit.is_ascii_whitespace())
        .map(|digit| match digit {
            '-' => '+',
            '_' => '/',
            digit => digit,
        });
    let mut digits = digits.collect::<String>();
    while !digits.len().is_multiple_of(4) {
        digits.push('=');
    }
    base64::decode(&digits)
}

impl Outside {
    /// What may be the signature of a key of `algorithm`, as a note stores it.
    #[must_use]
    pub fn of(self, algorithm: Algorithm) -> Vec<Vec<u8>> {
        match (self, algorithm) {
            (Self::Ssh(bytes), Algorithm::Sshsig)
            | (Self::Minisign(bytes), Algorithm::Minisign) => vec![bytes],
            (Self::Plain(readings), algorithm) => readings
                .into_iter()
                .filter_map(|bytes| plain(bytes, algorithm))
                .collect(),
            (Self::Ssh(_), Algorithm::Ed25519 | Algorithm::P256 | Algorithm::Minisign)
            | (Self::Minisign(_), Algorithm::Ed25519 | Algorithm::P256 | Algorithm::Sshsig) => {
                Vec::new()
            }
        }
    }
}

/// The bytes when they have the form of a signature of `algorithm`. P-256's two numbers without DER
/// (RFC 7518, section 3.4) are converted to it.
fn plain(bytes: Vec<u8>, algorithm: Algorithm) -> Option<Vec<u8>> {
    let fits = match algorithm {
        Algorithm::Ed25519 => bytes.len() == 64,
        Algorithm::P256 => match <&[u8; 64]>::try_from(bytes.as_slice()) {
            // 64 bytes that happen to be DER have two short numbers: nobody meets such a signature.
            Ok(numbers) => return Some(der(numbers)),
            Err(_) => bytes.starts_with(&[0x30]) && bytes.len() <= 72,
        },
        Algorithm::Sshsig => bytes.starts_with(b"SSHSIG"),
        Algorithm::Minisign => bytes.len() == 74 && bytes.starts_with(b"E"),
    };
    fits.then_some(bytes)
}

/// DER of r and s.
fn der(numbers: &[u8; 64]) -> Vec<u8> {
    let (r, s) = numbers.split_at(32);
    let body = [integer(r), integer(s)].concat();
    [&[0x30, low_byte(body.len())], body.as_slice()].concat()
}

/// DER of a positive number.
fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number
        .iter()
        .take_while(|byte| **byte == 0)
        .count()
        .min(number.len() - 1);
    let digits = &number[zeros..];
    let sign: &[u8] = if digits[0] < 0x80 { &[] } else { &[0] };
    [&[0x02, low_byte(sign.len() + digits.len())], sign, digits].concat()
}

/// A length of at most 70.
const fn low_byte(length: usize) -> u8 {
    length.to_le_bytes()[0]
}

#[cfg(test)]
mod tests;
