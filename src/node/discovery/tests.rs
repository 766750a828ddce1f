//! Tests that the directories of engines are found in the engines' settings and in the arguments of
//! processes.

use super::super::monitors::testing::process;
use super::super::processes::Asked;
use super::*;

fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::io::Write::write_all(
        &mut std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
            .unwrap(),
        text.as_bytes(),
    )
    .unwrap();
}

/// A process in the caller's own namespaces, run by the caller: this test process with other
/// arguments.
fn own(arguments: &str) -> Process {
    Process {
        user: nix::unistd::geteuid().as_raw(),
        ..process(std::process::id(), 1, arguments)
    }
}

fn roots(processes: &[Process], paths: &Paths) -> Vec<PathBuf> {
    places(processes, paths, &mut Vec::new()).runtime_roots
}

#[test]
fn dockers_roots_are_found_in_its_arguments_and_in_its_settings() {
    let node = tempfile::tempdir().unwrap();
    let paths = Paths::below(node.path());
    assert_eq!(places(&[], &paths, &mut Vec::new()), Engines::default());
    put(
        &node.path().join("etc/docker/daemon.json"),
        r#"{"data-root":"/srv/docker","exec-root":"/run/snap.docker","hosts":[]}"#,
    );
    let found = places(&[], &paths, &mut Vec::new());
    assert_eq!(
        (found.docker, found.runtime_roots),
        (
            vec!["/srv/docker".into()],
            vec!["/run/snap.docker/runtime-runc".into()]
        )
    );
    put(
        &node.path().join("two.json"),
        r#"{"data-root":"/srv/two","exec-root":"/run/two"}"#,
    );
    for (arguments, data_root, root) in [
        (
            "dockerd --exec-root /run/three --data-root=/srv/three",
            "/srv/three",
            "/run/three/runtime-runc",
        ),
        (
            "dockerd -g /srv/four --exec-root=/run/four -D",
            "/srv/four",
            "/run/four/runtime-runc",
        ),
        (
            &format!(
                "dockerd --config-file {}",
                node.path().join("two.json").display()
            ),
            "/srv/two",
            "/run/two/runtime-runc",
        ),
    ] {
        let found = places(&[own(arguments)], &paths, &mut Vec::new());
        assert!(
            found.docker.contains(&data_root.into()) && found.runtime_roots.contains(&root.into()),
            "{arguments}: {found:?}"
        );
    }
}

#[test]
fn a_containerd_is_where_its_arguments_or_its_settings_say() {
    let node = tempfile::tempdir().unwrap();
    let settings = node.path().join("containerd.toml");
    put(
        &settings,
        "version = 2\nroot = \"/srv/c\"\nstate = \"/run/c\"\n[grpc]\naddress = \"/run/c/x.sock\"\n[plugins]\n",
    );
    let place = |root: &str, state: &str| ContainerdPlace {
        root: root.into(),
        state: Some(state.into()),
    };
    for (arguments, expected) in [
        (
            format!("containerd --config {}", settings.display()),
            place("/srv/c", "/run/c"),
        ),
        (
            format!("containerd --state /run/d -c {}", settings.display()),
            place("/srv/c", "/run/d"),
        ),
        (
            "containerd -config=/dev/null -state /run/f -root=/srv/f".to_owned(),
            place("/srv/f", "/run/f"),
        ),
        (
            "containerd --config /dev/null --state /run/e --root /srv/e".to_owned(),
            place("/srv/e", "/run/e"),
        ),
    ] {
        assert_eq!(
            containerd(
                &own(&arguments),
                &Paths::below(Path::new("/")),
                &mut Vec::new()
            ),
            expected,
            "{arguments}"
        );
    }
}

