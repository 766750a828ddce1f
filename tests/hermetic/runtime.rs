//! Tests that Embargo finds the real runtime and never itself, and reports what is wrong if there
//! is no runtime.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::room::{LENIENT, Room, copy_program, hexadecimal, write_program};

/// The whole error output when Embargo cannot become a runtime: this line, and the hint to set
/// `runtime`.
fn set_hint(line: &str) -> String {
    format!(
        "embargo: {line}\nhint: set runtime = \"/absolute/path/to/runc\" in /etc/embargo/config.toml\n"
    )
}

/// Asserts that a call that starts nothing and an admitted `create` both fail, with exactly
/// `expected` on standard error.
fn fails(room: &Room, expected: &str) {
    room.bundle("b");
    let log = room.path("log.json");
    for call in [
        &["start", "c1"][..],
        &[
            "--log",
            "log.json",
            "--log-format",
            "json",
            "create",
            "--bundle",
            "b",
            "c1",
        ],
    ] {
        let output = room.run(call);
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            expected,
            "{call:?}"
        );
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(1), &b""[..])
        );
        assert!(room.record().is_none());
    }
    // For calls that start a container, the engine finds the reason in the log.
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&log).unwrap()).unwrap();
    assert_eq!(record["msg"].as_str(), expected.lines().next());
}

#[test]
fn embargo_is_never_its_own_runtime() {
    let room = Room::armed(LENIENT);
    let (link, hard) = (room.path("bin/link"), room.path("bin/hard"));
    symlink(Room::program(), &link).unwrap();
    fs::hard_link(Room::program(), &hard).unwrap();
    for path in [Room::program(), &link, &hard] {
        fs::remove_file(room.path("log.json")).ok();
        room.set(&format!("runtime = {path:?}\n{LENIENT}"));
        fails(
            &room,
            &set_hint(&format!(
                "cannot use {path:?} as the real runtime: it is embargo itself"
            )),
        );
    }
}

#[test]
fn embargo_is_passed_over_when_a_runtime_is_looked_up() {
    let room = Room::unarmed("real");
    symlink(Room::program(), room.path("bin/runc")).unwrap();
    fs::create_dir(room.path("later")).unwrap();
    fs::hard_link(&room.runtime, room.path("later/runc")).unwrap();
    room.give(&room.path("later"));
    let mut command = room.embargo();
    command.env(
        "PATH",
        format!(
            "relative::{}:{}",
            room.path("bin").display(),
            room.path("later").display()
        ),
    );
    assert!(command.args(["start", "c1"]).status().unwrap().success());
    assert!(fs::symlink_metadata(room.path("later/record")).is_ok());
}

#[test]
fn the_runtime_whose_path_embargo_took_is_found_beside_it_without_a_setting() {
    let room = Room::unarmed("crun");
    let own = room.path("bin/runc");
    copy_program(Room::program(), &own);
    room.give(&own);
    let answer = |path: &Path, word: &str| {
        let output = room
            .embargo_at(path)
            .args(["state", "c1"])
            .output()
            .unwrap();
        assert_eq!(
            (
                String::from_utf8(output.stdout).unwrap(),
                output.status.code()
            ),
            (format!("{word} state c1\n"), Some(0))
        );
    };
    let speaks = |name: &str| {
        write_program(
            &room.path("bin").join(name),
            format!("#!/bin/sh\necho {name} \"$@\"\n").as_bytes(),
        )
    };
    speaks("runc.distrib");
    answer(&own, "runc.distrib");
    // Neither a directory nor Embargo itself is accepted as the diverted runtime.
    fs::create_dir(room.path("bin/runc.real")).unwrap();
    answer(&own, "runc.distrib");
    fs::remove_dir(room.path("bin/runc.real")).unwrap();
    fs::hard_link(&own, room.path("bin/runc.real")).unwrap();
    answer(&own, "runc.distrib");
    fs::remove_file(room.path("bin/runc.real")).unwrap();
    speaks("runc.real");
    answer(&own, "runc.real");
    // For an Embargo under another name, there is no diverted runtime.
    fs::remove_file(&own).unwrap();
    speaks("runc");
    answer(Room::program(), "runc");
}

/// A room in which Embargo has taken the path of crun. `krun`, `crun-wasm` and `crun-vm` are links
/// to that path. The recording runtime is crun's diverted program.
fn in_cruns_place() -> Room {
    let room = Room::unarmed("crun.real");
    copy_program(Room::program(), &room.path("bin/crun"));
    room.give(&room.path("bin/crun"));
    for (link, target) in [
        ("krun", "crun".into()),
        ("crun-wasm", room.path("bin/crun")),
        ("crun-vm", "crun-wasm".into()),
    ] {
        symlink(target, room.path("bin").join(link)).unwrap();
    }
    // Another runtime, which a search would find first.
    write_program(&room.path("bin/runc"), b"#!/bin/sh\necho runc\nexit 9\n");
    room.bundle("b");
    room
}

