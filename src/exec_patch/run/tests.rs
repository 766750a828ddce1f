//! Tests whole runs. The workers are shell scripts, and a container's ID says how its worker ends.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::exec_patch::job::Work;
use crate::exec_patch::outcome::Stage;
use crate::exec_patch::request::limits::{Limits, Quota};

/// A worker that ends as its container's ID says: `patched`, `failed`, `paused`, `slow` (patched,
/// but later), `gone` (without a result), `stuck` (somebody stopped the process), or `endless` (it
/// runs until it learns that the time is up).
const WORKER: &str = r#"#!/bin/sh
job=$(cat)
id=${job#*\"container\":\"}
id=${id%%[-\"]*}
say() { echo "{\"outcome\":{$1},\"duration_ms\":1,\"output_bytes\":0,\"output_tail\":\"\"}"; }
case $id in
    patched) say '"outcome":"patched"' ;;
    slow) sleep 0.3; say '"outcome":"patched"' ;;
    fine) say '"outcome":"already-fine"' ;;
    failed) say '"outcome":"failed","stage":"command","status":1' ;;
    paused) say '"outcome":"paused"' ;;
    gone) exit 1 ;;
    stuck) kill -STOP $$ ;;
    endless) trap 'say "\"outcome\":\"cancelled\""; exit' TERM; for turn in $(seq 200); do sleep 0.05; done ;;
esac
"#;

/// A listener that records each event as one line.
#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    /// Called at each tick, with the number of lines.
    at_tick: Option<fn(usize)>,
    most: usize,
    now: usize,
    /// Whether the disk is full, from the second line on.
    is_disk_full: bool,
    beyond: Option<Duration>,
}

fn named(container: &Container, payload: Option<&Payload>) -> String {
    let run = payload
        .map(|payload| payload.work.run.join(" "))
        .unwrap_or_default();
    format!("{} {run}", container.id)
}

impl Listener for Heard {
    fn started(&mut self, job: &Job) {
        self.now += 1;
        self.most = self.most.max(self.now);
        self.lines.push(format!(
            "{} {}: started",
            job.container.id,
            job.work.run.join(" ")
        ));
    }

    fn ended(&mut self, job: &Job, done: &JobResult) {
        self.now -= 1;
        self.lines.push(format!(
            "{} {}: {}",
            job.container.id,
            job.work.run.join(" "),
            done.outcome.word()
        ));
    }

    fn lost(&mut self, _: &Job) -> JobResult {
        JobResult::of(Outcome::Interrupted)
    }

    fn is_ready(&mut self) -> bool {
        !self.is_disk_full || self.lines.len() < 2
    }

    fn settled(&mut self, container: &Container, payload: Option<&Payload>, outcome: &Outcome) {
        self.lines
            .push(format!("{}: {}", named(container, payload), outcome.word()));
    }

    fn remark(&mut self, text: &str) {
        self.lines.push(text.to_owned());
    }

    fn tick(&mut self) {
        if let Some(at_tick) = self.at_tick {
            at_tick(self.lines.len());
        }
    }
}

fn turn(id: &str, payloads: &[&str]) -> QueuedContainer {
    let container = Container {
        id: id.into(),
        engine: Engine::Docker,
        namespace: None,
        name: None,
        image: None,
        image_id: None,
        kind: RuntimeKind::Runc,
        root: "/run/runc".into(),
        bundle: "/b".into(),
        owner: 0,
        pid: 1,
        started: 1,
    };
    let work = |word: &&str| Work {
        check: None,
        run: vec![(*word).to_owned()],
        user: (0, 0),
        environment: Vec::new(),
        directory: None,
        timeout: 1,
        unpause: false,
        program: false,
    };
    let payloads = payloads
        .iter()
        .map(|word| Payload::new(work(word), None, None))
        .collect();
    QueuedContainer {
        container,
        runtime: "/usr/sbin/runc".into(),
        payloads,
    }
}

fn turns(ids: &str) -> Vec<QueuedContainer> {
    ids.split_ascii_whitespace()
        .enumerate()
        .map(|(at, id)| turn(&format!("{id}-{at}"), &["x"]))
        .collect()
}

