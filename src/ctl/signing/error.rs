//! Describes why a list or a keyset was not signed, and what can be done about it.
//!
//! In: the fault of a signature that was made elsewhere; names in the fault come from others and
//! are quoted. Out: one line, and a hint.

use std::path::PathBuf;

use super::What;
use crate::banlist::key::Algorithm;
use crate::banlist::key::sshsig::NAMESPACE;
use crate::ctl::keys::outside::NoSignature;

/// Why a list or a keyset was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The list or keyset has no room for another signature.
    #[error("cannot sign {0:?}: it has no room for another signature")]
    Full(PathBuf),
    /// The file holds no usable signature.
    #[error("cannot attach {0:?}: {1}")]
    Unusable(PathBuf, NoSignature),
    /// The file of the signature is itself a list or a keyset.
    #[error("cannot attach {0:?}: it is no signature, but what is signed")]
    Note(PathBuf),
    /// The file does not have the form of a signature by this key: the file, the key's name, its
    /// algorithm.
    #[error("cannot attach {0:?}: it has not the form of a signature by {1}, which is a key of kind {kind}", kind = .2.word())]
    Form(PathBuf, String, Algorithm),
    /// The signature names another key: the file, that key, the expected key.
    #[error("cannot attach {0:?}: {1} made it, not {2}")]
    OtherKey(PathBuf, String, String),
    /// The SSH signature was made for another purpose: the file, the namespace of that purpose.
    #[error("cannot attach {0:?}: it was made for the namespace {1:?}, not {NAMESPACE}")]
    Namespace(PathBuf, String),
    /// The signature is by a token that nobody touched.
    #[error("cannot attach {0:?}: nobody touched the token when it signed")]
    Untouched(PathBuf),
    /// The key signed an altered text: the file, the key's name, the kind of text, how the signed
    /// text differs.
    #[error("cannot attach {0:?}: {1} signed {what} {3}", what = .2.text())]
    Altered(PathBuf, String, What, &'static str),
    /// The signature is not by this key over this text: the file, the key's name, the kind of text.
    #[error("cannot attach {0:?}: it is not the signature of {1} over {what}", what = .2.text())]
    Foreign(PathBuf, String, What),
}

impl SigningError {
    /// What the author can do about a signature that cannot be attached.
    pub(super) fn hint(&self, algorithm: Algorithm, what: What) -> String {
        let head = what.command();
        // Most tools overwrite an older signature file, but ssh-keygen does not.
        let is_foreign = matches!(self, Self::Foreign(..));
        let stale = if is_foreign {
            "; it may be of an older head: write the head anew, remove the old signature, sign again"
        } else {
            ""
        };
        match self {
            Self::Namespace(..) => {
                format!("sign again: ssh-keygen -Y sign -n {NAMESPACE} -f KEY head")
            }
            Self::Untouched(_) => "use a key that was made without -O no-touch-required".to_owned(),
            Self::OtherKey(..) => "name that key's public half with --key".to_owned(),
            Self::Form(..) => format!("expected {}", form(algorithm)),
            Self::Full(_)
            | Self::Note(_)
            | Self::Unusable(..)
            | Self::Altered(..)
            | Self::Foreign(..) => match algorithm {
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
