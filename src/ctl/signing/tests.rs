//! Tests signatures of this machine's real tools, and the errors for unusable signatures.

use std::path::Path;

use super::super::testing::Desk;
use super::*;
use crate::banlist::key::testing::{Sealed, TestSsh};
use crate::ctl::keys::pem;

/// A directory with a list, and its head in a file.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.build();
    desk.write("head", desk.run("list head @l").unwrap().as_bytes());
    desk
}

/// Attaches a signature. Returns the output without the file's name.
fn attach(desk: &Desk, key: &str, signature: &str) -> Result<String, String> {
    let said = desk.run(&format!(
        "list attach --key @{key} --signature @{signature} @l"
    ))?;
    Ok(said.trim_start_matches("l: ").to_owned())
}

/// Makes keys with every tool, each with its `.pub`: `ed.pem`, `ec.pem`, `sshed`, `sshec`, `mini`,
/// `sig`.
fn make_keys(desk: &Desk) {
    desk.openssl("genpkey -algorithm ed25519 -out ed.pem");
    desk.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem");
    for key in ["ed", "ec"] {
        desk.openssl(&format!("pkey -in {key}.pem -pubout -out {key}.pub"));
    }
    desk.write("empty", b"");
    desk.tool("ssh-keygen", "-q -t ed25519 -N  -C alice -f sshed", None);
    desk.tool("ssh-keygen", "-q -t ecdsa -b 256 -N  -C bob -f sshec", None);
    desk.tool("minisign", "-G -W -p mini.pub -s mini.key", None);
    desk.tool("signify-openbsd", "-G -n -p sig.pub -s sig.sec", None);
}

/// Signs `file` with every key. The signatures are in `KEY.sig`, and one in minisign's older form
/// is in `old.sig`.
fn sign_with_all(desk: &Desk, file: &str) {
    desk.openssl(&format!(
        "pkeyutl -sign -rawin -inkey ed.pem -in {file} -out ed.sig"
    ));
    desk.openssl(&format!("dgst -sha256 -sign ec.pem -out ec.sig {file}"));
    for key in ["sshed", "sshec"] {
        let words = format!("-q -Y sign -n banlist.v1 -f {key} {file}");
        desk.tool("ssh-keygen", &words, None);
        desk.tool("mv", &format!("{file}.sig {key}.sig"), None);
    }
    desk.tool(
        "minisign",
        &format!("-S -s mini.key -m {file} -x mini.sig"),
        None,
    );
    desk.tool(
        "minisign",
        &format!("-S -l -s mini.key -m {file} -x old.sig"),
        None,
    );
    desk.tool(
        "signify-openbsd",
        &format!("-S -s sig.sec -m {file} -x sig.sig"),
        None,
    );
}

#[test]
fn a_list_is_signed_with_every_tool_that_people_own() {
    let desk = desk();
    make_keys(&desk);
    sign_with_all(&desk, "head");
    let keys = ["ed", "ec", "sshed", "sshec", "mini", "sig"];
    let listed: String = keys
        .iter()
        .map(|key| format!(" --list-key @{key}.pub"))
        .collect();
    desk.run(&format!(
        "keyset new --origin o{listed} --threshold 6 --out @keyset"
    ))
    .unwrap();
    let words = [
        "ed25519", "p256", "sshsig", "sshsig", "minisign", "minisign",
    ];
    for (at, (key, word)) in keys.iter().zip(words).enumerate() {
        let count = super::super::amount(at + 1, "signature");
        assert_eq!(
            attach(&desk, &format!("{key}.pub"), &format!("{key}.sig")),
            Ok(format!("signed by {key} ({word}); {count} on version 4\n"))
        );
    }
    let verified = desk.run("list verify --keyset @keyset @l").unwrap();
    assert!(
        verified.contains("signatures: 6 good, 6 needed\n"),
        "{verified}"
    );
    assert_eq!(
        attach(&desk, "mini.pub", "old.sig").unwrap(),
        "already signed by mini\n"
    );
}

#[test]
fn both_forms_of_minisign_are_taken() {
    let desk = desk();
    make_keys(&desk);
    sign_with_all(&desk, "head");
    assert_eq!(
        attach(&desk, "mini.pub", "old.sig").unwrap(),
        "signed by mini (minisign); 1 signature on version 4\n"
    );
}

