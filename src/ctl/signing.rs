//! Signs lists and keysets, and attaches signatures that were made elsewhere.
//!
//! In: the text to sign, and a private key in a file; or else a public key and the file that
//! another tool wrote when it signed that text. Out: one more signature, which has been verified. A
//! signature that does not verify is never attached; the error says as exactly as possible what is
//! wrong with it. The commands for lists and those for keysets both use this file; each command
//! stores the signature in its own way.

mod error;

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

pub use self::error::SigningError;
use super::CtlError;
use super::keys::outside::{self, MAX_SIGNATURE};
use super::keys::signer::Signer;
use super::keys::{self, name_of};
use crate::banlist::base64;
use crate::banlist::key::sshsig::Envelope;
use crate::banlist::key::{Algorithm, Mismatch, PublicKey, minisign};
use crate::banlist::keyset::{Key, Role};
use crate::banlist::note::Signature;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::file::{self, Guard};

/// The first bytes of every list and keyset.
const NOTE: &[u8] = b"embargo/banlist-";

/// A private key in a file.
#[derive(Debug, Args)]
pub struct PrivateKey {
    /// The private key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The key's name in the keyset. Default: the name in FILE.pub, or the name of FILE without its
    /// extension.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// A signature that was made elsewhere.
#[derive(Debug, Args)]
pub struct OutsideSignature {
    /// The public key: a FILE.pub of keygen, ssh-keygen, minisign or signify, or a public key in
    /// PEM.
    #[arg(long, value_name = "PUB")]
    key: PathBuf,
    /// The key's name in the keyset. Default: the name in PUB, or the name of PUB without its
    /// extension.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The signature, as the tool wrote it.
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
}

/// The kind of text that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The head of a list.
    List,
    /// A keyset.
    Keyset,
}

impl What {
    /// The text's name in messages.
    const fn text(self) -> &'static str {
        match self {
            Self::List => "this list's head",
            Self::Keyset => "this keyset",
        }
    }

    /// The command that prints the text to sign.
    const fn command(self) -> &'static str {
        match self {
            Self::List => "embargoctl list head",
            Self::Keyset => "embargoctl keyset head",
        }
    }
}

/// The command line that signs the list in `path`.
pub fn sign_command(path: &Path) -> String {
    format!("embargoctl list sign --key KEY {}", line::path(path))
}

/// A list's head or a keyset that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct NoteToSign<'a> {
    /// Whether the text is a list's head or a keyset.
    pub what: What,
    /// The file that contains the text.
    pub file: &'a Path,
    /// The exact text that is signed.
    pub text: &'a str,
    /// The signatures that the text has already.
    pub signatures: &'a [Signature],
}

/// Signs with a private key in a file. Returns no signature if the key has signed already.
///
/// # Errors
/// [`keys::KeyError`], and errors in reading the key.
pub fn sign(
    with: &PrivateKey,
    subject: &NoteToSign<'_>,
) -> Result<(Key, Option<Signature>), CtlError> {
    let signer = Signer::load(&with.key)?;
    let name = match &with.name {
        Some(name) => name_of(Some(name), &with.key)?,
        None => match name_beside(&with.key, signer.public()) {
            Some(name) => name,
            None => name_of(None, &with.key)?,
        },
    };
    let bytes = signer.sign(subject.text.as_bytes())?;
    Ok(first(
        Key {
            role: Role::List,
            name,
            public: signer.public().clone(),
        },
        bytes,
        subject,
    ))
}

/// The name in the `.pub` file beside a private key, if that file has the matching public key.
fn name_beside(private: &Path, public: &PublicKey) -> Option<String> {
    let key = keys::public_key(&keys::with_suffix(private, ".pub")).ok()?;
    (key.public == *public).then_some(key.name)
}

/// Verifies a signature that was made elsewhere. Returns no signature if the key has signed
/// already.
///
/// # Errors
/// [`SigningError`], [`keys::KeyError`], and errors in reading the files.
pub fn attach(
    made: &OutsideSignature,
    subject: &NoteToSign<'_>,
) -> Result<(Key, Option<Signature>), CtlError> {
    let mut key = keys::public_key(&made.key)?;
    if let Some(name) = &made.name {
        key.name = name_of(Some(name), &made.key)?;
    }
    let bytes = outside_signature(&key, subject, &made.signature)?;
    Ok(first(key, bytes, subject))
}

/// The key, and the signature unless the key has signed already.
fn first(key: Key, bytes: Vec<u8>, subject: &NoteToSign<'_>) -> (Key, Option<Signature>) {
    let signature = Signature {
        id: key.public.id(&key.name),
        name: key.name.clone(),
        bytes,
    };
    if has_signed(&key, subject.text, subject.signatures) {
        (key, None)
    } else {
        (key, Some(signature))
    }
}

/// Whether one of the signatures over this text was made by the key.
pub(super) fn has_signed(key: &Key, text: &str, signatures: &[Signature]) -> bool {
    let id = key.public.id(&key.name);
    signatures
        .iter()
        .any(|known| known.id == id && key.public.verifies(text.as_bytes(), &known.bytes))
}

