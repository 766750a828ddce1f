//! Tests that a history repeats what the journals say, and is safe to print on a terminal.

use super::super::files::JOURNAL;
use super::super::line::Finished;
use super::super::tests::{
    alice, container, failed, finished, job, nobody, node, payload, planned, started, treat,
    unidentified,
};
use super::super::{Journal, Lock, boot};
use super::*;
use crate::container::engine::Engine;
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::request::arguments::USUAL_PACE;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::replace;

const ID: &str = "4c1f09a2b7d3aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00";
const STARTED: &str = "2026-11-20T22:15:00Z";

/// The text, with placeholders for the parts that differ from test to test.
fn plain(text: &str, journal: &Journal) -> String {
    let directory = journal.directory().parent().unwrap().to_str().unwrap();
    let started = journal.header.started.to_string();
    text.replace(directory, "PATCHES")
        .replace(journal.id().as_str(), "20261120-221500-a1b2")
        .replace(&started, STARTED)
}

/// Records a run with one container for each kind of outcome.
fn mixed(journal: &Journal) {
    let [one, two, three, four] =
        [(ID, 11), ("c2", 12), ("c3", 13), ("c4", 14)].map(|(id, pid)| container(id, pid));
    journal
        .planned([&one, &two, &three, &four].map(planned).into())
        .unwrap();
    treat(journal, 1, one, Outcome::Patched);
    treat(journal, 2, two, failed(7));
    let killed = job(journal, 3, three);
    journal.started(&killed, false).unwrap();
    replace::create(&journal.output(&killed), 0o600, b"half a wor").unwrap();
    let why = "no\u{1b}[2J such\nthing".to_owned();
    journal
        .settled(
            &container("c5", 15),
            Some(&payload(Some("BAN-9"))),
            &Outcome::CouldNotEnter { why },
        )
        .unwrap();
    journal
        .unidentified(&unidentified(
            "",
            Engine::Unknown,
            "/run/runc/x y",
            "it is cut",
        ))
        .unwrap();
}

#[test]
fn a_run_is_shown_with_every_container_and_hostile_cells_stay_on_their_line() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    mixed(&journal);
    let end = Finished {
        at: Timestamp::parse(STARTED).unwrap(),
        ..finished(&journal, Some(Halt::Canary))
    };
    journal.finished(end).unwrap();
    let runs = Runs::load(&paths).unwrap();
    let reported = plain(&run(&runs, journal.id()).unwrap(), &journal);
    let expected = "run 20261120-221500-a1b2: stopped
started 2026-11-20T22:15:00Z by alice as root at node-1 (/dev/pts/3)
for BAN-2026-0007, engine docker, by list 412
runs sh -c 'apt-get upgrade', DIGEST

CONTAINER              ENGINE   IMAGE       OUTCOME                                      TOOK  OUTPUT
web-11 (4c1f09a2b7d3)  docker   acme/web:1  patched                                      1.2s  -
web-12 (c2)            docker   acme/web:1  failed (status 7)                            1.2s  -
web-13 (c3)            docker   acme/web:1  under way                                    -     PATCHES/20261120-221500-a1b2/output/3-c3
web-15 (c5)            docker   acme/web:1  could not enter: no\\u{1b}[2J such\\u{a}thing  -     -
\"/run/runc/x y\"        unknown  -           not understood: it is cut                    -     -
c4                     docker   -           not started                                  -     -

1 ok, 5 not ok; ended 2026-11-20T22:15:00Z with status 3, stopped because the canary failed
"
    .replace("DIGEST", &journal.header.carried[0].digest.to_string());
    assert_eq!(reported, expected);
}

#[test]
fn the_table_has_a_line_for_each_run_newest_first() {
    let (_directory, paths) = node();
    let (lock, journal) = started(&paths);
    mixed(&journal);
    let runs = Runs::load(&paths).unwrap();
    let row = "20261120-221500-a1b2  2026-11-20T22:15:00Z  alice as root  BAN-2026-0007, engine docker  sh -c 'apt-get upgrade'  1   5";
    let head = "RUN                   STARTED               BY             FOR                           COMMAND                  OK  NOT OK  STATE";
    assert_eq!(
        plain(&table(&runs).unwrap().0, &journal),
        format!("{head}\n{row}       under way\n")
    );
    drop(lock);
    // The main process is gone. This test's own process stands for a worker that still runs.
    replace::replace(&paths.patches.join(".lock"), 0o600, b"").unwrap();
    assert_eq!(
        plain(&table(&runs).unwrap().0, &journal),
        format!("{head}\n{row}       killed, workers still at work\n")
    );
    let path = journal.directory().join(JOURNAL);
    let text = file::read_text(&path, 1 << 20, Guard::Owned)
        .unwrap()
        .replace(&boot().unwrap(), "an earlier start");
    replace::replace(&path, 0o600, text.as_bytes()).unwrap();
    assert_eq!(
        plain(&table(&runs).unwrap().0, &journal),
        format!("{head}\n{row}       killed\n")
    );
}

