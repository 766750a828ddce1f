//! Implements `embargoctl list sign`, `head` and `attach`: adds a signature to a list.
//!
//! In: a list and a private key, or a signature made elsewhere over the bytes that `head` writes.
//! Out: the same list with one more signature line. A signature that does not verify is never
//! attached.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::super::CtlError;
use super::super::keyset::same_key;
use super::super::signing::{self, NoteToSign, OutsideSignature, PrivateKey, SigningError, What};
use super::open;
use crate::banlist::head::{HEAD_SIZE, Head};
use crate::banlist::keyset::{Key, Keyset, Role};
use crate::banlist::note::Signature;
use crate::banlist::store;
use crate::paths::Paths;
use crate::report;
use crate::sys::file::{self, Guard};
use crate::sys::replace::{Draft, WriteError};

/// Sign a list with a private key in a file.
///
/// The key must be made by `embargoctl keygen` or `openssl genpkey` (Ed25519 or P-256, PKCS#8 PEM).
/// Only the list's head is signed. The head has hashes of every other byte.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl list sign --key alice banlist.lst")]
pub struct ListSignArgs {
    #[command(flatten)]
    with: PrivateKey,
    /// The nodes' keyset, to warn if the key is not in it. Default: this node's keyset, if it is
    /// for this list.
    #[arg(long, value_name = "FILE")]
    keyset: Option<PathBuf>,
    /// The list.
    list: PathBuf,
}

/// Write the exact bytes to sign, for a key that is not in a file.
///
/// They are at most 1024 bytes of text, so a key service can sign them as they are.
/// In the examples, the second line is for an Ed25519 key, and the third for a P-256 key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl list head banlist.lst > head
  openssl pkeyutl -sign -rawin -inkey ed25519.pem -in head -out sig
  openssl dgst -sha256 -sign p256.pem -out sig head
  embargoctl list attach --key KEY.pub --signature sig banlist.lst")]
pub struct ListHeadArgs {
    /// The list.
    list: PathBuf,
}

/// Add a signature that was made elsewhere over the bytes of `list head`.
///
/// The signature may have the form in which the tool wrote it: 64 bytes for Ed25519, DER or 64
/// bytes for P-256, each as bytes or in Base 64; the output of `aws kms sign`,
/// `az keyvault key sign` and cosign; the head.sig of ssh-keygen -Y sign -n banlist.v1; the files
/// of minisign and signify. embargo-signing(7) has the commands of each tool.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ssh-keygen -Y sign -n banlist.v1 -f bob head
  embargoctl list attach --key bob.pub --signature head.sig banlist.lst")]
pub struct ListAttachArgs {
    #[command(flatten)]
    made: OutsideSignature,
    /// The nodes' keyset, to warn if the key is not in it. Default: this node's keyset, if it is
    /// for this list.
    #[arg(long, value_name = "FILE")]
    keyset: Option<PathBuf>,
    /// The list.
    list: PathBuf,
}

/// Signs the list with a key in a file.
pub(super) fn sign(args: &ListSignArgs, paths: &Paths) -> Result<String, CtlError> {
    add(&args.list, (args.keyset.as_deref(), paths), |subject| {
        signing::sign(&args.with, subject)
    })
}

/// The exact bytes to sign.
pub(super) fn head(args: &ListHeadArgs) -> Result<String, CtlError> {
    Ok(open(&args.list)?.2.text)
}

/// Adds a signature that was made elsewhere.
pub(super) fn attach(args: &ListAttachArgs, paths: &Paths) -> Result<String, CtlError> {
    add(&args.list, (args.keyset.as_deref(), paths), |subject| {
        signing::attach(&args.made, subject)
    })
}

/// Rewrites the list with the signature that `sign` makes. Warns if the signature would not be
/// counted on any node.
fn add(
    list: &Path,
    (keyset, paths): (Option<&Path>, &Paths),
    sign: impl FnOnce(&NoteToSign<'_>) -> Result<(Key, Option<Signature>), CtlError>,
) -> Result<String, CtlError> {
    let (file, _, mut claim) = open(list)?;
    let keyset = match keyset {
        Some(path) => Some(store::keyset(path, Guard::Any)?.keyset),
        None => store::keyset(&paths.keyset, Guard::Any)
            .ok()
            .map(|found| found.keyset)
            .filter(|keyset| is_for(keyset, &claim.head)),
    };
    let (key, signature) = sign(&NoteToSign {
        what: What::List,
        file: list,
        text: &claim.text,
        signatures: &claim.signatures,
    })?;
    if let Some(warning) = keyset.and_then(|keyset| unidentified(&keyset, &key)) {
        report::warning("embargoctl", &warning);
    }
    let Some(signature) = signature else {
        return Ok(signing::already(list, &key));
    };
    claim.signatures.push(signature);
    let block = claim
        .block()
        .ok_or_else(|| SigningError::Full(list.to_owned()))?;
    rewrite(&file::target(list), file, &block)?;
    Ok(signing::signed(
        list,
        &key,
        claim.signatures.len(),
        &format!("version {}", claim.head.edition.version),
    ))
}

/// Whether the list's head names this keyset.
fn is_for(keyset: &Keyset, head: &Head) -> bool {
    keyset.origin == head.origin && keyset.number == head.edition.keyset
}

/// Why nodes with this keyset do not count the key's signature. `None` if these nodes count the
/// signature.
pub(super) fn unidentified(keyset: &Keyset, key: &Key) -> Option<String> {
    let (name, number) = (&key.name, keyset.number);
    match same_key(keyset, Role::List, key) {
        Some(known) if known.public.id(&known.name) == key.public.id(name) => None,
        // A key's ID includes its name and algorithm. With another name or algorithm in the
        // signature line, the signature is not found.
        Some(known) if known.name != *name => Some(format!(
            "keyset {number} calls this key {}: sign again with --name {0}",
            known.name
        )),
        Some(known) => Some(format!(
            "keyset {number} has {name} as a key of kind {}: sign with that tool",
            known.public.algorithm().word()
        )),
        None => Some(format!("{name} is no list key of keyset {number}")),
    }
}

/// Replaces the head block of a list. All other bytes are copied.
fn rewrite(
    list: &Path,
    mut file: std::fs::File,
    block: &[u8; HEAD_SIZE],
) -> Result<(), WriteError> {
    let draft = Draft::open(list, 0o644)?;
    match fill(&draft, &mut file, block) {
        Ok(_) => draft.replace(),
        Err(error) => Err(WriteError::new(list, error)),
    }
}

fn fill(draft: &Draft, list: &mut std::fs::File, block: &[u8; HEAD_SIZE]) -> io::Result<u64> {
    draft.file().write_all(block)?;
    list.seek(SeekFrom::Start(HEAD_SIZE as u64))?;
    io::copy(list, &mut draft.file())
}
