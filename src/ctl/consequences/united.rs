//! Merges the signatures of a list in force with those of the same list staged again.
//!
//! In: the heads of both files, with one text; anybody may have written the names and unknown
//! signatures in them. Out: the head block with every key's signature, those of the file in force
//! first. So nobody takes a signature away by staging the same list with fewer: the node may need
//! it under its next keyset. Signatures by keys that are not in this keyset may belong to the next
//! one. They are kept as far as there is room, the new ones before the old ones, so that no number
//! of made-up ones keeps a real one out. Nothing is judged here: the list is authentic either way.

use super::super::keyset::signer;
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::keyset::{Keyset, Role};
use crate::banlist::note::{Enough, Signature};

/// The head block of `old`, which is in force, with the signatures of `new` as well.
pub(super) fn united(old: &Claim, new: &Claim, keyset: &Keyset) -> Option<[u8; HEAD_SIZE]> {
    let (mut keys, mut signatures) = (Vec::new(), Vec::new());
    for signature in old.signatures.iter().chain(&new.signatures) {
        if let Some(key) =
            signer(keyset, Role::List, &old.text, signature).filter(|key| !keys.contains(key))
        {
            keys.push(key);
            signatures.push(signature.clone());
        }
    }
    let is_unknown = |signature: &&Signature| {
        keyset
            .tally(&old.text, std::slice::from_ref(*signature), 1, Enough::All)
            .unknown
            == 1
    };
    for signature in new
        .signatures
        .iter()
        .chain(&old.signatures)
        .filter(is_unknown)
    {
        if !signatures.contains(signature) {
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
