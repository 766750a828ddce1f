//! Tests how many signatures are needed for a list that lifts a ban, and with which list it is
//! compared.

use super::*;

#[test]
fn a_list_that_lifts_a_ban_takes_the_lift_threshold() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    let state = "/node/var/lib/embargo";
    // A second signature by the same key is not counted, nor is a signature by an unknown key.
    for seeds in [&[1][..], &[1, 1], &[1, 9]] {
        let fault = node.install(&without_images(2, seeds)).unwrap_err();
        let (line, hint) = fault.split_once(" / ").unwrap();
        assert_eq!(
            line,
            "cannot install \"/staged.lst\": it lifts BAN-1, which takes 2 signatures of keyset 1; it has 1"
        );
        assert!(
            hint.starts_with(&format!("embargoctl list diff {state}/banlist.lst /")),
            "{hint}"
        );
        assert_eq!((node.known().version, node.floor().next), (1, None));
    }
    assert_eq!(
        node.install(&without_images(2, &[2, 3])).unwrap(),
        "installed version 2 for bans.example.com/prod: 1 ban, 1 digest\n\
         lifts 1 ban: 2 signatures of keyset 1 needed, 2 there\n"
    );
    // Weakening a ban needs as many signatures as removing the ban.
    let weaker = |seeds| {
        let mut weaker = source(&[("base", digest(1))]);
        weaker.bans[0].action = crate::banlist::ban::Action::Warn;
        list(&weaker, &terms(3), seeds)
    };
    assert!(
        node.install(&weaker(&[3]))
            .unwrap_err()
            .starts_with("cannot install \"/staged.lst\": it lifts BAN-1,")
    );
    node.install(&weaker(&[3, 1])).unwrap();
}

#[test]
fn a_node_that_lost_its_lists_takes_the_lift_threshold_or_the_list_it_had() {
    let lost = || {
        let node = Node::new();
        node.install(&version(1)).unwrap();
        node.install(&version(2)).unwrap();
        fs::remove_file(&node.paths.list).unwrap();
        replace(&node.paths.copy, 0o644, b"nothing").unwrap();
        node
    };
    let node = lost();
    let fault = node.install(&version(3)).unwrap_err();
    let line = "cannot install \"/staged.lst\": this node lost the list to compare it with, so it takes 2 signatures of keyset 1, as one that lifts bans; it has 1";
    assert_eq!(fault.split_once(" / ").unwrap().0, line);
    // The lost list can be installed again with one signature.
    assert_eq!(
        node.install(&version(2)).unwrap(),
        "installed version 2 for bans.example.com/prod: 1 ban, 3 digests\n\
         its second copy was not usable: cannot use \"/node/var/lib/embargo/banlist.copy.lst\": not a ban list: it has no head\n"
    );
    node.install(&version(3)).unwrap();
    // With enough signatures to lift a ban, no comparison is needed.
    lost().install(&signed(3, &[1, 2])).unwrap();
}

/// When the newest list is lost, a comparison with an older list is not enough: the older list may
/// lack the ban that a new list lifts. Otherwise one stolen key and damaged files would be enough
/// to lift this ban.
#[test]
fn where_the_newest_list_is_no_good_in_both_copies_nothing_is_a_measure() {
    let mut corrupt = version(2);
    corrupt[HEAD_SIZE + 100] ^= 1;
    // The bans of version 1 and one more, but not the ban that version 2 added.
    let images = [
        ("base", digest(1)),
        ("image", digest(1_001)),
        ("image", digest(1_003)),
    ];
    let as_the_first = |seeds: &[u8]| list(&source(&images), &terms(3), seeds);
    for broken in [Some(&b"torn"[..]), Some(&corrupt), Some(&version(1)), None] {
        let node = Node::new();
        node.install(&version(1)).unwrap();
        node.install(&version(2)).unwrap();
        for place in [&node.paths.list, &node.paths.copy] {
            match broken {
                Some(bytes) => replace(place, 0o644, bytes).unwrap(),
                None => fs::remove_file(place).unwrap(),
            }
        }
        let takes = "takes 2 signatures of keyset 1, as one that lifts bans; it has 1";
        let line = format!(
            "cannot install \"/staged.lst\": this node lost the list to compare it with, so it {takes}"
        );
        for one in [as_the_first(&[1]), without_images(3, &[2]), version(3)] {
            let fault = node.install(&one).unwrap_err();
            let (said, hint) = fault.split_once(" / ").unwrap();
            assert_eq!(said, line);
            assert!(
                hint.starts_with(
                    "install the list that it had last first, or have another key sign: "
                ),
                "{hint}"
            );
        }
        let planned = node
            .attempt(&node.staged(&as_the_first(&[1, 3])), true)
            .unwrap();
        assert!(
            planned.contains(
                "\nno list to compare it with: 2 signatures of keyset 1 needed, 2 there\n"
            ),
            "{planned}"
        );
        // The lost list can be installed again with one signature. The next list is compared with
        // the list that was installed again.
        node.install(&version(2)).unwrap();
        let fault = node.install(&as_the_first(&[1])).unwrap_err();
        assert!(
            fault.starts_with(
                "cannot install \"/staged.lst\": it lifts BAN-1, which takes 2 signatures"
            ),
            "{fault}"
        );
        node.install(&version(3)).unwrap();
    }
}

/// When the first copy is lost, a new list is compared with the second copy.
#[test]
fn where_the_first_copy_is_lost_the_second_is_the_measure() {
    for lose in [None, Some(&b"torn"[..])] {
        let node = Node::new();
        node.install(&version(1)).unwrap();
        match lose {
            None => fs::remove_file(&node.paths.list).unwrap(),
            Some(bytes) => replace(&node.paths.list, 0o644, bytes).unwrap(),
        }
        assert!(
            node.install(&without_images(2, &[1]))
                .unwrap_err()
                .starts_with("cannot install \"/staged.lst\": it lifts BAN-1,")
        );
        node.install(&version(2)).unwrap();
        assert_eq!(
            file::read(&node.paths.copy, 1 << 20, Guard::Owned).unwrap(),
            version(2)
        );
    }
}

#[test]
fn a_broken_list_in_force_is_reported() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    node.install(&version(2)).unwrap();
    let mut broken = version(2);
    broken[HEAD_SIZE + 100] ^= 1;
    replace(&node.paths.list, 0o644, &broken).unwrap();
    assert_eq!(
        node.install(&signed(3, &[1, 2])).unwrap(),
        "installed version 3 for bans.example.com/prod: 1 ban, 4 digests\n\
         the list in force was not usable: cannot trust list \"/node/var/lib/embargo/banlist.lst\": node 0/0 of its tree is corrupt\n"
    );
}
