//! Tests which containers are recognised as pause containers, with real engines' files and forged
//! ones.
//!
//! `tests/fixtures/cri-o-1.37` was copied from a node on which CRI-O 1.37 and Podman 5.8.6 shared
//! one store, while containers ran: both roots have `overlay-layers`. `podman-*-pods` are from
//! nodes with Podman alone. In the forged containers, the container's author requested annotations
//! that name the ID of another running container.

use std::fs;
use std::io::Write;

use super::*;
use crate::container::ContainerId;
use crate::container::runtime::RuntimeKind;
use crate::node::runtime_state::InitProcess;
use crate::sys::file::{self, Guard};

/// A copy of a fixture. The paths in its bundles point into the copy.
struct Node(tempfile::TempDir);

impl Node {
    fn of(fixture: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/fixtures")
                .join(fixture),
            directory.path(),
            directory.path(),
        );
        Self(directory)
    }

    /// A running container with this ID, a bundle in `root` and the first process `pid`.
    fn container(&self, root: &str, id: &str, pid: u32) -> RunningContainer {
        running(
            &self
                .0
                .path()
                .join(root)
                .join("overlay-containers")
                .join(id)
                .join("userdata"),
            id,
            pid,
        )
    }
}

fn copy(from: &Path, to: &Path, top: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&from, &to, top);
        } else {
            let text = file::read_text(&from, 1 << 20, Guard::Any).unwrap();
            let text = text.replace(
                "/var/lib/containers/storage",
                top.join("graph").to_str().unwrap(),
            );
            put(
                &to,
                &text.replace("/run/containers/storage", top.join("run").to_str().unwrap()),
            );
        }
    }
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::remove_file(path).ok();
    fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

fn running(bundle: &Path, id: &str, pid: u32) -> RunningContainer {
    RunningContainer {
        id: ContainerId::parse(id).unwrap(),
        kind: RuntimeKind::Runc,
        root: "/run/runc".into(),
        bundle: bundle.to_owned(),
        process: InitProcess { pid, started: None },
        owner: 0,
    }
}

const POD: &str = "a77da471c79421ec85ce1a50dae4ee75aeea304ce77120860aa88fcaf24d90b0";
const APP: &str = "7533bae398d3db1819e7c55599e4b0ad78b66c5d07c04f2d683b9cebae61cd94";
const FORGER: &str = "47b8d5ea209506385db7a51a1ce770552a98956a7c6176b9f9e4004eee0e4ffa";
const FORGERS: &str = "a945e7780e014cfeb17be2e9bf7961643a76796a0e795c7cc32bffb4afa1f986";
const SOLO: &str = "1b2c99ebc7ce9c060f14090f77dade64d05f65e68e7a7513b7e35d33667ab886";

#[test]
fn a_pod_of_cri_os_is_held_by_the_container_that_its_record_says_and_by_no_annotation() {
    let node = Node::of("cri-o-1.37");
    // The author of the second pod copied the ID and the type of the first pod's pause container
    // into the annotations of his own pod and of its container.
    let all = [
        ("run", POD),
        ("run", APP),
        ("run", FORGER),
        ("run", FORGERS),
        ("graph", SOLO),
    ]
    .map(|(root, id)| node.container(root, id, 7));
    assert_eq!(among(&all.each_ref()), [true, false, true, false, false]);
    let of_user = RunningContainer {
        owner: 4_242_424,
        ..all[0].clone()
    };
    assert_eq!(among(&[&of_user]), [false]);
    // Without CRI-O's record in the store, none of the same bundles is a pause container.
    fs::remove_file(
        node.0
            .path()
            .join("graph/overlay-containers/volatile-containers.json"),
    )
    .unwrap();
    assert_eq!(among(&all.each_ref()), [false; 5]);
}

