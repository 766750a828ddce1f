//! Tests that many processes that write to one journal leave only whole lines, even when killed.

use super::*;

/// The part of the processes that the tests below start: `EMBARGO_TEST_WRITER` says what to do,
/// `EMBARGO_TEST_RUN` in which run.
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

/// Starts this test program again, as the process above.
pub(super) fn process(shell: &str, part: &str, run: &Path) -> Child {
    #[allow(clippy::disallowed_methods)] // Whether several processes get along is what is tested.
    let mut command = Command::new("/bin/sh");
    let script = format!(
        "{shell} exec \"$0\" --exact exec_patch::journal::tests::processes::a_process --ignored"
    );
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
        // Each round kills the process at a different point of its work, but never before its first
        // line.
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
