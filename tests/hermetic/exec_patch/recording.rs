//! Tests the records and files that a run leaves behind, and how later runs use them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::fleet::{Fleet, PATCH, take_away, until};
use crate::attacks::node::BASE;

/// A command that reports that it has started, waits for the file `ledger/.go`, and then does its
/// work.
pub(super) fn waiting(fleet: &Fleet) -> String {
    let go = fleet.path("ledger/.go").display().to_string();
    format!(
        "echo started >> \"$LEDGER.started\"; while ! test -e {go}; do sleep 0.05; done; echo patched >> \"$LEDGER\""
    )
}

/// A run of the command [`waiting`], in progress, with this many containers at a time.
pub(super) fn under_way(fleet: &Fleet, words: &[&str], parallel: usize) -> Child {
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

pub(super) fn go(fleet: &Fleet) {
    fs::write(fleet.path("ledger/.go"), "").unwrap();
}

/// The containers in which the command did its work, and how often.
pub(super) fn done(fleet: &Fleet) -> Vec<(String, usize)> {
    let is_work = |name: &String| name.starts_with("web-") && !name.ends_with(".started");
    fleet
        .ledger()
        .into_iter()
        .filter(|(name, _)| is_work(name))
        .map(|(name, text)| (name, text.lines().count()))
        .collect()
}

pub(super) fn once_each(containers: usize) -> Vec<(String, usize)> {
    (1..=containers)
        .map(|number| (format!("web-{number}"), 1))
        .collect()
}

pub(super) fn end(process: u32, signal: Signal) {
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
    // None of the files that the runtime was given still exists. The installation of the list left
    // the node's state.
    let mut left: Vec<_> = walk(&fleet.path("node/run/embargo"));
    left.retain(|path| !path.ends_with("status.json"));
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
    // Commands that only read still work meanwhile.
    assert_eq!(fleet.patch(&["--dry-run"]).status, Some(0));
    assert_eq!(fleet.run(&["--history"]).status, Some(0));
    go(&fleet);
    assert_eq!(fleet.said(&run.wait_with_output().unwrap()).status, Some(0));
    assert_eq!((done(&fleet), fleet.runs().len()), (once_each(1), 1));
}

#[test]
fn another_run_is_waited_for_as_long_as_was_asked() {
    let fleet = Fleet::of(1);
    let run = under_way(&fleet, &[], 1);
    let id = fleet.run_id();
    // If the wait is too short, the exit status says so, whatever the other arguments are.
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
    // `--none-ok` turns no failure into a success.
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
    // A killed run can be resumed, so its record is not removed. The record of a run in progress is
    // not removed either.
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
    // The rest of a run that was being created or removed when its process was killed.
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
    // Resuming a run ends it. Patches of removed runs are treated as not done.
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
    // A damaged run is kept until its directory is old enough.
    fs::write(fleet.runs()[0].join("journal.jsonl"), "no journal\n").unwrap();
    let said = fleet.run(&["--prune", "1h"]);
    assert_eq!((said.status, fleet.runs().len()), (Some(1), 1), "{said:?}");
    assert!(
        said.out.contains("kept run ")
            && said.out.contains("journal.jsonl\", line 1: ")
            && said
                .err
                .contains("hint: --prune AGE removes a run that cannot be read"),
        "{said:?}"
    );
    let said = fleet.run(&["--prune", "0s"]);
    assert_eq!((said.status, fleet.runs().len()), (Some(0), 0), "{said:?}");
    assert!(
        said.out.contains("removed run ") && said.out.contains(", whose journal is damaged ("),
        "{said:?}"
    );
}

#[test]
fn whoever_may_not_look_learns_who_may() {
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
    // With another command, the container is treated as not patched.
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
    // If no container failed, nothing matches.
    assert_eq!(
        fleet.run(&["--only-failed", &fleet.run_id()]).status,
        Some(2)
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
    for reported in [
        "web-1",
        "web-2",
        "patched",
        "could not enter",
        "not now",
        BASE,
    ] {
        assert!(one.out.contains(reported), "{reported}: {}", one.out);
    }
    let lines = fleet.run(&["--history", &first, "--json"]);
    assert!(
        lines.status == Some(0) && !lines.json().is_empty(),
        "{lines:?}"
    );
}

#[test]
fn the_command_is_the_one_that_was_typed() {
    // Three arguments: one looks like a flag, one is empty, and one has every kind of character.
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