#[test]
fn a_long_subject_leaves_room_for_the_rest() {
    let digest = "4c".repeat(32);
    let reported = short_digests(&format!(
        "base sha256:{digest}, container sha256:ab, image sha256:{digest}"
    ));
    assert_eq!(
        reported,
        "base sha256:4c4c4c4c4c4c, container sha256:ab, image sha256:4c4c4c4c4c4c"
    );
    assert_eq!(bounded("é".repeat(60)), "é".repeat(48) + "…");
}

#[test]
fn who_was_not_started_and_was_later_is_there_once_and_says_where() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    let one = of_batch("c1");
    for _ in 0..2 {
        journal
            .settled(&one, Some(&payload(None)), &Outcome::NotStarted)
            .unwrap();
    }
    let reported = |runs: &Runs| run(runs, journal.id()).unwrap();
    let runs = Runs::load(&paths).unwrap();
    assert_eq!(
        reported(&runs)
            .lines()
            .filter(|line| line.contains("containerd/batch  acme/web:1  not started"))
            .count(),
        1
    );
    treat(&journal, 1, one, Outcome::Patched);
    let reported = reported(&runs);
    assert!(
        !reported.contains("not started")
            && reported.contains("containerd/batch  acme/web:1  patched"),
        "{reported}"
    );
}

fn of_batch(id: &str) -> crate::exec_patch::job::Container {
    crate::exec_patch::job::Container {
        engine: Engine::Containerd,
        namespace: Some("batch".into()),
        ..container(id, 11)
    }
}

#[test]
fn machines_get_an_object_for_each_run() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    mixed(&journal);
    treat(
        &journal,
        4,
        container("c6", 16),
        Outcome::Survived {
            left: vec!["41 sleep".into()],
        },
    );
    let runs = Runs::load(&paths).unwrap();
    let reported: serde_json::Value = serde_json::from_str(&lines(&runs).unwrap().0).unwrap();
    let expected = serde_json::json!({
        "schema": 1, "event": "summary", "run": journal.id(), "started": journal.header.started, "for": "BAN-2026-0007, engine docker",
        "command": "sh -c 'apt-get upgrade'", "trigger": "typed",
        "by": {"user": {"uid": 0, "name": "root"}, "login": {"uid": 1000, "name": "alice"}, "terminal": "/dev/pts/3", "host": "node-1"},
        "list_version": 412, "state": "under-way", "ok": 1, "not_ok": 6, "directory": journal.directory(),
    });
    assert_eq!(reported, expected);
    let whole = run_lines(&runs, journal.id()).unwrap();
    let (summary, rest) = whole.split_once('\n').unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(summary).unwrap(),
        expected
    );
    let journals =
        file::read_text(&journal.directory().join(JOURNAL), 1 << 20, Guard::Owned).unwrap();
    assert_eq!(rest, journals, "the lines are the journal's own");
    let of = |name: &str| -> Vec<serde_json::Value> {
        let lines = rest
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["event"] == name).collect()
    };
    let unclear = &of("not-understood")[0];
    assert_eq!(
        (
            &unclear["why"],
            &unclear["outcome"],
            &unclear["place"],
            &unclear["ok"]
        ),
        (
            &"it is cut".into(),
            &"not-understood".into(),
            &"/run/runc/x y".into(),
            &false.into()
        )
    );
    let survived = of("ended")
        .into_iter()
        .find(|line| line["outcome"] == "survived")
        .unwrap();
    let of_container = serde_json::json!({
        "schema": 1, "event": "ended", "number": 4, "at": survived["at"], "boot": journal.boot(), "container": "c6", "name": "web-16",
        "engine": "docker", "image": "acme/web:1", "kind": "runc", "root": "/run/docker/runtime-runc/moby", "bundle": "/b", "owner": 0,
        "pid": 16, "started": 7, "digest": journal.header.carried[0].digest, "outcome": "survived", "left": ["41 sleep"], "ok": false,
        "duration_ms": 1250, "output_bytes": 3, "output_tail": "ok\n",
    });
    assert_eq!(survived, of_container);
    // Adds half a line, as a process that is still writing would.
    let mut draft = std::fs::OpenOptions::new()
        .append(true)
        .open(journal.directory().join(JOURNAL))
        .unwrap();
    std::io::Write::write_all(&mut draft, b"{\"schema\":1").unwrap();
    assert_eq!(run_lines(&runs, journal.id()).unwrap(), whole);
}

#[test]
fn a_run_that_was_gone_on_with_says_by_whom() {
    let (_directory, paths) = node();
    let (lock, journal) = started(&paths);
    drop((lock, journal));
    let runs = Runs::load(&paths).unwrap();
    let past = runs.read(runs.find("last").unwrap()).unwrap();
    let mut lock = Lock::take(&paths).unwrap();
    let journal = Journal::resume(nobody(), &mut lock, &past, alice(), vec![], USUAL_PACE).unwrap();
    let reported = run(&runs, journal.id()).unwrap();
    let line = reported.lines().nth(2).unwrap();
    assert!(
        line.starts_with("resumed 20")
            && line.ends_with("Z by alice as root at node-1 (/dev/pts/3)"),
        "{line}"
    );
    assert!(reported.ends_with("\n\n0 ok, 0 not ok\n"), "{reported}");
}
