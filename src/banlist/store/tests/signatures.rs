//! Tests which signatures a list needs.

use super::*;

#[test]
fn a_list_needs_enough_signatures_by_keys_of_the_keyset() {
    let node = TestNode::new(2);
    let text = |good, bad, unknown| {
        format!(
            "cannot trust list \"/var/lib/embargo/banlist.lst\": {good} of 2 trusted signatures ({bad} bad, {unknown} by unknown keys)"
        )
    };
    for (signers, fault) in [
        (&[][..], Some("cannot trust list \"/var/lib/embargo/banlist.lst\": not signed, and 2 trusted signatures needed".to_owned())),
        (&[1], Some(text(1, 0, 0))),
        (&[1, 9], Some(text(1, 0, 1))),
        (&[8, 9], Some(text(0, 0, 2))),
        (&[1, 1], Some(text(1, 0, 0))),
        (&[1, 2], None),
        (&[3, 1], None),
        (&[9, 1, 8, 3], None),
        (&[1, 2, 3], None),
    ] {
        node.list(&list(&banned(&[1]), &terms(1), signers));
        match fault {
            Some(fault) => assert_eq!(node.fault(), fault, "{signers:?}"),
            None => assert_eq!(known(node.ask(1)).hits.len(), 1, "{signers:?}"),
        }
    }
}

#[test]
fn a_bad_signature_beside_enough_good_ones_is_skipped_and_counted() {
    let node = TestNode::new(1);
    let mut bytes = list(&banned(&[1]), &terms(1), &[1]);
    let mut claim = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap();
    let mut bad = key(2).signature(&claim.text);
    bad.bytes[0] ^= 1;
    claim.signatures.insert(0, bad);
    bytes[..HEAD_SIZE].copy_from_slice(&claim.block().unwrap());
    node.list(&bytes);
    let found = known(node.ask(1));
    assert_eq!((found.hits.len(), found.bad_signatures), (1, 1));
}

#[test]
fn rows_4_and_13_a_list_for_another_origin_is_refused() {
    let node = TestNode::new(1);
    let other = super::super::super::terms::HeadTerms {
        origin: "bans.example.com/staging".to_owned(),
        ..terms(1)
    };
    node.list(&list(&banned(&[1]), &other, &[1]));
    let fault = "cannot use list \"/var/lib/embargo/banlist.lst\": it is for \"bans.example.com/staging\", not for \"bans.example.com/prod\"";
    assert_eq!(node.fault(), fault);
    // The settings may only name the origin of the keyset.
    node.list(&list(&banned(&[1]), &terms(1), &[1]));
    let rules = Rules {
        origin: Some("bans.example.com/staging".to_owned()),
        min_version: 0,
    };
    assert!(matches!(
        look_up(&node.paths, &rules, &[base(1)]),
        Bans::Missing(ListError::Origin(..))
    ));
}

