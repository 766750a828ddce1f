//! Tests that journals are written and read correctly, by many at once, and after a kill.

use std::ops::ControlFlow;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io::Write};

use super::history;
use super::ids::*;
use super::line::*;
use super::lock::*;
use super::past::*;
use super::runs::*;
use super::who::*;
use super::*;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::exec_patch::job::Work;
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::outcome::OutcomeKind;
use crate::exec_patch::request::arguments::{PatchSource, USUAL_PACE};
use crate::exec_patch::request::target::{Selector, Target};
use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::report::Exit;
use crate::report::line::causes;

pub(in crate::exec_patch) fn node() -> (tempfile::TempDir, Paths) {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::below(directory.path());
    (directory, paths)
}

pub(in crate::exec_patch) fn nobody() -> Sockets {
    Sockets {
        journal: "/nowhere".into(),
        syslog: "/nowhere".into(),
    }
}

pub(in crate::exec_patch) fn alice() -> Who {
    let person = |uid, name: &str| Account {
        uid,
        name: Some(name.to_owned()),
    };
    let (user, login, terminal, host) = (
        person(0, "root"),
        Some(person(1_000, "alice")),
        Some("/dev/pts/3".into()),
        "node-1".into(),
    );
    Who {
        user,
        login,
        sudo: None,
        terminal,
        host,
    }
}

fn order() -> Order {
    let selector = Selector::Bans(vec!["BAN-2026-0007".into()]);
    let target = Target {
        selector,
        engines: vec![Engine::Docker],
        namespaces: vec![],
        containers: vec![],
    };
    let source = PatchSource::Command(vec!["sh".into(), "-c".into(), "apt-get upgrade".into()]);
    let (environment, check, user, directory, timeout) = (vec![], None, None, None, None);
    Order {
        target,
        source,
        check,
        user,
        environment,
        directory,
        timeout,
        unpause: false,
        again: false,
    }
}

fn work() -> Work {
    let run = vec!["sh".into(), "-c".into(), "apt-get upgrade".into()];
    Work {
        check: None,
        run,
        user: (0, 0),
        environment: vec![],
        directory: None,
        timeout: 1,
        unpause: false,
        program: false,
    }
}

fn digest() -> Digest {
    Digest::of(b"work")
}

fn draft<'a>(program: Option<&'a ProgramFile>) -> NewRun<'a> {
    let carried = vec![Carried {
        digest: digest(),
        ban: None,
        severity: None,
        successor: None,
        program: None,
        command: "sh -c 'apt-get upgrade'".into(),
        work: work(),
    }];
    let terms = RunTerms {
        pace: USUAL_PACE,
        output_limit: 1 << 20,
    };
    let (argv, only_failed) = (vec!["--ban".into(), "BAN-2026-0007".into()], None);
    NewRun {
        by: alice(),
        trigger: Trigger::Typed,
        argv,
        order: order(),
        terms,
        carried,
        program,
        only_failed,
        list_version: Some(412),
    }
}

pub(in crate::exec_patch) fn container(id: &str, pid: u32) -> Container {
    let (name, image, image_id) = (Some(format!("web-{pid}")), Some("acme/web:1".into()), None);
    let (kind, root, bundle) = (
        RuntimeKind::Runc,
        "/run/docker/runtime-runc/moby".into(),
        "/b".into(),
    );
    Container {
        id: id.into(),
        engine: Engine::Docker,
        namespace: None,
        name,
        image,
        image_id,
        kind,
        root,
        bundle,
        owner: 0,
        pid,
        started: 7,
    }
}

pub(in crate::exec_patch) fn job(journal: &Journal, number: usize, container: Container) -> Job {
    let (run, journal, runtime) = (
        journal.id().to_string(),
        journal.directory().to_owned(),
        "/usr/sbin/runc".into(),
    );
    Job {
        run,
        journal,
        number,
        container,
        runtime,
        work: work(),
        digest: digest(),
        ban: None,
        severity: None,
        successor: None,
        output_limit: 1,
    }
}

/// The line of a container that will be entered.
pub(in crate::exec_patch) fn planned(container: &Container) -> Planned {
    Planned {
        at: Timestamp::now(),
        container: container.clone(),
        reasons: vec![],
        patches: vec![],
    }
}

/// How a run ended.
pub(in crate::exec_patch) fn finished(journal: &Journal, stopped: Option<Halt>) -> Finished {
    let (run, outcomes) = (journal.id().clone(), [(OutcomeKind::Patched, 1)].into());
    Finished {
        run,
        at: Timestamp::now(),
        exit: 3,
        ok: 1,
        not_ok: 5,
        outcomes,
        stopped,
    }
}

