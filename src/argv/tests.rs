//! Tests how each runtime's grammar reads command lines: command lines of engines, command lines
//! that were tried with the runtimes, and hostile ones.

use super::*;

/// The arguments of a line; `''` stands for an empty argument.
fn args(line: &str) -> Vec<&OsStr> {
    line.split(' ')
        .filter(|arg| !arg.is_empty())
        .map(|arg| OsStr::new(if arg == "''" { "" } else { arg }))
        .collect()
}

/// How one grammar reads the line: `command id bundle`, with `-` for no bundle; `other` or `shows`
/// if no container starts.
fn described(grammar: Grammar, line: &str) -> String {
    match read(grammar, &args(line), &Guesses::default()) {
        Ok(Parsed::Starts(reading)) => {
            let bundle = reading.bundle.map_or("-".into(), OsStr::to_string_lossy);
            format!(
                "{} {} {bundle}",
                reading.command.word(),
                reading.id.display()
            )
        }
        Ok(Parsed::Other(_)) => "other".to_owned(),
        Ok(Parsed::Shows) => "shows".to_owned(),
        Err(Stop::Unknown(name)) => format!("unknown {}", String::from_utf8_lossy(name)),
        Err(Stop::Rejected) => "rejected".to_owned(),
        Err(Stop::Shows) => unreachable!("read makes it an outcome"),
    }
}

/// Every way to read the line, as `command id bundle`.
fn all(line: &str) -> Vec<String> {
    let args = args(line);
    let shown = |reading: &Reading<'_>| {
        let bundle = reading.bundle.map_or("-".into(), OsStr::to_string_lossy);
        format!(
            "{} {} {bundle}",
            reading.command.word(),
            reading.id.display()
        )
    };
    scan(&args).readings.iter().map(shown).collect()
}

#[test]
fn runc_reads_a_bundle_as_it_was_seen_to() {
    for (line, expected) in [
        ("create --bundle X c1", "create c1 X"),
        ("create --bundle=X c1", "create c1 X"),
        ("create -bundle X c1", "create c1 X"),
        ("create -bundle=X c1", "create c1 X"),
        ("create -b X c1", "create c1 X"),
        ("create -b=X c1", "create c1 X"),
        ("create --b=X c1", "create c1 X"),
        ("create -bX c1", "unknown bX"),
        ("create --bund X c1", "unknown bund"),
        ("run -db X c1", "unknown db"),
        ("create --config f c1", "unknown config"),
        ("create c1 --bundle X", "create c1 X"),
        ("create c1 -b X --no-pivot", "create c1 X"),
        ("create --no-pivot c1 --bundle X", "rejected"),
        ("create --no-pivot=true c1 --bundle X", "create c1 X"),
        ("create --bundle X --bundle Y c1", "create c1 Y"),
        ("create --bundle X -- c1", "create c1 X"),
        ("create -- c1 --bundle X", "rejected"),
        ("-- create --bundle X c1", "create c1 X"),
        ("--debug true create --bundle X c1", "other"),
        ("--debug=true create --bundle X c1", "create c1 X"),
        ("--log --root create --bundle X c1", "create c1 X"),
        ("create --root /x c1", "unknown root"),
        ("create --bundle '' c1", "create c1 "),
        ("create c1", "create c1 -"),
        ("create", "rejected"),
        ("create c1 c2", "rejected"),
        ("create --bundle", "rejected"),
        ("create ---bundle X c1", "rejected"),
        ("create --=X c1", "rejected"),
        ("create - --bundle X", "create - X"),
        ("create --bundle -x c1", "create c1 -x"),
        ("create --pid-file -d c1", "create c1 -"),
        ("create --pid-file -- c1 --bundle X", "create c1 X"),
        ("create c1 -- --bundle X", "rejected"),
        ("create --no-pivot -- c1", "create c1 -"),
        ("create --unknown c1", "unknown unknown"),
        ("create --bundle --pid-file F c1", "rejected"),
        ("run -d --keep --bundle X c1", "run c1 X"),
        (
            "restore --image-path I --detach --pid-file F -no-subreaper --bundle X c1",
            "restore c1 X",
        ),
    ] {
        assert_eq!(described(Grammar::Runc, line), expected, "{line}");
    }
}

