//! Tests in which containers a command runs, and what is reported about the other containers.

use std::fs;

use serde_json::Value;

use super::fleet::{Fleet, PATCH, chain, until};
use crate::attacks::node::{BASE, OTHER};

/// The image ID of the fixture's `app:1`. All containers `web-…` are made from that image.
const APP: &str = "sha256:70c9f6d1982f621b2b704bb4d6b88c8b464520861a712415aea4dfc9f67d7a1f";

/// Three containers of `app:1`, and one of another image.
fn mixed() -> Fleet {
    let mut fleet = Fleet::of(3);
    fleet.start_of("other-1", &["another base", "another app"]);
    fleet
}

/// Runs exec-patch with these arguments, and returns the names of the containers in which the
/// command ran. The exit status must be `status`.
fn chosen(fleet: &Fleet, words: &[&str], status: i32) -> Vec<String> {
    for name in fleet.ledger().keys() {
        fs::remove_file(fleet.path("ledger").join(name)).unwrap();
    }
    let said = fleet.run(&[words, &["--again", "--"], &PATCH].concat());
    assert_eq!(said.status, Some(status), "{words:?}: {said:?}");
    fleet.patched()
}

#[test]
fn each_way_of_choosing_finds_exactly_its_containers() {
    let fleet = mixed();
    let (other, web) = (chain(&["another base"]), ["web-1", "web-2", "web-3"]);
    for (words, names) in [
        (&["--ban", "BAN-1"][..], &web[..]),
        (&["--all-banned"], &web),
        (&["--base", BASE], &web),
        (&["--base", &other], &["other-1"]),
        (
            &["--base", &chain(&["another base", "another app"])],
            &["other-1"],
        ),
        (&["--image", APP], &web),
        (&["--image", "app:1"], &web),
        (&["--base", BASE, "--container", "web-2"], &["web-2"]),
        (
            &[
                "--base",
                BASE,
                "--container",
                "web-2",
                "--container",
                &Fleet::id("web-3"),
            ],
            &["web-2", "web-3"],
        ),
        (
            &["--base", BASE, "--container", &Fleet::id("web-1")[..12]],
            &["web-1"],
        ),
        (&["--base", BASE, "--engine", "docker"], &web),
    ] {
        assert_eq!(chosen(&fleet, words, 0), names, "{words:?}");
    }
}

#[test]
fn nothing_to_do_shows_in_the_exit_status() {
    let fleet = mixed();
    for words in [
        &["--base", OTHER][..],
        &["--base", BASE, "--engine", "podman"],
        &["--base", BASE, "--namespace", "k8s.io"],
        &["--base", BASE, "--container", "other-1"],
    ] {
        assert_eq!(chosen(&fleet, words, 2), [""; 0], "{words:?}");
    }
    assert_eq!(Fleet::new().patch(&[]).status, Some(2));
}

#[test]
fn a_name_that_finds_nothing_is_reported() {
    let fleet = mixed();
    for words in [
        &["--container", "nope"][..],
        &["--container", "nope", "--dry-run"],
    ] {
        let said = fleet.patch(words);
        assert_eq!(
            (said.status, said.out.as_str()),
            (Some(3), "no container matches\n"),
            "{words:?}: {said:?}"
        );
        assert!(
            said.err.contains(
                "cannot find a running container whose name is nope, or whose ID begins with it"
            ),
            "{words:?}: {said:?}"
        );
    }
    // The containers that are found are still patched. A container that exists but does not match
    // is treated as found.
    for (other, status, patched) in [
        ("nope", 3, &["web-1"][..]),
        ("other-1", 0, &["web-1", "web-2"]),
    ] {
        let name = patched.last().unwrap();
        assert_eq!(
            fleet
                .patch(&["--container", name, "--container", other, "--dry-run"])
                .status,
            Some(status),
            "{other}"
        );
        assert_eq!(
            fleet
                .patch(&["--container", name, "--container", other])
                .status,
            Some(status),
            "{other}"
        );
        assert_eq!(fleet.patched(), patched, "{other}");
    }
    for (words, said) in [
        (
            &["--engine", "podman"][..],
            "no container of podman runs here",
        ),
        (
            &["--engine", "podman", "--engine", "docker"],
            "no container of podman runs here",
        ),
        (
            &["--namespace", "k8s.io"],
            "no container runs in the namespace k8s.io",
        ),
    ] {
        let plan = fleet.patch(&[words, &["--dry-run"]].concat());
        assert!(
            plan.err.contains(said) && !plan.err.contains("docker"),
            "{words:?}: {plan:?}"
        );
    }
}

