//! Tests the keyset commands, from the first keyset to rotated ones, and what must be refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use clap::Parser;

use super::*;
use crate::audit::Ending;
use crate::audit::rotation::RotationStep;
use crate::banlist::floor::Edition;
use crate::banlist::floor::Floor;
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::record::MatchKind;
use crate::banlist::store::{Bans, Query, Rules, look_up};
use crate::banlist::testing::{ISSUED, digest, key, keyset, list, source, terms};
use crate::sys::file::{self, Guard};
use crate::sys::replace::replace;

#[derive(clap::Parser)]
struct Words {
    #[command(subcommand)]
    command: KeysetCommand,
}

/// A directory for keysets and a node below it. The private keys of keys 1 to 9 stay in memory.
struct Desk {
    directory: tempfile::TempDir,
    paths: Paths,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::below(&directory.path().join("node"));
        fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
        fs::create_dir_all(&paths.state).unwrap();
        fs::set_permissions(&paths.state, fs::Permissions::from_mode(0o755)).unwrap();
        let desk = Self { directory, paths };
        for seed in 1..=9 {
            let key = Key {
                role: Role::List,
                name: key(seed).name,
                public: key(seed).public(),
            };
            desk.put(
                &format!("{}.pub", key.name),
                format!("{}\n", key.line()).as_bytes(),
            );
        }
        desk
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        replace(&self.directory.path().join(name), 0o644, bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        file::read_text(&self.directory.path().join(name), 1 << 20, Guard::Any).unwrap()
    }

    fn command(&self, words: &str) -> KeysetCommand {
        let directory = self.directory.path().to_str().unwrap();
        let words: Vec<_> = words
            .split(' ')
            .map(|word| {
                word.strip_prefix("./")
                    .map_or_else(|| word.to_owned(), |name| format!("{directory}/{name}"))
            })
            .collect();
        Words::try_parse_from([&["embargoctl".to_owned()], words.as_slice()].concat())
            .unwrap_or_else(|error| panic!("{error}"))
            .command
    }

    /// Runs a command. Returns its output, or its error with details and hint, without the
    /// directory's path.
    fn run(&self, words: &str) -> Result<String, String> {
        let directory = format!("{}/", self.directory.path().to_str().unwrap());
        self.tell(run(&self.command(words), &self.paths))
            .map_err(|text| text.replace(&directory, ""))
            .map(|text| text.replace(&directory, ""))
    }

    fn tell(&self, said: Result<String, CtlError>) -> Result<String, String> {
        let directory = format!("{}/", self.directory.path().to_str().unwrap());
        said.map_err(|error| {
            let details: String = error
                .details
                .iter()
                .map(|detail| format!("\n{detail}"))
                .collect();
            let hint = error
                .hint()
                .map(|hint| format!(" / {hint}"))
                .unwrap_or_default();
            format!("{}{details}{hint}", crate::report::line::causes(&error))
                .replace(&directory, "")
        })
    }

    fn done(&self, words: &str) -> String {
        self.run(words).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Rotates at the time of the tests. Also returns the steps that the system log would receive.
    fn rotate(&self, words: &str) -> (Result<String, String>, Vec<RotationStep>) {
        let KeysetCommand::Rotate(args) = self.command(&format!("rotate {words}")) else {
            panic!("{words}")
        };
        let mut steps = Vec::new();
        let said = self.tell(rotate::rotate(&args, &self.paths, ISSUED, &mut steps));
        (said, steps)
    }

    /// Makes the keyset `number` with these root keys and list keys, signed by the keys `signers`.
    fn keyset(
        &self,
        number: u64,
        roots: &[u8],
        threshold: usize,
        lists: &[u8],
        signers: &[u8],
    ) -> Keyset {
        let root = |seed: &u8| Key {
            role: Role::Root,
            name: key(*seed).name,
            public: key(*seed).public(),
        };
        let base = keyset(lists, 1);
        let keyset = Keyset {
            number,
            root_threshold: threshold,
            keys: roots.iter().map(root).chain(base.keys.clone()).collect(),
            ..base
        };
        self.write(&keyset, signers);
        keyset
    }

    fn write(&self, keyset: &Keyset, signers: &[u8]) {
        let text = keyset.text();
        let signatures = signers
            .iter()
            .map(|seed| key(*seed).signature(&text))
            .collect();
        self.put(
            &format!("k{}", keyset.number),
            SignedKeyset {
                keyset: keyset.clone(),
                text,
                signatures,
            }
            .note()
            .as_bytes(),
        );
    }

    /// Puts the keyset `k1` on the node, and a list in force that is signed by the keys `signers`.
    fn arm(&self, signers: &[u8]) {
        self.put("node/etc/embargo/keyset", self.read("k1").as_bytes());
        let bytes = list(&source(&[("base", digest(1))]), &terms(412), signers);
        self.put("node/var/lib/embargo/banlist.lst", &bytes);
        let head = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap())
            .unwrap()
            .digest();
        let floor = Floor {
            edition: Edition {
                keyset: 1,
                version: 412,
            },
            head,
            issued: ISSUED,
            next: None,
        };
        self.put("node/var/lib/embargo/floor", floor.text().as_bytes());
    }

