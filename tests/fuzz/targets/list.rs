//! Fuzzes the parsers of lists, keysets, floors and sources: none panics.
//!
//! The linter must report an error for every source from which no list can be built. A list without
//! a signature is not read beyond its head. So that the rest of the input is read too, the target
//! puts a matching head before the input.
#![no_main]

use std::path::Path;

use embargo::banlist::bytes::Reader;
use embargo::banlist::catalogue::CatalogueBase;
use embargo::banlist::floor::Floor;
use embargo::banlist::head::Head;
use embargo::banlist::key::{Algorithm, PublicKey};
use embargo::banlist::keyset::{Key, Keyset, Role, SignedKeyset};
use embargo::banlist::note::Note;
use embargo::banlist::ban::{self, Ban, ListEntry, MatchKind};
use embargo::banlist::rotation;
use embargo::banlist::section::Budget;
use embargo::banlist::source::Source;
use embargo::banlist::source::draft::Draft;
use embargo::banlist::store::{self, Query};
use embargo::banlist::{base64, whole};
use embargo::ctl::list::lint::{self, KnownImages, Level};
use embargo::lineage::digest::Digest;
use embargo::sys::clock::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    whole_list(bytes);
    if let Ok(note) = Note::parse(bytes) {
        _ = note.signatures();
    }
    keyset(bytes);
    _ = ban::parse::<Ban>(bytes);
    _ = ban::parse::<ListEntry>(bytes);
    _ = ban::parse::<CatalogueBase>(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(floor) = Floor::parse(text) {
        assert_eq!(Floor::parse(&floor.text()).ok(), Some(floor));
    }
    if let Ok(head) = Head::parse(text) {
        assert_eq!(Head::parse(&head.text()).ok(), Some(head));
    }
    if let Some(decoded) = base64::decode(text) {
        assert_eq!(base64::encode(&decoded), text);
    }
    source(text, bytes);
});

/// A keyset has only one valid form. No keyset may follow another one without the signature of that
/// keyset's key.
fn keyset(bytes: &[u8]) {
    let Ok(signed) = SignedKeyset::parse(bytes) else {
        return;
    };
    // The empty line before the signatures may be there without any signature.
    assert!(signed.signatures.is_empty() || signed.note().as_bytes() == bytes);
    assert_eq!(signed.keyset.text(), signed.text);
    let public =
        PublicKey::new(Algorithm::Ed25519, vec![3; 32]).expect("32 bytes, and of no small order");
    let root = Key {
        role: Role::Root,
        name: "key-1".to_owned(),
        public,
    };
    let old = Keyset {
        number: signed.keyset.number.wrapping_sub(1),
        root_threshold: 1,
        keys: vec![root],
        ..signed.keyset
    };
    assert!(rotation::next(&old, bytes).is_err());
}

/// The linter must report an error for a source that the strict parser refuses. Both must read the
/// same bans from a source that the strict parser accepts.
fn source(text: &str, bytes: &[u8]) {
    let path = Path::new("bans.toml");
    let open = |_: &Path| Ok(bytes.to_vec());
    let strict = Source::parse(path, text, open);
    let draft = Draft::parse(path, text, open);
    let now = Timestamp::from_seconds(1_795_183_200);
    let found = lint::findings(&draft, &KnownImages::default(), None, now);
    let is_wrong = found
        .iter()
        .any(|finding| finding.code.level() == Level::Error);
    match strict {
        Err(_) => assert!(is_wrong),
        Ok(source) => {
            assert!(draft.faults.is_empty());
            assert_eq!(draft.bans.len(), source.bans.len());
            assert_eq!(
                draft
                    .bans
                    .iter()
                    .map(|ban| ban.matches.len())
                    .sum::<usize>(),
                source.matches.len()
            );
        }
    }
}

fn whole_list(bytes: &[u8]) {
    let list = Reader {
        path: Path::new("banlist.lst"),
        bytes,
    };
    let Ok(claim) = store::claim(&list, bytes.len() as u64) else {
        return;
    };
    let kinds = [MatchKind::Base, MatchKind::Image, MatchKind::Layer];
    let queries = kinds.map(|kind| Query {
        digest: Digest::of(b"banned"),
        kind,
    });
    _ = store::hits(&list, &claim.head, &queries, Budget::Start);
    _ = whole::check(&list, &claim.head);
}
