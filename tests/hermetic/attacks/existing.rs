//! Tests what a user can do to pass a new container off as one that existed before its ban.
//!
//! A ban with `existing_until` spares such containers. Only the time in the engine's record of the
//! container counts.

use std::fs;
use std::process::Command;

use embargo::sys::clock::Timestamp;

use super::clock::{DAY, at};
use super::node::{Answer, BASE, Node, keyset};

/// The node's container was made on 2026-11-20.
const EFFECTIVE: &str = "2026-11-25T00:00:00Z";

fn node() -> Node {
    let node = Node::trusting(&keyset(&[1], 1));
    let ban = format!(
        "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = {EFFECTIVE}\n\
         existing_until = 2026-12-25\n[[ban.match]]\nbase = \"{BASE}\"\n"
    );
    let issued = Timestamp::parse(EFFECTIVE).unwrap();
    node.put(
        &node
            .list(412)
            .times(issued, issued.plus(400 * DAY))
            .source(ban)
            .by(&[1]),
    );
    node
}

fn answer_at(node: &Node, clock: &str) -> Answer {
    node.answer(at(Timestamp::parse(clock).unwrap(), &mut node.create()))
}

#[test]
fn a_container_that_existed_starts_until_the_day_that_the_ban_names() {
    let node = node();
    for (clock, answer) in [
        ("2026-11-24T23:59:59Z", Answer::Admitted),
        (EFFECTIVE, Answer::Admitted),
        ("2026-12-24T23:59:59Z", Answer::Admitted),
        ("2026-12-25T00:00:00Z", Answer::Banned(412)),
        ("2027-01-01T00:00:00Z", Answer::Banned(412)),
    ] {
        assert_eq!(answer_at(&node, clock), answer, "{clock}");
    }
}

#[test]
fn a_container_is_new_unless_its_engine_recorded_when_it_was_made() {
    for (made, answer) in [
        (
            "\"Created\":\"2026-11-24T23:59:59.999999999Z\"",
            Answer::Admitted,
        ),
        (
            "\"Created\":\"2026-11-25T00:30:00+01:00\"",
            Answer::Admitted,
        ),
        ("\"Created\":\"2026-11-25T00:00:00Z\"", Answer::Banned(412)),
        ("\"Created\":\"yesterday\"", Answer::Banned(412)),
        ("\"Created\":\"\"", Answer::Banned(412)),
        ("\"Made\":\"2026-11-20T00:00:00Z\"", Answer::Banned(412)),
    ] {
        let node = node();
        let record = node.record();
        let json = fs::read_to_string(&record).unwrap();
        let (before, rest) = json.split_once("\"Created\":\"").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        fs::write(&record, format!("{before}{made}{after}")).unwrap();
        assert_eq!(answer_at(&node, "2026-12-01T00:00:00Z"), answer, "{made}");
    }
}

#[test]
fn the_times_of_files_and_annotations_make_no_container_older() {
    let node = node();
    let record = node.record();
    let json = fs::read_to_string(&record).unwrap();
    fs::write(&record, json.replace("2026-11-20T", "2026-11-26T")).unwrap();
    let touched = Command::new("touch")
        .args(["-d", "2020-01-01"])
        .arg(&record)
        .arg(record.parent().unwrap())
        .status();
    assert!(touched.unwrap().success());
    let created = "2020-01-01T00:00:00Z";
    let spec = serde_json::json!({
        "ociVersion": "1.0.2",
        "root": { "path": node.spec_root() },
        "annotations": {
            "created": created,
            "org.opencontainers.image.created": created,
            "io.kubernetes.cri-o.Created": created,
        },
    });
    node.spec(&spec.to_string());
    let answer = answer_at(&node, "2026-12-01T00:00:00Z");
    assert_eq!(answer, Answer::Banned(412));
}
