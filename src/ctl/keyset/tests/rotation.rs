//! Tests how a node goes from one keyset to the next.

use super::*;

#[test]
fn rotate_and_a_lost_key_signs_no_more() {
    let desk = Desk::new();
    // Key 5 is lost. The list in force has a signature of key 6 too.
    desk.keyset(1, &[1, 2], 1, &[5, 6], &[]);
    desk.keyset(2, &[1, 2], 1, &[6, 7], &[1]);
    desk.keyset(3, &[2], 1, &[6, 7], &[2]);
    desk.arm(&[5, 6]);
    let (said, steps) = desk.rotate("--dry-run ./k2 ./k3");
    let reported = |verb: &str, is: &str| {
        format!(
            "{verb} keyset 2{is}, signed by key-1\n  removes list key key-5\n  adds list key key-7\n{verb} keyset 3{is}, signed by key-2\n  removes root key key-1\n"
        )
    };
    assert_eq!(said.unwrap(), reported("would follow", ""));
    assert_eq!((steps.len(), desk.on_node()), (2, desk.read("k1")));
    let (said, steps) = desk.rotate("./k2 ./k3");
    assert_eq!(
        said.unwrap(),
        reported("", " is in force")
            .replace("\n keyset", "\nkeyset")
            .trim_start()
    );
    // The file on the node has the bytes of the file `k3`.
    assert_eq!(desk.on_node(), desk.read("k3"));
    let step = |keyset, signer: &str, message: &str| RotationStep {
        ending: Ending::Done,
        keyset,
        signers: vec![signer.to_owned()],
        message: message.to_owned(),
    };
    assert_eq!(
        steps,
        [
            step(
                2,
                "key-1",
                "keyset 2 is in force, signed by key-1; removes list key key-5; adds list key key-7"
            ),
            step(
                3,
                "key-2",
                "keyset 3 is in force, signed by key-2; removes root key key-1"
            ),
        ]
    );
    // A second run, even with keysets older than the node's keyset, finds all steps done and writes
    // nothing.
    let inode = || fs::metadata(&desk.paths.keyset).unwrap().ino();
    let before = inode();
    for again in ["./k3", "./k2 ./k3", "./k1 ./k2 ./k3", "./k2"] {
        assert_eq!(
            desk.rotate(again),
            (
                Ok("already in force: keyset 3 of bans.example.com/prod\n".to_owned()),
                Vec::new()
            ),
            "{again}"
        );
    }
    assert_eq!(inode(), before);
    // The list in force has not changed.
    let query = Query {
        digest: digest(1),
        kind: MatchKind::Base,
    };
    assert!(
        matches!(look_up(&desk.paths, &Rules::default(), &[query]), Bans::Known(known) if known.hits.len() == 1)
    );
}

#[test]
fn a_step_is_on_the_disk_before_the_next_is_looked_at() {
    let desk = Desk::new();
    desk.keyset(1, &[1], 1, &[5], &[]);
    desk.keyset(2, &[2], 1, &[5], &[1, 2]);
    desk.keyset(3, &[3], 1, &[5], &[3]);
    desk.arm(&[5]);
    replace(
        &desk.paths.keyset.with_file_name(".keyset.draft-77"),
        0o600,
        b"half",
    )
    .unwrap();
    let (said, steps) = desk.rotate("./k2 ./k3");
    let fault = "cannot trust keyset \"k3\": by root keys of keyset 2: 0 of 1 trusted signatures (0 bad, 1 by unknown keys)";
    assert_eq!(
        said.unwrap_err(),
        format!(
            "{fault}\nkeyset 2 is in force, signed by key-1, key-2\n  removes root key key-1\n  adds root key key-2\n  key-3: good (keyset 3) / embargoctl keyset sign --key KEY KEYSET"
        )
    );
    assert_eq!(desk.on_node(), desk.read("k2"));
    let directory = desk.directory.path().to_str().unwrap();
    let refused = RotationStep {
        ending: Ending::Refused,
        keyset: 2,
        signers: vec![],
        message: fault.replace("\"k3\"", &format!("\"{directory}/k3\"")),
    };
    assert_eq!((steps.len(), &steps[1]), (2, &refused));
    // The temporary file of a killed command has been removed.
    assert_eq!(
        fs::read_dir(desk.paths.keyset.parent().unwrap())
            .unwrap()
            .count(),
        1
    );
    // The next run does the remaining steps.
    desk.keyset(3, &[3], 1, &[5], &[2, 3]);
    assert!(
        desk.rotate("./k2 ./k3")
            .0
            .unwrap()
            .starts_with("keyset 3 is in force")
    );
}