/// What would run in a container, for this ban.
pub(in crate::exec_patch) fn payload(ban: Option<&str>) -> Payload {
    Payload {
        digest: digest(),
        ..Payload::new(work(), None, ban.map(str::to_owned))
    }
}

fn done(outcome: Outcome) -> JobResult {
    JobResult {
        took: 1_250,
        written: 3,
        tail: "ok\n".into(),
        ..JobResult::of(outcome)
    }
}

/// A run under way, before anything has happened.
pub(in crate::exec_patch) fn started(paths: &Paths) -> (Lock, Journal) {
    let mut lock = Lock::take(paths).unwrap();
    let journal = Journal::create_logging_to(nobody(), &mut lock, draft(None)).unwrap();
    (lock, journal)
}

pub(in crate::exec_patch) fn treat(
    journal: &Journal,
    number: usize,
    container: Container,
    outcome: Outcome,
) {
    let job = job(journal, number, container);
    journal.started(&job, false).unwrap();
    journal.ended(&job, &done(outcome)).unwrap();
}

pub(in crate::exec_patch) fn failed(status: i32) -> Outcome {
    Outcome::Failed {
        stage: crate::exec_patch::outcome::Stage::Command,
        status,
    }
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

#[test]
fn a_run_is_read_as_it_was_written() {
    let (_directory, paths) = node();
    let (lock, journal) = started(&paths);
    let [one, two, three, four] =
        [("c1", 11), ("c2", 12), ("c3", 13), ("c4", 14)].map(|(id, pid)| container(id, pid));
    journal
        .planned([&one, &two, &three, &four].map(planned).into())
        .unwrap();
    treat(&journal, 1, one.clone(), Outcome::Patched);
    treat(&journal, 2, two.clone(), failed(7));
    journal
        .started(&job(&journal, 3, three.clone()), false)
        .unwrap();
    journal
        .settled(
            &container("c5", 15),
            Some(&payload(Some("BAN-9"))),
            &Outcome::Paused,
        )
        .unwrap();
    let (id, engine, place) = (String::new(), Engine::Unknown, "/run/runc/x".into());
    journal
        .unidentified(&Unaccounted {
            id,
            engine,
            namespace: None,
            name: None,
            place,
            why: "it is cut".into(),
        })
        .unwrap();

    // Whoever resumes a run finds and records some of it again.
    let (id, engine, place) = (String::new(), Engine::Unknown, "/run/runc/x".into());
    journal
        .unidentified(&Unaccounted {
            id,
            engine,
            namespace: None,
            name: None,
            place,
            why: "it is still cut".into(),
        })
        .unwrap();
    journal.planned([&four, &one].map(planned).into()).unwrap();

    let past = RunLog::read(journal.directory()).unwrap();
    assert_eq!(
        past.unidentified
            .iter()
            .map(|unidentified| unidentified.why.as_str())
            .collect::<Vec<_>>(),
        ["it is still cut"]
    );
    assert_eq!(
        (&past.header.id, &past.header.by, &past.header.order),
        (journal.id(), &alice(), &order())
    );
    let instance = |container: &Container| InstanceId::of(container, journal.boot());
    assert_eq!(
        past.prior_state(digest(), &instance(&one)),
        PriorState::Over(&Outcome::Patched)
    );
    assert_eq!(
        past.prior_state(digest(), &instance(&two)),
        PriorState::Over(&failed(7))
    );
    assert!(
        matches!(past.prior_state(digest(), &instance(&three)), PriorState::Interrupted(entry) if entry.is_under_way(journal.boot()))
    );
    assert_eq!(
        past.prior_state(digest(), &instance(&four)),
        PriorState::New
    );
    assert_eq!(
        past.prior_state(Digest::of(b"other"), &instance(&one)),
        PriorState::New
    );
    assert_eq!(
        past.prior_state(
            digest(),
            &instance(&Container {
                started: 8,
                ..one.clone()
            })
        ),
        PriorState::New
    );
    assert_eq!(
        past.prior_state(
            digest(),
            &InstanceId {
                boot: "another".into(),
                ..instance(&one)
            }
        ),
        PriorState::New
    );
    assert_eq!(past.not_started(), [&ContainerKey::of(&four)]);
    assert_eq!(
        (past.counts(), past.next_number(), past.longest_job()),
        ((1, 5), 4, Duration::from_secs(1))
    );
    let not_ok = past.not_ok();
    assert_eq!(
        [&one, &two, &three, &four].map(|container| not_ok.has(container)),
        [false, true, true, true]
    );
    assert!(
        not_ok.has(&Container {
            pid: 99,
            started: 99,
            ..two
        }),
        "it was started again"
    );
    assert!(not_ok.has_unidentified("c5") && !not_ok.has_unidentified("c1"));
    assert_eq!(past.finished, None);

    let end = finished(&journal, Some(Halt::Canary));
    journal.finished(end.clone()).unwrap();
    assert_eq!(
        RunLog::read(journal.directory()).unwrap().finished,
        Some(end)
    );
    for path in [
        paths.patches.clone(),
        journal.directory().to_owned(),
        journal.directory().join(JOURNAL),
        paths.patches.join(".lock"),
    ] {
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o077,
            0,
            "{path:?}"
        );
    }
    drop(lock);
}

