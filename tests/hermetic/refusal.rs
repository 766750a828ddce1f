//! Tests that a refusal reaches the caller, and that nothing is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::room::{LENIENT, Room};

/// The refusal for the bundle `b` of a room, which no engine made.
fn line(room: &Room) -> String {
    room.refuses(["create", "--bundle", "b", "c1"])
}

fn room() -> Room {
    let room = Room::armed("");
    room.bundle("b");
    room
}

/// A call that would start the container c1, with a JSON log at `log`.
fn logged(room: &Room, log: &str) -> Command {
    let mut command = room.embargo();
    command.args([
        "--log",
        log,
        "--log-format",
        "json",
        "create",
        "--bundle",
        "b",
        "c1",
    ]);
    command
}

/// The records of a JSON log, each as `(level, msg)`. Every line must be a record with a time in
/// RFC 3339 form.
fn records(log: &str) -> Vec<(String, String)> {
    let record = |line: &str| {
        let record: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let time = record["time"].as_str().unwrap();
        assert!(
            embargo::sys::clock::Timestamp::parse(time).is_some(),
            "{time}"
        );
        (
            record["level"].as_str().unwrap().to_owned(),
            record["msg"].as_str().unwrap().to_owned(),
        )
    };
    log.lines().map(record).collect()
}

#[test]
fn the_log_gets_one_record_after_what_was_there() {
    let room = room();
    let expected = ("error".to_owned(), line(&room));
    for (before, kept) in [
        (None, 0),
        (Some(""), 0),
        (
            Some("{\"level\":\"error\",\"msg\":\"old\",\"time\":\"2026-01-01T00:00:00Z\"}\n"),
            1,
        ),
        (
            Some("{\"level\":\"error\",\"msg\":\"cut\",\"time\":\"2026-01-01T00:00:00Z\"}"),
            1,
        ),
    ] {
        let path = room.path("log.json");
        fs::remove_file(&path).ok();
        if let Some(before) = before {
            fs::write(&path, before).unwrap();
            room.give(&path);
        }
        room.refuses_command(&mut logged(&room, "log.json"));
        let records = records(&fs::read_to_string(&path).unwrap());
        assert_eq!(
            (records.len(), records.last()),
            (kept + 1, Some(&expected)),
            "{before:?}"
        );
    }
    let path = room.path("log.json");
    fs::write(&path, "not JSON\n").unwrap();
    room.give(&path);
    room.refuses_command(&mut logged(&room, "log.json"));
    let log = fs::read_to_string(&path).unwrap();
    let added = log.strip_prefix("not JSON\n").unwrap();
    assert_eq!(records(added), [expected]);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o644
    );
}

#[test]
fn a_log_without_a_format_is_text() {
    let room = room();
    let expected = line(&room);
    for format in [
        &["--log", "log"][..],
        &["--log", "log", "--log-format", "text"],
        &["--log-format=text", "--log=log"],
    ] {
        fs::remove_file(room.path("log")).ok();
        room.refuses(format.iter().chain(&["run", "--bundle", "b", "c1"]));
        let log = fs::read_to_string(room.path("log")).unwrap();
        let (time, rest) = log
            .strip_prefix("time=\"")
            .unwrap()
            .split_once("\" ")
            .unwrap();
        assert!(
            embargo::sys::clock::Timestamp::parse(time).is_some(),
            "{time}"
        );
        assert_eq!(rest, format!("level=error msg={expected:?}\n"));
    }
}

#[test]
fn a_log_that_cannot_be_written_changes_nothing_else() {
    let room = room();
    let expected = line(&room);
    fs::create_dir(room.path("directory")).unwrap();
    nix::unistd::mkfifo(
        &room.path("fifo"),
        nix::sys::stat::Mode::from_bits_truncate(0o666),
    )
    .unwrap();
    for log in [
        "missing/log.json",
        "directory",
        "fifo",
        "/dev/full",
        "/proc/version",
        "",
    ] {
        assert_eq!(
            room.refuses_command(&mut logged(&room, log)),
            expected,
            "{log}"
        );
    }
    assert!(fs::symlink_metadata(room.path("missing")).is_err());
}