#[test]
fn what_does_not_follow_changes_nothing() {
    let desk = Desk::new();
    desk.keyset(1, &[1], 1, &[5], &[]);
    desk.keyset(2, &[1], 1, &[5], &[1]);
    desk.keyset(3, &[1], 1, &[5], &[1]);
    desk.arm(&[5]);
    let before = desk.on_node();
    desk.put("large", &[b'x'; 20_000]);
    desk.put("garbage", b"{}\n");
    symlink(
        desk.directory.path().join("k2"),
        desk.directory.path().join("link"),
    )
    .unwrap();
    nix::unistd::mkfifo(
        &desk.directory.path().join("fifo"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    desk.put("other", keyset(&[6], 1).text().as_bytes());
    desk.put(
        "staging",
        desk.read("k2").replace("/prod", "/staging").as_bytes(),
    );
    for (words, fault) in [
        // Keysets must come in the order of their numbers, without a gap.
        (
            "./k3 ./k2",
            "cannot trust keyset \"k3\": keyset 3 does not follow keyset 1 / name every keyset in between, in the order of their numbers",
        ),
        (
            "./other",
            "cannot trust keyset \"other\": this node has another keyset 1",
        ),
        (
            "./staging",
            "cannot trust keyset \"staging\": it is for \"bans.example.com/staging\", not for \"bans.example.com/prod\"",
        ),
        (
            "./garbage",
            "cannot trust keyset \"garbage\": line 1: expected \"embargo/banlist-keyset/v1\"",
        ),
        ("./large", "cannot read \"large\": larger than 16384 bytes"),
        ("./fifo", "cannot read \"fifo\": not a regular file"),
        ("./node", "cannot read \"node\": not a regular file"),
        ("./none", "cannot read \"none\": it is missing"),
    ] {
        let (said, steps) = desk.rotate(words);
        assert_eq!(said.unwrap_err(), fault, "{words}");
        assert_eq!(
            (steps.len(), steps[0].ending, steps[0].keyset),
            (1, Ending::Refused, 1)
        );
        assert_eq!(desk.on_node(), before, "{words}");
    }
    assert!(
        desk.rotate("./link")
            .0
            .unwrap_err()
            .starts_with("cannot read \"link\": ")
    );
    let many = "./k2 ".repeat(1_025);
    assert_eq!(
        desk.rotate(many.trim_end()).0.unwrap_err(),
        "cannot rotate through 1025 keysets at once: at most 1024"
    );
    fs::remove_file(&desk.paths.keyset).unwrap();
    assert_eq!(
        desk.rotate("./k2").0.unwrap_err(),
        "cannot read \"node/etc/embargo/keyset\": it is missing / the first keyset is put there by hand"
    );
}

#[test]
fn a_rotation_that_would_leave_the_node_without_a_list_waits_for_one() {
    let desk = Desk::new();
    desk.keyset(1, &[1], 1, &[5], &[]);
    desk.keyset(2, &[1], 1, &[6], &[1]);
    desk.arm(&[5]);
    let fault = "cannot rotate to \"k2\": the list in force would no longer be trusted: cannot trust list \"node/var/lib/embargo/banlist.lst\": \
                 0 of 1 trusted signatures (0 bad, 1 by unknown keys) / with keys of keyset 2: cp node/var/lib/embargo/banlist.lst signed.lst && \
                 embargoctl list sign --key KEY signed.lst && embargoctl install signed.lst; then rotate; \
                 a node that was away: embargo-banlist(5), ROTATION";
    assert_eq!(desk.rotate("./k2").0.unwrap_err(), fault);
    assert_eq!(desk.rotate("--dry-run ./k2").0.unwrap_err(), fault);
    assert_eq!(desk.on_node(), desk.read("k1"));
    // The option `--without-list` allows the rotation.
    let without = |is: &str| {
        format!(
            "no list {is}: with mode = \"enforce\" every start is refused until a list is installed; that list needs 1 signature (the lift threshold) of keyset 2"
        )
    };
    let (said, steps) = desk.rotate("--dry-run --without-list ./k2");
    assert!(
        said.unwrap()
            .ends_with(&format!("\n  {}\n", without("would be trusted then")))
    );
    assert!(
        steps[0]
            .message
            .ends_with(&without("would be trusted then"))
    );
    // The same list, with an additional signature of a key that stays.
    desk.arm(&[5, 6]);
    assert!(
        desk.rotate("./k2")
            .0
            .unwrap()
            .starts_with("keyset 2 is in force")
    );
    // If the first copy of the list is damaged, the second copy is checked. One copy that stays
    // trusted is enough.
    desk.arm(&[5]);
    let bytes = file::read(&desk.paths.list, 1 << 20, Guard::Owned).unwrap();
    desk.put("node/var/lib/embargo/banlist.copy.lst", &bytes);
    desk.put("node/var/lib/embargo/banlist.lst", b"broken");
    assert_eq!(
        desk.rotate("./k2").0.unwrap_err(),
        fault.replace("banlist.lst", "banlist.copy.lst")
    );
    desk.put(
        "node/var/lib/embargo/banlist.lst",
        &list(&source(&[("base", digest(1))]), &terms(412), &[5, 6]),
    );
    assert!(desk.rotate("--dry-run ./k2").0.is_ok());
    // Without an authentic list there is nothing to lose.
    desk.put("node/var/lib/embargo/banlist.lst", b"broken");
    fs::remove_file(&desk.paths.copy).unwrap();
    assert!(
        !desk
            .rotate("--without-list --dry-run ./k2")
            .0
            .unwrap()
            .contains("no list")
    );
    assert!(desk.rotate("./k2").0.is_ok());
    desk.arm(&[5]);
    assert!(
        desk.rotate("--without-list ./k2")
            .0
            .unwrap()
            .ends_with(&format!("\n  {}\n", without("is trusted now")))
    );
    assert_eq!(desk.on_node(), desk.read("k2"));
}

#[test]
fn an_end_is_announced_ninety_days_ahead_and_disables_nothing() {
    let keyset = keyset(&[1], 1);
    let said = |seconds_left: i64| {
        renewal(
            &keyset,
            Timestamp::from_seconds(
                keyset
                    .expires
                    .seconds()
                    .checked_add_signed(-seconds_left)
                    .unwrap(),
            ),
        )
    };
    let what = "it stays in force; make the next one: embargoctl keyset next";
    for (left, expected) in [
        (91 * 86_400, None),
        (90 * 86_400 + 1, None),
        (
            90 * 86_400,
            Some("expires at 2028-11-19T14:00:00Z, in 90 days"),
        ),
        (
            2 * 86_400 - 1,
            Some("expires at 2028-11-19T14:00:00Z, in 1 day"),
        ),
        (1, Some("expires at 2028-11-19T14:00:00Z, in 0 days")),
        (0, Some("expired at 2028-11-19T14:00:00Z, 0 days ago")),
        (-86_400, Some("expired at 2028-11-19T14:00:00Z, 1 day ago")),
    ] {
        assert_eq!(
            said(left),
            expected.map(|expected| format!("keyset 1 {expected}: {what}")),
            "{left}"
        );
    }
    let desk = Desk::new();
    let old = desk.keyset(1, &[1], 1, &[5], &[]);
    desk.write(
        &Keyset {
            issued: Timestamp::from_seconds(0),
            expires: ISSUED,
            ..old
        },
        &[],
    );
    desk.arm(&[5]);
    assert!(desk.done("show").ends_with(&format!("{what}\n")));
    desk.keyset(2, &[1], 1, &[5], &[1]);
    let next = Keyset::parse(
        &desk
            .read("k2")
            .split("\n\n")
            .next()
            .map(|text| format!("{text}\n"))
            .unwrap(),
    )
    .unwrap();
    desk.write(
        &Keyset {
            expires: ISSUED.plus(86_400),
            ..next
        },
        &[1],
    );
    assert_eq!(
        desk.rotate("./k2").0.unwrap(),
        format!(
            "keyset 2 is in force, signed by key-1\nkeyset 2 expires at 2026-11-21T14:00:00Z, in 1 day: {what}\n"
        )
    );
}

#[test]
fn one_command_at_a_time_changes_a_node() {
    let desk = Desk::new();
    desk.keyset(1, &[1], 1, &[5], &[]);
    desk.keyset(2, &[1], 1, &[5], &[1]);
    desk.arm(&[5]);
    let held = crate::ctl::lock::take(&desk.paths.state).unwrap();
    // A dry run needs no lock. A real run waits until the lock is free.
    assert!(desk.rotate("--dry-run ./k2").0.is_ok());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| desk.rotate("./k2").0);
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(desk.on_node(), desk.read("k1"));
        drop(held);
        assert!(waiting.join().unwrap().is_ok());
    });
    assert_eq!(desk.on_node(), desk.read("k2"));
    assert!(Path::new(&desk.paths.state.join(".lock")).is_file());
}
