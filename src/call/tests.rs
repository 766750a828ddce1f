//! Tests what a command line asks for.

use super::*;
use crate::argv::{Grammar, StartCommand};

fn args(text: &str) -> Vec<&OsStr> {
    text.split(' ')
        .filter(|arg| !arg.is_empty())
        .map(OsStr::new)
        .collect()
}

#[test]
fn embargos_own_commands_are_the_first_argument_and_no_other() {
    assert_eq!(
        read(&args("check web-1 --json")),
        Call::Check(&args("web-1 --json"))
    );
    for text in [
        "exec-patch",
        "exec-patch --ban BAN-1 -- create --bundle /b web-1",
        "exec-patch check",
    ] {
        assert_eq!(read(&args(text)), Call::ExecPatch, "{text}");
    }
    assert_eq!(read(&args("hook")), Call::Hook);
    for text in [
        "--debug check web-1",
        "-- check",
        "--root check list",
        "check-all",
        "hook check",
        "--debug hook",
        "start check",
        "features",
        "--version",
        "help create",
        "",
    ] {
        assert!(matches!(read(&args(text)), Call::PassOn(_)), "{text}");
        assert!(
            matches!(
                read(&args(&text.replace("check", "exec-patch"))),
                Call::PassOn(_)
            ),
            "{text}"
        );
    }
    for text in [
        "kill exec-patch 9",
        "exec exec-patch exec-patch",
        "delete --force exec-patch",
        "--log exec-patch state c1",
        "exec-patches",
    ] {
        assert!(matches!(read(&args(text)), Call::PassOn(_)), "{text}");
    }
    for text in [
        "create --bundle /b check",
        "create --bundle exec-patch exec-patch",
        "--root exec-patch run -b /b exec-patch",
    ] {
        let typed = args(text);
        assert!(
            matches!(read(&typed), Call::Starts(Starts { readings, cut_short: false }) if readings.len() == 1),
            "{text}"
        );
    }
}

#[test]
fn a_command_of_embargos_own_is_known_by_a_typo_and_none_of_a_runtimes_is() {
    let nearly = |arg: &str| nearly_own(&[OsStr::new(arg), OsStr::new("web-1")]);
    for arg in [
        "chek", "checks", "cehck", "chcek", "Check", "chk", "check\n",
    ] {
        assert_eq!(nearly(arg), Some("check"), "{arg:?}");
    }
    for arg in [
        "exec-pach",
        "execpatch",
        "exec_patch",
        "exec-patches",
        "exce-patch",
        "exec-ptach",
    ] {
        assert_eq!(nearly(arg), Some("exec-patch"), "{arg:?}");
    }
    let runtimes = "checkpoint completion create delete events exec features help info init kill list mounts pause ps restore resume run spec \
                    start state update version -h --help --check";
    for arg in runtimes.split(' ').chain([
        "check",
        "exec-patch",
        "",
        "check-all",
        &"check".repeat(9_000),
    ]) {
        assert_eq!(nearly(arg), None, "{arg:?}");
    }
    assert_eq!(nearly_own(&[]), None);
}

#[test]
fn a_call_that_starts_nothing_names_its_container() {
    for (text, id, root) in [
        (
            "--root /r --log /l kill --all web-1 15",
            "web-1",
            Some("/r"),
        ),
        (
            "--root=/r exec --process /tmp/p --detach --pid-file /p web-1",
            "web-1",
            Some("/r"),
        ),
        ("exec -t -e A=b -u 0:0 web-1 sh -c create", "web-1", None),
        ("delete --force create", "create", None),
        ("state -- web-1", "web-1", None),
    ] {
        let named = NamedContainer {
            id: OsStr::new(id),
            root: root.map(OsStr::new),
        };
        assert_eq!(
            read(&args(text)),
            Call::PassOn(PassOn { named: Some(named) }),
            "{text}"
        );
    }
    for text in [
        "list",
        "--root /r features",
        "spec web-1",
        "kill --all",
        "help start",
    ] {
        assert_eq!(
            read(&args(text)),
            Call::PassOn(PassOn { named: None }),
            "{text}"
        );
    }
}

#[test]
fn doubt_is_reported_and_settled_by_the_runtimes_own_grammar() {
    let typed = args("create -b=/x web-1");
    let Call::Starts(mut starts) = read(&typed) else {
        panic!("it starts")
    };
    assert_eq!(
        starts
            .readings
            .iter()
            .map(|reading| reading.bundle)
            .collect::<Vec<_>>(),
        [Some(OsStr::new("/x")), Some(OsStr::new("=/x"))]
    );
    starts.settle(Grammars::only(Grammar::Crun));
    assert_eq!(starts.readings.len(), 1);
    assert_eq!(
        (starts.readings[0].bundle, starts.readings[0].command),
        (Some(OsStr::new("=/x")), StartCommand::Create)
    );
}

#[test]
fn a_call_with_too_many_unknown_flags_cannot_be_read() {
    let typed = args("--f1 --f2 --f3 --f4 --f5 --f6 create --bundle /b web-1");
    let Call::Starts(starts) = read(&typed) else {
        panic!("it may start")
    };
    assert!(starts.cut_short);
    let spaced = [
        "--f1", "--f2", "--f3", "--f4", "--f5", "--f6", " run\n", "--bundle", "/b", "web-1",
    ]
    .map(OsStr::new);
    assert!(matches!(
        read(&spaced),
        Call::Starts(Starts {
            cut_short: true,
            ..
        })
    ));
    // With its value attached, a flag leaves nothing to guess at.
    let typed = args("--f1=a --f2=b --f3=c --f4=d --f5=e --f6=f create --f7=g --bundle /b web-1");
    let Call::Starts(starts) = read(&typed) else {
        panic!("it starts")
    };
    assert_eq!(
        (
            starts.cut_short,
            starts.readings.len(),
            starts.readings[0].id
        ),
        (false, 1, OsStr::new("web-1"))
    );
    let typed = args("--f1 --f2 --f3 --f4 --f5 --f6 kill web-1 9");
    assert!(matches!(read(&typed), Call::PassOn(_)));
}

#[test]
fn the_log_is_where_the_flags_say() {
    let target = |text| {
        let typed = args(text);
        let Call::Starts(starts) = read(&typed) else {
            panic!("it starts")
        };
        LogTarget::of(&starts.readings[0].globals)
            .map(|log| (log.target.to_owned(), log.format.map(OsStr::to_owned)))
    };
    let expected = |log: &str, format: Option<&str>| Some((log.into(), format.map(Into::into)));
    assert_eq!(
        target("--log-format=json --log /l create c1"),
        expected("/l", Some("json"))
    );
    assert_eq!(target("--log=/l create c1"), expected("/l", None));
    assert_eq!(target("--log= create c1"), None);
    assert_eq!(target("create c1"), None);
}
