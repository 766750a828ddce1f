//! Signs lists and keysets, and attaches signatures that were made elsewhere.
//!
//! In: the text to sign, and a private key in a file; or else a public key and the file that
//! another tool wrote when it signed that text. Out: one more signature, which has been verified. A
//! signature that does not verify is never attached; the error says as exactly as possible what is
//! wrong with it. Lists and keysets both use this, and each stores the signature in its own way.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::CtlError;
use super::keys::outside::{self, MAX_SIGNATURE, NoSignature};
use super::keys::signer::Signer;
use super::keys::{self, name_of};
use crate::banlist::base64;
use crate::banlist::key::sshsig::{Envelope, NAMESPACE};
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
    format!(
        "embargoctl list sign --key KEY {}",
        line::name(&path.to_string_lossy())
    )
}

/// A list's head or a keyset that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct NoteToSign<'a> {
    /// Whether it is a list's head or a keyset.
    pub what: What,
    /// The file that contains it.
    pub file: &'a Path,
    /// The exact text that is signed.
    pub text: &'a str,
    /// The signatures that it has already.
    pub signatures: &'a [Signature],
}

/// Why a list or a keyset was not signed.
#[derive(Debug)]
pub enum SigningError {
    /// The list or keyset has no room for another signature.
    Full(PathBuf),
    /// The file holds no usable signature.
    Unusable(PathBuf, NoSignature),
    /// The file of the signature is itself a list or a keyset.
    Note(PathBuf),
    /// The file does not have the form of a signature by this key: the file, the key's name, its
    /// algorithm.
    Form(PathBuf, String, Algorithm),
    /// The signature names another key: the file, that key, the expected key.
    OtherKey(PathBuf, String, String),
    /// The SSH signature was made for another purpose: the file, the namespace of that purpose.
    Namespace(PathBuf, String),
    /// The signature is by a token that nobody touched.
    Untouched(PathBuf),
    /// The key signed an altered text: the file, the key's name, the kind of text, how the signed
    /// text differs.
    Altered(PathBuf, String, What, &'static str),
    /// The signature is not by this key over this text: the file, the key's name, the kind of text.
    Foreign(PathBuf, String, What),
}

impl fmt::Display for SigningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(file) => write!(
                f,
                "cannot sign {file:?}: it has no room for another signature"
            ),
            Self::Unusable(file, fault) => write!(f, "cannot attach {file:?}: {fault}"),
            Self::Note(file) => write!(
                f,
                "cannot attach {file:?}: it is no signature, but what is signed"
            ),
            Self::Form(file, name, algorithm) => {
                write!(
                    f,
                    "cannot attach {file:?}: it has not the form of a signature by {name}, which is a key of kind {}",
                    algorithm.word()
                )
            }
            Self::OtherKey(file, other, wanted) => {
                write!(f, "cannot attach {file:?}: {other} made it, not {wanted}")
            }
            Self::Namespace(file, namespace) => {
                write!(
                    f,
                    "cannot attach {file:?}: it was made for the namespace {namespace:?}, not {NAMESPACE}"
                )
            }
            Self::Untouched(file) => write!(
                f,
                "cannot attach {file:?}: nobody touched the token when it signed"
            ),
            Self::Altered(file, name, what, how) => write!(
                f,
                "cannot attach {file:?}: {name} signed {} {how}",
                what.text()
            ),
            Self::Foreign(file, name, what) => write!(
                f,
                "cannot attach {file:?}: it is not the signature of {name} over {}",
                what.text()
            ),
        }
    }
}

impl std::error::Error for SigningError {}

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
        None => {
            name_beside(&with.key, signer.public()).map_or_else(|| name_of(None, &with.key), Ok)?
        }
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
    let by_this_key = |known: &Signature| {
        known.id == signature.id && key.public.verifies(subject.text.as_bytes(), &known.bytes)
    };
    let has_signed = subject.signatures.iter().any(by_this_key);
    (key, (!has_signed).then_some(signature))
}

