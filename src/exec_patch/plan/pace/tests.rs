//! Tests `pace`: whole runs, each given as the outcomes of its containers.

use super::*;
use crate::exec_patch::outcome::Stage;

impl Pace {
    /// How many containers are under way.
    const fn under_way(&self) -> usize {
        self.under_way
    }

    /// The positions in the queue of containers that have not started.
    const fn not_started(&self) -> std::ops::Range<usize> {
        self.next..self.queue
    }
}

const FAILED: Outcome = Outcome::Failed {
    stage: Stage::Command,
    status: 1,
};

/// One letter stands for one container of the queue: how its patch would end.
fn outcome(letter: char) -> Outcome {
    match letter {
        '.' => Outcome::Patched,
        'x' => FAILED,
        't' => Outcome::TimedOut,
        's' => Outcome::Survived {
            left: vec!["7 (sleep)".into()],
        },
        'i' => Outcome::Interrupted,
        'f' => Outcome::AlreadyFine,
        'p' => Outcome::Paused,
        'v' => Outcome::Vanished,
        'c' => Outcome::CouldNotEnter {
            why: "it has no shell".into(),
        },
        other => panic!("{other} is no outcome"),
    }
}

const fn limits(canary: usize, parallel: Quota, max_failures: Quota) -> Limits {
    Limits {
        canary,
        parallel,
        max_failures,
    }
}

/// Runs a queue; the container that has been under way longest ends next. Returns how many
/// containers were under way at the same time, how many started, and how the run ended.
fn carried_out(limits: Limits, queue: &str) -> (usize, usize, NextStep) {
    let outcomes: Vec<_> = queue.chars().map(outcome).collect();
    let mut pace = Pace::new(limits, outcomes.len());
    pace.add(outcomes.len());
    let mut under_way = std::collections::VecDeque::new();
    let (mut most, mut started) = (0, 0);
    loop {
        match pace.next() {
            NextStep::Start(at) => {
                assert_eq!(at, started, "the queue is a queue");
                started += 1;
                under_way.push_back(at);
                most = most.max(under_way.len());
            }
            NextStep::Wait => pace.ended(&outcomes[under_way.pop_front().unwrap()]),
            end @ (NextStep::Stop(_) | NextStep::Finished) => {
                assert_eq!(pace.not_started(), started..outcomes.len());
                return (most, started, end);
            }
        }
        assert_eq!(pace.under_way(), under_way.len());
    }
}

const ANY: Quota = Quota::Percent(100);

#[test]
fn a_share_is_a_number_or_a_percentage() {
    for (text, share) in [
        ("0", Ok(Quota::Number(0))),
        ("12", Ok(Quota::Number(12))),
        ("0%", Ok(Quota::Percent(0))),
        ("100%", Ok(Quota::Percent(100))),
        ("101%", Err("a number, or 0% to 100%")),
        ("256%", Err("a number, or 0% to 100%")),
        ("", Err("a number, or 0% to 100%")),
        ("%", Err("a number, or 0% to 100%")),
        ("+1", Err("a number, or 0% to 100%")),
        ("-1", Err("a number, or 0% to 100%")),
        ("1.5%", Err("a number, or 0% to 100%")),
        ("10 %", Err("a number, or 0% to 100%")),
        ("99999999999999999999", Err("a number, or 0% to 100%")),
    ] {
        assert_eq!(text.parse(), share, "{text:?}");
        if let Ok(share) = share {
            assert_eq!(share.to_string(), text);
        }
    }
}

