//! Tests when a ban's own patch runs, which no operator typed.

use std::fs;

use embargo::lineage::digest::Digest;

use super::fleet::{Fleet, chain};
use crate::attacks::node::{BASE, Node, keyset, keyset_of};
use crate::attacks::signer::signer;
use crate::room::write_program;

/// The source of a ban of the base, with these lines at its end.
fn source(more: &str) -> String {
    let ban =
        "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-01\n";
    format!("{ban}[[ban.match]]\nbase = \"{BASE}\"\n{more}")
}

const PATCH: &str =
    "[ban.patch]\nrun = [\"/bin/sh\", \"-c\", \"echo patched >> \\\"$LEDGER\\\"\"]\n";

/// A node with two containers and with this list, signed by key 1.
fn fleet(more: &str) -> Fleet {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(1).source(source(more)).by(&[1]))
        .unwrap();
    started(node)
}

fn started(node: Node) -> Fleet {
    let mut fleet = Fleet::on(node);
    ["web-1", "web-2"]
        .into_iter()
        .for_each(|name| fleet.start(name));
    fleet
}

#[test]
fn a_bans_own_patch_runs_when_no_command_is_typed() {
    let check = format!(
        "{PATCH}check = [\"/bin/sh\", \"-c\", \"test -e \\\"$LEDGER\\\"\"]\ntimeout = \"7s\"\nuser = \"3:4\"\n"
    );
    for words in [&["--ban", "BAN-1"][..], &["--all-banned"]] {
        let fleet = fleet(&check);
        let said = fleet.run(words);
        assert_eq!(said.status, Some(0), "{said:?}");
        assert_eq!(fleet.patched(), ["web-1", "web-2"]);
        let call = fleet
            .calls()
            .into_iter()
            .find(|call| call.enters("web-1"))
            .unwrap();
        assert_eq!(call.process()["user"]["uid"], 3);
        let journal = Fleet::journal(&fleet.runs()[0]);
        assert!(
            journal
                .iter()
                .any(|line| line["event"] == "started" && line["ban"] == "BAN-1"),
            "{journal:?}"
        );
        // The containers are skipped because they pass the check, even with --again.
        assert_eq!(fleet.run(&[words, &["--again"]].concat()).status, Some(0));
        assert_eq!(fleet.patched(), ["web-1", "web-2"]);
    }
}

#[test]
fn a_ban_without_a_patch_is_refused_before_there_is_a_run() {
    let fleet = fleet("");
    for words in [&["--ban", "BAN-1"][..], &["--all-banned"]] {
        let said = fleet.run(words);
        assert_eq!(said.status, Some(1), "{said:?}");
        assert!(said.err.starts_with("embargo exec-patch: cannot patch anything: BAN-1 has no patch\nhint: give a command: "), "{said:?}");
        assert!(fleet.ledger().is_empty() && fleet.calls().is_empty() && fleet.runs().is_empty());
        // The plan shows the patch for each container, and a dry run has the exit status of the
        // run.
        let plan = fleet.run(&[words, &["--dry-run"]].concat());
        assert_eq!(
            (plan.status, plan.out.matches("BAN-1 has no patch").count()),
            (Some(1), 2),
            "{plan:?}"
        );
        assert_eq!(plan.err, said.err);
    }
    assert_eq!(
        fleet
            .run(&[
                "--ban",
                "BAN-1",
                "--",
                "/bin/sh",
                "-c",
                "echo patched >> \"$LEDGER\""
            ])
            .status,
        Some(0)
    );
}

