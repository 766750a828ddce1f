//! Signs as `ssh-keygen -Y sign` would, for tests, with a key made here, on a token or not.
//!
//! The signatures follow OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f. The tests of signing check
//! these signatures with the real `ssh-keygen -Y verify`.

use ring::digest::{SHA256, SHA512, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

use crate::banlist::key::sshsig::NAMESPACE;

/// A private key. A key with an application is on a token.
#[derive(Debug)]
pub(crate) struct TestSsh {
    pair: TestPair,
    pub(crate) application: Option<&'static [u8]>,
}

#[derive(Debug)]
enum TestPair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// The parts of a signature. The default is what `ssh-keygen -Y sign -n banlist.v1` writes; a token
/// has been touched.
#[derive(Clone, Debug)]
pub(crate) struct Sealed<'a> {
    /// The key named in the envelope. By default, the key that signs.
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) version: u32,
    pub(crate) namespace: &'a [u8],
    pub(crate) reserved: &'a [u8],
    pub(crate) hash: &'a [u8],
    /// Replaces the hash of the text. By default, the real hash is used.
    pub(crate) hashed: Option<&'a [u8]>,
    /// The kind of signature. By default, the key's kind.
    pub(crate) kind: Option<&'a [u8]>,
    pub(crate) flags: u8,
    pub(crate) behind: &'a [u8],
}

impl Default for Sealed<'_> {
    fn default() -> Self {
        let namespace = NAMESPACE.as_bytes();
        Self {
            key: None,
            version: 1,
            namespace,
            reserved: b"",
            hash: b"sha512",
            hashed: None,
            kind: None,
            flags: 1,
            behind: b"",
        }
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn mpint(number: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = number
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    let sign: &[u8] = if digits[0] < 0x80 { &[] } else { &[0] };
    string(&[sign, &digits].concat())
}

impl TestSsh {
    pub(crate) fn ed25519(seed: u8) -> Self {
        Self {
            pair: TestPair::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()),
            application: None,
        }
    }

    pub(crate) fn p256() -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random)
                .unwrap();
        Self {
            pair: TestPair::P256(pair),
            application: None,
        }
    }

    /// The same key on a token, made for `application`.
    pub(crate) fn on_token(self, application: &'static [u8]) -> Self {
        Self {
            application: Some(application),
            ..self
        }
    }

    pub(crate) fn kind(&self) -> &'static [u8] {
        match (&self.pair, self.application) {
            (TestPair::Ed25519(_), None) => b"ssh-ed25519",
            (TestPair::Ed25519(_), Some(_)) => b"sk-ssh-ed25519@openssh.com",
            (TestPair::P256(_), None) => b"ecdsa-sha2-nistp256",
            (TestPair::P256(_), Some(_)) => b"sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    pub(crate) fn point(&self) -> &[u8] {
        match &self.pair {
            TestPair::Ed25519(pair) => pair.public_key().as_ref(),
            TestPair::P256(pair) => pair.public_key().as_ref(),
        }
    }

    /// The blob of the public key.
    pub(crate) fn blob(&self) -> Vec<u8> {
        let curve = match self.pair {
            TestPair::Ed25519(_) => Vec::new(),
            TestPair::P256(_) => string(b"nistp256"),
        };
        [
            string(self.kind()),
            curve,
            string(self.point()),
            self.application.map(string).unwrap_or_default(),
        ]
        .concat()
    }

    /// The SSHSIG blob over `text`.
    pub(crate) fn seal(&self, text: &[u8], sealed: &Sealed<'_>) -> Vec<u8> {
        let Sealed {
            key,
            version,
            namespace,
            reserved,
            hash,
            hashed,
            kind,
            flags,
            behind,
        } = sealed;
        let hashed = hashed.map_or_else(
            || {
                digest(if *hash == b"sha256" { &SHA256 } else { &SHA512 }, text)
                    .as_ref()
                    .to_vec()
            },
            <[u8]>::to_vec,
        );
        let mut signed = [
            b"SSHSIG".to_vec(),
            string(namespace),
            string(reserved),
            string(hash),
            string(&hashed),
        ]
        .concat();
        let mut token = Vec::new();
        if let Some(application) = self.application {
            token = [&[*flags][..], &7_u32.to_be_bytes()].concat();
            signed = [
                digest(&SHA256, application).as_ref(),
                &token,
                digest(&SHA256, &signed).as_ref(),
            ]
            .concat();
        }
        let made = match &self.pair {
            TestPair::Ed25519(pair) => pair.sign(&signed).as_ref().to_vec(),
            TestPair::P256(pair) => {
                let made = pair.sign(&SystemRandom::new(), &signed).unwrap();
                let (r, s) = made.as_ref().split_at(32);
                [mpint(r), mpint(s)].concat()
            }
        };
        let made = [string(kind.unwrap_or(self.kind())), string(&made), token].concat();
        let own = self.blob();
        let envelope = [
            string(key.unwrap_or(&own)),
            string(namespace),
            string(reserved),
            string(hash),
            string(&made),
        ];
        [
            b"SSHSIG",
            &version.to_be_bytes()[..],
            &envelope.concat(),
            behind,
        ]
        .concat()
    }
}
