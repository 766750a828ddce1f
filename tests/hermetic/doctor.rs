//! Tests what the real `embargoctl doctor` finds on a node that needs no engine: its list, floor,
//! keyset and clock, with the real files that `install` wrote.

use std::fs;

use embargo::sys::clock::Timestamp;
use serde_json::Value;

use crate::attacks::clock::{self, DAY};
use crate::attacks::node::{Node, keyset};

const ISSUED: &str = "2026-11-20T14:00:00Z";

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A node with list 5, which expires 14 days after its issue.
fn node() -> Node {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(5);
    let list = list.times(time(ISSUED), time(ISSUED).plus(14 * DAY));
    node.install(&list.by(&[1])).unwrap();
    node
}

/// The exit status of `doctor`, and its answer, when the clock shows this time.
fn doctor(node: &Node, now: Timestamp, words: &[&str]) -> (Option<i32>, Value) {
    let words = [&["doctor", "--json"], words].concat();
    let output = clock::at(now, &mut node.ctl(&words)).output().unwrap();
    let answer = serde_json::from_slice(&output.stdout);
    (
        output.status.code(),
        answer.unwrap_or_else(|error| panic!("{error}: {output:?}")),
    )
}

/// Asserts that doctor reports this check with this level, and that its message contains `text`.
fn finds(node: &Node, now: Timestamp, check: &str, level: &str, text: &str) {
    let (_, answer) = doctor(node, now, &[]);
    let findings = answer["findings"].as_array().unwrap();
    let finding = findings.iter().find(|one| one["check"] == check).unwrap();
    assert_eq!(finding["level"], level, "{check} at {now}: {finding}");
    let message = finding["message"].as_str().unwrap();
    assert!(message.contains(text), "{check} at {now}: {message}");
}

#[test]
fn doctor_judges_the_list_and_the_clock_as_a_start_does() {
    let node = node();
    node.set("mode = \"enforce\"\n");
    for (clock, list, said) in [
        ("2026-11-21T00:00:00Z", "ok", "list 5 is authentic"),
        ("2026-12-03T00:00:00Z", "warning", ", in 1 day"),
        ("2026-12-05T00:00:00Z", "warning", "is still enforced"),
        ("2027-02-01T00:00:00Z", "critical", "its grace period ended"),
        ("2025-11-20T14:00:00Z", "unknown", "cannot tell the age"),
    ] {
        finds(&node, time(clock), "list", list, said);
        let is_back = list == "unknown";
        let (clocks, said) = if is_back {
            ("critical", "365 days before 2026-11-20T14:00:00Z")
        } else {
            ("ok", "after 2026-11-20T14:00:00Z")
        };
        finds(&node, time(clock), "clock", clocks, said);
    }
}

#[test]
fn doctor_compares_the_list_with_its_copy_and_the_floor() {
    let node = node();
    let now = time(ISSUED).plus(DAY);
    for check in ["list", "second-copy", "floor", "keyset", "permissions"] {
        finds(&node, now, check, "ok", "");
    }
    let floor = fs::read_to_string(node.state("floor")).unwrap();
    let versioned = |version: u64| floor.replace("version 5", &format!("version {version}"));
    for (text, level, said) in [
        (versioned(4), "warning", "the floor is behind the list"),
        (versioned(6), "critical", "the floor is ahead of the list"),
        (String::new(), "critical", "cannot use floor"),
    ] {
        fs::write(node.state("floor"), text).unwrap();
        finds(&node, now, "floor", level, said);
    }
    fs::write(node.state("floor"), &floor).unwrap();
    fs::write(node.state("banlist.copy.lst"), "torn").unwrap();
    finds(&node, now, "second-copy", "warning", "not a ban list");
    fs::write(node.room.path("node/etc/embargo/keyset"), "torn").unwrap();
    finds(&node, now, "keyset", "critical", "cannot use keyset");
    finds(&node, now, "list", "critical", "cannot use keyset");
    finds(&node, now, "floor", "unknown", "the keyset cannot be used");
}

/// What a node that does not run cannot show is unknown, so doctor never ends with 0 there.
#[test]
fn the_worst_finding_is_the_exit_status_and_the_answer_says_what_was_skipped() {
    let node = node();
    let now = time(ISSUED).plus(DAY);
    let (status, answer) = doctor(&node, now, &[]);
    assert_eq!((status, &answer["level"]), (Some(3), &"unknown".into()));
    assert_eq!(answer["schema"], 1);
    node.lose_list();
    let (status, answer) = doctor(&node, now, &["--skip", "coverage"]);
    assert_eq!((status, &answer["level"]), (Some(2), &"critical".into()));
    assert_eq!(answer["skipped"], serde_json::json!(["coverage"]));
    let output = node.ctl(&["doctor", "--skip", "lists"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // The command line is wrong. 1 would be a warning.
    assert_eq!(output.status.code(), Some(64));
    assert!(said.contains("there is no such check"), "{said}");
}
