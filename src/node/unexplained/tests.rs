//! Tests which processes are reported as containers that no state explains.

use super::super::monitors::testing::process;
use super::super::runtime_state::{InitProcess, alive};
use super::*;
use crate::container::runtime::RuntimeKind;

const SHIM: &str = "/usr/bin/containerd-shim-runc-v2 -namespace moby -id web -address /run/c.sock";

/// The first process of a container; `parent` monitors the container. No process has the ID of
/// `parent`.
fn first(pid: u32, parent: u32) -> Process {
    Process {
        depth: 1,
        is_first: true,
        ..process(pid, parent, "sleep 1000")
    }
}

/// State that names this test process, which is alive.
fn state(owner: u32) -> RunningContainer {
    RunningContainer {
        id: ContainerId::parse("web").unwrap(),
        kind: RuntimeKind::Runc,
        root: "/run/runc".into(),
        bundle: "/b".into(),
        process: InitProcess {
            pid: std::process::id(),
            started: None,
        },
        owner,
    }
}

fn named(processes: &[Process], known: &[RunningContainer]) -> Vec<String> {
    let found = containers(processes, known, &alive(known), Whose::Everybodys);
    found
        .iter()
        .map(|one| {
            format!(
                "{} {}: {}",
                one.container.engine, one.container.id, one.container.why
            )
        })
        .collect()
}

#[test]
fn a_container_of_a_monitor_is_named_unless_state_explains_its_process() {
    let shim = Process {
        user: 4_242_424,
        ..process(u32::MAX, 1, SHIM)
    };
    let child = first(std::process::id(), shim.pid);
    let said = "unknown web: process 4294967295 runs it, and no known state directory has it: the settings' runtime_roots may lack one";
    for (known, lines) in [
        (vec![], &[said][..]),
        (vec![state(0)], &[]),
        (vec![state(4_242_424)], &[]),
        // State of another user explains nothing. State that names another process explains nothing
        // either.
        (vec![state(4_242_425)], &[said]),
        (
            vec![RunningContainer {
                process: InitProcess {
                    pid: 0,
                    started: None,
                },
                ..state(0)
            }],
            &[said],
        ),
        (
            vec![RunningContainer {
                process: InitProcess {
                    started: Some(1),
                    ..state(0).process
                },
                ..state(0)
            }],
            &[said],
        ),
    ] {
        assert_eq!(named(&[shim.clone(), child.clone()], &known), lines);
    }
    // A monitor without children no longer monitors anything.
    assert_eq!(named(&[shim], &[]), [""; 0]);
}

/// An ordinary user was once told to look at `runtime_roots`, although root's state directory could
/// only not be read.
#[test]
fn state_of_others_is_root_s_to_read() {
    let user = |id| nix::unistd::Uid::from_raw(id);
    for (caller, owner, reads) in [(0, 0, true), (0, 7, true), (7, 7, true), (7, 0, false)] {
        assert_eq!(
            reads_state_of(owner, user(caller)),
            reads,
            "{caller} {owner}"
        );
    }
}

#[test]
fn each_container_of_a_pod_is_named_and_what_runs_in_one_is_none() {
    let shim = process(u32::MAX, 1, SHIM);
    let known = first(std::process::id(), shim.pid);
    let command = Process {
        is_first: false,
        depth: 1,
        ..process(u32::MAX - 3, shim.pid, "sh")
    };
    let all = [
        shim.clone(),
        known,
        first(u32::MAX - 1, shim.pid),
        first(u32::MAX - 2, shim.pid),
        command,
    ];
    assert_eq!(named(&all, &[state(0)]).len(), 2);
    assert_eq!(named(&all, &[]).len(), 3);
}

#[test]
fn a_container_of_an_engine_in_a_container_is_named_with_the_outer_one() {
    let outer = first(std::process::id(), 1);
    let shim = Process {
        depth: 1,
        ..process(u32::MAX, outer.pid, &SHIM.replace("web", "inner"))
    };
    let inner = Process {
        depth: 2,
        ..first(u32::MAX - 1, shim.pid)
    };
    let said = "unknown inner: it runs inside container web, with an engine of its own, whose files cannot be read from here";
    assert_eq!(named(&[outer, shim, inner], &[state(0)]), [said]);
}

#[test]
fn only_what_oci_runtimes_mount_makes_a_first_process_a_container() {
    let line = |root: &str, point: &str, kind: &str| {
        format!("204 203 0:94 {root} {point} rw,nosuid shared:1 - {kind} {kind} rw\n")
    };
    for (mounts, is_container) in [
        (line("/", "/dev/mqueue", "mqueue"), true),
        (line("/null", "/proc/keys", "tmpfs"), true),
        (line("/null", "/proc/kcore", "devtmpfs"), true),
        (
            line("/", "/proc", "proc") + &line("/", "/dev", "tmpfs"),
            false,
        ),
        // systemd-nspawn mounts files over files in /proc.
        (
            line("/systemd/inaccessible/reg", "/proc/kcore", "tmpfs"),
            false,
        ),
        (line("/", "/dev/mqueue", "tmpfs"), false),
        (line("/null", "/etc/keys", "tmpfs"), false),
        (String::new(), false),
    ] {
        assert_eq!(has_oci_mounts(&mounts), is_container, "{mounts}");
    }
}

#[test]
fn a_unit_of_systemds_and_a_machine_of_another_manager_are_no_containers() {
    for (cgroups, is_theirs) in [
        ("0::/system.slice/private-mounts.service\n", true),
        ("0::/machine.slice/machine-debian.scope/payload\n", true),
        (
            "0::/machine.slice/systemd-nspawn@debian.service/payload/init.scope\n",
            true,
        ),
        ("12:pids:/lxc.payload.web/init.scope\n0::/\n", true),
        ("0::/machine.slice/libpod-e7a6.scope\n", false),
        ("0::/system.slice/docker-66ec.scope\n", false),
        ("1:name=systemd:/bare1\n0::/bare1\n", false),
        ("", false),
    ] {
        assert_eq!(is_of_another_manager(cgroups), is_theirs, "{cgroups}");
    }
    let id = "66ec".repeat(16);
    for (cgroup, found) in [
        (format!("/docker/{id}"), true),
        (format!("/system.slice/docker-{id}.scope"), true),
        (format!("/libpod_parent/libpod-{id}/container"), true),
        ("/bare1".to_owned(), false),
        ("/".to_owned(), false),
    ] {
        assert_eq!(
            id_in(&cgroup),
            Some(id.clone()).filter(|_| found),
            "{cgroup}"
        );
    }
}
