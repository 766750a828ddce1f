//! Fuzzes the gate with a bundle's `config.json`, its path and a mount table: none makes it panic.
#![no_main]

use std::path::Path;

use embargo::container::ContainerId;
use embargo::container::bundle;
use embargo::container::engine;
use embargo::container::mount::{self, MountQuery};
use embargo::sys::statmount;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(root)) = bundle::root_path(bytes) {
        assert!(!root.as_os_str().is_empty() || bytes.len() > 2);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (path, id) = text.split_once('\n').unwrap_or((text, "c1"));
        if let Some(id) = ContainerId::parse(id) {
            assert!(
                !engine::place_of(Path::new(path), &id)
                    .family()
                    .word()
                    .is_empty()
            );
        }
    }
    let (table, point) = bytes.split_at(bytes.len() / 4 * 3);
    _ = mount::find(table, MountQuery::Id(36));
    if let Ok(point) = std::str::from_utf8(point) {
        _ = mount::find(table, MountQuery::Point(Path::new(point)));
    }
    _ = mount::overlay_directories(bytes);
    _ = statmount::parse(bytes);
});
