//! Tests that the printed output is complete, and safe for a terminal.

use std::path::PathBuf;

use super::*;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::exec_patch::job::{Findings, Work};
use crate::exec_patch::outcome::{OutcomeKind, Stage};
use crate::exec_patch::plan::{PatchStep, PlannedContainer};
use crate::exec_patch::request::payload::NoPatch;

pub(super) fn container(name: &str) -> Container {
    Container {
        id: "5e".repeat(32),
        engine: Engine::Containerd,
        namespace: Some("k8s.io".to_owned()),
        name: Some(name.to_owned()),
        image: Some("docker.io/library/app:1".to_owned()),
        image_id: None,
        kind: RuntimeKind::Crun,
        root: PathBuf::from("/r"),
        bundle: PathBuf::from("/b"),
        owner: 0,
        pid: 7,
        started: 9,
    }
}

fn columns() -> Columns {
    let step = PatchStep::Cannot(NoPatch::None("B".to_owned()));
    let planned = vec![PlannedContainer {
        container: container("web-1"),
        reasons: Vec::new(),
        steps: vec![step],
    }];
    Columns::of(&Plan {
        planned,
        ..Plan::default()
    })
}

fn found(tail: &str) -> Findings {
    Findings {
        duration_ms: 61_400,
        output_bytes: 9,
        output_tail: tail.to_owned(),
        ..Findings::default()
    }
}

/// The line for a container of this name, in which something was `found` if it was entered.
fn ended(name: &str, outcome: &Outcome, found: Option<Findings>) -> Ended {
    Ended {
        found,
        ..Ended::settled(&container(name), "B", None, outcome)
    }
}

#[test]
fn a_row_stands_below_its_head() {
    let columns = columns();
    assert_eq!(
        columns.head(),
        "OUTCOME              CONTAINER             ENGINE             IMAGE                       TIME"
    );
    let found = Findings {
        duration_ms: 400,
        background: vec!["12 sleep".to_owned()],
        ..found("fine\n")
    };
    assert_eq!(
        columns.row(&ended("web-1", &Outcome::Patched, Some(found))),
        [
            "patched              web-1 (5e5e5e5e5e5e)  containerd/k8s.io  docker.io/library/app:1     0.4s",
            "    left in the background: 12 sleep",
        ]
    );
}

#[test]
fn what_has_ended_and_was_not_waited_for_is_named() {
    let found = Findings {
        zombies: vec!["12 a\u{1b}".to_owned(), "13 b".to_owned()],
        ..found("")
    };
    assert_eq!(
        columns().row(&ended("web-1", &Outcome::TimedOut, Some(found)))[1..],
        [
            r"    ended, and stays until the container's first process waits for it: 12 a\u{1b}, 13 b"
        ]
    );
}

#[test]
fn the_output_of_a_thousand_that_fail_alike_is_shown_of_the_first_alone() {
    let (columns, outcome) = (
        columns(),
        Outcome::Failed {
            stage: Stage::Command,
            status: 1,
        },
    );
    let text: String = (0..12).map(|number| format!("line {number}\n")).collect();
    let rows = |_| columns.row(&ended("web-1", &outcome, Some(found(&text))));
    let shown: Vec<_> = (0..1_000).map(rows).collect();
    let lines = |rows: &Vec<String>| rows.iter().filter(|row| row.starts_with("    | ")).count();
    assert!(shown[..50].iter().all(|rows| lines(rows) == 12));
    assert_eq!(
        shown[50][2..],
        ["    | (no more output is shown; --history RUN names the files that have it)"]
    );
    assert!(
        shown[51..]
            .iter()
            .all(|rows| lines(rows) == 0 && rows.len() == 2)
    );
}