#[test]
fn a_window_is_rounded_up_and_a_limit_down() {
    for (share, matches, window, limit) in [
        (Quota::Number(4), 200, 4, 4),
        (Quota::Number(4), 1, 4, 4),
        (Quota::Number(0), 10, 1, 0),
        (Quota::Percent(0), 10, 1, 0),
        (Quota::Percent(10), 1, 1, 0),
        (Quota::Percent(10), 10, 1, 1),
        (Quota::Percent(10), 11, 2, 1),
        (Quota::Percent(25), 10, 3, 2),
        (Quota::Percent(99), 100, 99, 99),
        (Quota::Percent(99), 1, 1, 0),
        (Quota::Percent(100), 1, 1, 1),
        (Quota::Percent(100), 10, 10, 10),
        (Quota::Percent(100), 0, 1, 0),
    ] {
        assert_eq!(
            (share.window(matches), share.limit(matches)),
            (window, limit),
            "{share} of {matches}"
        );
    }
}

#[test]
fn the_window_slides_once_the_canaries_are_through() {
    for (canary, parallel, queue, most) in [
        (0, Quota::Number(4), "..........", 4),
        (0, Quota::Number(4), "..", 2),
        (1, Quota::Number(4), "..........", 4),
        (1, Quota::Number(4), ".", 1),
        (1, Quota::Number(1), "...", 1),
        (9, Quota::Number(4), "..........", 1),
        (10, Quota::Number(4), "..........", 1),
        (99, Quota::Number(4), "..........", 1),
        (8, Quota::Number(4), "..........", 2),
        (0, Quota::Percent(50), "..........", 5),
        (0, Quota::Percent(1), "..........", 1),
        (0, Quota::Percent(100), "..........", 10),
    ] {
        let end = carried_out(limits(canary, parallel, ANY), queue);
        assert_eq!(
            end,
            (most, queue.len(), NextStep::Finished),
            "canary {canary}, parallel {parallel}, {queue}"
        );
    }
}

#[test]
fn nothing_to_do_is_finished_at_once() {
    for canary in [0, 1, 7] {
        assert_eq!(
            carried_out(limits(canary, Quota::Percent(10), Quota::Percent(0)), ""),
            (0, 0, NextStep::Finished)
        );
    }
}

#[test]
fn a_canary_that_fails_after_running_stops_everything() {
    for (canary, queue, started, end) in [
        (1, "x.....", 1, NextStep::Stop(Halt::Canary)),
        (1, "t.....", 1, NextStep::Stop(Halt::Canary)),
        (1, "s.....", 1, NextStep::Stop(Halt::Canary)),
        (1, "i.....", 1, NextStep::Stop(Halt::Canary)),
        (1, ".x....", 6, NextStep::Finished),
        (2, ".x....", 2, NextStep::Stop(Halt::Canary)),
        (3, ".x....", 2, NextStep::Stop(Halt::Canary)),
        (0, "x.....", 6, NextStep::Finished),
        (1, "x", 1, NextStep::Stop(Halt::Canary)),
        (99, "..x...", 3, NextStep::Stop(Halt::Canary)),
    ] {
        let (_, began, ended) = carried_out(limits(canary, Quota::Number(2), ANY), queue);
        assert_eq!((began, ended), (started, end), "canary {canary}, {queue}");
    }
}

#[test]
fn whoever_did_not_run_the_command_leaves_the_canarys_place_to_the_next() {
    for (queue, started, end) in [
        ("pvcfx..", 5, NextStep::Stop(Halt::Canary)),
        ("pvcf.x.", 7, NextStep::Finished),
        ("pppp", 4, NextStep::Finished),
        ("cccc", 4, NextStep::Finished),
    ] {
        let (most, began, ended) = carried_out(limits(1, Quota::Number(7), ANY), queue);
        assert_eq!((began, ended), (started, end), "{queue}");
        assert!(
            most == 1 || queue.contains('.'),
            "{queue}: {most} at once before any canary passed"
        );
    }
}

