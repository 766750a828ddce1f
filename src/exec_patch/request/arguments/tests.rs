//! Tests that every argument has one meaning, and that conflicting arguments are refused.

use super::*;

fn typed(text: &[&str]) -> Result<Options, String> {
    read(text.iter().map(OsString::from)).map_err(|refusal| refusal.to_string())
}

fn order(text: &[&str]) -> Order {
    match typed(text).unwrap().action {
        Task::Start(order) => *order,
        other @ (Task::Auto
        | Task::Resume(_)
        | Task::OnlyFailed(_)
        | Task::History(_)
        | Task::Prune(_)) => panic!("{other:?}"),
    }
}

/// The first line of a refusal.
fn refusal(text: &[&str]) -> String {
    typed(text)
        .unwrap_err()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn the_command_line_is_consistent() {
    command_line().debug_assert();
}

#[test]
fn a_ban_alone_runs_its_own_patch_at_the_usual_pace() {
    let options = typed(&["--ban", "BAN-1"]).unwrap();
    assert_eq!(
        (options.dry_run, options.json, options.output_limit),
        (false, false, None)
    );
    assert_eq!(options.pace.over(USUAL_PACE), USUAL_PACE);
    let Task::Start(order) = options.action else {
        panic!("{options:?}")
    };
    assert_eq!(
        order.target.selector,
        Selector::Bans(vec!["BAN-1".to_owned()])
    );
    assert_eq!(
        (
            order.source,
            order.user,
            order.timeout,
            order.unpause,
            order.again
        ),
        (PatchSource::Signed, None, None, false, false)
    );
}

#[test]
fn everything_that_is_typed_stands_in_the_order() {
    let order = order(&[
        "--base",
        "debian:12.4",
        "--engine",
        "docker",
        "--engine",
        "cri-o",
        "--namespace",
        "k8s.io",
        "--container",
        "web-1",
        "--check",
        "test -e /fixed",
        "--user",
        "1000",
        "--env",
        "A=b=c",
        "--env",
        "B=",
        "--workdir",
        "/srv",
        "--timeout",
        "90s",
        "--unpause",
        "--again",
        "--",
        "sh",
        "-c",
        "--thing",
        "--",
    ]);
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let target = Targets {
        selector: Selector::Base("debian:12.4".to_owned()),
        engines: vec![Engine::Docker, Engine::CriO],
        namespaces: words("k8s.io"),
        containers: words("web-1"),
    };
    let expected = Order {
        target,
        source: PatchSource::Command(words("sh -c --thing --")),
        check: Some("test -e /fixed".to_owned()),
        user: Some((1000, 1000)),
        environment: words("A=b=c B="),
        directory: Some("/srv".to_owned()),
        timeout: Some(90),
        unpause: true,
        again: true,
    };
    assert_eq!(order, expected);
    let kept = serde_json::to_string(&order).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&kept).unwrap(), expected);
}

#[test]
fn a_script_and_a_program_take_the_arguments_after_them() {
    let program = |file: &str, words: &[&str]| ProgramCall {
        file: file.into(),
        arguments: words.iter().map(|&word| word.to_owned()).collect(),
    };
    assert_eq!(
        order(&["--image", "app:1", "--script", "fix.sh", "--", "-x", "y"]).source,
        PatchSource::Script(program("fix.sh", &["-x", "y"]))
    );
    assert_eq!(
        order(&["--all-banned", "--program", "./fix"]).source,
        PatchSource::Program(program("./fix", &[]))
    );
}

#[test]
fn a_pace_is_what_was_typed_and_else_what_is_usual() {
    let pace = |text: &[&str]| {
        typed(&[&["--all-banned"], text].concat())
            .unwrap()
            .pace
            .over(USUAL_PACE)
    };
    assert_eq!(
        pace(&["--canary", "0", "--parallel", "10%", "--max-failures", "0"]),
        Limits {
            canary: 0,
            parallel: Quota::Percent(10),
            max_failures: Quota::Number(0)
        }
    );
    assert_eq!(
        pace(&["--max-failures=0%"]),
        Limits {
            max_failures: Quota::Percent(0),
            ..USUAL_PACE
        }
    );
}

#[test]
fn earlier_runs_bring_their_own_order() {
    let action = |text: &[&str]| typed(text).unwrap().action;
    let run = || "20261120-141502-7f3a".to_owned();
    assert_eq!(action(&["--resume", &run()]), Task::Resume(run()));
    assert_eq!(
        action(&["--resume", &run(), "--parallel", "8", "--json"]),
        Task::Resume(run())
    );
    assert_eq!(
        action(&["--only-failed", &run(), "--dry-run"]),
        Task::OnlyFailed(run())
    );
    assert_eq!(action(&["--history"]), Task::History(None));
    assert_eq!(
        action(&["--history", &run(), "--json"]),
        Task::History(Some(run()))
    );
    assert_eq!(action(&["--auto", "--parallel", "8"]), Task::Auto);
}