#[test]
fn a_row_says_whose_patch_it_is_only_where_not_all_are_the_same() {
    let payload = |ban: Option<&str>| {
        let work = Work {
            check: None,
            run: vec!["true".to_owned()],
            user: (0, 0),
            environment: vec![],
            directory: None,
            timeout: 1,
            unpause: false,
            program: false,
        };
        Payload::new(work, None, ban.map(str::to_owned))
    };
    let [one, other, typed] = [Some("BAN-1"), Some("BAN 2"), None].map(payload);
    let columns = |payloads: &[&Payload]| {
        let steps = payloads
            .iter()
            .map(|&payload| PatchStep::Run(payload.clone()))
            .collect();
        Columns::of(&Plan {
            planned: vec![PlannedContainer {
                container: container("web-1"),
                reasons: Vec::new(),
                steps,
            }],
            ..Plan::default()
        })
    };
    let same = columns(&[&one, &one]);
    let more = |columns: &Columns, payload| {
        let ended = Ended::settled(&container("a"), "B", Some(payload), &Outcome::Patched);
        columns.row(&ended)[1..].to_vec()
    };
    assert_eq!(same.began("R"), "run R: patch of BAN-1");
    assert_eq!(more(&same, &one), [""; 0]);
    assert_eq!(
        more(&same, &other),
        ["    patch of \"BAN 2\""],
        "one that came into force meanwhile"
    );
    for differ in [columns(&[&one, &other]), columns(&[&typed, &one])] {
        assert_eq!(differ.began("R"), "run R");
        assert_eq!(more(&differ, &one), ["    patch of BAN-1"]);
        assert_eq!(more(&differ, &typed), [""; 0]);
    }
}

#[test]
fn what_failed_shows_its_last_lines_and_nothing_reaches_the_terminal_as_it_is() {
    let columns = columns();
    let outcome = Outcome::Failed {
        stage: Stage::Command,
        status: 100,
    };
    let text: String = (0..20)
        .map(|number| format!("line {number}\u{1b}[31m\n\n"))
        .collect();
    let rows = columns.row(&ended("x\n\u{1b}]0;y\u{7}", &outcome, Some(found(&text))));
    assert_eq!(rows.len(), 14);
    assert_eq!(
        (rows[1].as_str(), rows[2].as_str(), rows[13].as_str()),
        (
            "    the command ended with 100",
            "    | line 8",
            "    | line 19"
        )
    );
    assert!(
        rows[0].ends_with("1m01s") && !rows.concat().contains(['\u{1b}', '\n', '\u{7}']),
        "{rows:?}"
    );
    for (outcome, expected) in [
        (
            Outcome::Survived {
                left: vec!["12 a\u{1b}".to_owned()],
            },
            r"    still there: 12 a\u{1b}",
        ),
        (
            Outcome::CouldNotEnter {
                why: "no\nshell".to_owned(),
            },
            r"    no\u{a}shell",
        ),
        (
            Outcome::PatchedBefore {
                run: "r".to_owned(),
            },
            "    by run r",
        ),
        (Outcome::Paused, "    --unpause resumes it for the patch"),
        (
            Outcome::Failed {
                stage: Stage::CheckAfter,
                status: 1,
            },
            "    the check after it ended with 1",
        ),
    ] {
        assert_eq!(columns.row(&ended("a", &outcome, None))[1], expected);
    }
}

#[test]
fn what_could_not_be_entered_says_so_once() {
    let outcome = Outcome::CouldNotEnter {
        why: "exec: \"nosuch\": not found".to_owned(),
    };
    let found = found("exec failed: exec: \"nosuch\": not found\n");
    let rows = columns().row(&ended("a", &outcome, Some(found)));
    assert_eq!(rows[1..], ["    exec: \"nosuch\": not found"]);
}

#[test]
fn four_hundred_that_were_not_started_are_one_line() {
    let mut tally = OutcomeTally::default();
    tally.add(&container("a"), OutcomeKind::Failed);
    for number in 0..400 {
        let name = format!("web-{number}");
        assert_eq!(
            columns().row(&ended(&name, &Outcome::NotStarted, None)),
            [""; 0]
        );
        let container = Container {
            id: format!("c{number}"),
            ..container(&name)
        };
        // This container has two patches.
        [1, 2]
            .iter()
            .for_each(|_| tally.add(&container, OutcomeKind::NotStarted));
    }
    let expected = [
        "",
        "not ok:",
        "  failed: a (5e5e5e5e5e5e), containerd/k8s.io",
        "not started: 400 containers; --history R names them",
        "stopped: the canary failed",
        "801 outcomes: 1 failed, 800 not started; run R",
    ];
    assert_eq!(people::summary("R", &tally, Some(Halt::Canary)), expected);
    assert_eq!(tally.exit(), Exit::NotAllWell);
}

