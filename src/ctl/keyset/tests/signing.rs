//! Tests the signatures of keysets.

use super::*;

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
    // A key that is not in this keyset may be a root key of the previous keyset. A key whose name
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
    let document: serde_json::Value = serde_json::from_str(&desk.done("show --json ./k1")).unwrap();
    assert_eq!(
        (
            &document["schema"],
            &document["keyset"],
            &document["origin"]
        ),
        (&1.into(), &1.into(), &"bans.example.com/prod".into())
    );
    assert_eq!(
        (
            &document["signers"],
            &document["other_signatures"],
            &document["fault"]
        ),
        (
            &serde_json::json!(["root", "key-1"]),
            &2.into(),
            &serde_json::Value::Null
        )
    );
    assert!(document["thresholds"]["lift"].is_u64());
    assert!(
        document["keys"]
            .as_array()
            .unwrap()
            .contains(&serde_json::json!({ "name": "root", "role": "root", "form": "ed25519" })),
        "{document}"
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
