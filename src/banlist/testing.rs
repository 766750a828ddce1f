//! Makes keys, keysets, sources and lists for tests.
//!
//! Keys come from fixed seeds, so the bytes never change. Sources are given in a few words, and
//! lists are made from sources.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use ring::signature::{Ed25519KeyPair, KeyPair};

use super::ban::{BanMatch, EntryMatch, Kinds, ListEntry};
use super::catalogue::{CatalogueBase, CatalogueMatch, CatalogueWord};
use super::compile::Compiled;
use super::floor::Edition;
use super::head::{Claim, Entries, Format, HEAD_SIZE, Head, Impact, Urgency};
use super::key::{Algorithm, PublicKey};
use super::keyset::{Key, Keyset, Role};
use super::kinds::CatalogueScope;
use super::note::Signature;
use super::section;
use super::source::Source;
use super::terms::{Contents, HeadTerms};
use super::tree::Leaf;
use super::tree::build::{self, WriteAt};
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
        format: Format::V2,
        origin: ORIGIN.to_owned(),
        edition,
        issued: ISSUED,
        expires: ISSUED.plus(14 * 86_400),
        impact: Impact::Guarded,
        urgency: Urgency::Routine,
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
    signed(head, bytes.into_inner().unwrap(), seeds)
}

/// The list with this head, signed by the keys of these seeds.
fn signed(head: Head, mut bytes: Vec<u8>, seeds: &[u8]) -> Vec<u8> {
    let text = head.text();
    let signatures = seeds
        .iter()
        .map(|seed| key(*seed).signature(&text))
        .collect();
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

/// The list made from a source that also has these bases in its catalogue, each with its digests.
/// The list is put together by hand, because there is no source of a catalogue yet.
pub(crate) fn with_catalogue(
    source: &Source,
    bases: &[(&CatalogueBase, &[Digest])],
    seeds: &[u8],
) -> Vec<u8> {
    let mut records = Vec::new();
    let mut add = |line: String| {
        let offset = records.len() as u64;
        records.extend((line + "\n").into_bytes());
        offset
    };
    let (mut entries, mut open) = (BTreeMap::<Digest, Vec<EntryMatch>>::new(), Vec::new());
    let bans: Vec<u64> = source.bans.iter().map(|ban| add(json(ban))).collect();
    for found in &source.matches {
        for digest in &found.digests {
            entries
                .entry(*digest)
                .or_default()
                .push(EntryMatch::Ban(BanMatch {
                    kind: found.kind,
                    name: found.name.clone(),
                    platform: found.platform.clone(),
                    ban: bans[found.ban],
                }));
        }
    }
    for (base, digests) in bases {
        let offset = add(json(base));
        for digest in *digests {
            if base.scope() == CatalogueScope::Everybody {
                open.push(*digest);
            }
            entries
                .entry(*digest)
                .or_default()
                .push(EntryMatch::Catalogue(CatalogueMatch {
                    kind: CatalogueWord::Catalogue,
                    base: offset,
                }));
        }
    }
    let (mut leaves, mut counts) = (Vec::new(), Entries::default());
    for (digest, matches) in entries {
        let mut kinds = Kinds::NONE;
        for found in &matches {
            kinds = match found {
                EntryMatch::Ban(found) => kinds.with(found.kind),
                EntryMatch::Catalogue(_) if open.contains(&digest) => {
                    kinds.catalogued(CatalogueScope::Everybody)
                }
                EntryMatch::Catalogue(_) => kinds.catalogued(CatalogueScope::SomeProjects),
            };
        }
        counts.add(kinds, 1);
        let offset = add(json(&ListEntry { matches }));
        leaves.push(Leaf {
            digest,
            kinds,
            offset,
        });
    }
    let bytes = Mutex::new(Vec::new());
    let tree_root = build::write(
        leaves.len() as u64,
        |at| leaves[usize::try_from(at).unwrap()],
        &bytes,
        &(),
    )
    .unwrap();
    let table = section::table(&records);
    let head = terms(1).head(Contents {
        entries: counts,
        tree_root,
        records: Digest::of(&table),
        records_size: records.len() as u64,
        source: source.digest,
        source_size: source.size,
    });
    bytes.write_at(&records, head.records_at()).unwrap();
    bytes.write_at(&table, head.table_at()).unwrap();
    signed(head, bytes.into_inner().unwrap(), seeds)
}

fn json(record: &impl serde::Serialize) -> String {
    serde_json::to_string(record).unwrap()
}

/// A digest for each number.
pub(crate) fn digest(number: u64) -> Digest {
    Digest::of(&number.to_le_bytes())
}
