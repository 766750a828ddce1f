//! Tests which list a source is compiled into, and the errors for sources that cannot be compiled.

use std::path::Path;

use crate::banlist::testing::digest;
use crate::ctl::testing::Desk;
use crate::sys::file::{self, Guard};

const HEAD: &str =
    "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-20\n";
const BUILD: &str =
    "list build --source @bans.toml --origin o --version 4 --issued 2026-11-20T14:00:00Z --out @l";

fn bytes(desk: &Desk, name: &str) -> Vec<u8> {
    file::read(Path::new(&desk.path(name)), 1 << 20, Guard::Any).unwrap()
}

/// The names of all files in the test's directory.
fn names(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(desk.path("")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_digest_that_stands_twice_is_reported_with_its_places() {
    let desk = Desk::new();
    let files = "[[ban.match]]\nbase_file = \"one.txt\"\n[[ban.match]]\nbase_file = \"two.txt\"\n";
    desk.write(
        "bans.toml",
        format!("{HEAD}{files}[[ban.match]]\nbase = \"{}\"\n", digest(9)).as_bytes(),
    );
    let (first, second) = (digest(1), digest(2));
    for (one, two, places) in [
        (
            format!("{first}\n\n{first}\n"),
            format!("{second}\n"),
            "one.txt line 1 /   one.txt line 3",
        ),
        (
            format!("{second}\n{first}\n"),
            format!("# again\n{first}\n"),
            "one.txt line 2 /   two.txt line 2",
        ),
    ] {
        desk.write("one.txt", one.as_bytes());
        desk.write("two.txt", two.as_bytes());
        assert_eq!(
            desk.run(BUILD).unwrap_err(),
            format!("cannot compile BAN-1: {first} is in it twice /   {places}")
        );
    }
    desk.write("two.txt", format!("{second}\n{}\n", digest(9)).as_bytes());
    desk.write("one.txt", format!("{first}\n").as_bytes());
    let fault = desk.run(BUILD).unwrap_err();
    assert_eq!(
        fault,
        format!(
            "cannot compile BAN-1: {} is in it twice /   bans.toml line 11 /   two.txt line 2",
            digest(9)
        )
    );
}

#[test]
fn a_source_that_makes_no_list_leaves_the_old_list_and_no_draft() {
    let desk = Desk::new();
    desk.run(BUILD).unwrap();
    let before = bytes(&desk, "l");
    desk.write(
        "bans.toml",
        format!("{HEAD}[[ban.match]]\nbase_file = \"many.txt\"\n").as_bytes(),
    );
    let lines: String = (0..2_000)
        .map(|number| format!("{}\n", digest(number)))
        .collect();
    desk.write("many.txt", (lines + "sha256:0\n").as_bytes());
    let fault = desk.run(BUILD).unwrap_err();
    assert_eq!(
        fault,
        "cannot use \"many.txt\": line 2001: expected sha256:DIGEST, found \"sha256:0\""
    );
    assert_eq!(bytes(&desk, "l"), before);
    assert_eq!(names(&desk), ["bans.toml", "l", "many.txt"]);
}

#[test]
fn every_fault_of_a_source_is_reported_at_once_as_the_linter_tells_it() {
    let desk = Desk::new();
    let found = format!("[[ban.match]]\nbase = \"{}\"\n", digest(1));
    let good = format!("{HEAD}{found}");
    let second = good.replace("BAN-1", "BAN-2");
    for (text, least) in [
        (good.replace("high", "hihg"), 1),
        (
            good.replace("high", "hihg") + &second.replace("sha256:", "sha1:"),
            2,
        ),
        (
            good.replace("why", "")
                + &second.replace("2026-11-20", "\"soon\"")
                + &found.replace("base", "basis"),
            3,
        ),
        (
            good.clone()
                + "[[ban.match]]\nbase_file = \"bad.txt\"\n"
                + &second.replace("id =", "name ="),
            3,
        ),
    ] {
        desk.write(
            "bad.txt",
            format!("sha256:0\n{}\nx\n", digest(7)).as_bytes(),
        );
        desk.write("bans.toml", text.as_bytes());
        let fault = desk.run(BUILD).unwrap_err();
        let linted = desk.run("list lint --source @bans.toml").unwrap();
        let unreadable: Vec<_> = linted
            .lines()
            .filter(|line| line.ends_with("[unreadable]"))
            .collect();
        assert!(unreadable.len() >= least, "{linted}");
        for line in unreadable {
            let (place, _) = line.split_once(": error: ").unwrap();
            let (file, number) = place.split_once(':').unwrap();
            let is_first = fault.starts_with(&format!("cannot use {file:?}: line {number}: "));
            assert!(
                is_first || fault.contains(&format!(" /   {file} line {number}: ")),
                "{line}\n{fault}"
            );
        }
    }
}

#[test]
fn nothing_but_a_list_is_replaced_by_a_list() {
    let desk = Desk::new();
    desk.tool("mkfifo", "fifo", None);
    desk.write("key.pem", b"-----BEGIN PRIVATE KEY-----\n");
    desk.write("empty", b"");
    for (out, name) in [
        ("@bans.toml", "bans.toml"),
        ("@key.pem", "key.pem"),
        ("@fifo", "fifo"),
        ("/dev/full", "/dev/full"),
        ("@", ""),
    ] {
        let fault = desk.run(&BUILD.replace("@l", out)).unwrap_err();
        assert_eq!(
            fault,
            format!(
                "cannot replace {name:?} by a list: it is something else / choose another --out, or remove it"
            )
        );
    }
    assert_eq!(bytes(&desk, "key.pem"), b"-----BEGIN PRIVATE KEY-----\n");
    assert!(desk.text("bans.toml").starts_with("[[ban]]"));
    // These files may be replaced: an empty file, a list, a list that was cut short, and the target
    // of a link.
    desk.run(&BUILD.replace("@l", "@empty")).unwrap();
    desk.run(BUILD).unwrap();
    let whole = bytes(&desk, "l");
    desk.write("cut", &whole[..100]);
    std::os::unix::fs::symlink("cut", desk.path("link")).unwrap();
    desk.run(&BUILD.replace("@l", "@link")).unwrap();
    assert!(
        std::fs::symlink_metadata(desk.path("link"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        (bytes(&desk, "cut"), bytes(&desk, "empty")),
        (whole.clone(), whole)
    );
}

#[test]
fn an_empty_source_is_refused_and_a_comment_alone_bans_nothing() {
    let desk = Desk::new();
    for text in ["", "\n \n"] {
        desk.write("bans.toml", text.as_bytes());
        let what =
            "the file is empty, as after a crash; if nothing is to be banned, say so in a comment";
        let fault = desk.run(BUILD).unwrap_err();
        assert_eq!(fault, format!("cannot use \"bans.toml\": line 1: {what}"));
        let found = desk.run("list lint --source @bans.toml").unwrap();
        assert!(
            found.contains(&format!("bans.toml:1: error: {what} [unreadable]")),
            "{found}"
        );
    }
    desk.write("bans.toml", b"# Nothing is banned.\n");
    assert!(
        desk.run(BUILD)
            .unwrap()
            .contains("version 4 for o: 0 bans, 0 digests")
    );
}

#[test]
fn what_the_linter_would_say_of_a_source_is_counted() {
    let desk = Desk::new();
    let now = crate::sys::clock::Timestamp::now();
    let count = |text: String| {
        desk.write("bans.toml", text.as_bytes());
        super::faults(Path::new(&desk.path("bans.toml")), now)
    };
    let found = format!(
        "[[ban.match]]\nbase = \"{}\"\nname = \"debian:12\"\n",
        digest(1)
    );
    let successor = "successor = \"debian:12\"\n";
    assert_eq!(count(format!("{HEAD}{found}")), 0);
    assert_eq!(count(format!("{HEAD}{successor}{found}")), 1);
    // Digests in a file are not read again, so they are not checked.
    assert_eq!(
        count(format!("{HEAD}[[ban.match]]\nbase_file = \"many.txt\"\n")),
        0
    );
}
