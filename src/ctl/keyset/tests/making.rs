//! Tests how keysets are made.

use super::*;

#[test]
fn a_keyset_is_made_from_the_one_before_and_says_whose_signatures_it_needs() {
    let desk = Desk::new();
    let new = "new --origin bans.example.com/prod --root-key ./key-1.pub --root-key ./key-2.pub --list-key ./key-3.pub --list-key ./key-4.pub \
               --lift-threshold 2 --issued 2026-11-20 --out ./k1";
    assert_eq!(desk.done(new), "keyset 1: k1\n");
    assert_eq!(
        desk.done("next ./k1 --remove-list-key key-3 --add-list-key ./key-5.pub --add-root-key ./key-6.pub --root-threshold 2 --issued 2026-11-21 --out ./k2"),
        "keyset 2: k2\n  adds root key key-6\n  removes list key key-3\n  adds list key key-5\n  root threshold 2 instead of 1\n\
         needs 1 signature of key-1, key-2 (keyset 1) and 2 signatures of key-1, key-2, key-6 (keyset 2)\n"
    );
    let next = Keyset::parse(&desk.read("k2")).unwrap();
    let keys: Vec<_> = next
        .keys
        .iter()
        .map(|key| format!("{} {}", key.role.word(), key.name))
        .collect();
    assert_eq!(
        keys,
        [
            "root key-1",
            "root key-2",
            "root key-6",
            "list key-4",
            "list key-5"
        ]
    );
    assert_eq!(
        (
            next.number,
            next.root_threshold,
            next.list_threshold,
            next.lift_threshold
        ),
        (2, 2, 1, 2)
    );
    assert_eq!(next.expires, next.issued.plus(730 * 86_400));
    // A new key may take the name of a removed key, and a keyset may be renewed without any change.
    desk.put(
        "key-3.pub",
        desk.read("key-7.pub").replace("key-7", "key-3").as_bytes(),
    );
    let said =
        desk.done("next ./k1 --remove-list-key key-3 --add-list-key ./key-3.pub --out ./other");
    assert!(
        said.starts_with(
            "keyset 2: other\n  removes list key key-3\n  adds list key key-3\nneeds "
        ),
        "{said}"
    );
    assert_eq!(
        desk.done("next ./k1 --issued 2026-11-21").lines().nth(2),
        Some("keyset: 2")
    );
    // The keyset with the first root keys is copied to a node by hand. The step that removes the
    // last root key is signed.
    assert_eq!(
        desk.done("next ./k1 --remove-root-key key-1 --remove-root-key key-2 --out ./last")
            .lines()
            .last(),
        Some(
            "needs 1 signature of key-1, key-2 (keyset 1); it has no root keys, so the one after it is put in place by hand"
        )
    );
    assert_eq!(
        desk.done("next ./last --add-root-key ./key-1.pub --out ./again"),
        "keyset 3: again\n  adds root key key-1\n  root threshold 1 instead of 0\nkeyset 2 has no root keys: put this one in place of it by hand, on every node\n"
    );
}

#[test]
fn terms_that_make_no_keyset_are_reported_in_the_terms_of_the_command_line() {
    let desk = Desk::new();
    desk.keyset(1, &[1], 1, &[2, 3], &[]);
    desk.put(
        "alias.pub",
        desk.read("key-2.pub").replace("key-2", "alias").as_bytes(),
    );
    for (words, fault) in [
        (
            "--remove-list-key key-9",
            "cannot make the keyset: keyset 1 has no list key called \"key-9\" / its list keys: key-2, key-3",
        ),
        (
            "--remove-root-key key-2",
            "cannot make the keyset: keyset 1 has no root key called \"key-2\" / its root keys: key-1",
        ),
        (
            "--threshold 3",
            "cannot make the keyset: the threshold of 3 needs 3 list keys, there are 2: --threshold sets it",
        ),
        (
            "--remove-list-key key-3 --lift-threshold 2",
            "cannot make the keyset: the lift threshold of 2 needs 2 list keys, there is 1: --lift-threshold sets it",
        ),
        (
            "--threshold 0",
            "cannot make the keyset: --threshold 0 would need no signature at all",
        ),
        (
            "--root-threshold 2",
            "cannot make the keyset: the root threshold of 2 needs 2 root keys, there is 1: --root-threshold sets it",
        ),
        (
            "--root-threshold 0",
            "cannot make the keyset: --root-threshold 0 would need no signature at all",
        ),
        (
            "--threshold 2 --lift-threshold 1",
            "cannot make the keyset: --lift-threshold 1 is less than --threshold 2: to lift a ban must not be easier",
        ),
        (
            "--remove-list-key key-2 --remove-list-key key-3",
            "cannot make the keyset: the threshold of 1 needs 1 list key, there are 0: --threshold sets it",
        ),
        (
            "--add-list-key ./alias.pub",
            "cannot make the keyset: the list keys key-2 and alias are one key, which counts once",
        ),
        (
            "--add-root-key ./key-1.pub",
            "cannot make the keyset: the root keys key-1 and key-1 are one key, which counts once",
        ),
        (
            "--out ./k1",
            "cannot overwrite \"k1\": it exists / choose another --out, then put it in place of the old one",
        ),
    ] {
        assert_eq!(
            desk.run(&format!("next ./k1 {words}")),
            Err(fault.to_owned()),
            "{words}"
        );
    }
    // Keyset numbers start at 1.
    let words = [
        "embargoctl",
        "new",
        "--origin",
        "o",
        "--list-key",
        "k",
        "--number",
    ];
    for (number, is_one) in [("0", false), ("1", true)] {
        assert_eq!(
            Words::try_parse_from([words.as_slice(), &[number]].concat()).is_ok(),
            is_one,
            "{number}"
        );
    }
}

