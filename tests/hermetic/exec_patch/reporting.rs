//! Tests the text output and the JSON output.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use super::fleet::{Fleet, until};
use crate::attacks::node::BASE;
use crate::room::by_shell;

/// Output that sets a terminal's title, clears the screen, rings the bell, and makes the terminal
/// send input.
const NOISY: &str =
    "printf 'red \\033[31mtext\\033[0m \\033]0;title\\007 \\033[2J\\033[6n end\\n'; exit 1\n";

#[test]
fn escapes_in_what_a_container_prints_reach_the_journal_and_no_terminal() {
    let fleet = Fleet::of(1);
    let script = fleet.path("noisy.sh");
    fs::write(&script, NOISY).unwrap();
    let words = [
        "--base",
        BASE,
        "--again",
        "--script",
        script.to_str().unwrap(),
    ];
    let mut command = fleet.exec_patch(&words);
    command.env("TERM", "xterm");
    by_shell(
        &mut command,
        "exec /usr/bin/script -q -e -c \"$*\" /dev/null",
    );
    let said = [fleet.said(&command.output().unwrap()), fleet.run(&words)];
    for said in &said {
        assert_eq!(said.status, Some(3), "{said:?}");
        let shown = said.out.clone() + &said.err;
        for never in ["\u{1b}]", "\u{7}", "\u{1b}[6n", "\u{1b}[31m", "\u{1b}[2J"] {
            assert!(!shown.contains(never), "{never:?}: {shown:?}");
        }
        assert!(shown.contains("red text"), "{shown:?}");
    }
    assert!(
        !said[1].out.contains('\u{1b}') && !said[1].err.contains('\u{1b}'),
        "{said:?}"
    );
    let output = fs::read_dir(fleet.runs()[0].join("output"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert!(
        fs::read(output)
            .unwrap()
            .windows(5)
            .any(|window| window == b"\x1b[31m")
    );
}

#[test]
fn each_line_for_machines_is_an_event() {
    let fleet = Fleet::of(2);
    fleet.behave("web-2", "fail 255 not \u{1b}[31mnow");
    let said = fleet.patch(&["--json"]);
    assert_eq!(said.status, Some(3), "{said:?}");
    let lines = said.json();
    let (run, id) = (fleet.run_id(), Fleet::id("web-2"));
    assert_eq!(
        (&lines[0]["event"], &lines[0]["run"]),
        (&json!("run"), &json!(run))
    );
    assert_eq!(
        lines
            .iter()
            .filter(|line| line["event"] == "planned")
            .count(),
        2
    );
    assert!(lines.iter().all(|line| line["schema"] == 1), "{}", said.out);
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["event"], &last["run"], &last["exit"]),
        (&json!("finished"), &json!(run), &json!(3))
    );
    let of = |event: &str| {
        lines
            .iter()
            .find(|line| line["event"] == event && line["container"] == id)
            .unwrap_or_else(|| panic!("{}", said.out))
    };
    assert_eq!(
        (&of("started")["engine"], &of("started")["image"]),
        (&json!("docker"), &json!("app:1"))
    );
    let ended = of("ended");
    assert_eq!(
        (&ended["outcome"], &ended["ok"], &ended["name"]),
        (&json!("could-not-enter"), &json!(false), &json!("web-2"))
    );
    assert!(
        ended["why"]
            .as_str()
            .is_some_and(|why| why.starts_with("not ") && !why.contains('\u{1b}')),
        "{ended}"
    );
    assert!(!said.out.contains('\u{1b}'));
    let plan = fleet.patch(&["--json", "--dry-run"]);
    assert!(
        plan.status == Some(0)
            && plan.json().len() >= 2
            && plan.json().iter().all(|line| line["event"].is_string()),
        "{plan:?}"
    );
}

