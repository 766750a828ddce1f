//! Reads a public key from a file, in the format of the tool that made it.
//!
//! In: a file with one public key: the line that `keygen` writes; a `SubjectPublicKeyInfo` in PEM,
//! in Base 64 or as raw bytes (OpenSSL, key services, cosign); the line of an OpenSSH `.pub`; the
//! `.pub` of minisign or signify. Out: the key and its name, or what the file holds instead. The
//! file's size is limited. A file cannot prove who owns the key: the person who puts the key into a
//! keyset vouches for its owner.

use std::path::Path;

use super::super::CtlError;
use super::{KeyError, name_of, pem};
use crate::banlist::base64;
use crate::banlist::key::{Algorithm, PublicKey};
use crate::banlist::keyset::{Key, MAX_KEYSET, Role};
use crate::banlist::note;
use crate::sys::file::{self, Guard};

/// What a file holds instead of one usable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// A private key.
    #[error("it is a private key")]
    Private,
    /// A signature.
    #[error("it is a signature")]
    Signature,
    /// An X.509 certificate.
    #[error("it is a certificate")]
    Certificate,
    /// An OpenSSH certificate.
    #[error("it is a certificate")]
    SshCertificate,
    /// An OpenSSH key in the format of RFC 4716.
    #[error("it is in the form of RFC 4716")]
    Ssh2,
    /// A line of `authorized_keys`, `allowed_signers` or `known_hosts`: the key is not at its
    /// start.
    #[error("its line does not start with the key")]
    SshLine,
    /// More than one key.
    #[error("it has more than one key")]
    Several,
    /// A key of an unsupported kind, with the kind's name.
    #[error("it is {0} key")]
    Kind(&'static str),
    /// A damaged key, or a weak one under which anybody could make valid signatures.
    #[error("it is damaged")]
    Damaged,
    /// Nothing that Embargo recognises.
    #[error("it has none")]
    Unknown,
}

impl NoKey {
    /// What the author can do about the error.
    const fn hint(self) -> &'static str {
        match self {
            Self::Private => "use its public half: FILE.pub, or openssl pkey -in KEY -pubout",
            Self::Certificate => "take the key out of it: openssl x509 -in FILE -noout -pubkey",
            Self::SshCertificate => "use the .pub that was certified",
            Self::Ssh2 => "convert it: ssh-keygen -i -f FILE",
            Self::SshLine => "use the .pub that ssh-keygen wrote",
            Self::Several => "put each into a file of its own",
            Self::Signature | Self::Kind(_) | Self::Damaged | Self::Unknown => {
                "use an Ed25519 or P-256 key: FILE.pub of keygen, of ssh-keygen, minisign or signify, or openssl pkey -in KEY -pubout"
            }
        }
    }
}

/// Reads a public key. The key's name is the name in a line of `keygen`, or else the file's name
/// without its extension. If the file has the default name of ssh-keygen (such as
/// `id_ed25519.pub`), the name is the key's comment.
///
/// # Errors
/// [`KeyError::Public`] with a hint, [`KeyError::Name`], and errors in reading the file.
pub(in crate::ctl) fn public_key(path: &Path) -> Result<Key, CtlError> {
    let bytes = file::read(path, MAX_KEYSET, Guard::Any)?;
    if let Ok(text) = std::str::from_utf8(&bytes)
        && let Some(key) = Key::parse(text.trim_end())
    {
        return Ok(key);
    }
    match parse(&bytes) {
        Ok((public, comment)) => {
            let by_comment =
                comment.filter(|name| note::is_name(name) && file_name(path).starts_with("id_"));
            Ok(Key {
                role: Role::List,
                name: name_of(by_comment, path)?,
                public,
            })
        }
        Err(fault) => Err(CtlError::with_hint(
            KeyError::Public(path.to_owned(), fault),
            fault.hint(),
        )),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Parses a key, and the comment that OpenSSH puts after it.
///
/// # Errors
/// [`NoKey`].
pub fn parse(bytes: &[u8]) -> Result<(PublicKey, Option<&str>), NoKey> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Ok((spki(bytes)?, None));
    };
    let text = text.trim();
    if text.contains("-----BEGIN ") {
        return Ok((from_pem(text)?, None));
    }
    if text.starts_with("---- BEGIN SSH2 PUBLIC KEY") {
        return Err(NoKey::Ssh2);
    }
    if text.starts_with("untrusted comment:") {
        return Ok((minisign(text)?, None));
    }
    let mut lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), more) = (lines.next(), lines.next()) else {
        return Err(NoKey::Unknown);
    };
    if line.contains(' ') {
        return if more.is_some() {
            Err(NoKey::Several)
        } else {
            ssh(line)
        };
    }
    // The text has no header. The text may be the output of minisign on a terminal, or of `aws kms
    // get-public-key`.
    let decoded =
        base64::decode(&text.split_ascii_whitespace().collect::<String>()).ok_or(NoKey::Unknown)?;
    match PublicKey::new(Algorithm::Minisign, decoded.clone()) {
        Some(key) => Ok((key, None)),
        None => Ok((spki(&decoded)?, None)),
    }
}

