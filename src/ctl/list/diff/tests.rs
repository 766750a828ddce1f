//! Tests what `list diff` reports to the reviewer of a draft.

use super::super::show::{self, ListShowArgs};
use super::*;
use crate::banlist::catalogue::CatalogueBase;
use crate::banlist::testing::{ISSUED, digest, keyset, list, parse, terms, with_catalogue};
use crate::lineage::digest::Digest;
use crate::sys::replace::replace;

const OLD: &str = "\
[[ban]]
id = \"BAN-1\"
reason = \"why\"
severity = \"high\"
effective = 2026-11-20
[[ban.match]]
base = \"@1\"
[[ban.match]]
base = \"@2\"

[[ban]]
id = \"BAN-2\"
reason = \"why\"
severity = \"low\"
effective = 2026-11-20
[[ban.match]]
image = \"@3\"
[[ban.match]]
layer = \"@3\"

[[ban]]
id = \"BAN-3\"
reason = \"why\"
severity = \"low\"
effective = 2026-11-20
[[ban.match]]
base = \"@4\"
";

fn source(text: &str) -> crate::banlist::source::Source {
    parse(&(1..9).rev().fold(text.to_owned(), |text, number| {
        text.replace(&format!("@{number}\""), &format!("{}\"", digest(number)))
    }))
}

/// A directory with two lists and a keyset. Key 1 has signed the second list. The keyset has three
/// keys, of which two must sign to lift a ban.
fn desk(new: &str) -> (tempfile::TempDir, Paths) {
    let desk = tempfile::tempdir().unwrap();
    let paths = Paths::below(desk.path());
    replace(
        &desk.path().join("old"),
        0o644,
        &list(&source(OLD), &terms(411), &[]),
    )
    .unwrap();
    replace(
        &desk.path().join("new"),
        0o644,
        &list(&source(new), &terms(412), &[1, 9]),
    )
    .unwrap();
    let mut keyset = keyset(&[1, 2, 3], 1);
    keyset.lift_threshold = 2;
    replace(&desk.path().join("keyset"), 0o644, keyset.text().as_bytes()).unwrap();
    (desk, paths)
}

fn compared(new: &str, keyset: bool, json: bool) -> String {
    let (desk, paths) = desk(new);
    let path = |name: &str| desk.path().join(name);
    let args = DiffArgs {
        json,
        keyset: keyset.then(|| path("keyset")),
        old: path("old"),
        new: path("new"),
    };
    compare_at(&args, &paths, ISSUED.plus(60)).unwrap()
}

#[test]
fn a_difference_is_reported_ban_by_ban_with_the_signatures_that_it_takes() {
    assert_eq!(
        compared(OLD, true, false),
        "version 411 (keyset 1) -> version 412 of bans.example.com/prod (keyset 1)\n\
         0 digests added, 0 lifted\n\
         lifts nothing: 1 signature of keyset 1 needed, 1 there\n"
    );
    let new = OLD.replace("BAN-3", "BAN-4").replace(
        "severity = \"high\"",
        "severity = \"critical\"\naction = \"warn\"",
    );
    let new =
        new.replace("[[ban.match]]\nlayer = \"@3\"\n", "") + "[[ban.match]]\nlayer = \"@5\"\n";
    let words = "version 411 (keyset 1) -> version 412 of bans.example.com/prod (keyset 1)\n\
         lifts BAN-1 (critical): 2 digests\n  \
           weaker: action refuse -> warn\n  \
           severity high -> critical\n\
         lifts BAN-2 (low): 1 digest (1 layer)\n  \
           1 digest (1 layer) removed\n\
         adds BAN-4 (low): refuses 2 digests (1 base, 1 layer) from 2026-11-20T00:00:00Z\n\
         changes BAN-3 (low)\n  \
           removed: banned by BAN-4\n\
         1 digest added, 3 lifted\n";
    assert_eq!(
        compared(&new, true, false),
        format!("{words}lifts 2 bans: 2 signatures of keyset 1 needed, 1 there\n")
    );
    // Without a keyset, nobody can say which signatures are valid.
    assert_eq!(
        compared(&new, false, false),
        format!("{words}lifts 2 bans: it takes the lift threshold of keyset 1\n")
    );
    let json: serde_json::Value = serde_json::from_str(&compared(&new, true, true)).unwrap();
    assert_eq!(
        json["needed"],
        serde_json::json!({ "keyset": 1, "needed": 2, "good": 1 })
    );
    assert_eq!(
        (&json["lifts"], &json["digests"]),
        (
            &true.into(),
            &serde_json::json!({ "added": 1, "lifted": 3 })
        )
    );
    assert_eq!(
        json["lifted"][0],
        serde_json::json!({
            "id": "BAN-1",
            "status": "kept",
            "digests": { "added": 0, "removed": 0, "lifted": 2 },
            "banned_by": [],
            "alterations": [
                { "what": "action", "how": "moved", "from": "refuse", "to": "warn", "weakens": true },
                { "what": "severity", "how": "moved", "from": "high", "to": "critical", "weakens": false },
            ],
        })
    );
    assert_eq!(
        (
            &json["changed"][0]["status"],
            &json["changed"][0]["banned_by"][0]
        ),
        (&"removed".into(), &"BAN-4".into())
    );
}