#[test]
fn one_id_in_two_state_directories_is_two_containers_and_one_engine_or_another_is_the_same() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    let one = container("web", 11);
    let other = Container {
        root: "/run/other".into(),
        pid: 12,
        ..one.clone()
    };
    journal.planned([&one, &other].map(planned).into()).unwrap();
    treat(&journal, 1, one.clone(), Outcome::Patched);
    treat(&journal, 2, other.clone(), failed(7));
    let past = RunLog::read(journal.directory()).unwrap();
    assert_eq!(past.counts(), (1, 1));
    let not_ok = past.not_ok();
    assert!(
        !not_ok.has(&one)
            && not_ok.has(&other)
            && not_ok.has(&Container {
                engine: Engine::Unknown,
                ..other
            })
    );
    // A container that was not identified at first and was patched later is ok.
    let (id, engine, place) = ("late".to_owned(), Engine::Docker, "/b".into());
    journal
        .unidentified(&Unaccounted {
            id,
            engine,
            namespace: None,
            name: None,
            place,
            why: "it is cut".into(),
        })
        .unwrap();
    assert_eq!(RunLog::read(journal.directory()).unwrap().counts(), (1, 2));
    treat(&journal, 3, container("late", 13), Outcome::Patched);
    let past = RunLog::read(journal.directory()).unwrap();
    assert_eq!(past.counts(), (2, 1));
    assert!(!past.not_ok().has_unidentified("late"));
}

#[test]
fn the_last_run_is_the_one_that_began_last_also_within_a_second() {
    let (_directory, paths) = node();
    let made: Vec<_> = (0..20).map(|_| started(&paths).1.id().clone()).collect();
    let runs = Runs::load(&paths).unwrap();
    assert_eq!(
        runs.ids().iter().rev().collect::<Vec<_>>(),
        made.iter().collect::<Vec<_>>()
    );
    assert_eq!(runs.find("last").unwrap(), made.last().unwrap());
    let id = |text: &str| RunId::parse(text).unwrap();
    assert_eq!(
        id("20261120-221500-00ff").following(),
        Some(id("20261120-221500-0100"))
    );
    assert_eq!(id("20261120-221500-ffff").following(), None);
}

