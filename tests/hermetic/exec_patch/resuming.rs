//! Tests that a run can be resumed where it stopped, but only if that is safe.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::json;

use super::fleet::{Fleet, until};
use super::recording::{done, end, go, once_each, under_way, waiting};
use crate::attacks::node::BASE;

#[test]
fn a_run_whose_coordinator_is_killed_goes_on_and_each_container_is_patched_once() {
    let fleet = Fleet::of(6);
    let mut run = under_way(&fleet, &[], 2);
    end(run.id(), Signal::SIGKILL);
    run.wait().unwrap();
    let id = fleet.run_id();
    // The workers of the killed run still hold the lock, so a second run cannot start.
    let second = fleet.patch(&[]);
    assert_eq!(second.status, Some(75), "{second:?}");
    assert!(
        second
            .err
            .contains("was killed and its workers are still at work"),
        "{second:?}"
    );
    assert!(
        second
            .err
            .contains(&format!("embargo exec-patch --resume {id}")),
        "{second:?}"
    );
    let mut resumed = fleet
        .exec_patch(&["--resume", &id])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(resumed.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert!(
        lines.any(|line| line.contains("waiting for them")),
        "it has ended"
    );
    go(&fleet);
    lines.for_each(drop);
    let said = fleet.said(&resumed.wait_with_output().unwrap());
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(done(&fleet), once_each(6));
    assert_eq!(fleet.runs().len(), 1);
    // No work remains to resume.
    fleet.calls();
    let over = refused_to_go_on(&fleet, &["--resume", &id]);
    assert!(
        over.starts_with(&format!("embargo exec-patch: cannot resume run {id}: it has ended, and nothing of it is left to do\n")),
        "{over}"
    );
    assert_eq!((done(&fleet), fleet.calls().len()), (once_each(6), 0));
}

/// The error for an attempt to resume a run that is over. Asserts that nothing happens and that the
/// journal is unchanged.
fn refused_to_go_on(fleet: &Fleet, words: &[&str]) -> String {
    let before = Fleet::journal(fleet.runs().last().unwrap());
    for words in [words, &[words, &["--dry-run"]].concat()] {
        let said = fleet.run(words);
        assert_eq!(
            (said.status, said.out.is_empty()),
            (Some(1), true),
            "{said:?}"
        );
    }
    assert_eq!(Fleet::journal(fleet.runs().last().unwrap()), before);
    fleet.run(words).err
}

#[test]
fn a_run_that_its_canary_or_its_limit_stopped_goes_on_at_another_pace_alone() {
    for (words, why, other) in [
        (
            &["--canary", "1"][..],
            "the canary failed",
            ["--canary", "0"],
        ),
        (
            &["--canary", "0", "--max-failures", "0", "--parallel", "1"],
            "more than 0 failed",
            ["--max-failures", "100%"],
        ),
    ] {
        let fleet = Fleet::of(3);
        let failing = "echo patched >> \"$LEDGER\"; exit 1";
        assert_eq!(
            fleet
                .run(&[&["--base", BASE], words, &["--", "/bin/sh", "-c", failing]].concat())
                .status,
            Some(3)
        );
        let id = fleet.run_id();
        let over = refused_to_go_on(&fleet, &["--resume", &id]);
        assert!(
            over.contains(&format!(
                "cannot resume run {id}: it stopped because {why}\n"
            )),
            "{over}"
        );
        let hint = format!(
            "embargo exec-patch --only-failed {id} is a new run where it was not ok; with another {} this one can be resumed",
            other[0]
        );
        assert!(over.contains(&hint), "{over}");
        assert_eq!(fleet.patched().len(), 1, "{why}");
        let said = fleet.run(&[&["--resume", &id][..], &other].concat());
        assert_eq!(
            (said.status, fleet.patched().len()),
            (Some(3), 3),
            "{said:?}"
        );
    }
}

#[test]
fn what_nobody_saw_the_end_of_is_reported_and_not_done_again_unless_a_check_says_what_is() {
    for check in [None, Some("test -e \"$LEDGER\"")] {
        let fleet = Fleet::of(3);
        let words = check.map_or(vec![], |check| vec!["--check", check]);
        let mut run = under_way(&fleet, &words, 2);
        let workers: Vec<_> = fleet
            .started()
            .iter()
            .map(|started| u32::try_from(started["worker"]["pid"].as_u64().unwrap()).unwrap())
            .collect();
        end(run.id(), Signal::SIGKILL);
        workers
            .iter()
            .for_each(|worker| end(*worker, Signal::SIGKILL));
        run.wait().unwrap();
        // The workers that the killed run had started continue, and end.
        go(&fleet);
        until("two have done their work", || done(&fleet).len() == 2);
        let said = fleet.run(&["--resume", &fleet.run_id()]);
        let expected = if check.is_some() { 0 } else { 3 };
        assert_eq!(said.status, Some(expected), "{said:?}");
        assert_eq!(done(&fleet), once_each(3), "{check:?}");
        let outcomes = fleet.outcomes_counted();
        match check {
            None => assert_eq!(
                outcomes,
                [("interrupted".to_owned(), 2), ("patched".to_owned(), 1)]
            ),
            Some(_) => assert_eq!(
                outcomes,
                [("already-fine".to_owned(), 2), ("patched".to_owned(), 1)]
            ),
        }
    }
}

#[test]
fn a_dry_run_of_going_on_says_what_stands() {
    let fleet = Fleet::of(3);
    fleet.behave("all", "fail 255 not now");
    assert_eq!(
        fleet
            .patch(&["--max-failures", "0", "--canary", "0", "--parallel", "1"])
            .status,
        Some(3)
    );
    let words = ["--resume", &fleet.run_id(), "--max-failures", "100%"];
    let plan = fleet.run(&[&words[..], &["--dry-run"]].concat());
    assert_eq!(plan.status, Some(3), "{plan:?}");
    assert!(
        plan.out
            .contains("  left as it is: could not enter in this run\n"),
        "{plan:?}"
    );
    assert!(
        plan.out
            .ends_with("3 containers match: 2 to patch, 1 left as it is\n"),
        "{plan:?}"
    );
    fs::remove_file(fleet.path("bin/behaviour/all")).unwrap();
    let said = fleet.run(&words);
    assert_eq!(
        (said.status, fleet.patched().len()),
        (Some(3), 2),
        "{said:?}"
    );
}

#[test]
fn a_script_is_taken_from_the_run_when_it_is_resumed() {
    let fleet = Fleet::of(2);
    let path = fleet.path("fix.sh");
    fs::write(&path, waiting(&fleet)).unwrap();
    let typed = [
        "--base",
        BASE,
        "--canary",
        "0",
        "--parallel",
        "1",
        "--script",
        path.to_str().unwrap(),
    ];
    let mut run = fleet
        .exec_patch(&typed)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the first is started", || {
        fleet.ledger().keys().any(|name| name.ends_with(".started"))
    });
    end(run.id(), Signal::SIGKILL);
    run.wait().unwrap();
    fs::write(&path, "echo another script >> \"$LEDGER\"").unwrap();
    go(&fleet);
    let said = fleet.run(&["--resume", &fleet.run_id()]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(
        fleet.ledger()["web-1"].clone() + &fleet.ledger()["web-2"],
        "patched\npatched\n"
    );
}

