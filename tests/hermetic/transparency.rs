//! Tests that the real runtime gets exactly what Embargo was given, and that the caller gets
//! exactly what the runtime returns.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::unistd::Pid;

use crate::room::{LENIENT, Room, by_shell, hexadecimal};

/// A call that starts nothing, and a call that starts a container and is admitted.
const CALLS: [&[&str]; 2] = [
    &["--root", "/r", "state", "c1"],
    &["--root", "/r", "create", "--bundle", "bundle", "c1"],
];

fn transparent(arrange: impl Fn(&mut Command)) {
    let room = Room::armed(LENIENT);
    room.bundle("bundle");
    for call in CALLS {
        room.is_transparent(|command| {
            command.args(call);
            arrange(command);
        });
    }
}

/// Runs `set_up` in the new process just before the program is executed.
#[allow(unsafe_code)]
fn before_exec(command: &mut Command, set_up: fn()) {
    // SAFETY: each `set_up` only makes system calls.
    unsafe {
        command.pre_exec(move || {
            set_up();
            Ok(())
        });
    }
}

#[allow(unsafe_code)]
fn limit(resource: libc::__rlimit_resource_t, soft: libc::rlim_t, hard: libc::rlim_t) {
    // SAFETY: the limit lives as long as the call.
    let set = unsafe {
        libc::setrlimit(
            resource,
            &libc::rlimit {
                rlim_cur: soft,
                rlim_max: hard,
            },
        )
    };
    assert_eq!(set, 0);
}

#[test]
fn the_runtime_is_the_same_process_and_its_argv_begins_with_its_own_path() {
    let room = Room::armed_with("crun-wasm", LENIENT);
    room.bundle("bundle");
    for call in CALLS {
        let child = room
            .embargo()
            .args(call)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let process = child.id().to_string();
        assert!(child.wait_with_output().unwrap().status.success());
        let record = room.record().unwrap();
        assert_eq!(record.fact("process "), process);
        assert_eq!(record.words()[0], hexadecimal(room.runtime.as_os_str()));
        let counter: Vec<_> = record
            .facts("variable ")
            .filter(|variable| variable.starts_with(&hexadecimal(OsStr::new("EMBARGO_DEPTH"))))
            .collect();
        assert_eq!(counter, [hexadecimal(OsStr::new("EMBARGO_DEPTH=1"))]);
    }
}

#[test]
fn exit_status_and_death_by_signal_are_the_runtimes() {
    let room = Room::armed("");
    for status in [0, 1, 3, 64, 126, 137, 255] {
        room.behave(&format!("exit {status}\n"));
        assert_eq!(room.run(["start", "c1"]).status.code(), Some(status));
    }
    for signal in [
        Signal::SIGTERM,
        Signal::SIGKILL,
        Signal::SIGPIPE,
        Signal::SIGUSR2,
    ] {
        room.behave(&format!("kill {}\n", signal as i32));
        assert_eq!(
            room.run(["start", "c1"]).status.signal(),
            Some(signal as i32)
        );
    }
}

#[test]
fn a_signal_sent_right_after_the_start_ends_the_call() {
    let room = Room::armed("");
    room.behave("wait\n");
    for _ in 0..20 {
        let mut child = room.embargo().args(["start", "c1"]).spawn().unwrap();
        kill(
            Pid::from_raw(child.id().try_into().unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGTERM as i32));
    }
}

#[test]
fn the_signal_for_a_dead_parent_is_kept() {
    transparent(|command| {
        before_exec(command, || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).unwrap()
        });
    });
    let room = Room::armed("");
    let mut command = room.embargo();
    before_exec(&mut command, || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGUSR1).unwrap()
    });
    assert!(command.args(["start", "c1"]).status().unwrap().success());
    assert_eq!(
        room.record().unwrap().fact("death-signal "),
        (Signal::SIGUSR1 as i32).to_string()
    );
}

#[test]
fn standard_streams_are_untouched() {
    transparent(|_| {});
    let room = Room::armed(LENIENT);
    room.bundle("bundle");
    room.behave("print {\"ociVersion\":\"1.0.2\"}\n");
    for call in CALLS {
        let output = room.run(call);
        assert_eq!(
            (output.stdout.as_slice(), output.stderr.as_slice()),
            (&b"{\"ociVersion\":\"1.0.2\"}\n"[..], &b""[..])
        );
    }
}

#[test]
fn closed_descriptors_stay_closed() {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        transparent(|command| by_shell(command, &format!("exec \"$@\" {closed}")));
    }
    let room = Room::armed(LENIENT);
    room.bundle("bundle");
    for call in CALLS {
        let mut command = room.embargo();
        command.args(call);
        by_shell(&mut command, "exec \"$@\" <&- >&- 2>&-");
        assert!(command.status().unwrap().success());
        let record = room.record().unwrap();
        let standard = record.facts("descriptor ").filter(|open| {
            ["0 ", "1 ", "2 "]
                .iter()
                .any(|number| open.starts_with(number))
        });
        assert_eq!(standard.count(), 0);
    }
}

#[test]
fn preserved_descriptors_and_the_variables_about_them_pass() {
    transparent(|command| {
        command.envs([
            ("LISTEN_FDS", "2"),
            ("LISTEN_PID", "1"),
            ("NOTIFY_SOCKET", "/run/n"),
        ]);
        by_shell(command, "exec \"$@\" 3</dev/null 4</dev/zero 9>>/dev/null");
    });
}

