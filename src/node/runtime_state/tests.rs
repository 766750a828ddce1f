//! Tests what is read of the state of runtimes, written by root or by a user.

use super::*;

const CRUN: &str = r#"{ "pid": 41, "process-start-time": 77, "cgroup-path": "/x", "rootfs": "/b/two/rootfs", "systemd-cgroup": false,
    "bundle": "/b/two", "created": "2026-11-20T16:08:45.339229Z", "detached": true, "external_descriptors": "[]", "owner": "root" }"#;

fn put(root: &Path, path: &str, text: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    io::Write::write_all(
        &mut fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
            .unwrap(),
        text,
    )
    .unwrap();
}

fn reported(root: &Path) -> Vec<String> {
    let one = |found: &Result<RunningContainer, StateError>| match found {
        Ok(container) => format!(
            "{} {:?} {:?} {:?}",
            container.id, container.kind, container.bundle, container.process.started
        ),
        Err(error) => error.to_string(),
    };
    containers(&[root.to_owned(), root.join("no such root")])
        .iter()
        .map(one)
        .collect()
}

#[test]
fn the_state_of_runc_names_process_and_bundle_and_an_annotation_cannot_forge_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runtime/runc-1.1.5");
    let found = containers(std::slice::from_ref(&root));
    let [Ok(container)] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        container.bundle,
        Path::new("/run/containerd/io.containerd.runtime.v2.task/default/one")
    );
    assert_eq!(
        container.process,
        InitProcess {
            pid: 2373,
            started: Some(188_572)
        }
    );
    assert_eq!(
        (container.kind, &container.root, container.id.as_str()),
        (RuntimeKind::Runc, &root, "one")
    );
}

#[test]
fn roots_hold_containers_or_one_directory_for_each_namespace_and_both_runtimes() {
    let directory = tempfile::tempdir().unwrap();
    let runc = |id: &str| {
        format!(
            r#"{{"id":"{id}","init_process_pid":7,"init_process_start":9,"config":{{"labels":["bundle=/b/{id}"]}}}}"#
        )
    };
    put(
        directory.path(),
        "moby/one/state.json",
        runc("one").as_bytes(),
    );
    put(directory.path(), "moby/two/status", CRUN.as_bytes());
    put(directory.path(), "moby/coming/exec.fifo", b"");
    put(
        directory.path(),
        "three/state.json",
        runc("three").as_bytes(),
    );
    put(directory.path(), "a file", b"");
    std::os::unix::fs::symlink(
        directory.path().join("three"),
        directory.path().join("link"),
    )
    .unwrap();
    assert_eq!(
        reported(directory.path()),
        [
            r#"one Runc "/b/one" Some(9)"#,
            r#"two Crun "/b/two" Some(77)"#,
            r#"three Runc "/b/three" Some(9)"#
        ]
    );
}

