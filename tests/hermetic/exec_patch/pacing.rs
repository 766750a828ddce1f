//! Tests in how many containers a command runs before a run stops by itself.

use std::fs;
use std::time::{Duration, Instant};

use super::fleet::Fleet;
use crate::attacks::node::BASE;

/// A command that fails.
const FAILING: [&str; 3] = ["/bin/sh", "-c", "echo patched >> \"$LEDGER\"; exit 1"];

/// Starts a failing command for `matches` containers, with these arguments. Returns in how many
/// containers the command ran, and how many containers had each outcome.
fn started(matches: usize, words: &[&str]) -> (usize, Vec<(String, usize)>) {
    let fleet = Fleet::of(matches);
    let said = fleet.run(
        &[
            &["--base", BASE, "--parallel", "1"],
            words,
            &["--"],
            &FAILING,
        ]
        .concat(),
    );
    assert_eq!(said.status, Some(3), "{words:?}: {said:?}");
    (fleet.patched().len(), fleet.outcomes_counted())
}

#[test]
fn the_run_stops_once_more_than_so_many_have_failed() {
    for (limit, matches, expected) in [
        ("0", 5, 1),
        ("1", 5, 2),
        ("4", 5, 5),
        ("9", 5, 5),
        ("0%", 5, 1),
        ("19%", 5, 1),
        ("20%", 5, 2),
        ("50%", 5, 3),
        ("100%", 5, 5),
        ("0", 1, 1),
        ("100%", 1, 1),
    ] {
        let (ran, outcomes) = started(matches, &["--canary", "0", "--max-failures", limit]);
        let mut counted = vec![("failed".to_owned(), expected)];
        if expected < matches {
            counted.push(("not-started".to_owned(), matches - expected));
        }
        assert_eq!((ran, outcomes), (expected, counted), "{limit} of {matches}");
    }
}

#[test]
fn a_canary_that_fails_is_the_last() {
    assert_eq!(
        started(4, &[]),
        (
            1,
            vec![("failed".to_owned(), 1), ("not-started".to_owned(), 3)]
        )
    );
    assert_eq!(
        started(4, &["--canary", "3"]),
        (
            1,
            vec![("failed".to_owned(), 1), ("not-started".to_owned(), 3)]
        )
    );
    assert_eq!(
        started(4, &["--canary", "0"]),
        (4, vec![("failed".to_owned(), 4)])
    );
    assert_eq!(
        started(1, &["--canary", "9"]),
        (1, vec![("failed".to_owned(), 1)])
    );
}

#[test]
fn a_container_that_cannot_be_entered_is_no_canary() {
    let fleet = Fleet::of(4);
    fleet.behave("web-1", "fail 255 no");
    fleet.behave("web-2", "fail 255 no");
    // Whichever container comes first, a canary that works is found, and the others follow.
    let said = fleet.patch(&["--canary", "1"]);
    assert_eq!(said.status, Some(3), "{said:?}");
    assert_eq!(fleet.patched(), ["web-3", "web-4"]);
    // A container that cannot be entered is still treated as a failure.
    let fleet = Fleet::of(4);
    fleet.behave("all", "fail 255 no");
    assert_eq!(fleet.patch(&["--max-failures", "1"]).status, Some(3));
    assert_eq!(
        fleet.outcomes_counted(),
        [
            ("could-not-enter".to_owned(), 2),
            ("not-started".to_owned(), 2)
        ]
    );
}

#[test]
fn canaries_go_one_by_one_and_the_others_side_by_side() {
    let fleet = Fleet::of(5);
    let here = fleet.path("ledger").display().to_string();
    // Each command records how many commands run at the same time. Every command waits until three
    // commands run, except the first command, which runs alone.
    let script = format!(
        "mkdir {here}/here.$$; n=$(ls -d {here}/here.* | wc -l); echo $n >> \"$LEDGER\"; test -e {here}/canary || {{ echo > {here}/canary; rmdir {here}/here.$$; exit 0; }}
         for i in $(seq 1200); do test -e {here}/met && break; test $(ls -d {here}/here.* | wc -l) -ge 3 && echo > {here}/met; sleep 0.05; done
         rmdir {here}/here.$$; test -e {here}/met"
    );
    let said = fleet.run(&[
        "--base",
        BASE,
        "--parallel",
        "3",
        "--",
        "/bin/sh",
        "-c",
        &script,
    ]);
    assert_eq!(said.status, Some(0), "{said:?}");
    let most = fleet
        .ledger()
        .values()
        .filter_map(|text| text.trim().parse::<usize>().ok())
        .max();
    assert!(most.is_some_and(|most| most <= 3), "{most:?}");
}

#[test]
fn an_interrupted_run_begins_nothing_more_and_finishes_what_is_under_way() {
    let fleet = Fleet::of(4);
    let script = format!(
        "while ! test -e {}; do sleep 0.05; done; echo patched >> \"$LEDGER\"",
        fleet.path("ledger/.go").display()
    );
    let mut run = fleet.exec_patch(&[
        "--base",
        BASE,
        "--canary",
        "0",
        "--parallel",
        "2",
        "--",
        "/bin/sh",
        "-c",
        &script,
    ]);
    let run = run
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    super::fleet::until("two are started", || fleet.started().len() == 2);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(run.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    // The signal arrives before any worker ends, and is handled before another worker starts.
    fs::write(fleet.path("ledger/.go"), "patched\n").unwrap();
    let start = Instant::now();
    let said = fleet.said(&run.wait_with_output().unwrap());
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(said.status, Some(3), "{said:?}");
    assert_eq!(fleet.patched().len(), 3, "two and the signal's own file");
    assert_eq!(
        fleet.outcomes_counted(),
        [("not-started".to_owned(), 2), ("patched".to_owned(), 2)]
    );
}

#[test]
fn a_limit_of_all_stops_no_run_that_finds_more_containers() {
    for (limit, expected) in [("100%", 6), ("50%", 2), ("0", 1)] {
        let mut fleet = Fleet::of(2);
        let go = fleet.path("ledger/.go").display().to_string();
        let script = format!(
            "echo patched >> \"$LEDGER\"; while ! test -e {go}; do sleep 0.05; done; exit 1"
        );
        let mut run = fleet.exec_patch(&[
            "--base",
            BASE,
            "--canary",
            "0",
            "--parallel",
            "1",
            "--max-failures",
            limit,
            "--",
            "/bin/sh",
            "-c",
            &script,
        ]);
        let run = run
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        super::fleet::until("the first is started", || fleet.started().len() == 1);
        (3..=6).for_each(|number| fleet.start(&format!("web-{number}")));
        fs::write(fleet.path("ledger/.go"), "patched\n").unwrap();
        let said = fleet.said(&run.wait_with_output().unwrap());
        assert_eq!(said.status, Some(3), "{said:?}");
        let failed = fleet
            .outcomes_counted()
            .into_iter()
            .find(|(word, _)| word == "failed")
            .unwrap();
        assert_eq!(failed.1, expected, "{limit}: {said:?}");
        assert_eq!(said.out.contains("stopped: "), limit != "100%", "{said:?}");
    }
}