#[test]
fn a_run_that_is_resumed_goes_on_in_its_own_journal() {
    let (_directory, paths) = node();
    let (lock, journal) = started(&paths);
    treat(&journal, 1, container("c1", 11), Outcome::Patched);
    journal.finished(finished(&journal, None)).unwrap();
    drop((journal, lock));
    let runs = Runs::load(&paths).unwrap();
    let past = runs.read(runs.find("last").unwrap()).unwrap();
    let mut lock = Lock::wait(&paths, &past, Duration::ZERO, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    let journal = Journal::resume_logging_to(
        nobody(),
        &mut lock,
        &past,
        alice(),
        vec!["--resume".into()],
        USUAL_PACE,
    )
    .unwrap();
    treat(
        &journal,
        past.next_number(),
        container("c2", 12),
        Outcome::AlreadyFine,
    );
    let past = RunLog::read(journal.directory()).unwrap();
    assert_eq!(
        (
            past.resumed.len(),
            past.entries.len(),
            past.next_number(),
            past.finished
        ),
        (1, 2, 3, None)
    );
}

#[test]
fn the_program_of_a_run_is_kept_and_is_what_it_was() {
    let (_directory, paths) = node();
    let mut lock = Lock::take(&paths).unwrap();
    let program = ProgramFile {
        name: "fix".into(),
        bytes: (*b"#!/bin/sh\n").into(),
        digest: Digest::of(b"#!/bin/sh\n"),
    };
    let journal = Journal::create_logging_to(nobody(), &mut lock, draft(Some(&program))).unwrap();
    let past = RunLog::read(journal.directory()).unwrap();
    assert_eq!(
        past.program().unwrap().as_deref(),
        Some(&b"#!/bin/sh\n"[..])
    );
    let copy = journal.directory().join("program");
    for (bytes, line) in [
        (
            &b"#!/bin/zsh"[..],
            format!("cannot use {copy:?}: it is not the program that the run started with"),
        ),
        (
            b"#!/bin/sh\n#",
            format!("cannot read {copy:?}: larger than 10 bytes"),
        ),
    ] {
        replace::replace(&copy, 0o600, bytes).unwrap();
        assert_eq!(past.program().unwrap_err().to_string(), line);
    }
    fs::remove_file(&copy).unwrap();
    assert_eq!(
        causes(&past.program().unwrap_err()),
        format!("cannot read {copy:?}: it is missing")
    );
}

#[test]
fn a_line_that_was_cut_off_is_passed_over_and_the_next_writer_removes_it() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    treat(&journal, 1, container("c1", 11), Outcome::Patched);
    let path = journal.directory().join(JOURNAL);
    let whole = file::read(&path, 1 << 20, Guard::Owned).unwrap();
    for piece in [
        &b"{\"schema\":1,\"event\":\"ended\",\"number\":1"[..],
        b"\0\0\0\0",
        b"{",
        &vec![b'x'; 200_000],
    ] {
        append(&path, piece);
        assert_eq!(RunLog::read(journal.directory()).unwrap().entries.len(), 1);
        Appender::open(&path, false).unwrap().append(b"").unwrap();
        assert_eq!(file::read(&path, 1 << 20, Guard::Owned).unwrap(), whole);
    }
    append(&path, b"{\"schema\":1,\"event\":");
    treat(&journal, 2, container("c2", 12), failed(1));
    assert_eq!(RunLog::read(journal.directory()).unwrap().entries.len(), 2);
}