#[test]
fn cruns_log_targets_are_no_files() {
    let room = Room::armed_with("crun", "");
    room.bundle("b");
    let expected = line(&room);
    for log in ["journald:c1", "syslog:c1", "nonsense:c1"] {
        assert_eq!(room.refuses_command(&mut logged(&room, log)), expected);
        assert!(fs::symlink_metadata(room.path(log)).is_err(), "{log}");
    }
    room.refuses_command(&mut logged(&room, "file:log.json"));
    assert_eq!(
        records(&fs::read_to_string(room.path("log.json")).unwrap()).len(),
        1
    );
}

#[test]
fn records_of_concurrent_refusals_do_not_mix() {
    let room = room();
    let expected = line(&room);
    let log = room.path("shared.json");
    let children: Vec<_> = (0..40)
        .map(|_| {
            logged(&room, "shared.json")
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }
    assert_eq!(
        records(&fs::read_to_string(log).unwrap()),
        vec![("error".to_owned(), expected); 40]
    );
}

#[test]
fn hostile_names_stay_on_one_line_of_valid_json() {
    let room = room();
    let long = "x".repeat(20_000);
    for id in [
        "a\"b\\c",
        "line\nbreak",
        "\u{1b}[31mred",
        "żółw 海龜",
        "level=error",
        &long,
        "\u{202e}drawkcab",
    ] {
        fs::remove_file(room.path("log.json")).ok();
        let said = room.refuses([
            "--log",
            "log.json",
            "--log-format",
            "json",
            "create",
            "--bundle",
            "b",
            id,
        ]);
        assert_eq!(
            records(&fs::read_to_string(room.path("log.json")).unwrap()),
            [("error".to_owned(), said.clone())]
        );
        assert!(
            said.len() < 8_000 && !said.contains(|letter: char| letter.is_control()),
            "{said}"
        );
    }
}

/// Texts by which engines recognise other failures (docker: daemon/errors.go; podman:
/// libpod/oci_util.go; containerd: process/utils.go; CRI-O: runtime_oci.go).
const MISLEADING: [&str; 10] = [
    "permission denied",
    "operation not permitted",
    "no such file or directory",
    "not found",
    "executable",
    "is a directory",
    "not a directory",
    "does not exist",
    "container not running",
    "no such process",
];

#[test]
fn no_line_reads_like_another_failure() {
    let room = Room::armed("");
    room.bundle("b");
    fs::create_dir_all(room.path("directory-spec/config.json")).unwrap();
    fs::create_dir_all(room.path("locked")).unwrap();
    fs::write(room.path("locked/config.json"), "{}").unwrap();
    fs::set_permissions(
        room.path("locked/config.json"),
        fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    fs::create_dir_all(room.path("no-root")).unwrap();
    fs::write(room.path("no-root/config.json"), "{}").unwrap();
    let mut said: Vec<_> = ["b", "directory-spec", "locked", "no-root"]
        .into_iter()
        .map(|bundle| room.refuses(["create", "--bundle", bundle, "c1"]))
        .collect();
    said.push(room.refuses(["create", "--bundle", "b", "executable not found"]));
    room.set("runtime = \"/nonexistent/runc\"\non_unknown_image = \"admit\"\non_missing_list = \"admit\"\n");
    said.push(String::from_utf8(room.run(["create", "--bundle", "b", "c1"]).stderr).unwrap());
    room.set("mode = ");
    said.push(room.refuses(["create", "--bundle", "b", "c1"]));
    fs::set_permissions(
        room.path("node/etc/embargo/config.toml"),
        fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    said.push(room.refuses(["create", "--bundle", "b", "c1"]));
    for line in said {
        for phrase in MISLEADING {
            assert!(!line.to_lowercase().contains(phrase), "{phrase}: {line}");
        }
    }
}

#[test]
fn a_refusal_ends_with_the_operators_own_page() {
    let room = Room::armed("help = \"https://wiki.example.com/executable\"\n");
    room.bundle("b");
    // The word by which engines recognise another failure is escaped, and the page is the same.
    let end = "; see https://wiki.example.com/e%78ecutable";
    let line = line(&room);
    assert!(line.ends_with(end), "{line}");
    room.refuses_command(&mut logged(&room, "log.json"));
    let records = records(&fs::read_to_string(room.path("log.json")).unwrap());
    assert_eq!(records, [("error".to_owned(), line)]);
}

#[test]
fn a_refusal_nobody_reads_is_still_a_refusal() {
    let room = room();
    for script in [
        "exec \"$@\" 2>&-",
        "exec \"$@\" <&- >&- 2>&-",
        "exec \"$@\" 2>/dev/full",
        "trap '' PIPE; exec \"$@\" 2>/dev/full",
    ] {
        let embargo = logged(&room, "log.json");
        let mut shell = room.embargo();
        let words: Vec<_> = embargo.get_args().map(ToOwned::to_owned).collect();
        crate::room::by_shell(shell.args(words), script);
        assert_eq!(shell.output().unwrap().status.code(), Some(1), "{script}");
        assert!(room.record().is_none());
    }
    let (reader, writer) = nix::unistd::pipe().unwrap();
    drop(reader);
    assert_eq!(
        logged(&room, "log.json")
            .stderr(writer)
            .status()
            .unwrap()
            .code(),
        Some(1)
    );
    assert_eq!(
        records(&fs::read_to_string(room.path("log.json")).unwrap()).len(),
        5
    );
}

#[test]
fn the_engines_cleaning_up_reaches_the_runtime() {
    let room = room();
    let globals = [
        "--root",
        "state",
        "--log",
        "log.json",
        "--log-format",
        "json",
    ];
    room.refuses(globals.iter().chain(&[
        "create",
        "--bundle",
        "b",
        "--pid-file",
        "b/init.pid",
        "c1",
    ]));
    room.passes(globals.iter().chain(&["delete", "--force", "c1"]));
}

#[test]
fn a_refusal_leaves_nothing_but_its_record() {
    let room = room();
    let names = || {
        let mut names = Vec::new();
        let mut directories = vec![room.path("")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                names.push(entry.path());
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                }
            }
        }
        names.sort();
        names
    };
    let before = names();
    room.refuses([
        "--root",
        "state",
        "create",
        "--bundle",
        "b",
        "--pid-file",
        "b/init.pid",
        "--console-socket",
        "b/s",
        "c1",
    ]);
    room.refuses([
        "--root",
        "state",
        "run",
        "--bundle",
        "b",
        "--pid-file",
        "b/init.pid",
        "c1",
    ]);
    assert_eq!(names(), before);
}

#[test]
fn a_caller_who_may_read_nothing_is_refused_and_reported() {
    let room = room();
    let list = room.path("node/var/lib/embargo/banlist.lst");
    fs::write(&list, "x").unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o000)).unwrap();
    line(&room);
    fs::set_permissions(
        room.path("node/var/lib/embargo"),
        fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    line(&room);
    fs::set_permissions(
        room.path("node/etc/embargo/config.toml"),
        fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    let said = line(&room);
    assert!(said.contains("config.toml"), "{said}");
}

#[test]
fn an_unwritable_node_admits_as_before() {
    let room = Room::armed(LENIENT);
    room.bundle("b");
    let state = room.path("node/var/lib/embargo");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o555)).unwrap();
    room.passes(["--log", "missing/log.json", "create", "--bundle", "b", "c1"]);
    room.passes(["--log", "/dev/full", "create", "--bundle", "b", "c1"]);
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_node_that_is_not_armed_passes_everything() {
    let room = Room::unarmed("runc");
    room.bundle("b");
    for call in [
        &["create", "--bundle", "b", "c1"][..],
        &["run", "--bundle", "b", "c1"],
        &["restore", "--bundle", "b", "c1"],
        &["start", "c1"],
    ] {
        room.passes(call);
        room.passes(call);
    }
}