#[test]
fn the_disposition_of_sigpipe_is_the_callers() {
    transparent(|command| by_shell(command, "exec \"$@\""));
    transparent(|command| by_shell(command, "trap '' PIPE HUP; exec \"$@\""));
    let room = Room::armed("");
    for (script, ignored) in [("exec \"$@\"", false), ("trap '' PIPE; exec \"$@\"", true)] {
        let mut command = room.embargo();
        command.args(["start", "c1"]);
        by_shell(&mut command, script);
        assert!(command.status().unwrap().success());
        let record = room.record().unwrap();
        let mask = u64::from_str_radix(record.fact("status SigIgn:").trim(), 16).unwrap();
        assert_eq!(mask & 1 << (Signal::SIGPIPE as u32 - 1) != 0, ignored);
    }
}

#[test]
fn blocked_signals_stay_blocked() {
    transparent(|command| {
        before_exec(command, || {
            let mut set = SigSet::empty();
            for signal in [Signal::SIGPIPE, Signal::SIGTERM, Signal::SIGCHLD] {
                set.add(signal);
            }
            sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).unwrap();
        });
    });
}

#[test]
fn umask_limits_priority_session_and_environment_are_the_callers() {
    transparent(|command| {
        command
            .env("A", "1")
            .env("EMPTY", "")
            .env("RAW", OsStr::from_bytes(b"\xff\n="));
        before_exec(command, || {
            nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o137));
            limit(libc::RLIMIT_NOFILE, 77, 99);
            limit(libc::RLIMIT_CORE, 0, 0);
            nix::unistd::setsid().unwrap();
        });
    });
    transparent(|command| {
        by_shell(
            command,
            "echo 500 > /proc/self/oom_score_adj; exec /usr/bin/nice -n 7 \"$@\"",
        )
    });
}

#[test]
fn a_call_works_without_any_environment() {
    let room = Room::unarmed("runc");
    let mut command = room.embargo();
    // Without `PATH`, a runtime in the usual directories is found, or the error says that there is
    // none. If the settings name a runtime, `PATH` does not matter.
    command.env_remove("PATH").args(["kill", "c1", "9"]);
    let output = command.output().unwrap();
    assert!(room.record().is_none());
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("panic"),
        "{output:?}"
    );
    let room = Room::armed("");
    let mut command = room.embargo();
    command
        .env_remove("PATH")
        .env_remove("HOME")
        .args(["delete", "--force", "c1"]);
    assert!(command.status().unwrap().success());
    let record = room.record().unwrap();
    assert_eq!(
        record.facts("variable ").count(),
        2,
        "EMBARGO_ROOT and EMBARGO_DEPTH"
    );
}

#[test]
fn a_call_works_in_a_directory_that_is_gone() {
    let room = Room::armed("");
    for call in [
        &["kill", "c1", "9"][..],
        &["delete", "--force", "c1"],
        &["state", "c1"],
    ] {
        fs::create_dir(room.path("gone")).unwrap();
        room.give(&room.path("gone"));
        room.is_transparent(|command| {
            command.args(call);
            let script = format!(
                "/bin/mkdir -p {0} && cd {0} && /bin/rmdir {0} && exec \"$@\"",
                room.path("gone").display()
            );
            by_shell(command, &script);
        });
    }
}

#[test]
fn a_bundle_is_only_read() {
    let room = Room::armed(LENIENT);
    let spec = room.bundle("bundle").join("config.json");
    let facts = |path| {
        fs::metadata(path)
            .map(|facts| (facts.ino(), facts.mtime_nsec(), facts.size(), facts.mode()))
            .unwrap()
    };
    let before = facts(&spec);
    room.passes(["create", "--bundle", "bundle", "c1"]);
    assert_eq!(facts(&spec), before);
    assert_eq!(fs::read_dir(room.path("bundle")).unwrap().count(), 2);
}

#[test]
fn nothing_is_reported_when_a_call_passes() {
    let room = Room::armed(LENIENT);
    room.bundle("bundle");
    for call in [
        &["features"][..],
        &["--version"],
        &["--log", "log", "--log-format", "json", "state", "c1"],
        &["list", "--format", "json"],
        &["ps", "--format", "json", "c1"],
        &["events", "--stats", "c1"],
        &["exec", "--process", "/tmp/p", "c1"],
        &[
            "--log",
            "log",
            "--log-format",
            "json",
            "create",
            "--bundle",
            "bundle",
            "c1",
        ],
        &["--log", "log", "run", "--bundle", "bundle", "c1"],
        &["--log", "log", "restore", "--bundle", "bundle", "c1"],
    ] {
        room.passes(call);
        assert!(
            fs::symlink_metadata(room.path("log")).is_err(),
            "{call:?} writes a log"
        );
    }
}

#[test]
fn calls_that_start_nothing_pass_whatever_is_wrong_with_the_node() {
    let calls = [
        &["start", "c1"][..],
        &["kill", "c1", "KILL"],
        &["delete", "--force", "c1"],
        &["state", "c1"],
        &["exec", "c1", "sh"],
        &["features"],
    ];
    let room = Room::armed("");
    let runtime = format!("runtime = {:?}\n", room.runtime);
    for settings in [
        runtime.clone() + "nonsense = [",
        runtime.clone() + "mode = 7",
        runtime.clone() + "unknown_key = true",
        "\u{0}".to_owned() + &runtime,
    ] {
        room.set(&settings);
        for call in calls {
            room.passes(call);
        }
    }
    // If the settings have no usable line, Embargo searches for the runtime.
    let settings = room.path("node/etc/embargo/config.toml");
    fs::remove_file(&settings).unwrap();
    nix::unistd::mkfifo(&settings, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for call in calls {
        room.passes(call);
    }
    fs::remove_file(&settings).unwrap();
    fs::create_dir(&settings).unwrap();
    fs::write(room.path("node/var/lib/embargo/banlist.lst"), "forged").unwrap();
    for call in calls {
        room.passes(call);
    }
}
