//! Fuzzes the readers of containers/storage: none panics or finds a record with a wrong ID.
#![no_main]

use std::path::Path;

use embargo::lineage::storage::records::{
    self, ContainerRecord, ImageRecord, LayerRecord, StoreRecord,
};
use embargo::lineage::storage::{big_data, conf, layer_id::LayerId, lower, reference, stores};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (id, list) = bytes.split_at(bytes.len().min(4));
    if let Ok(id) = std::str::from_utf8(id) {
        seek::<ContainerRecord>(list, id);
        seek::<ImageRecord>(list, id);
    }
    if let Ok(containers) = records::all::<ContainerRecord>(bytes) {
        containers
            .iter()
            .for_each(|container| drop(container.image_name()));
    }
    _ = records::all::<LayerRecord>(bytes);
    if let Ok(images) = records::all::<ImageRecord>(bytes) {
        _ = reference::find("docker.io/library/debian:12", &images);
    }
    drop(stores::image_stores_in(bytes));
    embargo::container::mount::points_in(bytes)
        .into_iter()
        .for_each(drop);
    if let Ok(text) = std::str::from_utf8(bytes) {
        conf::StorageSettings::default().add(text);
        _ = lower::parse(Path::new(text));
        _ = stores::shown_in(Path::new(text), "overlay");
        _ = LayerId::parse(text);
        _ = big_data::manifest(text);
        if let Some(key) = big_data::key(text) {
            _ = big_data::file_name(&key);
        }
    }
});

fn seek<R: StoreRecord>(list: &[u8], id: &str) {
    if let Ok(Some(record)) = records::seek::<R>(list, id) {
        assert_eq!(record.id(), id);
    }
}
