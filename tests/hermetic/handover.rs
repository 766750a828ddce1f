//! Tests what `embargo exec-patch` passes to `embargoctl`, which program is called, and that other
//! calls do not go there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use crate::room::{LENIENT, Room, copy_program, write_program};

const MISSING: &str = "hint: embargoctl does this: install it beside embargo\n";

/// A room with a copy of `embargo` in it.
fn alone() -> (Room, PathBuf) {
    let room = Room::armed(LENIENT);
    let own = room.path("bin/embargo");
    copy_program(Room::program(), &own);
    (room, own)
}

/// Whether `embargoctl` is installed on the test machine. On such a machine, no test can check what
/// happens when `embargoctl` is missing.
fn is_installed() -> bool {
    [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ]
    .iter()
    .any(|directory| fs::metadata(format!("{directory}/embargoctl")).is_ok())
}

#[test]
fn the_embargoctl_beside_it_gets_all_arguments_and_path_does_not_count() {
    let (room, own) = alone();
    fs::create_dir(room.path("path")).unwrap();
    write_program(&room.path("path/embargoctl"), b"#!/bin/sh\necho wrong\n");
    write_program(
        &room.path("bin/embargoctl"),
        b"#!/bin/sh\nprintf '%s|' \"$0\" \"$@\" \"$EMBARGO_DEPTH\"; exit 3\n",
    );
    let call = |command: &mut Command| {
        let output = command
            .env("PATH", room.path("path"))
            .args(["exec-patch", "--ban", "B", "--", "create", "a b", ""])
            .output()
            .unwrap();
        (
            String::from_utf8(output.stdout).unwrap(),
            output.status.code(),
        )
    };
    let expected = format!(
        "{}|exec-patch|--ban|B|--|create|a b||1|",
        room.path("bin/embargoctl").display()
    );
    assert_eq!(
        call(&mut room.embargo_at(&own)),
        (expected.clone(), Some(3))
    );
    // `embargo` may also be called through a link. The directory of the link is not searched.
    let link = room.path("path/embargo");
    symlink(&own, &link).unwrap();
    assert_eq!(call(&mut room.embargo_at(&link)), (expected, Some(3)));
    assert!(room.record().is_none());
}

#[test]
fn a_missing_embargoctl_is_one_line_and_a_hint_and_it_is_never_embargo_itself() {
    if is_installed() {
        return;
    }
    let (room, own) = alone();
    let says = || {
        let output = room
            .embargo_at(&own)
            .args(["exec-patch", "--history"])
            .output()
            .unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        String::from_utf8(output.stderr).unwrap()
    };
    let directory = room.path("bin");
    let line = format!(
        "embargo exec-patch: cannot find embargoctl, neither in {directory:?} nor in the usual directories\n{MISSING}"
    );
    assert_eq!(says(), line);
    fs::hard_link(&own, room.path("bin/embargoctl")).unwrap();
    assert_eq!(says(), line);
    fs::remove_file(room.path("bin/embargoctl")).unwrap();
    // A copy of embargo under the name `embargoctl` looks for the real `embargoctl`, finds only
    // itself, and reports that the real program is missing.
    copy_program(&own, &room.path("bin/embargoctl"));
    assert_eq!(says(), line);
    write_program(&room.path("bin/embargoctl"), b"nonsense");
    let line = format!(
        "embargo exec-patch: cannot run {:?}: not a program for this machine\n",
        room.path("bin/embargoctl")
    );
    assert!(says().starts_with(&line), "{}", says());
}

#[test]
fn no_container_directory_or_flag_value_of_that_name_is_mistaken_for_it() {
    let (room, _) = alone();
    write_program(&room.path("bin/embargoctl"), b"#!/bin/sh\necho wrong\n");
    room.bundle("exec-patch");
    for call in [
        &["create", "--bundle", "exec-patch", "exec-patch"][..],
        &["--root", "exec-patch", "kill", "exec-patch", "9"],
        &["--log", "exec-patch", "delete", "--force", "exec-patch"],
        &["state", "exec-patch"],
        &["exec", "exec-patch", "exec-patch"],
        &["--debug", "exec-patch", "c1"],
        &["exec-patches"],
    ] {
        room.passes(call);
    }
}