#[test]
fn an_early_runc_orders_the_arguments_by_their_dashes() {
    for (line, expected) in [
        ("create --bundle X c1", "create c1 X"),
        ("create c1 --bundle X", "create c1 X"),
        ("create c1 -b X --no-pivot", "create c1 X"),
        ("create --no-pivot c1 --bundle X", "rejected"),
        ("create --no-pivot=true c1 --bundle X", "create c1 X"),
        ("create --pid-file -d c1", "create c1 -"),
        ("create -d --pid-file p c1", "unknown d"),
        ("create --pid-file --no-pivot c1 --bundle X", "rejected"),
        ("create --pid-file -- c1 --bundle X", "rejected"),
        ("create --bundle X -- c1", "create c1 X"),
        ("create - --bundle X", "create - X"),
        ("create c1 --unknown", "unknown unknown"),
    ] {
        assert_eq!(described(Grammar::RuncEarly, line), expected, "{line}");
    }
}

#[test]
fn the_next_runc_takes_flags_anywhere_and_trims_arguments() {
    for (line, expected) in [
        ("create --root /x --bundle X c1", "create c1 X"),
        ("create --no-pivot c1 --bundle X", "create c1 X"),
        ("create c1 --bundle -x", "create c1 -x"),
        ("create --pid-file -- c1 --bundle X", "create c1 X"),
        ("create --bundle X -- c1", "create c1 X"),
        ("create -- c1 --bundle X", "rejected"),
        ("-- create --bundle X c1", "create c1 X"),
        ("'' create --bundle X c1", "other"),
        ("create -bX c1", "unknown bX"),
        ("create -5 c1", "rejected"),
        ("create --bundle= c1", "create c1 "),
        ("create c1 - --bundle X", "rejected"),
        ("--debug= create --bundle X c1", "create c1 X"),
        ("create --version --bundle X c1", "unknown version"),
        ("--", "shows"),
    ] {
        assert_eq!(described(Grammar::RuncNext, line), expected, "{line}");
    }
    let spaced = ["\u{a0}create\n", " --bundle=X\t", "\u{2003}c1 "].map(OsStr::new);
    let readings = scan(&spaced).readings;
    assert_eq!(
        (readings.len(), readings[0].bundle, readings[0].id),
        (1, Some(OsStr::new("X")), OsStr::new("c1"))
    );
    assert_eq!(readings[0].grammars, Grammars::only(Grammar::RuncNext));
}

#[test]
fn crun_reads_beginnings_and_joined_letters() {
    for (line, expected) in [
        ("create --bund X c1", "create c1 X"),
        ("create --b=X c1", "create c1 X"),
        ("--roo /r create --bundle X c1", "create c1 X"),
        ("create -bX c1", "create c1 X"),
        ("create -b=X c1", "create c1 =X"),
        ("create -bundle X", "create X undle"),
        ("create -bundle X c1", "rejected"),
        ("run -db X c1", "run c1 X"),
        ("create --no-pivot=true c1", "rejected"),
        ("create --p X -bY c1", "create c1 Y"),
        ("create c1 --bundle X", "rejected"),
        ("create --bundle -- c1", "create c1 --"),
        ("create --bundle X -- c1", "create c1 X"),
        ("-- create --bundle X c1", "create c1 X"),
        ("create --bundle", "rejected"),
        ("create -b", "rejected"),
        ("--program-name x create c1", "create c1 -"),
        ("--usage create c1", "shows"),
        ("-V create c1", "shows"),
        ("create -? c1", "shows"),
        ("create -h c1", "unknown h"),
        ("restore --network-lock skip c1", "restore c1 -"),
        ("restore -b X c1 more", "restore c1 X"),
        ("restore -b X c1 more yet", "rejected"),
        ("", "rejected"),
    ] {
        assert_eq!(described(Grammar::Crun, line), expected, "{line}");
    }
}