/// Changes one line of the latest run's journal: the last line if `line` is 0, else the line with
/// this number.
fn rewrite(fleet: &Fleet, line: usize, change: impl Fn(&mut serde_json::Value)) {
    let path = fleet.runs().last().unwrap().join("journal.jsonl");
    let mut lines = Fleet::journal(path.parent().unwrap());
    let at = if line == 0 { lines.len() - 1 } else { line - 1 };
    change(&mut lines[at]);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, text).unwrap();
}

#[test]
fn a_run_is_not_resumed_when_why_it_stopped_cannot_be_read() {
    let failing = "echo patched >> \"$LEDGER\"; exit 1";
    for stopped in [
        json!("the canary has failed"),
        json!({ "reason": "moon" }),
        json!({ "reason": "failures" }),
        json!(7),
    ] {
        let fleet = Fleet::of(3);
        assert_eq!(
            fleet
                .run(&["--base", BASE, "--", "/bin/sh", "-c", failing])
                .status,
            Some(3)
        );
        rewrite(&fleet, 0, |line| line["stopped"] = stopped.clone());
        let number = Fleet::journal(&fleet.runs()[0]).len();
        let over = refused_to_go_on(&fleet, &["--resume", "last"]);
        assert!(
            over.contains(&format!("/journal.jsonl\", line {number}: ")),
            "{over}"
        );
        assert_eq!(fleet.patched().len(), 1, "{stopped}");
    }
}

