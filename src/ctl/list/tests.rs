//! Tests the `list` commands as people type them, with the OpenSSL of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::testing::Desk;
use super::sign;
use crate::banlist::keyset::{Key, Role};
use crate::banlist::testing::{key, keyset};
use crate::sys::file::{self, Guard};

#[test]
fn a_key_is_made_once_with_its_public_half_beside_it() {
    for algorithm in ["ed25519", "p256"] {
        let desk = Desk::new();
        let made = desk
            .run(&format!("keygen --out @ops.pem --algorithm {algorithm}"))
            .unwrap();
        assert_eq!(
            made,
            "private key: ops.pem (keep it; nodes do not need it)\npublic key:  ops.pem.pub\nname:        ops\n"
        );
        assert_eq!(
            fs::metadata(desk.path("ops.pem"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
        assert!(
            desk.text("ops.pem.pub")
                .starts_with(&format!("key list ops {algorithm} "))
        );
        let before = desk.text("ops.pem");
        assert_eq!(
            desk.run("keygen --out @ops.pem").unwrap_err(),
            "cannot overwrite \"ops.pem\": it exists / choose another --out"
        );
        assert_eq!(desk.text("ops.pem"), before);
        // OpenSSL can read the key, and derives the public key that `keygen` wrote.
        desk.openssl("pkey -in ops.pem -pubout -out ops-public.pem");
        let from_pem =
            super::super::keys::public_key(Path::new(&desk.path("ops-public.pem"))).unwrap();
        let from_line =
            super::super::keys::public_key(Path::new(&desk.path("ops.pem.pub"))).unwrap();
        assert_eq!(
            (from_pem.public, from_pem.name.as_str()),
            (from_line.public, "ops-public")
        );
    }
    let fault = Desk::new().run("keygen --out @a+b.pem").unwrap_err();
    assert_eq!(fault, "cannot name a key \"a+b\"");
}

#[test]
fn a_list_is_signed_by_people_with_different_tools_and_verified() {
    let desk = Desk::new();
    desk.run("keygen --out @ops.pem").unwrap();
    desk.openssl("genpkey -algorithm ed25519 -out ed.pem");
    desk.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem");
    for key in ["ed", "ec"] {
        desk.openssl(&format!("pkey -in {key}.pem -pubout -out {key}.pub"));
    }
    desk.run("keyset new --origin o --list-key @ops.pem.pub --list-key @ed.pub --list-key @ec.pub --threshold 3 --out @keyset").unwrap();
    assert_eq!(
        desk.run("keyset show @keyset")
            .unwrap()
            .split_once('\n')
            .unwrap()
            .1,
        "a list needs 3 list keys, one that lifts a ban 3, the next keyset 0 root keys\n  list ops ed25519\n  list ed ed25519\n  list ec p256\n"
    );
    desk.build();
    let fault = desk.run("list verify --keyset @keyset @l").unwrap_err();
    assert_eq!(
        fault,
        "cannot trust list \"l\": not signed, and 3 trusted signatures needed / embargoctl list sign --key KEY l"
    );
    // One signature is by our tool and two are by OpenSSL over the bytes of `list head`. One of
    // these two is in Base 64, as key services print signatures.
    assert_eq!(
        desk.run("list sign --key @ops.pem @l").unwrap(),
        "l: signed by ops (ed25519); 1 signature on version 4\n"
    );
    desk.write("head", desk.run("list head @l").unwrap().as_bytes());
    desk.openssl("pkeyutl -sign -rawin -inkey ed.pem -in head -out ed.sig");
    desk.openssl("dgst -sha256 -sign ec.pem -out ec.raw head");
    desk.openssl("base64 -A -in ec.raw -out ec.sig");
    let fault = desk.run("list verify --keyset @keyset @l").unwrap_err();
    assert_eq!(
        fault,
        "cannot trust list \"l\": 1 of 3 trusted signatures (0 bad, 0 by unknown keys) / \
         l: version 4 for o (keyset 1), issued 2026-11-20T14:00:00Z, expires 2026-12-04T14:00:00Z /   ops: good (ed25519) / \
         2 more of ed, ec to sign: embargoctl list sign --key KEY l"
    );
    desk.run("list attach --key @ed.pub --signature @ed.sig @l")
        .unwrap();
    assert_eq!(
        desk.run("list attach --key @ec.pub --signature @ec.sig @l")
            .unwrap(),
        "l: signed by ec (p256); 3 signatures on version 4\n"
    );
    assert_eq!(
        desk.run("list verify --keyset @keyset @l").unwrap(),
        "l: version 4 for o (keyset 1), issued 2026-11-20T14:00:00Z, expires 2026-12-04T14:00:00Z\n\
         every byte is what the head says: 1 ban, 1 digest (1 base, 0 image, 0 layer)\nsignatures: 3 good, 3 needed\n\
         \x20 ops: good (ed25519)\n  ed: good (ed25519)\n  ec: good (p256)\n"
    );
    // The name in a signature line decides nothing: anybody who transports the list can change the
    // name.
    let mut list = crate::sys::file::read(
        desk.path("l").as_ref(),
        1 << 20,
        crate::sys::file::Guard::Any,
    )
    .unwrap();
    let at = list
        .windows(7)
        .position(|bytes| bytes == "\u{2014} ed ".as_bytes())
        .unwrap();
    list[at + 4..at + 6].copy_from_slice(b"al");
    desk.write("l", &list);
    let said = desk.run("list verify --keyset @keyset @l").unwrap();
    assert!(
        said.ends_with("\n  ops: good (ed25519)\n  ed: good (ed25519); al in the line is not the key's name\n  ec: good (p256)\n"),
        "{said}"
    );
    // The keys made by OpenSSL also sign with our tool.
    desk.build();
    for key in ["ed", "ec"] {
        desk.run(&format!("list sign --key @{key}.pem @l")).unwrap();
    }
    assert_eq!(
        desk.run("list sign --key @ed.pem @l").unwrap(),
        "l: already signed by ed\n"
    );
}

#[test]
fn a_signature_of_another_key_or_text_is_not_attached() {
    let desk = Desk::new();
    desk.run("keygen --out @ops.pem").unwrap();
    desk.run("keygen --out @other.pem").unwrap();
    desk.build();
    desk.write("head", b"another text\n");
    desk.openssl("pkeyutl -sign -rawin -inkey ops.pem -in head -out sig");
    for key in ["ops", "other"] {
        let fault = desk
            .run(&format!(
                "list attach --key @{key}.pem.pub --signature @sig @l"
            ))
            .unwrap_err();
        let expected = format!(
            "cannot attach \"sig\": it is not the signature of {key} over this list's head / sign the bytes of "
        );
        assert!(fault.starts_with(&expected), "{fault}");
    }
    assert!(desk.run("list show @l").unwrap().contains("\nnot signed\n"));
}

#[test]
fn keys_that_cannot_sign_are_refused_with_what_to_do() {
    let desk = Desk::new();
    desk.build();
    desk.openssl("ecparam -name prime256v1 -genkey -noout -out old.pem");
    desk.openssl("genpkey -algorithm ed25519 -aes256 -pass pass:x -out locked.pem");
    desk.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem");
    desk.write("no.pem", b"no key\n");
    for (key, fault) in [
        (
            "old",
            "it is not in PKCS#8 / convert it: openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW",
        ),
        ("locked", "it is encrypted / sign with its own tool: "),
        (
            "p384",
            "it is not an Ed25519 or P-256 key in PKCS#8 PEM / make one with ",
        ),
        (
            "no",
            "it is not an Ed25519 or P-256 key in PKCS#8 PEM / make one with ",
        ),
    ] {
        let found = desk
            .run(&format!("list sign --key @{key}.pem @l"))
            .unwrap_err();
        assert!(
            found.starts_with(&format!("cannot sign with \"{key}.pem\": {fault}")),
            "{found}"
        );
    }
    // The command in the hint works.
    desk.openssl("pkcs8 -topk8 -nocrypt -in old.pem -out new.pem");
    desk.run("list sign --key @new.pem @l").unwrap();
}

#[test]
fn the_same_source_and_terms_make_the_same_bytes() {
    let desk = Desk::new();
    let read = || file::read(Path::new(&desk.path("l")), 1 << 20, Guard::Any).unwrap();
    desk.build();
    let first = read();
    desk.build();
    assert_eq!(read(), first);
}

#[test]
fn a_list_is_shown_to_people_and_to_programs() {
    let desk = Desk::new();
    desk.build();
    assert_eq!(
        desk.run("list show @l").unwrap(),
        "l: version 4 for o (keyset 1), issued 2026-11-20T14:00:00Z, expires 2026-12-04T14:00:00Z\n\
         1 ban, 1 digest (1 base, 0 image, 0 layer)\nnot signed\n\n\
         BAN-1 high, refuses 1 digest from 2026-11-20T00:00:00Z\n  why\n  matches debian:12.4\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&desk.run("list show --json @l").unwrap()).unwrap();
    assert_eq!(
        (
            &json["version"],
            &json["bans"][0]["id"],
            &json["bans"][0]["entries"]["base"]
        ),
        (&4.into(), &"BAN-1".into(), &1.into())
    );
}

#[test]
fn terms_and_keysets_that_make_no_sense_are_refused() {
    let desk = Desk::new();
    desk.run("keygen --out @ops.pem").unwrap();
    for (words, fault) in [
        (
            "list build --source @none.toml --origin o --version 1 --out @l",
            "cannot read \"none.toml\"",
        ),
        (
            "list build --source @bans.toml --origin o --version 1 --issued 2026-11-20 --expires 2026-11-20 --out @l",
            "cannot build the list: it would expire before it is issued",
        ),
        (
            "list build --source @bans.toml --origin \u{e9} --version 1 --out @l",
            "cannot build a list for \"\u{e9}\": an origin has 1 to 128 visible characters",
        ),
        (
            "keyset new --origin o --list-key @ops.pem",
            "cannot read \"ops.pem\" as a public key: it is a private key / use its public half: ",
        ),
        (
            "keyset new --origin o --list-key @ops.pem.pub --threshold 2",
            "cannot make the keyset: the threshold of 2 needs 2 list keys, there is 1: --threshold sets it",
        ),
        (
            "keyset new --origin o --list-key @ops.pem.pub --list-key @ops.pem.pub",
            "cannot make the keyset: the list keys ops and ops are one key, which counts once",
        ),
        (
            "keygen --out @nodir/x",
            "cannot write \"nodir/x\": the directory \"nodir\" is missing",
        ),
        (
            "list show @bans.toml",
            "cannot use \"bans.toml\": not a ban list: it has no head",
        ),
        (
            "list verify @bans.toml --keyset @none",
            "cannot read \"none\" / name a keyset with --keyset, ",
        ),
    ] {
        let found = desk.run(words).unwrap_err();
        assert!(found.starts_with(fault), "{words}: {found}");
    }
    assert!(
        desk.run("list build --origin o --version 1 --valid soon")
            .unwrap_err()
            .contains("expected a span such as 12h or 14d")
    );
}

#[test]
fn what_a_link_leads_to_is_signed_and_the_link_stays() {
    let desk = Desk::new();
    desk.run("keygen --out @ops.pem").unwrap();
    desk.build();
    std::os::unix::fs::symlink("l", desk.path("link")).unwrap();
    desk.run("list sign --key @ops.pem @link").unwrap();
    assert!(
        std::fs::symlink_metadata(desk.path("link"))
            .unwrap()
            .is_symlink()
    );
    assert!(
        desk.run("list show @l")
            .unwrap()
            .contains("signatures, not checked here: ops (ed25519)\n")
    );
}

#[test]
fn a_copy_that_somebody_else_signed_is_no_signature() {
    let desk = Desk::new();
    desk.run("keygen --out @ops.pem").unwrap();
    desk.build();
    assert_eq!(
        desk.run("list attach --key @ops.pem.pub --signature @l @l")
            .unwrap_err(),
        "cannot attach \"l\": it is no signature, but what is signed / \
         pass one file on from signer to signer, or attach what each signer's tool wrote"
    );
}

#[test]
fn a_key_that_no_node_counts_is_reported_why() {
    let named = |seed, name: &str| Key {
        role: Role::List,
        name: name.to_owned(),
        public: key(seed).public(),
    };
    let of = |key: &Key| sign::unidentified(&keyset(&[1], 1), key);
    assert_eq!(of(&named(1, "key-1")), None);
    assert_eq!(
        of(&named(2, "mini")),
        Some("mini is no list key of keyset 1".to_owned())
    );
    assert_eq!(
        of(&named(1, "mini")),
        Some("keyset 1 calls this key key-1: sign again with --name key-1".to_owned())
    );
}
