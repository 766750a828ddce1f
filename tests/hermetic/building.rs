//! Tests how the real `embargoctl` builds lists of many digests. The bytes are the same wherever
//! the list is built, a progress bar is shown only at a terminal, and a killed build leaves nothing
//! behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::room::{Library, open_directory};

const EMBARGOCTL: &str = env!("CARGO_BIN_EXE_embargoctl");
const TERMS: &str =
    "--origin o --version 4 --issued 2026-11-20T14:00:00Z --expires 2062-11-20 --out l";

/// A library that stops a build at a given system call.
static HOLD: Library = Library::new("hold");

/// Writes a source with three bans to a directory. Two files hold `digests` digests.
fn source(directory: &Path, digests: u64) {
    let ban = |id: &str, more: &str| {
        format!(
            "[[ban]]\nid = \"{id}\"\nreason = \"why\"\nseverity = \"low\"\neffective = 2026-11-20\n{more}"
        )
    };
    let files = "[[ban.match]]\nbase_file = \"first.txt\"\n[[ban.match]]\nlayer_file = \"lists/second.txt\"\nname = \"n\"\n";
    let single = format!("[[ban.match]]\nimage = \"{}\"\n", digest(1));
    fs::create_dir_all(directory.join("lists")).unwrap();
    fs::write(
        directory.join("bans.toml"),
        ban("A", files)
            + &ban("B", &single)
            + &ban("C", "[[ban.match]]\nbase_file = \"first.txt\"\n"),
    )
    .unwrap();
    let lines = |numbers: std::ops::Range<u64>| {
        numbers
            .map(|number| digest(number) + "\n")
            .collect::<String>()
    };
    fs::write(
        directory.join("first.txt"),
        "# from the scanner\n".to_owned() + &lines(0..digests / 2),
    )
    .unwrap();
    fs::write(
        directory.join("lists/second.txt"),
        lines(digests / 3..digests),
    )
    .unwrap();
}

