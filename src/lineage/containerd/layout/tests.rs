//! Tests which directories a snapshot in a real store is mounted from.

use std::time::Duration;

use super::*;

fn soon() -> &'static Deadline {
    Box::leak(Box::new(Duration::from_secs(20).into()))
}

fn snapshotter(name: &str) -> Snapshotter {
    let root = format!(
        "{}/tests/fixtures/containerd-1.6/io.containerd.snapshotter.v1.{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    Snapshotter::open(Path::new(&root)).unwrap()
}

fn numbers(layout: &Layout) -> (u64, Vec<u64>) {
    (
        layout.own.number,
        layout
            .parents
            .iter()
            .map(|directory| directory.number)
            .collect(),
    )
}

/// The full name of a container's snapshot, as it is in containerd's own database.
fn name_of(id: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-1.6");
    let metadata = crate::lineage::containerd::records::MetadataDb::open(&root).unwrap();
    let query = crate::lineage::containerd::records::FactsQuery::Container(id);
    metadata
        .facts("default", query, soon())
        .unwrap()
        .unwrap()
        .snapshots[0]
        .name
        .clone()
}

#[test]
fn a_snapshot_has_just_the_directories_that_the_engine_mounted() {
    // The numbers come from the table of mounts while these containers ran.
    for (snapshotter_name, id, own, parents) in [
        ("overlayfs", "c1", 17, vec![3, 2, 1]),
        ("overlayfs", "d1", 18, vec![7, 6, 5, 4, 1]),
        ("overlayfs", "u1", 21, vec![20, 3, 2, 1]),
        ("native", "n1", 4, vec![3, 2, 1]),
    ] {
        let layout = snapshotter(snapshotter_name)
            .layout(&name_of(id), soon())
            .unwrap()
            .unwrap();
        assert_eq!(
            (numbers(&layout), layout.kind),
            ((own, parents.clone()), SnapshotKind::Active),
            "{id}"
        );
        assert_eq!(
            (layout.own.key.as_str(), layout.own.namespace.as_str()),
            (id, "default")
        );
        let lowest = layout.parents.last().unwrap();
        assert_eq!(
            lowest.key,
            "sha256:49fa5f4a230d072340aea36a0c5d250ba1bf07a620683971a7450e3cb1ad1a44"
        );
        let by_link = snapshotter(snapshotter_name)
            .layout_of(own, parents[0], soon())
            .unwrap();
        let by_number = snapshotter(snapshotter_name)
            .layout_numbered(own, soon())
            .unwrap();
        assert_eq!(
            (by_link.as_ref(), by_number.as_ref()),
            (Some(&layout), Some(&layout)),
            "{id}"
        );
    }
}

#[test]
fn a_committed_snapshot_is_a_layer_itself() {
    let layout = snapshotter("overlayfs")
        .layout_numbered(3, soon())
        .unwrap()
        .unwrap();
    assert_eq!(
        (numbers(&layout), layout.kind),
        ((3, vec![2, 1]), SnapshotKind::Committed)
    );
    assert_eq!(
        layout.own.key,
        "sha256:23e88a2896dce629bbdeaf825f62baa3701b14bf88ccc46c71ad302f84c73132"
    );
}

#[test]
fn what_is_not_recorded_is_not_there() {
    let snapshotter = snapshotter("overlayfs");
    assert_eq!(snapshotter.layout("default/1/none", soon()).unwrap(), None);
    assert_eq!(snapshotter.layout("", soon()).unwrap(), None);
    assert_eq!(snapshotter.layout_of(17, 2, soon()).unwrap(), None);
    assert_eq!(snapshotter.layout_of(3, 17, soon()).unwrap(), None);
    assert_eq!(
        snapshotter.layout_numbered(1_000_000, soon()).unwrap(),
        None
    );
}

#[test]
fn numbers_are_written_as_the_snapshotter_writes_them() {
    assert_eq!(link(1, 2), [1, 0, 2]);
    assert_eq!(link(300, 127), [0xac, 0x02, 0, 0x7f]);
    for (bytes, number) in [
        (&[5][..], Some(5)),
        (&[0xac, 0x02], Some(300)),
        (&[], None),
        (&[0x80], None),
        (&[1, 1], None),
        (
            &[
                0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01,
            ],
            None,
        ),
    ] {
        assert_eq!(varint(bytes), number, "{bytes:?}");
    }
}

#[test]
fn the_key_of_a_name_may_have_slashes() {
    for (name, parts) in [
        ("k8s.io/12/sha256:ab", ("k8s.io", "sha256:ab")),
        ("a/1/b/c", ("a", "b/c")),
        ("plain", ("", "plain")),
        ("a/1", ("", "a/1")),
    ] {
        assert_eq!(split_name(name), parts);
    }
}

#[test]
fn one_directory_that_was_never_unpacked_is_enough() {
    let mut layout = snapshotter("overlayfs")
        .layout(&name_of("c1"), soon())
        .unwrap()
        .unwrap();
    assert!(!layout.has_remote());
    layout.parents.last_mut().unwrap().is_remote = true;
    assert!(layout.has_remote());
}
