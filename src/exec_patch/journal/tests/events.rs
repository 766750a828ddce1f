//! Tests what is reported when runs start, end or lose a worker.

use super::*;

#[test]
fn a_worker_that_is_gone_without_an_answer_is_judged_by_what_it_wrote() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    let [one, two, three] =
        [1, 2, 3].map(|number| job(&journal, number, container(&format!("c{number}"), 11)));
    let worker = Journal {
        log: nobody(),
        ..Journal::open(journal.directory()).unwrap()
    };
    worker.started(&one, false).unwrap();
    worker.ended(&one, &done(Outcome::Patched)).unwrap();
    worker.started(&two, true).unwrap();
    let gone = |unpause| {
        done(if unpause {
            Outcome::Interrupted
        } else {
            Outcome::NotStarted
        })
    };
    assert_eq!(journal.lost(&one, gone).unwrap().outcome, Outcome::Patched);
    assert_eq!(
        journal.lost(&two, gone).unwrap().outcome,
        Outcome::Interrupted
    );
    assert_eq!(
        journal.lost(&three, gone).unwrap().outcome,
        Outcome::CouldNotEnter {
            why: "the worker ended before it entered".into()
        }
    );
    let past = RunLog::read(journal.directory()).unwrap();
    assert_eq!((past.entries.len(), past.counts()), (3, (1, 2)));
}

#[test]
fn the_system_log_gets_start_containers_and_end() {
    let (directory, paths) = node();
    let sockets = Sockets::inside(directory.path());
    let journald = std::os::unix::net::UnixDatagram::bind(&sockets.journal).unwrap();
    journald.set_nonblocking(true).unwrap();
    let mut lock = Lock::take(&paths).unwrap();
    let journal = Journal::create(sockets, &mut lock, draft(None)).unwrap();
    treat(&journal, 1, container("c1", 11), Outcome::Patched);
    let why = "no such thing".to_owned();
    journal
        .settled(
            &container("c2", 12),
            Some(&payload(Some("BAN-9"))),
            &Outcome::CouldNotEnter { why },
        )
        .unwrap();
    journal
        .unidentified(&unidentified(
            "",
            Engine::Unknown,
            "/run/runc/x",
            "it is cut",
        ))
        .unwrap();
    journal.finished(finished(&journal, None)).unwrap();
    let heard = || {
        let mut bytes = [0; 8_192];
        let length = journald.recv(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        text.lines()
            .next()
            .map(|message| message.replace(journal.id().as_str(), "R"))
    };
    for message in [
        "started by alice as root for BAN-2026-0007, engine docker: sh -c 'apt-get upgrade'",
        ": web-11 (docker): patched after 1.2 s",
        ": web-12 (docker): could not enter: no such thing",
        ": a container (unknown): not understood: it is cut",
        "ended: 1 ok, 5 not ok",
    ] {
        let space = if message.starts_with(':') { "" } else { " " };
        assert_eq!(
            heard().unwrap(),
            format!("MESSAGE=embargo: run R{space}{message}")
        );
    }
    assert_eq!(heard(), None);
}

#[test]
fn a_run_that_cannot_start_leaves_no_directory_and_one_half_made_is_removed() {
    let (_directory, paths) = node();
    let mut lock = Lock::take(&paths).unwrap();
    fs::create_dir_all(paths.patches.join(".draft/output")).unwrap();
    let long = NewRun {
        argv: vec!["x".repeat(33 << 20)],
        ..draft(None)
    };
    let error = Journal::create(nobody(), &mut lock, long).unwrap_err();
    assert!(matches!(error, JournalError::LongLine(..)), "{error}");
    let names: Vec<_> = fs::read_dir(&paths.patches)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [".lock"]);
    assert_eq!(Runs::load(&paths).unwrap().ids(), []);
}

#[test]
fn the_person_is_who_logged_in_else_who_typed_sudo() {
    let person = |uid, name: Option<&str>| Account {
        uid,
        name: name.map(str::to_owned),
    };
    let root = Who {
        login: None,
        terminal: None,
        ..alice()
    };
    for (who, reported) in [
        (alice(), "alice as root"),
        (
            Who {
                sudo: Some(person(1_001, Some("bob"))),
                ..alice()
            },
            "alice as root",
        ),
        (
            Who {
                sudo: Some(person(1_001, Some("b o\u{1b}"))),
                ..root.clone()
            },
            "\"b o\\u{1b}\" as root",
        ),
        (
            Who {
                login: Some(person(70_000, None)),
                ..root.clone()
            },
            "70000 as root",
        ),
        (root, "root"),
    ] {
        assert_eq!(who.describe(), reported);
    }
    let here = Who::here(|name| {
        [("SUDO_UID", "0"), ("SUDO_USER", "x")]
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.into())
    });
    assert_eq!(
        (here.user, here.sudo),
        (
            Account::of(nix::unistd::geteuid().as_raw()),
            Some(Account::of(0))
        )
    );
    assert!(!here.host.is_empty());
    assert_eq!(Who::here(|_| None).sudo, None);
}