/// The text to print after a signature was added. `on` names what was signed, such as
/// `version 412`.
#[must_use]
pub fn signed(file: &Path, key: &Key, count: usize, on: &str) -> String {
    let (file, count) = (line::path(file), super::amount(count, "signature"));
    format!(
        "{file}: signed by {} ({}); {count} on {on}\n",
        key.name,
        key.public.algorithm().word()
    )
}

/// The text to print if the key had signed already. A second signing is no error: a signing script
/// may run twice.
#[must_use]
pub fn already(file: &Path, key: &Key) -> String {
    format!("{}: already signed by {}\n", line::path(file), key.name)
}

/// Reads the file that a tool wrote when it signed, and returns the signature of `key` in it.
fn outside_signature(
    key: &Key,
    subject: &NoteToSign<'_>,
    path: &Path,
) -> Result<Vec<u8>, CtlError> {
    if is_note(path) {
        let hint =
            "pass one file on from signer to signer, or attach what each signer's tool wrote";
        return Err(CtlError::with_hint(
            SigningError::Note(path.to_owned()),
            hint,
        ));
    }
    let raw = file::read(path, MAX_SIGNATURE, Guard::Any)?;
    let outside = match outside::parse(&raw) {
        Ok(outside) => outside,
        Err(fault) => {
            let error = SigningError::Unusable(path.to_owned(), fault);
            return Err(CtlError::with_hint(error, fault.hint()));
        }
    };
    let algorithm = key.public.algorithm();
    let mut found = SigningError::Form(path.to_owned(), key.name.clone(), algorithm);
    for bytes in outside.of(algorithm) {
        match key.public.check(subject.text.as_bytes(), &bytes) {
            Ok(()) => return Ok(bytes),
            Err(mismatch) => found = fault(key, subject, path, &bytes, mismatch),
        }
    }
    let hint = found.hint(algorithm, subject.what);
    Err(CtlError::with_hint(found, hint))
}

/// Whether the file is a list or a keyset, for instance a copy that somebody else signed.
fn is_note(path: &Path) -> bool {
    let Ok((mut file, _)) = file::open(path, Guard::Any) else {
        return false;
    };
    let mut start = [0; NOTE.len()];
    file.read_exact(&mut start).is_ok() && start == *NOTE
}

/// Finds out why a signature does not verify.
fn fault(
    key: &Key,
    subject: &NoteToSign<'_>,
    path: &Path,
    bytes: &[u8],
    mismatch: Mismatch,
) -> SigningError {
    let (file, name) = (path.to_owned(), key.name.clone());
    match mismatch {
        Mismatch::Form => SigningError::Form(file, name, key.public.algorithm()),
        Mismatch::Namespace(namespace) => SigningError::Namespace(file, namespace),
        Mismatch::Untouched => SigningError::Untouched(file),
        Mismatch::OtherKey => {
            let own = format!(
                "{name} ({})",
                label(key.public.algorithm(), key.public.as_bytes())
            );
            let other = match key.public.algorithm() {
                Algorithm::Sshsig => match Envelope::parse(bytes) {
                    Some(envelope) => envelope.key,
                    None => &[],
                },
                Algorithm::Minisign | Algorithm::Ed25519 | Algorithm::P256 => bytes,
            };
            SigningError::OtherKey(
                file,
                format!("the key {}", label(key.public.algorithm(), other)),
                own,
            )
        }
        Mismatch::Bytes => match altered(&key.public, subject.text, bytes) {
            Some(how) => SigningError::Altered(file, name, subject.what, how),
            None => SigningError::Foreign(file, name, subject.what),
        },
    }
}

/// The name that the key's own tool shows: a fingerprint for OpenSSH, a number for minisign.
fn label(algorithm: Algorithm, bytes: &[u8]) -> String {
    match algorithm {
        Algorithm::Sshsig => format!(
            "SHA256:{}",
            base64::encode(Digest::of(bytes).as_bytes()).trim_end_matches('=')
        ),
        Algorithm::Minisign => match minisign::number(bytes) {
            Some(number) => format!("{:X}", u64::from_le_bytes(number)),
            None => String::new(),
        },
        Algorithm::Ed25519 | Algorithm::P256 => algorithm.word().to_owned(),
    }
}

/// A description of how the signed bytes differ from `text`, for the usual mistakes.
fn altered(key: &PublicKey, text: &str, signature: &[u8]) -> Option<&'static str> {
    let hash = Digest::of(text.as_bytes());
    let ways: [(Vec<u8>, &'static str); 5] = [
        (
            text.trim_end_matches('\n').into(),
            "without its last line feed",
        ),
        (format!("{text}\n").into(), "with one more line feed"),
        (
            text.replace('\n', "\r\n").into(),
            "with CRLF for its line feeds",
        ),
        (
            hash.as_bytes().to_vec(),
            "hashed once too often: the tool wants the text itself",
        ),
        (
            hash.hex().into(),
            "as a hexadecimal digest: the tool wants the text itself",
        ),
    ];
    for (bytes, how) in ways {
        if key.verifies(&bytes, signature) {
            return Some(how);
        }
    }
    None
}

#[cfg(test)]
mod tests;
