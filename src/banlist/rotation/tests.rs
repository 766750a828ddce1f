//! Tests how one keyset follows another.

use super::super::base64;
use super::super::key::{Algorithm, PublicKey};
use super::super::keyset::{Key, MAX_KEYSET};
use super::super::note::Signature;
use super::super::testing::{ISSUED, digest, key, keyset, list, source, terms};
use super::*;
use crate::banlist::bytes::Reader;
use crate::banlist::store::{Placement, Rules, Trust};
use crate::sys::clock::Timestamp;

mod tuf;

/// A keyset: its root keys, how many of them must sign the next keyset, and who signed this keyset.
type Version = (&'static [u8], usize, &'static [u8]);

/// A keyset with these root keys, and with list key 100.
fn roots(number: u64, keys: &[u8], threshold: usize) -> Keyset {
    let root = |seed: &u8| Key {
        role: Role::Root,
        name: key(*seed).name,
        public: key(*seed).public(),
    };
    let lists = keyset(&[100], 1);
    Keyset {
        number,
        root_threshold: threshold,
        keys: keys.iter().map(root).chain(lists.keys.clone()).collect(),
        ..lists
    }
}

fn signed(keyset: &Keyset, signatures: &[Signature]) -> Vec<u8> {
    SignedKeyset {
        text: keyset.text(),
        keyset: keyset.clone(),
        signatures: signatures.to_vec(),
    }
    .note()
    .into_bytes()
}

fn signed_by(keyset: &Keyset, seeds: &[u8]) -> Vec<u8> {
    signed(
        keyset,
        &seeds
            .iter()
            .map(|seed| key(*seed).signature(&keyset.text()))
            .collect::<Vec<_>>(),
    )
}

fn fault(old: &Keyset, new: &[u8]) -> String {
    next(old, new).unwrap_err().to_string()
}

#[test]
fn an_invalid_signature_next_to_enough_valid_ones_is_skipped_and_counted() {
    let old = roots(1, &[1, 2], 1);
    let new = roots(2, &[2, 3], 1);
    let mut bad: Vec<_> = [1, 3].map(|seed| key(seed).signature(&new.text())).into();
    bad.iter_mut().for_each(|signature| signature.bytes[5] ^= 1);
    let bytes = signed(
        &new,
        &[
            bad[0].clone(),
            bad[1].clone(),
            key(2).signature(&new.text()),
        ],
    );
    let read = next(&old, &bytes).unwrap();
    let signers = Signers::of(&old, &read);
    assert_eq!(
        (
            signers.old.good,
            signers.old.bad,
            signers.new.good,
            signers.new.bad,
            signers.bad
        ),
        (1, 1, 1, 1, 2)
    );
    assert_eq!(
        fault(&old, &signed(&new, &bad)),
        "by root keys of keyset 1: 0 of 1 trusted signatures (1 bad, 1 by unknown keys)"
    );
}

#[test]
fn without_root_keys_a_keyset_is_replaced_by_hand() {
    let by_hand = keyset(&[100], 1);
    let message = "keyset 1 has no root keys, so it can only be replaced by hand";
    assert_eq!(
        fault(&by_hand, &signed_by(&roots(2, &[1], 1), &[1])),
        message
    );
    // The last keyset of a rotation may have no root keys, if the old keyset's root keys sign it.
    let last = Keyset {
        number: 2,
        ..by_hand
    };
    assert_eq!(
        next(&roots(1, &[1], 1), &signed_by(&last, &[1]))
            .unwrap()
            .keyset,
        last
    );
}

#[test]
fn the_largest_keyset_that_a_note_signs_fits() {
    // The largest keyset: sixteen root keys and sixteen list keys, each with the longest name, and
    // sixteen signatures.
    let name = |seed: u8| format!("{}-{seed:03}", "n".repeat(60));
    let role = |seed: u8| if seed < 16 { Role::Root } else { Role::List };
    let keys = (0..32)
        .map(|seed| Key {
            role: role(seed),
            name: name(seed),
            public: key(seed).public(),
        })
        .collect();
    let keyset = Keyset {
        root_threshold: 16,
        list_threshold: 16,
        lift_threshold: 16,
        keys,
        ..keyset(&[1], 1)
    };
    let text = keyset.text();
    let signature = |seed: u8| Signature {
        name: name(seed),
        id: key(seed).public().id(&name(seed)),
        ..key(seed).signature(&text)
    };
    let bytes = signed(&keyset, &(0..16).map(signature).collect::<Vec<_>>());
    assert!((bytes.len() as u64) < MAX_KEYSET / 2, "{}", bytes.len());
    assert_eq!(
        next(
            &Keyset {
                number: 0,
                ..keyset.clone()
            },
            &bytes
        )
        .unwrap()
        .keyset,
        keyset
    );
}
