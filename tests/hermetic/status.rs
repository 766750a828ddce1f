//! Tests what `embargoctl status` says about a node, with the real programs.
//!
//! The node is that of the attacks: Docker's store, a keyset, and lists that the real `embargoctl`
//! builds and installs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::Value;

use crate::attacks::node::{BASE, Node, OTHER, keyset};
use crate::exec_patch::fleet::Fleet;
use crate::room::Room;

/// The result of `status` with these options.
fn status(node: &Node, options: &[&str]) -> (i32, String, String) {
    let words = [&["status"], options].concat();
    let Output {
        status,
        stdout,
        stderr,
    } = node.ctl(&words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn json(node: &Node) -> Value {
    serde_json::from_str(&status(node, &["--json"]).1).unwrap()
}

#[test]
fn a_node_in_order_is_ok_in_every_form() {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(412).banning("base", &[OTHER]).by(&[1]))
        .unwrap();
    let found = json(&node);
    for (pointer, value) in [
        ("/schema", Value::from(1)),
        ("/armed", true.into()),
        ("/mode", "enforce".into()),
        ("/in_force/version", 412.into()),
        ("/in_force/slot", "current".into()),
        ("/floor/version", 412.into()),
        ("/last_install/result", "ok".into()),
        ("/programs/gate", found["programs"]["ctl"].clone()),
        ("/containers/doomed", Value::Array(Vec::new())),
        ("/containers/faults", Value::Array(Vec::new())),
        ("/runtimes/names", Value::Array(Vec::new())),
        ("/runtimes/faults", Value::Array(Vec::new())),
    ] {
        assert_eq!(found.pointer(pointer), Some(&value), "{pointer}: {found:#}");
    }
    let (exit, text, fault) = status(&node, &[]);
    assert_eq!((exit, fault.as_str()), (0, ""), "{text}");
    assert!(
        text.starts_with("mode      enforce: what the list bans is refused\n"),
        "{text}"
    );
}

#[test]
fn what_others_have_to_read_is_made_for_them_whatever_umask_the_caller_has() {
    let node = tempfile::tempdir().unwrap();
    let root = node.path().to_str().unwrap();
    for words in [["status", "--write"], ["configure", "podman"]] {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "umask 077; exec \"$@\"", "sh"]);
        shell.arg(env!("CARGO_BIN_EXE_embargoctl"));
        fs::create_dir_all(node.path().join("usr/bin")).unwrap();
        fs::copy("/bin/true", node.path().join("usr/bin/embargo")).unwrap();
        let output = shell.args(["--root", root]).args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    for (made, mode) in [
        ("run/embargo", 0o755),
        ("run/embargo/status.json", 0o644),
        ("var/lib/embargo", 0o755),
        ("var/lib/embargo/configure/podman.json", 0o600),
        ("etc/containers/containers.conf.d", 0o755),
        ("etc/containers/containers.conf.d/50-embargo.conf", 0o644),
    ] {
        let facts = fs::metadata(node.path().join(made)).unwrap();
        assert_eq!(facts.permissions().mode() & 0o7777, mode, "{made}");
    }
}

#[test]
fn metrics_never_take_the_place_of_a_device_or_a_fifo() {
    let node = Node::with_list(412);
    let directory = crate::room::open_directory();
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for file in ["/dev/stdout", fifo.to_str().unwrap()] {
        let (exit, text, fault) = status(&node, &["--textfile", file]);
        assert_eq!((exit, text.as_str()), (1, ""), "{file}");
        assert!(
            fault.starts_with(&format!("embargoctl: cannot write {file:?}: ")),
            "{fault}"
        );
    }
    assert!(!fs::metadata(&fifo).unwrap().is_file());
}

#[test]
fn a_refused_installation_is_on_record_with_its_reason() {
    let node = Node::with_list(412);
    let reason = node.install(&node.list(411).by(&[1])).unwrap_err();
    let found = json(&node);
    assert_eq!(found["last_install"]["result"], "rollback");
    let recorded = found["last_install"]["reason"].as_str().unwrap();
    let cut = recorded.replace(node.room.path("").to_str().unwrap(), "/");
    assert!(
        reason.starts_with(&cut) || cut.contains("cannot go back to version 411"),
        "{cut}"
    );
    assert!(found["last_install"]["success"].is_string());
    let (exit, line, _) = status(&node, &["--check"]);
    assert!(
        line.contains("last installation: rollback: cannot go back to version 411"),
        "{exit} {line}"
    );
    assert_ne!(exit, 0);
}