#[test]
fn no_further_container_starts_once_more_than_the_limit_have_failed() {
    let stop = |allowed| NextStep::Stop(Halt::Failures { allowed });
    for (max_failures, queue, started, end) in [
        (Quota::Number(0), "..........", 10, NextStep::Finished),
        (Quota::Number(0), "x.........", 1, stop(0)),
        (Quota::Number(0), ".........x", 10, stop(0)),
        (Quota::Number(1), "x.........", 10, NextStep::Finished),
        (Quota::Number(1), "xx........", 2, stop(1)),
        (Quota::Number(1), "c..i......", 4, stop(1)),
        (Quota::Number(1), "ppvvff....", 10, NextStep::Finished),
        (Quota::Number(99), "xxxxxxxxxx", 10, NextStep::Finished),
        (Quota::Percent(0), "x.........", 1, stop(0)),
        (Quota::Percent(0), "x", 1, stop(0)),
        (Quota::Percent(0), ".", 1, NextStep::Finished),
        (Quota::Percent(10), "x.........", 10, NextStep::Finished),
        (Quota::Percent(10), "x........x", 10, stop(1)),
        (Quota::Percent(10), "xx........", 2, stop(1)),
        (Quota::Percent(19), "xx........", 2, stop(1)),
        (Quota::Percent(99), "xxxxxxxxxx", 10, stop(9)),
        (Quota::Percent(99), "x", 1, stop(0)),
        (Quota::Percent(100), "xxxxxxxxxx", 10, NextStep::Finished),
        (Quota::Percent(100), "x", 1, NextStep::Finished),
    ] {
        let (_, began, ended) = carried_out(limits(0, Quota::Number(1), max_failures), queue);
        assert_eq!(
            (began, ended),
            (started, end),
            "at most {max_failures} failures, {queue}"
        );
    }
}

#[test]
fn those_under_way_are_finished_and_may_fail_beyond_the_limit() {
    let mut pace = Pace::new(limits(0, Quota::Number(3), Quota::Number(0)), 5);
    pace.add(5);
    assert_eq!(
        [pace.next(), pace.next(), pace.next(), pace.next()],
        [
            NextStep::Start(0),
            NextStep::Start(1),
            NextStep::Start(2),
            NextStep::Wait
        ]
    );
    pace.ended(&FAILED);
    assert_eq!((pace.next(), pace.under_way()), (NextStep::Wait, 2));
    pace.ended(&FAILED);
    pace.ended(&Outcome::Patched);
    assert_eq!(
        (pace.next(), pace.not_started()),
        (NextStep::Stop(Halt::Failures { allowed: 0 }), 3..5)
    );
}

#[test]
fn what_a_rescan_finds_joins_the_queue_and_the_limit_follows() {
    for (max_failures, allowed) in [
        (Quota::Percent(50), 11),
        (Quota::Percent(10), 2),
        (Quota::Number(1), 1),
    ] {
        let mut pace = Pace::new(limits(0, Quota::Percent(50), max_failures), 2);
        pace.add(2);
        assert_eq!(
            [pace.next(), pace.next()],
            [NextStep::Start(0), NextStep::Wait]
        );
        pace.ended(&Outcome::Patched);
        assert_eq!(pace.next(), NextStep::Start(1));
        pace.ended(&Outcome::Patched);
        assert_eq!(pace.next(), NextStep::Finished);
        // One of the containers has nothing to do.
        pace.hold(21);
        pace.add(20);
        assert_eq!(
            [pace.next(), pace.next()],
            [NextStep::Start(2), NextStep::Wait],
            "the window is half of two"
        );
        let failed = (0..).find(|_| {
            pace.ended(&FAILED);
            pace.next() == NextStep::Stop(Halt::Failures { allowed })
        });
        assert_eq!(failed, Some(allowed), "{max_failures}: one more than that");
        assert_eq!(pace.not_started(), 3 + allowed..22);
    }
}

#[test]
fn all_that_a_run_finds_may_fail_where_the_limit_is_all_of_them() {
    for found in [vec![1, 4], vec![2, 1, 1, 9], vec![0, 3]] {
        let mut pace = Pace::new(limits(0, Quota::Number(1), ANY), 0);
        for more in found {
            pace.hold(more);
            pace.add(more);
            (0..more).for_each(|_| {
                assert!(matches!(pace.next(), NextStep::Start(_)));
                pace.ended(&FAILED);
            });
            assert_eq!(pace.next(), NextStep::Finished);
        }
    }
}

