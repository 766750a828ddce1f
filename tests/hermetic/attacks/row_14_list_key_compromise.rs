//! Tests one stolen list key. Adding a ban takes one key, and lifting a ban takes two. The thief
//! may ban, but may not lift.

use std::fs;

use embargo::lineage::digest::Digest;
use embargo::sys::clock::Timestamp;

use super::clock::DAY;
use super::node::{Answer, BASE, Node, OTHER, keyset_of, rotated};
use super::signer::signer;
use crate::exec_patch::fleet::Fleet;
use crate::room::write_program;

/// A node that trusts list keys 1, 2 and 3 and has list 412 in force. Lifting a ban takes two of
/// the keys.
fn node() -> Node {
    let keys: String = [1, 2, 3].map(|seed| signer(seed).key_line("list")).concat();
    let node = Node::trusting(&keyset_of(
        1,
        "root=1 list=1 lift=2",
        &(signer(5).key_line("root") + &keys),
    ));
    node.install(&node.list(412).source(ban("")).by(&[1]))
        .unwrap();
    assert_eq!(node.gate(), Answer::Banned(412));
    node
}

/// A ban of the base, followed by the text `more`, and a ban of another digest.
fn ban(more: &str) -> String {
    let ban = |id: &str, digest: &str| {
        format!(
            "[[ban]]\nid = \"{id}\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-01\n[[ban.match]]\nbase = \"{digest}\"\n"
        )
    };
    ban("BAN-1", BASE) + more + &ban("BAN-9", OTHER)
}

/// Every change of a list by which the container could start again.
fn lifts() -> Vec<(&'static str, String)> {
    let first = ban("");
    vec![
        ("nothing is banned", "# none\n".to_owned()),
        (
            "the ban is gone",
            first[first.rfind("[[ban]]").unwrap()..].to_owned(),
        ),
        (
            "another digest",
            first.replacen(BASE, &BASE.replace("7a6b", "7a6c"), 1),
        ),
        (
            "another kind",
            first
                .replacen("base = ", "layer = ", 1)
                .replace(BASE, &format!("{}0", &BASE[..BASE.len() - 1])),
        ),
        (
            "it warns",
            first.replacen("effective", "action = \"warn\"\neffective", 1),
        ),
        (
            "it comes later",
            first.replacen("2026-11-01", "2090-01-01", 1),
        ),
        (
            "it has lapsed",
            first.replacen("effective", "lapses = 2026-11-02\neffective", 1),
        ),
        (
            "it will lapse",
            first.replacen("effective", "lapses = 2090-01-01\neffective", 1),
        ),
        (
            "what existed is spared",
            first.replacen("effective", "existing_until = 2090-01-01\neffective", 1),
        ),
        (
            "an exception",
            ban(&format!(
                "[[ban.except]]\nbase = \"{BASE}\"\nuntil = 2090-01-01\nreason = \"mine\"\n"
            )),
        ),
        (
            "a cure that it carries already",
            first.replacen("effective", &format!("cure = [\"{BASE}\"]\neffective"), 1),
        ),
    ]
}

#[test]
fn lift_needs_two() {
    for (way, source) in lifts() {
        let node = node();
        let in_force = fs::read(node.state("banlist.lst")).unwrap();
        let one = node.list(413).source(source.clone()).by(&[1]);
        let needs = ", which takes 2 signatures of keyset 1; it has 1";
        let fault = node.refuses(&one);
        assert!(
            fault.starts_with("cannot install \"staged.lst\": it lifts ") && fault.ends_with(needs),
            "{way}: {fault}"
        );
        // If the list is written to the node without an installation, the gate demands as many
        // signatures: nobody has compared this list with the previous list.
        node.distrusts(&one);
        node.put(&in_force);
        // Two signatures by one key count as one; signatures by two keys count as two.
        assert!(
            node.install(&node.list(413).source(source.clone()).by(&[1, 1]))
                .is_err(),
            "{way}"
        );
        node.install(&node.list(413).source(source).by(&[1, 3]))
            .unwrap_or_else(|fault| panic!("{way}: {fault}"));
        assert_ne!(node.gate(), Answer::Banned(412), "{way}");
    }
}

