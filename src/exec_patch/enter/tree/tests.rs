//! Tests that the processes of a patch are found and ended wherever they go.

#![allow(
    clippy::disallowed_methods,
    reason = "only real processes have descendants"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::place::still_runs;
use super::*;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::sys::{pidfd, proc};

const SOON: Patience = Patience {
    grace: Duration::from_millis(300),
    kill: Duration::from_secs(3),
};

/// A container as a user can make one: a first process in its own namespaces, in a shared cgroup.
struct Room {
    outside: Child,
    container: Container,
}

impl Room {
    fn new() -> Self {
        // The first process reports that it is ready and starts nothing more; it does not reap its
        // new children.
        let script = "echo ready; exec sleep 1000";
        let mut outside = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--pid",
                "--mount",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                script,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(outside.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        let pid = proc::children(outside.id())[0];
        let container = container(pid);
        Self { outside, container }
    }

    /// A process that enters the container, as a runtime does.
    fn enter(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        let target = self.container.pid.to_string();
        command.args([
            "--target",
            &target,
            "--user",
            "--preserve-credentials",
            "--pid",
            "--mount",
            "sh",
            "-c",
            script,
        ]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.outside.kill().unwrap();
        self.outside.wait().unwrap();
    }
}

fn container(pid: u32) -> Container {
    Container {
        id: "no cgroup is named for it".to_owned(),
        engine: Engine::Unknown,
        namespace: None,
        name: None,
        image: None,
        image_id: None,
        kind: RuntimeKind::Runc,
        root: "/run/runc".into(),
        bundle: "/bundle".into(),
        owner: nix::unistd::geteuid().as_raw(),
        pid,
        started: proc::stat(pid).unwrap().started,
    }
}

/// Starts `command` as a runtime's process of `tree`.
fn start(tree: &mut Tree, mut command: Command) -> Runtime {
    let child = command.spawn().unwrap();
    tree.started(child.id(), [0, 0]);
    Runtime(child)
}

/// A runtime's process, which is killed at the end of a test, even of a failing one.
struct Runtime(Child);

impl Drop for Runtime {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn names(processes: &[PatchProcess]) -> Vec<String> {
    let mut names: Vec<_> = processes
        .iter()
        .map(|process| format!("{} {}", process.name, process.is_sure))
        .collect();
    names.sort();
    names
}

/// Waits until `tree` sees the wanted processes. The names that are compared say whether a process
/// is sure. The wait lasts a minute at most: the machine may be busy.
fn await_seen(tree: &mut Tree, is_wanted: impl Fn(&[String]) -> bool) {
    let start = Instant::now();
    loop {
        let seen = names(&tree.alive());
        if is_wanted(&seen) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{seen:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until `tree` sees exactly the `expected` processes.
fn await_alive(tree: &mut Tree, expected: &[&str]) {
    await_seen(tree, |seen| seen == expected);
}

fn end(tree: &mut Tree, runtime: &mut Runtime) -> Vec<PatchProcess> {
    tree.end(SOON, |time| {
        runtime.0.try_wait().unwrap();
        thread::sleep(time);
    })
}

#[test]
fn what_has_ended_and_the_first_process_does_not_wait_for_is_named() {
    let room = Room::new();
    let mut tree = Tree::new(&room.container, "EMBARGO_PATCH=ended.1");
    let mut runtime = start(
        &mut tree,
        room.enter("(sleep 0.1 &); (/bin/true &); sleep 0.3"),
    );
    runtime.0.wait().unwrap();
    assert_eq!(names(&tree.zombies()), ["sleep true", "true true"]);
    assert_eq!(tree.alive(), []);
    assert_eq!(
        Tree::new(&room.container, "EMBARGO_PATCH=ended.2").zombies(),
        []
    );
}

#[test]
fn what_descends_from_the_runtime_is_found_and_ended() {
    let mut tree = Tree::new(&container(std::process::id()), "EMBARGO_PATCH=test.1");
    assert_eq!(tree.alive(), []);
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "sleep 1000 & setsid sleep 1001 & sh -c 'sleep 1002; :' & wait",
    ]);
    let mut runtime = start(&mut tree, command);
    await_alive(
        &mut tree,
        &["sh true", "sleep true", "sleep true", "sleep true"],
    );
    assert_eq!(end(&mut tree, &mut runtime), []);
    let status = runtime.0.try_wait().unwrap().unwrap();
    assert_ne!(
        status.to_string(),
        "signal: 9 (SIGKILL)",
        "SIGTERM is enough"
    );
}

#[test]
fn who_ignores_a_request_to_end_is_killed_with_all_that_it_forks() {
    let mut tree = Tree::new(&container(std::process::id()), "EMBARGO_PATCH=test.2");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap '' TERM; sleep 1000 & while :; do sleep 0.01; done",
    ]);
    let mut runtime = start(&mut tree, command);
    // The command starts a first process only after it has begun to ignore the signal.
    await_seen(&mut tree, |seen| {
        seen.iter().any(|name| name.starts_with("sleep "))
    });
    let start = Instant::now();
    assert_eq!(end(&mut tree, &mut runtime), []);
    assert!(start.elapsed() >= SOON.grace);
    assert_eq!(runtime.0.wait().unwrap().to_string(), "signal: 9 (SIGKILL)");
}

#[test]
fn a_daemon_without_environment_session_and_pipes_is_found_by_its_dye() {
    let room = Room::new();
    let mut tree = Tree::new(&room.container, "EMBARGO_PATCH=test.3");
    let mut runtime = start(
        &mut tree,
        room.enter("trap '' TERM; setsid env -i setsid sh -c 'sleep 1000 & sleep 1001 &' &"),
    );
    assert!(runtime.0.wait().unwrap().success());
    // No scan saw these processes while their parents lived.
    await_alive(&mut tree, &["sleep true", "sleep true"]);
    let start = Instant::now();
    assert_eq!(end(&mut tree, &mut runtime), []);
    assert!(start.elapsed() >= SOON.grace, "SIGTERM was ignored");
    assert!(still_runs((room.container.pid, room.container.started)));
}

#[test]
fn without_the_dye_the_marker_and_the_pipes_are_traces() {
    let room = Room::new();
    let mut tree = Tree::new(&room.container, "EMBARGO_PATCH=test.4");
    tree.dye = None;
    let (held, holds) = std::io::pipe().unwrap();
    let mut command = room.enter("sleep 1000 & env -i sleep 1001 >/dev/null &");
    command.env("EMBARGO_PATCH", "test.4").stderr(holds);
    let mut runtime = Runtime(command.spawn().unwrap());
    let inode = std::os::unix::fs::MetadataExt::ino(
        &std::fs::File::from(std::os::fd::OwnedFd::from(held))
            .metadata()
            .unwrap(),
    );
    drop(command);
    tree.started(runtime.0.id(), [0, inode]);
    assert!(runtime.0.wait().unwrap().success());
    await_alive(&mut tree, &["sleep true", "sleep true"]);
    assert_eq!(end(&mut tree, &mut runtime), []);
}

#[test]
fn an_orphan_that_began_meanwhile_is_named_and_left_alone() {
    let room = Room::new();
    let mut tree = Tree::new(&room.container, "EMBARGO_PATCH=test.5");
    let mut runtime = start(&mut tree, room.enter("exec sleep 1000"));
    // A thread of its own starts this process, so that it is not dyed.
    let other = |script: &str| {
        let mut command = room.enter(script);
        let undyed = || {
            prctl::set_timerslack(USUAL_SLACK).unwrap();
            command.spawn().unwrap()
        };
        thread::scope(|scope| scope.spawn(undyed).join().unwrap())
    };
    tree.place.session = None;
    other("setsid sleep 1002 &").wait().unwrap();
    let mut check = other("sleep 1003; :");
    assert_ne!(proc::timer_slack(check.id()), tree.dye);
    await_alive(&mut tree, &["sleep true"]);
    let left = end(&mut tree, &mut runtime);
    assert_eq!(names(&left), ["sleep false"]);
    assert_eq!(
        left[0].to_string(),
        format!("{} sleep (may be its)", left[0].pid)
    );
    assert!(still_runs((left[0].pid, left[0].started)) && check.try_wait().unwrap().is_none());
    check.kill().unwrap();
    check.wait().unwrap();
}

#[test]
fn the_first_process_of_a_pid_namespace_gets_the_orphans_of_those_below_it_as_well() {
    for (parents, ids, expected) in [
        (&[792, 1][..], &[895, 29][..], true),
        (&[792, 1], &[895, 29, 1], true),
        (&[895, 29, 1], &[896, 30, 2], true),
        (&[800, 8], &[895, 29], false),
        (&[800, 8], &[895, 29, 1], false),
        (&[792, 1], &[895], false),
        // The parent is a runtime, or the first process in the caller's own namespace.
        (&[700], &[895, 29], false),
        (&[1], &[895, 29], false),
        (&[1], &[895], false),
    ] {
        assert_eq!(gets_orphans(parents, ids), expected, "{parents:?} {ids:?}");
    }
}

#[test]
fn an_undyed_daemon_in_a_namespace_of_its_own_is_reported() {
    let room = Room::new();
    let mut tree = Tree::new(&room.container, "EMBARGO_PATCH=test.9");
    let script =
        "echo 50000 >/proc/self/timerslack_ns; env -i unshare --pid sh -c 'sleep 1000 & exit'";
    let mut runtime = start(&mut tree, room.enter(script));
    runtime.0.wait().unwrap();
    // No scan ran while the parents lived.
    let left = end(&mut tree, &mut runtime);
    assert_eq!(names(&left), ["sleep false"]);
}

#[test]
fn when_the_container_is_gone_nothing_is_left() {
    let room = Room::new();
    let mut tree = Tree::new(&room.container, "EMBARGO_PATCH=test.6");
    let mut runtime = start(
        &mut tree,
        room.enter("trap '' TERM; sleep 1000 & sleep 1000"),
    );
    drop(room);
    runtime.0.wait().unwrap();
    await_alive(&mut tree, &[]);
    assert_eq!(end(&mut tree, &mut runtime), []);
}

#[test]
fn another_process_with_the_same_id_gets_no_signal() {
    let tree = Tree::new(&container(std::process::id()), "EMBARGO_PATCH=test.7");
    let mut bystander = Command::new("sleep").arg("1000").spawn().unwrap();
    let (pid, started) = key_of(bystander.id()).unwrap();
    let process = |started| PatchProcess {
        pid,
        started,
        name: "sleep".to_owned(),
        is_sure: true,
    };
    tree.signal(&process(started - 1), Signal::SIGKILL);
    tree.signal(&process(started + 1), Signal::SIGKILL);
    thread::sleep(Duration::from_millis(50));
    assert!(bystander.try_wait().unwrap().is_none());
    tree.signal(&process(started), Signal::SIGKILL);
    bystander.wait().unwrap();
}

#[test]
fn in_a_users_container_only_what_is_in_that_users_power_is_signalled() {
    let room = Room::new();
    let own = nix::unistd::geteuid().as_raw();
    assert_eq!(pidfd::owners(room.container.pid).unwrap(), [own]);
    assert!(pidfd::owners(std::process::id()).unwrap().is_empty());
    let mut tree = Tree::new(&room.container, "EMBARGO_PATCH=test.8");
    assert!(!tree.place.protects(room.container.pid) && !tree.place.protects(std::process::id()));
    // For another owner, the result depends on whether this test runs as root.
    tree.place.owner = 4_000_000;
    assert_eq!(
        tree.place.protects(room.container.pid),
        nix::unistd::geteuid().is_root()
    );
}

#[test]
fn each_container_of_each_run_has_its_dye() {
    thread::spawn(|| {
        let dyes: BTreeSet<_> = (0..100)
            .map(|number| dye(&format!("EMBARGO_PATCH=20261120-220000-ab12.{number}")).unwrap())
            .collect();
        assert!(dyes.len() > 95, "{dyes:?}");
        assert!(
            dyes.iter()
                .all(|dye| (USUAL_SLACK + 1..=USUAL_SLACK + DYES).contains(dye))
        );
        let child = Command::new("cat")
            .arg("/proc/self/timerslack_ns")
            .output()
            .unwrap();
        let last = dye("EMBARGO_PATCH=20261120-220000-ab12.99").unwrap();
        assert_eq!(
            String::from_utf8(child.stdout).unwrap(),
            format!("{last}\n")
        );
    })
    .join()
    .unwrap();
}
