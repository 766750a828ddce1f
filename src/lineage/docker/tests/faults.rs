//! Tests files of Docker that are damaged, are missing, or belong to something else.

use super::*;

/// The paths of files of the fixture, for the table of damaged files.
fn layer_file(chain: &str, name: &str) -> String {
    format!(
        "image/overlay2/layerdb/sha256/{}/{name}",
        chain.trim_start_matches("sha256:")
    )
}

#[test]
fn a_broken_file_is_named_and_never_taken_for_a_fact() {
    let middle = "sha256:bd8eaf45b5eb286391727a785463e7da0f054a10c65d5dbb140aa99218393905";
    let record = |container: &str| format!("containers/{container}/config.v2.json");
    let config = format!("image/overlay2/imagedb/content/sha256/{}", &APP_IMAGE[7..]);
    let cut = "is not a sha256 digest";
    for (container, file, content, fault) in [
        (
            WEB_1,
            mount_file(WEB_1, "mount-id"),
            &b""[..],
            "it is empty".to_owned(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "mount-id"),
            b"../../x",
            "\"../../x\" is not a layer's name".into(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            b"",
            "it is empty".into(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            b"sha256:7a6b",
            format!("\"sha256:7a6b\" {cut}"),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            b"\xff\xfe",
            "it is not UTF-8".into(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            &[b'a'; 257],
            "it is larger than 256 bytes".into(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            BASE.as_bytes(),
            format!("it names {BASE}, and the container's image has {APP}"),
        ),
        (
            WEB_1,
            layer_file(middle, "cache-id"),
            b"",
            "it is empty".into(),
        ),
        (
            WEB_1,
            record(WEB_1),
            b"",
            "EOF while parsing a value at line 1 column 0".into(),
        ),
        (
            WEB_1,
            record(WEB_1),
            b"{\"Image\":\"app:1\"}",
            "\"app:1\" is not an image ID".into(),
        ),
        (
            GONE_1,
            layer_file(middle, "diff"),
            b"",
            "it is empty".into(),
        ),
        (
            GONE_1,
            layer_file(middle, "diff"),
            b"sha256:",
            format!("\"sha256:\" {cut}"),
        ),
        (
            GONE_1,
            layer_file(middle, "parent"),
            b"",
            "it is empty".into(),
        ),
        (
            GONE_1,
            layer_file(BASE, "parent"),
            GONE.as_bytes(),
            "the layers' parents form a circle".into(),
        ),
        (
            WEB_1,
            config,
            b"{}",
            format!("it hashes to {}, not to {APP_IMAGE}", Digest::of(b"{}")),
        ),
    ] {
        let copy = DockerCopy::of("docker-20.10-overlay2");
        copy.write(&file, content);
        let error = start(&copy, container, |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot trust {:?}: {fault}", copy.path(&file))
        );
        assert!(matches!(error, LineageError::Corrupt(_)), "{error:?}");
    }
}

#[test]
fn names_that_cannot_be_read_make_no_store_corrupt() {
    let names = "image/overlay2/repositories.json";
    for fault in ["none", "cut", "no names", "65 MiB", "a directory"] {
        let copy = DockerCopy::of("docker-20.10-overlay2");
        let store = GraphStore::open(&copy.path("")).unwrap();
        let pulled = || {
            lineage(
                store
                    .container(&ContainerId::parse(PULLED_1).unwrap(), soon().clone())
                    .unwrap(),
            )
        };
        let known = pulled();
        assert_eq!(known.facts.manifests.len(), 1);
        match fault {
            "none" => fs::remove_file(copy.path(names)).unwrap(),
            "cut" => copy.write(names, b"{\"Repositories\":{\"app\":"),
            "no names" => copy.write(names, b"{\"Repositories\":[]}"),
            "65 MiB" => fs::OpenOptions::new()
                .write(true)
                .open(copy.path(names))
                .unwrap()
                .set_len(65 << 20)
                .unwrap(),
            _directory => {
                fs::remove_file(copy.path(names)).unwrap();
                fs::create_dir(copy.path(names)).unwrap();
            }
        }
        let found = pulled();
        assert_eq!(
            (
                found.chain,
                found.facts.image_id,
                &found.facts.manifests[..]
            ),
            (known.chain, known.facts.image_id, &[][..]),
            "{fault}"
        );
        // A missing file of names is not an error: the file does not exist before the first image
        // gets a name.
        assert_eq!(
            found.facts.pull_fault.is_some(),
            fault != "none",
            "{fault}: {:?}",
            found.facts.pull_fault
        );
        let image = store.image(PULLED_IMAGE).map(lineage);
        assert_eq!(image.is_ok(), fault == "none", "{fault}");
        assert!(start(&copy, WEB_1, |_| ()).is_ok(), "{fault}");
    }
}

#[test]
fn a_chain_that_does_not_hash_to_its_name_is_corrupt() {
    let copy = DockerCopy::of("docker-20.10-overlay2");
    copy.write(&layer_file(BASE, "diff"), APP.as_bytes());
    let error = start(&copy, GONE_1, |_| ()).unwrap_err();
    assert!(
        error.to_string().ends_with(&format!(", not to {GONE}")),
        "{error}"
    );
    assert!(matches!(error, LineageError::Corrupt(Corrupt::Hash(..))));
}

#[test]
fn a_missing_file_is_unknown_only_where_nothing_refers_to_it() {
    for (container, file, fault, corrupt) in [
        (
            WEB_1,
            layer_file(APP, "cache-id"),
            "cannot trust {}: it is missing",
            true,
        ),
        (
            GONE_1,
            layer_file(BASE, "diff"),
            "cannot trust {}: it is missing",
            true,
        ),
        (
            WEB_1,
            format!("containers/{WEB_1}/config.v2.json"),
            "cannot find the record of the container in {}",
            false,
        ),
        (
            WEB_1,
            mount_file(WEB_1, "mount-id"),
            "cannot trust {}: it is missing",
            true,
        ),
    ] {
        let copy = DockerCopy::of("docker-20.10-overlay2");
        fs::remove_file(copy.path(&file)).unwrap();
        let error = start(&copy, container, |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            fault.replace("{}", &format!("{:?}", copy.path(&file)))
        );
        assert_eq!(
            matches!(error, LineageError::Corrupt(_)),
            corrupt,
            "{error:?}"
        );
    }
    let copy = DockerCopy::of("docker-20.10-overlay2");
    fs::remove_dir_all(copy.path("image/overlay2/layerdb/mounts")).unwrap();
    let layers = LayerStore::of(copy.0.path(), Driver::Overlay2);
    assert_eq!(
        layers
            .mount_of(&ContainerId::parse(WEB_1).unwrap(), Guard::Owned)
            .unwrap(),
        None
    );
}

#[test]
fn what_is_no_regular_file_of_the_engine_is_not_followed() {
    let file = mount_file(WEB_1, "parent");
    let replace: [(Make, &str); 4] = [
        (
            |path| symlink("/etc/hostname", path).unwrap(),
            "it is a symbolic link",
        ),
        (
            |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            "it is not a regular file",
        ),
        (
            |path| fs::create_dir(path).unwrap(),
            "it is not a regular file",
        ),
        (
            |path| symlink("nowhere", path).unwrap(),
            "it is a symbolic link",
        ),
    ];
    for (make, fault) in replace {
        let copy = DockerCopy::of("docker-20.10-overlay2");
        fs::remove_file(copy.path(&file)).unwrap();
        make(&copy.path(&file));
        assert_eq!(
            start(&copy, WEB_1, |_| ()).unwrap_err().to_string(),
            format!("cannot trust {:?}: {fault}", copy.path(&file))
        );
    }
    let copy = DockerCopy::of("docker-20.10-overlay2");
    let tie = copy.path(&mount_file(WEB_1, "mount-id"));
    fs::set_permissions(&tie, fs::Permissions::from_mode(0o666)).unwrap();
    let error = start(&copy, WEB_1, |_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot trust {tie:?}: it is owned or writable by another user")
    );
}

/// A runtime spec of 16 MiB, which a user may write, has room for eight million directories above
/// its root. An earlier version examined every one of these directories.
#[test]
fn no_record_is_looked_for_above_a_root_that_no_kernel_takes() {
    let bundle = |times: usize| Bundle {
        path: "/b".into(),
        id: ContainerId::parse("web-1").unwrap(),
        root: "/a".repeat(times).into(),
    };
    assert_eq!(
        records(&bundle(2)).next(),
        Some("/a/a/containers/web-1/config.v2.json".into())
    );
    assert_eq!(
        [1, 2_047, 2_048, 8 << 20].map(|times| records(&bundle(times)).count()),
        [2, 2_048, 0, 0]
    );
}
