//! Tests a container of containerd, from its bundle to its origin: which facts count, and which do
//! not.

use std::os::unix::fs::symlink;
use std::time::Duration;

use super::records::Snapshot;
use super::*;
use crate::container::ContainerId;

/// A bundle of `id` in a state directory, with this `root.path`. The fixture is the root of its
/// containerd.
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
        let tied = tie(
            parents.iter().map(|key| key.as_str()),
            &chain,
            Path::new("/db"),
        );
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

/// Frames that answer calls in this order. Each answer is a message, or "not found".
fn answers(messages: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut frames = Vec::new();
    for (message, stream) in messages.iter().zip((1_u32..).step_by(2)) {
        let mut frame = |kind_and_flags: [u8; 2], payload: &[u8]| {
            frames.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
            frames.extend_from_slice(&kind_and_flags);
            frames.extend_from_slice(&stream.to_be_bytes());
            frames.extend_from_slice(payload);
        };
        if let Some(message) = message {
            frame(
                [0, 0],
                &[&[0][..], &(message.len() as u32).to_be_bytes(), message].concat(),
            );
        }
        let status = if message.is_some() {
            b"\x010"
        } else {
            b"\x015"
        };
        frame([1, 5], &[&[0, 11][..], b"grpc-status", status].concat());
    }
    frames
}

#[test]
fn what_containerd_answers_is_held_against_the_chain() {
    let chain = Chain::from_diff_ids(
        [b"a", b"b"]
            .map(|text| super::super::digest::DiffId(super::super::digest::Digest::of(text)))
            .to_vec(),
    );
    let chain = chain.unwrap();
    let [low, high] = [chain.chain_ids()[0].to_string(), chain.top().to_string()];
    let within = |number: u8, message: &[u8]| {
        let (low, high) = (message.len() as u8 & 127, (message.len() >> 7) as u8);
        let length = if high == 0 {
            vec![low]
        } else {
            vec![low | 128, high]
        };
        [&[number << 3 | 2][..], &length, message].concat()
    };
    let stat =
        |key: &str, parent: &str| Some(within(1, &protobuf::message(&[(1, key), (2, parent)])));
    let label = within(
        6,
        &protobuf::message(&[(1, "containerd.io/snapshot/remote"), (2, "remote")]),
    );
    let remote = |key: &str| {
        Some(within(
            1,
            &[&protobuf::message(&[(1, key)])[..], &label].concat(),
        ))
    };
    let bind = || Some(within(1, &protobuf::message(&[(1, "bind"), (2, "/x")])));
    for (messages, expected) in [
        (
            vec![stat(&high, &low), stat(&low, ""), bind()],
            "Ok((Bind(\"/x\"), false))",
        ),
        (
            vec![stat(&high, &low), remote(&low), bind()],
            "Ok((Bind(\"/x\"), true))",
        ),
        (
            vec![
                stat(&high, "other"),
                stat("other", &low),
                stat(&low, ""),
                bind(),
            ],
            "not those of the image's layers",
        ),
        (
            vec![stat(&high, ""), bind()],
            "not those of the image's layers",
        ),
        (
            vec![stat(&high, &low), None],
            "cannot find the layers of the container's image in",
        ),
        (
            vec![stat(&high, &low), stat(&high, ""), bind()],
            "an answer to another question",
        ),
        (
            vec![stat(&high, &low), stat(&low, ""), None],
            "cannot find the container's snapshot in",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("containerd.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let soon = Duration::from_secs(20).into();
        let mut client = Client::open(&path, "default", &soon).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut peer, &answers(&messages)).unwrap();
        let container = records::ContainerdRecord {
            snapshotter: "overlayfs".into(),
            snapshot_key: "c1".into(),
            ..Default::default()
        };
        let facts = Facts {
            container,
            ..Facts::default()
        };
        let found = served_mount(&mut client, &facts, Some(&chain));
        let described = match &found {
            Ok(_) => format!("{found:?}"),
            Err(error) => format!(
                "{error}: {:?}",
                std::error::Error::source(error).map(ToString::to_string)
            ),
        };
        assert!(described.contains(expected), "{described}, not {expected}");
    }
}
