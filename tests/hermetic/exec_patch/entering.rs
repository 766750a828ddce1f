//! Tests the call that the runtime gets when it must run a command, and the outcomes that follow.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::fleet::{Fleet, PATCH};
use crate::attacks::node::BASE;
use crate::room::{compile, write_program};

/// What fcntl(2) reports for a memory file that can no longer be changed: F_SEAL_SEAL,
/// F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE.
const ALL_SEALS: i32 = 0xf;

#[test]
fn the_owning_runtime_gets_its_own_exec_and_nothing_else() {
    let fleet = Fleet::of(1);
    let said = fleet.patch(&[]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(fleet.patched(), ["web-1"]);
    let calls: Vec<_> = fleet
        .calls()
        .into_iter()
        .filter(|call| call.enters("web-1"))
        .collect();
    let [call] = &calls[..] else {
        panic!("{calls:?}")
    };
    let words = call.words();
    let value = |flag: &str| {
        words
            .iter()
            .position(|word| word == flag)
            .map(|at| words[at + 1].as_str())
    };
    assert_eq!(words.last(), Some(&Fleet::id("web-1")));
    assert!(
        value("--process").is_some() && value("--pid-file").is_some(),
        "{words:?}"
    );
    for never in [
        "--ignore-paused",
        "--tty",
        "-t",
        "--preserve-fds",
        "--user",
        "--cap",
    ] {
        assert!(!words.contains(&never.to_owned()), "{never}: {words:?}");
    }
    // No variable of exec-patch's own environment is passed to the runtime.
    assert_eq!(
        (
            call.variable("EMBARGO_ROOT"),
            call.variable("EMBARGO_DEPTH")
        ),
        (None, None)
    );
    assert_eq!(
        call.variable("PATH").unwrap(),
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
    // The runtime gets the state that was checked. So the runtime enters the checked instance of
    // the container or none.
    let state = fs::read(fleet.state("web-1").join("state.json")).unwrap();
    assert_eq!(call.bytes("state"), [state]);
    assert_ne!(
        value("--root"),
        fleet.state("web-1").parent().unwrap().to_str()
    );
    assert_eq!(call.fact("leads-session"), "1", "a terminal is nobody's");
    // The runtime inherits no descriptor that is open in exec-patch.
    let descriptors: Vec<_> = call.descriptors().into_keys().collect();
    assert_eq!(descriptors, [0, 1, 2], "{call:?}");
}

#[test]
fn the_process_is_the_containers_own_but_for_what_was_asked_for() {
    let mut fleet = Fleet::new();
    fleet.start_with("web-1", &["MODE=a b", "ODD=\"\\\n"]);
    let asked = [
        "--user",
        "5:6",
        "--env",
        "MODE=patch",
        "--env",
        "NEW=1",
        "--workdir",
        "/tmp",
    ];
    let said = fleet.patch(&asked);
    assert_eq!(said.status, Some(0), "{said:?}");
    let spec: serde_json::Value = serde_json::from_str(
        &fs::read_to_string(fleet.bundle("web-1").join("config.json")).unwrap(),
    )
    .unwrap();
    let (own, process) = (
        &spec["process"],
        fleet
            .calls()
            .iter()
            .find(|call| call.enters("web-1"))
            .unwrap()
            .process(),
    );
    assert_eq!(process["args"], json!(PATCH));
    assert_eq!(
        (&process["terminal"], &process["cwd"]),
        (&json!(false), &json!("/tmp"))
    );
    assert_eq!(
        (&process["user"]["uid"], &process["user"]["gid"]),
        (&json!(5), &json!(6))
    );
    for same in [
        "rlimits",
        "noNewPrivileges",
        "apparmorProfile",
        "selinuxLabel",
        "oomScoreAdj",
    ] {
        assert_eq!(process[same], own[same], "{same}");
    }
    assert_eq!(
        process["capabilities"]["bounding"],
        own["capabilities"]["bounding"]
    );
    let variables: Vec<_> = process["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry.as_str().unwrap())
        .collect();
    let value = |name: &str| {
        variables
            .iter()
            .rev()
            .find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
    };
    assert_eq!(
        (value("MODE"), value("NEW"), value("PATH"), value("ODD")),
        (
            Some("patch"),
            Some("1"),
            Some("/usr/bin:/bin"),
            Some("\"\\\n")
        )
    );
    assert_eq!(
        value("EMBARGO_PATCH"),
        Some(format!("{}.1", fleet.run_id()).as_str())
    );
}

#[test]
fn root_gets_the_containers_own_bounding_set_and_no_more() {
    let fleet = Fleet::of(1);
    assert_eq!(fleet.patch(&[]).status, Some(0));
    let process = fleet
        .calls()
        .iter()
        .find(|call| call.enters("web-1"))
        .unwrap()
        .process();
    assert_eq!(
        (&process["user"]["uid"], &process["user"]["gid"]),
        (&json!(0), &json!(0))
    );
    for set in ["bounding", "permitted", "effective"] {
        assert_eq!(
            process["capabilities"][set],
            json!(["CAP_CHOWN", "CAP_KILL"]),
            "{set}"
        );
    }
}

#[test]
fn a_script_is_passed_as_a_sealed_copy_at_descriptor_three() {
    let fleet = Fleet::of(1);
    let script = "#!/bin/sh\necho \"patched $1\" >> \"$LEDGER\"\n";
    for (name, text, args) in [
        (
            "with.sh",
            script.to_owned(),
            json!(["/proc/self/fd/3", "now"]),
        ),
        (
            "without.sh",
            script.replace("#!/bin/sh\n", ""),
            json!(["/bin/sh", "/proc/self/fd/3", "now"]),
        ),
    ] {
        write_program(&fleet.path(name), text.as_bytes());
        let path = fleet.path(name);
        let said = fleet.run(&[
            "--base",
            BASE,
            "--script",
            path.to_str().unwrap(),
            "--",
            "now",
        ]);
        assert_eq!(said.status, Some(0), "{said:?}");
        let call = fleet
            .calls()
            .into_iter()
            .find(|call| call.enters("web-1"))
            .unwrap();
        assert_eq!(call.process()["args"], args);
        assert_eq!(call.bytes("program"), [text.as_bytes()]);
        assert_eq!(
            call.fact("seals").parse::<i32>().unwrap() & ALL_SEALS,
            ALL_SEALS
        );
        assert!(call.descriptors()[&3].starts_with("/memfd:"), "{call:?}");
        let words = call.words();
        assert!(
            words.windows(2).any(|pair| pair == ["--preserve-fds", "1"]),
            "{words:?}"
        );
    }
    assert_eq!(fleet.ledger()["web-1"], "patched now\npatched now\n");
}

#[test]
fn a_static_program_is_passed_and_runs_and_no_other() {
    let fleet = Fleet::of(1);
    let text = "#include <fcntl.h>\n#include <stdlib.h>\n#include <unistd.h>\nint main(int argc, char **argv) {\n\
                return write(open(getenv(\"LEDGER\"), O_CREAT | O_WRONLY | O_APPEND, 0644), argv[1], 8) != 8;\n}\n";
    let program = static_program(&fleet, "append", text);
    let said = fleet.run(&[
        "--base",
        BASE,
        "--program",
        program.to_str().unwrap(),
        "--",
        "patched\n",
    ]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(fleet.patched(), ["web-1"]);
    let call = fleet
        .calls()
        .into_iter()
        .find(|call| call.enters("web-1"))
        .unwrap();
    assert_eq!(
        call.process()["args"],
        json!(["/proc/self/fd/3", "patched\n"])
    );
    assert_eq!(
        call.fact("seals").parse::<i32>().unwrap() & ALL_SEALS,
        ALL_SEALS
    );
    let said = fleet.run(&["--base", BASE, "--program", "/bin/sh", "--", "-c", "true"]);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(said.err.contains("it is linked dynamically"), "{said:?}");
}

/// Compiles this C text into a static program.
fn static_program(fleet: &Fleet, name: &str, text: &str) -> PathBuf {
    let (source, program) = (fleet.path(&format!("{name}.c")), fleet.path(name));
    fs::write(&source, text).unwrap();
    compile(&source, &program, &["-static", "-pthread"]);
    program
}

/// The outcome for `web-1` with this command, and exec-patch's exit status.
fn outcome(fleet: &Fleet, words: &[&str], command: &[&str]) -> (serde_json::Value, Option<i32>) {
    let said = fleet.run(&[&["--base", BASE, "--again"], words, &["--"], command].concat());
    (fleet.outcomes()["web-1"].clone(), said.status)
}

#[test]
fn a_commands_end_is_distinguished_from_its_runtimes() {
    let fleet = Fleet::of(1);
    let shell = |script: &'static str| ["/bin/sh", "-c", script];
    for (command, status) in [
        ("exit 1", 1),
        ("exit 127", 127),
        ("exit 255", 255),
        ("kill -9 $$", 137),
    ] {
        let (ended, exit) = outcome(&fleet, &[], &shell(command));
        let reported = (&ended["outcome"], &ended["stage"], &ended["status"]);
        assert_eq!(
            reported,
            (&json!("failed"), &json!("command"), &json!(status)),
            "{ended}"
        );
        assert_eq!(exit, Some(3));
    }
    let (ended, exit) = outcome(&fleet, &[], &["/no/such/program"]);
    assert_eq!(
        (&ended["outcome"], exit),
        (&json!("could-not-enter"), Some(3)),
        "{ended}"
    );
    assert!(
        ended["why"]
            .as_str()
            .unwrap()
            .contains("No such file or directory"),
        "{ended}"
    );
    for status in [1, 255] {
        fleet.behave("web-1", &format!("fail {status} nsexec: cannot join"));
        let (ended, exit) = outcome(&fleet, &[], &shell("exit 0"));
        assert_eq!(
            (&ended["outcome"], exit),
            (&json!("could-not-enter"), Some(3)),
            "{ended}"
        );
        assert!(
            ended["why"]
                .as_str()
                .unwrap()
                .contains("nsexec: cannot join"),
            "{ended}"
        );
    }
}

#[test]
fn a_check_comes_before_and_after() {
    let fleet = Fleet::of(1);
    let check = ["--check", "grep -q patched \"$LEDGER\""];
    let (ended, exit) = outcome(&fleet, &check, &["/bin/sh", "-c", "exit 0"]);
    assert_eq!(
        (&ended["outcome"], &ended["stage"], &ended["status"]),
        (&json!("failed"), &json!("check-after"), &json!(2)),
        "{ended}"
    );
    assert_eq!(exit, Some(3));
    let (ended, exit) = outcome(&fleet, &check, &PATCH);
    assert_eq!(
        (&ended["outcome"], exit),
        (&json!("patched"), Some(0)),
        "{ended}"
    );
    let (ended, exit) = outcome(&fleet, &check, &PATCH);
    assert_eq!(
        (&ended["outcome"], exit),
        (&json!("already-fine"), Some(0)),
        "{ended}"
    );
    assert_eq!(fleet.patched(), ["web-1"]);
}

#[test]
fn a_runtime_that_hangs_and_a_command_that_will_not_end_are_ended() {
    let fleet = Fleet::of(1);
    let (ended, exit) = outcome(
        &fleet,
        &["--timeout", "1s"],
        &["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
    );
    assert_eq!(
        (&ended["outcome"], exit),
        (&json!("timed-out"), Some(3)),
        "{ended}"
    );
    fleet.behave("web-1", "hang");
    let (ended, exit) = outcome(&fleet, &["--timeout", "1s"], &["/bin/true"]);
    assert_eq!(
        (&ended["outcome"], exit),
        (&json!("timed-out"), Some(3)),
        "{ended}"
    );
}

/// Runs a command that writes something to the ledger and then takes too long. Returns the text
/// that the command wrote. The time limit is one second if the command can write its text in that
/// time.
fn timed_out(fleet: &Fleet, words: &[&str], command: &[&str]) -> String {
    for timeout in ["1s", "8s", "60s"] {
        let (ended, _) = outcome(fleet, &[words, &["--timeout", timeout]].concat(), command);
        assert_eq!(ended["outcome"], "timed-out", "{ended}");
        if let Some(text) = fleet.ledger().get("web-1") {
            return text.trim().to_owned();
        }
    }
    panic!("{command:?} writes nothing in a minute");
}

#[test]
fn nothing_that_a_command_started_is_left_after_its_time() {
    let fleet = Fleet::of(1);
    // A process that was forked twice, has a session of its own, ignores SIGTERM, and keeps the
    // output open.
    let script = "(setsid sh -c 'trap \"\" TERM; echo $$ > \"$LEDGER\"; while :; do sleep 0.1; done' &) ; while :; do sleep 1; done";
    let pid = timed_out(&fleet, &[], &["/bin/sh", "-c", script]);
    assert!(
        fs::metadata(format!("/proc/{pid}")).is_err(),
        "{pid} is left"
    );
}

/// A program whose first thread ends at once, so that its process is a zombie that nobody can wait
/// for. A command like this was once reported as never run. Without an argument, the other thread
/// ends the process with status 7. With an argument, it writes the process ID to the ledger and
/// continues.
const FIRST_THREAD_ENDS: &str = "#include <pthread.h>\n#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
    static void *other(void *goes_on) {\n\
        if (!goes_on) { usleep(300000); exit(7); }\n\
        FILE *file = fopen(getenv(\"LEDGER\"), \"w\"); fprintf(file, \"%d\", getpid()); fclose(file);\n\
        for (;;) pause();\n}\n\
    int main(int argc, char **argv) {\n\
        pthread_t thread; signal(SIGTERM, SIG_IGN);\n\
        pthread_create(&thread, NULL, other, argv[1]); pthread_exit(NULL);\n}\n";

#[test]
fn a_command_whose_first_thread_ends_before_the_others_is_waited_for_and_ended_in_time() {
    let fleet = Fleet::of(1);
    let program = static_program(&fleet, "threads", FIRST_THREAD_ENDS);
    let (ended, _) = outcome(&fleet, &["--program", program.to_str().unwrap()], &[]);
    assert_eq!(
        (&ended["outcome"], &ended["stage"], &ended["status"]),
        (&json!("failed"), &json!("command"), &json!(7)),
        "{ended}"
    );
    let pid = timed_out(&fleet, &["--program", program.to_str().unwrap()], &["on"]);
    assert!(
        fs::metadata(format!("/proc/{pid}")).is_err(),
        "{pid} is left"
    );
}
