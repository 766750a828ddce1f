//! Tests which settings are valid, and what is warned of.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::ctl::testing::Desk;

/// A desk with a node below it whose real runtime is `/bin/runc`.
fn desk() -> Desk {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("node/etc/embargo")).unwrap();
    fs::create_dir_all(desk.path("node/bin")).unwrap();
    desk.write("node/bin/runc", b"#!/bin/sh\n");
    fs::set_permissions(
        desk.path("node/bin/runc"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    desk
}

#[test]
fn a_mistake_is_one_line_with_its_file_and_line() {
    let desk = desk();
    desk.write("new", b"# fleet\nmode = \"enforced\"\n");
    let fault = "cannot use settings \"new\", line 2: unknown variant `enforced`, expected `enforce` or `audit`";
    assert_eq!(
        desk.run("--root @node settings check @new"),
        Err(fault.into())
    );
    desk.write("new", b"");
    assert_eq!(
        desk.run("--root @node settings check @new"),
        Err("cannot use settings \"new\": the file is empty".into())
    );
    assert!(
        desk.run("--root @node settings check @none")
            .unwrap_err()
            .starts_with("cannot read \"none\" / a node without settings")
    );
}

#[test]
fn the_nodes_own_file_is_checked_with_its_rights_and_another_file_is_not() {
    let desk = desk();
    assert_eq!(
        desk.run("--root @node settings check"),
        Err("cannot read \"node/etc/embargo/config.toml\" / a node without settings is not armed: everything starts".into())
    );
    for name in ["node/etc/embargo/config.toml", "temporary"] {
        desk.write(name, b"runtime = \"/bin/runc\"\n");
        fs::set_permissions(desk.path(name), fs::Permissions::from_mode(0o666)).unwrap();
    }
    assert_eq!(
        desk.run("--root @node settings check @temporary"),
        Ok("temporary: valid, mode enforce\n".into())
    );
    assert_eq!(
        desk.run("--root @node settings check"),
        Err(
            "cannot trust \"node/etc/embargo/config.toml\": owned or writable by another user"
                .into()
        )
    );
}

#[test]
fn what_is_legal_and_probably_not_wanted_is_a_warning() {
    let desk = desk();
    for (text, expected) in [
        ("runtime = \"/bin/runc\"", vec![]),
        (
            "runtime = \"/bin/none\"",
            vec!["runtime: /bin/none is no program on this node: no container could start"],
        ),
        (
            "runtime = \"/bin\"",
            vec!["runtime: /bin is no program on this node: no container could start"],
        ),
        (
            "former_runtimes = [\"/bin/crun\", \"/bin/runc\"]",
            vec![
                "former_runtimes: /bin/crun is no program on this node: its containers could not be stopped by it",
            ],
        ),
        (
            "on_missing_list = \"admit\"\non_unknown_image = \"admit\"",
            vec![
                "on_missing_list: a node that loses its list admits everything, in spite of mode enforce",
                "on_unknown_image: a container whose layers are unknown starts, in spite of mode enforce",
            ],
        ),
        (
            "mode = \"audit\"\non_missing_list = \"admit\"\non_unknown_image = \"admit\"",
            vec![],
        ),
        (
            "on_overdue_list = \"refuse\"\ngrace = \"23h\"",
            vec![
                "on_overdue_list: every container is refused less than a day after the list expires",
            ],
        ),
        ("on_overdue_list = \"refuse\"\ngrace = \"1d\"", vec![]),
        (
            "max_impact = \"100%\"",
            vec!["max_impact: a list is installed even if it refuses every running container"],
        ),
        (
            "[engines]\ndocker = [\"/srv/docker\", \"/bin\"]\nruntime_roots = [\"/run/k3s/runc\"]",
            vec!["engines.docker: /srv/docker is no directory on this node"],
        ),
    ] {
        desk.write("new", text.as_bytes());
        let mode = if text.contains("audit") {
            "audit"
        } else {
            "enforce"
        };
        let mut page = format!("new: valid, mode {mode}\n");
        for warning in expected {
            page += &format!("warning: {warning}\n");
        }
        assert_eq!(
            desk.run("--root @node settings check @new"),
            Ok(page),
            "{text}"
        );
    }
}

#[test]
fn the_document_says_the_same_to_programs() {
    let desk = desk();
    desk.write("new", b"max_impact = \"100%\"\nmode = \"audit\"\n");
    let document = |desk: &Desk| -> serde_json::Value {
        serde_json::from_str(&desk.run("--root @node settings check --json @new").unwrap()).unwrap()
    };
    assert_eq!(
        document(&desk),
        serde_json::json!({
            "schema": 1, "file": "new", "valid": true, "mode": "audit", "line": null, "fault": null,
            "warnings": [{
                "code": "no-impact-guard", "key": "max_impact",
                "text": "max_impact: a list is installed even if it refuses every running container",
            }],
        })
    );
    desk.write("new", b"\n\nmod = 1\n");
    let document = document(&desk);
    assert_eq!(
        (&document["valid"], &document["line"], &document["mode"]),
        (&false.into(), &3.into(), &serde_json::Value::Null)
    );
    let fault = document["fault"].as_str().unwrap();
    assert!(
        fault.starts_with("cannot use settings \"new\", line 3: unknown field `mod`"),
        "{fault}"
    );
}