#[test]
fn a_journal_that_is_not_ours_costs_its_run_one_line() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    treat(&journal, 1, container("c1", 11), Outcome::Patched);
    let path = journal.directory().join(JOURNAL);
    let whole = file::read_text(&path, 1 << 20, Guard::Owned).unwrap();
    let (header, rest) = whole.split_once('\n').unwrap();
    let (started, ended) = rest.trim_end().split_once('\n').unwrap();
    let other = "20000101-000000-0000";
    for (text, fault) in [
        (String::new(), ", line 1: it has no header".to_owned()),
        (format!("{started}\n"), ", line 1: it is no header".into()),
        (
            format!("{header}\n{header}\n"),
            ", line 2: a second header".into(),
        ),
        (
            format!("{header}\n{ended}\n"),
            ", line 2: its number was not started".into(),
        ),
        (
            format!("{header}\n{started}\n{started}\n"),
            ", line 3: its number was started before".into(),
        ),
        (
            format!("{header}\n{started}\n{ended}\n{ended}\n"),
            ", line 4: its number has ended before".into(),
        ),
        (
            format!("{header}\n\n{started}\n"),
            ", line 2: EOF while parsing a value at line 1 column 0".into(),
        ),
        (
            format!("{header}\n{{\"schema\":1,\"event\":\"new\"}}\n"),
            ", line 2: unknown variant `new`".into(),
        ),
        (
            format!("{header}\n{{\"schema\":1,\"event\":\"warning\",\"text\":\"x\"}}\n"),
            ", line 2: it stands in no journal".into(),
        ),
        (
            format!(
                "{header}\n{}\n",
                started.replace("\"schema\":1", "\"schema\":2")
            ),
            ", line 2: its schema is not 1".into(),
        ),
        (
            format!("{header}\n{}\n", started.replace("\"schema\":1,", "")),
            ", line 2: its schema is not 1".into(),
        ),
        (
            header.replace("\"schema\":1", "\"schema\":2") + "\n",
            ": its schema is 2, not 1".into(),
        ),
        (
            header.replace("\"schema\":1", "\"schema\":2,\"more\":{}") + "\n",
            ": its schema is 2, not 1".into(),
        ),
        (
            header.replace("\"schema\":1,", "") + "\n",
            ", line 1: it has no schema".into(),
        ),
        (
            header.replace("\"argv\":", "\"words\":") + "\n",
            ", line 1: unknown field `words`".into(),
        ),
        (
            format!(
                "{header}\n{started}\n{}\n",
                ended.replace("\"ok\":true", "\"ok\":false")
            ),
            ", line 3: it is ok, or not, against".into(),
        ),
        (
            format!(
                "{header}\n{started}\n{}\n",
                ended.replace("\"c1\"", "\"c2\"")
            ),
            ", line 3: its number was started otherwise".into(),
        ),
        (
            format!(
                "{header}\n{started}\n{}\n",
                ended.replace("\"number\":1,", "")
            ),
            ", line 3: it was entered by halves".into(),
        ),
        (
            format!("{header}\n{}\n", started.replace("\"worker\":", "\"by\":")),
            ", line 2: unknown field `by`".into(),
        ),
        (
            header.replace("\"engines\":[\"docker\"],", "") + "\n",
            ", line 1: missing field `engines`".into(),
        ),
        (
            header.replace("\"max_failures\":\"100%\"", "\"max_failures\":\"most\"") + "\n",
            ", line 1: a number, or 0% to 100%".into(),
        ),
        (
            format!(
                "{header}\n{}\n",
                started.replace("\"owner\":0", "\"owner\":0,\"more\":[]")
            ),
            ", line 2: unknown field `more`".into(),
        ),
        (
            format!(
                "{header}\n{}\n",
                started.replace("\"at\":", "\"unpause\":false,\"at\":")
            ),
            ", line 2: unknown field `unpause`".into(),
        ),
        (
            format!(
                "{header}\n{started}\n{}\n",
                ended.replace("\"patched\"", "\"ok\"")
            ),
            ", line 3: unknown variant `ok`".into(),
        ),
        (
            header.replace(journal.id().as_str(), other) + "\n",
            format!(", line 1: it is that of run {other}"),
        ),
        (
            header.replace(journal.id().as_str(), "../../etc") + "\n",
            ", line 1: invalid value: string \"../../etc\"".into(),
        ),
    ] {
        replace::replace(&path, 0o600, text.as_bytes()).unwrap();
        let error = RunLog::read(journal.directory()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot read {path:?}{fault}")),
            "{error}"
        );
    }
    let runs = Runs::load(&paths).unwrap();
    let (told, exit) = history::table(&runs).unwrap();
    assert_eq!(exit, Exit::Failed);
    assert!(
        told.starts_with(&format!("run {}: cannot read ", journal.id())),
        "{told}"
    );
    let (json, exit) = history::lines(&runs).unwrap();
    assert_eq!(exit, Exit::Failed);
    assert!(json.starts_with(&format!(
        "{{\"schema\":1,\"event\":\"unreadable\",\"run\":\"{}\",\"fault\":\"cannot read ",
        journal.id()
    )));
    assert_eq!(runs.prior(journal.boot()).faults.len(), 1);
    let version = JournalError::Version("/x".into(), 2);
    assert_eq!(
        version.hint().unwrap(),
        "read it with the embargo that wrote it, or remove its directory"
    );
}

#[test]
fn a_journal_that_is_a_link_a_fifo_or_others_to_write_is_not_read() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    let path = journal.directory().join(JOURNAL);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(
        RunLog::read(journal.directory()).unwrap_err().to_string(),
        format!("cannot trust {path:?}: owned or writable by another user")
    );
    fs::rename(&path, journal.directory().join("elsewhere")).unwrap();
    symlink("elsewhere", &path).unwrap();
    assert_eq!(
        causes(&RunLog::read(journal.directory()).unwrap_err()),
        format!("cannot read {path:?}: it is a symbolic link")
    );
    assert!(Appender::open(&path, false).is_err());
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        RunLog::read(journal.directory()).unwrap_err().to_string(),
        format!("cannot read {path:?}: not a regular file")
    );
}

#[test]
fn nothing_is_written_into_a_directory_that_others_may_write() {
    for shared in ["var/lib/embargo", "var/lib/embargo/patches"] {
        let (directory, paths) = node();
        fs::create_dir_all(&paths.patches).unwrap();
        let path = directory.path().join(shared);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(
            Lock::take(&paths).unwrap_err().to_string(),
            format!("cannot trust {path:?}: owned or writable by another user")
        );
    }
}

#[test]
fn a_directory_that_cannot_be_made_says_so_before_anything_is_entered() {
    let (directory, paths) = node();
    fs::create_dir(directory.path().join("var")).unwrap();
    fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(directory.path().join("var/lib"))
        .unwrap();
    assert_eq!(
        causes(&Lock::take(&paths).unwrap_err()),
        format!(
            "cannot use {:?}: a part of its path is no directory",
            paths.patches
        )
    );
}

