//! Reads and writes signed notes: a text, and who claims to have signed the text.
//!
//! A C2SP signed note is a text that ends with a line feed, then an empty line, then signature
//! lines `— NAME BASE64(key ID ‖ signature)`. In: at most a few KiB of hostile bytes. Out: the text
//! and the lines, in one strict format. Not checked here: the format of the text, and whether a
//! signer is trusted.

use super::base64;
use super::error::SignatureTally;
use super::key::{KeyIdentity, PublicKey};
use super::text::Malformed;

/// How many signature lines a note may have. The specification asks for at least 16. Each line may
/// cost one verification.
pub const MAX_SIGNATURES: usize = 16;

/// The beginning of a signature line: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// The signed text, including its last line feed.
    pub text: &'a str,
    /// The signature lines. Empty when nobody has signed yet.
    signatures: &'a str,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signer's name, which is only shown.
    pub name: String,
    /// The ID of the key, which is only a hint.
    pub id: [u8; 4],
    /// The signature.
    pub bytes: Vec<u8>,
}

/// The kind of signature that the bytes look like. Only verifying with the key shows whether the
/// bytes are a signature of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureForm {
    /// Ed25519: 64 bytes.
    Ed25519,
    /// ECDSA: a DER sequence of two integers.
    EcdsaDer,
    /// An SSHSIG blob (OpenSSH: PROTOCOL.sshsig).
    Sshsig,
    /// A signature of minisign or signify: `ED` or `Ed`, key number, signature.
    Minisign,
    /// None of the kinds above.
    Other,
}

impl Signature {
    /// The kind of signature that the bytes look like.
    #[must_use]
    pub fn form(&self) -> SignatureForm {
        match self.bytes.as_slice() {
            bytes if bytes.len() == 64 => SignatureForm::Ed25519,
            [b'S', b'S', b'H', b'S', b'I', b'G', ..] => SignatureForm::Sshsig,
            bytes @ [b'E', b'D' | b'd', ..] if bytes.len() == 74 => SignatureForm::Minisign,
            bytes @ [0x30, length, 0x02, ..]
                if bytes.len() == usize::from(*length) + 2 && bytes.len() <= 72 =>
            {
                SignatureForm::EcdsaDer
            }
            _ => SignatureForm::Other,
        }
    }

    /// The line, including its line feed.
    #[must_use]
    pub fn line(&self) -> String {
        let payload = [&self.id[..], &self.bytes].concat();
        format!("{DASH}{} {}\n", self.name, base64::encode(&payload))
    }
}

/// Whether `name` may be the name of a key: visible ASCII characters without plus, at most 64 (the
/// specification forbids spaces and plus).
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'+')
}

impl<'a> Note<'a> {
    /// Divides a note into text and signature lines. Without an empty line, the whole note is text
    /// that nobody has signed.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not UTF-8, contain a control character other than the line
    /// feed, or do not end with a line feed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if let Some(at) = bytes
            .iter()
            .position(|byte| *byte < 0x20 && *byte != b'\n' || *byte == 0x7f)
        {
            let expected = if bytes[at..].starts_with(b"\r\n") {
                "line ends of Unix, not CR LF"
            } else {
                "text without control characters"
            };
            return Err(malformed(&bytes[..at], expected));
        }
        let whole = match str::from_utf8(bytes) {
            Ok(whole) => whole,
            Err(error) => return Err(malformed(&bytes[..error.valid_up_to()], "UTF-8")),
        };
        if !whole.ends_with('\n') {
            return Err(malformed(bytes, "a line feed at the end"));
        }
        // The last empty line separates the text from the signatures. So an empty line in the text
        // cannot be mistaken for the separator.
        Ok(match whole.rfind("\n\n") {
            Some(at) => Self {
                text: &whole[..=at],
                signatures: &whole[at + 2..],
            },
            None => Self {
                text: whole,
                signatures: "",
            },
        })
    }

    /// The signature lines.
    ///
    /// # Errors
    /// [`Malformed`] when a line is not a signature line, when there are more lines than
    /// [`MAX_SIGNATURES`], or when there is no line after the empty line.
    pub fn signatures(&self) -> Result<Vec<Signature>, Malformed> {
        let first = self.text.lines().count() + 2;
        let mut signatures = Vec::new();
        for (text, line) in self.signatures.lines().zip(first..) {
            let expected = "\"\u{2014} NAME BASE64\"";
            let signature = signature(text).ok_or(Malformed { line, expected })?;
            if signatures.len() == MAX_SIGNATURES {
                let expected = "at most 16 signatures";
                return Err(Malformed { line, expected });
            }
            signatures.push(signature);
        }
        Ok(signatures)
    }

    /// The note with one more signature line.
    #[must_use]
    pub fn with(&self, signature: &Signature) -> String {
        format!("{}\n{}{}", self.text, self.signatures, signature.line())
    }
}

/// The fault in the line that starts in `before` or right after it.
fn malformed(before: &[u8], expected: &'static str) -> Malformed {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    Malformed { line, expected }
}

fn signature(line: &str) -> Option<Signature> {
    let (name, payload) = line.strip_prefix(DASH)?.split_once(' ')?;
    let payload = base64::decode(payload)?;
    let (id, bytes) = payload.split_first_chunk::<4>()?;
    let signature = Signature {
        name: name.to_owned(),
        id: *id,
        bytes: bytes.to_vec(),
    };
    (is_name(name) && !bytes.is_empty()).then_some(signature)
}

/// Counts the different keys that have a valid signature over `text` in `signatures`. An invalid
/// signature is skipped and counted, so that one broken signer cannot stop the list of a whole
/// fleet. A key counts once, by its identity: however often it signs, under whatever names, and in
/// whichever tool's format. With [`Enough::Threshold`], the counting stops as soon as the threshold
/// is met.
#[must_use]
pub fn tally(
    text: &str,
    signatures: &[Signature],
    keys: &[(&str, &PublicKey)],
    needed: usize,
    enough: Enough,
) -> SignatureTally {
    let mut good: Vec<KeyIdentity<'_>> = Vec::new();
    let mut tally = SignatureTally {
        needed,
        ..SignatureTally::default()
    };
    for signature in signatures {
        if enough == Enough::Threshold && good.len() >= needed {
            break;
        }
        let mut named = keys
            .iter()
            .filter(|(name, key)| key.id(name) == signature.id)
            .peekable();
        if named.peek().is_none() {
            tally.unknown += 1;
            continue;
        }
        match named.find(|(_, key)| key.verifies(text.as_bytes(), &signature.bytes)) {
            Some((_, key)) if good.contains(&key.identity()) => {}
            Some((_, key)) => good.push(key.identity()),
            None => tally.bad += 1,
        }
    }
    tally.good = good.len();
    tally
}

/// How many signatures to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// Stop when the threshold is met. Used at every container start.
    Threshold,
    /// Check all signatures. Used at an installation and for reports.
    All,
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
