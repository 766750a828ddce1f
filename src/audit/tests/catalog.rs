//! Checks that every event has an entry in the journal's catalogue, and that every entry has an
//! event.
//!
//! `journalctl -x` shows the entries of `packaging/embargo.catalog` below the events (systemd:
//! docs/CATALOG.md).

use std::collections::BTreeMap;

use crate::audit::{emergency, installation, patching, rotation};
use crate::verdict::event::EventKind;

const CATALOG: &str = include_str!("../../../packaging/embargo.catalog");
const PAGE: &str = include_str!("../../../packaging/man/embargo.8");

/// The name and the ID of every event.
fn events() -> Vec<(&'static str, &'static str)> {
    let of_starts = EventKind::ALL.map(|kind| (kind.word(), kind.message_id()));
    let of_installation = installation::events().into_iter().chain(rotation::events());
    of_starts
        .into_iter()
        .chain(of_installation)
        .chain(patching::tests::events())
        .chain(emergency::events())
        .collect()
}

/// The catalogue's entries by ID: the event's name, which is in a comment above the entry, and the
/// entry's text.
fn entries() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let mut entries = BTreeMap::new();
    for part in CATALOG.split("\n\n# ").skip(1) {
        let (name, entry) = part.split_once("\n-- ").unwrap();
        let (id, text) = entry.split_once('\n').unwrap();
        assert!(entries.insert(id, (name, text)).is_none(), "{id} twice");
    }
    entries
}

#[test]
fn every_event_has_an_entry_and_every_entry_an_event() {
    let mut entries = entries();
    for (word, id) in events() {
        let (name, text) = entries
            .remove(id)
            .unwrap_or_else(|| panic!("{word} has no entry {id}"));
        assert_eq!(name, word);
        let (head, body) = text.split_once("\n\n").unwrap();
        assert!(
            head.starts_with("Subject: ")
                && head.contains("\nDefined-By: embargo\nDocumentation: man:embargo"),
            "{word}: {head}"
        );
        assert!(body.trim().len() > 40, "{word}: {body}");
        for field in body.split('@').skip(1).step_by(2) {
            assert!(
                PAGE.lines()
                    .any(|line| line.starts_with(".It Li EMBARGO_") && line.contains(field)),
                "{word}: {field}"
            );
        }
    }
    assert_eq!(entries.into_keys().collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn an_id_is_128_bits_that_no_other_event_has() {
    let mut ids: Vec<_> = events().into_iter().map(|(_, id)| id).collect();
    for id in &ids {
        assert!(
            id.len() == 32
                && id
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            "{id}"
        );
    }
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
