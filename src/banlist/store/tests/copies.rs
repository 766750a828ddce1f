//! Tests which of the two copies is used, and which list may replace which.

use super::*;

#[test]
fn an_older_list_is_refused() {
    let node = TestNode::new(1);
    let (old, new) = (
        list(&banned(&[2]), &terms(411), &[1]),
        list(&banned(&[1]), &terms(412), &[1]),
    );
    node.floor(412, &head_text(&new));
    node.list(&new);
    assert_eq!(known(node.ask(1)).floor_issued, Some(ISSUED));
    node.list(&old);
    assert_eq!(
        node.fault(),
        "cannot go back to version 411 (keyset 1) of the list, in \"/var/lib/embargo/banlist.lst\": this node had version 412 (keyset 1)"
    );
    // The list is newer than the floor: the installer was interrupted before it raised the floor.
    node.list(&list(&banned(&[1]), &terms(413), &[1]));
    assert_eq!(known(node.ask(1)).version, 413);
    let rules = Rules {
        origin: None,
        min_version: 414,
    };
    let Bans::Missing(fault) = look_up(&node.paths, &rules, &[base(1)]) else {
        panic!()
    };
    assert_eq!(
        node.without_directory(&fault),
        "cannot use list \"/var/lib/embargo/banlist.lst\": version 413 is below min_version 414"
    );
}

#[test]
fn another_list_of_the_same_version_is_refused() {
    let node = TestNode::new(1);
    let (first, second) = (
        list(&banned(&[1]), &terms(412), &[1]),
        list(&banned(&[2]), &terms(412), &[1]),
    );
    node.floor(412, &head_text(&first));
    node.list(&second);
    assert_eq!(
        node.fault(),
        "cannot trust list \"/var/lib/embargo/banlist.lst\": version 412 (keyset 1) was installed with other content"
    );
    // A list with more signatures on the same text is the same list.
    node.list(&list(&banned(&[1]), &terms(412), &[2, 1]));
    assert_eq!(known(node.ask(1)).hits.len(), 1);
}

#[test]
fn an_older_list_in_the_first_place_never_answers_for_a_newer_copy() {
    let node = TestNode::new(1);
    let [older, newer] =
        [411, 412].map(|version| list(&banned(&[version - 410]), &terms(version), &[1]));
    let floor = |version, head: &[u8], next: Option<&[u8]>| {
        let digest = |list| Digest::of(head_text(list).as_bytes());
        let floor = Floor {
            edition: Edition { keyset: 1, version },
            head: digest(head),
            issued: ISSUED,
            next: next.map(digest),
        };
        node.put(&node.paths.floor, floor.text().as_bytes());
    };
    node.list(&older);
    node.put(&node.paths.copy, &newer);
    // The test runs without a floor, and with a floor that names an older list than both copies.
    let before = list(&banned(&[3]), &terms(410), &[1]);
    for case in 0..2 {
        if case == 1 {
            floor(410, &before, None);
        }
        let found = known(node.ask(2));
        assert_eq!(
            (found.version, found.slot, found.hits.len()),
            (412, Slot::Copy, 1),
            "{case}"
        );
        let fault = "cannot go back to version 411 (keyset 1) of the list, in \"/var/lib/embargo/banlist.lst\": this node had version 412 (keyset 1)";
        assert_eq!(
            node.without_directory(&found.fault.unwrap()),
            fault,
            "{case}"
        );
        // A newer list that is damaged is no reason to use an older list either.
        let mut torn = newer.clone();
        torn[HEAD_SIZE + 40] ^= 1;
        node.put(&node.paths.copy, &torn);
        assert!(
            node.fault().contains("banlist.copy.lst"),
            "{case}: {}",
            node.fault()
        );
        node.put(&node.paths.copy, &newer);
    }
    // The list that the floor names is in force until another list has been installed completely. A
    // copy that is not newer, or is not a list, changes nothing.
    for next in [None, Some(newer.as_slice())] {
        floor(411, &older, next);
        let found = known(node.ask(1));
        assert_eq!((found.version, found.fault.is_none()), (411, true));
    }
    fs::remove_file(&node.paths.floor).unwrap();
    for other in [older.as_slice(), before.as_slice(), b"torn", b""] {
        node.put(&node.paths.copy, other);
        let found = known(node.ask(1));
        assert_eq!(
            (found.version, found.slot, found.fault.is_none()),
            (411, Slot::Current, true)
        );
    }
}

