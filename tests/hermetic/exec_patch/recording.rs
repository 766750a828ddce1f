//! Tests what is left of a run, and whether a later one takes it into account.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::fleet::{Fleet, PATCH, take_away, until};
use crate::attacks::node::BASE;

/// A command that waits for the file `ledger/.go` before it does its work, and reports that it has
/// started.
fn waiting(fleet: &Fleet) -> String {
    let go = fleet.path("ledger/.go").display().to_string();
    format!(
        "echo started >> \"$LEDGER.started\"; while ! test -e {go}; do sleep 0.05; done; echo patched >> \"$LEDGER\""
    )
}

/// A run of it in progress, in this many containers at a time.
fn under_way(fleet: &Fleet, words: &[&str], parallel: usize) -> Child {
    let script = waiting(fleet);
    let parallel = parallel.to_string();
    let typed = [
        &["--base", BASE, "--canary", "0", "--parallel", &parallel],
        words,
        &["--", "/bin/sh", "-c", &script],
    ]
    .concat();
    let run = fleet
        .exec_patch(&typed)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let wanted: usize = parallel.parse().unwrap();
    until("the first ones are started", || {
        fleet
            .ledger()
            .keys()
            .filter(|name| name.ends_with(".started"))
            .count()
            == wanted
    });
    run
}

fn go(fleet: &Fleet) {
    fs::write(fleet.path("ledger/.go"), "").unwrap();
}

/// The containers in which the command did its work, and how often.
fn done(fleet: &Fleet) -> Vec<(String, usize)> {
    let is_work = |name: &String| name.starts_with("web-") && !name.ends_with(".started");
    fleet
        .ledger()
        .into_iter()
        .filter(|(name, _)| is_work(name))
        .map(|(name, text)| (name, text.lines().count()))
        .collect()
}

fn once_each(containers: usize) -> Vec<(String, usize)> {
    (1..=containers)
        .map(|number| (format!("web-{number}"), 1))
        .collect()
}

fn end(process: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(process).unwrap()), signal).unwrap();
}