#[test]
fn the_end_counts_every_outcome_and_names_who_is_not_ok() {
    let mut tally = OutcomeTally::default();
    assert_eq!(tally.exit(), Exit::NothingMatched);
    tally.add(&container("a"), OutcomeKind::Patched);
    tally.add(&container("b"), OutcomeKind::PatchedBefore);
    assert_eq!(tally.exit(), Exit::Clear);
    tally.add(&container("c"), OutcomeKind::Survived);
    tally.add(
        &Container {
            name: None,
            ..container("d")
        },
        OutcomeKind::CouldNotEnter,
    );
    tally.add(&container("e"), OutcomeKind::Patched);
    assert_eq!(tally.exit(), Exit::NotAllWell);
    let expected = [
        "",
        "not ok:",
        "  timed out, survived: c (5e5e5e5e5e5e), containerd/k8s.io",
        "  could not enter: 5e5e5e5e5e5e, containerd/k8s.io",
        "stopped: more than 1 failed",
        "5 outcomes: 2 patched, 1 patched before, 1 timed out, survived, 1 could not enter; run R",
    ];
    assert_eq!(
        people::summary("R", &tally, Some(Halt::Failures { allowed: 1 })),
        expected
    );
    let json = serde_json::to_string(&tally.counts()).unwrap();
    assert_eq!(
        json,
        r#"{"patched":2,"patched-before":1,"survived":1,"could-not-enter":1}"#
    );
}

#[test]
fn a_line_for_machines_has_its_fields_at_one_level_and_is_the_journals_own() {
    let outcome = Outcome::Failed {
        stage: Stage::CheckBefore,
        status: 2,
    };
    let done = JobResult {
        outcome,
        found: found("a\u{1b}b"),
    };
    let job = Job {
        ban: Some("BAN-1".into()),
        ..job(container("web-1"))
    };
    let line = Line::Ended(Box::new(Ended::entered(&job, "B", &done)));
    let mut reported: serde_json::Value = serde_json::from_str(&report::json::line(&line)).unwrap();
    let id = "5e".repeat(32);
    assert!(
        reported
            .as_object_mut()
            .unwrap()
            .remove("at")
            .is_some_and(|at| at.is_string())
    );
    let expected = serde_json::json!({
        "schema": 1, "event": "ended", "number": 7, "boot": "B", "digest": job.digest, "ban": "BAN-1", "container": id, "name": "web-1",
        "engine": "containerd", "namespace": "k8s.io", "image": "docker.io/library/app:1", "kind": "crun", "root": "/r", "bundle": "/b", "owner": 0,
        "pid": 7, "started": 9, "ok": false, "outcome": "failed", "stage": "check-before", "status": 2, "duration_ms": 61400, "output_bytes": 9,
        "output_tail": "a\u{1b}b",
    });
    assert_eq!(reported, expected);
}

fn job(container: Container) -> Job {
    let (check, directory, run) = (None, None, vec!["true".to_owned()]);
    let work = Work {
        check,
        run,
        user: (0, 0),
        environment: vec![],
        directory,
        timeout: 1,
        unpause: false,
        program: false,
    };
    let (run, journal, runtime, digest) = (
        "R".into(),
        "/j".into(),
        "/usr/sbin/runc".into(),
        Payload::new(work.clone(), None, None).digest,
    );
    let (ban, severity, successor) = (None, None, None);
    Job {
        run,
        journal,
        number: 7,
        container,
        runtime,
        work,
        digest,
        ban,
        severity,
        successor,
        output_limit: 1,
    }
}