#[test]
fn a_run_is_found_by_its_id_by_its_beginning_or_as_the_last() {
    let (_directory, paths) = node();
    let runs = Runs::load(&paths).unwrap();
    assert_eq!(
        runs.find("last").unwrap_err().to_string(),
        format!("cannot find any run: there is none in {:?}", paths.patches)
    );
    assert_eq!(
        (
            history::table(&runs).unwrap(),
            history::lines(&runs).unwrap()
        ),
        (
            ("no run yet\n".into(), Exit::Clear),
            (String::new(), Exit::Clear)
        )
    );
    for name in [
        "20261120-221500-a1b2",
        "20261120-221500-a1ff",
        "20261121-000000-0001",
        "notes",
        "20261121-000000-000G",
    ] {
        fs::create_dir_all(paths.patches.join(name)).unwrap();
    }
    let runs = Runs::load(&paths).unwrap();
    let found = |word| {
        runs.find(word)
            .map(ToString::to_string)
            .map_err(|error| error.to_string())
    };
    assert_eq!(runs.ids().len(), 3);
    assert_eq!(found("last").unwrap(), "20261121-000000-0001");
    assert_eq!(found("20261121").unwrap(), "20261121-000000-0001");
    assert_eq!(
        found("20261120-221500-a1b2").unwrap(),
        "20261120-221500-a1b2"
    );
    assert_eq!(
        found("2026112").unwrap_err(),
        "cannot tell which run 2026112 is: 20261120-221500-a1ff or 20261121-000000-0001"
    );
    assert_eq!(found("../x y").unwrap_err(), "cannot find a run \"../x y\"");
    assert_eq!(found("").unwrap_err(), "cannot find a run \"\"");
}

#[test]
fn an_id_is_a_time_and_four_digits_and_never_a_path() {
    let id = RunId::new(Timestamp::parse("2026-11-20T22:15:00Z").unwrap(), 0xa1b2);
    assert_eq!(id.as_str(), "20261120-221500-a1b2");
    assert_eq!(RunId::parse(id.as_str()), Some(id));
    for text in [
        "",
        "last",
        "20261120-221500-A1B2",
        "20261120-221500-a1b2/",
        "20261120/221500-a1b2",
        "2026112-0221500-a1b2",
        "..",
        "٢0261120-221500-a1",
    ] {
        assert_eq!(RunId::parse(text), None, "{text}");
    }
}

#[test]
fn patched_before_is_what_nothing_later_went_wrong_in() {
    let (_directory, paths) = node();
    let mut expected = Vec::new();
    let cases: [(&str, &[Outcome]); 7] = [
        ("patched", &[Outcome::Patched]),
        ("fine since", &[Outcome::Patched, Outcome::AlreadyFine]),
        (
            "paused since",
            &[
                Outcome::Patched,
                Outcome::Paused,
                Outcome::PatchedBefore { run: "r".into() },
            ],
        ),
        ("failed since", &[Outcome::Patched, failed(1)]),
        ("patched since", &[failed(1), Outcome::Patched]),
        ("never ran", &[Outcome::AlreadyFine]),
        ("hung", &[Outcome::TimedOut]),
    ];
    for round in 0..3 {
        let (lock, journal) = started(&paths);
        for (number, (name, outcomes)) in cases.iter().enumerate() {
            let Some(outcome) = outcomes.get(round) else {
                continue;
            };
            treat(&journal, number + 1, container(name, 11), outcome.clone());
            if *outcome == Outcome::Patched {
                expected.push((*name, journal.id().clone()));
            }
        }
        drop((journal, lock));
        // Runs of one second are in no order.
        std::thread::sleep(Duration::from_millis(1_100));
    }
    let boot = boot().unwrap();
    let prior = Runs::load(&paths).unwrap().prior(&boot);
    for (name, _) in cases {
        let instance = InstanceId::of(&container(name, 11), &boot);
        let run = expected
            .iter()
            .find(|(patched, _)| *patched == name && !["failed since"].contains(&name))
            .map(|(_, id)| id);
        assert_eq!(prior.patched(digest(), &instance), run, "{name}");
        assert_eq!(
            prior.patched(Digest::of(b"other"), &instance),
            None,
            "{name}"
        );
        assert_eq!(
            prior.patched(
                digest(),
                &InstanceId {
                    started: 8,
                    ..instance
                }
            ),
            None,
            "{name}"
        );
    }
    assert_eq!(
        Runs::load(&paths).unwrap().prior("another").patched(
            digest(),
            &InstanceId::of(&container("patched", 11), "another")
        ),
        None
    );
}