#[test]
fn a_signature_over_other_bytes_is_reported_by_how_they_differ() {
    let desk = desk();
    make_keys(&desk);
    let head = desk.text("head");
    let unlike = "it is not the signature of";
    let ways = [
        (
            "crlf",
            head.replace('\n', "\r\n"),
            "signed this list's head with CRLF for its line feeds",
        ),
        (
            "cut",
            head.trim_end().to_owned(),
            "signed this list's head without its last line feed",
        ),
        (
            "more",
            format!("{head}\n"),
            "signed this list's head with one more line feed",
        ),
        (
            "hex",
            Digest::of(head.as_bytes()).hex(),
            "signed this list's head as a hexadecimal digest: the tool wants the text itself",
        ),
        ("other", "another text\n".to_owned(), unlike),
    ];
    for (file, text, expected) in ways {
        desk.write(file, text.as_bytes());
        sign_with_all(&desk, file);
        for key in ["ed", "ec", "sshed", "sshec", "mini", "sig"] {
            let fault = attach(&desk, &format!("{key}.pub"), &format!("{key}.sig")).unwrap_err();
            let expected = if expected == unlike {
                format!("{unlike} {key} over this list's head")
            } else {
                format!("{key} {expected}")
            };
            assert!(
                fault.starts_with(&format!(
                    "cannot attach \"{key}.sig\": {expected} / sign the bytes of "
                )),
                "{fault}"
            );
        }
    }
    desk.write("digest", Digest::of(head.as_bytes()).as_bytes());
    desk.openssl("pkeyutl -sign -rawin -inkey ed.pem -in digest -out ed.sig");
    assert_eq!(
        attach(&desk, "ed.pub", "ed.sig").unwrap_err(),
        "cannot attach \"ed.sig\": ed signed this list's head hashed once too often: the tool wants the text itself / \
         sign the bytes of `embargoctl list head` as they are, without a digest"
    );
    assert!(desk.run("list show @l").unwrap().contains("\nnot signed\n"));
}

#[test]
fn an_ssh_signature_for_something_else_says_what_it_is_for() {
    let desk = desk();
    make_keys(&desk);
    desk.tool("ssh-keygen", "-q -Y sign -n file -f sshed head", None);
    assert_eq!(
        attach(&desk, "sshed.pub", "head.sig").unwrap_err(),
        "cannot attach \"head.sig\": it was made for the namespace \"file\", not banlist.v1 / \
         sign again: ssh-keygen -Y sign -n banlist.v1 -f KEY head"
    );
}

#[test]
fn a_signature_by_another_key_says_whose_it_is() {
    let desk = desk();
    make_keys(&desk);
    sign_with_all(&desk, "head");
    let blob = |name: &str| {
        let public = keys::public_key(Path::new(&desk.path(name)))
            .unwrap()
            .public;
        label(public.algorithm(), public.as_bytes())
    };
    for (key, signature) in [("sshed", "sshec"), ("mini", "sig")] {
        assert_eq!(
            attach(&desk, &format!("{key}.pub"), &format!("{signature}.sig")).unwrap_err(),
            format!(
                "cannot attach \"{signature}.sig\": the key {} made it, not {key} ({}) / name that key's public half with --key",
                blob(&format!("{signature}.pub")),
                blob(&format!("{key}.pub"))
            )
        );
    }
    // The tools print the same names for their keys.
    assert!(desk.text("mini.pub").contains(&blob("mini.pub")));
    assert!(blob("sshed.pub").starts_with("SHA256:") && blob("sshed.pub").len() == 7 + 43);
}

