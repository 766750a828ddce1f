//! Tests that a plan is complete, as text and as JSON.

use std::path::PathBuf;

use super::*;
use crate::banlist::store::ListId;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::exec_patch::request::arguments::{Order, PatchSource};
use crate::exec_patch::request::payloads::{Payloads, ScriptRole};
use crate::lineage::digest::Digest;

fn container(id: &str, name: Option<&str>) -> Container {
    Container {
        id: id.to_owned(),
        engine: Engine::Docker,
        namespace: None,
        name: name.map(str::to_owned),
        image: Some("app:1".to_owned()),
        image_id: None,
        kind: RuntimeKind::Runc,
        root: PathBuf::from("/run/docker/runtime-runc/moby"),
        bundle: PathBuf::from("/b"),
        owner: 0,
        pid: 7,
        started: 9,
    }
}

fn found(container: Container) -> MatchingContainer {
    MatchingContainer {
        container,
        reasons: vec!["built on debian:12.4".to_owned()],
        bans: Vec::new(),
    }
}

fn selection() -> Selection {
    let user = Container {
        owner: 1000,
        engine: Engine::Podman,
        ..container(&"a1".repeat(32), Some("we\u{1b}b"))
    };
    Selection {
        matches: vec![found(container("one", Some("one"))), found(user)],
        unidentified: vec![Unaccounted {
            id: String::new(),
            engine: Engine::Unknown,
            namespace: None,
            name: None,
            place: PathBuf::from("/run/crun"),
            why: "cannot list \"/run/crun\"".to_owned(),
        }],
        left_out: vec![LeftOut {
            container: container("two", None),
            reasons: vec!["cured by sha256:ab".to_owned()],
        }],
        list: Some(ListId {
            version: 412,
            head: Digest::of(b"head"),
        }),
        warnings: Vec::new(),
        unfound: std::collections::BTreeSet::new(),
    }
}

fn payloads_of(source: PatchSource) -> Payloads {
    let order = Order {
        source,
        check: Some("test -e /x".to_owned()),
        environment: vec!["A=b c".to_owned()],
        ..Order::automatic()
    };
    Payloads::again(order, None, ScriptRole::Unsigned)
}

fn plan(before: Option<&str>) -> Plan {
    plan_where(|payload| {
        before.map_or_else(
            || PatchStep::Run(payload.clone()),
            |run| PatchStep::Before(payload.clone(), run.to_owned()),
        )
    })
}

/// A plan with this step for the first container. In the second container the command runs.
fn plan_where(first: impl Fn(&Payload) -> PatchStep) -> Plan {
    let words = ["apt-get", "install", "a b"].map(str::to_owned).to_vec();
    let step = |container: &Container, payload| {
        if container.id == "one" {
            first(&payload)
        } else {
            PatchStep::Run(payload)
        }
    };
    Plan::of(selection(), &payloads_of(PatchSource::Command(words)), step)
}

#[test]
fn people_read_container_reason_and_command() {
    let expected = "\
one, docker, app:1
  built on debian:12.4
  nothing to do: patched by run 20261120-1
\"we\\u{1b}b\" (a1a1a1a1a1a1), podman of user 1000, app:1
  built on debian:12.4
  would run: apt-get install 'a b'
    as 0:0, within 600 seconds, with 'A=b c', checked by sh -c 'test -e /x'
two, docker, app:1
  left out: cured by sha256:ab
/run/crun, unknown
  not understood: cannot list \"/run/crun\"

2 containers match: 1 to patch, 1 patched before, 1 left out, 1 not understood
";
    assert_eq!(plan(Some("20261120-1")).text(), expected);
    assert_eq!(Plan::default().text(), "no container matches\n");
}

#[test]
fn machines_read_one_object_a_line() {
    let json = plan(Some("20261120-1")).json();
    let lines: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        events,
        [
            "carried",
            "planned",
            "planned",
            "left-out",
            "not-understood",
            "plan"
        ]
    );
    assert!(lines.iter().all(|line| line["schema"] == 1), "{json}");
    let work = &lines[0]["work"];
    assert_eq!(
        (&work["user"], &work["timeout"]),
        (&serde_json::json!([0, 0]), &600.into())
    );
    assert_eq!(
        work["run"],
        serde_json::json!(["apt-get", "install", "a b"])
    );
    assert_eq!(lines[1]["patches"][0]["outcome"], "patched-before");
    assert_eq!(lines[1]["patches"][0]["run"], "20261120-1");
    let patch = &lines[2]["patches"][0];
    assert_eq!(
        (&patch["digest"], patch.get("outcome")),
        (&lines[0]["digest"], None)
    );
    assert_eq!(
        (&lines[2]["owner"], &lines[2]["pid"], &lines[2]["engine"]),
        (&1000.into(), &7.into(), &"podman".into())
    );
    assert_eq!(
        (&lines[4]["outcome"], &lines[4]["place"]),
        (&"not-understood".into(), &"/run/crun".into())
    );
    assert_eq!(
        (&lines[5]["matches"], &lines[5]["list_version"]),
        (&2.into(), &412.into())
    );
}

