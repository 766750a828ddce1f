//! `embargoctl list sign`, `head` and `attach`: whose signature does the list carry?
//!
//! In: a list and a private key, or a signature made elsewhere over the bytes that `head` writes. Out: the same list with one more signature line. A
//! signature that does not verify is never attached.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::super::keys::signer::Signer;
use super::super::keys::{self, name_of};
use super::super::{CtlError, amount};
use super::{AuthoringError, open};
use crate::banlist::base64;
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::key::PublicKey;
use crate::banlist::keyset::Key;
use crate::banlist::note::Signature;
use crate::report::line;
use crate::sys::file::{self, Guard};
use crate::sys::replace::{Draft, WriteError};

/// The most bytes of a signature made elsewhere.
const MAX_SIGNATURE: u64 = 2_048;

/// Sign a list with a private key in a file.
///
/// The key is one of `embargoctl keygen` or `openssl genpkey` (Ed25519 or P-256, PKCS#8 PEM). Only the head is signed; it binds every other byte.
#[derive(Debug, clap::Args)]
pub struct SignArgs {
    /// The private key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The key's name in the keyset; that in FILE.pub, or of FILE without its extension, when left out.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The list.
    list: PathBuf,
}

/// Write the exact bytes to sign, for keys that live elsewhere.
///
/// They are at most 1024 bytes of text, so that a key service signs them as they stand. For example:
///
///   embargoctl list head banlist.lst > head
///   openssl pkeyutl -sign -rawin -inkey ed25519.pem -in head -out sig
///   openssl dgst -sha256 -sign p256.pem -out sig head
///   embargoctl list attach --key KEY.pub --signature sig banlist.lst
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct HeadArgs {
    /// The list.
    list: PathBuf,
}

/// Add a signature that was made elsewhere over the bytes of `list head`.
#[derive(Debug, clap::Args)]
pub struct AttachArgs {
    /// The public key: a FILE.pub, or a public key in PEM.
    #[arg(long, value_name = "PUB")]
    key: PathBuf,
    /// The key's name in the keyset; that in PUB, or of PUB without its extension, when left out.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The signature: 64 bytes for Ed25519, DER for P-256, either as it is or in Base 64.
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The list.
    list: PathBuf,
}

/// Signs the list with a key in a file.
pub(super) fn sign(args: &SignArgs) -> Result<String, CtlError> {
    let signer = Signer::load(&args.key)?;
    let name = match &args.name {
        Some(name) => name_of(Some(name), &args.key)?,
        None => name_beside(&args.key, signer.public()).map_or_else(|| name_of(None, &args.key), Ok)?,
    };
    let (_, _, claim) = open(&args.list)?;
    let bytes = signer.sign(claim.text.as_bytes())?;
    add(&args.list, &Key { role: crate::banlist::keyset::Role::List, name, public: signer.public().clone() }, bytes)
}

/// The name in the `.pub` file beside a private key, when that is really its public key.
fn name_beside(private: &Path, public: &PublicKey) -> Option<String> {
    let key = keys::public_key(&keys::with_suffix(private, ".pub")).ok()?;
    (key.public == *public).then_some(key.name)
}

/// The bytes to sign.
pub(super) fn head(args: &HeadArgs) -> Result<String, CtlError> {
    Ok(open(&args.list)?.2.text)
}

/// Adds a signature made elsewhere.
pub(super) fn attach(args: &AttachArgs) -> Result<String, CtlError> {
    let mut key = keys::public_key(&args.key)?;
    if let Some(name) = &args.name {
        key.name = name_of(Some(name), &args.key)?;
    }
    let raw = file::read(&args.signature, MAX_SIGNATURE, Guard::Any)?;
    let (_, _, claim) = open(&args.list)?;
    // Some tools write Base 64, most bytes; which of them it is, the key tells.
    let decoded = std::str::from_utf8(&raw).ok().and_then(|text| base64::decode(text.trim_end()));
    let good = [Some(raw), decoded].into_iter().flatten().find(|bytes| key.public.verifies(claim.text.as_bytes(), bytes));
    match good {
        Some(bytes) => add(&args.list, &key, bytes),
        None => Err(CtlError::with_hint(
            AuthoringError::Signature(args.signature.clone(), key.name),
            "sign the bytes of `embargoctl list head` as they are, Ed25519 without a digest, P-256 with SHA-256",
        )),
    }
}

/// Rewrites the list with one more signature line.
fn add(list: &Path, key: &Key, bytes: Vec<u8>) -> Result<String, CtlError> {
    let (file, _, mut claim) = open(list)?;
    let signature = Signature { id: key.public.id(&key.name), name: key.name.clone(), bytes };
    let by_this_key = |known: &Signature| known.id == signature.id && key.public.verifies(claim.text.as_bytes(), &known.bytes);
    if claim.signatures.iter().any(by_this_key) {
        return Err(AuthoringError::SignedAlready(key.name.clone(), list.to_owned()).into());
    }
    claim.signatures.push(signature);
    let block = claim.block().ok_or_else(|| AuthoringError::Full(list.to_owned()))?;
    rewrite(list, file, &block)?;
    Ok(signed(list, key, &claim))
}

fn signed(list: &Path, key: &Key, claim: &Claim) -> String {
    let (list, count) = (line::name(&list.to_string_lossy()), amount(claim.signatures.len(), "signature"));
    format!("{list}: signed by {} ({}); {count} on version {}\n", key.name, key.public.algorithm().word(), claim.head.edition.version)
}

/// Replaces the list by one with another head block and the same rest.
fn rewrite(list: &Path, mut file: std::fs::File, block: &[u8; HEAD_SIZE]) -> Result<(), WriteError> {
    let draft = Draft::open(list, 0o644)?;
    let copied = (|| {
        draft.file().write_all(block)?;
        file.seek(SeekFrom::Start(HEAD_SIZE as u64))?;
        io::copy(&mut file, &mut draft.file())
    })();
    copied.map_err(|error| WriteError::new(list, error))?;
    draft.replace()
}