#[test]
fn what_cannot_be_meant_together_is_refused() {
    for (text, expected) in [
        (
            &[][..],
            "error: the following required arguments were not provided:",
        ),
        (
            &["--", "true"],
            "error: the following required arguments were not provided:",
        ),
        (
            &["--ban", "B", "--all-banned"],
            "error: the argument '--ban <ID>' cannot be used with '--all-banned'",
        ),
        (
            &["--base", "a", "--image", "b", "--", "x"],
            "error: the argument '--base <IMAGE>' cannot be used with '--image <IMAGE>'",
        ),
        (
            &["--base", "a"],
            "error: what is to run is missing: -- COMMAND, --script FILE or --program FILE",
        ),
        (
            &["--base", "a", "--", ""],
            "error: the command after -- is an empty argument",
        ),
        (
            &["--ban", "B", "--script", "a", "--program", "b"],
            "error: the argument '--script <FILE>' cannot be used with '--program <FILE>'",
        ),
        (
            &["--ban", "B", "apt-get"],
            "error: unexpected argument 'apt-get' found",
        ),
        (
            &["--resume", "1", "--ban", "B"],
            "error: the argument '--resume <RUN>' cannot be used with '--ban <ID>'",
        ),
        (
            &["--resume", "1", "--unpause"],
            "error: the argument '--resume <RUN>' cannot be used with:",
        ),
        (
            &["--resume", "1", "--", "x"],
            "error: the argument '--resume <RUN>' cannot be used with:",
        ),
        (
            &["--only-failed", "1", "--container", "x"],
            "error: the argument '--only-failed <RUN>' cannot be used with:",
        ),
        (
            &["--auto", "--check", "x"],
            "error: the argument '--auto' cannot be used with:",
        ),
        (
            &["--history", "--dry-run"],
            "error: the argument '--history [<RUN>]' cannot be used with '--dry-run'",
        ),
        (
            &["--resume", "1", "--output-limit", "1K"],
            "error: the argument '--resume <RUN>' cannot be used with '--output-limit <SIZE>'",
        ),
        (
            &["--history", "--output-limit", "1K"],
            "error: the argument '--history [<RUN>]' cannot be used with '--output-limit <SIZE>'",
        ),
        (
            &["--history", "--auto"],
            "error: the argument '--history [<RUN>]' cannot be used with '--auto'",
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text:?}");
        assert!(
            read(text.iter().map(OsString::from)).is_err_and(|refusal| refusal.use_stderr()),
            "{text:?}"
        );
    }
}

#[test]
fn values_have_bounds() {
    for (flag, good, bad, expected) in [
        (
            "--user",
            &["0", "1000", "0:0", "1:4294967294"][..],
            &[
                "",
                "root",
                "0:",
                ":0",
                "-1",
                "+1",
                "0:0:0",
                "4294967295",
                "1 ",
            ][..],
            "expected numbers",
        ),
        (
            "--timeout",
            &["1s", "24h", "10m"],
            &["0s", "25h", "10", "500ms", "-1s"],
            "expected a span from 1s to 24h",
        ),
        (
            "--canary",
            &["0", "1", "400"],
            &["5%", "", "-1", "+1", "x"],
            "expected a number such as 1, or 0 for none",
        ),
        (
            "--parallel",
            &["1", "400", "1%", "100%"],
            &["0", "0%", "101%", "", "%", "-1", "1.5"],
            "expected ",
        ),
        (
            "--max-failures",
            &["0", "0%", "100%", "7"],
            &["101%", "", "%", "+1", "x"],
            "expected a number such as 5",
        ),
        (
            "--output-limit",
            &["0", "65536", "64K", "1M", "1G"],
            &["", "K", "2G", "1k", "1T", "99999999999999999999"],
            "expected a number of bytes",
        ),
        (
            "--env",
            &["A=", "A=b"],
            &["A", "=b", ""],
            "expected NAME=VALUE",
        ),
        (
            "--workdir",
            &["/"],
            &["", "srv"],
            "expected an absolute path",
        ),
        (
            "--namespace",
            &["k8s.io"],
            &[""],
            "expected at least one character",
        ),
        (
            "--container",
            &["a"],
            &[""],
            "expected at least one character",
        ),
        (
            "--check",
            &["true"],
            &[""],
            "expected at least one character",
        ),
    ] {
        for value in good {
            assert!(
                typed(&["--ban", "B", &format!("{flag}={value}")]).is_ok(),
                "{flag}={value}"
            );
        }
        for value in bad {
            let reported = refusal(&["--ban", "B", &format!("{flag}={value}")]);
            let refused = reported.contains(expected)
                || reported.contains("nothing would ever run")
                || reported.starts_with("error: a value is required");
            assert!(refused, "{flag}={value}: {reported}");
        }
    }
    for run in ["../x", "", "a/b", "-x", "A", "."] {
        assert!(
            refusal(&[&format!("--resume={run}")]).starts_with("error: "),
            "{run:?}"
        );
    }
    for ban in ["", "a b", "../x"] {
        assert!(typed(&["--ban", ban]).is_err(), "{ban:?}");
    }
}

