//! Tests that exactly the calls that start a container are gated, in every way of writing them.
//!
//! The node is armed and has no list, and no engine made the bundles. So every call that is gated
//! is refused, and every other call reaches the runtime.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;

use crate::room::{Room, by_shell};

/// Settings under which a missing list refuses nothing, so that refusals are about the lineage.
const STRICT: &str = "on_missing_list = \"admit\"\n";

fn room() -> Room {
    let room = Room::armed(STRICT);
    for bundle in ["b", "other", "-b", "=b"] {
        room.bundle(bundle);
    }
    room
}

/// The arguments in a line.
fn words(line: &str) -> Vec<&str> {
    line.split(' ').filter(|word| !word.is_empty()).collect()
}

fn starts_nothing(lines: &[&str]) {
    let room = room();
    for line in lines {
        room.passes(words(line));
    }
}

fn is_gated(lines: &[&str]) {
    let room = room();
    for line in lines {
        let said = room.refuses(words(line));
        assert!(said.starts_with("embargo: refused c1: "), "{line}: {said}");
    }
}

/// Asserts that each line is gated and that the refusal names the bundle `expected`.
fn reads_bundle(room: &Room, lines: &[&str], expected: &str) {
    for line in lines {
        let said = room.refuses(words(line));
        assert!(
            said.contains(&format!("{:?}", room.path(expected))),
            "{line}: {said}"
        );
    }
}

#[test]
fn a_container_may_be_called_create_run_or_restore() {
    starts_nothing(&[
        "start create",
        "kill create 9",
        "kill --all run KILL",
        "delete --force restore",
        "state create",
        "exec --process p create",
        "exec create run",
        "checkpoint create",
        "pause run",
    ]);
    let room = room();
    for id in ["create", "run", "restore"] {
        let said = room.refuses(["create", "--bundle", "b", id]);
        assert!(
            said.starts_with(&format!("embargo: refused {id}: ")),
            "{said}"
        );
    }
}

#[test]
fn a_flags_value_may_be_a_command_word() {
    starts_nothing(&[
        "--root create start c1",
        "--log run kill c1 9",
        "--root create --log-format restore state run",
        "exec --pid-file create c1 run",
    ]);
    is_gated(&[
        "--root create create --bundle b c1",
        "create --pid-file create --console-socket run --bundle b c1",
        "create --pidfd-socket start --bundle b c1",
        "--log start create --bundle b c1",
    ]);
}

#[test]
fn every_form_of_the_bundle_flag_is_read() {
    let room = room();
    reads_bundle(
        &room,
        &[
            "create --bundle b c1",
            "create --bundle=b c1",
            "create -bundle b c1",
            "create -bundle=b c1",
            "create -b b c1",
            "create -b=b c1",
        ],
        "b",
    );
    let room = Room::armed_with("crun", STRICT);
    for bundle in ["b", "=b"] {
        room.bundle(bundle);
    }
    reads_bundle(
        &room,
        &[
            "create --bund b c1",
            "create --b=b c1",
            "create -bb c1",
            "run -db b c1",
            "run -dbb c1",
        ],
        "b",
    );
    reads_bundle(&room, &["create -b=b c1"], "=b");
}

#[test]
fn the_last_bundle_counts_wherever_it_stands() {
    let room = room();
    reads_bundle(
        &room,
        &[
            "create c1 --bundle b",
            "create c1 -b b --no-pivot",
            "create --bundle other --bundle b c1",
            "create --bundle other c1 --bundle b",
            "restore --image-path i --work-path w --detach --pid-file f --no-pivot -no-subreaper --bundle b c1",
        ],
        "b",
    );
}

#[test]
fn global_flags_are_read_as_every_engine_writes_them() {
    is_gated(&[
        "--log=l --log-format=json create --bundle b c1",
        "--log-format=json --log l create --bundle b c1",
        "--root=r --systemd-cgroup --root=r --systemd-cgroup create --bundle b --pid-file p c1",
        "--root r --debug=false --systemd-cgroup=true --rootless=auto create --bundle b c1",
        "--rootless false create --bundle b c1",
        "--criu /criu create --bundle b c1",
        "--cgroup-manager disabled --log-level debug create --bundle b c1",
        "--unknown-switch create --bundle b c1",
        "--unknown-value v create --bundle b c1",
        "--unknown=v create --bundle b c1",
    ]);
    starts_nothing(&[
        "--root r start c1",
        "--root=r --systemd-cgroup state c1",
        "--criu create kill c1 9",
        "--log-level run delete c1",
        "--unknown start create",
    ]);
}

#[test]
fn two_dashes_end_the_flags() {
    is_gated(&["-- create --bundle b c1", "create --bundle b -- c1"]);
    starts_nothing(&["-- start create", "state -- create"]);
}

#[test]
fn a_value_may_begin_with_a_dash() {
    let room = room();
    room.refuses(words("--log --root create --bundle b c1"));
    assert!(
        std::fs::symlink_metadata(room.path("--root")).is_ok(),
        "the log is the file --root"
    );
    reads_bundle(&room, &["create c1 --bundle=-b"], "-b");
    starts_nothing(&["--log --root start c1", "--log --version kill c1"]);
}

#[test]
fn cruns_other_spec_file_is_the_one_that_is_read() {
    let room = Room::armed_with("crun", STRICT);
    room.bundle("b");
    std::fs::write(room.path("broken.json"), "{").unwrap();
    for line in [
        "create --bundle b --config broken.json c1",
        "create -bb -fbroken.json c1",
        "run -dfbroken.json -bb c1",
    ] {
        let said = room.refuses(words(line));
        assert!(said.contains("broken.json"), "{line}: {said}");
    }
}