#[test]
fn a_pod_of_podmans_is_held_by_the_container_whose_namespaces_its_others_have_joined() {
    for (fixture, (pause, pid), member, (solo, its_pid), sharer, forged) in [
        (
            "podman-4.3-pods",
            (
                "4ca9313bca451e4e33f1b042acad0fcf2acaf76a0c81566da27bdae3394703ba",
                684,
            ),
            "267f5cc2751b102d587075b67e3018c8a847f2b1b65d7e6db9d4cb5cc3ad07cd",
            (
                "bf3631e500880d4a39c0478cb5cabde6bd46392b18201eb9628fccf6c8c21aa2",
                736,
            ),
            "139f618cbac25cf1b759b292a5cf712c6b435482e289066b7c83861cb2eabb0d",
            "80827f50cace067013cad0b86d983472021efd43d6ea57413c0017ce1ccf9b9c",
        ),
        (
            "podman-5.8-pods",
            (
                "007046054cc23fd9790f222f539465903cefba02c90776300eb8f4d6cc8ff884",
                604,
            ),
            "17cfa0194cf5a4370f3cf93fa61d5f3f7b42cce17b1e1c236bb7c92c18c40d34",
            (
                "a776ec406e79788714d890359dcee1a9cebb518e9082ef5df05725de0bcc68b1",
                623,
            ),
            "9cb75a56230dc8b124ef2a0b1b54d277d10949a691f82a8e4bc636bf4c9da830",
            "9f69b7fb59fd42da7f6d621d9cfb593ed17f1615d6b6ce6efc108fedcb8b2021",
        ),
    ] {
        let node = Node::of(fixture);
        let one = |id, pid| node.container("graph", id, pid);
        // `sharer` has joined namespaces of `solo`, as a compose file may ask for. `forged` names
        // `solo` as its sandbox in an annotation.
        let [pause, member, solo] = [one(pause, pid), one(member, 1), one(solo, its_pid)];
        let [sharer, forged] = [one(sharer, 2), one(forged, 3)];
        assert_eq!(
            among(&[&pause, &member, &solo, &sharer, &forged]),
            [true, false, false, false, false],
            "{fixture}"
        );
        assert_eq!(among(&[&pause]), [false], "{fixture}");
        let of_user = RunningContainer {
            owner: 4_242_424,
            ..member
        };
        assert_eq!(among(&[&pause, &of_user]), [false, false], "{fixture}");
    }
}

#[test]
fn a_pod_that_shares_its_network_alone_has_a_pause_container_too() {
    let node = Node::of("podman-4.3-pods");
    let pause = node.container(
        "graph",
        "cd7db3636c6d46757a9da2ad0cc90a1284d3d9f235ea3268647418e7a6f374f9",
        869,
    );
    let member = node.container(
        "graph",
        "37f644d526efc219d02fb25597e37a19c934caa3980c4e5e8814e79a7fb2c3c8",
        1,
    );
    assert_eq!(among(&[&pause, &member]), [true, false]);
    // The pause container's process now has another ID, so the namespace paths no longer lead to
    // that process.
    let later = RunningContainer {
        process: InitProcess {
            pid: 870,
            started: None,
        },
        ..pause
    };
    assert_eq!(among(&[&later, &member]), [false, false]);
}

#[test]
fn a_pod_of_the_cri_is_held_by_the_sandbox_that_is_itself() {
    let directory = tempfile::tempdir().unwrap();
    for (at, (namespace, kind, sandbox, is_pause)) in [
        ("k8s.io", "sandbox", "p1", true),
        ("k8s.io", "container", "p1", false),
        ("k8s.io", "sandbox", "p2", false),
        ("k8s.io", "sandbox", "", false),
        ("moby", "sandbox", "p1", false),
        ("default", "sandbox", "p1", false),
    ]
    .into_iter()
    .enumerate()
    {
        let bundle = directory
            .path()
            .join(at.to_string())
            .join("io.containerd.runtime.v2.task")
            .join(namespace)
            .join("p1");
        let marks = serde_json::json!({ "io.kubernetes.cri.container-type": kind, "io.kubernetes.cri.sandbox-id": sandbox });
        put(
            &bundle.join("config.json"),
            &serde_json::json!({ "annotations": marks, "root": { "path": "rootfs" } }).to_string(),
        );
        let one = running(&bundle, "p1", 1);
        assert_eq!(among(&[&one]), [is_pause], "{namespace} {kind} {sandbox}");
        let of_user = RunningContainer {
            owner: 4_242_424,
            ..one
        };
        assert_eq!(among(&[&of_user]), [false]);
    }
}

#[test]
fn a_pods_cgroup_is_known_by_the_pods_id() {
    let pod = "ab".repeat(32);
    for (path, expected) in [
        (
            format!("/libpod_parent/{pod}/libpod-c1"),
            Some(format!("/libpod_parent/{pod}/libpod-")),
        ),
        (
            format!("machine-libpod_pod_{pod}.slice:libpod:c1"),
            Some(format!("machine-libpod_pod_{pod}.slice:libpod:")),
        ),
        (
            format!("/own/{pod}/libpod-c1"),
            Some(format!("/own/{pod}/libpod-")),
        ),
        ("/libpod_parent/libpod-c1".to_owned(), None),
        ("machine.slice:libpod:c1".to_owned(), None),
        (format!("/libpod_parent/{pod}/libpod-c2"), None),
        (format!("/libpod_parent/{pod}0/libpod-c1"), None),
    ] {
        assert_eq!(
            pod_cgroup(&path, "c1").map(str::to_owned),
            expected,
            "{path}"
        );
    }
    for (path, expected) in [
        ("/proc/684/ns/ipc", Some(684)),
        ("/proc/self/ns/ipc", None),
        ("/proc/684/root/proc/1/ns/ipc", None),
        ("/proc/684/ns/ipc/x", None),
        ("/run/netns/684", None),
    ] {
        assert_eq!(process_of(Path::new(path)), expected, "{path}");
    }
}
