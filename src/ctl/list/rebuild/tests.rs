//! Tests lists against the sources that they were built from, and against other sources.

use std::path::Path;

use crate::banlist::testing::digest;
use crate::ctl::testing::Desk;
use crate::sys::file::{self, Guard};

const BAN: &str =
    "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-20\n";
const MATCHES: &str = "[[ban.match]]\nlayer_file = \"many.txt\"\n";
const VERIFY: &str = "list verify --source @bans.toml @l";

/// A directory with a list `l` and the key that signed it. The list has 60 digests from a file.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("bans.toml", format!("{BAN}{MATCHES}").as_bytes());
    desk.write("many.txt", many(0..60).as_bytes());
    desk.run("keygen --out @ops.pem").unwrap();
    desk.run("keyset new --origin o --list-key @ops.pem.pub --out @keyset")
        .unwrap();
    desk.run("list build --source @bans.toml --origin o --version 4 --issued 2026-11-20T14:00:00Z --acknowledge-impact --out @l").unwrap();
    desk
}

fn many(numbers: std::ops::Range<u64>) -> String {
    numbers
        .map(|number| format!("{}\n", digest(number)))
        .collect()
}

#[test]
fn a_list_is_known_by_its_source_signed_or_not() {
    let desk = desk();
    let title = "l: version 4 for o (keyset 1), issued 2026-11-20T14:00:00Z, expires 2026-12-04T14:00:00Z\n\
                 every byte is what the head says: 1 ban, 60 digests (0 base, 0 image, 60 layer)\n\
                 made from this source: bans.toml, many.txt\n";
    assert_eq!(desk.run(VERIFY).unwrap(), format!("{title}not signed\n"));
    let unsigned = desk.run(&format!("{VERIFY} --keyset @keyset")).unwrap_err();
    assert!(
        unsigned.starts_with("cannot trust list \"l\": not signed"),
        "{unsigned}"
    );
    desk.run("list sign --key @ops.pem @l").unwrap();
    assert_eq!(
        desk.run(VERIFY).unwrap(),
        format!("{title}signatures, not checked here: ops (ed25519)\n")
    );
    let with_keys = desk.run(&format!("{VERIFY} --keyset @keyset")).unwrap();
    assert_eq!(
        with_keys,
        format!("{title}signatures: 1 good, 1 needed\n  ops: good (ed25519)\n")
    );
}

#[test]
fn another_source_is_reported_with_what_it_would_make() {
    let sizes = |made: usize, source: usize| {
        format!("  the list: {made} bytes of source; bans.toml, many.txt: {source} bytes")
    };
    let size = BAN.len() + MATCHES.len() + 60 * 72;
    for (bans, digests, expected) in [
        // The file of digests has changed: one digest added, one digest replaced, or only a comment
        // added.
        (
            format!("{BAN}{MATCHES}"),
            many(0..61),
            vec![
                sizes(size, size + 72),
                "  from the list to this source:".into(),
                "  changes BAN-1 (high)".into(),
                "    1 digest (1 layer) added".into(),
            ],
        ),
        (
            format!("{BAN}{MATCHES}"),
            many(1..61),
            vec![
                sizes(size, size),
                "  from the list to this source:".into(),
                "  lifts BAN-1 (high): 1 digest (1 layer)".into(),
                "    1 digest (1 layer) removed".into(),
                "    1 digest (1 layer) added".into(),
            ],
        ),
        (
            format!("{BAN}{MATCHES}"),
            many(0..60) + "# reviewed\n",
            vec![
                sizes(size, size + 11),
                "  it bans the same: only its text is another".into(),
            ],
        ),
        // A ban has changed, and another ban was added.
        (
            format!("{}{MATCHES}", BAN.replace("why", "because")),
            many(0..60),
            vec![
                sizes(size, size + 4),
                "  from the list to this source:".into(),
                "  changes BAN-1 (high)".into(),
                "    reason \"why\" -> \"because\"".into(),
            ],
        ),
        (
            format!(
                "{BAN}{MATCHES}{}[[ban.match]]\nbase = \"{}\"\n",
                BAN.replace("BAN-1", "BAN-2"),
                digest(99)
            ),
            many(0..60),
            vec![
                sizes(size, size + BAN.len() + 95),
                "  from the list to this source:".into(),
                "  adds BAN-2 (high): refuses 1 digest from 2026-11-20T00:00:00Z".into(),
            ],
        ),
    ] {
        let desk = desk();
        desk.write("bans.toml", bans.as_bytes());
        desk.write("many.txt", digests.as_bytes());
        let fault = desk.run(VERIFY).unwrap_err();
        let first =
            "cannot vouch for \"l\": it was not made from \"bans.toml\" as it is here".to_owned();
        assert_eq!(
            fault.split(" / ").collect::<Vec<_>>(),
            [vec![first], expected].concat()
        );
    }
}

#[test]
fn a_list_that_was_tampered_with_is_no_list_of_its_source() {
    let desk = desk();
    let good = file::read(Path::new(&desk.path("l")), 1 << 20, Guard::Any).unwrap();
    let text = String::from_utf8_lossy(&good[..4_096]).into_owned();
    for (at, expected) in [
        (
            4_096 + 100,
            "cannot trust list \"l\": node 0/0 of its tree is corrupt",
        ),
        (
            4_096 + 4 * 1_024 + 5,
            "cannot trust list \"l\": block 0 of its records is corrupt",
        ),
        (
            good.len() - 1,
            "cannot trust list \"l\": its block table is corrupt",
        ),
        (text.find("version: 4").unwrap() + 9, ""),
        (text.find("layer=60").unwrap() + 7, "cannot "),
        (3_000, "cannot use list \"l\": head line 14: "),
    ] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        desk.write("l", &bytes);
        match desk.run(VERIFY) {
            Err(fault) => assert!(
                fault.starts_with(expected) && !expected.is_empty() && !fault.contains('\n'),
                "{at}: {fault}"
            ),
            // The version does not come from the source, so this check accepts any version. The
            // signatures cover it.
            Ok(text) => assert!(
                expected.is_empty() && text.starts_with("l: version 5 "),
                "{at}: {text}"
            ),
        }
    }
}

#[test]
fn a_list_that_claims_a_source_is_compared_with_what_that_makes() {
    let desk = desk();
    let line = |start: &str| {
        desk.run("list head @l")
            .unwrap()
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap()
            .to_owned()
    };
    let (source, root) = (line("source: "), line("tree-root: "));
    // Another list with consistent bytes, whose head claims to be made from this source.
    desk.write("many.txt", many(1..61).as_bytes());
    desk.run("list build --source @bans.toml --origin o --version 4 --issued 2026-11-20T14:00:00Z --acknowledge-impact --out @l").unwrap();
    let (other, other_root) = (line("source: "), line("tree-root: "));
    let bytes = file::read(Path::new(&desk.path("l")), 1 << 20, Guard::Any).unwrap();
    let at = bytes
        .windows(other.len())
        .position(|window| window == other.as_bytes())
        .unwrap();
    desk.write(
        "l",
        &[&bytes[..at], source.as_bytes(), &bytes[at + other.len()..]].concat(),
    );
    desk.write("many.txt", many(0..60).as_bytes());
    let fault = desk.run(VERIFY).unwrap_err();
    let expected = format!(
        "cannot vouch for \"l\": its head says {other_root:?}, and \"bans.toml\" makes {root:?} of that / "
    );
    assert!(
        fault.starts_with(&expected)
            && fault.contains(" /   lifts BAN-1 (high): 1 digest (1 layer) / "),
        "{fault}"
    );
}