#[test]
fn a_canary_that_was_still_missing_may_come_with_a_rescan() {
    let mut pace = Pace::new(limits(1, Quota::Number(4), ANY), 1);
    pace.add(1);
    assert_eq!(pace.next(), NextStep::Start(0));
    pace.ended(&Outcome::Paused);
    assert_eq!(pace.next(), NextStep::Finished);
    pace.add(2);
    assert_eq!(
        [pace.next(), pace.next()],
        [NextStep::Start(1), NextStep::Wait]
    );
}

#[test]
fn a_run_that_is_resumed_needs_no_canary_twice() {
    let mut pace = Pace::new(limits(1, Quota::Number(2), ANY), 3);
    pace.have_passed(2);
    pace.add(3);
    assert_eq!(
        [pace.next(), pace.next(), pace.next()],
        [NextStep::Start(0), NextStep::Start(1), NextStep::Wait]
    );
}

#[test]
fn why_a_run_stopped_is_read_as_it_was_written_or_not_at_all() {
    for (halt, json) in [
        (Halt::Canary, r#"{"reason":"canary"}"#),
        (
            Halt::Failures { allowed: 12 },
            r#"{"reason":"failures","allowed":12}"#,
        ),
        (Halt::Asked, r#"{"reason":"asked"}"#),
        (Halt::Journal, r#"{"reason":"journal"}"#),
        (Halt::Scan, r#"{"reason":"scan"}"#),
    ] {
        assert_eq!(
            (
                serde_json::to_string(&halt).unwrap().as_str(),
                serde_json::from_str(json).ok()
            ),
            (json, Some(halt))
        );
    }
    for json in [
        r#""the canary failed""#,
        r#"{"reason":"failures"}"#,
        r#"{"reason":"failures","allowed":"2"}"#,
        r#"{"reason":"moon"}"#,
        "null",
    ] {
        assert!(serde_json::from_str::<Halt>(json).is_err(), "{json}");
    }
}

#[test]
fn a_pace_is_read_as_it_was_written_or_not_at_all() {
    let pace = limits(1, Quota::Percent(10), Quota::Number(0));
    let json = r#"{"canary":1,"parallel":"10%","max_failures":"0"}"#;
    assert_eq!(
        (
            serde_json::to_string(&pace).unwrap().as_str(),
            serde_json::from_str(json).ok()
        ),
        (json, Some(pace))
    );
    for other in [r#""101%""#, r#""none""#, r#""""#, "0", "null"] {
        assert!(
            serde_json::from_str::<Limits>(&json.replace(r#""0""#, other)).is_err(),
            "{other}"
        );
    }
    assert!(serde_json::from_str::<Limits>(r#"{"canary":1,"parallel":"10%"}"#).is_err());
}

#[test]
fn asked_to_stop_it_finishes_what_is_under_way_and_keeps_the_first_reason() {
    let mut pace = Pace::new(limits(0, Quota::Number(2), Quota::Number(0)), 4);
    pace.add(4);
    assert_eq!(
        [pace.next(), pace.next()],
        [NextStep::Start(0), NextStep::Start(1)]
    );
    pace.stop(Halt::Asked);
    pace.stop(Halt::Journal);
    assert_eq!(pace.next(), NextStep::Wait);
    pace.ended(&FAILED);
    assert_eq!(pace.next(), NextStep::Wait);
    pace.ended(&Outcome::Patched);
    assert_eq!(
        (pace.next(), pace.not_started()),
        (NextStep::Stop(Halt::Asked), 2..4)
    );
    let reasons = [
        Halt::Canary,
        Halt::Failures { allowed: 3 },
        Halt::Asked,
        Halt::Journal,
        Halt::Scan,
    ]
    .map(|halt| halt.to_string());
    let expected = [
        "the canary failed",
        "more than 3 failed",
        "it was asked to stop",
        "the journal cannot be written",
        "it could not look for more containers",
    ];
    assert_eq!(reasons, expected);
}