#[test]
fn a_run_is_not_resumed_when_its_limits_cannot_be_read() {
    for limit in [
        json!("ten"),
        json!("10 %"),
        json!("101%"),
        json!(5),
        json!(null),
    ] {
        let fleet = Fleet::of(3);
        assert_eq!(
            fleet
                .run(&[
                    "--base",
                    BASE,
                    "--canary",
                    "0",
                    "--max-failures",
                    "0",
                    "--",
                    "/bin/false"
                ])
                .status,
            Some(3)
        );
        rewrite(&fleet, 1, |line| {
            line["terms"]["pace"]["max_failures"] = limit.clone()
        });
        fleet.calls();
        for words in [
            &["--resume", "last", "--max-failures", "100%"][..],
            &["--only-failed", "last"],
        ] {
            let said = refused_to_go_on(&fleet, words);
            assert!(
                said.contains("/journal.jsonl\", line 1: "),
                "{limit}: {said}"
            );
        }
        assert_eq!((fleet.calls().len(), fleet.runs().len()), (0, 1), "{limit}");
    }
}

#[test]
fn a_journal_that_cannot_be_read_is_an_error_wherever_it_is_asked() {
    let fleet = Fleet::of(1);
    assert_eq!(fleet.patch(&[]).status, Some(0));
    let first = fleet.run_id();
    let path = fleet.runs()[0].join("journal.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    for (line, fault) in [
        ("{\"event\":\"new\"}\n", "line "),
        ("\n", "line "),
        ("{\"finished\":7}\n", "line "),
    ] {
        fs::write(&path, format!("{whole}{line}")).unwrap();
        for words in [
            &["--history"][..],
            &["--history", "--json"],
            &["--history", &first],
        ] {
            let said = fleet.run(words);
            assert_eq!(said.status, Some(1), "{words:?}: {said:?}");
            assert!((said.out + &said.err).contains(fault), "{words:?}");
        }
        let said = fleet.patch(&[]);
        assert_eq!((said.status, fleet.runs().len()), (Some(1), 1), "{said:?}");
        assert!(
            said.err.contains("/journal.jsonl\", line ")
                && said.err.contains("\nhint: move \"")
                && said.err.contains("--again"),
            "{said:?}"
        );
        assert_eq!(fleet.patch(&["--dry-run"]).status, Some(1));
    }
    // With `--again`, it does not matter what earlier runs did.
    let said = fleet.patch(&["--again"]);
    assert_eq!(
        (said.status, fleet.ledger()["web-1"].as_str()),
        (Some(0), "patched\npatched\n"),
        "{said:?}"
    );
    assert!(
        said.err.contains("warning: ") && said.err.contains("/journal.jsonl\", line "),
        "{said:?}"
    );
    // Half a line at the end means that a run was killed. Such a line is not an error.
    fs::write(&path, format!("{whole}{{\"event\":\"fini")).unwrap();
    assert_eq!(fleet.run(&["--history"]).status, Some(0));
    assert_eq!(fleet.patch(&[]).status, Some(0));
}
