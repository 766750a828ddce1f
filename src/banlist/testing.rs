//! Makes keys, keysets, sources and lists for tests.
//!
//! Keys come from fixed seeds, so the bytes never change. Sources are given in a few words, and
//! lists are made from sources.

use std::path::Path;
use std::sync::Mutex;

use ring::signature::{Ed25519KeyPair, KeyPair};

use super::compile::{Compiled, HeadTerms};
use super::floor::Edition;
use super::head::{Claim, HEAD_SIZE, Head, Impact};
use super::key::{Algorithm, PublicKey};
use super::keyset::{Key, Keyset, Role};
use super::note::Signature;
use super::source::Source;
use super::tree::build::WriteAt;
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

pub(crate) const ORIGIN: &str = "bans.example.com/prod";
/// 2026-11-20T14:00:00Z.
pub(crate) const ISSUED: Timestamp = Timestamp::from_seconds(1_795_183_200);

/// A key made from a seed, with the name `key-<seed>`.
pub(crate) struct TestKey {
    pub(crate) name: String,
    pub(crate) pair: Ed25519KeyPair,
}

pub(crate) fn key(seed: u8) -> TestKey {
    TestKey {
        name: format!("key-{seed}"),
        pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(),
    }
}

impl TestKey {
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::new(Algorithm::Ed25519, self.pair.public_key().as_ref().to_vec()).unwrap()
    }

    pub(crate) fn signature(&self, text: &str) -> Signature {
        let bytes = self.pair.sign(text.as_bytes()).as_ref().to_vec();
        Signature {
            name: self.name.clone(),
            id: self.public().id(&self.name),
            bytes,
        }
    }
}

/// A keyset with these list keys and this threshold.
pub(crate) fn keyset(seeds: &[u8], threshold: usize) -> Keyset {
    let keys = seeds
        .iter()
        .map(|seed| Key {
            role: Role::List,
            name: key(*seed).name,
            public: key(*seed).public(),
        })
        .collect();
    Keyset {
        origin: ORIGIN.to_owned(),
        number: 1,
        issued: ISSUED,
        expires: ISSUED.plus(730 * 86_400),
        root_threshold: 0,
        list_threshold: threshold,
        lift_threshold: threshold,
        keys,
    }
}

pub(crate) fn terms(version: u64) -> HeadTerms {
    let edition = Edition { keyset: 1, version };
    HeadTerms {
        origin: ORIGIN.to_owned(),
        edition,
        issued: ISSUED,
        expires: ISSUED.plus(14 * 86_400),
        impact: Impact::Guarded,
    }
}

/// A source with one ban, `BAN-1`, which has these matches.
pub(crate) fn source(matches: &[(&str, Digest)]) -> Source {
    let head =
        "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-20\n";
    let matches = matches
        .iter()
        .map(|(kind, digest)| format!("[[ban.match]]\n{kind} = \"{digest}\"\n"));
    parse(&(head.to_owned() + &matches.collect::<String>()))
}

pub(crate) fn parse(text: &str) -> Source {
    Source::parse(Path::new("bans.toml"), text, |path| {
        panic!("no file {path:?}")
    })
    .unwrap()
}

/// Writes the unsigned list made from a source, and returns its head.
pub(crate) fn written(source: &Source, terms: &HeadTerms, out: &impl WriteAt) -> Head {
    Compiled::of(source)
        .unwrap()
        .write(terms, out, &())
        .unwrap()
}

/// The list made from a source, signed by the keys of these seeds.
pub(crate) fn list(source: &Source, terms: &HeadTerms, seeds: &[u8]) -> Vec<u8> {
    let bytes = Mutex::new(Vec::new());
    let head = written(source, terms, &bytes);
    let text = head.text();
    let signatures = seeds
        .iter()
        .map(|seed| key(*seed).signature(&text))
        .collect();
    let mut bytes = bytes.into_inner().unwrap();
    bytes[..HEAD_SIZE].copy_from_slice(
        &Claim {
            head,
            text,
            signatures,
        }
        .block()
        .unwrap(),
    );
    bytes
}

/// A digest for each number.
pub(crate) fn digest(number: u64) -> Digest {
    Digest::of(&number.to_le_bytes())
}
