//! Fuzzes the readers of Docker's layer store: no file makes them panic or leave the store.
#![no_main]

use embargo::lineage::docker::{self, DockerRecord};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    _ = docker::parse_digest(bytes);
    if let Ok(name) = docker::parse_directory_name(bytes) {
        assert!(!name.is_empty() && !name.contains('/') && name != "." && name != "..");
    }
    _ = DockerRecord::parse(bytes);
    if let Ok(names) = docker::parse_names(bytes) {
        for name in &names {
            _ = name.digest();
        }
    }
});