/// A digest that no image has. The digests of successive numbers are not sorted.
fn digest(number: u64) -> String {
    let mixed = |part: u64| {
        (number + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(31)
            .wrapping_mul(part * 2 + 0xbf58_476d_1ce4_e5b9)
    };
    format!(
        "sha256:{:016x}{:016x}{:016x}{number:016x}",
        mixed(1),
        mixed(2),
        mixed(3)
    )
}

/// A command line of `embargoctl` in a directory, run by the shell.
fn command(directory: &Path, line: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(directory)
        .args(["-c", line])
        .stdin(Stdio::null());
    command
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn names(directory: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into())
        .collect();
    names.sort();
    names
}

#[test]
fn the_same_source_makes_the_same_list_on_every_machine() {
    let directory = open_directory();
    let desks = ["here", "there/and elsewhere"].map(|name| directory.path().join(name));
    desks.iter().for_each(|desk| source(desk, 30_000));
    done(&mut command(
        &desks[0],
        &format!("exec {EMBARGOCTL} list build {TERMS}"),
    ));
    let list = fs::read(desks[0].join("l")).unwrap();
    for (line, variable, value) in [
        (
            format!("umask 077; exec {EMBARGOCTL} list build {TERMS}"),
            "TZ",
            "Pacific/Kiritimati",
        ),
        // Builds with only one processor.
        (
            format!("exec taskset -c 0 {EMBARGOCTL} list build {TERMS}"),
            "LC_ALL",
            "tr_TR.UTF-8",
        ),
        (
            format!("exec {EMBARGOCTL} list build --source \"$HERE/bans.toml\" {TERMS}"),
            "HERE",
            "../and elsewhere/lists/..",
        ),
    ] {
        done(command(&desks[1], &line).env(variable, value));
        let built = desks[1].join("l");
        assert_eq!(
            fs::metadata(&built).unwrap().permissions().mode() & 0o777,
            0o644,
            "{line}"
        );
        assert!(fs::read(&built).unwrap() == list, "{line}");
        // Each source verifies the list that was built from the other source.
        done(&mut command(
            &desks[0],
            &format!(
                "exec {EMBARGOCTL} list verify --source bans.toml '{}'",
                built.display()
            ),
        ));
        fs::remove_file(&built).unwrap();
    }
}

/// Runs a command line at a terminal of this kind. Returns what the terminal received.
fn at_terminal(directory: &Path, kind: &str, line: &str) -> String {
    let output = done(
        command(
            directory,
            &format!("exec script -q -e -c '{line}' /dev/null"),
        )
        .env("TERM", kind)
        .env("NO_COLOR", "1"),
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_long_build_shows_a_bar_at_a_terminal_alone_and_takes_it_away() {
    let directory = open_directory();
    source(directory.path(), 3_000);
    // The write must take so long that a person would wonder whether the program still works.
    let line = format!(
        "LD_PRELOAD={} HOLD=pwrite64 HOLD_FOR=400000 exec {EMBARGOCTL} list build {TERMS}",
        HOLD.path().display()
    );
    let piped = done(&mut command(directory.path(), &line));
    let result = String::from_utf8(piped.stdout).unwrap();
    assert_eq!((result.lines().count(), piped.stderr), (3, Vec::new()));
    let shown = at_terminal(directory.path(), "xterm", &line);
    assert!(shown.contains("writing ["), "{shown:?}");
    // There is no colour and no hidden cursor, and the bar is erased before the result.
    assert!(
        !shown.contains("\u{1b}[?25l") && !shown.contains("\u{1b}[3"),
        "{shown:?}"
    );
    let (_, last) = shown.rsplit_once("%").unwrap();
    assert!(
        last.contains("\u{1b}[2K") && last.ends_with(&result.replace('\n', "\r\n")),
        "{last:?}"
    );
    assert_eq!(
        at_terminal(directory.path(), "dumb", &line),
        result.replace('\n', "\r\n")
    );
}

/// Stands for the previous list: a build replaces no file that is not a list.
const OLD: &[u8] = b"embargo/banlist-head/v1\nthe list before\n";

/// Starts a build that stops itself before its first system call of this name.
#[allow(
    clippy::zombie_processes,
    reason = "it is waited for by its ID, which also tells that it stopped"
)]
fn held(directory: &Path, call: &str) -> Pid {
    // A shell that runs the tests in the background may have set these signals to be ignored.
    let mut build = command(
        directory,
        &format!("exec env --default-signal=INT,TERM {EMBARGOCTL} list build {TERMS}"),
    );
    let build = build
        .env("LD_PRELOAD", HOLD.path())
        .env("HOLD", call)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let build = Pid::from_raw(i32::try_from(build.id()).unwrap());
    let stopped = waitpid(build, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(
        stopped,
        WaitStatus::Stopped(build, Signal::SIGSTOP),
        "{call}"
    );
    build
}

/// Whether the build writes a file without a name. On a file system without such files, nothing is
/// promised.
fn writes_without_a_name(build: Pid) -> bool {
    let open = fs::read_dir(format!("/proc/{build}/fd"))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap());
    open.into_iter()
        .any(|file| file.to_string_lossy().ends_with(" (deleted)"))
}

#[test]
fn a_build_that_is_interrupted_or_killed_leaves_the_old_list_and_nothing_else() {
    let directory = open_directory();
    let path = directory.path().canonicalize().unwrap();
    source(&path, 3_000);
    fs::write(path.join("l"), OLD).unwrap();
    let before = names(&path);
    // Stops the build when nothing is written yet, when everything is written, and when the file is
    // on the disk and about to get its name.
    for call in ["pwrite64", "fsync", "linkat"] {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
            let build = held(&path, call);
            let is_without_a_name = writes_without_a_name(build);
            kill(build, signal).unwrap();
            kill(build, Signal::SIGCONT).unwrap();
            assert_eq!(
                waitpid(build, None).unwrap(),
                WaitStatus::Signaled(build, signal, false),
                "{call}"
            );
            assert_eq!(fs::read(path.join("l")).unwrap(), OLD, "{call}, {signal}");
            if is_without_a_name {
                assert_eq!(names(&path), before, "{call}, {signal}");
            }
        }
    }
    // If the build is only stopped and then continued, it does replace the old list.
    let build = held(&path, "linkat");
    kill(build, Signal::SIGCONT).unwrap();
    assert_eq!(waitpid(build, None).unwrap(), WaitStatus::Exited(build, 0));
    assert_ne!(fs::read(path.join("l")).unwrap(), OLD);
    assert_eq!(names(&path), before);
}