#[test]
fn a_signed_script_runs_by_its_digest_alone() {
    let script = "#!/bin/sh\necho patched >> \"$LEDGER\"\n";
    let fleet = fleet(&format!(
        "[ban.patch]\nscript = \"{}\"\nrun = []\n",
        Digest::of(script.as_bytes())
    ));
    let (right, wrong) = (fleet.path("right.sh"), fleet.path("wrong.sh"));
    write_program(&right, script.as_bytes());
    write_program(&wrong, format!("{script}# and more\n").as_bytes());
    for words in [
        &["--ban", "BAN-1"][..],
        &["--ban", "BAN-1", "--script", wrong.to_str().unwrap()],
    ] {
        let said = fleet.run(words);
        assert_eq!(said.status, Some(1), "{said:?}");
        assert!(said.err.starts_with("embargo exec-patch: cannot patch anything: the patch of BAN-1 is the script sha256:"), "{said:?}");
        assert!(
            fleet.ledger().is_empty() && fleet.runs().is_empty(),
            "{said:?}"
        );
    }
    let said = fleet.run(&["--ban", "BAN-1", "--script", right.to_str().unwrap()]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(fleet.patched(), ["web-1", "web-2"]);
}

#[test]
fn a_bans_script_runs_in_that_bans_containers_alone() {
    let script = "#!/bin/sh\necho script >> \"$LEDGER\"\n";
    let node = Node::trusting(&keyset(&[1], 1));
    let other = |id: &str, base: &str, patch: &str| {
        source(patch)
            .replace("BAN-1", id)
            .replace(BASE, &chain(&[base]))
    };
    let signed = format!(
        "[ban.patch]\nscript = \"{}\"\nrun = []\n",
        Digest::of(script.as_bytes())
    );
    let bans = [
        source(PATCH),
        other("BAN-2", "second", &signed),
        other("BAN-3", "third", ""),
    ]
    .concat();
    node.install(&node.list(1).source(bans).by(&[1])).unwrap();
    let mut fleet = started(node);
    fleet.start_of("second-1", &["second", "more"]);
    fleet.start_of("third-1", &["third", "more"]);
    let path = fleet.path("fix.sh");
    write_program(&path, script.as_bytes());
    let words = ["--all-banned", "--script", path.to_str().unwrap()];
    let plan = fleet.run(&[&words[..], &["--dry-run"]].concat());
    assert_eq!(
        (
            plan.status,
            plan.out.matches("of BAN-2: fix.sh").count(),
            plan.out.matches("of BAN-1: ").count()
        ),
        (Some(3), 1, 2),
        "{plan:?}"
    );
    assert!(
        plan.out.contains("BAN-3 has no patch") && !plan.err.contains("in place of"),
        "{plan:?}"
    );
    assert_eq!(fleet.run(&words).status, Some(3));
    let all = [
        ("second-1", "script\n"),
        ("web-1", "patched\n"),
        ("web-2", "patched\n"),
    ]
    .map(|(name, done)| (name.to_owned(), done.to_owned()));
    assert_eq!(Vec::from_iter(fleet.ledger()), all);
    // The script is still that ban's own script, even while no container of that ban runs.
    fleet.stop("second-1");
    assert_eq!(
        fleet.run(&[&words[..], &["--again"]].concat()).status,
        Some(3)
    );
    assert_eq!(fleet.ledger()["web-1"], "patched\npatched\n");
    // A script that no ban names is treated as typed by the operator, for all containers.
    // exec-patch reports which signed patch the script replaces. A ban that names another script
    // does not accept this script.
    write_program(&path, b"#!/bin/sh\necho typed >> \"$LEDGER\"\n");
    fleet.start_of("second-2", &["second", "more"]);
    let said = fleet.run(&words);
    assert_eq!(said.status, Some(3), "{said:?}");
    assert!(
        (said.out + &said.err)
            .contains("no ban signs fix.sh: it runs in place of the signed patch of BAN-1")
    );
    assert_eq!(
        (&*fleet.ledger()["third-1"], &*fleet.ledger()["web-1"]),
        ("typed\n", "patched\npatched\ntyped\n")
    );
    assert!(!fleet.ledger().contains_key("second-2"));
    // If only that ban is selected, no ban names the script, so the script runs.
    let said = fleet.run(&["--ban", "BAN-3", "--script", path.to_str().unwrap()]);
    assert_eq!(said.status, Some(0), "{said:?}");
}

#[test]
fn what_a_ban_leaves_out_is_reported_and_left_alone() {
    let node = Node::trusting(&keyset(&[1], 1));
    let except = format!(
        "[[ban.except]]\nbase = \"{}\"\nuntil = 2062-01-01\nreason = \"until then\"\n",
        chain(&["excepted"])
    );
    let more = format!(
        "[[ban.match]]\nbase = \"{}\"\n{except}{PATCH}",
        chain(&["excepted"])
    );
    node.install(&node.list(1).source(source(&more)).by(&[1]))
        .unwrap();
    let mut fleet = started(node);
    fleet.start_of("excepted-1", &["excepted", "more"]);
    let plan = fleet.run(&["--ban", "BAN-1", "--dry-run"]);
    assert!(
        plan.status == Some(0) && plan.out.contains("excepted-1"),
        "{plan:?}"
    );
    let said = fleet.run(&["--ban", "BAN-1"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(fleet.patched(), ["web-1", "web-2"]);
}

#[test]
fn by_itself_a_patch_runs_only_where_the_settings_say_so() {
    let fleet = fleet(PATCH);
    for settings in ["", "auto_patch = \"off\"\n"] {
        fleet.node.set(settings);
        let said = fleet.run(&["--auto"]);
        assert_eq!(
            (said.status, fleet.ledger().len(), fleet.runs().len()),
            (Some(0), 0, 0),
            "{said:?}"
        );
    }
    fleet.node.set("auto_patch = \"on-install\"\n");
    let said = fleet.run(&["--auto"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(fleet.patched(), ["web-1", "web-2"]);
}

#[test]
fn by_itself_a_patch_takes_as_many_signatures_as_lifting_a_ban() {
    let keys = [1, 2].map(|seed| signer(seed).key_line("list")).concat();
    let node = Node::trusting(&keyset_of(1, "root=0 list=1 lift=2", &keys));
    node.install(&node.list(1).source(source(PATCH)).by(&[1]))
        .unwrap();
    let fleet = started(node);
    fleet.node.set("auto_patch = \"on-install\"\n");
    let said = fleet.run(&["--auto"]);
    assert_eq!(
        (said.status, fleet.ledger().len(), fleet.calls().len()),
        (Some(1), 0, 0),
        "{said:?}"
    );
    assert!(
        said.err
            .contains("cannot run the list's patches: 1 signed it, and the lift threshold is 2"),
        "{said:?}"
    );
    fleet
        .node
        .install(&fleet.node.list(2).source(source(PATCH)).by(&[1, 2]))
        .unwrap();
    let said = fleet.run(&["--auto"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(fleet.patched(), ["web-1", "web-2"]);
}

#[test]
fn without_a_list_a_base_can_still_be_named() {
    let fleet = fleet(PATCH);
    fleet.node.lose_list();
    assert_eq!(fleet.run(&["--ban", "BAN-1"]).status, Some(1));
    assert_eq!(fleet.patch(&[]).status, Some(0));
    assert_eq!(fleet.patched(), ["web-1", "web-2"]);
    // exec-patch also works on a node without settings.
    fs::remove_file(fleet.path("node/etc/embargo/config.toml")).unwrap();
    let said = fleet.patch(&["--dry-run"]);
    assert!(said.status.is_some(), "{said:?}");
}
