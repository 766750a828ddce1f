//! Makes key pairs, and reads the keys that sign lists and keysets.
//!
//! `keygen` makes a key pair; a keyset says whose signatures count. Private keys are PKCS#8 PEM
//! files as OpenSSL writes and reads them, with mode 0600. Files of private keys are never
//! overwritten. Public keys are read in the formats of several tools (`public`). Not done here:
//! signing with a key in a key service or on a token. Such a key signs with its own tool, and `list
//! attach` takes the signature.

pub mod outside;
pub mod pem;
pub mod public;
pub mod signer;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::CtlError;
use crate::banlist::keyset::{Key, Role};
use crate::banlist::note;
use crate::report::line;
use crate::sys::clock::{self, Timestamp};
use crate::sys::replace;
use public::NoKey;
pub(super) use public::public_key;
use signer::Signer;

/// Why a key cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file holds no usable private key: the file, the reason.
    #[error("cannot sign with {0:?}: {1}")]
    Private(PathBuf, &'static str),
    /// The file holds no public key: the file, what it holds instead.
    #[error("cannot read {0:?} as a public key: {1}")]
    Public(PathBuf, NoKey),
    /// The text cannot be the name of a key.
    #[error("cannot name a key {0:?}")]
    Name(String),
    /// The file exists already.
    #[error("cannot overwrite {0:?}: it exists")]
    Exists(PathBuf),
    /// The system's source of random bytes failed.
    #[error("cannot make a key: no random bytes")]
    Random,
}

/// The algorithm of a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NewAlgorithm {
    /// Ed25519: fast and deterministic. Use this unless you have a reason not to.
    Ed25519,
    /// ECDSA over P-256: supported by every key service and by FIPS 140 modules.
    P256,
}

/// Make a key pair that signs lists.
///
/// Writes the private key to FILE (PKCS#8 PEM, mode 0600), and the public key to FILE.pub (one
/// line, for `keyset new`). Existing files are never overwritten. Keep the private key where lists
/// are signed. Nodes do not need it; they only need the keyset.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  embargoctl keygen --out alice
  embargoctl keygen --out alice --algorithm p256")]
pub struct KeygenArgs {
    /// The file for the private key. The public key is written to FILE.pub.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The algorithm of the key.
    #[arg(long, value_enum, default_value = "ed25519")]
    algorithm: NewAlgorithm,
    /// The key's name in keysets and signatures. Default: the name of FILE without its extension.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Parses a time from the command line.
///
/// # Errors
/// A text that says what is expected.
pub(super) fn time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("expected YYYY-MM-DDThh:mm:ssZ or YYYY-MM-DD")
}

/// Parses a time span from the command line, in seconds.
///
/// # Errors
/// A text that says what is expected.
pub(super) fn span(text: &str) -> Result<u64, &'static str> {
    clock::duration(text)
        .filter(|span| *span > 0)
        .ok_or("expected a span such as 12h or 14d")
}

/// Makes a key pair.
///
/// # Errors
/// [`KeyError`] and errors in writing the files.
pub fn keygen(args: &KeygenArgs) -> Result<String, CtlError> {
    let name = name_of(args.name.as_deref(), &args.out)?;
    let public_path = with_suffix(&args.out, ".pub");
    let (signer, pem) = Signer::generate(args.algorithm)?;
    let key = Key {
        role: Role::List,
        name,
        public: signer.public().clone(),
    };
    write_new(&args.out, 0o600, pem.as_bytes())?;
    write_new(&public_path, 0o644, format!("{}\n", key.line()).as_bytes())?;
    let (private, public) = (
        line::one_line(&args.out.to_string_lossy()),
        line::one_line(&public_path.to_string_lossy()),
    );
    Ok(format!(
        "private key: {private} (keep it; nodes do not need it)\npublic key:  {public}\nname:        {}\n",
        key.name
    ))
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), CtlError> {
    match replace::create(path, mode, bytes) {
        Err(error) if error.is_there() => Err(CtlError::with_hint(
            KeyError::Exists(path.to_owned()),
            "choose another --out",
        )),
        done => Ok(done?),
    }
}

/// The name `given`, or else the name of `file` without directory and extension.
///
/// # Errors
/// [`KeyError::Name`] when the text cannot be the name of a key.
pub(super) fn name_of(given: Option<&str>, file: &Path) -> Result<String, KeyError> {
    let name = match given {
        Some(name) => name.to_owned(),
        None => {
            let stem = file.file_stem().unwrap_or_default();
            stem.to_string_lossy().into_owned()
        }
    };
    if note::is_name(&name) {
        Ok(name)
    } else {
        Err(KeyError::Name(name))
    }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