/// Carries out rounds of turns, one for each scan.
fn carried_out(
    heard: &mut Heard,
    canary: usize,
    rounds: Vec<Vec<QueuedContainer>>,
) -> Option<Halt> {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("worker");
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o755)
        .open(&program)
        .unwrap();
    file.write_all(WORKER.as_bytes()).unwrap();
    drop(file);
    let lock = tempfile::tempfile().unwrap();
    let config = WorkerConfig {
        program: &program,
        lock: lock.as_fd(),
        run: "r",
        journal: directory.path(),
        output_limit: 1,
        output_room: 9,
        number: 1,
    };
    let limits = Limits {
        canary,
        parallel: Quota::Number(2),
        max_failures: Quota::Number(1),
    };
    let mut rounds = rounds.into_iter();
    let first = rounds.next().unwrap();
    let mut run = Run::new(config, Pace::new(limits, first.len())).unwrap();
    run.beyond = heard.beyond.unwrap_or(run.beyond);
    let halt = run.carry_out(first, heard, |_| {
        Ok::<_, ()>(rounds.next().map(found).unwrap_or_default())
    });
    assert!(run.under_way.is_empty());
    halt.unwrap()
}

fn found(turns: Vec<QueuedContainer>) -> Rescan {
    Rescan {
        matches: turns.len(),
        turns,
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn every_turn_has_its_outcome_and_the_window_is_kept() {
    let mut heard = Heard::default();
    assert_eq!(
        carried_out(
            &mut heard,
            1,
            vec![turns("patched fine paused slow slow gone")]
        ),
        None
    );
    let ended: Vec<_> = heard
        .lines
        .iter()
        .filter(|line| !line.ends_with("started"))
        .cloned()
        .collect();
    assert_eq!(
        sorted(ended),
        [
            "fine-1 x: already fine",
            "gone-5 x: interrupted",
            "patched-0 x: patched",
            "paused-2 x: paused",
            "slow-3 x: patched",
            "slow-4 x: patched"
        ]
    );
    assert_eq!(heard.most, 2);
    assert_eq!(
        heard.lines[..2],
        ["patched-0 x: started", "patched-0 x: patched"],
        "the canary goes alone"
    );
}

#[test]
fn what_is_found_meanwhile_has_its_turn_and_nothing_twice() {
    let mut heard = Heard::default();
    let rounds = vec![
        turns("patched"),
        vec![turn("fine-9", &["x"])],
        vec![turn("patched-10", &["x"])],
    ];
    assert_eq!(carried_out(&mut heard, 0, rounds), None);
    assert_eq!(
        heard.lines,
        [
            "patched-0 x: started",
            "patched-0 x: patched",
            "fine-9 x: started",
            "fine-9 x: already fine",
            "patched-10 x: started",
            "patched-10 x: patched"
        ]
    );
}

#[test]
fn nobody_starts_once_too_many_have_failed_and_the_rest_is_reported() {
    let mut heard = Heard::default();
    let halt = carried_out(
        &mut heard,
        0,
        vec![turns("failed gone slow patched"), turns("patched")],
    );
    assert_eq!(halt, Some(Halt::Failures { allowed: 1 }));
    assert!(
        heard.lines.contains(&"patched-3 x: not started".to_owned()),
        "{:?}",
        heard.lines
    );
    let mut heard = Heard::default();
    assert_eq!(
        carried_out(&mut heard, 1, vec![turns("failed patched")]),
        Some(Halt::Canary)
    );
    assert_eq!(
        heard.lines,
        [
            "failed-0 x: started",
            "failed-0 x: failed",
            "patched-1 x: not started"
        ]
    );
}

#[test]
fn what_fails_in_a_users_container_stops_nothing() {
    let mut heard = Heard::default();
    let mut mixed = turns("failed failed patched");
    mixed
        .iter_mut()
        .take(2)
        .for_each(|turn| turn.container.owner = 4_321);
    assert_eq!(carried_out(&mut heard, 1, vec![mixed]), None);
    assert_eq!(
        heard.lines,
        [
            "failed-0 x: started",
            "failed-0 x: failed",
            "failed-1 x: started",
            "failed-1 x: failed",
            "patched-2 x: started",
            "patched-2 x: patched"
        ]
    );
}

#[test]
fn nobody_begins_when_it_cannot_be_written_down() {
    let mut heard = Heard {
        is_disk_full: true,
        ..Heard::default()
    };
    assert_eq!(
        carried_out(&mut heard, 1, vec![turns("patched patched")]),
        Some(Halt::Journal)
    );
    assert_eq!(
        heard.lines,
        [
            "patched-0 x: started",
            "patched-0 x: patched",
            "patched-1 x: not started"
        ]
    );
}

#[test]
fn the_patches_of_one_container_run_one_after_the_other_until_one_is_not_ok() {
    let mut heard = Heard::default();
    assert_eq!(
        carried_out(&mut heard, 0, vec![vec![turn("patched", &["a", "b"])]]),
        None
    );
    assert_eq!(
        heard.lines,
        [
            "patched a: started",
            "patched a: patched",
            "patched b: started",
            "patched b: patched"
        ]
    );
    let mut heard = Heard::default();
    assert_eq!(
        carried_out(&mut heard, 0, vec![vec![turn("failed", &["a", "b", "c"])]]),
        None
    );
    assert_eq!(
        heard.lines,
        [
            "failed a: started",
            "failed a: failed",
            "failed b: not started",
            "failed c: not started"
        ]
    );
    assert_eq!(
        Outcome::Failed {
            stage: Stage::Command,
            status: 1
        }
        .word(),
        "failed"
    );
}

#[test]
fn a_container_that_no_worker_can_enter_has_had_its_turn() {
    let mut heard = Heard::default();
    let lock = tempfile::tempfile().unwrap();
    let config = WorkerConfig {
        program: Path::new("/nowhere/worker"),
        lock: lock.as_fd(),
        run: "r",
        journal: Path::new("/"),
        output_limit: 1,
        output_room: 9,
        number: 1,
    };
    let limits = Limits {
        canary: 0,
        parallel: Quota::Number(2),
        max_failures: Quota::Number(0),
    };
    let mut run = Run::new(config, Pace::new(limits, 1)).unwrap();
    let halt = run.carry_out(vec![turn("a", &["x", "y"])], &mut heard, |_| {
        Ok::<_, ()>(Rescan::default())
    });
    assert_eq!(halt, Ok(Some(Halt::Failures { allowed: 0 })));
    assert_eq!(heard.lines, ["a x: could not enter", "a y: not started"]);
}

#[test]
fn all_containers_together_print_no_more_than_there_is_room_for() {
    let lock = tempfile::tempfile().unwrap();
    let (program, journal) = (Path::new("/nowhere/worker"), Path::new("/"));
    let mut config = WorkerConfig {
        program,
        lock: lock.as_fd(),
        run: "r",
        journal,
        output_limit: 10,
        output_room: 25,
        number: 1,
    };
    let QueuedContainer {
        container,
        runtime,
        payloads,
    } = turn("a", &["x"]);
    let next =
        |config: &mut WorkerConfig<'_>| config.job(&container, runtime.clone(), &payloads[0]);
    let [first, second, third, fourth] = [(); 4].map(|()| next(&mut config));
    assert_eq!(
        [&first, &second, &third, &fourth].map(|job| job.output_limit),
        [10, 10, 5, 0]
    );
    // Unused room goes to other workers. Output that was printed but not stored uses no room. A job
    // without a result uses its full limit.
    for (job, written) in [(&first, 3), (&second, 99)] {
        let mut done = JobResult::of(Outcome::Patched);
        done.found.output_bytes = written;
        config.give_back(job, Some(&done));
    }
    config.give_back(&third, None);
    assert_eq!([(); 2].map(|()| next(&mut config).output_limit), [7, 0]);
}

#[test]
fn the_first_signal_starts_nothing_new_and_the_second_ends_what_is_under_way() {
    /// Sends the signal only to this thread, which is the one that reads signals.
    fn signal_twice(lines: usize) {
        if lines == 2 || lines == 3 {
            nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        }
    }
    let mut heard = Heard {
        at_tick: Some(signal_twice),
        ..Heard::default()
    };
    let start = Instant::now();
    let halt = carried_out(&mut heard, 0, vec![turns("endless endless patched")]);
    assert_eq!(halt, Some(Halt::Asked));
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(
        sorted(heard.lines),
        [
            "endless-0 x: cancelled",
            "endless-0 x: started",
            "endless-1 x: cancelled",
            "endless-1 x: started",
            "nothing more is started, and what is under way is finished; once more to end it now",
            "patched-2 x: not started",
            "what is under way is ended now"
        ]
    );
}

#[test]
fn a_worker_that_somebody_stops_is_killed_in_the_end() {
    let mut heard = Heard {
        beyond: Some(Duration::from_millis(200)),
        ..Heard::default()
    };
    assert_eq!(
        carried_out(&mut heard, 0, vec![turns("stuck patched")]),
        None
    );
    assert_eq!(
        sorted(heard.lines),
        [
            "patched-1 x: patched",
            "patched-1 x: started",
            "stuck-0 x: interrupted",
            "stuck-0 x: started",
            "the worker for stuck-0 did not end in time and was killed; what it had started there may still run"
        ]
    );
}