#[test]
fn a_second_run_is_told_who_runs() {
    let (_directory, paths) = node();
    let (lock, journal) = started(&paths);
    let error = Lock::take(&paths).unwrap_err();
    let text = error.to_string();
    let start = format!("cannot start: run {} is under way since ", journal.id());
    assert!(
        text.starts_with(&start)
            && text.ends_with(&format!(
                ", started by alice as root (process {})",
                std::process::id()
            )),
        "{text}"
    );
    assert_eq!(
        error.hint().unwrap(),
        "wait until it has ended (--wait 10m), or end it"
    );
    let past = RunLog::read(journal.directory()).unwrap();
    let waited = Lock::wait(&paths, &past, Duration::ZERO, &mut |_| {
        panic!("nobody waits for a run that is under way")
    });
    assert!(matches!(waited, Err(JournalError::Busy(Some(_)))));
    drop(lock);
    Lock::take(&paths).unwrap();
}

/// What the processes of the tests below do: `EMBARGO_TEST_WRITER` says what, `EMBARGO_TEST_RUN` in
/// which run.
#[test]
#[ignore = "it is a process of other tests"]
fn a_process() {
    let (Some(part), Some(run)) = (
        std::env::var_os("EMBARGO_TEST_WRITER"),
        std::env::var_os("EMBARGO_TEST_RUN"),
    ) else {
        return;
    };
    let journal = Journal {
        log: nobody(),
        ..Journal::open(Path::new(&run)).unwrap()
    };
    let part = part.into_string().unwrap();
    let from: usize = part[1..].parse().unwrap();
    match &part[..1] {
        "w" => (from..from + 20).for_each(|number| {
            treat(
                &journal,
                number,
                container(&format!("c{number}"), 11),
                Outcome::Patched,
            )
        }),
        "f" => {
            let error = (from..).find_map(|number| {
                journal
                    .started(&job(&journal, number, container("c", 11)), false)
                    .err()
            });
            assert!(matches!(error, Some(JournalError::Append(..))), "{error:?}");
        }
        _ => (from..usize::MAX).for_each(|number| {
            journal
                .started(&job(&journal, number, container("c", 11)), false)
                .unwrap()
        }),
    }
}

/// Starts this program again as the process above.
fn process(shell: &str, part: &str, run: &Path) -> Child {
    #[allow(clippy::disallowed_methods)] // Whether several processes get along is what is tested.
    let mut command = Command::new("/bin/sh");
    let script =
        format!("{shell} exec \"$0\" --exact exec_patch::journal::tests::a_process --ignored");
    command
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env("EMBARGO_TEST_WRITER", part)
        .env("EMBARGO_TEST_RUN", run);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[test]
fn many_processes_write_at_once_and_every_line_is_there_once() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    let writers: Vec<_> = (0..6)
        .map(|writer| process("", &format!("w{}", writer * 100 + 1), journal.directory()))
        .collect();
    writers
        .into_iter()
        .for_each(|mut writer| assert!(writer.wait().unwrap().success()));
    let past = RunLog::read(journal.directory()).unwrap();
    assert_eq!((past.entries.len(), past.counts()), (120, (120, 0)));
}

#[test]
fn writers_that_are_killed_leave_whole_lines() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    let size = || {
        fs::metadata(journal.directory().join(JOURNAL))
            .unwrap()
            .len()
    };
    for round in 1..=4 {
        let mut writers: Vec<_> = (0..2)
            .map(|writer| {
                process(
                    "",
                    &format!("k{}", round * 1_000_000 + writer * 100_000),
                    journal.directory(),
                )
            })
            .collect();
        // At a different point of their work in each round, but not before they write.
        let wanted = size() + 10_000 * round;
        while size() < wanted {
            assert!(
                writers
                    .iter_mut()
                    .all(|writer| writer.try_wait().unwrap().is_none()),
                "a writer has ended"
            );
            std::thread::yield_now();
        }
        writers.iter_mut().for_each(|writer| writer.kill().unwrap());
        writers
            .into_iter()
            .for_each(|mut writer| _ = writer.wait().unwrap());
        treat(
            &journal,
            usize::try_from(round).unwrap(),
            container("own", 11),
            Outcome::Patched,
        );
    }
    let past = RunLog::read(journal.directory()).unwrap();
    let ended = past
        .entries
        .iter()
        .filter(|entry| matches!(entry.state, EntryState::Ended { .. }))
        .count();
    assert_eq!(ended, 4);
    assert!(past.entries.len() > 4, "nobody wrote");
}

