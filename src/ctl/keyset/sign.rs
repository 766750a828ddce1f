//! Implements `embargoctl keyset sign`, `head` and `attach`: adds a signature to a keyset.
//!
//! In: a keyset and a private key, or a signature made elsewhere over the bytes that `head` writes.
//! Out: the same keyset with one more signature line. A signature that does not verify is never
//! attached. Not checked: whether the key is a root key. A root key of the previous keyset may sign
//! too, and the previous keyset is not known here.

use std::path::{Path, PathBuf};

use super::super::CtlError;
use super::super::signing::{self, NoteToSign, OutsideSignature, PrivateKey, SigningError, What};
use super::same_key;
use crate::banlist::keyset::{Key, MAX_KEYSET, Role};
use crate::banlist::note::{MAX_SIGNATURES, Signature};
use crate::banlist::store;
use crate::sys::file::{self, Guard};
use crate::sys::replace;

/// Sign a keyset with a private key in a file.
///
/// The key must be made by `embargoctl keygen` or `openssl genpkey` (Ed25519 or P-256, PKCS#8 PEM),
/// and must be a root key of the keyset or of the keyset before it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl keyset sign --key root-1 keyset-2")]
pub struct KeysetSignArgs {
    #[command(flatten)]
    with: PrivateKey,
    /// The keyset.
    keyset: PathBuf,
}

/// Write the exact bytes of a keyset to sign, for a key that is not in a file.
///
/// Sign these bytes like those of `list head`, then add the signature to the keyset with
/// `keyset attach`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl keyset head keyset-2 > head
  openssl pkeyutl -sign -rawin -inkey root-2.pem -in head -out sig
  embargoctl keyset attach --key root-2.pub --signature sig keyset-2")]
pub struct KeysetHeadArgs {
    /// The keyset.
    keyset: PathBuf,
}

/// Add a signature that was made elsewhere over the bytes of `keyset head`.
///
/// The signature may have any form that `list attach` accepts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl keyset attach --key root-2.pub --signature sig keyset-2")]
pub struct KeysetAttachArgs {
    #[command(flatten)]
    made: OutsideSignature,
    /// The keyset.
    keyset: PathBuf,
}

/// Signs the keyset with a key in a file.
pub(super) fn sign(args: &KeysetSignArgs) -> Result<String, CtlError> {
    add(&args.keyset, |subject| signing::sign(&args.with, subject))
}

/// The exact bytes to sign.
pub(super) fn head(args: &KeysetHeadArgs) -> Result<String, CtlError> {
    Ok(store::keyset(&args.keyset, Guard::Any)?.text)
}

/// Adds a signature that was made elsewhere.
pub(super) fn attach(args: &KeysetAttachArgs) -> Result<String, CtlError> {
    add(&args.keyset, |subject| signing::attach(&args.made, subject))
}

/// Rewrites the keyset with the signature that `sign` makes.
fn add(
    path: &Path,
    sign: impl FnOnce(&NoteToSign<'_>) -> Result<(Key, Option<Signature>), CtlError>,
) -> Result<String, CtlError> {
    let mut signed = store::keyset(path, Guard::Any)?;
    let (key, signature) = sign(&NoteToSign {
        what: What::Keyset,
        file: path,
        text: &signed.text,
        signatures: &signed.signatures,
    })?;
    let Some(signature) = signature else {
        return Ok(signing::already(path, &key));
    };
    signed.signatures.push(signature);
    let (note, count) = (signed.note(), signed.signatures.len());
    if count > MAX_SIGNATURES || note.len() as u64 > MAX_KEYSET {
        return Err(SigningError::Full(path.to_owned()).into());
    }
    replace::replace(&file::target(path), 0o644, note.as_bytes())?;
    let number = signed.keyset.number;
    let mut text = signing::signed(path, &key, count, &format!("keyset {number}"));
    // A key's ID includes its name. With another name in the signature line, the signature would
    // not be found.
    match same_key(&signed.keyset, Role::Root, &key) {
        Some(root) if root.public.id(&root.name) == key.public.id(&key.name) => {}
        Some(root) => {
            text += &format!(
                "keyset {number} calls this key {}: sign again with --name {0}\n",
                root.name
            )
        }
        None => {
            text += &format!(
                "{} is no root key of keyset {number}: it counts if it is one of the keyset before\n",
                key.name
            )
        }
    }
    Ok(text)
}
