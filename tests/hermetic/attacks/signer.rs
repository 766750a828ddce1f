//! Signs lists for the attacks.
//!
//! Keys come from fixed seeds. The code follows the documents of the formats and shares nothing
//! with the program, so that it does not repeat a mistake of the program's reader.

use embargo::banlist::base64;
use embargo::lineage::digest::Digest;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// The start of a signature line (C2SP signed-note).
const DASH: &str = "\u{2014} ";

/// An Ed25519 key with a name.
pub(crate) struct Signer {
    /// The key's name in keysets and signature lines.
    pub(crate) name: String,
    pair: Ed25519KeyPair,
}

/// The key of this seed, with the name `key-SEED`.
pub(crate) fn signer(seed: u8) -> Signer {
    called(&format!("key-{seed}"), seed)
}

/// The key of this seed under another name.
pub(crate) fn called(name: &str, seed: u8) -> Signer {
    Signer {
        name: name.to_owned(),
        pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(),
    }
}

impl Signer {
    /// The 32 bytes of the public key.
    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The signature over exactly these bytes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }

    /// The key's line in a keyset.
    pub(crate) fn key_line(&self, role: &str) -> String {
        format!(
            "key {role} {} ed25519 {}\n",
            self.name,
            base64::encode(self.public())
        )
    }

    /// The key's signature line over a text.
    pub(crate) fn sign(&self, text: &str) -> String {
        self.line(&self.raw(text.as_bytes()))
    }

    /// A signature line in the key's name, with these bytes as the signature.
    pub(crate) fn line(&self, signature: &[u8]) -> String {
        line(&self.name, self.id(), signature)
    }

    /// The ID by which a verifier looks up the key (C2SP signed-note, type 0x01).
    pub(crate) fn id(&self) -> [u8; 4] {
        id(&self.name, &[&[0x01], self.public()].concat())
    }
}

/// A signature line.
pub(crate) fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    format!(
        "{DASH}{name} {}\n",
        base64::encode(&[&id[..], signature].concat())
    )
}

/// A key's ID: the first four bytes of the SHA-256 of the name, a line feed, the type and the key.
pub(crate) fn id(name: &str, type_and_key: &[u8]) -> [u8; 4] {
    let digest = Digest::of(&[name.as_bytes(), b"\n", type_and_key].concat());
    digest.as_bytes()[..4].try_into().unwrap()
}