#[test]
fn without_a_bundle_it_is_the_working_directory() {
    let room = room();
    for call in [
        &["create", "c1"][..],
        &["create", "--bundle", "", "c1"],
        &["create", "--bundle=", "c1"],
        &["create", "--bundle", "../b", "c1"],
    ] {
        let mut command = room.embargo();
        command.args(call).current_dir(room.path("b"));
        let said = room.refuses_command(&mut command);
        assert!(
            said.starts_with("embargo: refused c1: ") && said.contains("/b"),
            "{said}"
        );
    }
}

#[test]
fn help_versions_and_unknown_commands_are_the_runtimes_to_answer() {
    let lines = [
        "--version",
        "-v",
        "--help",
        "help create",
        "create --help",
        "",
        "nonsense c1",
        "--version create --bundle b c1",
        "run -h",
        "checks",
    ];
    let room = room();
    for status in [0, 3] {
        room.behave(&format!("exit {status}\n"));
        for line in lines {
            assert_eq!(room.run(words(line)).status.code(), Some(status), "{line}");
            assert!(room.record().is_some(), "{line}");
        }
    }
}

#[test]
fn a_typo_of_a_command_of_embargos_own_gets_a_hint_at_a_terminal_and_reaches_the_runtime() {
    let room = room();
    for (typed, hint) in [
        ("chek web-1", "hint: did you mean embargo check?\r\n"),
        (
            "exec-pach --ban BAN-1",
            "hint: did you mean embargo exec-patch?\r\n",
        ),
        ("execpatch", "hint: did you mean embargo exec-patch?\r\n"),
        ("exec c1 check", ""),
        ("checkpoint c1", ""),
        ("nonsense", ""),
    ] {
        let mut command = room.embargo();
        command.args(words(typed));
        by_shell(
            &mut command,
            "exec /usr/bin/script -q -e -c \"$*\" /dev/null",
        );
        let output = command.output().unwrap();
        let record = room
            .record()
            .unwrap_or_else(|| panic!("{typed:?} does not reach the runtime: {output:?}"));
        assert_eq!(record.words().len(), words(typed).len() + 1);
        assert_eq!(
            (
                String::from_utf8(output.stdout).unwrap().as_str(),
                output.status.code()
            ),
            (hint, Some(0)),
            "{typed:?}"
        );
        // Where standard error is not a terminal, no hint is printed.
        room.passes(words(typed));
    }
}

#[test]
fn arguments_of_any_bytes_and_any_length_pass() {
    let room = room();
    let raw = OsStr::from_bytes(b"\xff\xfe\x80");
    let long = OsString::from("x".repeat((128 << 10) - 1));
    for call in [
        vec![raw],
        vec![OsStr::new("start"), raw],
        vec![OsStr::new("")],
        vec![OsStr::new("kill"), &long, OsStr::new("9")],
        vec![OsStr::new("-"); 3000],
    ] {
        room.passes(call);
    }
    let said = room.refuses([
        OsStr::new("create"),
        OsStr::new("--bundle"),
        OsStr::new("b"),
        raw,
    ]);
    assert!(said.starts_with("embargo: refused "), "{said}");
    let said = room.refuses([
        OsStr::new("create"),
        OsStr::new("--pid-file"),
        &long,
        OsStr::new("--bundle"),
        OsStr::new("b"),
        OsStr::new("c1"),
    ]);
    assert!(said.starts_with("embargo: refused c1: "), "{said}");
}

#[test]
fn an_argv_of_one_element_or_another_name_passes() {
    let room = room();
    room.passes([""; 0]);
    let mut command = room.embargo();
    command.arg0("create").args(["start", "c1"]);
    assert!(command.status().unwrap().success());
    assert_eq!(room.record().unwrap().words().len(), 3);
}

#[test]
fn an_argv_of_no_element_passes() {
    let room = room();
    let mut command = room.embargo();
    let program = std::ffi::CString::new(Room::program().as_os_str().as_bytes()).unwrap();
    let node =
        std::ffi::CString::new(format!("EMBARGO_ROOT={}", room.path("node").display())).unwrap();
    #[allow(unsafe_code)]
    // SAFETY: the closure only calls execve, with values that were made before.
    unsafe {
        command.pre_exec(move || {
            let nothing: [&std::ffi::CStr; 0] = [];
            let Err(errno) = nix::unistd::execve(&program, &nothing, &[&node]);
            Err(errno.into())
        });
    }
    assert!(command.status().unwrap().success());
    assert_eq!(room.record().unwrap().words().len(), 1);
}

#[test]
fn the_next_runcs_grammar_is_read() {
    let room = room();
    reads_bundle(
        &room,
        &[
            "create --root r --bundle b c1",
            "create --no-pivot c1 --bundle b",
        ],
        "b",
    );
    let said = room.refuses([" create", "--bundle=b ", "c1"]);
    assert!(said.contains("/b\""), "{said}");
}

#[test]
fn run_and_restore_are_gated_as_create_is_and_nothing_else() {
    is_gated(&[
        "run --bundle b c1",
        "run -d --bundle b c1",
        "run --bundle b --keep c1",
        "restore --bundle b --image-path i c1",
    ]);
    starts_nothing(&[
        "checkpoint --image-path i c1",
        "exec -d --pid-file p c1 sh",
        "update --resources - c1",
        "spec --bundle b",
        "list",
        "resume c1",
    ]);
}

#[test]
fn a_call_that_the_runtime_rejects_is_its_own_to_reject() {
    // The bundle does not exist; the container ID is missing; there are two IDs.
    starts_nothing(&[
        "create --bundle nowhere c1",
        "create --bundle b",
        "create --bundle b c1 c2",
        "create",
    ]);
}
