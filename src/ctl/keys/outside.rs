//! Reads a signature that another tool made, from the file that the tool wrote.
//!
//! In: the output of a tool that signed the bytes of `list head`. The signature may be 64 raw
//! bytes; DER; either of the two in any variant of Base 64; the JSON of a key service's command or
//! of cosign; an armored SSH signature; or a file of minisign or signify. The input is hostile; the
//! caller limits its size. Out: bytes that have the form of a signature by the key's algorithm. The
//! caller checks with the key whether these bytes are a valid signature.

use serde_json::Value;

use super::pem;
use crate::banlist::base64;
use crate::banlist::key::Algorithm;

/// The most bytes of a signature file. cosign's bundles are the largest: they hold certificates and
/// proofs.
pub const MAX_SIGNATURE: u64 = 64 << 10;

/// The form of the signature in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// An SSH signature: an SSHSIG blob.
    Ssh(Vec<u8>),
    /// The signature line of minisign or signify, decoded.
    Minisign(Vec<u8>),
    /// A signature without a header: the bytes of the file, and the bytes that the file decodes to
    /// as Base 64, if it does.
    Plain(Vec<Vec<u8>>),
}

/// Why a file holds no usable signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSignature {
    /// The file is an OpenPGP signature.
    #[error("it is an OpenPGP signature")]
    Pgp,
    /// The file is a CMS or S/MIME signature.
    #[error("it is a CMS signature")]
    Cms,
    /// The file is of signify, with the signed message in it.
    #[error("its message is inside it")]
    Embedded,
    /// The file is a DSSE envelope of cosign or in-toto. The envelope's signature covers other
    /// bytes than the head's.
    #[error("it is a DSSE envelope, which signs other bytes")]
    Envelope,
    /// The file is a public key.
    #[error("it is a key")]
    PublicKey,
    /// The file is JSON without a signature.
    #[error("it is JSON without a signature")]
    Json,
    /// The signature is incomplete.
    #[error("it is damaged")]
    Damaged,
    /// The file is empty.
    #[error("it is empty")]
    Empty,
}

impl NoSignature {
    /// What the author can do about the error.
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

/// Finds the signature in a file that a tool wrote.
///
/// # Errors
/// [`NoSignature`].
pub fn parse(bytes: &[u8]) -> Result<Outside, NoSignature> {
    if bytes.starts_with(b"SSHSIG") {
        return Ok(Outside::Ssh(bytes.to_vec()));
    }
    // A raw signature is rarely valid UTF-8, but valid UTF-8 is possible.
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
    let mut readings = vec![bytes.to_vec()];
    readings.extend(lenient(text));
    readings.retain(|bytes| !bytes.is_empty());
    if readings.is_empty() {
        Err(NoSignature::Empty)
    } else {
        Ok(Outside::Plain(readings))
    }
}

fn armored(text: &str) -> Result<Outside, NoSignature> {
    const SSH: &str = "SSH SIGNATURE";
    if text.starts_with("-----BEGIN SSH SIGNATURE-----") {
        let blob = pem::decode(text, SSH).ok_or(NoSignature::Damaged)?;
        return Ok(Outside::Ssh(blob));
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

/// Parses a file of minisign or signify: a comment line, the signature line, and for minisign a
/// trusted comment and its signature.
fn commented(text: &str) -> Result<Outside, NoSignature> {
    let mut lines = text.lines().skip(1);
    let encoded = lines.next().ok_or(NoSignature::Damaged)?;
    let signature = base64::decode(encoded.trim_end()).ok_or(NoSignature::Damaged)?;
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

/// Where the signature is in the JSON of each tool: sigstore's bundle, cosign's older bundle,
/// `aws kms sign`, `az keyvault key sign`, Azure's API and Google's API.
const FIELDS: [&str; 6] = [
    "/messageSignature/signature",
    "/base64Signature",
    "/Signature",
    "/signature",
    "/value",
    "/result",
];

fn json(text: &str) -> Result<Outside, NoSignature> {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Err(NoSignature::Damaged);
    };
    if value.get("dsseEnvelope").is_some() || value.get("payloadType").is_some() {
        return Err(NoSignature::Envelope);
    }
    let encoded = FIELDS
        .iter()
        .find_map(|field| value.pointer(field)?.as_str())
        .ok_or(NoSignature::Json)?;
    let bytes = lenient(encoded).ok_or(NoSignature::Damaged)?;
    Ok(Outside::Plain(vec![bytes]))
}

/// Decodes Base 64 in either alphabet (RFC 4648, sections 4 and 5), with or without line breaks and
/// padding.
fn lenient(text: &str) -> Option<Vec<u8>> {
    let mut digits = String::new();
    for digit in text.chars() {
        match digit {
            '-' => digits.push('+'),
            '_' => digits.push('/'),
            digit if digit.is_ascii_whitespace() => {}
            digit => digits.push(digit),
        }
    }
    while !digits.len().is_multiple_of(4) {
        digits.push('=');
    }
    base64::decode(&digits)
}

impl Outside {
    /// Every value in the file that has the form of a signature by `algorithm`, as a signed note
    /// stores it.
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

/// The bytes, if they have the form of a signature by `algorithm`. A P-256 signature that is two
/// bare numbers (RFC 7518, section 3.4) is converted to DER.
fn plain(bytes: Vec<u8>, algorithm: Algorithm) -> Option<Vec<u8>> {
    let fits = match algorithm {
        Algorithm::Ed25519 => bytes.len() == 64,
        Algorithm::P256 => match <&[u8; 64]>::try_from(bytes.as_slice()) {
            // 64 bytes are taken as two bare numbers. A DER signature of 64 bytes would need two
            // very short numbers, which does not occur in practice.
            Ok(numbers) => return Some(der(numbers)),
            Err(_) => bytes.starts_with(&[0x30]) && bytes.len() <= 72,
        },
        Algorithm::Sshsig => bytes.starts_with(b"SSHSIG"),
        Algorithm::Minisign => bytes.len() == 74 && bytes.starts_with(b"E"),
    };
    fits.then_some(bytes)
}

/// Encodes two numbers, r and s of 32 bytes each, as DER.
fn der(numbers: &[u8; 64]) -> Vec<u8> {
    let (r, s) = numbers.split_at(32);
    let body = [integer(r), integer(s)].concat();
    [&[0x30, low_byte(body.len())], body.as_slice()].concat()
}

/// Encodes a positive number as DER.
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

/// Encodes a length in one byte. The length is at most 70 here.
const fn low_byte(length: usize) -> u8 {
    length.to_le_bytes()[0]
}

#[cfg(test)]
mod tests;