#[test]
fn a_line_that_does_not_fit_on_the_disk_is_taken_back() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    // A limit on the file's size, in blocks of 512 bytes, simulates a full disk: the writes fail
    // halfway.
    let mut writer = process("trap '' XFSZ; ulimit -f 24;", "f1", journal.directory());
    assert!(writer.wait().unwrap().success());
    let path = journal.directory().join(JOURNAL);
    let text = file::read_text(&path, 1 << 20, Guard::Owned).unwrap();
    assert!(
        text.ends_with("}\n") && text.len() > 8_000,
        "{}",
        text.len()
    );
    let count = RunLog::read(journal.directory()).unwrap().entries.len();
    treat(&journal, count + 1, container("c", 11), Outcome::Patched);
    assert_eq!(
        RunLog::read(journal.directory()).unwrap().entries.len(),
        count + 1
    );
}

#[test]
fn a_run_that_was_removed_is_written_no_more() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    fs::remove_dir_all(journal.directory()).unwrap();
    let error = journal
        .started(&job(&journal, 1, container("c", 11)), false)
        .unwrap_err();
    assert_eq!(
        causes(&error),
        format!(
            "cannot write {:?}: it is missing",
            journal.directory().join(JOURNAL)
        )
    );
    assert!(journal.room().is_err());
}

#[test]
fn a_run_that_goes_on_waits_for_the_workers_of_the_killed_one() {
    let (_directory, paths) = node();
    let (lock, journal) = started(&paths);
    // Its main process is gone; its worker holds the lock, as if it had inherited it.
    let gone = Holder {
        process: WorkerId {
            pid: 1,
            started: u64::MAX,
        },
        ..holder(lock.directory()).unwrap().unwrap()
    };
    replace::replace(
        &paths.patches.join(".note"),
        0o600,
        &serde_json::to_vec(&gone).unwrap(),
    )
    .unwrap();
    let note = file::read(&paths.patches.join(".note"), 4_096, Guard::Owned).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(paths.patches.join(".lock"))
        .unwrap()
        .write_all(&note)
        .unwrap();
    let error = Lock::take(&paths).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot start: run {}, started by alice as root, was killed and its workers are still at work",
            journal.id()
        )
    );
    assert_eq!(
        error.hint().unwrap(),
        format!(
            "resume that run: embargo exec-patch --resume {}",
            journal.id()
        )
    );
    let past = RunLog::read(journal.directory()).unwrap();
    let mut told = Vec::new();
    let mut lock = Some(lock);
    let start = Instant::now();
    let taken = Lock::wait(&paths, &past, Duration::ZERO, &mut |waiting| {
        told.push(waiting.is_first);
        assert!(
            waiting.at_most <= Duration::from_secs(31) && waiting.at_most > Duration::from_secs(20)
        );
        // The worker ends.
        if told.len() == 2 {
            lock = None;
        }
        ControlFlow::Continue(())
    });
    assert!(taken.is_ok() && start.elapsed() < Duration::from_secs(5));
    assert_eq!(told, [true, false]);
    drop(lock);
}

#[test]
fn a_worker_that_is_gone_without_a_word_is_believed_by_what_it_wrote() {
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
fn the_system_log_hears_of_begin_containers_and_end() {
    let (directory, paths) = node();
    let sockets = Sockets {
        journal: directory.path().join("journal"),
        syslog: directory.path().join("log"),
    };
    let journald = std::os::unix::net::UnixDatagram::bind(&sockets.journal).unwrap();
    journald.set_nonblocking(true).unwrap();
    let mut lock = Lock::take(&paths).unwrap();
    let journal = Journal::create_logging_to(sockets, &mut lock, draft(None)).unwrap();
    treat(&journal, 1, container("c1", 11), Outcome::Patched);
    let why = "no such thing".to_owned();
    journal
        .settled(
            &container("c2", 12),
            Some(&payload(Some("BAN-9"))),
            &Outcome::CouldNotEnter { why },
        )
        .unwrap();
    let (id, engine, place) = (String::new(), Engine::Unknown, "/run/runc/x".into());
    journal
        .unidentified(&Unaccounted {
            id,
            engine,
            namespace: None,
            name: None,
            place,
            why: "it is cut".into(),
        })
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
fn a_run_that_cannot_begin_leaves_no_directory_and_one_half_made_is_removed() {
    let (_directory, paths) = node();
    let mut lock = Lock::take(&paths).unwrap();
    fs::create_dir_all(paths.patches.join(".draft/output")).unwrap();
    let long = NewRun {
        argv: vec!["x".repeat(33 << 20)],
        ..draft(None)
    };
    let error = Journal::create_logging_to(nobody(), &mut lock, long).unwrap_err();
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
    for (who, told) in [
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
        assert_eq!(who.describe(), told);
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