#[test]
fn what_does_not_fit_the_key_says_what_would() {
    let desk = desk();
    make_keys(&desk);
    sign_with_all(&desk, "head");
    desk.tool(
        "signify-openbsd",
        "-S -e -s sig.sec -m head -x embedded.sig",
        None,
    );
    desk.tool("mkfifo", "fifo", None);
    desk.tool("mkdir", "directory", None);
    for (key, signature, expected) in [
        (
            "ed",
            "sshed",
            "it has not the form of a signature by ed, which is a key of kind ed25519 / expected 64 bytes, or Base 64 of them",
        ),
        (
            "ed",
            "ec",
            "it has not the form of a signature by ed, which is a key of kind ed25519 / expected 64 bytes, or Base 64 of them",
        ),
        (
            "ec",
            "mini",
            "it has not the form of a signature by ec, which is a key of kind p256 / expected DER or 64 bytes, or Base 64 of either",
        ),
        (
            "ec",
            "ed",
            "it is not the signature of ec over this list's head / sign the bytes of `embargoctl list head` as they are, with SHA-256; \
             it may be of an older head: write the head anew, remove the old signature, sign again",
        ),
        (
            "sshed",
            "mini",
            "it has not the form of a signature by sshed, which is a key of kind sshsig / expected the head.sig of ssh-keygen -Y sign",
        ),
        (
            "mini",
            "ed",
            "it has not the form of a signature by mini, which is a key of kind minisign / expected the head.minisig of minisign, or the head.sig of signify",
        ),
        (
            "sig",
            "embedded",
            "its message is inside it / sign without -e: signify -S -s KEY -m head -x head.sig",
        ),
    ] {
        let fault = attach(&desk, &format!("{key}.pub"), &format!("{signature}.sig")).unwrap_err();
        assert_eq!(
            fault,
            format!("cannot attach \"{signature}.sig\": {expected}")
        );
    }
    for (file, expected) in [
        (
            "mini.pub",
            "cannot attach \"mini.pub\": it is a key / it belongs to --key; --signature takes what the tool wrote when it signed",
        ),
        (
            "empty",
            "cannot attach \"empty\": it is empty / embargo-signing(7) has the commands of each tool",
        ),
        ("fifo", "cannot read \"fifo\": not a regular file"),
        ("directory", "cannot read \"directory\": not a regular file"),
        ("none", "cannot read \"none\""),
    ] {
        assert_eq!(attach(&desk, "ed.pub", file).unwrap_err(), expected);
    }
}

#[test]
fn keys_of_tools_that_sign_themselves_are_refused_with_the_command() {
    let desk = desk();
    make_keys(&desk);
    for (key, expected) in [
        (
            "sshed",
            "it is an SSH key / sign with its own tool: list head LIST > head; ssh-keygen -Y sign -n banlist.v1 -f KEY head; list attach",
        ),
        (
            "mini.key",
            "it is a key of minisign / sign with its own tool: list head LIST > head; minisign -S -s KEY -m head; list attach",
        ),
        (
            "sig.sec",
            "it is a key of signify / sign with its own tool: list head LIST > head; signify -S -s KEY -m head -x head.sig; list attach",
        ),
    ] {
        assert_eq!(
            desk.run(&format!("list sign --key @{key} @l")).unwrap_err(),
            format!("cannot sign with \"{key}\": {expected}")
        );
    }
}

#[test]
fn a_key_on_a_token_signs_a_list_and_ssh_keygen_says_the_same() {
    // This machine has no token. The bytes of the signature are made as PROTOCOL.u2f says, and the
    // real ssh-keygen confirms that they are right.
    for key in [
        TestSsh::ed25519(1).on_token(b"ssh:"),
        TestSsh::p256().on_token(b"ssh:"),
    ] {
        let desk = desk();
        let public = format!(
            "{} {}",
            std::str::from_utf8(key.kind()).unwrap(),
            base64::encode(&key.blob())
        );
        desk.write("token.pub", format!("{public} alice@token\n").as_bytes());
        desk.write("signers", format!("alice {public}\n").as_bytes());
        let seal = |name: &str, sealed: &Sealed<'_>| {
            desk.write(
                name,
                pem::encode(
                    &key.seal(desk.text("head").as_bytes(), sealed),
                    "SSH SIGNATURE",
                )
                .as_bytes(),
            );
        };
        seal(
            "untouched.sig",
            &Sealed {
                flags: 0,
                ..Sealed::default()
            },
        );
        seal("touched.sig", &Sealed::default());
        assert_eq!(
            attach(&desk, "token.pub", "untouched.sig").unwrap_err(),
            "cannot attach \"untouched.sig\": nobody touched the token when it signed / use a key that was made without -O no-touch-required"
        );
        desk.tool(
            "ssh-keygen",
            "-Y verify -n banlist.v1 -f signers -I alice -s touched.sig",
            Some("head"),
        );
        assert_eq!(
            attach(&desk, "token.pub", "touched.sig").unwrap(),
            "signed by token (sshsig); 1 signature on version 4\n"
        );
        desk.run("keyset new --origin o --list-key @token.pub --out @keyset")
            .unwrap();
        assert!(
            desk.run("list verify --keyset @keyset @l")
                .unwrap()
                .contains("token: good (sshsig)\n")
        );
    }
}
