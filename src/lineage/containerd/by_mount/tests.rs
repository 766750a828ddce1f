//! Tests which snapshots are recognised from a mount.

use super::*;

#[test]
fn a_directory_that_is_mounted_as_it_is_is_found_beside_the_bundle() {
    let top = tempfile::tempdir().unwrap();
    let directory = top
        .path()
        .join("docker/containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/9/fs");
    let bundle = top.path().join("docker/buildkit/executor/b1");
    let other = top.path().join("other");
    for path in [&directory, &bundle, &other] {
        std::fs::create_dir_all(path).unwrap();
    }
    let root = bundle.join("rootfs");
    std::os::unix::fs::symlink(&directory, &root).unwrap();
    let found = Some(Directories {
        root: directory
            .parent()
            .and_then(Path::parent)
            .and_then(Path::parent)
            .unwrap()
            .to_owned(),
        upper: None,
        lower: vec![9],
    });
    let end = "docker/containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/9/fs";
    for within in [
        format!("/{end}"),
        format!("/elsewhere/on/its/disk/{end}"),
        directory.to_str().unwrap().to_owned(),
    ] {
        let mount = RootMount {
            fs_type: "ext4".into(),
            root: PathBuf::from(&within),
            ..RootMount::default()
        };
        assert_eq!(bound(&mount, &root, &bundle), found, "{within}");
        assert_eq!(
            bound(&mount, &other, &bundle),
            None,
            "another directory is mounted"
        );
    }
    let plain = RootMount {
        fs_type: "ext4".into(),
        root: "/srv/root".into(),
        ..RootMount::default()
    };
    assert_eq!(bound(&plain, &root, &bundle), None);
}

#[test]
fn the_mounted_directory_shows_its_snapshotter() {
    for (directory, root) in [
        ("/srv/native/snapshots/12", Some("/srv/native")),
        ("/srv/overlayfs/snapshots/12/fs", Some("/srv/overlayfs")),
        ("/srv/native/snapshots/x", None),
        ("/srv/native/other/12", None),
        ("/", None),
    ] {
        assert_eq!(
            snapshotter_of(Path::new(directory)),
            root.map(PathBuf::from),
            "{directory}"
        );
    }
    let mount = RootMount {
        fs_type: "overlay".into(),
        root: "/".into(),
        upperdir: Some("/c/sn/snapshots/9/fs".into()),
        lowerdirs: vec!["3/fs".into(), "2/fs".into()],
        ..RootMount::default()
    };
    assert_eq!(
        snapshotter_root(&mount, Path::new("/r")),
        Some("/c/sn".into())
    );
}

#[test]
fn the_directories_of_a_snapshotter_are_recognised_wherever_they_are() {
    let mount = |upper: &str, lower: &[&str]| RootMount {
        fs_type: "overlay".into(),
        upperdir: Some(upper.into()),
        lowerdirs: lower.iter().map(PathBuf::from).collect(),
        ..RootMount::default()
    };
    let found = Some(Directories {
        root: "/c/sn".into(),
        upper: Some(9),
        lower: vec![12, 2],
    });
    let read_only = RootMount {
        upperdir: None,
        ..mount("", &["/c/sn/snapshots/12/fs", "/c/sn/snapshots/2/fs"])
    };
    for (mount, directories_found) in [
        (
            mount(
                "/c/sn/snapshots/9/fs",
                &["/c/sn/snapshots/12/fs", "/c/sn/snapshots/2/fs"],
            ),
            found.clone(),
        ),
        (mount("/c/sn/snapshots/9/fs", &["12/fs", "2/fs"]), found),
        (
            read_only,
            Some(Directories {
                root: "/c/sn".into(),
                upper: None,
                lower: vec![12, 2],
            }),
        ),
        (
            mount(
                "/c/sn/snapshots/9/fs",
                &["/c/sn/snapshots/12/fs", "/c/other/snapshots/2/fs"],
            ),
            None,
        ),
        (mount("/c/sn/snapshots/9/fs", &["12/fs", "/evil"]), None),
        (mount("/c/sn/snapshots/9/work", &["12/fs"]), None),
        (mount("/c/sn/snapshots/09/fs", &["12/fs"]), None),
        (mount("/c/sn/snapshots/+9/fs", &["12/fs"]), None),
        (
            mount(
                "/var/lib/docker/overlay2/abc/diff",
                &["/var/lib/docker/overlay2/def/diff"],
            ),
            None,
        ),
        (
            RootMount {
                fs_type: "ext4".into(),
                ..RootMount::default()
            },
            None,
        ),
    ] {
        assert_eq!(directories(&mount), directories_found, "{mount:?}");
    }
}

#[test]
fn a_directory_that_no_record_calls_a_step_is_not_taken_for_one() {
    const BASE: &str = "sha256:a13aaff56dfc4ddb4002660a4c7b0ee825ff8578df70ee257e4f87e2e96a9d15";
    const ABOVE: &str = "sha256:e5e980fc888588eb4b6d4a44f6e89fb6041efd474174bd2c5d442e4546579969";
    const EXPORTED: &str = "i5q2o4ecalg13m0g48dn9jek1";
    const STEP: &str = "rjgx6o5p8tqcb6gztzy5wrt9x";
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/docker-28.5-buildkit/metadata_v2.db");
    let (here, absent) = (
        vec![PathBuf::from("/none/metadata_v2.db"), fixture],
        vec![PathBuf::from("/none/metadata_v2.db")],
    );
    let init = format!("{}-init", crate::lineage::digest::Digest::of(b"c").hex());
    for (records, keys, expected) in [
        (&here, &[][..], Some(&[][..])),
        (&here, &[STEP, EXPORTED, BASE], Some(&[BASE, ABOVE])),
        (&here, &[STEP], Some(&[])),
        (&here, &[EXPORTED, &init, BASE], Some(&[BASE, ABOVE])),
        (&here, &["unheard-of", BASE], None),
        (&here, &["unheard-of"], None),
        // This snapshot was exported, but lies on another stack here.
        (&here, &[EXPORTED], None),
        // Layers lie above a step. The chain IDs of these layers would be lost.
        (&here, &[ABOVE, STEP, BASE], None),
        (&absent, &[STEP, BASE], None),
        (&absent, &[STEP], None),
        (&absent, &[ABOVE, BASE], Some(&[BASE, ABOVE])),
    ] {
        let directory = |key: &&str| SnapshotDirectory {
            number: 1,
            key: (*key).to_owned(),
            namespace: "n".into(),
            is_remote: false,
        };
        let layers: Vec<SnapshotDirectory> = keys.iter().map(directory).collect();
        let found = names(&layers, records, &std::time::Duration::from_secs(20).into()).unwrap();
        let expected = expected.map(|names| {
            names
                .iter()
                .map(|name| ChainId::parse(name).unwrap())
                .collect()
        });
        assert_eq!(found, expected, "{keys:?}");
    }
}