#[test]
fn settings_that_cannot_be_used_are_critical_and_an_installation_is_recorded_as_refused() {
    let node = Node::with_list(412);
    fs::write(
        node.room.path("node/etc/embargo/config.toml"),
        "mode = \"enforced\"\n",
    )
    .unwrap();
    let (exit, line, _) = status(&node, &["--check"]);
    assert!(line.starts_with("CRITICAL: cannot use settings "), "{line}");
    assert_eq!((exit, line.matches('\n').count()), (2, 1));
    assert!(node.run(&["install", "staged.lst"]).is_err());
    assert_eq!(json(&node)["last_install"]["result"], "settings");
}

#[test]
fn the_files_for_everybody_are_written_whole_with_mode_0644() {
    let node = Node::with_list(412);
    let metrics = node.room.path("embargo.prom");
    let (exit, text, fault) = status(&node, &["--write", "--textfile", metrics.to_str().unwrap()]);
    assert_eq!((exit, text.as_str(), fault.as_str()), (0, "", ""));
    let state = node.room.path("node/run/embargo/status.json");
    for path in [&metrics, &state] {
        let facts = fs::metadata(path).unwrap();
        assert_eq!(facts.permissions().mode() & 0o777, 0o644, "{path:?}");
    }
    let stored: Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    assert_eq!(stored["in_force"]["version"], 412);
    let text = fs::read_to_string(metrics).unwrap();
    assert!(text.contains("\nembargo_list_version 412\n"), "{text}");
    assert_eq!(
        status(&node, &["--textfile", "-"]).1.lines().next(),
        text.lines().next()
    );
    // Every line of a metric belongs to the comment before it, as Prometheus expects.
    let mut metric = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            rest.split(' ').next().unwrap().clone_into(&mut metric);
        } else if !line.starts_with("# TYPE ") {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(name, metric, "{line}");
        }
    }
}

#[test]
fn a_list_that_is_lost_is_critical_and_has_no_version() {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(412).banning("base", &[BASE]).by(&[1]))
        .unwrap();
    node.lose_list();
    let (exit, line, _) = status(&node, &["--check"]);
    assert!(
        exit == 2 && line.starts_with("CRITICAL: no list: "),
        "{line}"
    );
    let metrics = status(&node, &["--textfile", "-"]).1;
    assert!(!metrics.contains("\nembargo_list_version "), "{metrics}");
    assert!(metrics.contains("slot=\"none\"} 1\n"), "{metrics}");
}

/// The state of a fleet's node, as the user sees it who runs its containers.
fn of_fleet(fleet: &Fleet) -> Value {
    let program = Room::program().with_file_name("embargoctl");
    let output = fleet
        .node
        .room
        .embargo_at(&program)
        .args(["status", "--json"])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn running_containers_are_doomed_and_unpatched_until_their_patch_has_run() {
    let ban =
        "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-01\n";
    let patch = "[ban.patch]\nrun = [\"/bin/sh\", \"-c\", \"echo patched >> \\\"$LEDGER\\\"\"]\n";
    let source = format!("{ban}[[ban.match]]\nbase = \"{BASE}\"\n{patch}");
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(1).source(source).by(&[1])).unwrap();
    let mut fleet = Fleet::on(node);
    fleet.start("web-1");
    fleet.start("web-2");
    let found = of_fleet(&fleet);
    let containers = &found["containers"];
    let doomed = containers["doomed"].as_array().unwrap();
    assert_eq!(doomed.len(), 2, "{found:#}");
    assert_eq!(doomed[0]["ban"], "BAN-1");
    assert_eq!(containers["patches"]["last_run"], Value::Null);
    assert_eq!(
        containers["unpatched"],
        serde_json::json!([
            { "ban": "BAN-1", "severity": "high", "engine": "docker", "containers": 2 }
        ])
    );
    assert_eq!(fleet.run(&["--all-banned"]).status, Some(0));
    let found = of_fleet(&fleet);
    let containers = &found["containers"];
    assert_eq!(containers["unpatched"], serde_json::json!([]), "{found:#}");
    assert_eq!(
        containers["patches"]["last_run"]["outcomes"],
        serde_json::json!([{ "outcome": "patched", "patches": 2 }])
    );
    assert!(containers["patches"]["journal_bytes"].as_u64().unwrap() > 0);
}