/// The text to print after a signature was added. `on` names what was signed, such as
/// `version 412`.
#[must_use]
pub fn signed(file: &Path, key: &Key, count: usize, on: &str) -> String {
    let (file, count) = (
        line::name(&file.to_string_lossy()),
        super::amount(count, "signature"),
    );
    format!(
        "{file}: signed by {} ({}); {count} on {on}\n",
        key.name,
        key.public.algorithm().word()
    )
}

/// The text to print if the key had signed already. This is no error: a signing script may run
/// twice.
#[must_use]
pub fn already(file: &Path, key: &Key) -> String {
    format!(
        "{}: already signed by {}\n",
        line::name(&file.to_string_lossy()),
        key.name
    )
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
    let outside = outside::parse(&raw).map_err(|fault| {
        CtlError::with_hint(SigningError::Unusable(path.to_owned(), fault), fault.hint())
    })?;
    let algorithm = key.public.algorithm();
    let mut found = SigningError::Form(path.to_owned(), key.name.clone(), algorithm);
    for bytes in outside.of(algorithm) {
        match key.public.check(subject.text.as_bytes(), &bytes) {
            Ok(()) => return Ok(bytes),
            Err(mismatch) => found = fault(key, subject, path, &bytes, mismatch),
        }
    }
    let hint = hint(&found, algorithm, subject.what);
    Err(CtlError::with_hint(found, hint))
}

/// Whether the file is a list or a keyset, for instance a copy that somebody else signed.
fn is_note(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = file::open(path, Guard::Any)
        .map(|(file, _)| file.take(NOTE.len() as u64).read_to_end(&mut start));
    matches!(read, Ok(Ok(_))) && start == NOTE
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
                Algorithm::Sshsig => {
                    Envelope::parse(bytes).map_or(&[][..], |envelope| envelope.key)
                }
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
        Algorithm::Minisign => minisign::number(bytes).map_or_else(String::new, |number| {
            format!("{:X}", u64::from_le_bytes(number))
        }),
        Algorithm::Ed25519 | Algorithm::P256 => algorithm.word().to_owned(),
    }
}

/// How the signed bytes differ from `text`, if the difference is one of the usual mistakes.
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
    ways.into_iter()
        .find_map(|(bytes, how)| key.verifies(&bytes, signature).then_some(how))
}

/// What the author can do about a signature that cannot be attached.
fn hint(error: &SigningError, algorithm: Algorithm, what: What) -> String {
    let head = what.command();
    // Most tools overwrite an older signature file, but ssh-keygen does not.
    let is_foreign = matches!(error, SigningError::Foreign(..));
    let stale = if is_foreign {
        "; it may be of an older head: write the head anew, remove the old signature, sign again"
    } else {
        ""
    };
    match error {
        SigningError::Namespace(..) => {
            format!("sign again: ssh-keygen -Y sign -n {NAMESPACE} -f KEY head")
        }
        SigningError::Untouched(_) => {
            "use a key that was made without -O no-touch-required".to_owned()
        }
        SigningError::OtherKey(..) => "name that key's public half with --key".to_owned(),
        SigningError::Form(..) => format!("expected {}", form(algorithm)),
        SigningError::Full(_)
        | SigningError::Note(_)
        | SigningError::Unusable(..)
        | SigningError::Altered(..)
        | SigningError::Foreign(..) => match algorithm {
            Algorithm::Ed25519 => {
                format!("sign the bytes of `{head}` as they are, without a digest{stale}")
            }
            Algorithm::P256 => {
                format!("sign the bytes of `{head}` as they are, with SHA-256{stale}")
            }
            Algorithm::Sshsig | Algorithm::Minisign => {
                format!("sign the bytes of `{head}` as they are{stale}")
            }
        },
    }
}

/// Describes the form of a signature by this algorithm.
const fn form(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "64 bytes, or Base 64 of them",
        Algorithm::P256 => "DER or 64 bytes, or Base 64 of either",
        Algorithm::Sshsig => "the head.sig of ssh-keygen -Y sign",
        Algorithm::Minisign => "the head.minisig of minisign, or the head.sig of signify",
    }
}

#[cfg(test)]
mod tests;
