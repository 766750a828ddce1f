//! Fuzzes the parsers of image configs, manifests, indexes and digests.
//!
//! None may panic, or return a chain whose chain IDs are not the hashes of its layers.
#![no_main]

use embargo::lineage::chain;
use embargo::lineage::digest::{ChainId, DiffId, Digest};
use embargo::lineage::image::{ImageConfig, ImageDocument, SourceLabels};
use embargo::lineage::{archive, cache};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = ImageConfig::parse(bytes)
        && let Ok(Some(chain)) = config.chain()
    {
        let mut below: Option<ChainId> = None;
        for (layer, chain_id) in chain.diff_ids().iter().zip(chain.chain_ids()) {
            let expected = below.map_or(ChainId(layer.0), |below| chain::extend(below, *layer));
            assert_eq!(*chain_id, expected);
            below = Some(*chain_id);
        }
    }
    _ = ImageDocument::parse(bytes);
    _ = SourceLabels::parse(bytes);
    _ = archive::from_config(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(digest) = Digest::parse(text) {
            assert_eq!(Digest::parse(&digest.to_string()).ok(), Some(digest));
        }
        _ = DiffId::parse(text);
        _ = cache::parse(text);
    }
});