/// The keyset and the floor are read before an installation, the list after it.
#[test]
fn a_list_that_is_installed_during_the_look_up_is_trusted() {
    let node = TestNode::new(1);
    node.put(&node.paths.keyset, two_lift().text().as_bytes());
    let lists = [1, 2].map(|digest| list(&banned(&[digest]), &terms(411 + digest), &[1]));
    let texts = [0, 1].map(|number| head_text(&lists[number]));
    // These lists give NotInstalled and, as when a snapshot was restored, Rollback and
    // Equivocation.
    for (version, text) in [(412, &*texts[0]), (414, "another\n"), (413, "another\n")] {
        node.floor(version, text);
        let before = Trust::load(&node.paths, &Rules::default()).unwrap();
        node.put(&node.paths.copy, &lists[1]);
        node.list(&lists[1]);
        node.floor(413, &texts[1]);
        let found = known(look_up_by(before, &node.paths, &[base(2)], Budget::Start));
        assert_eq!(
            (
                found.slot,
                found.version,
                found.hits.len(),
                found.fault.is_none()
            ),
            (Slot::Current, 413, 1, true),
            "{version}"
        );
    }
    // The keyset was replaced together with the list.
    let before = Trust::load(&node.paths, &Rules::default()).unwrap();
    node.put(
        &node.paths.keyset,
        Keyset {
            number: 2,
            ..two_lift()
        }
        .text()
        .as_bytes(),
    );
    let edition = Edition {
        keyset: 2,
        version: 1,
    };
    let newer = list(
        &banned(&[2]),
        &super::super::super::terms::HeadTerms {
            edition,
            ..terms(1)
        },
        &[1, 2],
    );
    node.list(&newer);
    assert_eq!(
        known(look_up_by(before, &node.paths, &[base(2)], Budget::Start)).version,
        1
    );
}

#[test]
fn the_second_copy_answers_and_an_older_list_never_does() {
    let node = TestNode::new(1);
    let (old, new) = (
        list(&banned(&[1]), &terms(411), &[1]),
        list(&banned(&[1, 2]), &terms(412), &[1]),
    );
    node.floor(412, &head_text(&new));
    let mut broken = new.clone();
    broken[HEAD_SIZE + 30] ^= 1;
    let fault = "cannot use \"/var/lib/embargo/banlist.lst\": not a ban list: it has no head";
    for (first, expected) in [
        (vec![0; HEAD_SIZE], Some(fault)),
        (broken, None),
        (old.clone(), None),
        (Vec::new(), Some(fault)),
    ] {
        node.list(&first);
        node.put(&node.paths.copy, &new);
        let stand_in = known(node.ask(2));
        assert_eq!(
            (stand_in.slot, stand_in.version, stand_in.hits.len()),
            (Slot::Copy, 412, 1)
        );
        let described = node.without_directory(&stand_in.fault.unwrap());
        assert!(
            expected.is_none_or(|expected| expected == described),
            "{described}"
        );
        // Any older list is a rollback as either copy, even if it is authentic.
        node.put(&node.paths.copy, &old);
        assert_eq!(node.fault(), described);
    }
    fs::remove_file(&node.paths.list).unwrap();
    assert_eq!(
        node.fault(),
        "cannot read \"/var/lib/embargo/banlist.lst\": it is missing"
    );
    node.put(&node.paths.copy, &new);
    assert_eq!(known(node.ask(1)).slot, Slot::Copy);
    // A first copy without errors is always used.
    node.list(&new);
    assert_eq!(known(node.ask(1)).slot, Slot::Current);
}