#[test]
fn arguments_without_sense_are_distinguished_from_what_cannot_be_done() {
    let fleet = Fleet::of(1);
    for (words, status) in [
        (&[][..], 64),
        (&["--base", BASE], 64),
        (&["--base", BASE, "--ban", "BAN-1", "--", "true"], 64),
        (&["--all-banned", "--no-such-flag"], 64),
        (&["--base", BASE, "--parallel", "0", "--", "true"], 64),
        (&["--base", BASE, "--user", "root", "--", "true"], 64),
        (&["--resume", "../../etc"], 64),
        (&["--resume", "20260101-000000-abcd"], 1),
        (&["--ban", "BAN-9", "--", "true"], 1),
        (&["--base", "no/such/file.tar", "--", "true"], 1),
        (&["--base", BASE, "--script", "no-such-script"], 1),
        (
            &["--base", BASE, "--program", "/bin/sh", "--", "-c", "true"],
            1,
        ),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let said = fleet.run(words);
        assert_eq!(said.status, Some(status), "{words:?}: {said:?}");
        assert_eq!(said.err.is_empty(), status == 0, "{words:?}: {said:?}");
    }
    assert!(fleet.calls().is_empty() && fleet.ledger().is_empty());
}

#[test]
fn a_dry_run_says_what_would_run_where_and_why_and_does_nothing() {
    let fleet = mixed();
    let said = fleet.patch(&["--dry-run", "--user", "7:8"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    for reported in [
        "web-1",
        "web-2",
        "web-3",
        "app:1",
        BASE,
        "docker",
        "echo patched",
    ] {
        assert!(said.out.contains(reported), "{reported}: {}", said.out);
    }
    assert!(!said.out.contains("other-1"), "{}", said.out);
    assert_eq!(
        (
            fleet.calls().len(),
            fleet.runs().len(),
            fleet.ledger().len()
        ),
        (0, 0, 0)
    );
    assert_eq!(
        fleet
            .run(&["--base", OTHER, "--dry-run", "--", "true"])
            .status,
        Some(2)
    );
}

#[test]
fn a_corrupt_state_costs_one_container_one_line_and_never_the_run() {
    let mut fleet = Fleet::of(2);
    for (name, state) in [
        ("torn", "{\"id\":"),
        ("empty", ""),
        ("foreign", "{\"version\":9}"),
    ] {
        fleet.start(name);
        fleet.write_state(name, state);
    }
    // A container that is just starting or stopping.
    fleet.start("going");
    fs::remove_file(fleet.state("going").join("state.json")).unwrap();
    // A container that has ended, but whose state still exists.
    fleet.start("ended");
    let state = fs::read_to_string(fleet.state("ended").join("state.json")).unwrap();
    fleet.stop("ended");
    fleet.write_state("ended", &state);
    let said = fleet.patch(&[]);
    assert_eq!(said.status, Some(3), "{said:?}");
    assert_eq!(fleet.patched(), ["web-1", "web-2"]);
    let journal = Fleet::journal(&fleet.runs()[0]);
    let unidentified: Vec<_> = journal
        .iter()
        .filter(|line| line["event"] == "not-understood")
        .collect();
    assert_eq!(unidentified.len(), 3, "{unidentified:?}");
    for name in ["torn", "empty", "foreign"] {
        let place = fleet.state(name).join("state.json");
        assert!(
            unidentified
                .iter()
                .any(|unidentified| unidentified["place"].as_str() == place.to_str()),
            "{name}: {unidentified:?}"
        );
        assert!(
            said.out.contains(&Fleet::id(name)[..12]),
            "{name}: {}",
            said.out
        );
    }
    // A run for one named container reports nothing about other containers.
    assert_eq!(
        fleet.patch(&["--container", "web-1", "--again"]).status,
        Some(0)
    );
}

#[test]
fn one_container_in_two_roots_is_one() {
    let fleet = Fleet::of(1);
    let other = fleet.path("node/run/runc").join(Fleet::id("web-1"));
    crate::authoring::copy(&fleet.state("web-1"), &other);
    fleet.node.room.give(&other.join("state.json"));
    assert_eq!(fleet.patch(&[]).status, Some(0));
    assert_eq!(fleet.patched(), ["web-1"]);
}

#[test]
fn a_container_whose_process_id_is_anothers_by_now_is_not_entered() {
    let fleet = Fleet::of(2);
    let path = fleet.state("web-2").join("state.json");
    let mut state: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    state["init_process_start"] = (state["init_process_start"].as_u64().unwrap() - 1).into();
    fleet.write_state("web-2", &state.to_string());
    assert_eq!(fleet.patch(&[]).status, Some(0));
    assert_eq!(fleet.patched(), ["web-1"]);
}

#[test]
fn containers_that_start_meanwhile_are_patched_too() {
    let mut fleet = Fleet::of(2);
    let script = format!(
        "while ! test -e {}; do sleep 0.05; done; echo patched >> \"$LEDGER\"",
        fleet.path("ledger/.go").display()
    );
    let mut run = fleet.exec_patch(&[
        "--base", BASE, "--canary", "0", "--", "/bin/sh", "-c", &script,
    ]);
    let run = run
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    until("two are started", || fleet.started().len() == 2);
    fleet.start("late-1");
    fs::write(fleet.path("ledger/.go"), "patched\n").unwrap();
    let said = fleet.said(&run.wait_with_output().unwrap());
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(fleet.patched(), [".go", "late-1", "web-1", "web-2"]);
}
