//! Tests what a real database says about containers, snapshots and images.

use std::time::Duration;

use super::*;
use crate::lineage::bolt::{BoltError, Database};
use crate::sys::file::{self, Guard};

const APP: &str = "sha256:23e88a2896dce629bbdeaf825f62baa3701b14bf88ccc46c71ad302f84c73132";
const CRI_CONTAINER_ID: &str = "e2f189562725b56855fd01777c35e68abbd4b78b79b9b642a2d80615f18e851f";
const PAUSE_ID: &str = "b5c39cab991a05e4c0d5204cc17d6e1fa5bc43240dce9b28346b72521372dd5b";

fn soon() -> &'static Deadline {
    Box::leak(Box::new(Duration::from_secs(20).into()))
}

fn metadata() -> MetadataDb {
    MetadataDb::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-1.6"))
        .unwrap()
}

fn found(namespace: &str, id: &str) -> Facts {
    metadata()
        .facts(namespace, FactsQuery::Container(id), soon())
        .unwrap()
        .unwrap()
}

#[test]
fn a_container_leads_to_the_chain_id_below_its_snapshot() {
    let remapped = format!("{APP}-100000-100000");
    for (namespace, id, image, snapshotter, keys) in [
        (
            "default",
            "c1",
            "localhost/app:1",
            "overlayfs",
            vec!["c1", APP],
        ),
        (
            "default",
            "n1",
            "localhost/app:1",
            "native",
            vec!["n1", APP],
        ),
        (
            "default",
            "u1",
            "localhost/app:1",
            "overlayfs",
            vec!["u1", &remapped, APP],
        ),
        (
            "default",
            "t1",
            "localhost/retagged:1",
            "overlayfs",
            vec!["t1", APP],
        ),
        (
            "default",
            "e1",
            "localhost/empty:1",
            "overlayfs",
            vec!["e1"],
        ),
        ("default", "r1", "", "", vec![]),
        (
            "k8s.io",
            CRI_CONTAINER_ID,
            "localhost/app:1",
            "overlayfs",
            vec![CRI_CONTAINER_ID, APP],
        ),
    ] {
        let facts = found(namespace, id);
        assert_eq!(
            (
                facts.container.image.as_str(),
                facts.container.snapshotter.as_str()
            ),
            (image, snapshotter),
            "{id}"
        );
        assert_eq!(
            facts
                .snapshots
                .iter()
                .map(|snapshot| snapshot.key.as_str())
                .collect::<Vec<_>>(),
            keys,
            "{id}"
        );
        assert_eq!(
            facts.top().map(|top| top.to_string()).as_deref(),
            keys.last().copied().filter(|key| *key == APP),
            "{id}"
        );
        assert!(!facts.has_remote());
    }
}

#[test]
fn the_cri_plugin_records_the_image_id_of_a_container_and_not_of_a_pause_container() {
    let image_id = "sha256:a4d0b405a4ad61e3e319e7e1132e04ed68695034af56fd193148b724345e32d0";
    assert_eq!(
        found("k8s.io", CRI_CONTAINER_ID).container.image_id,
        ImageId::parse(image_id).ok()
    );
    assert_eq!(found("k8s.io", PAUSE_ID).container.image_id, None);
    assert_eq!(
        found("k8s.io", PAUSE_ID).container.image,
        "localhost/other:1"
    );
    for json in [
        "",
        "[]",
        "{}",
        r#"{"MetadataDb":{}}"#,
        r#"{"MetadataDb":{"ImageRef":"busybox"}}"#,
        r#"{"MetadataDb":null}"#,
    ] {
        assert_eq!(cri_image_id(json.as_bytes()), None, "{json}");
    }
}

#[test]
fn a_name_leads_to_what_it_was_moved_to() {
    let base = "sha256:a1ddc14215ca549a7aefcbc36ec0489885e3aedec8a761c125af623685cad029";
    assert_eq!(
        found("default", "t1")
            .target
            .map(|digest| digest.to_string())
            .as_deref(),
        Some(base)
    );
    assert_eq!(found("default", "x1").target, None, "its image was removed");
    assert_eq!(
        metadata()
            .target("default", "localhost/base:1", soon())
            .unwrap(),
        Digest::parse(base).ok()
    );
}

#[test]
fn a_container_has_the_time_at_which_containerd_made_its_record() {
    let metadata = metadata();
    for id in ["c1", "n1", "u1"] {
        let created = metadata.created("default", id, soon()).unwrap().unwrap();
        assert!(
            created.to_string().starts_with("2026-11-20T16:36:2"),
            "{id} {created}"
        );
    }
    assert_eq!(metadata.created("default", "c2", soon()).unwrap(), None);
    assert_eq!(metadata.created("k8s.io", "c1", soon()).unwrap(), None);
}