#[test]
fn a_list_that_was_not_installed_must_be_signed_like_one_that_lifts_bans() {
    let node = TestNode::new(1);
    node.put(&node.paths.keyset, two_lift().text().as_bytes());
    // A node that has never had a list has no ban to lift.
    let (kept, installed) = (
        list(&banned(&[1]), &terms(411), &[1]),
        list(&banned(&[1]), &terms(412), &[1]),
    );
    node.list(&installed);
    assert_eq!(known(node.ask(1)).version, 412);
    // A list that is installed, or is being installed, needs only the list threshold.
    let floor = |next| {
        let head = Digest::of(head_text(&installed).as_bytes());
        let floor = Floor {
            edition: Edition {
                keyset: 1,
                version: 412,
            },
            head,
            issued: ISSUED,
            next,
        };
        node.put(&node.paths.floor, floor.text().as_bytes());
    };
    floor(None);
    assert_eq!(known(node.ask(1)).version, 412);
    let (stolen, vetted) = (
        list(&banned(&[2]), &terms(413), &[1]),
        list(&banned(&[2]), &terms(413), &[1, 3]),
    );
    node.list(&stolen);
    let fault = "cannot trust list \"/var/lib/embargo/banlist.lst\": it was not installed, so it must be signed like one that lifts bans: \
                 1 of 2 trusted signatures (0 bad, 0 by unknown keys)";
    assert_eq!(node.fault(), fault);
    node.list(&vetted);
    assert_eq!(known(node.ask(1)).version, 413);
    floor(Some(Digest::of(head_text(&stolen).as_bytes())));
    node.list(&stolen);
    assert_eq!(known(node.ask(1)).version, 413);
    // Writing the list to the file of the second copy does not get around the rule that such a list
    // needs more signatures. A list that was installed needs no more signatures as second copy than
    // as first copy.
    floor(None);
    node.put(&node.paths.copy, &stolen);
    assert_eq!(node.fault(), fault);
    node.put(&node.paths.copy, &kept);
    assert_eq!(node.fault(), fault);
    node.put(&node.paths.list, b"torn");
    node.put(&node.paths.copy, &installed);
    let stand_in = known(node.ask(1));
    assert_eq!((stand_in.version, stand_in.slot), (412, Slot::Copy));
    // An older list in the file of the current list is a rollback. If it has too few signatures
    // even to add a ban, that is the error that is reported.
    node.put(&node.paths.list, &kept);
    fs::remove_file(&node.paths.copy).unwrap();
    assert!(node.fault().starts_with("cannot go back to version 411"));
    node.list(&list(&banned(&[2]), &terms(413), &[9]));
    assert!(
        node.fault()
            .ends_with(": 0 of 1 trusted signatures (0 bad, 1 by unknown keys)"),
        "{}",
        node.fault()
    );
}

#[test]
fn without_a_floor_a_copy_that_one_key_signed_lifts_nothing() {
    let node = TestNode::new(1);
    node.put(&node.paths.keyset, two_lift().text().as_bytes());
    node.list(&list(&banned(&[1]), &terms(411), &[1]));
    for (signers, version) in [(&[1][..], 411), (&[1, 3], 412), (&[9], 411)] {
        node.put(&node.paths.copy, &list(&banned(&[2]), &terms(412), signers));
        let found = known(node.ask(1));
        assert_eq!(
            (found.version, found.hits.len()),
            (version, usize::from(version == 411)),
            "{signers:?}"
        );
    }
}

#[test]
fn ff_then_rotate_recovers() {
    let node = TestNode::new(1);
    let edition = |keyset, version| super::super::super::terms::HeadTerms {
        edition: Edition { keyset, version },
        ..terms(1)
    };
    let had = list(&banned(&[1]), &terms(412), &[1]);
    node.floor(412, &head_text(&had));
    let jump = "in \"/var/lib/embargo/banlist.lst\": more than 1048576 above version 412 (keyset 1), the highest that this node had";
    // The row of the table, and the highest version to which the thief of a key can raise the floor
    // in one step.
    for (version, fault) in [
        (u64::MAX, true),
        (412 + MAX_JUMP + 1, true),
        (412 + MAX_JUMP, false),
    ] {
        node.list(&list(&banned(&[1]), &terms(version), &[1]));
        match fault {
            true => assert_eq!(
                node.fault(),
                format!("cannot go to version {version} (keyset 1) of the list, {jump}")
            ),
            false => assert_eq!(known(node.ask(1)).version, version),
        }
    }
    // When the floor has the highest version, no newer list of this keyset is possible. The next
    // keyset starts with version 1 again, and its versions may not jump either.
    node.floor(u64::MAX, "head\n");
    node.list(&list(&banned(&[1]), &terms(u64::MAX - 1), &[1]));
    assert!(node.fault().starts_with("cannot go back to "));
    node.put(
        &node.paths.keyset,
        Keyset {
            number: 2,
            ..keyset(&[2, 3], 1)
        }
        .text()
        .as_bytes(),
    );
    node.list(&list(&banned(&[1]), &edition(2, 1), &[2]));
    assert_eq!(
        (known(node.ask(1)).keyset, known(node.ask(1)).version),
        (2, 1)
    );
    node.floor(412, &head_text(&had));
    node.list(&list(&banned(&[1]), &edition(2, u64::MAX), &[2]));
    assert_eq!(
        node.fault(),
        format!(
            "cannot go to version {} (keyset 2) of the list, {jump}",
            u64::MAX
        )
    );
    // A node that has never had a list accepts any version.
    fs::remove_file(&node.paths.floor).unwrap();
    assert_eq!(known(node.ask(1)).version, u64::MAX);
}