#[test]
fn a_key_in_both_roles_is_doubted() {
    let desk = Desk::new();
    assert_eq!(draft::both(&desk.keyset(1, &[1, 2], 1, &[3], &[])), [""; 0]);
    assert_eq!(
        draft::both(&desk.keyset(1, &[1, 2], 1, &[2, 3], &[])),
        [
            "key-2 is both a root key and a list key: whoever steals it signs lists and replaces keys"
        ]
    );
}

#[test]
fn a_keyset_that_was_changed_after_it_was_signed_is_not_to_be_signed() {
    let desk = Desk::new();
    desk.keyset(1, &[1, 2], 2, &[5], &[]);
    desk.keyset(2, &[1, 2], 2, &[5], &[1, 2]);
    desk.arm(&[5]);
    desk.put("k2", desk.read("k2").replace("root=2", "root=1").as_bytes());
    let fault = "cannot trust keyset \"k2\": by root keys of keyset 1: 0 of 2 trusted signatures (2 bad, 0 by unknown keys)\n  key-1: bad\n  key-2: bad \
                 / it was changed after it was signed: do not sign it, get it anew";
    assert_eq!(desk.run("verify --after ./k1 ./k2").unwrap_err(), fault);
    assert_eq!(desk.rotate("./k2").0.unwrap_err(), fault);
}

#[test]
fn what_is_no_keyset_is_called_what_it_is() {
    let desk = Desk::new();
    desk.keyset(1, &[1], 1, &[5], &[]);
    desk.arm(&[5]);
    desk.put("empty", b"");
    desk.put("windows", desk.read("k1").replace('\n', "\r\n").as_bytes());
    for (file, fault) in [
        (
            "node/var/lib/embargo/banlist.lst",
            "line 1: expected a keyset: it is a list",
        ),
        ("empty", "line 1: expected a keyset: it is empty"),
        ("windows", "line 1: expected line ends of Unix, not CR LF"),
    ] {
        assert_eq!(
            desk.run(&format!("show ./{file}")).unwrap_err(),
            format!("cannot use keyset \"{file}\": {fault}")
        );
        assert_eq!(
            desk.rotate(&format!("./{file}")).0.unwrap_err(),
            format!("cannot trust keyset \"{file}\": {fault}")
        );
    }
}

#[test]
fn a_place_that_vouches_for_nothing_is_reported_with_what_to_do() {
    let desk = Desk::new();
    desk.keyset(1, &[1], 1, &[5], &[]);
    desk.keyset(2, &[1], 1, &[5], &[1]);
    desk.arm(&[5]);
    let put =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let remedy = |path: &str| {
        format!(
            "see what others may have changed there, then: chown root {path} && chmod go-w {path}"
        )
    };
    // The directory of the floor and the list may be written by everybody.
    put(&desk.paths.state, 0o1777);
    let state = "node/var/lib/embargo";
    let untrusted =
        |path: &str| format!("cannot trust \"{path}\": owned or writable by another user");
    assert_eq!(
        desk.rotate("./k2").0.unwrap_err(),
        format!("{} / {}", untrusted(state), remedy(state))
    );
    put(&desk.paths.state, 0o755);
    // First the keyset's mode is wrong, then the keyset is a link.
    assert!(!desk.done("show").contains("no start takes it"));
    put(&desk.paths.keyset, 0o666);
    let keyset = "node/etc/embargo/keyset";
    assert!(desk.done("show").ends_with(&format!(
        "\nno start takes it: {}; {}\n",
        untrusted(keyset),
        remedy(keyset)
    )));
    assert!(!desk.done("show ./k1").contains("no start takes it"));
    assert_eq!(
        desk.rotate("./k2").0.unwrap_err(),
        format!("{} / {}", untrusted(keyset), remedy(keyset))
    );
    fs::remove_file(&desk.paths.keyset).unwrap();
    symlink(desk.directory.path().join("k1"), &desk.paths.keyset).unwrap();
    let link = format!("cannot read \"{keyset}\": it is a symbolic link");
    assert!(desk.done("show").ends_with(&format!(
        "\nno start takes it: {link}; put the file itself there, not a link to it\n"
    )));
    assert_eq!(
        desk.rotate("./k2").0.unwrap_err(),
        format!("{link} / put the file itself there, not a link to it")
    );
}
