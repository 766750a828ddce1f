//! Tests that exactly the typed or signed payload runs, and that carried files are sealed.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};

use super::super::target::{Selector, Targets};
use super::*;
use crate::banlist::ban::{Action, Severity};
use crate::exec_patch::request::arguments::ProgramCall;
use crate::sys::clock::Timestamp;
use crate::sys::replace;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn order(source: PatchSource) -> Order {
    Order {
        target: Targets {
            selector: Selector::AllBanned,
            ..Order::automatic().target
        },
        source,
        ..Order::automatic()
    }
}

fn payloads_of(order: Order, script: Option<&str>) -> Payloads {
    let program = script.map(|text| ProgramFile {
        name: "fix.sh".into(),
        bytes: text.as_bytes().into(),
        digest: Digest::of(text.as_bytes()),
    });
    Payloads::again(order, program, ScriptRole::Unsigned)
}

fn script(words: &[&str]) -> Order {
    order(PatchSource::Script(ProgramCall {
        file: "/x/fix.sh".into(),
        arguments: words.iter().map(|&word| word.to_owned()).collect(),
    }))
}

fn ban(id: &str, severity: Severity, patch: Option<Patch>) -> Arc<Ban> {
    Arc::new(Ban {
        id: id.to_owned(),
        reason: "why".to_owned(),
        advisories: Vec::new(),
        severity,
        action: Action::Refuse,
        effective: Timestamp::from_seconds(0),
        lapses: None,
        existing_until: None,
        successor: None,
        except: Vec::new(),
        cure: Vec::new(),
        patch,
    })
}

fn patch(run: &str) -> Patch {
    Patch {
        check: Some(words("test -e /x")),
        script: None,
        run: words(run),
        timeout: 90,
        user: "1:2".to_owned(),
    }
}

fn described(payloads: &[Result<Payload, NoPatch>]) -> Vec<String> {
    let one = |payload: &Payload| {
        format!(
            "{}: {}",
            payload.ban.as_deref().unwrap_or("typed"),
            payload.describe()
        )
    };
    payloads
        .iter()
        .map(|payload| payload.as_ref().map_or_else(ToString::to_string, one))
        .collect()
}

#[test]
fn each_ban_has_its_own_patch_the_worst_first_and_none_twice() {
    let bans = [
        ban("BAN-3", Severity::Low, Some(patch("a b"))),
        ban("BAN-2", Severity::Critical, Some(patch("c"))),
        ban("BAN-1", Severity::Critical, None),
        ban(
            "BAN-4",
            Severity::Low,
            Some(Patch {
                timeout: 5,
                ..patch("c")
            }),
        ),
    ];
    let payloads = payloads_of(order(PatchSource::Signed), None).of_bans(&bans);
    assert_eq!(
        described(&payloads),
        ["BAN-1 has no patch", "BAN-2: c", "BAN-3: a b"]
    );
    let work = &payloads[1].as_ref().unwrap().work;
    assert_eq!(
        (work.check.clone(), work.user, work.timeout, work.program),
        (Some(words("test -e /x")), (1, 2), 90, false)
    );
}

