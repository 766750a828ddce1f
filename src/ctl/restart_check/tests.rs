//! Tests what is said before a restart.

use super::*;
use crate::banlist::ban::Severity;
use crate::ctl::status::containers::{ContainerState, DoomedAhead, EngineContainers};
use crate::verdict::Grounds;

fn doomed(engine: Engine, name: &str, restart: RestartPolicy) -> Doomed {
    Doomed {
        engine,
        namespace: None,
        id: "0".repeat(64),
        names: vec![name.to_owned()],
        image: None,
        state: ContainerState::Running,
        restart,
        pause: false,
        grounds: Grounds::Banned,
        ban: Some("BAN-1".to_owned()),
        severity: Some(Severity::High),
        message: "built on base:1, banned by BAN-1".to_owned(),
    }
}

fn engines(live_restore: LiveRestore, podman_restart: PodmanRestart) -> EnginesAtRestart {
    EnginesAtRestart {
        live_restore,
        podman_restart,
    }
}

/// The engines of a node without Podman's unit.
fn docker(live_restore: LiveRestore) -> EnginesAtRestart {
    engines(live_restore, PodmanRestart::Disabled)
}

fn node(doomed: Vec<Doomed>) -> Containers {
    Containers {
        at: Timestamp::from_seconds(0),
        engines: Vec::new(),
        doomed,
        doomed_ahead: Vec::new(),
        unpatched: None,
        patches: None,
        faults: Vec::new(),
    }
}

/// Two containers of Docker's that come up again, one that does not, and one of a pod.
fn usual() -> Containers {
    node(vec![
        doomed(Engine::Docker, "web-1", RestartPolicy::Always),
        doomed(Engine::Docker, "web\n2", RestartPolicy::UnlessStopped),
        doomed(Engine::Docker, "job-1", RestartPolicy::No),
        doomed(Engine::Containerd, "pod-1", RestartPolicy::Unknown),
    ])
}

#[test]
fn only_what_the_restart_stops_and_what_comes_up_again_is_counted() {
    for (restarted, live_restore, prospect, text) in [
        (
            Restarted::Docker,
            LiveRestore::Off,
            Prospect::Down,
            "2 containers would stay down if docker were restarted now\n  \
             web-1: built on base:1, banned by BAN-1\n  \
             \"web\\n2\": built on base:1, banned by BAN-1\n\
             1 container would stay down after a restart of the machine",
        ),
        (
            Restarted::Docker,
            LiveRestore::On,
            Prospect::Clear,
            "no container would stay down if docker were restarted now\n\
             3 containers would stay down after a restart of the machine",
        ),
        (
            Restarted::Containerd,
            LiveRestore::Off,
            Prospect::Clear,
            "no container would stay down if containerd were restarted now\n\
             3 containers would stay down after a restart of the machine",
        ),
        (
            Restarted::Machine,
            LiveRestore::On,
            Prospect::Down,
            "3 containers would stay down if the machine were restarted now\n  \
             web-1: built on base:1, banned by BAN-1\n  \
             \"web\\n2\": built on base:1, banned by BAN-1\n  \
             pod-1: built on base:1, banned by BAN-1",
        ),
    ] {
        let (lines, found) = judged(restarted, &usual(), &docker(live_restore));
        assert_eq!(lines.join("\n"), text);
        assert_eq!(found, prospect, "{text}");
    }
}

#[test]
fn a_restart_of_podman_stops_its_containers_if_its_unit_is_enabled() {
    let found = node(vec![
        doomed(Engine::Podman, "web-1", RestartPolicy::Unknown),
        doomed(Engine::Docker, "web-2", RestartPolicy::Always),
    ]);
    for (podman_restart, prospect, text) in [
        (
            PodmanRestart::Enabled,
            Prospect::Down,
            "1 container would stay down if podman were restarted now\n  \
             web-1: built on base:1, banned by BAN-1\n\
             1 container would stay down after a restart of the machine",
        ),
        (
            PodmanRestart::Disabled,
            Prospect::Clear,
            "no container would stay down if podman were restarted now\n\
             2 containers would stay down after a restart of the machine",
        ),
    ] {
        let engines = engines(LiveRestore::Off, podman_restart);
        let (lines, worst) = judged(Restarted::Podman, &found, &engines);
        assert_eq!(lines.join("\n"), text);
        assert_eq!(worst, prospect, "{text}");
    }
}

