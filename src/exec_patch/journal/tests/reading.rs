//! Tests that a journal is read as it was written, and that anything else is an error.

use super::*;

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
    journal
        .unidentified(&unidentified(
            "",
            Engine::Unknown,
            "/run/runc/x",
            "it is cut",
        ))
        .unwrap();

    // A resumed run finds and records some containers again.
    journal
        .unidentified(&unidentified(
            "",
            Engine::Unknown,
            "/run/runc/x",
            "it is still cut",
        ))
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
    // A container that could not be identified at first and was patched later is ok.
    journal
        .unidentified(&unidentified("late", Engine::Docker, "/b", "it is cut"))
        .unwrap();
    assert_eq!(RunLog::read(journal.directory()).unwrap().counts(), (1, 2));
    treat(&journal, 3, container("late", 13), Outcome::Patched);
    let past = RunLog::read(journal.directory()).unwrap();
    assert_eq!(past.counts(), (2, 1));
    assert!(!past.not_ok().has_unidentified("late"));
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
    let journal = Journal::create(nobody(), &mut lock, draft(Some(&program))).unwrap();
    let past = RunLog::read(journal.directory()).unwrap();
    assert_eq!(past.program().unwrap().as_ref(), Some(&program));
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
    let (reported, exit) = history::table(&runs).unwrap();
    assert_eq!(exit, Exit::Failed);
    assert!(
        reported.starts_with(&format!("run {}: cannot read ", journal.id())),
        "{reported}"
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