#[test]
fn what_is_typed_beside_a_ban_counts() {
    let bans = [
        ban("BAN-1", Severity::Low, Some(patch("a"))),
        ban("BAN-2", Severity::Low, None),
    ];
    let typed = Order {
        check: Some("c d".to_owned()),
        unpause: true,
        ..order(PatchSource::Command(words("apt-get install")))
    };
    let payloads = payloads_of(typed.clone(), None).of_bans(&bans);
    assert_eq!(described(&payloads), ["typed: apt-get install"]);
    let expected = Work {
        check: Some(vec!["sh".to_owned(), "-c".to_owned(), "c d".to_owned()]),
        run: words("apt-get install"),
        user: (0, 0),
        environment: Vec::new(),
        directory: None,
        timeout: 600,
        unpause: true,
        program: false,
    };
    assert_eq!(payloads[0].as_ref().unwrap().work, expected);
    let signed = Order {
        source: PatchSource::Signed,
        user: Some((7, 8)),
        timeout: Some(3),
        environment: words("A=b"),
        ..typed
    };
    let payloads = payloads_of(signed, None).of_bans(&bans);
    let work = &payloads[0].as_ref().unwrap().work;
    assert_eq!(
        (&work.check, work.user, work.timeout, &work.environment),
        (&expected.check, (7, 8), 3, &words("A=b"))
    );
    assert_eq!(
        described(&payloads),
        [
            "BAN-1: a # not as signed: --check, --user, --env",
            "BAN-2 has no patch"
        ]
    );
    let same = Order {
        source: PatchSource::Signed,
        user: Some((1, 2)),
        timeout: Some(3),
        directory: Some("/srv".to_owned()),
        ..order(PatchSource::Signed)
    };
    assert_eq!(
        described(&payloads_of(same, None).of_bans(&bans[..1])),
        ["BAN-1: a # not as signed: --workdir"]
    );
}

#[test]
fn a_signed_script_is_that_file_and_no_other() {
    let text = "#!/bin/sh\nexit 0\n";
    let signed = |run: &str| Patch {
        script: Some(Digest::of(text.as_bytes())),
        ..patch(run)
    };
    let bans = [ban("BAN-1", Severity::Low, Some(signed("-q now")))];
    let digest = Digest::of(text.as_bytes());
    assert_eq!(
        described(&payloads_of(order(PatchSource::Signed), None).of_bans(&bans)),
        [format!(
            "the patch of BAN-1 is the script {digest}: give it with --script"
        )]
    );
    let payloads = payloads_of(script(&[]), Some(text)).of_bans(&bans);
    assert_eq!(described(&payloads), ["BAN-1: fix.sh -q now"]);
    let payload = payloads[0].as_ref().unwrap();
    assert_eq!(
        (&payload.work.run, payload.work.user, payload.work.program),
        (&words("/proc/self/fd/3 -q now"), (1, 2), true)
    );
    assert_eq!(
        described(&payloads_of(script(&["-v"]), Some(text)).of_bans(&bans)),
        ["BAN-1: fix.sh -v # not as signed: ARG"]
    );
    let other = Digest::of(b"rm -rf /");
    assert_eq!(
        described(&payloads_of(script(&[]), Some("rm -rf /")).of_bans(&bans)),
        [format!(
            "the patch of BAN-1 is the script {digest}, and the one that was given is {other}"
        )]
    );
    // The other bans do not use that script. Each of these bans has a patch of its own, or no
    // patch.
    let mut given = payloads_of(script(&["-v"]), Some(text));
    given.set_role(ScriptRole::Signed);
    let beside = [
        ban("BAN-1", Severity::Critical, Some(signed("-q now"))),
        ban("BAN-2", Severity::High, Some(patch("a b"))),
        ban("BAN-3", Severity::Low, None),
    ];
    assert_eq!(
        described(&given.of_bans(&beside)),
        [
            "BAN-1: fix.sh -v # not as signed: ARG",
            "BAN-2: a b",
            "BAN-3 has no patch"
        ]
    );
    assert_eq!(described(&given.of_bans(&beside[1..2])), ["BAN-2: a b"]);
    assert_eq!(given.in_place_of(&beside), None);
    // If the run is resumed under another list, the script still has the role of that ban's patch.
    let mut later = Payloads::again(
        given.order().clone(),
        given.program().cloned(),
        ScriptRole::Signed,
    );
    later.set_role(ScriptRole::Typed);
    assert_eq!(described(&later.of_bans(&beside[1..2])), ["BAN-2: a b"]);
    // A script that no ban signs runs in place of a signed command, with a warning.
    let in_place = payloads_of(script(&[]), Some("exit")).in_place_of(&beside);
    assert_eq!(
        in_place.as_deref(),
        Some("no ban signs fix.sh: it runs in place of the signed patch of BAN-2")
    );
    assert_eq!(
        payloads_of(script(&[]), Some("exit")).in_place_of(&beside[2..]),
        None
    );
    assert_eq!(
        payloads_of(order(PatchSource::Signed), None).in_place_of(&beside),
        None
    );
    // If the list may not run its patches, the typed script runs in place of all of them.
    let mut typed = payloads_of(script(&[]), Some("exit"));
    typed.set_role(ScriptRole::Typed);
    assert_eq!(described(&typed.of_bans(&beside)), ["typed: fix.sh"]);
    assert_eq!(
        typed.in_place_of(&beside).as_deref(),
        Some("no ban signs fix.sh: it runs in place of the signed patch of BAN-1, BAN-2")
    );
    // If the ban signs no script, the typed script runs.
    let payloads = payloads_of(script(&["a b"]), Some("echo it's")).of_bans(&[ban(
        "BAN-2",
        Severity::Low,
        Some(patch("a")),
    )]);
    assert_eq!(described(&payloads), ["typed: fix.sh 'a b'"]);
    assert_eq!(
        payloads[0].as_ref().unwrap().work.run,
        ["/bin/sh", "/proc/self/fd/3", "a b"]
    );
}