#[test]
fn whoever_mistypes_an_option_is_not_advised_to_run_it_everywhere() {
    for (text, expected) in [
        (
            &["--frobnicate"][..],
            "error: unexpected argument '--frobnicate' found",
        ),
        (
            &["--canery", "1"],
            "error: unexpected argument '--canery' found",
        ),
        (
            &["--max-failures", "-1"],
            "error: invalid value '-1' for '--max-failures <N|P%>': expected a number such as 5",
        ),
        (
            &["--canary", "-1"],
            "error: invalid value '-1' for '--canary <N>': expected a number such as 1",
        ),
    ] {
        let reported = typed(&[&["--ban", "B"], text].concat()).unwrap_err();
        assert!(
            reported.starts_with(expected) && !reported.contains("as a value, use '--"),
            "{reported}"
        );
    }
    assert!(
        typed(&["--ban", "B", "touch", "/x"])
            .unwrap_err()
            .contains("tip: the command to run goes after '--'")
    );
    assert!(
        typed(&["--ban", "B", "--canery", "1"])
            .unwrap_err()
            .contains("a similar argument exists: '--canary'")
    );
}

#[test]
fn help_is_no_failure_and_tells_the_exit_statuses() {
    for words in [["--help"], ["-h"], ["--version"]] {
        assert!(read(words.map(OsString::from)).is_err_and(|reported| !reported.use_stderr()));
    }
    let help = typed(&["--help"]).unwrap_err();
    for reported in [
        "Usage: embargo exec-patch",
        "once MORE than --max-failures have failed",
        "  3   at least one match is not",
        "--ban BAN-2026-0007",
    ] {
        assert!(help.contains(reported), "{reported}\n{help}");
    }
}

#[test]
fn automatic_is_every_bans_own_patch() {
    assert_eq!(order(&["--all-banned"]), Order::automatic());
}

#[test]
fn another_run_is_waited_for_as_long_as_was_asked() {
    for (text, seconds) in [("0s", 0), ("30s", 30), ("10m", 600), ("7d", 604_800)] {
        assert_eq!(
            typed(&["--ban", "BAN-1", "--wait", text]).unwrap().wait,
            Duration::from_secs(seconds),
            "{text}"
        );
    }
    assert_eq!(typed(&["--resume", "last"]).unwrap().wait, Duration::ZERO);
    assert_eq!(
        typed(&["--prune", "90d", "--wait", "5s"]).unwrap().wait,
        Duration::from_secs(5)
    );
    for text in ["8d", "30", "", "-1s", "500ms"] {
        assert!(
            refusal(&["--ban", "BAN-1", &format!("--wait={text}")])
                .contains("expected a duration of at most 7d"),
            "{text}"
        );
    }
    for other in ["--dry-run", "--history"] {
        assert!(
            typed(&["--resume", "last", "--wait", "5s", other]).is_err(),
            "{other}"
        );
    }
}

#[test]
fn old_runs_are_removed_by_their_age_alone() {
    for (text, seconds) in [
        ("0s", 0),
        ("12h", 43_200),
        ("90d", 7_776_000),
        ("52w", 31_449_600),
    ] {
        assert_eq!(
            typed(&["--prune", text]).unwrap().action,
            Task::Prune(seconds),
            "{text}"
        );
    }
    assert!(
        typed(&["--prune", "1d", "--dry-run", "--json"])
            .unwrap()
            .dry_run
    );
    for text in ["", "90", "one", "-1d", "100ms"] {
        assert!(
            refusal(&[&format!("--prune={text}")]).contains("expected an age such as"),
            "{text}"
        );
    }
    for other in [
        &["--canary", "1"][..],
        &["--unpause"],
        &["--ban", "BAN-1"],
        &["--history"],
        &["--none-ok"],
        &["--output-limit", "1K"],
    ] {
        assert!(
            typed(&[&["--prune", "1d"], other].concat()).is_err(),
            "{other:?}"
        );
    }
}