#[test]
fn a_ban_that_the_first_copy_proves_is_reported_by_the_second_if_that_is_the_same_list() {
    let node = TestNode::new(1);
    let all: Vec<_> = (0..60).collect();
    let (old, new) = (
        list(&banned(&[2]), &terms(411), &[1]),
        list(&banned(&all), &terms(412), &[1]),
    );
    node.floor(411, &head_text(&old));
    let head = Claim::parse(new[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .head;
    let break_at = |at: u64| {
        let mut broken = new.clone();
        broken[usize::try_from(at).unwrap()] ^= 1;
        node.list(&broken);
        broken
    };
    let mut digests: Vec<_> = all.iter().map(|number| base(*number)).collect();
    digests.sort_unstable();
    let (first, last) = (digests[0], digests[59]);
    for (at, asked, banned, fault) in [
        (
            head.records_at(),
            vec![first],
            first,
            "block 0 of its records is corrupt",
        ),
        (
            head.table_at(),
            vec![first],
            first,
            "its block table is corrupt",
        ),
        // This leaf belongs to another query of the same look-up.
        (
            HEAD_SIZE as u64 + 30,
            vec![first, last],
            last,
            "node 0/0 of its tree is corrupt",
        ),
        (
            HEAD_SIZE as u64 + 2 * 1_024 + 30,
            vec![first, last],
            first,
            "node 0/2 of its tree is corrupt",
        ),
    ] {
        let broken = break_at(at);
        let list = "cannot trust list \"/var/lib/embargo/banlist.lst\"";
        let fault = format!("cannot read the ban of {}: {list}: {fault}", banned.digest);
        // Another list might lack the ban. A second copy that is damaged at the same offset proves
        // the ban too.
        for copy in [&old, &broken] {
            node.put(&node.paths.copy, copy);
            let Bans::Missing(error) = look_up(&node.paths, &Rules::default(), &asked) else {
                panic!("{fault}")
            };
            assert_eq!(node.without_directory(&error), fault);
        }
        node.put(&node.paths.copy, &new);
        let answer = known(look_up(&node.paths, &Rules::default(), &asked));
        assert_eq!(
            (
                answer.slot,
                answer.hits.len(),
                node.without_directory(&answer.fault.unwrap())
            ),
            (Slot::Copy, asked.len(), fault)
        );
    }
    // If no digest is banned, the records are not read.
    break_at(head.table_at());
    assert_eq!(known(node.ask(1_000)).slot, Slot::Current);
}

#[test]
fn a_list_that_the_system_cannot_read_is_passed_over_for_its_second_copy_alone() {
    let io = |code| std::io::Error::from_raw_os_error(code);
    let opening = |code| ListError::File(FileError::Io("/list".into(), io(code)));
    for (fault, is_of_the_system) in [
        (opening(libc::EMFILE), true),
        (opening(libc::EACCES), true),
        (ListError::Read("/list".into(), io(libc::EIO)), true),
        (opening(libc::ENOENT), false),
        (opening(libc::ENOTDIR), false),
        (opening(libc::ELOOP), false),
        (
            ListError::Read("/list".into(), std::io::ErrorKind::UnexpectedEof.into()),
            false,
        ),
        (
            ListError::File(FileError::NotRegular("/list".into())),
            false,
        ),
        (ListError::Counts("/list".into()), false),
    ] {
        assert_eq!(fault.is_of_the_system(), is_of_the_system, "{fault:?}");
    }
    let node = TestNode::new(1);
    let (old, new) = (
        list(&banned(&[2]), &terms(411), &[1]),
        list(&banned(&[1]), &terms(412), &[1]),
    );
    node.floor(412, &head_text(&new));
    node.put(&node.paths.copy, &old);
    // A path that is too long says nothing about the list either. The second copy of the list is
    // used; an older list is not.
    let paths = Paths {
        list: node.paths.state.join("x".repeat(300)),
        ..node.paths.clone()
    };
    let answer = look_up(&paths, &Rules::default(), &[base(1)]);
    assert!(
        matches!(&answer, Bans::Missing(fault) if fault.is_of_the_system()),
        "{answer:?}"
    );
    node.put(&node.paths.copy, &new);
    let answer = known(look_up(&paths, &Rules::default(), &[base(1)]));
    assert_eq!((answer.slot, answer.hits.len()), (Slot::Copy, 1));
}
