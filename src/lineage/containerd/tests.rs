//! Tests a container of containerd, from its bundle to its origin: which facts are used, and which
//! are not.

use std::os::unix::fs::symlink;
use std::time::Duration;

use super::layout::SnapshotDirectory;
use super::records::Snapshot;
use super::*;
use crate::container::ContainerId;

/// A bundle of `id` in a state directory, with this `root.path`. The fixture is containerd's root
/// directory.
fn bundle(directory: &Path, id: &str, root: &Path) -> Bundle {
    let path = directory
        .join("io.containerd.runtime.v2.task/default")
        .join(id);
    std::fs::create_dir_all(path.join("rootfs")).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-1.6");
    symlink(
        fixture
            .join("io.containerd.runtime.v2.task/default")
            .join(id),
        path.join("work"),
    )
    .unwrap();
    Bundle {
        root: path.join(root),
        path,
        id: ContainerId::parse(id).unwrap(),
    }
}

fn resolved(directory: &Path, bundle: &Bundle) -> Result<Origin, LineageError> {
    resolve(
        bundle,
        directory,
        "default",
        &Paths::below(directory),
        &Duration::from_secs(20).into(),
    )
}

#[test]
fn a_container_whose_snapshot_is_not_mounted_at_its_root_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    for (id, root, fault) in [
        ("c1", "rootfs", "nothing is mounted there"),
        ("n1", "rootfs", "nothing is mounted there"),
        ("e1", "rootfs", "nothing is mounted there"),
        (
            "d1",
            "/srv",
            "the container has a snapshot, and its root is elsewhere",
        ),
    ] {
        let bundle = bundle(directory.path(), id, Path::new(root));
        let error = resolved(directory.path(), &bundle).unwrap_err();
        assert!(matches!(error, LineageError::Corrupt(_)), "{id}: {error}");
        assert_eq!(
            error.to_string(),
            format!("cannot trust the mount at {:?}: {fault}", bundle.root)
        );
    }
}

#[test]
fn a_container_that_containerd_does_not_know_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let known = bundle(directory.path(), "c1", Path::new("rootfs"));
    let unknown = bundle(directory.path(), "c2", Path::new("rootfs"));
    let error = resolved(directory.path(), &unknown).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot find the container's record in "),
        "{error}"
    );
    std::fs::remove_file(known.path.join("work")).unwrap();
    assert!(
        matches!(
            resolved(directory.path(), &known),
            Err(LineageError::Unknown(Unknown::NoRecord(..)))
        ),
        "no link, no record"
    );
}

#[test]
fn a_root_that_an_engine_keeps_is_never_taken_for_none() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("srv");
    std::fs::create_dir_all(&plain).unwrap();
    let mut bundle = bundle(directory.path(), "r1", &plain);
    assert_eq!(
        resolved(directory.path(), &bundle).unwrap(),
        Origin::NoImage
    );
    for (at, layer) in [
        "docker/overlay2/abc/merged",
        "docker/fuse-overlayfs/abc/merged",
        "docker/fuse-overlayfs/l/NLQPOFIRU6GGFWCCOJHKDGUMCJ",
        "docker/vfs/dir/abc",
        "docker/rootfs/overlayfs/abc",
        "storage/overlay/abc/diff",
        "storage/overlay/abc/diff1/etc",
        "storage/overlay/abc/empty",
        "storage/overlay/abc/mapped/0",
        "storage/overlay/abc/composefs-layers/1",
    ]
    .into_iter()
    .enumerate()
    {
        let (layer, hidden) = (
            directory.path().join(layer),
            directory.path().join(format!("link-{at}")),
        );
        std::fs::create_dir_all(&layer).unwrap();
        symlink(&layer, &hidden).unwrap();
        for root in [layer, hidden] {
            bundle.root = root;
            assert!(
                matches!(
                    resolved(directory.path(), &bundle),
                    Err(LineageError::Unknown(Unknown::Engine(_)))
                ),
                "{:?}",
                bundle.root
            );
        }
    }
}

#[test]
fn the_directories_below_a_snapshot_must_be_those_of_the_layers() {
    let chain = Chain::from_diff_ids(
        [b"a", b"b"]
            .map(|text| super::super::digest::DiffId(super::super::digest::Digest::of(text)))
            .to_vec(),
    )
    .unwrap();
    let [low, high] = [chain.chain_ids()[0].to_string(), chain.top().to_string()];
    let [own_init, committed_init] = [b"own", b"com"]
        .map(|text| format!("{}-init", super::super::digest::Digest::of(text).hex()));
    for (parents, is_tied) in [
        (vec![&high, &low], true),
        (vec![&"c1-init".to_owned(), &high, &low], true),
        // Docker's own snapshot lies below a container that was committed, or that was a step of
        // the classic builder.
        (vec![&own_init, &high, &committed_init, &low], true),
        (vec![&high, &low, &committed_init], true),
        (vec![&own_init, &low, &committed_init, &high], false),
        (vec![&high, &committed_init], false),
        (vec![&low, &high], false),
        (vec![&high], false),
        (vec![&high, &"x".to_owned(), &low], false),
        (vec![], false),
    ] {
        let directory = |key: &&String| SnapshotDirectory {
            number: 1,
            key: (*key).clone(),
            namespace: String::new(),
            is_remote: false,
        };
        let snapshots: Vec<_> = parents.iter().map(directory).collect();
        let tied = tie(&snapshots, &chain, Path::new("/db"));
        assert_eq!(tied.is_ok(), is_tied, "{parents:?}");
    }
}