    fn on_node(&self) -> String {
        self.read("node/etc/embargo/keyset")
    }
}

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
    // A new key may take the name of an old one, and a keyset may be renewed without any change.
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
    // The first root keys come to a node by hand. The step that removes the last root key is
    // signed.
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

#[test]
fn a_keyset_is_signed_with_a_key_in_a_file_and_with_one_that_lives_elsewhere() {
    let desk = Desk::new();
    let (signer, pem) =
        crate::ctl::keys::signer::Signer::generate(crate::ctl::keys::NewAlgorithm::Ed25519)
            .unwrap();
    let root = Key {
        role: Role::Root,
        name: "root".to_owned(),
        public: signer.public().clone(),
    };
    desk.put("root", pem.as_bytes());
    desk.put("root.pub", format!("{}\n", root.line()).as_bytes());
    let base = desk.keyset(1, &[1], 1, &[2], &[]);
    desk.write(
        &Keyset {
            keys: [&[root], base.keys.as_slice()].concat(),
            root_threshold: 2,
            ..base
        },
        &[],
    );
    assert_eq!(desk.done("head ./k1"), desk.read("k1"));
    let text = desk.read("k1");
    assert_eq!(
        desk.done("sign ./k1 --key ./root"),
        "k1: signed by root (ed25519); 1 signature on keyset 1\n"
    );
    assert_eq!(
        desk.run("sign ./k1 --key ./root").unwrap(),
        "k1: already signed by root\n"
    );
    desk.put("signature", &key(1).signature(&text).bytes);
    assert_eq!(
        desk.done("attach ./k1 --key ./key-1.pub --signature ./signature"),
        "k1: signed by key-1 (ed25519); 2 signatures on keyset 1\n"
    );
    assert_eq!(
        desk.done("verify ./k1"),
        "k1: keyset 1 of bans.example.com/prod, signed by root, key-1; what it follows was not checked\n"
    );
    assert_eq!(desk.done("head ./k1"), text);
    // A key that is not in this keyset may be a root key of the keyset before. A key whose name
    // differs from its name in the keyset is reported.
    desk.put("signature", &key(9).signature(&text).bytes);
    assert_eq!(
        desk.done("attach ./k1 --key ./key-9.pub --signature ./signature"),
        "k1: signed by key-9 (ed25519); 3 signatures on keyset 1\nkey-9 is no root key of keyset 1: it counts if it is one of the keyset before\n"
    );
    assert_eq!(
        desk.done("sign ./k1 --key ./root --name toor"),
        "k1: signed by toor (ed25519); 4 signatures on keyset 1\nkeyset 1 calls this key root: sign again with --name root\n"
    );
    let shown = desk.done("show ./k1");
    assert!(
        shown.ends_with("\nsigned by root, key-1; 2 signatures by none of its own root keys\n"),
        "{shown}"
    );
    // A signature over other bytes is not attached, nor is any signature beyond the most that a
    // note can hold.
    desk.put("signature", &key(2).signature("else\n").bytes);
    let fault = desk
        .run("attach ./k1 --key ./key-2.pub --signature ./signature")
        .unwrap_err();
    assert!(
        fault.starts_with(
            "cannot attach \"signature\": it is not the signature of key-2 over this keyset / "
        ),
        "{fault}"
    );
    desk.write(
        &Keyset::parse(&text).unwrap(),
        &(10..26).collect::<Vec<_>>(),
    );
    assert_eq!(
        desk.run("sign ./k1 --key ./root").unwrap_err(),
        "cannot sign \"k1\": it has no room for another signature"
    );
}