#[test]
fn a_list_with_a_wrong_byte_is_not_compared() {
    let (desk, paths) = desk(OLD);
    let mut bytes = list(&source(OLD), &terms(411), &[]);
    *bytes.last_mut().unwrap() ^= 1;
    let old = desk.path().join("old");
    replace(&old, 0o644, &bytes).unwrap();
    let args = DiffArgs {
        json: false,
        keyset: None,
        old: old.clone(),
        new: desk.path().join("new"),
    };
    assert_eq!(
        run(&args, &paths).unwrap_err().to_string(),
        format!("cannot trust list {old:?}: its block table is corrupt")
    );
}

#[test]
fn a_keyset_for_other_lists_counts_no_signatures() {
    let (desk, paths) = desk(OLD);
    let path = |name: &str| desk.path().join(name);
    let mut other = keyset(&[1], 1);
    other.origin = "other".to_owned();
    std::fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
    replace(&paths.keyset, 0o644, other.text().as_bytes()).unwrap();
    let mut args = DiffArgs {
        json: false,
        keyset: None,
        old: path("old"),
        new: path("new"),
    };
    assert!(
        run(&args, &paths)
            .unwrap()
            .ends_with("lifts nothing: it takes the list threshold of keyset 1\n")
    );
    args.keyset = Some(paths.keyset.clone());
    let fault = format!(
        "cannot use list {:?}: it is for \"bans.example.com/prod\", not for \"other\"",
        path("new")
    );
    assert_eq!(run(&args, &paths).unwrap_err().to_string(), fault);
}

/// As in an installation, a ban is treated as lapsed only if it has lapsed by the clock and by the
/// new list's time of issue. A list may be issued slightly later than the clock says, while the ban
/// still holds.
#[test]
fn a_ban_has_lapsed_by_the_clock_and_by_the_time_of_the_new_list() {
    let ban = |lapses: &str| {
        OLD.replacen(
            "effective = 2026-11-20\n",
            &format!("effective = 2026-11-20\nlapses = {lapses}\n"),
            1,
        )
    };
    let without = &OLD[OLD.find("\n\n").unwrap() + 2..];
    let (desk, paths) = desk(without);
    let args = DiffArgs {
        json: false,
        keyset: None,
        old: desk.path().join("old"),
        new: desk.path().join("new"),
    };
    let before = |seconds: u64| Timestamp::from_seconds(1_795_183_200 - seconds);
    for (lapses, clock, lifts) in [
        ("2026-11-20T13:00:00Z", before(7_200), true),
        ("2026-11-20T13:00:00Z", before(1_800), false),
        ("2026-11-20T15:00:00Z", ISSUED.plus(7_200), true),
    ] {
        replace(
            &args.old,
            0o644,
            &list(&source(&ban(lapses)), &terms(411), &[]),
        )
        .unwrap();
        let said = compare_at(&args, &paths, clock).unwrap();
        assert_eq!(
            said.contains("\nlifts 1 ban: "),
            lifts,
            "{lapses} {clock}: {said}"
        );
    }
}