/// Banning more, or banning from an earlier time on, takes one key.
#[test]
fn add_needs_one() {
    let node = node();
    let more = "[[ban.match]]\nlayer = \"sha256:00000000000000000000000000000000000000000000000000000000000000aa\"\n";
    node.install(&node.list(413).source(ban(more)).by(&[2]))
        .unwrap();
    node.install(
        &node
            .list(414)
            .source(ban(more).replacen("2026-11-01", "2026-10-01", 1))
            .by(&[3]),
    )
    .unwrap();
    assert_eq!(node.gate(), Answer::Banned(414));
}

/// An attacker may make the list in force unreadable. Then the next list must still be compared
/// with the list in force.
#[test]
fn a_lost_list_does_not_make_lifting_cheaper() {
    let (kept, lost) = (node(), node());
    kept.install(&kept.list(413).source(ban("")).by(&[1]))
        .unwrap();
    for (node, version) in [(kept, 414), (lost, 413)] {
        node.put(b"torn");
        let lifting = node.list(version).banning("base", &[OTHER]).by(&[1]);
        assert!(node.install(&lifting).is_err());
        fs::remove_file(node.state("banlist.lst")).unwrap();
        assert!(node.install(&lifting).is_err());
        node.install(&node.list(version).banning("base", &[OTHER]).by(&[1, 2]))
            .unwrap();
        assert_eq!(node.gate(), Answer::Admitted);
    }
}