#[test]
fn a_patch_that_cannot_be_run_costs_its_containers_only() {
    let bad = |id, patch| {
        described(
            &payloads_of(order(PatchSource::Signed), None).of_bans(&[ban(
                id,
                Severity::Low,
                Some(patch),
            )]),
        )
    };
    assert_eq!(
        bad(
            "B",
            Patch {
                user: "root".to_owned(),
                ..patch("a")
            }
        ),
        ["the patch of B cannot be run: its user is not UID:GID in numbers"]
    );
    assert_eq!(
        bad("B", patch("")),
        ["the patch of B cannot be run: it has no command"]
    );
    assert_eq!(
        bad(
            "B",
            Patch {
                check: Some(Vec::new()),
                ..patch("a")
            }
        ),
        ["the patch of B cannot be run: its check is no command"]
    );
    let forever = Patch {
        timeout: u64::MAX,
        ..patch("a")
    };
    let payloads = payloads_of(order(PatchSource::Signed), None).of_bans(&[ban(
        "B",
        Severity::Low,
        Some(forever),
    )]);
    assert_eq!(payloads[0].as_ref().unwrap().work.timeout, 86_400);
}

#[test]
fn the_digest_is_of_all_that_runs_and_of_nothing_else() {
    let digest = |change: &dyn Fn(&mut Work), bytes: Option<&[u8]>| {
        let mut work = payloads_of(order(PatchSource::Command(words("a b"))), None).of_bans(&[])[0]
            .clone()
            .unwrap()
            .work;
        change(&mut work);
        let program = bytes.map(|bytes| ProgramFile {
            name: "x".to_owned(),
            bytes: bytes.into(),
            digest: Digest::of(bytes),
        });
        Payload::new(work, program, None).digest
    };
    let usual = digest(&|_| (), None);
    let same: [&dyn Fn(&mut Work); 2] = [&|work| work.timeout = 1, &|work| work.unpause = true];
    assert!(same.iter().all(|change| digest(*change, None) == usual));
    let other: [&dyn Fn(&mut Work); 6] = [
        &|work| work.run = words("ab"),
        &|work| work.run = vec!["a b".to_owned()],
        &|work| work.check = Some(words("a")),
        &|work| work.user = (1, 0),
        &|work| work.environment = words("A=b"),
        &|work| work.directory = Some("/".to_owned()),
    ];
    let mut all: Vec<_> = other
        .iter()
        .map(|change| digest(*change, None))
        .chain([usual])
        .collect();
    all.extend([digest(&|_| (), Some(b"")), digest(&|_| (), Some(b"x"))]);
    let number = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), number);
}