#[test]
fn a_runtimes_state_is_where_conmon_or_its_own_call_says() {
    let paths = Paths::below(Path::new("/none"));
    let id = "e7a6".repeat(16);
    let conmon = format!(
        "conmon -c {id} -b /g/overlay-containers/{id}/userdata --runtime-arg --root=/run/pr --exit-command /usr/bin/podman \
         --exit-command-arg --root --exit-command-arg /g --exit-command-arg --runroot --exit-command-arg /r"
    );
    let found = places(&[own(&conmon)], &paths, &mut Vec::new());
    assert_eq!(
        (found.runtime_roots, found.storage),
        (
            vec!["/run/pr".into()],
            vec![StoragePlace {
                root: "/g".into(),
                run_root: Some("/r".into())
            }]
        )
    );
    let child = Process {
        depth: 1,
        is_first: true,
        ..process(2, std::process::id(), "sleep")
    };
    for (arguments, root) in [
        ("runc --root /run/bare run web", Some("/run/bare")),
        (
            "crun --root=/run/bare --debug run -b /b web",
            Some("/run/bare"),
        ),
        ("runc run web", None),
        ("runc --root /run/bare list", None),
        ("sh -c true", None),
    ] {
        let found = roots(&[own(arguments), child.clone()], &paths);
        assert_eq!(
            found,
            root.map(PathBuf::from).into_iter().collect::<Vec<_>>(),
            "{arguments}"
        );
    }
    // A process without a container as its child may be a command that a user typed.
    assert_eq!(
        roots(&[own("runc --root /run/bare run web")], &paths),
        [""; 0].map(PathBuf::from)
    );
}

#[test]
fn a_process_of_another_user_or_of_another_namespace_names_no_place() {
    let paths = Paths::below(Path::new("/none"));
    let said = "dockerd --exec-root /run/x --data-root /srv/x";
    assert_ne!(
        places(&[own(said)], &paths, &mut Vec::new()),
        Engines::default()
    );
    assert_eq!(
        places(
            &[Process {
                user: 4_242_424,
                ..own(said)
            }],
            &paths,
            &mut Vec::new()
        ),
        Engines::default()
    );
    assert_eq!(
        places(
            &[Process {
                is_of_one_user: false,
                ..own(said)
            }],
            &paths,
            &mut Vec::new()
        ),
        Engines::default()
    );
    assert_eq!(
        places(
            &[Process {
                asked: Asked::program(false),
                ..own(said)
            }],
            &paths,
            &mut Vec::new()
        ),
        Engines::default()
    );
    assert_eq!(
        places(
            &[Process {
                depth: 1,
                ..own(said)
            }],
            &paths,
            &mut Vec::new()
        ),
        Engines::default()
    );
    // No process has this ID, so the mount namespace is not known.
    assert_eq!(
        places(
            &[Process {
                pid: u32::MAX,
                ..own(said)
            }],
            &paths,
            &mut Vec::new()
        ),
        Engines::default()
    );
}

#[test]
fn stores_are_where_root_says_in_storage_conf() {
    let node = tempfile::tempdir().unwrap();
    let paths = Paths::below(node.path());
    put(
        &node.path().join("etc/containers/storage.conf"),
        "[storage]\ngraphroot = \"/data/containers\"\n",
    );
    put(
        &node
            .path()
            .join("etc/containers/storage.conf.d/10-more.conf"),
        "[storage]\ngraphroot = \"/data/more\"\n",
    );
    let place = |root: &str, run_root: &str| StoragePlace {
        root: root.into(),
        run_root: Some(run_root.into()),
    };
    let usual = "/run/containers/storage";
    let found = places(&[], &paths, &mut Vec::new()).storage;
    assert_eq!(
        found,
        [place("/data/more", usual), place("/data/containers", usual)]
    );
    put(
        &node
            .path()
            .join("etc/containers/storage.conf.d/20-run.conf"),
        "[storage]\nrunroot = \"/run/data\"\n",
    );
    assert_eq!(
        places(&[], &paths, &mut Vec::new()).storage,
        [
            place("/data/more", "/run/data"),
            place("/data/containers", "/run/data")
        ]
    );
}

