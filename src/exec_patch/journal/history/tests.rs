//! Is a history what the journals say, and fit for a terminal?

use super::super::line::Finished;
use super::super::past::JOURNAL;
use super::super::tests::{alice, begun, container, failed, job, nobody, node, payload, treat};
use super::super::{Journal, Lock, boot};
use super::*;
use crate::exec_patch::pace::Halt;
use crate::exec_patch::select;
use crate::exec_patch::words::USUAL_PACE;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::replace;

const ID: &str = "4c1f09a2b7d3aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00";
const BEGUN: &str = "2026-11-20T22:15:00Z";

/// A text in which what differs from test to test is said otherwise.
fn plain(text: &str, journal: &Journal) -> String {
    let folder = journal.folder().parent().unwrap().to_str().unwrap();
    let begun = journal.header.begun.to_string();
    text.replace(folder, "PATCHES").replace(journal.id().as_str(), "20261120-221500-a1b2").replace(&begun, BEGUN)
}

/// A run with one container of each kind.
fn mixed(journal: &Journal) {
    let [one, two, three, four] = [(ID, 11), ("c2", 12), ("c3", 13), ("c4", 14)].map(|(id, pid)| container(id, pid));
    journal.planned([&one, &two, &three, &four]).unwrap();
    treat(journal, 1, one, Outcome::Patched);
    treat(journal, 2, two, failed(7));
    let killed = job(journal, 3, three);
    journal.begun(&killed, false).unwrap();
    replace::create(&journal.output(&killed), 0o600, b"half a wor").unwrap();
    let why = "no\u{1b}[2J such\nthing".to_owned();
    journal.settled(&container("c5", 15), Some(&payload(Some("BAN-9"))), &Outcome::CouldNotEnter { why }).unwrap();
    let (id, engine, place) = (String::new(), Engine::Unknown, "/run/runc/x y".into());
    journal.stranger(&select::Stranger { id, engine, namespace: None, name: None, place, why: "it is cut".into() }).unwrap();
}