#[test]
fn who_signs_a_patch_reads_what_it_runs() {
    let patch = "[ban.patch]\ncheck = [\"sh\", \"-c\", \"test -e '/x'\"]\nrun = [\"apk\", \"upgrade\", \"\\u001b[2J\"]\ntimeout = \"90s\"\n";
    let text = compared(&format!("{OLD}{patch}"), false, false);
    let expected = [
        "changes BAN-3 (low)",
        r"  patch none -> apk upgrade '\u{1b}[2J'",
        r"  patch check none -> sh -c 'test -e '\''/x'\'''",
        "  patch runs none -> as 0:0 within 90 seconds",
    ];
    assert!(text.contains(&expected.join("\n")), "{text}");
    let script =
        format!("{OLD}[ban.patch]\nscript = \"@5\"\nrun = [\"-q\"]\n").replace("BAN-3", "BAN-4");
    let text = compared(&script, false, false);
    assert!(
        text.contains(&format!(
            "\n  patch: script {} -q\n  patch runs as 0:0 within 600 seconds\n",
            digest(5)
        )),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&compared(&script, false, true)).unwrap();
    assert_eq!(json["added"][0]["patch"]["script"], digest(5).to_string());
}

fn base(id: &str, only_for: &[&str]) -> CatalogueBase {
    CatalogueBase {
        id: id.to_owned(),
        names: vec![format!("docker.io/library/{id}")],
        support_until: Some(ISSUED),
        successor: None,
        only_for: only_for
            .iter()
            .map(|project| (*project).to_owned())
            .collect(),
    }
}

#[test]
fn the_catalogue_is_shown_and_compared_and_widening_it_takes_the_lift_threshold() {
    let (desk, paths) = desk(OLD);
    let path = |name: &str| desk.path().join(name);
    let (debian, wider, alpine) = (
        base("debian", &["payments"]),
        base("debian", &["payments", "web"]),
        base("alpine", &[]),
    );
    let old = with_catalogue(&source(OLD), &[(&debian, &[digest(7)])], &[]);
    let both: &[(&CatalogueBase, &[Digest])] = &[(&wider, &[digest(7)]), (&alpine, &[digest(1)])];
    let new = with_catalogue(&source(OLD), both, &[1]);
    replace(&path("old"), 0o644, &old).unwrap();
    replace(&path("new"), 0o644, &new).unwrap();
    let args = |json| DiffArgs {
        json,
        keyset: Some(path("keyset")),
        old: path("old"),
        new: path("new"),
    };
    assert_eq!(
        compare_at(&args(false), &paths, ISSUED.plus(60)).unwrap(),
        "version 1 (keyset 1) -> version 1 of bans.example.com/prod (keyset 1)\n\
         changes debian in the catalogue\n  weaker: only_for \"payments\" -> \"payments, web\"\n\
         adds alpine to the catalogue: 1 digest\n0 digests added, 0 lifted\n\
         catalogue: 2 digests permitted, 0 withdrawn\n\
         widens the catalogue: 2 signatures of keyset 1 needed, 1 there\n"
    );
    let json = compare_at(&args(true), &paths, ISSUED.plus(60)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["lifts"], &json["catalogue"]["bases"][1]["status"]),
        (&true.into(), &"added".into())
    );
    // Back again, nothing is permitted that was not before.
    let back = DiffArgs {
        old: path("new"),
        new: path("old"),
        ..args(true)
    };
    let json = compare_at(&back, &paths, ISSUED.plus(60)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["lifts"], &json["catalogue"]["withdrawn"]),
        (&false.into(), &2.into())
    );
    let shown = show::run(&ListShowArgs::of(path("new"))).unwrap();
    let expected =
        "3 bans, 2 bases of the catalogue, 5 digests (3 base, 1 image, 1 layer, 2 catalogue)\n";
    assert!(shown.contains(expected), "{shown}");
    let expected = "\ndebian in the catalogue, 1 digest\n  named docker.io/library/debian\n  \
                    supported until 2026-11-20T14:00:00Z\n  only for payments, web\n";
    assert!(shown.contains(expected), "{shown}");
}
