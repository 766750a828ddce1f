//! Signs with a private key that is in a file.
//!
//! In: a PKCS#8 PEM file of an Ed25519 or P-256 key, made by `keygen` or by OpenSSL. Out: its
//! public key, and signatures. `ring` makes the signatures, as it verifies signatures in other
//! files. `ring` computes with the secret in constant time. Nothing in this file copies the secret.

use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

use super::super::CtlError;
use super::{KeyError, NewAlgorithm, pem};
use crate::banlist::key::{Algorithm, P256_SPKI, PublicKey};
use crate::sys::file::{self, Guard};

/// The bytes before the seed in the PKCS#8 form of an Ed25519 key (RFC 8410, section 7). These
/// bytes belong to version 1 of the form, which OpenSSL 3.0 reads.
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The most bytes of a key file.
const MAX_PEM: u64 = 16 << 10;

const LABEL: &str = "PRIVATE KEY";

/// A private key.
#[derive(Debug)]
pub struct Signer {
    pair: Pair,
    public: PublicKey,
}

#[derive(Debug)]
enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Signer {
    /// Makes a new key, and its PEM text.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate(algorithm: NewAlgorithm) -> Result<(Self, String), KeyError> {
        let random = SystemRandom::new();
        let der = match algorithm {
            NewAlgorithm::Ed25519 => {
                let mut der = [ED25519_PKCS8.as_slice(), &[0; 32]].concat();
                random
                    .fill(&mut der[ED25519_PKCS8.len()..])
                    .map_err(|_| KeyError::Random)?;
                der
            }
            NewAlgorithm::P256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
                    .map_err(|_| KeyError::Random)?
                    .as_ref()
                    .to_vec()
            }
        };
        let signer = Self::from_der(&der).ok_or(KeyError::Random)?;
        Ok((signer, pem::encode(&der, LABEL)))
    }

    /// Loads a key from a PEM file.
    ///
    /// # Errors
    /// [`KeyError::Private`] with a hint how to convert the file, and read errors.
    pub fn load(path: &Path) -> Result<Self, CtlError> {
        let text = file::read_text(path, MAX_PEM, Guard::Any)?;
        if let Some(signer) = pem::decode(&text, LABEL).and_then(|der| Self::from_der(&der)) {
            return Ok(signer);
        }
        let (fault, hint) = if text.contains("BEGIN ENCRYPTED PRIVATE KEY")
            || text.contains("Proc-Type: 4,ENCRYPTED")
        {
            (
                "it is encrypted",
                "sign with its own tool: list head LIST > head; openssl pkeyutl -sign -rawin -inkey KEY -in head -out sig; list attach",
            )
        } else if text.contains("BEGIN EC PRIVATE KEY") {
            (
                "it is not in PKCS#8",
                "convert it: openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW",
            )
        } else if text.contains("BEGIN OPENSSH PRIVATE KEY") {
            (
                "it is an SSH key",
                "sign with its own tool: list head LIST > head; ssh-keygen -Y sign -n banlist.v1 -f KEY head; list attach",
            )
        } else if text.starts_with("untrusted comment: minisign") {
            (
                "it is a key of minisign",
                "sign with its own tool: list head LIST > head; minisign -S -s KEY -m head; list attach",
            )
        } else if text.starts_with("untrusted comment:") {
            (
                "it is a key of signify",
                "sign with its own tool: list head LIST > head; signify -S -s KEY -m head -x head.sig; list attach",
            )
        } else {
            (
                "it is not an Ed25519 or P-256 key in PKCS#8 PEM",
                "make one with embargoctl keygen, or openssl genpkey -algorithm ed25519",
            )
        };
        Err(CtlError::with_hint(
            KeyError::Private(path.to_owned(), fault),
            hint,
        ))
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            let public = PublicKey::new(Algorithm::Ed25519, pair.public_key().as_ref().to_vec())?;
            return Some(Self {
                pair: Pair::Ed25519(pair),
                public,
            });
        }
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &SystemRandom::new())
                .ok()?;
        // `P256_SPKI` ends with 0x04, and `ring`'s public key begins with the same byte: one of the
        // two bytes is dropped.
        let public = [
            &P256_SPKI[..P256_SPKI.len() - 1],
            pair.public_key().as_ref(),
        ]
        .concat();
        Some(Self {
            public: PublicKey::new(Algorithm::P256, public)?,
            pair: Pair::P256(pair),
        })
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `text`.
    ///
    /// # Errors
    /// [`KeyError::Random`]: ECDSA needs random bytes.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(text).as_ref().to_vec()),
            Pair::P256(pair) => Ok(pair
                .sign(&SystemRandom::new(), text)
                .map_err(|_| KeyError::Random)?
                .as_ref()
                .to_vec()),
        }
    }
}