#[test]
fn files_are_checked_before_anything_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let load = |bytes: &[u8], is_script: bool| {
        replace::replace(&path, 0o644, bytes).unwrap();
        let named = ProgramCall {
            file: path.clone(),
            arguments: Vec::new(),
        };
        let source = if is_script {
            PatchSource::Script(named)
        } else {
            PatchSource::Program(named)
        };
        let error = Payloads::load(order(source)).err();
        error.map(|error| {
            (
                error.to_string().replace(&format!("{path:?}"), "F"),
                error.hint().unwrap_or_default().to_owned(),
            )
        })
    };
    assert_eq!(load(b"echo", true), None);
    for (bytes, is_script, expected) in [
        (&b" \n"[..], true, "cannot run F: it is empty"),
        (
            b"\x7fELF",
            true,
            "cannot run F: it is a program, not a script",
        ),
        (
            b"#!/bin/sh\r\n",
            true,
            "cannot run F: its first line ends with a carriage return",
        ),
        (
            b"#!/bin/sh\n",
            false,
            "cannot use F as a program: it is a script",
        ),
    ] {
        let (message, hint) = load(bytes, is_script).unwrap();
        assert_eq!(message, expected);
        assert!(!hint.is_empty());
    }
    let (busybox, link) = (
        directory.path().join("busybox.static"),
        directory.path().join("rm"),
    );
    replace::replace(&busybox, 0o755, b"\x7fELF").unwrap();
    std::os::unix::fs::symlink(&busybox, &link).unwrap();
    for file in [busybox, link] {
        let error = Payloads::load(order(PatchSource::Program(ProgramCall {
            file: file.clone(),
            arguments: words("rm -f /x"),
        })))
        .unwrap_err();
        let why = "it does what the name says that it is started by, and there that is the number of a descriptor";
        assert_eq!(
            error.to_string(),
            format!("cannot use {file:?} as a program: {why}")
        );
        assert_eq!(
            error.hint(),
            Some("use a program that does one thing, or a shell such as bash-static")
        );
    }
    let nothing = Payloads::load(order(PatchSource::Script(ProgramCall {
        file: directory.path().join("no"),
        arguments: Vec::new(),
    })))
    .unwrap_err();
    assert!(nothing.to_string().starts_with("cannot read "), "{nothing}");
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let error = Payloads::load(order(PatchSource::Script(ProgramCall {
        file: fifo,
        arguments: Vec::new(),
    })))
    .unwrap_err();
    assert!(error.to_string().ends_with("not a regular file"), "{error}");
}

#[test]
fn a_copy_is_sealed_and_nobody_elses() {
    let payloads = payloads_of(script(&[]), Some("#!/bin/sh\n")).of_bans(&[]);
    let payload = payloads[0].as_ref().unwrap();
    let mut file = File::from(payload.copy().unwrap().unwrap());
    let other = File::from(payload.copy().unwrap().unwrap());
    let mut bytes = [0; 10];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"#!/bin/sh\n");
    file.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(
        file.write(b"x").unwrap_err().raw_os_error(),
        Some(libc::EPERM)
    );
    assert_eq!(
        file.set_len(0).unwrap_err().raw_os_error(),
        Some(libc::EPERM)
    );
    assert_eq!(
        file.set_len(99).unwrap_err().raw_os_error(),
        Some(libc::EPERM)
    );
    let seals = nix::fcntl::fcntl(
        &file,
        nix::fcntl::FcntlArg::F_ADD_SEALS(nix::fcntl::SealFlag::empty()),
    );
    assert_eq!(seals, Err(nix::errno::Errno::EPERM));
    let facts = [&file, &other].map(|file| file.metadata().unwrap());
    assert_eq!(facts[0].permissions().mode() & 0o777, 0o555);
    assert!(
        std::os::unix::fs::MetadataExt::ino(&facts[0])
            != std::os::unix::fs::MetadataExt::ino(&facts[1])
    );
    assert!(
        payloads_of(order(PatchSource::Command(words("a"))), None).of_bans(&[])[0]
            .as_ref()
            .unwrap()
            .copy()
            .unwrap()
            .is_none()
    );
}
