//! Tests that runs are found, numbered and compared.

use super::*;

#[test]
fn the_last_run_is_the_one_that_started_last_also_within_a_second() {
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
    let journal = Journal::resume(
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
        // Separates the runs by more than a second: runs of the same second have no fixed order.
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
