//! Merges the signatures of the list in force with those of the same list, staged again.
//!
//! In: the heads of both files, which have the same signed text. The key names and the signatures
//! of unknown keys in the heads may be forged. Out: a head block with the signatures of both files,
//! those of the file in force first. So nobody can remove a signature by staging the same list with
//! fewer signatures: the node may need the removed signature under its next keyset. A signature of
//! a key that is not in this keyset may be of a key in the next keyset. Such signatures are kept
//! while there is room, new ones first, so that forged signatures cannot take the room of a real
//! signature. Nothing is checked here: the list is authentic whichever of these signatures it has.

use super::super::keyset::signer;
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::keyset::{Keyset, Role};
use crate::banlist::note::Enough;

/// The head block of `old`, the list in force, with the signatures of `new` added.
pub(super) fn united(old: &Claim, new: &Claim, keyset: &Keyset) -> Option<[u8; HEAD_SIZE]> {
    let (mut keys, mut signatures) = (Vec::new(), Vec::new());
    for signature in old.signatures.iter().chain(&new.signatures) {
        if let Some(key) = signer(keyset, Role::List, &old.text, signature)
            && !keys.contains(&key)
        {
            keys.push(key);
            signatures.push(signature.clone());
        }
    }
    for signature in new.signatures.iter().chain(&old.signatures) {
        let tally = keyset.tally(&old.text, std::slice::from_ref(signature), 1, Enough::All);
        if tally.unknown == 1 && !signatures.contains(signature) {
            signatures.push(signature.clone());
        }
    }
    let mut claim = Claim {
        signatures,
        ..old.clone()
    };
    loop {
        match claim.block() {
            Some(block) => return Some(block),
            None => claim.signatures.pop()?,
        };
    }
}
