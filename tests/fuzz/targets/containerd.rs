//! Fuzzes the readers of containerd's databases: none panics or loops forever.
#![no_main]

use std::time::{Duration, Instant};

use embargo::lineage::bolt::Database;
use embargo::lineage::containerd::records::{self, FactsQuery};
use embargo::lineage::containerd::{layout, protobuf};
use libfuzzer_sys::fuzz_target;

const PAGE: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    _ = protobuf::bytes_field(bytes, 2);
    _ = records::cri_image_id(bytes);
    look(bytes);
    look(&with_meta(bytes));
});

/// Makes the gate's queries to a database.
fn look(file: &[u8]) {
    let database = Database::new(file);
    let begun = Instant::now();
    let deadline = &(begun + Duration::from_millis(100)).into();
    _ = database.view(deadline, |view| {
        records::facts(view, "moby", FactsQuery::Container("c1"))
    });
    _ = database.view(deadline, |view| {
        records::facts(view, "moby", FactsQuery::Snapshot("overlayfs", "c1"))
    });
    _ = database.view(deadline, |view| layout::layout(view, "moby/1/c1"));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "the deadline is kept"
    );
}

/// A database file: a meta page with a correct checksum, then the bytes as pages. Without the
/// checksum, nothing after the meta page would be read.
fn with_meta(bytes: &[u8]) -> Vec<u8> {
    let mut meta = vec![0; PAGE];
    meta[8] = 4; // meta page
    meta[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
    meta[20..24].copy_from_slice(&2_u32.to_le_bytes());
    meta[24..28].copy_from_slice(&4096_u32.to_le_bytes());
    meta[32] = 2; // the root bucket's page
    meta[56..64].copy_from_slice(&(2 + bytes.len().div_ceil(PAGE) as u64).to_le_bytes());
    meta[64] = 1; // transaction
    let sum = meta[16..72]
        .iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });
    meta[72..80].copy_from_slice(&sum.to_le_bytes());
    let mut file = meta.repeat(2);
    file.extend_from_slice(bytes);
    file.resize(file.len().next_multiple_of(PAGE), 0);
    file
}