#[test]
fn settings_of_an_engine_that_cannot_be_read_are_told() {
    let reported = |file: &str, text: &str, mode: u32, arguments: &str| {
        let node = tempfile::tempdir().unwrap();
        put(&node.path().join(file), text);
        std::fs::set_permissions(
            node.path().join(file),
            std::os::unix::fs::PermissionsExt::from_mode(mode),
        )
        .unwrap();
        let arguments = arguments.replace("NODE", node.path().to_str().unwrap());
        let mut faults = Vec::new();
        let _places = places(&[own(&arguments)], &Paths::below(node.path()), &mut faults);
        let reported: Vec<_> = faults
            .iter()
            .map(|fault| line::causes(fault).replace(node.path().to_str().unwrap(), ""))
            .collect();
        reported.join("; ")
    };
    let daemon = "etc/docker/daemon.json";
    let untrusted = "cannot trust \"/etc/docker/daemon.json\": owned or writable by another user";
    assert_eq!(
        reported(daemon, "{\"data-root\": \"/srv/docker\"}", 0o664, "true"),
        untrusted
    );
    for (text, fault) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        (
            "{\"data-root\": 7}",
            "invalid type: integer `7`, expected path string at line 1 column 15",
        ),
    ] {
        let line =
            format!("cannot parse the engine's settings \"/etc/docker/daemon.json\": {fault}");
        assert_eq!(reported(daemon, text, 0o644, "true"), line);
    }
    for text in ["", " \n", "\u{feff}{}", "{\"other\": 1}"] {
        assert_eq!(reported(daemon, text, 0o644, "true"), "", "{text:?}");
    }
    assert_eq!(
        reported("none", "", 0o644, "containerd --config /dev/null"),
        ""
    );
    let toml = reported(
        "c.toml",
        "version = 2\nroot = [",
        0o644,
        "containerd -config NODE/c.toml",
    );
    assert_eq!(
        toml,
        "cannot parse the engine's settings \"/c.toml\": unclosed array, expected `]` at line 2 column 9"
    );
    let conf = reported("etc/containers/storage.conf", "[storage", 0o644, "true");
    assert!(
        conf.starts_with(
            "cannot parse the engine's settings \"/etc/containers/storage.conf\": TOML parse error"
        ),
        "{conf}"
    );
}

#[test]
fn every_bundle_beside_a_shims_tells_its_state_directory() {
    let state = tempfile::tempdir().unwrap();
    for (id, options) in [
        ("a", r#"{"root":"/run/elsewhere"}"#),
        ("b", "{}"),
        ("c", r#"{"root":"relative"}"#),
        ("d", "{"),
    ] {
        put(&state.path().join(id).join("options.json"), options);
    }
    put(
        &state.path().join("e/options.json"),
        r#"{"binary_name":"runc","root":"/run/other"}"#,
    );
    std::fs::create_dir(state.path().join("f")).unwrap();
    assert_eq!(
        shims_roots(state.path()),
        ["/run/elsewhere", "/run/other"].map(PathBuf::from).into()
    );
    assert!(shims_roots(&state.path().join("none")).is_empty());
}

#[test]
fn what_containerds_settings_import_counts_and_the_last_file_has_the_last_word() {
    let node = tempfile::tempdir().unwrap();
    let put = |file: &str, text: &str| put(&node.path().join(file), text);
    let at = |place: &str| node.path().join(place).display().to_string();
    put(
        "config.toml",
        &format!(
            "imports = [\"{}\", \"conf.d/../more.toml\"]\nroot = \"/srv/main\"\nstate = \"/run/main\"\n",
            at("conf.d/*.toml")
        ),
    );
    put("conf.d/10-a.toml", "root = \"/srv/a\"\n");
    put("conf.d/20-b.toml", "root = \"/srv/b\"\nstate = \"\"\n");
    put("conf.d/30-c.conf", "root = \"/srv/no\"\n");
    // This file imports the first file again, and a file that is read last.
    put(
        "more.toml",
        &format!("imports = [\"{}\", \"last.toml\"]\n", at("config.toml")),
    );
    let settings = at("config.toml");
    let found = |faults: &mut Vec<EngineSettingsError>| {
        let process = own(&format!("containerd --config {settings}"));
        let place = containerd(&process, &Paths::below(Path::new("/")), faults);
        (place.root, place.state.unwrap())
    };
    let expected = |root: &str, state: &str| (PathBuf::from(root), PathBuf::from(state));
    let mut faults = Vec::new();
    assert_eq!(found(&mut faults), expected("/srv/b", "/run/main"));
    put("last.toml", "state = \"/run/last\"\n");
    assert_eq!(found(&mut faults), expected("/srv/b", "/run/last"));
    assert!(faults.is_empty(), "{faults:?}");
    // A file that cannot be parsed is reported, and the other files are still used.
    put("conf.d/25-torn.toml", "root = [");
    assert_eq!(found(&mut faults), expected("/srv/b", "/run/last"));
    let [fault] = &faults[..] else {
        panic!("{faults:?}")
    };
    let expected = format!(
        "cannot parse the engine's settings {:?}: unclosed array, expected `]` at line 1 column 9",
        node.path().join("conf.d/25-torn.toml")
    );
    assert_eq!(fault.to_string(), expected);
}