#[test]
fn a_run_is_shown_with_every_container_and_hostile_cells_stay_on_their_line() {
    let (_folder, paths) = node();
    let (_lock, journal) = begun(&paths);
    mixed(&journal);
    let finished = Finished { at: Timestamp::parse(BEGUN).unwrap(), exit: 3, well: 1, not_well: 5, stopped: Some(Halt::Canary) };
    journal.finished(finished).unwrap();
    let runs = Runs::load(&paths).unwrap();
    let told = plain(&run(&runs, journal.id()).unwrap(), &journal);
    let expected = "run 20261120-221500-a1b2: stopped
begun 2026-11-20T22:15:00Z by alice as root at node-1 (/dev/pts/3)
for BAN-2026-0007, engine docker, by list 412
runs sh -c 'apt-get upgrade', DIGEST

CONTAINER              ENGINE   IMAGE       OUTCOME                                      TOOK  OUTPUT
web-11 (4c1f09a2b7d3)  docker   acme/web:1  patched                                      1.2s  -
web-12 (c2)            docker   acme/web:1  failed (status 7)                            1.2s  -
web-13 (c3)            docker   acme/web:1  under way                                    -     PATCHES/20261120-221500-a1b2/output/3-c3
web-15 (c5)            docker   acme/web:1  could not enter: no\\u{1b}[2J such\\u{a}thing  -     -
\"/run/runc/x y\"        unknown  -           not understood: it is cut                    -     -
c4                     docker   -           not begun                                    -     -

1 well, 5 not well; ended 2026-11-20T22:15:00Z with status 3, stopped because the canary failed
"
    .replace("DIGEST", &journal.header.carried[0].digest.to_string());
    assert_eq!(told, expected);
}

#[test]
fn the_table_has_a_line_for_each_run_newest_first() {
    let (_folder, paths) = node();
    let (lock, journal) = begun(&paths);
    mixed(&journal);
    let runs = Runs::load(&paths).unwrap();
    let row = "20261120-221500-a1b2  2026-11-20T22:15:00Z  alice as root  BAN-2026-0007, engine docker  sh -c 'apt-get upgrade'  1     5";
    let head = "RUN                   BEGUN                 BY             FOR                           COMMAND                  WELL  NOT WELL  STATE";
    assert_eq!(plain(&table(&runs).unwrap().0, &journal), format!("{head}\n{row}         under way\n"));
    drop(lock);
    // Whoever paced it is gone; this process, its worker, is not.
    replace::replace(&paths.patches.join(".lock"), 0o600, b"").unwrap();
    assert_eq!(plain(&table(&runs).unwrap().0, &journal), format!("{head}\n{row}         killed, workers still at work\n"));
    let path = journal.folder().join(JOURNAL);
    let text = file::read_text(&path, 1 << 20, Guard::Owned).unwrap().replace(&boot().unwrap(), "an earlier start");
    replace::replace(&path, 0o600, text.as_bytes()).unwrap();
    assert_eq!(plain(&table(&runs).unwrap().0, &journal), format!("{head}\n{row}         killed\n"));
}

#[test]
fn a_long_subject_leaves_room_for_the_rest() {
    let digest = "4c".repeat(32);
    let told = short_digests(&format!("base sha256:{digest}, container sha256:ab, image sha256:{digest}"));
    assert_eq!(told, "base sha256:4c4c4c4c4c4c, container sha256:ab, image sha256:4c4c4c4c4c4c");
    assert_eq!(bounded("é".repeat(60)), "é".repeat(48) + "…");
}

#[test]
fn who_was_not_begun_and_was_later_is_there_once_and_says_where() {
    let (_folder, paths) = node();
    let (_lock, journal) = begun(&paths);
    let one = of_batch("c1");
    for _ in 0..2 {
        journal.settled(&one, Some(&payload(None)), &Outcome::NotBegun).unwrap();
    }
    let told = |runs: &Runs| run(runs, journal.id()).unwrap();
    let runs = Runs::load(&paths).unwrap();
    assert_eq!(told(&runs).lines().filter(|line| line.contains("containerd/batch  acme/web:1  not begun")).count(), 1);
    treat(&journal, 1, one, Outcome::Patched);
    let told = told(&runs);
    assert!(!told.contains("not begun") && told.contains("containerd/batch  acme/web:1  patched"), "{told}");
}

fn of_batch(id: &str) -> crate::exec_patch::job::Container {
    crate::exec_patch::job::Container { engine: Engine::Containerd, namespace: Some("batch".into()), ..container(id, 11) }
}

#[test]
fn machines_get_an_object_for_each_run() {
    let (_folder, paths) = node();
    let (_lock, journal) = begun(&paths);
    mixed(&journal);
    treat(&journal, 4, container("c6", 16), Outcome::Survived { left: vec!["41 sleep".into()] });
    let runs = Runs::load(&paths).unwrap();
    let told: serde_json::Value = serde_json::from_str(&json(&runs).unwrap().0).unwrap();
    let expected = serde_json::json!({
        "run": journal.id(), "begun": journal.header.begun, "for": "BAN-2026-0007, engine docker", "command": "sh -c 'apt-get upgrade'",
        "by": {"user": {"uid": 0, "name": "root"}, "login": {"uid": 1000, "name": "alice"}, "terminal": "/dev/pts/3", "host": "node-1"},
        "list_version": 412, "state": "under-way", "well": 1, "not_well": 6,
        "folder": journal.folder(),
    });
    assert_eq!(told, expected);
    let whole: serde_json::Value = serde_json::from_str(&run_json(&runs, journal.id()).unwrap()).unwrap();
    assert_eq!(
        (&whole["run"], &whole["argv"], &whole["not_begun"][0]["container"]),
        (&expected["run"], &"--ban BAN-2026-0007".split(' ').collect(), &"c4".into())
    );
    let stranger = &whole["strangers"][0];
    assert_eq!(
        (&stranger["why"], &stranger["outcome"], &stranger["place"]),
        (&"it is cut".into(), &"not-understood".into(), &"/run/runc/x y".into())
    );
    let survived = &whole["containers"][4];
    let of_container = serde_json::json!({
        "number": 4, "container": "c6", "name": "web-16", "engine": "docker", "image": "acme/web:1", "owner": 0, "pid": 16, "started": 7,
        "digest": journal.header.carried[0].digest, "begun": survived["begun"], "under_way": false, "outcome": "survived", "left": ["41 sleep"],
        "well": false, "duration_ms": 1250, "output_bytes": 3,
    });
    assert_eq!(*survived, of_container);
    assert_eq!((&whole["containers"][2]["outcome"], &whole["containers"][2]["under_way"]), (&"interrupted".into(), &true.into()));
    assert_eq!(whole["containers"][3]["why"], "no\u{1b}[2J such\nthing");
}

#[test]
fn a_run_that_was_gone_on_with_says_by_whom() {
    let (_folder, paths) = node();
    let (lock, journal) = begun(&paths);
    drop((lock, journal));
    let runs = Runs::load(&paths).unwrap();
    let past = runs.read(runs.find("last").unwrap()).unwrap();
    let mut lock = Lock::take(&paths).unwrap();
    let journal = Journal::resume_telling(nobody(), &mut lock, &past, alice(), vec![], USUAL_PACE).unwrap();
    let told = run(&runs, journal.id()).unwrap();
    let line = told.lines().nth(2).unwrap();
    assert!(line.starts_with("gone on with 20") && line.ends_with("Z by alice as root at node-1 (/dev/pts/3)"), "{line}");
    assert!(told.ends_with("\n\n0 well, 0 not well\n"), "{told}");
}
