//! Compares the answers of containerd's services with what containerd's database says.

use super::*;
use crate::lineage::containerd::grpc::parse_answer;
use crate::sys::file::{self, Guard};

fn answer(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/tests/fixtures/containerd-1.6/answers/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    parse_answer(
        1,
        &file::read(Path::new(&path), 1 << 20, Guard::Any).unwrap(),
    )
    .unwrap()
}

#[test]
fn containerd_answers_what_its_database_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-1.6");
    let metadata = crate::lineage::containerd::records::MetadataDb::open(&root).unwrap();
    let ask = |namespace: &str, id: &str| {
        let soon = std::time::Duration::from_secs(9).into();
        metadata
            .facts(namespace, FactsQuery::Container(id), &soon)
            .unwrap()
            .unwrap()
    };
    let id = "e2f189562725b56855fd01777c35e68abbd4b78b79b9b642a2d80615f18e851f";
    assert_eq!(
        container(id, &answer("container")),
        Some(ask("k8s.io", id).container)
    );
    let recorded = ask("default", "c1");
    assert_eq!(
        snapshot("c1", &answer("snapshot")),
        Some(Snapshot {
            name: String::new(),
            ..recorded.snapshots[0].clone()
        })
    );
    assert_eq!(target(&answer("image")), recorded.target);
}

#[test]
fn a_mount_is_what_the_snapshotter_wants() {
    let directory = |rest: &str| PathBuf::from("/var/lib/containerd").join(rest);
    let layer = |number: u8| {
        directory(&format!(
            "io.containerd.snapshotter.v1.overlayfs/snapshots/{number}/fs"
        ))
    };
    assert_eq!(
        mount(&answer("mounts")),
        Expected::Overlay {
            lower: [3, 2, 1].map(layer).to_vec(),
            upper: Some(layer(17))
        }
    );
    assert_eq!(
        mount(&answer("mounts-native")),
        Expected::Bind(directory("io.containerd.snapshotter.v1.native/snapshots/4"))
    );
}

#[test]
fn a_mount_that_is_not_understood_is_opaque() {
    let one = |kind: &str| {
        let mount = message(&[(1, kind), (2, "/dev/x"), (4, "ro")]);
        [&[0x0a, mount.len() as u8][..], &mount].concat()
    };
    for bytes in [
        vec![],
        one("erofs"),
        one("format/mkdir/overlay"),
        [one("bind"), one("bind")].concat(),
        b"\x0a\x7f".to_vec(),
    ] {
        assert_eq!(mount(&bytes), Expected::Opaque, "{bytes:?}");
    }
}

#[test]
fn a_snapshot_that_is_labelled_as_remote_is_known_as_such() {
    let label = message(&[(1, "containerd.io/snapshot/remote"), (2, "remote")]);
    let info = [
        message(&[(1, "k"), (2, "sha256:x")]),
        [&[0x32, label.len() as u8][..], &label].concat(),
    ]
    .concat();
    let found = snapshot("k", &[&[0x0a, info.len() as u8][..], &info].concat()).unwrap();
    assert_eq!((found.parent.as_str(), found.is_remote), ("sha256:x", true));
}

#[test]
fn an_answer_about_something_else_says_nothing() {
    let about = |name: &str| {
        let record = message(&[(1, name)]);
        [&[0x0a, record.len() as u8][..], &record].concat()
    };
    assert_eq!(
        container("c1", &about("c1")).unwrap().snapshot_key,
        "",
        "made without a snapshot"
    );
    assert_eq!(
        snapshot("c1", &about("c1")).unwrap().parent,
        "",
        "the lowest one"
    );
    for answer in [
        vec![],
        vec![0x0a, 0],
        about(""),
        about("c2"),
        answer("container"),
    ] {
        assert_eq!(container("c1", &answer), None, "{answer:?}");
        assert_eq!(snapshot("c1", &answer), None, "{answer:?}");
    }
}