const CALLS: [&[&str]; 3] = [
    &["create", "--bundle", "b", "c1"],
    &["kill", "c1", "9"],
    &["--version"],
];

#[test]
fn each_name_of_the_runtime_that_stood_there_leads_to_it_and_is_handed_on() {
    let room = in_cruns_place();
    // The node is not armed, armed, or armed with the path of another runtime in its settings.
    let runc = format!("runtime = {:?}\n{LENIENT}", room.path("bin/runc"));
    for settings in [None, Some(LENIENT), Some(&runc)] {
        settings.into_iter().for_each(|settings| room.set(settings));
        for name in ["crun", "krun", "crun-wasm", "crun-vm"] {
            for call in CALLS {
                let path = room.path("bin").join(name);
                let output = room.embargo_at(&path).args(call).output().unwrap();
                let record = room
                    .record()
                    .unwrap_or_else(|| panic!("{name} {call:?}: {output:?}"));
                assert_eq!(
                    record.words()[0],
                    hexadecimal(path.as_os_str()),
                    "{name} {call:?}"
                );
                // The caller's own spelling is passed on as well.
                assert!(
                    room.embargo_at(&path)
                        .arg0(name)
                        .args(call)
                        .status()
                        .unwrap()
                        .success()
                );
                assert_eq!(
                    room.record().unwrap().words()[0],
                    hexadecimal(OsStr::new(name)),
                    "{name} {call:?}"
                );
            }
        }
    }
}

#[test]
fn a_handlers_name_is_handed_on_to_a_runtime_that_the_settings_name() {
    let room = Room::armed_with("crun", LENIENT);
    room.bundle("b");
    for (name, is_handed_on) in [
        ("krun", true),
        ("/opt/crun-wasm", true),
        ("crun", false),
        ("embargo", false),
    ] {
        for call in CALLS {
            assert!(
                room.embargo()
                    .arg0(name)
                    .args(call)
                    .status()
                    .unwrap()
                    .success()
            );
            let expected = if is_handed_on {
                OsStr::new(name)
            } else {
                room.runtime.as_os_str()
            };
            assert_eq!(
                room.record().unwrap().words()[0],
                hexadecimal(expected),
                "{name} {call:?}"
            );
        }
    }
}