#[test]
fn the_journal_says_who_did_what_where_and_how_it_ended() {
    let fleet = Fleet::of(2);
    let said = fleet.run(&[
        "--base",
        BASE,
        "--",
        "/bin/sh",
        "-c",
        "echo to out; echo to err >&2; exit 3",
    ]);
    assert_eq!(said.status, Some(3), "{said:?}");
    let run = &fleet.runs()[0];
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(run), mode(&run.join("journal.jsonl"))),
        (0o700, 0o600)
    );
    let journal = Fleet::journal(run);
    let header = &journal[0];
    assert_eq!(
        (&header["schema"], &header["event"], &header["run"]),
        (&json!(1), &json!("run"), &json!(fleet.run_id()))
    );
    assert_eq!(
        header["argv"],
        json!([
            "--base",
            BASE,
            "--",
            "/bin/sh",
            "-c",
            "echo to out; echo to err >&2; exit 3"
        ])
    );
    assert!(
        header["by"].is_object()
            && header["boot"].is_string()
            && header["carried"][0]["digest"].is_string(),
        "{header}"
    );
    let started = journal
        .iter()
        .find(|line| line["event"] == "started")
        .unwrap();
    assert_eq!(started["image"], json!("app:1"));
    let ended = journal
        .iter()
        .find(|line| line["event"] == "ended")
        .unwrap();
    assert_eq!(
        (&ended["outcome"], &ended["stage"], &ended["status"]),
        (&json!("failed"), &json!("command"), &json!(3))
    );
    assert_eq!(ended["output_bytes"], json!(14));
    let output = fs::read_dir(run.join("output"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let printed = fs::read_to_string(&output).unwrap();
    assert!(
        printed.contains("to out\n") && printed.contains("to err\n"),
        "{printed}"
    );
    assert_eq!(journal.last().unwrap()["event"], "finished");
    // Nothing is left of what the runtime was given.
    let left: Vec<_> = walk(&fleet.path("node/run/embargo"));
    assert!(left.iter().all(|path| path.is_dir()), "{left:?}");
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let below = |path: std::path::PathBuf| {
        let inner = if path.is_dir() {
            walk(&path)
        } else {
            Vec::new()
        };
        std::iter::once(path).chain(inner)
    };
    fs::read_dir(directory)
        .unwrap()
        .flat_map(|entry| below(entry.unwrap().path()))
        .collect()
}

#[test]
fn a_second_run_is_refused_while_one_is_under_way() {
    let fleet = Fleet::of(1);
    let run = under_way(&fleet, &[], 1);
    let second = fleet.patch(&[]);
    assert_eq!(second.status, Some(75), "{second:?}");
    assert!(
        second
            .err
            .contains(&format!("run {} is under way since ", fleet.run_id())),
        "{second:?}"
    );
    assert!(
        second.err.contains(&format!("(process {})", run.id())),
        "{second:?}"
    );
    // Looking costs nothing.
    assert_eq!(fleet.patch(&["--dry-run"]).status, Some(0));
    assert_eq!(fleet.run(&["--history"]).status, Some(0));
    go(&fleet);
    assert_eq!(fleet.said(&run.wait_with_output().unwrap()).status, Some(0));
    assert_eq!((done(&fleet), fleet.runs().len()), (once_each(1), 1));
}

#[test]
fn a_run_whose_coordinator_is_killed_goes_on_and_each_container_is_patched_once() {
    let fleet = Fleet::of(6);
    let mut run = under_way(&fleet, &[], 2);
    end(run.id(), Signal::SIGKILL);
    run.wait().unwrap();
    let id = fleet.run_id();
    // The workers of the killed run hold the lock, and the second run waits for them.
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
    // There is nothing left to resume.
    fleet.calls();
    let over = refused_to_go_on(&fleet, &["--resume", &id]);
    assert!(
        over.starts_with(&format!("embargo exec-patch: cannot resume run {id}: it has ended, and nothing of it is left to do\n")),
        "{over}"
    );
    assert_eq!((done(&fleet), fleet.calls().len()), (once_each(6), 0));
}

#[test]
fn another_run_is_waited_for_as_long_as_was_asked() {
    let fleet = Fleet::of(1);
    let run = under_way(&fleet, &[], 1);
    let id = fleet.run_id();
    // Whoever does not wait long enough, for whatever purpose, learns that from the exit status.
    for words in [
        &["--base", BASE, "--wait", "1s", "--", "/bin/true"][..],
        &["--resume", &id, "--wait", "0s"],
        &["--prune", "0s"],
    ] {
        let said = fleet.run(words);
        assert_eq!(said.status, Some(75), "{words:?}: {said:?}");
        assert!(
            said.err
                .contains(&format!("cannot start: run {id} is under way since ")),
            "{words:?}: {said:?}"
        );
    }
    let waiting = fleet.exec_patch(&["--base", BASE, "--wait", "1m", "--again", "--", "/bin/true"]);
    let mut waiting = { waiting }
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!((waiting.try_wait().unwrap(), fleet.runs().len()), (None, 1));
    go(&fleet);
    assert_eq!(fleet.said(&run.wait_with_output().unwrap()).status, Some(0));
    let said = fleet.said(&waiting.wait_with_output().unwrap());
    assert_eq!((said.status, fleet.runs().len()), (Some(0), 2), "{said:?}");
    assert!(
        said.err.contains(&format!("run {id} is under way since "))
            && said.err.contains("; waiting for it, at most 60 s\n"),
        "{said:?}"
    );
}

#[test]
fn that_nothing_matches_is_ok_where_somebody_says_so() {
    let fleet = Fleet::new();
    for (words, expected) in [
        (&[][..], 2),
        (&["--none-ok"], 0),
        (&["--dry-run"], 2),
        (&["--dry-run", "--none-ok"], 0),
    ] {
        let said = fleet.patch(words);
        assert_eq!(said.status, Some(expected), "{words:?}: {said:?}");
    }
    // It turns nothing else into a success.
    let fleet = Fleet::of(1);
    fleet.behave("web-1", "fail 255 not now");
    assert_eq!(fleet.patch(&["--none-ok"]).status, Some(3));
}

#[test]
fn old_runs_are_removed_and_none_that_can_go_on() {
    let fleet = Fleet::of(2);
    assert_eq!(fleet.patch(&[]).status, Some(0));
    assert_eq!(
        fleet
            .run(&["--base", BASE, "--", "/bin/sh", "-c", "echo said; exit 1"])
            .status,
        Some(3)
    );
    let ended: Vec<_> = fleet
        .runs()
        .iter()
        .map(|run| run.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let young = fleet.run(&["--prune", "1h"]);
    assert_eq!(
        (young.status, young.out.as_str(), fleet.runs().len()),
        (Some(0), "0 runs, 0 bytes\n", 2),
        "{young:?}"
    );
    // A killed run can be resumed; one in progress is in progress.
    let mut killed = under_way(&fleet, &["--again"], 1);
    let workers: Vec<_> = fleet
        .started()
        .iter()
        .map(|started| u32::try_from(started["worker"]["pid"].as_u64().unwrap()).unwrap())
        .collect();
    let id = fleet.run_id();
    let looked = fleet.run(&["--prune", "0s", "--dry-run"]);
    assert!(
        looked.out.contains(&format!("kept run {id}: under way\n")),
        "{looked:?}"
    );
    end(killed.id(), Signal::SIGKILL);
    killed.wait().unwrap();
    workers
        .iter()
        .for_each(|worker| end(*worker, Signal::SIGKILL));
    go(&fleet);
    until("nobody has the lock any more", || {
        fleet.run(&["--prune", "1h"]).status == Some(0)
    });
    let dry = fleet.run(&["--prune", "0s", "--dry-run"]);
    assert_eq!((dry.status, fleet.runs().len()), (Some(0), 3), "{dry:?}");
    // What a kill left of a run that was being created or removed.
    for directory in [
        "node/var/lib/embargo/patches/.draft",
        "node/var/lib/embargo/patches/.draft/output",
    ] {
        fs::create_dir(fleet.path(directory)).unwrap();
        fleet.node.room.give(&fleet.path(directory));
    }
    let said = fleet.run(&["--prune", "0s"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(dry.out.replace("would remove", "removed"), said.out);
    for run in &ended {
        assert!(
            said.out
                .contains(&format!("removed run {run}, which ended 20")),
            "{said:?}"
        );
    }
    assert!(
        said.out.contains(&format!(
            "kept run {id}: it was killed, and can be resumed\n2 runs, "
        )),
        "{said:?}"
    );
    assert_eq!((fleet.runs().len(), fleet.run_id()), (1, id.clone()));
    assert!(!fleet.path("node/var/lib/embargo/patches/.draft").exists());
    // Resuming it ends it; what was removed counts as not patched.
    assert_eq!(fleet.run(&["--resume", &id]).status, Some(3));
    let json = fleet.run(&["--prune", "0s", "--json"]).json();
    assert_eq!(
        (
            json.len(),
            &json[0]["event"],
            &json[0]["run"],
            &json[0]["removed"]
        ),
        (1, &json!("pruned"), &json!(id), &json!(true))
    );
    assert_eq!(fleet.runs().len(), 0);
    assert_eq!(fleet.patch(&[]).status, Some(0));
    assert_eq!(fleet.outcomes_counted(), [("patched".to_owned(), 2)]);
    // A run of which it is not known what it did stays.
    fs::write(fleet.runs()[0].join("journal.jsonl"), "no journal\n").unwrap();
    let said = fleet.run(&["--prune", "0s"]);
    assert_eq!((said.status, fleet.runs().len()), (Some(1), 1), "{said:?}");
    assert!(
        said.out.contains("kept run ") && said.out.contains("journal.jsonl\", line 1: "),
        "{said:?}"
    );
}

/// The error for somebody who wants to resume a run that is over; nothing happens, and its journal
/// stays as it is.
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
fn whoever_may_not_look_is_told_who_may() {
    let fleet = Fleet::of(1);
    let state = fleet.path("node/var/lib/embargo");
    take_away(&state);
    fs::set_permissions(&state, fs::Permissions::from_mode(0o0)).unwrap();
    let said = [
        &["--history"][..],
        &["--base", BASE, "--", "true"],
        &["--ban", "BAN-1"],
    ]
    .map(|words| fleet.run(words));
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    for said in said {
        assert_eq!(said.status, Some(1), "{said:?}");
        assert!(
            said.err.contains("access refused\n") && said.err.contains("run as root"),
            "{said:?}"
        );
    }
}

#[test]
fn what_nobody_saw_the_end_of_is_told_and_not_done_again_unless_a_check_says_what_is() {
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
        // What they had started continues, and ends.
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
fn a_run_without_a_directory_for_its_journal_does_nothing() {
    let fleet = Fleet::of(1);
    take_away(&fleet.path("node/var/lib/embargo/patches"));
    let said = fleet.patch(&[]);
    assert_eq!(
        (said.status, said.err.lines().count() <= 2),
        (Some(1), true),
        "{said:?}"
    );
    assert!(
        said.err.contains("cannot ") && said.err.contains("/node/var/lib/embargo/patches"),
        "{said:?}"
    );
    assert!(fleet.calls().is_empty() && fleet.ledger().is_empty());
}

#[test]
fn what_was_patched_and_not_started_anew_is_skipped_unless_again() {
    let mut fleet = Fleet::of(2);
    assert_eq!(fleet.patch(&[]).status, Some(0));
    let first = fleet.run_id();
    assert_eq!(fleet.patch(&[]).status, Some(0));
    assert_eq!(fleet.patched(), ["web-1", "web-2"], "once each");
    let outcome = fleet.outcomes().into_values().next().unwrap();
    assert_eq!(
        outcome,
        json!({ "outcome": "patched-before", "run": first })
    );
    // Another command is another patch.
    assert_eq!(
        fleet.run(&["--base", BASE, "--", "/bin/true"]).status,
        Some(0)
    );
    assert_eq!(fleet.outcomes_counted(), [("patched".to_owned(), 2)]);
    fleet.live("web-2");
    assert_eq!(fleet.patch(&[]).status, Some(0));
    assert_eq!(
        fleet.outcomes_counted(),
        [("patched".to_owned(), 1), ("patched-before".to_owned(), 1)]
    );
    assert_eq!(fleet.ledger()["web-2"], "patched\npatched\n");
    assert_eq!(fleet.patch(&["--again"]).status, Some(0));
    assert_eq!(fleet.ledger()["web-1"], "patched\npatched\n");
}

#[test]
fn only_what_failed_is_done_again() {
    let fleet = Fleet::of(3);
    fleet.behave("web-2", "fail 255 not now");
    assert_eq!(fleet.patch(&[]).status, Some(3));
    let first = fleet.run_id();
    fs::remove_file(fleet.path("bin/behaviour").join(Fleet::id("web-2"))).unwrap();
    fleet.calls();
    let said = fleet.run(&["--only-failed", &first]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(fleet.patched(), ["web-1", "web-2", "web-3"]);
    assert!(fleet.calls().iter().all(|call| call.enters("web-2")));
    assert_eq!(fleet.runs().len(), 2);
    // Where nothing failed there is nothing to do.
    assert_eq!(
        fleet.run(&["--only-failed", &fleet.run_id()]).status,
        Some(2)
    );
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

#[test]
fn the_history_shows_every_run_and_each_container_of_one() {
    let fleet = Fleet::of(2);
    let none = fleet.run(&["--history"]);
    assert!(none.status.is_some_and(|status| status <= 1), "{none:?}");
    fleet.behave("web-2", "fail 255 not now");
    fleet.patch(&[]);
    let first = fleet.run_id();
    assert_eq!(
        fleet.run(&["--base", BASE, "--", "/bin/true"]).status,
        Some(3)
    );
    let all = fleet.run(&["--history"]);
    assert_eq!(all.status, Some(0), "{all:?}");
    assert!(
        all.out.contains(&first)
            && all.out.contains(&fleet.run_id())
            && all.out.contains("echo patched"),
        "{}",
        all.out
    );
    let one = fleet.run(&["--history", &first]);
    assert_eq!(one.status, Some(0), "{one:?}");
    for told in [
        "web-1",
        "web-2",
        "patched",
        "could not enter",
        "not now",
        BASE,
    ] {
        assert!(one.out.contains(told), "{told}: {}", one.out);
    }
    let lines = fleet.run(&["--history", &first, "--json"]);
    assert!(
        lines.status == Some(0) && !lines.json().is_empty(),
        "{lines:?}"
    );
}

#[test]
fn the_command_is_the_one_that_was_typed() {
    // An argument that looks like a flag, an empty one, and one with everything in it.
    let fleet = Fleet::of(1);
    let odd = "a b\"c\\d\ne$(f)'g";
    let script = "test \"$1\" = --canary && test -z \"$2\" && test \"$3\" = \"$ODD\" && echo patched >> \"$LEDGER\"";
    let variable = format!("ODD={odd}");
    let said = fleet.run(&[
        "--base", BASE, "--env", &variable, "--", "/bin/sh", "-c", script, "sh", "--canary", "",
        odd,
    ]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(fleet.patched(), ["web-1"]);
    assert_ne!(PATCH[2], script);
}

/// Changes the last line of a run's journal to another value for why it stopped, and the header to
/// another limit.
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
                && said.err.contains("\nhint: ")
                && said.err.contains("--again"),
            "{said:?}"
        );
        assert_eq!(fleet.patch(&["--dry-run"]).status, Some(1));
    }
    // With --again it is not necessary to know what ran before.
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
    // Half a line at the end is from a run that was killed, and no fault.
    fs::write(&path, format!("{whole}{{\"event\":\"fini")).unwrap();
    assert_eq!(fleet.run(&["--history"]).status, Some(0));
    assert_eq!(fleet.patch(&[]).status, Some(0));
}
