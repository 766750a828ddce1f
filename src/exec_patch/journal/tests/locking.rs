//! Tests that only one run works at a time.

use super::*;

#[test]
fn a_second_run_learns_who_runs() {
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

#[test]
fn a_run_that_goes_on_waits_for_the_workers_of_the_killed_one() {
    let (_directory, paths) = node();
    let (lock, journal) = started(&paths);
    // The main process is gone. A worker holds the lock, as if the worker had inherited it.
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
    let mut reported = Vec::new();
    let mut lock = Some(lock);
    let start = Instant::now();
    let taken = Lock::wait(&paths, &past, Duration::ZERO, &mut |waiting| {
        reported.push(waiting.is_first);
        assert!(
            waiting.at_most <= Duration::from_secs(31) && waiting.at_most > Duration::from_secs(20)
        );
        // Now the worker ends.
        if reported.len() == 2 {
            lock = None;
        }
        ControlFlow::Continue(())
    });
    assert!(taken.is_ok() && start.elapsed() < Duration::from_secs(5));
    assert_eq!(reported, [true, false]);
    drop(lock);
}
