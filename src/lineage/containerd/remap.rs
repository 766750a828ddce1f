//! Recognises a snapshot that is not a layer, but a copy of all layers for a user namespace.
//!
//! If a snapshotter cannot map owners, containerd copies the top snapshot of the image, changes the
//! owners in the copy, and puts the copy below the container's own snapshot. Before 2.1, the name
//! of the copy is the chain ID followed by the owners, which does not look like a chain ID. Since
//! 2.1, the name is the SHA-256 of a few words of JSON and looks like a chain ID
//! (client/snapshotter_opts_unix.go, `remappedSnapshot.ID`; seen with 2.1.9). In: the container's
//! runtime spec, from containerd's own record; users write parts of the spec, but the engine writes
//! the maps. Out: the snapshot below, if the name is exactly the hash of that snapshot's name and
//! of the container's maps. A layer is never mistaken for a copy, because its chain ID is the hash
//! of something else.

use serde::Deserialize;

use super::protobuf;
use super::records::{MetadataDb, Snapshot};
use crate::lineage::digest::Digest;
use crate::lineage::error::LineageError;
use crate::sys::deadline::Deadline;

#[derive(Deserialize)]
struct SpecText {
    linux: Option<LinuxText>,
}

#[derive(Deserialize)]
struct LinuxText {
    #[serde(default, rename = "uidMappings")]
    uids: Vec<Map>,
    #[serde(default, rename = "gidMappings")]
    gids: Vec<Map>,
}

/// One range of owners (runtime-spec, config-linux.md "User namespace mappings").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Map {
    #[serde(rename = "containerID")]
    container: u32,
    #[serde(rename = "hostID")]
    host: u32,
    size: u32,
}

/// The snapshot below `snapshot`, if `snapshot` is a copy for the user namespace of the container
/// `id`.
///
/// # Errors
/// The errors of [`DatabaseFile::view`](crate::lineage::bolt::DatabaseFile::view).
pub fn original(
    metadata: &MetadataDb,
    namespace: &str,
    id: &str,
    snapshotter: &str,
    snapshot: &Snapshot,
    deadline: &Deadline,
) -> Result<Option<Snapshot>, LineageError> {
    let Some(spec) = metadata.spec(namespace, id, deadline)? else {
        return Ok(None);
    };
    // The record contains the spec as a protobuf `Any`: its type, then its JSON.
    let linux = protobuf::bytes_field(&spec, 2)
        .and_then(|json| serde_json::from_slice::<SpecText>(json).ok()?.linux);
    match linux {
        Some(LinuxText { uids, gids }) if name(&snapshot.parent, &uids, &gids) == snapshot.key => {
            metadata.snapshot(namespace, snapshotter, &snapshot.parent, deadline)
        }
        Some(_) | None => Ok(None),
    }
}

/// The name that containerd gives the copy of the snapshot `parent` with these maps.
fn name(parent: &str, uids: &[Map], gids: &[Map]) -> String {
    let (uids, gids) = (list(uids), list(gids));
    Digest::of(
        format!(r#"{{"Parent":"{parent}","IDMap":{{"UidMap":[{uids}],"GidMap":[{gids}]}}}}"#)
            .as_bytes(),
    )
    .to_string()
}

/// A list of maps in containerd's order and form.
fn list(maps: &[Map]) -> String {
    let mut maps = maps.to_vec();
    maps.sort_by_key(|map| map.container);
    let mut list = Vec::with_capacity(maps.len());
    for Map {
        container,
        host,
        size,
    } in maps
    {
        list.push(format!(
            r#"{{"containerID":{container},"hostID":{host},"size":{size}}}"#
        ));
    }
    list.join(",")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::lineage::containerd::records::FactsQuery;

    const APP: &str = "sha256:23e88a2896dce629bbdeaf825f62baa3701b14bf88ccc46c71ad302f84c73132";

    #[test]
    fn a_copy_for_a_user_namespace_leads_to_what_it_is_a_copy_of() {
        let soon = &Duration::from_secs(20).into();
        let metadata = MetadataDb::open(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-2.1"),
        )
        .unwrap();
        for (id, copied) in [("u2", true), ("c1", false), ("u1", false)] {
            let facts = metadata
                .facts("default", FactsQuery::Container(id), soon)
                .unwrap()
                .unwrap();
            let last = facts.snapshots.last().unwrap();
            assert_eq!(last.key != APP, copied, "{id}");
            let below = original(&metadata, "default", id, "overlayfs", last, soon).unwrap();
            assert_eq!(
                below.map(|snapshot| snapshot.key).as_deref(),
                copied.then_some(APP),
                "{id}"
            );
            // With the maps of another container, the snapshot is not a copy.
            assert_eq!(
                original(&metadata, "default", "c1", "overlayfs", last, soon).unwrap(),
                None
            );
        }
    }

    #[test]
    fn the_order_of_the_maps_does_not_matter() {
        let map = |container| Map {
            container,
            host: 1000 + container,
            size: 5,
        };
        let sorted = name("p", &[map(0), map(7)], &[map(0)]);
        assert_eq!(name("p", &[map(7), map(0)], &[map(0)]), sorted);
        assert_ne!(name("p", &[map(0)], &[map(0)]), sorted);
        assert_ne!(name("q", &[map(0), map(7)], &[map(0)]), sorted);
    }
}
