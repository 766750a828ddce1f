//! Tests what a run takes over from the run that it resumes.

use super::*;
use crate::exec_patch::job::{Container, Job};
use crate::exec_patch::journal::Journal;
use crate::exec_patch::journal::tests::{
    container, failed, finished, job, nobody, node, payload, planned, started, treat,
};
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::plan::{Plan, PlannedContainer};
use crate::exec_patch::request::arguments::USUAL_PACE;
use crate::exec_patch::request::limits::Quota;
use crate::exec_patch::request::payload::Payload;
use crate::lineage::digest::Digest;

/// A resumed request. The earlier run has these containers, with the outcomes of their patches.
fn resumed(containers: &[(&str, &[Outcome])]) -> Request {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    let mut number = 0;
    for (id, outcomes) in containers {
        let container = container(id, 11);
        journal.planned(vec![planned(&container)]).unwrap();
        for (patch, outcome) in outcomes.iter().enumerate() {
            number += 1;
            treat_with(&journal, number, &container, patch, outcome);
        }
    }
    request(&journal)
}

/// A payload for one of several patches of a container.
fn treat_with(
    journal: &Journal,
    number: usize,
    container: &Container,
    patch: usize,
    outcome: &Outcome,
) {
    let digest = Digest::of(&patch.to_le_bytes());
    let job = Job {
        digest,
        ..job(journal, number, container.clone())
    };
    if *outcome == Outcome::NotStarted {
        let payload = Payload {
            digest,
            ..payload(None)
        };
        return journal.settled(container, Some(&payload), outcome).unwrap();
    }
    journal.started(&job, false).unwrap();
    journal
        .ended(
            &job,
            &crate::exec_patch::job::JobResult::of(outcome.clone()),
        )
        .unwrap();
}

fn request(journal: &Journal) -> Request {
    Request::resumed(
        RunLog::read(journal.directory()).unwrap(),
        PaceOptions::default(),
    )
    .unwrap()
}

#[test]
fn a_canary_is_a_container_however_many_patches_it_has() {
    use Outcome::{AlreadyFine, NotStarted, Patched};
    for (containers, passed) in [
        (&[("c1", &[Patched, Patched, Patched][..])][..], 1),
        (&[("c1", &[Patched, Patched]), ("c2", &[Patched])], 2),
        (
            &[
                ("c1", &[Patched, failed(1)]),
                ("c2", &[Patched, AlreadyFine]),
            ],
            1,
        ),
        (&[("c1", &[Patched, NotStarted])], 0),
        (&[("c1", &[AlreadyFine, AlreadyFine])], 0),
        (&[], 0),
    ] {
        assert_eq!(
            resumed(containers).canaries_passed(),
            passed,
            "{containers:?}"
        );
    }
}

#[test]
fn a_run_holds_what_it_was_for_and_what_matches_now_each_once() {
    let request = resumed(&[("c1", &[Outcome::Patched]), ("c2", &[failed(1)])]);
    for (now, matches) in [
        (&["c1", "c2"][..], 2),
        (&["c2", "c3"], 3),
        (&[], 2),
        (&["c3", "c4", "c5"], 5),
    ] {
        let planned = |id: &&str| PlannedContainer {
            container: container(id, 99),
            reasons: Vec::new(),
            steps: Vec::new(),
        };
        let plan = Plan {
            planned: now.iter().map(planned).collect(),
            ..Plan::default()
        };
        assert_eq!(request.matches(&plan), matches, "{now:?}");
    }
}

#[test]
fn what_stopped_a_run_holds_until_another_pace_is_asked_for() {
    let (_directory, paths) = node();
    let (_lock, journal) = started(&paths);
    let before = USUAL_PACE;
    let (canary, failures) = (
        Limits {
            canary: 0,
            ..before
        },
        Limits {
            max_failures: Quota::Number(9),
            ..before
        },
    );
    let halted = Halt::Failures { allowed: 3 };
    for (stopped, limits, expected) in [
        (None, before, Err(None)),
        (None, canary, Err(None)),
        (Some(Halt::Canary), before, Err(Some(Halt::Canary))),
        (Some(Halt::Canary), failures, Err(Some(Halt::Canary))),
        (Some(Halt::Canary), canary, Ok(())),
        (Some(halted), before, Err(Some(halted))),
        (Some(halted), canary, Err(Some(halted))),
        (Some(halted), failures, Ok(())),
        (Some(Halt::Asked), before, Ok(())),
        (Some(Halt::Journal), before, Ok(())),
        (Some(Halt::Scan), before, Ok(())),
    ] {
        let end = finished(&journal, stopped);
        assert_eq!(
            may_be_resumed(&end, &limits, &before),
            expected,
            "{stopped:?} {limits:?}"
        );
    }
}

#[test]
fn the_pace_of_a_run_is_the_one_at_which_it_went_on_last() {
    let (_directory, paths) = node();
    let (mut lock, journal) = started(&paths);
    treat(&journal, 1, container("c1", 11), failed(1));
    let stopped = |allowed| {
        let stopped = Some(Halt::Failures { allowed });
        journal.finished(finished(&journal, stopped)).unwrap();
        RunLog::read(journal.directory()).unwrap()
    };
    let past = stopped(0);
    let pace = Limits {
        max_failures: Quota::Number(7),
        ..USUAL_PACE
    };
    Journal::resume(
        nobody(),
        &mut lock,
        &past,
        past.header.by.clone(),
        vec![],
        pace,
    )
    .unwrap();
    let over = Request::resumed(stopped(7), PaceOptions::default()).unwrap_err();
    assert!(
        matches!(
            over,
            PatchError::Over(_, Some(Halt::Failures { allowed: 7 }))
        ),
        "{over}"
    );
}