#[test]
fn where_the_runtime_that_stood_there_is_gone_no_other_takes_its_place() {
    let room = in_cruns_place();
    fs::rename(room.path("bin/crun.real"), room.path("bin/elsewhere")).unwrap();
    // None of these is a runtime: no file, a directory, an empty file, and Embargo itself.
    let no_program: [fn(&Room, &Path); 4] = [
        |_, _| {},
        |_, path| fs::create_dir(path).unwrap(),
        |_, path| fs::write(path, "").unwrap(),
        |room, path| fs::hard_link(room.path("bin/crun"), path).unwrap(),
    ];
    for make in no_program {
        let path = room.path("bin/crun.real");
        make(&room, &path);
        for (name, place) in [("crun", "crun"), ("krun", "krun"), ("crun-vm", "crun-vm")] {
            for call in CALLS {
                let output = room
                    .embargo_at(&room.path("bin").join(name))
                    .args(call)
                    .output()
                    .unwrap();
                let place = room.path("bin").join(place);
                let line = "embargo: cannot find the real runtime: embargo is in its place";
                let rest = "and no program beside it has .real or .distrib added\n\
                            hint: put the runtime back beside it, or set runtime in /etc/embargo/config.toml to where it is\n";
                assert_eq!(
                    String::from_utf8(output.stderr).unwrap(),
                    format!("{line}, {place:?}, {rest}")
                );
                assert_eq!(
                    (output.status.code(), output.stdout.as_slice()),
                    (Some(1), &b""[..])
                );
            }
        }
        if path.is_dir() {
            fs::remove_dir(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap_or_default()
        }
    }
    // The settings may say where the runtime is now.
    room.set(&format!(
        "runtime = {:?}\n{LENIENT}",
        room.path("bin/elsewhere")
    ));
    assert!(
        room.embargo_at(&room.path("bin/krun"))
            .args(["kill", "c1", "9"])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        room.record().unwrap().words()[0],
        hexadecimal(room.path("bin/krun").as_os_str())
    );
}

#[test]
fn a_copy_of_embargo_or_a_script_that_calls_it_is_no_endless_loop() {
    let room = Room::armed(LENIENT);
    let copy = room.path("bin/runc-copy");
    copy_program(Room::program(), &copy);
    room.set(&format!("runtime = {copy:?}\n{LENIENT}"));
    fails(
        &room,
        &set_hint(&format!(
            "cannot use {copy:?} as the real runtime: it is embargo itself"
        )),
    );
    fs::remove_file(room.path("log.json")).unwrap();
    let script = room.path("bin/script");
    write_program(
        &script,
        format!("#!/bin/sh\nexec {} \"$@\"\n", Room::program().display()).as_bytes(),
    );
    room.set(&format!("runtime = {script:?}\n{LENIENT}"));
    fails(
        &room,
        &set_hint("cannot become the real runtime: embargo has started itself 8 times in a row"),
    );
}

#[test]
fn what_is_wrong_with_the_runtime_is_reported() {
    let room = Room::armed(LENIENT);
    write_program(&room.path("bin/garbage"), b"\x01\x02");
    write_program(&room.path("bin/bare"), b"echo no first line\n");
    write_program(&room.path("bin/orphan"), b"#!/nonexistent/interpreter\n");
    write_program(&room.path("bin/plain"), b"#!/bin/sh\n");
    fs::set_permissions(room.path("bin/plain"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(room.path("bin/directory")).unwrap();
    let mut foreign = fs::read(&room.runtime).unwrap();
    foreign[18] ^= 0x55; // e_machine
    write_program(&room.path("bin/foreign"), &foreign);
    for (name, what) in [
        ("none", "the file is missing"),
        ("plain/none", "the file is missing"),
        ("plain", "it is not a program that this user may run"),
        ("directory", "it is not a program that this user may run"),
        (
            "orphan",
            "the interpreter or loader that it names is missing",
        ),
        (
            "garbage",
            "it is neither a program for this machine nor a script that names its interpreter",
        ),
        (
            "bare",
            "it is neither a program for this machine nor a script that names its interpreter",
        ),
        (
            "foreign",
            "it is neither a program for this machine nor a script that names its interpreter",
        ),
    ] {
        fs::remove_file(room.path("log.json")).ok();
        let path = room.path("bin").join(name);
        room.set(&format!("runtime = {path:?}\n{LENIENT}"));
        let hint = "hint: install the runtime there, or set runtime in /etc/embargo/config.toml to where it is";
        fails(
            &room,
            &format!("embargo: cannot become the real runtime {path:?}: {what}\n{hint}\n"),
        );
    }
}

#[test]
fn a_script_is_a_runtime_like_any_other() {
    let room = Room::armed("");
    let script = room.path("bin/script");
    write_program(
        &script,
        format!("#!/bin/sh\nexec {} \"$@\"\n", room.runtime.display()).as_bytes(),
    );
    room.set(&format!("runtime = {script:?}\n"));
    room.passes(["start", "c1"]);
}

#[test]
fn a_runtime_replaced_between_two_calls_is_the_new_one() {
    let room = Room::armed("");
    room.passes(["create", "--help"]);
    write_program(&room.path("bin/new"), b"#!/bin/sh\nexit 42\n");
    fs::rename(room.path("bin/new"), &room.runtime).unwrap();
    assert_eq!(room.run(["start", "c1"]).status.code(), Some(42));
}

#[test]
fn embargo_replaced_while_containers_run_serves_the_next_call() {
    let room = Room::armed("");
    let installed = room.path("bin/installed");
    for _ in 0..2 {
        let next = room.path("bin/next");
        copy_program(Room::program(), &next);
        fs::rename(&next, &installed).unwrap();
        room.give(&installed);
        let mut command = room.embargo_at(&installed);
        assert!(
            command
                .args(["kill", "c1", "9"])
                .status()
                .unwrap()
                .success()
        );
        assert!(room.record().is_some());
    }
}

#[test]
fn a_container_made_by_the_other_runtime_is_handed_to_it() {
    let room = Room::armed_with("crun", "");
    write_program(&room.path("bin/runc"), b"#!/bin/sh\necho former \"$@\"\n");
    for (container, file) in [("old", "state.json"), ("new", "status")] {
        fs::create_dir_all(room.path("state").join(container)).unwrap();
        fs::write(room.path("state").join(container).join(file), "{}").unwrap();
    }
    for call in [
        &["kill", "old", "9"][..],
        &["delete", "--force", "old"],
        &["exec", "--process", "p", "old"],
        &["state", "old"],
        &["start", "old"],
    ] {
        let call: Vec<_> = ["--root", "state"].iter().chain(call).copied().collect();
        let output = room.run(&call);
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!("former {}\n", call.join(" "))
        );
        assert!(room.record().is_none());
    }
    room.passes(["--root", "state", "kill", "new", "9"]);
    room.passes(["--root", "state", "delete", "--force", "never-created"]);
    // `former_runtimes` says which program is the former runtime. If the settings cannot be read,
    // the runtime in `PATH` is used.
    write_program(&room.path("bin/runc-1.1"), b"#!/bin/sh\necho set \"$@\"\n");
    room.set(&format!(
        "runtime = {:?}\nformer_runtimes = [{:?}]\n",
        room.runtime,
        room.path("bin/runc-1.1")
    ));
    assert_eq!(
        room.run(["--root=state", "kill", "old", "9"]).stdout,
        b"set --root=state kill old 9\n"
    );
    room.set(&format!(
        "runtime = {:?}\nformer_runtimes = nonsense\n",
        room.runtime
    ));
    assert_eq!(
        room.run(["--root=state", "kill", "old", "9"]).stdout,
        b"former --root=state kill old 9\n"
    );
}
