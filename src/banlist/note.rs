//! Reads and writes signed notes: a text and who claims to have signed it.
//!
//! A C2SP signed note is a text that ends with a line feed, an empty line, and signature lines
//! `— NAME BASE64(key ID ‖ signature)`. In: at most a few KiB of hostile bytes. Out: the text and
//! the lines, in one strict grammar. Not checked here: the text's own grammar, and whether a signer
//! is trusted.

use super::base64;
use super::error::SignatureTally;
use super::key::{KeyIdentity, PublicKey};
use super::text::Malformed;

/// The most signature lines of a note; the specification asks for at least 16, and each may cost a
/// verification.
pub const MAX_SIGNATURES: usize = 16;

/// What a signature line starts with: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// The text that is signed, including its last line feed.
    pub text: &'a str,
    /// The signature lines, empty when nobody has signed yet.
    signatures: &'a str,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signer's name, for people.
    pub name: String,
    /// The ID of the key: a hint.
    pub id: [u8; 4],
    /// What the key made.
    pub bytes: Vec<u8>,
}

/// The kind of signature that it looks like. Only its key shows whether it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureForm {
    /// 64 bytes.
    Ed25519,
    /// A DER sequence of two integers.
    EcdsaDer,
    /// An SSHSIG blob (OpenSSH: PROTOCOL.sshsig).
    Sshsig,
    /// minisign's or signify's: `ED` or `Ed`, key number, signature.
    Minisign,
    /// None of these.
    Other,
}

impl Signature {
    /// What it looks like.
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

/// Whether `name` may name a key: visible ASCII without a plus, at most 64 characters (the
/// specification forbids spaces and plus).
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'+')
}

impl<'a> Note<'a> {
    /// Splits a note. Without an empty line it is all text: nobody has signed it.
    ///
    /// # Errors
    /// [`Malformed`] when it is not UTF-8, has a control character other than the line feed, or
    /// does not end with a line feed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let line_of = |at: usize| bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        if let Some(at) = bytes
            .iter()
            .position(|byte| *byte < 0x20 && *byte != b'\n' || *byte == 0x7f)
        {
            let expected = if bytes[at..].starts_with(b"\r\n") {
                "line ends of Unix, not CR LF"
            } else {
                "text without control characters"
            };
            return Err(Malformed {
                line: line_of(at),
                expected,
            });
        }
        let whole = std::str::from_utf8(bytes).map_err(|error| Malformed {
            line: line_of(error.valid_up_to()),
            expected: "UTF-8",
        })?;
        if !whole.ends_with('\n') {
            return Err(Malformed {
                line: line_of(bytes.len()),
                expected: "a line feed at the end",
            });
        }
        // The last empty line separates them, so a text with an empty line of its own cannot move
        // the border.
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
    /// [`Malformed`] when a line is not a signature line, when there are more than
    /// [`MAX_SIGNATURES`], or none after an empty line.
    pub fn signatures(&self) -> Result<Vec<Signature>, Malformed> {
        let first = self.text.lines().count() + 2;
        let signatures: Vec<_> = self
            .signatures
            .lines()
            .take(MAX_SIGNATURES + 1)
            .enumerate()
            .map(|(at, line)| {
                signature(line).ok_or(Malformed {
                    line: first + at,
                    expected: "\"\u{2014} NAME BASE64\"",
                })
            })
            .collect::<Result<_, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(Malformed {
                line: first + MAX_SIGNATURES,
                expected: "at most 16 signatures",
            });
        }
        Ok(signatures)
    }

    /// The note with one more signature line.
    #[must_use]
    pub fn with(&self, signature: &Signature) -> String {
        format!("{}\n{}{}", self.text, self.signatures, signature.line())
    }
}

fn signature(line: &str) -> Option<Signature> {
    let (name, payload) = line.strip_prefix(DASH)?.split_once(' ')?;
    let payload = base64::decode(payload)?;
    let (id, bytes) = payload.split_first_chunk::<4>()?;
    (is_name(name) && !bytes.is_empty()).then(|| Signature {
        name: name.to_owned(),
        id: *id,
        bytes: bytes.to_vec(),
    })
}

/// Counts the distinct keys with a good signature in `signatures` over `text`. A bad signature is
/// skipped and counted, so that one broken signer cannot stop a fleet's list. A key counts once, by
/// its identity, however often it signs, whatever its names and whichever tool's form it has. With
/// [`Enough::Threshold`] the counting stops as soon as the threshold is met.
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
    /// Until the threshold is met: on every create.
    Threshold,
    /// All of them: at installation and for people.
    All,
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