#[test]
fn what_is_not_recorded_is_not_there() {
    let metadata = metadata();
    for (namespace, query) in [
        ("default", FactsQuery::Container("c2")),
        ("default", FactsQuery::Container("")),
        ("", FactsQuery::Container("c1")),
        ("k8s.io", FactsQuery::Container("c1")),
        ("default", FactsQuery::Snapshot("overlayfs", "c2")),
        ("default", FactsQuery::Snapshot("native", "c1")),
        ("default", FactsQuery::Snapshot("none", "c1")),
    ] {
        assert_eq!(
            metadata.facts(namespace, query, soon()).unwrap(),
            None,
            "{namespace} {query:?}"
        );
    }
    assert!(
        metadata
            .facts("default", FactsQuery::Snapshot("overlayfs", "c1"), soon())
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_chain_id_leads_to_the_configs_that_were_unpacked_and_to_the_names_below() {
    let (metadata, top) = (metadata(), ChainId::parse(APP).unwrap());
    let configs = metadata
        .configs_of("default", "overlayfs", top, soon())
        .unwrap();
    assert_eq!(
        configs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["sha256:a4d0b405a4ad61e3e319e7e1132e04ed68695034af56fd193148b724345e32d0"]
    );
    let names = chain_names(
        &metadata
            .below("default", "overlayfs", top, soon())
            .unwrap()
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "sha256:49fa5f4a230d072340aea36a0c5d250ba1bf07a620683971a7450e3cb1ad1a44",
            "sha256:f640d538da43927deb6e46f920d051482874eb78731fe15d4b79f5055f36a1b4",
            APP
        ]
    );
    let none = ChainId(Digest::of(b"none"));
    assert_eq!(
        metadata
            .configs_of("default", "overlayfs", none, soon())
            .unwrap(),
        []
    );
    assert_eq!(
        metadata
            .below("default", "overlayfs", none, soon())
            .unwrap(),
        None
    );
    assert_eq!(
        metadata.keys(&[b"v1"], soon()).unwrap(),
        ["default", "k8s.io"]
    );
}

#[test]
fn what_is_no_database_is_named_with_its_fault() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("meta.db");
    let ask = |path: &Path| {
        MetadataDb::open_file(path.to_owned())
            .and_then(|metadata| metadata.facts("default", FactsQuery::Container("c1"), soon()))
            .unwrap_err()
    };
    assert!(matches!(ask(&path), LineageError::Unknown(Unknown::File(error)) if error.is_absent()));
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        ask(&path).to_string(),
        format!("cannot read {path:?}: not a regular file")
    );
    std::fs::remove_file(&path).unwrap();
    let real = directory.path().join("real");
    for (bytes, fault) in [
        (Vec::new(), "it is not a bbolt database of version 2"),
        (
            b"{\"v1\":{}}".repeat(2000),
            "it is not a bbolt database of version 2",
        ),
        (
            file::read(metadata().path(), 1 << 20, Guard::Any).unwrap()[..3 * 4096].to_vec(),
            "is past the end of the file",
        ),
    ] {
        std::io::Write::write_all(
            &mut std::fs::OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .open(&real)
                .unwrap(),
            &bytes,
        )
        .unwrap();
        let error = ask(&real);
        assert!(
            matches!(error, LineageError::Corrupt(_)) && error.to_string().ends_with(fault),
            "{error}"
        );
    }
    std::os::unix::fs::symlink(&real, &path).unwrap();
    assert_eq!(ask(&path).to_string(), format!("cannot read {path:?}"));
}

#[test]
fn a_snapshot_that_docker_puts_below_a_container_is_no_layer() {
    let [low, high] = [Digest::of(b"low"), Digest::of(b"high")].map(ChainId);
    let init = format!("{}-init", Digest::of(b"c").hex());
    let names = |keys: &[&str]| {
        let snapshot = |key: &&str| Snapshot {
            key: (*key).to_owned(),
            ..Snapshot::default()
        };
        chain_names(&keys.iter().map(snapshot).collect::<Vec<_>>())
    };
    let [below, above] = [low.to_string(), high.to_string()];
    assert_eq!(names(&[&above, &init, &below]), Some(vec![low, high]));
    assert_eq!(
        names(&[&above, &below, &init]),
        Some(vec![low, high]),
        "committed from a container without a layer"
    );
    for other in [
        "c1-init",
        "x",
        "",
        &init[1..],
        &init.to_uppercase(),
        &format!("{init}-init"),
        &init[..64],
    ] {
        assert_eq!(names(&[&above, other, &below]), None, "{other}");
    }
}

#[test]
fn a_container_without_a_snapshot_key_is_a_fault_and_with_an_empty_one_has_no_snapshot() {
    let mut bytes = file::read(metadata().path(), 1 << 20, Guard::Any).unwrap();
    assert_eq!(found("default", "r1").container.snapshot_key, "");
    while let Some(at) = bytes.windows(11).position(|bytes| bytes == b"snapshotKey") {
        bytes[at + 10] = b'x';
    }
    for id in ["c1", "r1"] {
        let answer = Database::new(bytes.as_slice()).view(soon(), |view| {
            facts(view, "default", FactsQuery::Container(id))
        });
        assert!(
            matches!(
                answer,
                Err(BoltError::Damaged(
                    _,
                    "holds a container without a snapshot key"
                ))
            ),
            "{id}: {answer:?}"
        );
    }
}

#[test]
fn a_container_is_alone_when_nothing_but_its_own_snapshots_is_below_it() {
    for (snapshots, alone) in [
        (vec![("c1", "")], true),
        (vec![("c1", "c1-init"), ("c1-init", "")], true),
        (vec![("c1", "x")], false),
        (vec![("c1", "x"), ("x", "")], false),
        (vec![("c1", "c2-init"), ("c2-init", "")], false),
        (vec![], false),
    ] {
        let snapshot = |(key, parent): &(&str, &str)| Snapshot {
            key: (*key).into(),
            parent: (*parent).into(),
            ..Snapshot::default()
        };
        let container = ContainerdRecord {
            snapshot_key: "c1".into(),
            ..ContainerdRecord::default()
        };
        let facts = Facts {
            container,
            snapshots: snapshots.iter().map(snapshot).collect(),
            target: None,
        };
        assert_eq!(facts.is_alone(), alone, "{snapshots:?}");
    }
}