#[test]
fn a_dry_run_ends_as_a_run_would_that_goes_well() {
    assert_eq!(Plan::default().exit(), Exit::NothingMatched);
    assert_eq!(plan(None).exit(), Exit::NotAllWell);
    assert_eq!(
        Plan {
            unidentified: Vec::new(),
            ..plan(None)
        }
        .exit(),
        Exit::Clear
    );
    assert_eq!(
        Plan {
            planned: Vec::new(),
            ..plan(None)
        }
        .exit(),
        Exit::NotAllWell
    );
    let nothing = Plan::of(
        Selection {
            unidentified: Vec::new(),
            ..selection()
        },
        &payloads_of(PatchSource::Signed),
        |_, payload| PatchStep::Run(payload),
    );
    assert_eq!(nothing.exit(), Exit::NotAllWell);
    // If a named container does not exist, the order is not fully done, whatever else is found.
    assert_eq!(
        Plan {
            unidentified: Vec::new(),
            unfound: 1,
            ..plan(None)
        }
        .exit(),
        Exit::NotAllWell
    );
    assert_eq!(
        Plan {
            unfound: 1,
            ..Plan::default()
        }
        .exit(),
        Exit::NotAllWell
    );
}

#[test]
fn what_can_run_nowhere_is_no_plan_for_a_run() {
    let nothing = Plan::of(
        selection(),
        &payloads_of(PatchSource::Signed),
        |_, payload| PatchStep::Run(payload),
    );
    let why = NoPatch::None("no ban".to_owned());
    for selector in [
        Selector::Bans(vec!["BAN-1".to_owned()]),
        Selector::AllBanned,
        Selector::Base("b".to_owned()),
    ] {
        assert_eq!(nothing.no_patch(&selector), Some(&why), "{selector:?}");
        assert_eq!(plan(None).no_patch(&selector), None, "{selector:?}");
    }
    let mixed = Plan {
        planned: [nothing.planned, plan(None).planned].concat(),
        ..Plan::default()
    };
    assert_eq!(
        mixed.no_patch(&Selector::Bans(vec!["BAN-1".to_owned()])),
        Some(&why)
    );
    assert_eq!(mixed.no_patch(&Selector::AllBanned), None);
}

#[test]
fn what_a_run_that_is_gone_on_with_knows_stands_and_counts() {
    let whole = |outcome: Outcome, gone: Outcome| {
        let plan = plan_where(|payload| PatchStep::Stands(payload.clone(), outcome.clone()));
        Plan {
            unidentified: Vec::new(),
            left_out: Vec::new(),
            gone: vec![Gone::of(&container("three", None), gone)],
            ..plan
        }
    };
    let plan = whole(Outcome::Interrupted, Outcome::Patched);
    let text = plan.text();
    for reported in [
        "  left as it is: interrupted in this run\n",
        "three, docker, app:1\n  no longer matches: patched in this run\n",
    ] {
        assert!(text.contains(reported), "{text}");
    }
    assert!(
        text.ends_with("\n2 containers match: 1 to patch, 1 left as it is, 1 no longer matching\n"),
        "{text}"
    );
    let lines: Vec<serde_json::Value> = plan
        .json()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[1]["patches"][0]["outcome"], &lines[3]["event"]),
        (&"interrupted".into(), &"gone".into())
    );
    assert_eq!(
        (
            &lines[3]["container"],
            &lines[3]["outcome"],
            &lines[3]["ok"]
        ),
        (&"three".into(), &"patched".into(), &true.into())
    );
    assert_eq!(plan.exit(), Exit::NotAllWell);
    assert_eq!(
        whole(Outcome::Patched, Outcome::Vanished).exit(),
        Exit::NotAllWell
    );
    assert_eq!(
        whole(Outcome::Patched, Outcome::Patched).exit(),
        Exit::Clear
    );
}