#[test]
fn older_keyset() {
    let node = TestNode::new(1);
    let edition = |keyset, version| super::super::super::terms::HeadTerms {
        edition: Edition { keyset, version },
        ..terms(1)
    };
    let newer = Keyset {
        number: 2,
        ..keyset(&[1, 2, 3], 1)
    };
    node.put(&node.paths.keyset, newer.text().as_bytes());
    let had = list(&banned(&[1]), &edition(2, 3), &[1]);
    let floor = Floor {
        edition: Edition {
            keyset: 2,
            version: 3,
        },
        head: Digest::of(head_text(&had).as_bytes()),
        issued: ISSUED,
        next: None,
    };
    node.put(&node.paths.floor, floor.text().as_bytes());
    node.list(&had);
    assert_eq!(known(node.ask(1)).version, 3);
    // A higher version under an older keyset is older.
    node.list(&list(&banned(&[1]), &edition(1, 500), &[1]));
    let fault = "cannot go back to version 500 (keyset 1) of the list, in \"/var/lib/embargo/banlist.lst\": this node had version 3 (keyset 2)";
    assert_eq!(node.fault(), fault);
    // If an older keyset is put back by hand, the old list does not become newer, and the list that
    // the node had can no longer be checked.
    node.put(&node.paths.keyset, keyset(&[1, 2, 3], 1).text().as_bytes());
    assert_eq!(node.fault(), fault);
    node.list(&had);
    assert_eq!(
        node.fault(),
        "cannot use list \"/var/lib/embargo/banlist.lst\": it needs keyset 2, this node has keyset 1"
    );
}

#[test]
fn a_list_for_a_newer_keyset_waits_for_it_and_one_for_an_older_keyset_holds() {
    let node = TestNode::new(1);
    let edition = |keyset| super::super::super::terms::HeadTerms {
        edition: Edition { keyset, version: 1 },
        ..terms(1)
    };
    node.list(&list(&banned(&[1]), &edition(2), &[1]));
    assert_eq!(
        node.fault(),
        "cannot use list \"/var/lib/embargo/banlist.lst\": it needs keyset 2, this node has keyset 1"
    );
    let newer = Keyset {
        number: 3,
        ..keyset(&[1, 2, 3], 1)
    };
    node.put(&node.paths.keyset, newer.text().as_bytes());
    assert_eq!(known(node.ask(1)).keyset, 2);
}

#[test]
fn a_broken_keyset_or_floor_is_named() {
    let node = TestNode::new(1);
    let bytes = list(&banned(&[1]), &terms(1), &[1]);
    node.list(&bytes);
    node.put(&node.paths.floor, b"");
    assert_eq!(
        node.fault(),
        "cannot use floor \"/var/lib/embargo/floor\": line 1: expected \"keyset NUMBER\""
    );
    node.put(&node.paths.floor, &[b'x'; 600]);
    assert_eq!(
        node.fault(),
        "cannot read \"/var/lib/embargo/floor\": larger than 512 bytes"
    );
    node.put(&node.paths.floor, b"\xff");
    assert_eq!(
        node.fault(),
        "cannot read \"/var/lib/embargo/floor\": not UTF-8"
    );
    fs::remove_file(&node.paths.floor).unwrap();
    node.put(&node.paths.keyset, b"embargo/banlist-keyset/v1\n");
    assert_eq!(
        node.fault(),
        "cannot use keyset \"/etc/embargo/keyset\": line 2: expected \"origin: NAME\""
    );
    node.put(&node.paths.keyset, &vec![b'x'; 17 << 10]);
    assert_eq!(
        node.fault(),
        "cannot read \"/etc/embargo/keyset\": larger than 16384 bytes"
    );
    replace(&node.paths.keyset, 0o666, keyset(&[1], 1).text().as_bytes()).unwrap();
    assert_eq!(
        node.fault(),
        "cannot trust \"/etc/embargo/keyset\": owned or writable by another user"
    );
    fs::remove_file(&node.paths.keyset).unwrap();
    assert_eq!(
        node.fault(),
        "cannot read \"/etc/embargo/keyset\": it is missing"
    );
}