#[test]
fn a_container_of_docker_is_never_one_without_an_image() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("docker/devicemapper/mnt/abc/rootfs");
    std::fs::create_dir_all(&root).unwrap();
    let bundle = bundle(directory.path(), "r1", &root);
    let ask = |namespace| {
        without_snapshot(
            &bundle,
            namespace,
            &Paths::below(directory.path()),
            &Duration::from_secs(20).into(),
        )
    };
    assert_eq!(ask("default").unwrap(), Origin::NoImage);
    for namespace in ["moby", "moby-100000.100000"] {
        assert!(
            matches!(
                ask(namespace),
                Err(LineageError::Unknown(Unknown::Engine(_)))
            ),
            "{namespace}"
        );
    }
    std::fs::create_dir_all(directory.path().join("docker/containers/r1/config.v2.json")).unwrap();
    assert!(
        matches!(
            ask("default"),
            Err(LineageError::Unknown(Unknown::Engine(_)))
        ),
        "by its record"
    );
}

#[test]
fn a_container_without_a_chain_id_below_has_no_image_only_when_none_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::below(directory.path());
    let stores = ImageSources {
        metadata: None,
        content: None,
        namespace: "default",
        snapshotter: "overlayfs",
        paths: &paths,
        deadline: &Duration::from_secs(20).into(),
    };
    let ask = |keys: &[&str], image: Option<&str>, targets: usize, evidence| {
        let parent = |at: usize| keys.get(at + 1).copied().unwrap_or_default().to_owned();
        let snapshot = |(at, key): (usize, &&str)| Snapshot {
            key: (*key).to_owned(),
            parent: parent(at),
            ..Snapshot::default()
        };
        let container = records::ContainerdRecord {
            snapshot_key: "c1".into(),
            ..Default::default()
        };
        let facts = Facts {
            container,
            snapshots: keys.iter().enumerate().map(snapshot).collect(),
            target: None,
        };
        let hints = Hints {
            image_id: None,
            targets: vec![super::super::digest::Digest::of(b"gone"); targets],
        };
        without_chain(&facts, &hints, image.map(str::to_owned), &stores, evidence)
            .map_err(|error| error.to_string())
    };
    let named = |name: Option<&str>| {
        Origin::NoLayers(ImageFacts {
            name: name.map(str::to_owned),
            ..ImageFacts::default()
        })
    };
    let missing = |what: &str| Err(format!("cannot find {what} in \"default\""));
    for (keys, image, targets, evidence, expected) in [
        (&["c1"][..], None, 0, Evidence::Mount, Ok(Origin::NoImage)),
        (
            &["c1", "c1-init"],
            None,
            0,
            Evidence::Metadata,
            Ok(Origin::NoImage),
        ),
        (
            &["c1"],
            Some("empty:1"),
            0,
            Evidence::Mount,
            Ok(named(Some("empty:1"))),
        ),
        (
            &["c1", "c1-init"],
            None,
            1,
            Evidence::Mount,
            Ok(named(None)),
        ),
        (
            &["c1"],
            Some("empty:1"),
            0,
            Evidence::Metadata,
            missing("the container's image"),
        ),
        (
            &["c1"],
            None,
            1,
            Evidence::Claimed,
            missing("the container's image"),
        ),
        (
            &["c1", "other"],
            None,
            0,
            Evidence::Mount,
            missing("the chain ID of the container's snapshot"),
        ),
        (
            &["c1", "other"],
            Some("empty:1"),
            1,
            Evidence::Mount,
            missing("the chain ID of the container's snapshot"),
        ),
    ] {
        assert_eq!(
            ask(keys, image, targets, evidence),
            expected,
            "{keys:?} {image:?} {targets} {evidence:?}"
        );
    }
}

#[test]
fn the_root_is_where_the_link_of_this_very_container_leads() {
    let bundle = tempfile::tempdir().unwrap();
    let link = bundle.path().join("work");
    assert_eq!(root(bundle.path(), "default", "c1"), None);
    for (target, found) in [
        (
            "/var/lib/containerd/io.containerd.runtime.v2.task/default/c1",
            Some("/var/lib/containerd"),
        ),
        (
            "/var/lib/containerd/io.containerd.runtime.v2.task/default/c2",
            None,
        ),
        (
            "/var/lib/containerd/io.containerd.runtime.v2.task/moby/c1",
            None,
        ),
        ("relative/io.containerd.runtime.v2.task/default/c1", None),
        ("/c1", None),
    ] {
        symlink(target, &link).unwrap();
        assert_eq!(
            root(bundle.path(), "default", "c1"),
            found.map(PathBuf::from),
            "{target}"
        );
        std::fs::remove_file(&link).unwrap();
    }
}