#[test]
fn a_run_that_cannot_go_on_looking_says_everywhere_how_it_ends() {
    let fleet = Fleet::of(1);
    let script = format!(
        "while ! test -e {}; do sleep 0.05; done",
        fleet.path("ledger/.go").display()
    );
    let mut run = fleet.exec_patch(&["--ban", "BAN-1", "--json", "--", "/bin/sh", "-c", &script]);
    let run = run
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("it is started", || fleet.started().len() == 1);
    fleet.node.lose_list();
    fs::write(fleet.path("ledger/.go"), "").unwrap();
    let said = fleet.said(&run.wait_with_output().unwrap());
    assert_eq!(said.status, Some(1), "{said:?}");
    let lines = said.json();
    let last = lines.last().unwrap();
    let stopped = json!({ "reason": "scan" });
    assert_eq!(
        (&last["event"], &last["exit"], &last["stopped"]),
        (&json!("finished"), &json!(1), &stopped),
        "{last}"
    );
    let journal = Fleet::journal(&fleet.runs()[0]);
    let finished = journal.last().unwrap();
    assert_eq!(
        (&finished["exit"], &finished["stopped"]),
        (&json!(1), &stopped)
    );
}

#[test]
fn those_that_were_not_started_are_one_line() {
    let fleet = Fleet::of(4);
    let said = fleet.run(&["--base", BASE, "--", "/bin/false"]);
    assert_eq!(said.status, Some(3), "{said:?}");
    let reported: Vec<_> = said
        .out
        .lines()
        .filter(|line| line.contains("not started"))
        .collect();
    assert_eq!(reported.len(), 2, "{}", said.out);
    assert_eq!(
        reported[0],
        format!(
            "not started: 3 containers; --history {} names them",
            fleet.run_id()
        )
    );
}

#[test]
fn what_is_printed_is_kept_up_to_the_limit() {
    let fleet = Fleet::of(1);
    let said = fleet.run(&[
        "--base",
        BASE,
        "--output-limit",
        "4K",
        "--",
        "/bin/sh",
        "-c",
        "head -c 3000000 /dev/zero | tr '\\0' x",
    ]);
    assert_eq!(said.status, Some(0), "{said:?}");
    let run = &fleet.runs()[0];
    let output = fs::read_dir(run.join("output"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert!((1..10_000).contains(&fs::metadata(output).unwrap().len()));
    let ended = Fleet::journal(run)
        .into_iter()
        .find(|line| line["event"] == "ended")
        .unwrap();
    assert_eq!(ended["output_bytes"], json!(3_000_000));
    assert!(said.out.len() < 10_000, "{}", said.out.len());
}

#[test]
fn a_table_names_each_container_and_a_summary_counts_them() {
    let fleet = Fleet::of(3);
    fleet.behave("web-2", "fail 255 cannot join the namespaces");
    let said = fleet.patch(&[]);
    assert_eq!(said.status, Some(3), "{said:?}");
    for reported in [
        "web-1",
        "web-2",
        "web-3",
        "patched",
        "could not enter",
        "cannot join the namespaces",
        &fleet.run_id(),
    ] {
        assert!(said.out.contains(reported), "{reported}: {}", said.out);
    }
}

#[test]
fn every_json_document_says_which_form_it_has() {
    let fleet = Fleet::of(1);
    assert_eq!(fleet.patch(&[]).status, Some(0));
    let run = fleet.run_id();
    for words in [
        &["--history", "--json"][..],
        &["--history", &run, "--json"],
        &["--base", BASE, "--json", "--dry-run", "--", "true"],
    ] {
        let said = fleet.run(words);
        assert!(said.json().len() > 1 || words.len() == 2, "{said:?}");
        assert!(
            said.json()
                .iter()
                .all(|line| line["schema"] == 1 && line["event"].is_string()),
            "{words:?}: {said:?}"
        );
    }
    let list = fleet.node.state("banlist.lst");
    let list = list.to_str().unwrap();
    let web = Fleet::id("web-1");
    let mut check = fleet.node.room.embargo();
    check.args(["check", "--json", &web]);
    let mut nothing = fleet.node.room.embargo();
    nothing.args(["check", "--json", "nothing-of-this-name"]);
    let of_ctl = [
        &["list", "show", "--json", list][..],
        &["list", "diff", "--json", list, list],
        &["list", "preview", "--json", list],
    ];
    for mut command in of_ctl
        .map(|words| fleet.node.ctl(words))
        .into_iter()
        .chain([check, nothing])
    {
        let output = command.output().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{command:?}: {error}: {output:?}"));
        assert_eq!(document["schema"], 1, "{command:?}: {document}");
    }
}
