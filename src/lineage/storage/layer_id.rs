//! Computes the IDs that containers/storage gives to the layers of an image.
//!
//! In: diff IDs, lowest first, or the text of an ID (from the store, where a power cut may have
//! damaged it). Out: the IDs that the layers of such an image have in the store. The IDs are hashes
//! of the diff IDs. So the directories of a mount can be compared with an image config without
//! reading the store's list of layers. Rule: containers/image, storage/storage_dest.go, `layerID`:
//! the ID of the lowest layer is the hex of its diff ID; the ID of every other layer is
//! `SHA256(hex of the ID below + "+" + hex of the diff ID)`. Seen with Podman 4.3 and 5.8, Buildah
//! 1.28 and CRI-O 1.37. Two kinds of layers have other IDs, which nothing here matches: layers that
//! are known only by their table of contents, and copies made for another user namespace.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::lineage::digest::{DiffId, Digest};

/// The ID of a layer in a containers/storage store. The ID has 64 hexadecimal digits, and is the
/// name of the layer's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerId(Digest);

impl LayerId {
    /// Reads 64 lower-case hexadecimal digits; `None` for any other text. So an ID is always safe
    /// as a part of a path.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        Digest::from_hex(hex).map(Self)
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

/// The IDs of the layers with these diff IDs. The diff IDs and the result are in order, lowest
/// first.
#[must_use]
pub fn of_diff_ids(diff_ids: &[DiffId]) -> Vec<LayerId> {
    let mut ids = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        ids.push(above(ids.last().copied(), *diff_id));
    }
    ids
}

/// The ID of the layer with this diff ID. The layer lies on the layer `below`, or is the lowest
/// layer.
#[must_use]
pub fn above(below: Option<LayerId>, diff_id: DiffId) -> LayerId {
    let Some(below) = below else {
        return LayerId(diff_id.0);
    };
    let mut hasher = Sha256::new();
    for part in [&*below.0.hex(), "+", &diff_id.0.hex()] {
        hasher.update(part.as_bytes());
    }
    LayerId(Digest::from_bytes(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layers of an image that Podman 4.3.1 built in three steps, as they are in its
    /// layers.json: ID, diff ID.
    const SEEN: [(&str, &str); 3] = [
        (
            "0ea6416463a9d3f742e186522357c1f497d0d6bdf1c1d85b890f810fe5b2f0e5",
            "0ea6416463a9d3f742e186522357c1f497d0d6bdf1c1d85b890f810fe5b2f0e5",
        ),
        (
            "66cd4ccd0b3fd468383818544c243cf2a21c5bfb73f052600cef14690bca39b8",
            "db124198379e483740b52f443f6281b25b50be1d1722d70abe404efb095b5c1d",
        ),
        (
            "322916b5d93ee432fd473e0aabea9f90c4fdc8942bb18373dff0eb8a7de294bb",
            "20b98135163e00bda7d8456c211d8351abd28d0d6b29a9b9b177227568e42c1a",
        ),
    ];

    #[test]
    fn layer_ids_are_those_that_podman_gave() {
        let diff_ids: Vec<_> = SEEN
            .iter()
            .map(|(_, diff_id)| DiffId(Digest::from_hex(diff_id).unwrap()))
            .collect();
        let expected: Vec<_> = SEEN
            .iter()
            .map(|(id, _)| LayerId::parse(id).unwrap())
            .collect();
        assert_eq!(of_diff_ids(&diff_ids), expected);
        assert_eq!(of_diff_ids(&[]), []);
    }

    #[test]
    fn what_is_not_64_hexadecimal_digits_is_no_layer_id() {
        let hex = SEEN[0].0;
        for text in [
            "",
            "..",
            "l",
            &hex[1..],
            &format!("{hex}0"),
            &hex.to_uppercase(),
            &format!("sha256:{hex}"),
        ] {
            assert_eq!(LayerId::parse(text), None, "{text}");
        }
        assert_eq!(LayerId::parse(hex).unwrap().to_string(), hex);
    }
}
