//! Tests `embargo hook`, which a runtime calls as an OCI hook at `createRuntime`.

use std::io::Write;
use std::process::{Output, Stdio};

use crate::room::{LENIENT, Room};

/// What the hook answers when this is on its standard input.
fn answer(room: &Room, state: &[u8]) -> Output {
    let mut hook = room
        .embargo()
        .arg("hook")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The hook ends early when there is too much to read.
    hook.stdin.take().unwrap().write_all(state).ok();
    hook.wait_with_output().unwrap()
}

/// The state of the container c1 with the bundle `b` of the room, as runc 1.1.5 writes it.
fn state(room: &Room) -> String {
    serde_json::json!({
        "ociVersion": "1.0.2-dev",
        "id": "c1",
        "status": "creating",
        "pid": 42,
        "bundle": room.path("b"),
        "annotations": {"bundle": "/elsewhere"},
    })
    .to_string()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn a_hook_refuses_what_the_runtime_refuses_with_the_same_line() {
    let room = Room::armed("");
    room.bundle("b");
    let line = room.refuses(["create", "--bundle", room.path("b").to_str().unwrap(), "c1"]);
    let output = answer(&room, state(&room).as_bytes());
    assert_eq!(text(&output.stderr), format!("{line}\n"));
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(1), &b""[..])
    );
    assert!(room.record().is_none(), "a hook runs no runtime");
}

#[test]
fn a_hook_admits_silently_and_runs_no_runtime() {
    for room in [
        Room::armed(LENIENT),
        Room::armed("mode = \"audit\""),
        Room::unarmed("runc"),
    ] {
        room.bundle("b");
        let output = answer(&room, state(&room).as_bytes());
        assert_eq!(
            (
                output.status.code(),
                &output.stdout[..],
                text(&output.stderr)
            ),
            (Some(0), &b""[..], "")
        );
        assert!(room.record().is_none(), "a hook runs no runtime");
    }
}

#[test]
fn a_state_that_cannot_be_used_is_a_container_of_unknown_lineage() {
    let large = vec![b' '; (16 << 20) + 1];
    for (state, reason) in [
        (
            &b""[..],
            "cannot parse the container's state on standard input: EOF",
        ),
        (
            b"{\"id\":\"c1\"}",
            "cannot parse the container's state on standard input: missing",
        ),
        (
            b"{\"id\":\"c/1\",\"bundle\":\"/b\"}",
            "cannot use \"c/1\" as a container ID",
        ),
        (
            b"{\"id\":\"c1\",\"bundle\":\"b\"}",
            "cannot use the bundle \"b\" of the container's state",
        ),
        (
            &large,
            "cannot read the container's state on standard input: larger than 16777216 bytes",
        ),
    ] {
        let output = answer(&Room::armed("on_missing_list = \"admit\""), state);
        let line = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(
            line.starts_with("embargo: refused ") && line.contains(reason),
            "{line}"
        );
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        for settings in [LENIENT, "mode = \"audit\""] {
            let output = answer(&Room::armed(settings), state);
            assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        }
    }
}
