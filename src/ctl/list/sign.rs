//! `embargoctl list sign`, `head` and `attach`: whose signature does the list carry?
//!
//! In: a list and a private key, or a signature made elsewhere over the bytes that `head` writes. Out: the same list with one more signature line. A
//! signature that does not verify is never attached.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::super::CtlError;
use super::super::signing::{self, OutsideSignature, PrivateKey, SigningError, Subject, What};
use super::open;
use crate::banlist::head::HEAD_SIZE;
use crate::banlist::keyset::Key;
use crate::banlist::note::Signature;
use crate::sys::replace::{Draft, WriteError};

/// Sign a list with a private key in a file.
///
/// The key is one of `embargoctl keygen` or `openssl genpkey` (Ed25519 or P-256, PKCS#8 PEM). Only the head is signed; it binds every other byte.
#[derive(Debug, clap::Args)]
pub struct SignArgs {
    #[command(flatten)]
    with: PrivateKey,
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
///
/// Taken as the tool wrote it: 64 bytes for Ed25519, DER or 64 bytes for P-256, either as it is or in Base 64; what `aws kms sign`, `az keyvault key sign`
/// and cosign print; the head.sig of ssh-keygen -Y sign -n banlist.v1; the files of minisign and signify. embargo-signing(7) has the commands.
#[derive(Debug, clap::Args)]
pub struct AttachArgs {
    #[command(flatten)]
    made: OutsideSignature,
    /// The list.
    list: PathBuf,
}

/// Signs the list with a key in a file.
pub(super) fn sign(args: &SignArgs) -> Result<String, CtlError> {
    add(&args.list, |subject| signing::sign(&args.with, subject))
}

/// The bytes to sign.
pub(super) fn head(args: &HeadArgs) -> Result<String, CtlError> {
    Ok(open(&args.list)?.2.text)
}

/// Adds a signature made elsewhere.
pub(super) fn attach(args: &AttachArgs) -> Result<String, CtlError> {
    add(&args.list, |subject| signing::attach(&args.made, subject))
}

/// Rewrites the list with the signature that `sign` makes.
fn add(list: &Path, sign: impl FnOnce(&Subject<'_>) -> Result<(Key, Signature), CtlError>) -> Result<String, CtlError> {
    let (file, _, mut claim) = open(list)?;
    let (key, signature) = sign(&Subject { what: What::List, file: list, text: &claim.text, signatures: &claim.signatures })?;
    claim.signatures.push(signature);
    let block = claim.block().ok_or_else(|| SigningError::Full(list.to_owned()))?;
    rewrite(list, file, &block)?;
    Ok(signing::signed(list, &key, claim.signatures.len(), &format!("version {}", claim.head.edition.version)))
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