#[test]
fn containers_that_come_up_until_a_date_are_counted_by_date() {
    let ahead = |engine, from, containers| DoomedAhead {
        ban: "BAN-1".to_owned(),
        severity: Severity::High,
        engine,
        from: Timestamp::parse(from).unwrap(),
        containers,
    };
    let found = Containers {
        doomed_ahead: vec![
            ahead(Engine::Docker, "2026-12-20", 20),
            ahead(Engine::Podman, "2026-12-20", 1),
        ],
        ..node(Vec::new())
    };
    for (restarted, live_restore, text) in [
        (
            Restarted::Docker,
            LiveRestore::Off,
            "no container would stay down if docker were restarted now\n\
             20 more running containers would be refused from 2026-12-20T00:00:00Z",
        ),
        (
            Restarted::Docker,
            LiveRestore::On,
            "no container would stay down if docker were restarted now",
        ),
        (
            Restarted::Machine,
            LiveRestore::On,
            "no container would stay down if the machine were restarted now\n\
             21 more running containers would be refused from 2026-12-20T00:00:00Z",
        ),
    ] {
        let (lines, prospect) = judged(restarted, &found, &docker(live_restore));
        assert_eq!(lines.join("\n"), text);
        assert_eq!(prospect, Prospect::Clear, "{text}");
    }
}

#[test]
fn what_could_not_be_read_is_not_all_well() {
    let unknown = LiveRestore::Unknown("cannot read it".to_owned());
    let doubt = "cannot tell whether docker has live-restore: cannot read it";
    let faulty = || Containers {
        faults: vec!["cannot read \"/x\"".to_owned()],
        ..node(Vec::new())
    };
    let unidentified = Containers {
        engines: vec![EngineContainers {
            engine: Engine::Docker,
            running: 3,
            stopped: 0,
            unknown: 1,
        }],
        ..node(Vec::new())
    };
    for (live_restore, node, prospect, last) in [
        (unknown.clone(), node(Vec::new()), Prospect::Unknown, doubt),
        (unknown, usual(), Prospect::Down, doubt),
        (
            LiveRestore::Off,
            faulty(),
            Prospect::Unknown,
            "cannot read \"/x\"",
        ),
        (
            LiveRestore::Off,
            unidentified,
            Prospect::Unknown,
            "cannot tell what is in 1 running container",
        ),
        (
            LiveRestore::On,
            faulty(),
            Prospect::Clear,
            "no container would stay down if docker were restarted now",
        ),
    ] {
        let (lines, found) = judged(Restarted::Docker, &node, &docker(live_restore));
        assert_eq!(
            (lines.last().map(String::as_str), found),
            (Some(last), prospect)
        );
    }
}

#[test]
fn ten_containers_are_named() {
    let mut many = Vec::new();
    for number in 0..12 {
        many.push(doomed(
            Engine::Docker,
            &format!("web-{number}"),
            RestartPolicy::Always,
        ));
    }
    let (lines, _) = judged(Restarted::Docker, &node(many), &docker(LiveRestore::Off));
    assert_eq!(
        (lines.len(), lines.last().map(String::as_str)),
        (12, Some("  and 2 more"))
    );
}

#[test]
fn a_container_that_stays_down_counts_more_than_doubt() {
    assert_eq!(Prospect::Clear.max(Prospect::Unknown), Prospect::Unknown);
    assert_eq!(Prospect::Unknown.max(Prospect::Down), Prospect::Down);
    let exits = [Prospect::Clear, Prospect::Unknown, Prospect::Down].map(|one| one.exit().code());
    assert_eq!(exits, [0, 3, 1]);
}

#[test]
fn a_look_that_is_old_or_ahead_says_nothing_about_now() {
    let found = node(Vec::new());
    let at = |seconds| Timestamp::from_seconds(seconds);
    assert_eq!(stored::doubt(&found, at(900)), None);
    assert_eq!(
        stored::doubt(&found, at(901)).unwrap(),
        "the containers were looked at 15 minutes ago"
    );
    let found = Containers {
        at: at(1_795_183_200),
        ..found
    };
    assert_eq!(stored::doubt(&found, at(1_795_182_300)), None);
    assert_eq!(
        stored::doubt(&found, at(1_795_182_299)).unwrap(),
        "the containers were looked at 2026-11-20T14:00:00Z, which is ahead"
    );
}