/// Parses a key in PEM.
fn from_pem(text: &str) -> Result<PublicKey, NoKey> {
    if text.contains("PRIVATE KEY-----") {
        return Err(NoKey::Private);
    }
    if text.matches("-----BEGIN ").count() > 1 && !text.contains("BEGIN CERTIFICATE") {
        return Err(NoKey::Several);
    }
    match pem::decode(text, "PUBLIC KEY") {
        Some(der) => spki(&der),
        None if text.contains("-----BEGIN CERTIFICATE-----") => Err(NoKey::Certificate),
        None if text.contains("-----BEGIN RSA PUBLIC KEY-----") => Err(NoKey::Kind("an RSA")),
        None if text.contains("-----BEGIN SSH SIGNATURE-----") => Err(NoKey::Signature),
        None if text.contains("-----BEGIN PGP") => Err(NoKey::Kind("an OpenPGP")),
        None => Err(NoKey::Damaged),
    }
}

/// The unsupported kinds of key that messages name. A kind is recognised in a
/// `SubjectPublicKeyInfo` by the object identifier of its algorithm or curve.
const KINDS: [(&[u8], &str); 8] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01], "an RSA"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "a P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "a P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "a secp256k1"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x6e], "an X25519"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x71], "an Ed448"),
    (
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03],
        "an ML-DSA",
    ),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "a DSA"),
];

/// Parses a `SubjectPublicKeyInfo` in DER.
fn spki(der: &[u8]) -> Result<PublicKey, NoKey> {
    if let Some(key) = PublicKey::from_spki(der) {
        return Ok(key);
    }
    let start = der.get(..40).unwrap_or(der);
    for (identifier, kind) in KINDS {
        if start
            .windows(identifier.len())
            .any(|window| window == identifier)
        {
            return Err(NoKey::Kind(kind));
        }
    }
    Err(if der.first() == Some(&0x30) {
        NoKey::Damaged
    } else {
        NoKey::Unknown
    })
}

/// Parses a key file of minisign or signify: a comment line, then the key.
fn minisign(text: &str) -> Result<PublicKey, NoKey> {
    let mut lines = text.lines();
    let (comment, encoded) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let bytes = base64::decode(encoded.trim_end()).unwrap_or_default();
    if bytes.len() == 74 {
        return Err(NoKey::Signature);
    }
    if comment.contains("secret key") {
        return Err(NoKey::Private);
    }
    if lines.any(|line| line.starts_with("untrusted comment:")) {
        return Err(NoKey::Several);
    }
    PublicKey::new(Algorithm::Minisign, bytes).ok_or(NoKey::Damaged)
}

/// The kinds of OpenSSH keys that are accepted, in the order of OpenSSH's manual.
const SSH_KINDS: [&str; 4] = [
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Parses a line of OpenSSH: `KIND BASE64 COMMENT`.
fn ssh(line: &str) -> Result<(PublicKey, Option<&str>), NoKey> {
    let (kind, rest) = line.split_once(' ').ok_or(NoKey::Unknown)?;
    let (encoded, comment) = match rest.split_once(' ') {
        Some((encoded, comment)) => (encoded, Some(comment)),
        None => (rest, None),
    };
    match kind {
        kind if SSH_KINDS.contains(&kind) => {}
        "ssh-rsa" => return Err(NoKey::Kind("an RSA")),
        "ssh-dss" => return Err(NoKey::Kind("a DSA")),
        "ecdsa-sha2-nistp384" => return Err(NoKey::Kind("a P-384")),
        "ecdsa-sha2-nistp521" => return Err(NoKey::Kind("a P-521")),
        kind if kind.ends_with("-cert-v01@openssh.com") => return Err(NoKey::SshCertificate),
        _ if rest.contains("ssh-") || rest.contains("ecdsa-sha2-") => return Err(NoKey::SshLine),
        _ => return Err(NoKey::Unknown),
    }
    let blob = base64::decode(encoded).ok_or(NoKey::Damaged)?;
    if !blob
        .get(4..)
        .unwrap_or_default()
        .starts_with(kind.as_bytes())
    {
        return Err(NoKey::Damaged);
    }
    let key = PublicKey::new(Algorithm::Sshsig, blob).ok_or(NoKey::Damaged)?;
    Ok((key, comment))
}

#[cfg(test)]
mod tests;
