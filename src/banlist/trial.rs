//! Bans the trial image of `embargoctl doctor --trial`, on every node and in every list.
//!
//! `doctor` asks each engine to start a container of the trial image, and expects the refusal by
//! this ban. Only that shows that the engine calls Embargo, that Embargo finds the container's
//! layers in this engine's store, and that the engine shows the refusal.
//!
//! The ban is built in, because that is the safest way to a ban that exists for a trial only. A
//! second list for one container would need a key, a place and a rule for when the gate reads it;
//! each of them could be used against the node's own list. A built-in ban can only refuse, changes
//! nothing on the node, and leaves nothing behind. It refuses one image, which has no purpose: its
//! only layer is one file of text. Otherwise the ban is one like any other: the same look-up finds
//! it, and it needs a list in force; in audit mode and under break-glass it is an event only.

use std::sync::Arc;

use super::ban::{Action, Ban, Hit, MatchKind, Severity};
use super::hits::Query;
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

/// The diff ID of the only layer of the trial image, and so its chain ID.
pub const LAYER: Digest = Digest::from_bytes([
    0x2f, 0x4d, 0x4a, 0xfd, 0x66, 0xcb, 0x41, 0xbb, 0x75, 0x2f, 0x12, 0x7d, 0xda, 0x62, 0xb0, 0x48,
    0xf1, 0xde, 0x20, 0xca, 0xe9, 0x7d, 0x0b, 0xd7, 0x4f, 0x7d, 0x53, 0x58, 0x0a, 0xbe, 0xdd, 0x41,
]);

/// The ban's ID.
pub const BAN: &str = "BAN-TRIAL";

/// The match with the built-in ban, if one of the queries is the trial image's chain ID.
#[must_use]
pub fn hit(queries: &[Query]) -> Option<Hit> {
    let is_trial = |query: &&Query| query.kind == MatchKind::Base && query.digest == LAYER;
    queries.iter().find(is_trial)?;
    Some(Hit {
        digest: LAYER,
        kind: MatchKind::Base,
        name: Some("the-trial-image-of-embargoctl-doctor".to_owned()),
        platform: None,
        ban: Arc::new(Ban {
            id: BAN.to_owned(),
            reason: "trial by embargoctl doctor".to_owned(),
            advisories: Vec::new(),
            severity: Severity::Low,
            action: Action::Refuse,
            // In effect whatever the clock says.
            effective: Timestamp::from_seconds(0),
            lapses: None,
            existing_until: None,
            successor: None,
            except: Vec::new(),
            cure: Vec::new(),
            patch: None,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_trial_images_own_layer_as_a_base_is_banned() {
        let query = |digest, kind| Query { digest, kind };
        let other = Digest::of(b"other");
        for (queries, is_banned) in [
            (vec![], false),
            (vec![query(other, MatchKind::Base)], false),
            (vec![query(LAYER, MatchKind::Layer)], false),
            (
                vec![query(other, MatchKind::Base), query(LAYER, MatchKind::Base)],
                true,
            ),
        ] {
            assert_eq!(hit(&queries).is_some(), is_banned, "{queries:?}");
        }
    }
}