/// A user of containerd chooses the IDs: `ctr run … state.json` made a namespace look like a
/// container, and hid all other containers in that namespace.
#[test]
fn a_container_named_like_a_state_file_hides_no_other_of_its_namespace() {
    let directory = tempfile::tempdir().unwrap();
    for id in ["state.json", "status", "web-1"] {
        let state =
            format!(r#"{{"id":"{id}","init_process_pid":7,"config":{{"labels":["bundle=/b"]}}}}"#);
        let path = format!("default/{id}/state.json");
        put(directory.path(), &path, state.as_bytes());
    }
    assert_eq!(
        reported(directory.path()),
        [
            r#"state.json Runc "/b" None"#,
            r#"status Runc "/b" None"#,
            r#"web-1 Runc "/b" None"#
        ]
    );
}

#[test]
fn bad_state_costs_one_container_one_line() {
    let directory = tempfile::tempdir().unwrap();
    for (id, text) in [
        ("a", &b""[..]),
        ("b", br#"{"id":"b","config":{"labels":[]}}"#),
        ("c", br#"{"id":"other","config":{"labels":["bundle=/b"]}}"#),
        ("d", br#"{"id":"d","config":{"labels":["bundle=b"]}}"#),
        ("e", b"\xff"),
        ("f g", br#"{"id":"f g","config":{"labels":["bundle=/b"]}}"#),
        (
            "h",
            br#"{"id":"h","init_process_pid":-1,"config":{"labels":["bundle=/b"]}}"#,
        ),
    ] {
        put(directory.path(), &format!("{id}/state.json"), text);
    }
    put(directory.path(), "z/status", CRUN.as_bytes());
    let line = |id: &str, fault: &str| {
        format!(
            "cannot read the container's state {:?}: {fault}",
            directory.path().join(id).join("state.json")
        )
    };
    assert_eq!(
        reported(directory.path()),
        [
            line("a", "EOF while parsing a value at line 1 column 0"),
            line("b", "it names no bundle"),
            line("c", r#"it is that of "other""#),
            line("d", "it names no bundle"),
            line("e", "expected value at line 1 column 1"),
            line("f g", "its directory's name is no container ID"),
            line(
                "h",
                "invalid value: integer `-1`, expected u32 at line 1 column 31"
            ),
            r#"z Crun "/b/two" Some(77)"#.to_owned(),
        ]
    );
}

#[test]
fn state_that_is_a_fifo_or_a_link_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "target", b"{}");
    fs::create_dir(directory.path().join("a")).unwrap();
    fs::create_dir(directory.path().join("b")).unwrap();
    nix::unistd::mkfifo(
        &directory.path().join("a/state.json"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    std::os::unix::fs::symlink("../target", directory.path().join("b/status")).unwrap();
    let path = |name| directory.path().join(name);
    let expected = [
        format!("cannot read {:?}: not a regular file", path("a/state.json")),
        format!("cannot read {:?}", path("b/status")),
    ];
    assert_eq!(reported(directory.path()), expected);
}

#[test]
fn what_lies_below_a_users_directory_is_his_word_whosever_name_it_bears() {
    let node = tempfile::tempdir().unwrap();
    let root = node.path().join("run/user/70000/crun");
    put(&root, "one/status", CRUN.as_bytes());
    put(node.path(), "run/crun/two/status", CRUN.as_bytes());
    std::os::unix::fs::symlink(
        node.path().join("run/crun"),
        node.path().join("run/user/70000/runc"),
    )
    .unwrap();
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let owners = || {
        let found = containers(&roots(node.path(), Whose::Everybodys, &[]));
        found
            .into_iter()
            .flatten()
            .map(|container| (container.id.to_string(), container.owner))
            .collect::<Vec<_>>()
    };
    // Files that root owns on a user's own file system are treated as the user's. A link that root
    // made is followed; the link leads to a directory that has already been read.
    assert_eq!(
        owners(),
        [("two".to_owned(), 0), ("one".to_owned(), 70_000)]
    );
    std::os::unix::fs::chown(node.path().join("run/user/70000"), Some(70_000), None).unwrap();
    assert_eq!(
        owners(),
        [("two".to_owned(), 0), ("one".to_owned(), 70_000)]
    );
}

#[test]
fn a_root_that_root_lets_others_write_is_told_and_not_read() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "one/status", CRUN.as_bytes());
    fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let found = containers(&[directory.path().to_owned()]);
    if nix::unistd::geteuid().is_root() {
        let [Err(fault)] = &found[..] else {
            panic!("{found:?}")
        };
        let expected = format!("cannot list {:?}: others may write it", directory.path());
        assert_eq!(crate::report::line::causes(fault), expected);
    } else {
        assert!(
            matches!(&found[..], [Ok(_)]),
            "whoever owns it answers for it"
        );
    }
}

/// What is found on a node after `fill` has written state for a user and for root: how many
/// containers each of the two owns, and the errors.
fn told_by_owner(fill: impl FnOnce(&Path, &Path)) -> (usize, usize, Vec<String>) {
    let node = tempfile::tempdir().unwrap();
    let (users, roots) = (
        node.path().join("run/user/70000/crun"),
        node.path().join("run/user/0/crun"),
    );
    fs::create_dir_all(&users).unwrap();
    fs::create_dir_all(&roots).unwrap();
    fill(&users, &roots);
    // The user's directory comes first, and does not use up what may be read for root.
    let found = containers(&[users, roots]);
    let of = |user: u32| {
        found
            .iter()
            .flatten()
            .filter(|container| container.owner == user)
            .count()
    };
    let faults = found.iter().filter_map(|found| found.as_ref().err());
    let faults = faults
        .map(|fault| {
            fault
                .to_string()
                .replace(node.path().to_str().unwrap(), "…")
        })
        .collect();
    (of(70_000), of(0), faults)
}

#[test]
fn a_users_five_hundred_containers_are_read_whole() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let padded = format!("{CRUN}{}", " ".repeat(60 << 10));
    let reported = told_by_owner(|users, _| {
        (0..500).for_each(|id| put(users, &format!("c{id}/status"), padded.as_bytes()))
    });
    assert_eq!(reported, (500, 0, Vec::new()));
}

#[test]
fn what_a_user_has_beyond_the_bound_is_counted_and_costs_root_nothing() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let beyond = |count: usize| {
        vec![format!(
            "cannot read all of the state in \"…/run/user/70000/crun\": user 70000 has more than 1024 containers or 64 MiB, and at least \
             {count} of them are left out"
        )]
    };
    let too_many = told_by_owner(|users, roots| {
        (0..1_030).for_each(|id| put(users, &format!("c{id:04}/status"), CRUN.as_bytes()));
        (0..1_030).for_each(|id| put(roots, &format!("c{id:04}/status"), CRUN.as_bytes()));
    });
    assert_eq!(too_many, (1_024, 1_030, beyond(6)));
    let padded = format!("{CRUN}{}", " ".repeat((8 << 20) - CRUN.len()));
    let too_large = told_by_owner(|users, roots| {
        (0..11).for_each(|id| put(users, &format!("c{id:02}/status"), padded.as_bytes()));
        (0..9).for_each(|id| put(roots, &format!("c{id:02}/status"), padded.as_bytes()));
    });
    assert_eq!(too_large, (8, 9, beyond(3)));
}

#[test]
fn a_state_file_that_does_not_fit_any_more_is_left_out_with_all_that_follow() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let (padded, half) = (
        CRUN.to_owned() + &" ".repeat(7 << 20),
        CRUN.to_owned() + &" ".repeat(4 << 20),
    );
    let (count, _, faults) = told_by_owner(|users, _| {
        (0..9).for_each(|id| put(users, &format!("c{id}/status"), padded.as_bytes()));
        put(users, "d/status", half.as_bytes());
        put(users, "e/status", CRUN.as_bytes());
    });
    assert_eq!((count, faults.len()), (9, 1));
    assert!(
        faults[0].ends_with("at least 2 of them are left out"),
        "{faults:?}"
    );
}

#[test]
fn a_process_is_alive_when_it_began_when_its_container_did() {
    let own = InitProcess {
        pid: std::process::id(),
        started: None,
    };
    assert!(own.is_alive());
    assert!(
        InitProcess {
            started: own.start_time(),
            ..own
        }
        .is_alive()
    );
    assert!(
        !InitProcess {
            started: Some(1),
            ..own
        }
        .is_alive()
    );
    assert!(
        !InitProcess {
            pid: 0,
            started: None
        }
        .is_alive()
    );
}

#[test]
fn a_container_waits_for_its_start_as_long_as_its_fifo_is_there() {
    let directory = tempfile::tempdir().unwrap();
    for id in ["waits", "runs"] {
        let text =
            format!(r#"{{"id":"{id}","init_process_pid":7,"config":{{"labels":["bundle=/b"]}}}}"#);
        put(
            directory.path(),
            &format!("{id}/state.json"),
            text.as_bytes(),
        );
    }
    put(directory.path(), "waits/exec.fifo", b"");
    let found = containers(&[directory.path().to_owned()]);
    let reported: Vec<_> = found
        .iter()
        .flatten()
        .map(|container| (container.id.as_str(), container.waits_for_start()))
        .collect();
    assert_eq!(reported, [("runs", false), ("waits", true)]);
}

#[test]
fn the_settings_roots_come_after_the_usual_ones_once() {
    let roots = roots(
        Path::new("/"),
        Whose::Everybodys,
        &[PathBuf::from("/run/runc"), PathBuf::from("/srv/runc")],
    );
    assert_eq!(roots[..4], ROOTS.map(PathBuf::from));
    assert_eq!(
        roots
            .iter()
            .filter(|root| root.ends_with("run/runc"))
            .count(),
        1
    );
    assert_eq!(roots.last().unwrap(), Path::new("/srv/runc"));
}

#[test]
fn the_users_directories_are_looked_at_only_when_everybodys_containers_are_wanted() {
    let node = tempfile::tempdir().unwrap();
    fs::create_dir_all(node.path().join("run/user/70000")).unwrap();
    let own = user_directories(node.path(), Whose::Own);
    assert_eq!(
        own,
        [node
            .path()
            .join("run/user")
            .join(nix::unistd::geteuid().to_string())]
    );
    assert_eq!(
        user_directories(node.path(), Whose::Everybodys),
        [node.path().join("run/user/70000")]
    );
    let theirs = node.path().join("run/user/70000/crun");
    assert!(roots(node.path(), Whose::Everybodys, &[]).contains(&theirs));
    assert!(!roots(node.path(), Whose::Own, &[]).contains(&theirs));
}