/// An attacker may also remove only the newest list. The previous list cannot be used for the
/// comparison instead: it lacks the latest ban, so a comparison would not show that the next list
/// lifts that ban.
#[test]
fn a_list_before_the_lost_one_is_no_measure() {
    let fault = "cannot install \"staged.lst\": this node lost the list to compare it with, so it takes 2 signatures of keyset 1, as one that lifts bans; it has 1";
    type Way = (&'static str, fn(&Node, &[u8]));
    let ways: [Way; 3] = [
        ("torn", |node, _| node.put(b"torn")),
        ("removed", |node, _| {
            fs::remove_file(node.state("banlist.lst")).unwrap()
        }),
        ("rolled back", |node, older| node.put(older)),
    ];
    for (way, lose) in ways {
        let node = Node::trusting(&keyset_of(
            1,
            "root=0 list=1 lift=2",
            &[1, 2, 3].map(|seed| signer(seed).key_line("list")).concat(),
        ));
        let older = node.list(412).banning("base", &[OTHER]).by(&[1]);
        node.install(&older).unwrap();
        let newest = node.list(413).source(ban("")).by(&[2]);
        node.install(&newest).unwrap();
        assert_eq!(node.gate(), Answer::Banned(413), "{way}");
        lose(&node, &older);
        // The same attack on both copies.
        fs::remove_file(node.state("banlist.copy.lst")).unwrap();
        if let Ok(bytes) = fs::read(node.state("banlist.lst")) {
            fs::write(node.state("banlist.copy.lst"), bytes).unwrap();
        }
        // The new list bans everything that the older list banned.
        assert_eq!(
            node.refuses(&node.list(414).banning("base", &[OTHER]).by(&[1])),
            fault,
            "{way}"
        );
        // Anybody may put the lost list back. Then the next list is compared with it again.
        node.install(&newest).unwrap();
        let lifting = node.refuses(&node.list(414).banning("base", &[OTHER]).by(&[1]));
        assert_eq!(
            lifting,
            "cannot install \"staged.lst\": it lifts BAN-1, which takes 2 signatures of keyset 1; it has 1",
            "{way}"
        );
        assert_eq!(node.gate(), Answer::Banned(413), "{way}");
    }
}

/// The thief changes no ban, only a ban's patch and successor. This change lifts nothing, so the
/// list is installed. The change is shown at installation, and the patch never runs.
#[test]
fn a_patch_that_one_key_signed_is_shown_and_never_run() {
    let patch = |words: &str| format!("[ban.patch]\nrun = [{words}]\n");
    let own = patch(r#""/bin/sh", "-c", "echo ours >> \"$LEDGER\"""#);
    let script = "#!/bin/sh\necho thief >> \"$LEDGER\"\n";
    let signed_script = format!(
        "[ban.patch]\nscript = \"{}\"\nrun = [\"-q\"]\n",
        Digest::of(script.as_bytes())
    );
    let with = |successor: &str, patch: &str| {
        ban(patch).replacen(
            "effective",
            &format!("successor = \"{successor}\"\neffective"),
            1,
        )
    };
    let thiefs = patch(r#""/bin/sh", "-c", "echo thief >> \"$LEDGER\"""#);
    let checked = format!("{own}check = [\"/bin/sh\", \"-c\", \"echo thief >> $LEDGER; false\"]\n");
    let third = format!(
        "[[ban]]\nid = \"BAN-8\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-01\n[[ban.match]]\nbase = \"{BASE}\"\n"
    );
    let added = [ban(&own), third, thiefs.clone()].concat();
    let ways = [
        (
            "another command",
            with("evil.example/x:1", &thiefs),
            vec![
                r#"BAN-1: successor "base:2" -> "evil.example/x:1""#,
                r#"BAN-1: patch /bin/sh -c 'echo ours >> "$LEDGER"' -> /bin/sh -c 'echo thief"#,
            ],
        ),
        (
            "another check",
            with("base:2", &checked),
            vec!["BAN-1: patch check none -> /bin/sh -c 'echo thief"],
        ),
        (
            "another script",
            with("base:2", &signed_script),
            vec![r#"BAN-1: patch /bin/sh -c 'echo ours >> "$LEDGER"' -> script sha256:"#],
        ),
        (
            "a ban that is new",
            added,
            vec![
                "BAN-8: patch: /bin/sh -c 'echo thief",
                r#"BAN-1: successor "base:2" -> none"#,
            ],
        ),
    ];
    for (way, source, shown) in ways {
        let node = node();
        node.install(&node.list(413).source(with("base:2", &own)).by(&[1, 2]))
            .unwrap();
        let mut fleet = Fleet::on(node);
        fleet.start("web-1");
        fleet
            .node
            .set("auto_patch = \"on-install\"\nmax_impact = \"100%\"\n");
        let stolen = fleet.node.list(414).source(source).by(&[3]);
        fs::write(fleet.path("stolen.lst"), &stolen).unwrap();
        fs::copy(fleet.node.state("banlist.lst"), fleet.path("ours.lst")).unwrap();
        let withheld = "exec-patch prints this list's patches and runs none: 1 signed it, and the lift threshold is 2";
        let dry = fleet
            .node
            .run(&["install", "--dry-run", "stolen.lst"])
            .unwrap();
        let diff = fleet
            .node
            .run(&["list", "diff", "ours.lst", "stolen.lst"])
            .unwrap();
        let installed = fleet.node.install(&stolen).unwrap();
        for text in &shown {
            assert!(
                dry.contains(text) && installed.contains(text),
                "{way}: {text}: {dry}{installed}"
            );
            let (_, said) = text.split_once(": ").unwrap();
            assert!(diff.contains(said), "{way}: {said}: {diff}");
        }
        assert!(
            dry.contains(withheld) && installed.contains(withheld),
            "{way}: {dry}{installed}"
        );
        let file = fleet.path("fix.sh");
        write_program(&file, script.as_bytes());
        let script = file.to_str().unwrap();
        let words: [&[&str]; 6] = [
            &["--ban", "BAN-1"],
            &["--all-banned"],
            &["--auto"],
            &["--ban", "BAN-1", "--dry-run"],
            &["--all-banned", "--script", script],
            &["--ban", "BAN-1", "--script", script, "--user", "5:5"],
        ];
        for words in words {
            // Only the ban with another script needs the script. For the other bans, a given script
            // is treated as typed by the operator.
            if words.contains(&"--script") != (way == "another script") && words[0] != "--auto" {
                continue;
            }
            let said = fleet.run(words);
            assert_eq!(
                (said.status, fleet.ledger().len(), fleet.calls().len()),
                (Some(1), 0, 0),
                "{way} {words:?}: {said:?}"
            );
            assert!(
                said.err.contains(
                    "cannot run the list's patches: 1 signed it, and the lift threshold is 2\n"
                ),
                "{said:?}"
            );
            let ban = if way == "a ban that is new" && words[0] == "--all-banned" {
                "BAN-8"
            } else {
                "BAN-1"
            };
            assert!(
                words[0] == "--auto" || said.err.contains(&format!("\n{ban}: patch: ")),
                "{way} {words:?}: {said:?}"
            );
        }
        // A typed command runs. The list's ban only chooses the containers.
        let typed = fleet.run(&[
            "--ban",
            "BAN-1",
            "--",
            "/bin/sh",
            "-c",
            "echo typed >> \"$LEDGER\"",
        ]);
        assert_eq!(
            (typed.status, &*fleet.ledger()["web-1"]),
            (Some(0), "typed\n"),
            "{way}: {typed:?}"
        );
        // Another signature on the same list, in either copy, shows that the rightful signers want
        // the patch.
        let claim = super::node::text(&stolen);
        fleet
            .node
            .install(&super::node::signed(&stolen, &[signer(2).sign(&claim)]))
            .unwrap();
        let said = fleet.run(&["--all-banned", "--script", script]);
        assert!(said.status != Some(1), "{way}: {said:?}");
    }
}

/// The root keys remove the stolen key.
#[test]
fn rotate() {
    let node = node();
    // Before the stolen key is removed, a key that stays signs the list in force as well.
    let list = node.list(413).source(ban("")).unsigned();
    let text = super::node::text(&list);
    node.install(&super::node::signed(
        &list,
        &[signer(1).sign(&text), signer(2).sign(&text)],
    ))
    .unwrap();
    let keys: String = [2, 3, 4].map(|seed| signer(seed).key_line("list")).concat();
    let next = rotated(
        &keyset_of(
            2,
            "root=1 list=1 lift=2",
            &(signer(5).key_line("root") + &keys),
        ),
        &[5],
    );
    // Anybody can install the same list with fewer signatures again. The rotation still succeeds.
    node.install(&super::node::signed(&list, &[signer(1).sign(&text)]))
        .unwrap();
    // The list keys cannot rotate the keyset, however many of them sign.
    let by_list_keys = rotated(
        &keyset_of(
            2,
            "root=1 list=1 lift=2",
            &(signer(5).key_line("root") + &keys),
        ),
        &[1, 2, 3],
    );
    assert!(node.rotate(&[&by_list_keys], &[]).is_err());
    node.rotate(&[&next], &[]).unwrap();
    assert_eq!(node.gate(), Answer::Banned(413));
    for keyset in [1, 2] {
        let stolen = node.list(414).keyset(keyset).by(&[1]);
        assert_eq!(
            node.refuses(&stolen),
            "cannot trust list \"staged.lst\": 0 of 1 trusted signatures (0 bad, 1 by unknown keys)"
        );
    }
    node.install(&node.list(1).keyset(2).source(ban("")).by(&[4]))
        .unwrap();
    assert_eq!(node.gate(), Answer::Banned(1));
}

/// A list with an issue time in the future moves the time that every gate assumes. Bans that lapse
/// then end early, although their lines are unchanged. So such a list is treated as a list that
/// lifts bans.
#[test]
fn a_list_issued_ahead_ends_no_ban_early() {
    let now = Timestamp::now();
    let source = ban("").replacen(
        "effective",
        &format!("lapses = {}\neffective", now.plus(20 * 3_600)),
        1,
    );
    let (node, issued) = (node(), now.plus(23 * 3_600));
    node.install(&node.list(413).source(source.clone()).by(&[1, 2]))
        .unwrap();
    assert_eq!(node.gate(), Answer::Banned(413));
    let ahead = || {
        node.list(414)
            .times(issued, issued.plus(14 * DAY))
            .source(source.clone())
    };
    let lifting = "cannot install \"staged.lst\": it lifts BAN-1, which takes 2 signatures of keyset 1; it has 1";
    assert_eq!(node.refuses(&ahead().by(&[1])), lifting);
    assert_eq!(node.gate(), Answer::Banned(413));
    node.install(&ahead().by(&[1, 2])).unwrap();
    assert_eq!(node.gate(), Answer::Admitted);
}
