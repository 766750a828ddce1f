//! Computes the chain IDs of an image's stacks of layers.
//!
//! In: the diff IDs of an image, lowest first. Out: the chain ID of every stack that begins with
//! the lowest layer. An image is built on a base exactly if the base's top chain ID is one of these
//! chain IDs. Rule: OCI image-spec, config.md "Layer ChainID": `ChainID(L₀) = DiffID(L₀)`,
//! `ChainID(L₀|…|Lₙ) = SHA256(ChainID(L₀|…|Lₙ₋₁) + " " + DiffID(Lₙ))`, over the digests as text.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::digest::{ChainId, DiffId, Digest};

/// How many layers an image may have. Docker's overlay2 stops at 128 (moby:
/// daemon/graphdriver/overlay2, `maxDepth`), containers/storage at 500.
pub const MAX_LAYERS: usize = 1_024;

/// The layers of an image, and the chain IDs of its stacks. Both lists are in order, lowest first,
/// and have the same length. If only the chain IDs are known, the list of diff IDs is empty. The
/// list of chain IDs is never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    diff_ids: Vec<DiffId>,
    chain_ids: Vec<ChainId>,
}

impl Chain {
    /// The chain of these diff IDs, lowest first. `None` when there are no diff IDs, or more than
    /// [`MAX_LAYERS`].
    #[must_use]
    pub fn from_diff_ids(diff_ids: Vec<DiffId>) -> Option<Self> {
        if diff_ids.len() > MAX_LAYERS {
            return None;
        }
        let (first, rest) = diff_ids.split_first()?;
        let mut chain_ids = Vec::with_capacity(diff_ids.len());
        let mut top = ChainId(first.0);
        chain_ids.push(top);
        for diff_id in rest {
            top = extend(top, *diff_id);
            chain_ids.push(top);
        }
        Some(Self {
            diff_ids,
            chain_ids,
        })
    }

    /// A chain of which an engine has recorded only these chain IDs, lowest first. `None` when
    /// there are no chain IDs, or more than [`MAX_LAYERS`].
    #[must_use]
    pub fn from_chain_ids(chain_ids: Vec<ChainId>) -> Option<Self> {
        if !(1..=MAX_LAYERS).contains(&chain_ids.len()) {
            return None;
        }
        Some(Self {
            diff_ids: Vec::new(),
            chain_ids,
        })
    }

    /// The diff IDs of the layers, lowest first. Empty when only the chain IDs are known, see
    /// [`Chain::from_chain_ids`].
    #[must_use]
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.diff_ids
    }

    /// The chain ID of each stack, lowest first. The last is the chain ID of the whole image.
    #[must_use]
    pub fn chain_ids(&self) -> &[ChainId] {
        &self.chain_ids
    }

    /// Each layer, lowest first: its diff ID, if known, and the chain ID of the stack that ends
    /// with this layer.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = (Option<DiffId>, ChainId)> + '_ {
        self.chain_ids
            .iter()
            .enumerate()
            .map(|(at, chain_id)| (self.diff_ids.get(at).copied(), *chain_id))
    }

    /// The lower part of the chain, up to the stack with the chain ID `top`. `None` when there is
    /// no such stack, or the diff IDs are not known.
    #[must_use]
    pub fn up_to(&self, top: ChainId) -> Option<Self> {
        let layers = self
            .chain_ids
            .iter()
            .position(|chain_id| *chain_id == top)?
            + 1;
        Some(Self {
            diff_ids: self.diff_ids.get(..layers)?.to_vec(),
            chain_ids: self.chain_ids.get(..layers)?.to_vec(),
        })
    }

    /// The chain ID of the whole image.
    #[must_use]
    #[expect(clippy::expect_used, reason = "nothing makes an empty chain")]
    pub fn top(&self) -> ChainId {
        *self.chain_ids.last().expect("a chain has a layer")
    }
}

/// The chain ID of this stack with one more layer on top.
#[must_use]
pub fn extend(below: ChainId, diff_id: DiffId) -> ChainId {
    let mut hasher = Sha256::new();
    for part in ["sha256:", &below.0.hex(), " sha256:", &diff_id.0.hex()] {
        hasher.update(part.as_bytes());
    }
    ChainId(Digest::from_bytes(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chain_id_hashes_the_text_of_the_one_below_and_of_the_diff_id() {
        let diff_ids = vec![
            DiffId(Digest::of(b"a")),
            DiffId(Digest::of(b"b")),
            DiffId(Digest::of(b"c")),
        ];
        let chain = Chain::from_diff_ids(diff_ids.clone()).unwrap();
        let second = Digest::of(format!("{} {}", diff_ids[0], diff_ids[1]).as_bytes());
        let third = Digest::of(format!("{second} {}", diff_ids[2]).as_bytes());
        assert_eq!(
            chain.chain_ids(),
            [ChainId(diff_ids[0].0), ChainId(second), ChainId(third)]
        );
        assert_eq!(chain.top(), ChainId(third));
    }

    #[test]
    fn a_chain_of_names_alone_has_its_layers_all_the_same() {
        let (one, two) = (ChainId(Digest::of(b"a")), ChainId(Digest::of(b"b")));
        let chain = Chain::from_chain_ids(vec![one, two]).unwrap();
        assert_eq!(
            chain.layers().collect::<Vec<_>>(),
            [(None, one), (None, two)]
        );
        let whole = Chain::from_diff_ids(vec![DiffId(Digest::of(b"a"))]).unwrap();
        assert_eq!(
            whole.layers().collect::<Vec<_>>(),
            [(Some(DiffId(Digest::of(b"a"))), one)]
        );
    }

    #[test]
    fn the_lower_part_of_a_chain_is_the_chain_of_fewer_layers() {
        let diff_ids = [b"a", b"b", b"c"].map(|layer| DiffId(Digest::of(layer)));
        let of = |layers: usize| Chain::from_diff_ids(diff_ids[..layers].to_vec()).unwrap();
        for layers in 1..=3 {
            assert_eq!(of(3).up_to(of(layers).top()), Some(of(layers)));
        }
        assert_eq!(of(2).up_to(of(3).top()), None);
        let named = Chain::from_chain_ids(of(3).chain_ids().to_vec()).unwrap();
        assert_eq!(named.up_to(of(2).top()), None);
    }

    #[test]
    fn there_is_no_chain_of_no_layers_nor_of_too_many() {
        assert_eq!(Chain::from_diff_ids(Vec::new()), None);
        assert_eq!(
            Chain::from_diff_ids(vec![DiffId(Digest::of(b"a")); MAX_LAYERS + 1]),
            None
        );
    }
}