#[test]
fn crun_replaces_the_spec_file() {
    for line in [
        "create --config other.json c1",
        "create --conf=other.json c1",
        "create -fother.json c1",
        "run -dfother.json c1",
        "run -df other.json c1",
    ] {
        let typed = args(line);
        let scan = scan(&typed);
        assert_eq!(scan.readings.len(), 1, "{line}");
        assert_eq!(
            scan.readings[0].spec_file,
            Some(OsStr::new("other.json")),
            "{line}"
        );
    }
    // With this exact name, crun reads the bundle's own file, whatever the working directory is.
    // Any other form of the name is a file in the working directory.
    for (line, spec_file) in [
        ("create --config config.json c1", None),
        ("run -fconfig.json c1", None),
        ("create --config other.json --config config.json c1", None),
        (
            "create --config ./config.json c1",
            Some(OsStr::new("./config.json")),
        ),
    ] {
        assert_eq!(scan(&args(line)).readings[0].spec_file, spec_file, "{line}");
    }
}

#[test]
fn youki_reads_flags_and_id_in_any_order() {
    for (line, expected) in [
        ("-r /r -l /l -s create c1 -b=X", "create c1 X"),
        ("create -bX c1", "create c1 X"),
        ("create -b X c1", "create c1 X"),
        ("create --no-pivot c1 --bundle X", "create c1 X"),
        ("run -db X c1", "run c1 X"),
        ("--log --root create --bundle X c1", "rejected"),
        ("create --bundle -x c1", "rejected"),
        ("create --no-pivot=true c1", "rejected"),
        ("-- create c1", "rejected"),
        ("create -b X -- c1", "create c1 X"),
        ("restore -b X c1", "rejected"),
        ("create -h", "shows"),
    ] {
        assert_eq!(described(Grammar::Youki, line), expected, "{line}");
    }
}

#[test]
fn the_calls_of_the_engines_have_one_reading() {
    for (line, expected) in [
        (
            "--root /run/docker/runtime-runc/moby --log /b/log.json --log-format json --systemd-cgroup create --bundle /b --pid-file /b/init.pid --console-socket /s c1",
            "create c1 /b",
        ),
        (
            "--root /r --log /l --log-format json restore --image-path /i --work-path /w --detach --pid-file /f --no-pivot -no-subreaper --bundle /b c1",
            "restore c1 /b",
        ),
        (
            "--log /l --log-format json run --bundle /b --keep c1",
            "run c1 /b",
        ),
        (
            "--log-format=json --log /oci-log create --bundle /b --pid-file /p c1",
            "create c1 /b",
        ),
        (
            "--systemd-cgroup --root=/run/runc create --bundle /b --pid-file /p c1",
            "create c1 /b",
        ),
        (
            "--root=/r --systemd-cgroup --root=/r --systemd-cgroup create --bundle /b --pid-file /p --console-socket=/s c1",
            "create c1 /b",
        ),
        ("--rootless=false create --bundle /b c1", "create c1 /b"),
        (
            "--rootless auto --debug=false --systemd-cgroup=true create --bundle /b c1",
            "create c1 /b",
        ),
        ("--criu /c create --bundle /b c1", "create c1 /b"),
        (
            "--cgroup-manager systemd --log-level debug create --bundle /b c1",
            "create c1 /b",
        ),
    ] {
        assert_eq!(all(line), [expected], "{line}");
        assert!(!scan(&args(line)).may_start_nothing, "{line}");
    }
}

#[test]
fn a_command_is_a_position_and_not_a_name() {
    for line in [
        "start create",
        "kill create 9",
        "delete --force run",
        "state restore",
        "exec create run",
        "--root create start c1",
        "--log create state c1",
        "--log-format create --root run kill restore",
        "checkpoint --image-path create c1",
        "spec --bundle create",
        "create-all --bundle X c1",
        "list",
        "",
        "help create",
        "create --help",
        "--version create --bundle X c1",
        "run -h",
        "'' create c1",
        "nonsense create c1",
    ] {
        assert_eq!(all(line), [""; 0], "{line}");
    }
    for (line, expected) in [
        ("create --bundle X create", "create create X"),
        ("--root create create --bundle run run", "create run run"),
        (
            "create --pid-file create --console-socket run --pidfd-socket restore --bundle X c1",
            "create c1 X",
        ),
        ("--log --version create --bundle X c1", "create c1 X"),
    ] {
        assert_eq!(all(line), [expected], "{line}");
    }
}