#[test]
fn keysets_that_follow_one_another_are_verified_in_a_row() {
    let desk = Desk::new();
    desk.keyset(1, &[1, 2], 2, &[5], &[1, 2]);
    desk.keyset(2, &[2, 3], 1, &[5, 6], &[1, 2]);
    desk.keyset(3, &[3], 1, &[6], &[3]);
    let second = "k2: keyset 2 of bans.example.com/prod follows keyset 1, signed by key-1, key-2\n  removes root key key-1\n  adds root key key-3\n  \
                  adds list key key-6\n  root threshold 1 instead of 2\n";
    let third = "k3: keyset 3 of bans.example.com/prod follows keyset 2, signed by key-3\n  removes root key key-2\n  removes list key key-5\n";
    assert_eq!(
        desk.done("verify --after ./k1 ./k2 ./k3"),
        format!("{second}{third}")
    );
    assert!(
        desk.done("verify ./k1 ./k2 ./k3")
            .ends_with(&format!("not checked\n{second}{third}"))
    );
    // Each signature is reported when there are too few good ones, and when one of them is bad.
    desk.keyset(2, &[2, 3], 1, &[5, 6], &[2, 3, 7]);
    assert_eq!(
        desk.run("verify --after ./k1 ./k2").unwrap_err(),
        "cannot trust keyset \"k2\": by root keys of keyset 1: 1 of 2 trusted signatures (0 bad, 2 by unknown keys)\n  \
         key-2: good (keyset 1, keyset 2)\n  key-3: good (keyset 2)\n  key-7: by no root key of these keysets / embargoctl keyset sign --key KEY KEYSET"
    );
    let mut signed = SignedKeyset::parse(&{
        desk.keyset(2, &[2, 3], 1, &[5, 6], &[3, 1, 2]);
        desk.read("k2").into_bytes()
    })
    .unwrap();
    signed.signatures[0].bytes[7] ^= 1;
    desk.put("k2", signed.note().as_bytes());
    assert!(desk.done("verify --after ./k1 ./k2").ends_with(
        "\n  key-3: bad\n  key-1: good (keyset 1)\n  key-2: good (keyset 1, keyset 2)\n"
    ));
    let fault = "cannot trust keyset \"k3\": keyset 3 does not follow keyset 1 / name every keyset in between, in the order of their numbers";
    assert_eq!(desk.run("verify --after ./k1 ./k3").unwrap_err(), fault);
    desk.keyset(1, &[1, 2], 2, &[5], &[]);
    assert_eq!(
        desk.run("verify ./k1").unwrap_err(),
        "cannot vouch for keyset \"k1\": by its own root keys, those of keyset 1: not signed, and 2 trusted signatures needed / embargoctl keyset sign --key KEY KEYSET"
    );
    desk.put("k1", keyset(&[5], 1).text().as_bytes());
    assert_eq!(
        desk.done("verify ./k1"),
        "k1: keyset 1 of bans.example.com/prod, it has no root keys; what it follows was not checked\n"
    );
    let by_hand = "cannot trust keyset \"k2\": keyset 1 has no root keys, so it can only be replaced by hand / put it in place of the old one by hand, on every node";
    assert_eq!(desk.run("verify --after ./k1 ./k2").unwrap_err(), by_hand);
}

#[test]
fn whoever_carries_a_keyset_does_not_say_who_signed_it() {
    let desk = Desk::new();
    desk.keyset(1, &[1, 2], 1, &[5], &[1]);
    desk.keyset(2, &[1, 2], 2, &[5, 6], &[1, 2]);
    desk.arm(&[5]);
    for file in ["k1", "k2"] {
        desk.put(
            file,
            desk.read(file)
                .replace("\u{2014} key-1 ", "\u{2014} key-2 ")
                .as_bytes(),
        );
    }
    assert!(desk.done("verify ./k1").contains(", signed by key-1; "));
    assert!(desk.done("show ./k1").contains("\nsigned by key-1"));
    assert!(
        desk.done("verify --after ./k1 ./k2")
            .contains(" follows keyset 1, signed by key-1, key-2\n")
    );
    let (said, steps) = desk.rotate("./k2");
    assert!(
        said.unwrap()
            .starts_with("keyset 2 is in force, signed by key-1, key-2\n")
    );
    assert_eq!(steps[0].signers, ["key-1", "key-2"]);
    // The key's name is also reported for a keyset that does not follow.
    desk.keyset(3, &[1, 2], 2, &[6], &[1]);
    desk.put(
        "k3",
        desk.read("k3")
            .replace("\u{2014} key-1 ", "\u{2014} bob ")
            .as_bytes(),
    );
    let fault = desk.run("verify --after ./k2 ./k3").unwrap_err();
    assert!(
        fault.contains(
            "\n  key-1: good (keyset 2, keyset 3); bob in the line is not the key's name / "
        ),
        "{fault}"
    );
}

#[test]
fn rotate_and_a_lost_key_signs_no_more() {
    let desk = Desk::new();
    // Key 5 is lost. The list in force has a signature of key 6 too.
    desk.keyset(1, &[1, 2], 1, &[5, 6], &[]);
    desk.keyset(2, &[1, 2], 1, &[6, 7], &[1]);
    desk.keyset(3, &[2], 1, &[6, 7], &[2]);
    desk.arm(&[5, 6]);
    let (said, steps) = desk.rotate("--dry-run ./k2 ./k3");
    let told = |verb: &str, is: &str| {
        format!(
            "{verb} keyset 2{is}, signed by key-1\n  removes list key key-5\n  adds list key key-7\n{verb} keyset 3{is}, signed by key-2\n  removes root key key-1\n"
        )
    };
    assert_eq!(said.unwrap(), told("would follow", ""));
    assert_eq!((steps.len(), desk.on_node()), (2, desk.read("k1")));
    let (said, steps) = desk.rotate("./k2 ./k3");
    assert_eq!(
        said.unwrap(),
        told("", " is in force")
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
    // A second run, also with keysets that the node is past, finds everything done and writes
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
    // The option `--without-list` allows it.
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
    // If the first copy of the list is damaged, the second copy counts. One copy that stays trusted
    // is enough.
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