#[test]
fn an_unknown_flag_is_guessed_at_both_ways() {
    let future = args("--future create --bundle X c1");
    assert_eq!(all("--future create --bundle X c1"), ["create c1 X"]);
    assert!(scan(&future).may_start_nothing);
    assert_eq!(all("--future=1 create --bundle X c1"), ["create c1 X"]);
    assert_eq!(all("create --future V --bundle X c1"), ["create c1 X"]);
    assert_eq!(all("create --future c1 --bundle X"), ["create c1 X"]);
    assert_eq!(all("create --bundle X --future A c1"), ["create c1 X"]);
    // If one grammar knows the flag, nothing is guessed.
    assert_eq!(all("create --bund X c1"), ["create c1 X"]);
    assert_eq!(all("create --root /x --bundle X c1"), ["create c1 X"]);
}

#[test]
fn a_long_flag_of_another_runtime_with_one_dash_leaves_one_reading() {
    // gVisor's runsc accepts flags with one dash or two, like all programs that use Go's `flag`.
    for line in [
        "--root R -network=host create --bundle X c1",
        "-root R -network host create --bundle X c1",
        "--root=R --log=L --log-format=json -platform=systrap -overlay2=none -network=host create --bundle X c1",
        "-root=R -file-access=exclusive -debug-log=/tmp/x/ -strace -nvproxy create -bundle X -pid-file p c1",
        "-TESTONLY-unsafe-nonroot create --bundle X c1",
        "-vfs2=true -network=sandbox run -bundle=X -detach c1",
        "-verbose create --bundle X c1",
    ] {
        let args = args(line);
        let scan = scan(&args);
        assert!(!scan.cut_short, "{line}");
        let command = if line.contains(" run ") {
            "run"
        } else {
            "create"
        };
        let mut found = all(line);
        // Ways to read the line may differ only in the path for the state.
        found.dedup();
        assert_eq!(found, [format!("{command} c1 X")], "{line}");
    }
}

#[test]
fn a_letter_that_matters_counts_wherever_unknown_ones_are() {
    // The bundle's flag follows unknown letters, or is the value of one of them.
    for line in [
        "create -xb X c1",
        "create -xyzb X c1",
        "create -xyzwvbX c1",
        "create -xyb=X c1",
        "create -x --future=1 -yb X c1",
    ] {
        let args = args(line);
        assert!(!scan(&args).cut_short, "{line}");
        let found = all(line);
        let bundle = if line.contains('=') && line.contains("b=") {
            ["create c1 X", "create c1 =X"]
        } else {
            ["create c1 X"; 2]
        };
        assert!(
            bundle
                .iter()
                .all(|reading| found.iter().any(|found| found == reading)),
            "{line}: {found:?}"
        );
    }
}

#[test]
fn nothing_typed_makes_the_scan_panic_or_grow_without_end() {
    let long = "x".repeat(128 << 10);
    let long_flag = format!("--{long}");
    let raw = OsStr::from_bytes(b"\xff\xfe-\x80");
    for typed in [
        vec![],
        vec![OsStr::new("")],
        vec![raw],
        vec![OsStr::new("create"), raw],
        vec![OsStr::new("create"), OsStr::new("--bundle"), raw, raw],
        vec![OsStr::new(&long), OsStr::new("create"), OsStr::new("c1")],
        vec![
            OsStr::new("create"),
            OsStr::new(&long_flag),
            OsStr::new("c1"),
        ],
        vec![OsStr::new("--"); 1000],
        vec![OsStr::new("-"); 1000],
        vec![OsStr::new("-="); 1000],
        vec![OsStr::new("create"); 1000],
    ] {
        let scan = scan(&typed);
        assert!(scan.readings.len() <= Grammar::ALL.len() << MOST_GUESSES);
    }
    let typed = vec![
        OsStr::new("create"),
        OsStr::new("--bundle"),
        raw,
        OsStr::new("c1"),
    ];
    assert_eq!(scan(&typed).readings[0].bundle, Some(raw));
}
