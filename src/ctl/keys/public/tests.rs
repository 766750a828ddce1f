//! Tests that public keys are read as the tools write them.

use std::path::PathBuf;

use super::*;
use crate::banlist::key::testing::TestSsh;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/signatures/");

fn fixture(name: &str) -> Vec<u8> {
    file::read(
        &PathBuf::from(format!("{FIXTURES}{name}")),
        MAX_KEYSET,
        Guard::Any,
    )
    .unwrap()
}

#[test]
fn the_keys_of_every_tool_are_read_and_named() {
    for (name, algorithm, expected) in [
        (
            "openssh-9.2-ed25519.pub",
            Algorithm::Sshsig,
            "openssh-9.2-ed25519",
        ),
        (
            "openssh-9.2-ecdsa.pub",
            Algorithm::Sshsig,
            "openssh-9.2-ecdsa",
        ),
        ("minisign-0.11.pub", Algorithm::Minisign, "minisign-0.11"),
        ("signify-31.pub", Algorithm::Minisign, "signify-31"),
    ] {
        let key = public_key(&PathBuf::from(format!("{FIXTURES}{name}"))).unwrap();
        assert_eq!(
            (key.public.algorithm(), key.name.as_str()),
            (algorithm, expected),
            "{name}"
        );
    }
}

#[test]
fn a_file_named_as_everybodys_gives_its_key_the_comment() {
    let directory = tempfile::tempdir().unwrap();
    let key = base64::encode(&TestSsh::ed25519(1).blob());
    for (file, comment, expected) in [
        ("id_ed25519.pub", " alice@laptop", Ok("alice@laptop")),
        ("id_ed25519.pub", "", Ok("id_ed25519")),
        ("id_ed25519.pub", " Alice on her laptop", Ok("id_ed25519")),
        ("alice.pub", " alice@laptop", Ok("alice")),
        ("a b.pub", " alice@laptop", Err("cannot name a key \"a b\"")),
    ] {
        let path = directory.path().join(file);
        crate::sys::replace::replace(
            &path,
            0o644,
            format!("ssh-ed25519 {key}{comment}\n").as_bytes(),
        )
        .unwrap();
        let name = public_key(&path)
            .map(|key| key.name)
            .map_err(|error| error.to_string());
        assert_eq!(
            name.as_deref().map_err(String::as_str),
            expected,
            "{file}{comment}"
        );
    }
}

#[test]
fn one_key_is_the_same_in_every_spelling() {
    let ssh = TestSsh::ed25519(1);
    let der = [&crate::banlist::key::ED25519_SPKI[..], ssh.point()].concat();
    let pem = pem::encode(&der, "PUBLIC KEY");
    let plain = parse(pem.as_bytes()).unwrap().0;
    for (case, bytes) in [
        ("DER", der.clone()),
        ("Base 64", base64::encode(&der).into_bytes()),
        ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
        (
            "PEM with words around it",
            format!("of the HSM\n{pem}\n").into_bytes(),
        ),
    ] {
        assert_eq!(parse(&bytes).unwrap().0, plain, "{case}");
    }
    let line = format!(
        "# of alice\r\n\r\n{} {} alice\r\n",
        "ssh-ed25519",
        base64::encode(&ssh.blob())
    );
    let (public, comment) = parse(line.as_bytes()).unwrap();
    assert_eq!(
        (public.identity(), comment),
        (plain.identity(), Some("alice"))
    );
    for key in [
        TestSsh::ed25519(1).on_token(b"ssh:"),
        TestSsh::p256().on_token(b"ssh:"),
        TestSsh::p256(),
    ] {
        let line = format!(
            "{} {}",
            std::str::from_utf8(key.kind()).unwrap(),
            base64::encode(&key.blob())
        );
        assert_eq!(parse(line.as_bytes()).unwrap().0.as_bytes(), key.blob());
    }
    let minisign = String::from_utf8(fixture("minisign-0.11.pub")).unwrap();
    assert_eq!(
        parse(minisign.lines().nth(1).unwrap().as_bytes()),
        parse(minisign.as_bytes())
    );
}

#[test]
fn what_is_no_public_key_is_reported_by_what_it_is() {
    let ssh = base64::encode(&TestSsh::ed25519(1).blob());
    let spki = |middle: &str| {
        let der = [0x30, 0x30].into_iter().chain(
            (0..middle.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&middle[at..at + 2], 16).unwrap()),
        );
        pem::encode(&der.collect::<Vec<_>>(), "PUBLIC KEY")
    };
    let small_order = [&crate::banlist::key::ED25519_SPKI[..], &[0; 32]].concat();
    let minisign = String::from_utf8(fixture("minisign-0.11.pub")).unwrap();
    let two = format!("ssh-ed25519 {ssh}\nssh-ed25519 {ssh}\n");
    let text = |name| String::from_utf8(fixture(name)).unwrap();
    for (case, file, expected) in [
        (
            "RSA",
            spki("300d06092a864886f70d0101010500"),
            NoKey::Kind("an RSA"),
        ),
        (
            "P-384",
            spki("301006072a8648ce3d020106052b81040022"),
            NoKey::Kind("a P-384"),
        ),
        ("X25519", spki("300506032b656e"), NoKey::Kind("an X25519")),
        ("Ed448", spki("300506032b6571"), NoKey::Kind("an Ed448")),
        ("an unknown kind", spki("300506032b6501"), NoKey::Damaged),
        (
            "small order",
            pem::encode(&small_order, "PUBLIC KEY"),
            NoKey::Damaged,
        ),
        (
            "old RSA",
            pem::encode(&[0x30, 0], "RSA PUBLIC KEY"),
            NoKey::Kind("an RSA"),
        ),
        (
            "a private key",
            pem::encode(&[0x30, 0], "PRIVATE KEY"),
            NoKey::Private,
        ),
        (
            "an SSH private key",
            pem::encode(b"openssh-key-v1", "OPENSSH PRIVATE KEY"),
            NoKey::Private,
        ),
        (
            "a certificate",
            pem::encode(&[0x30, 0], "CERTIFICATE"),
            NoKey::Certificate,
        ),
        (
            "a chain",
            pem::encode(&[0x30, 0], "CERTIFICATE").repeat(2),
            NoKey::Certificate,
        ),
        (
            "OpenPGP",
            pem::encode(&[0x30, 0], "PGP PUBLIC KEY BLOCK"),
            NoKey::Kind("an OpenPGP"),
        ),
        (
            "cut PEM",
            "-----BEGIN PUBLIC KEY-----\nMCow\n".to_owned(),
            NoKey::Damaged,
        ),
        (
            "two PEM keys",
            pem::encode(&small_order, "PUBLIC KEY").repeat(2),
            NoKey::Several,
        ),
        (
            "SSH RSA",
            text("openssh-9.2-rsa.pub"),
            NoKey::Kind("an RSA"),
        ),
        (
            "SSH P-384",
            text("openssh-9.2-ecdsa-p384.pub"),
            NoKey::Kind("a P-384"),
        ),
        (
            "an SSH certificate",
            format!("ssh-ed25519-cert-v01@openssh.com {ssh} alice"),
            NoKey::SshCertificate,
        ),
        (
            "an SSH key of another kind",
            format!("ssh-rsa-x {ssh}"),
            NoKey::Unknown,
        ),
        (
            "the wrong kind in front",
            format!("ecdsa-sha2-nistp256 {ssh} alice x"),
            NoKey::Damaged,
        ),
        (
            "a signer",
            format!("alice@laptop ssh-ed25519 {ssh}"),
            NoKey::SshLine,
        ),
        ("two SSH keys", two, NoKey::Several),
        (
            "RFC 4716",
            "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n".to_owned(),
            NoKey::Ssh2,
        ),
        (
            "cut SSH",
            format!("ssh-ed25519 {}", &ssh[..ssh.len() - 4]),
            NoKey::Damaged,
        ),
        ("two minisign keys", minisign.repeat(2), NoKey::Several),
        (
            "a minisign signature",
            text("minisign-0.11.minisig"),
            NoKey::Signature,
        ),
        (
            "an SSH signature",
            text("openssh-9.2-ed25519-sha512.sig"),
            NoKey::Signature,
        ),
        (
            "a minisign secret key",
            "untrusted comment: minisign encrypted secret key\nRWRT\n".to_owned(),
            NoKey::Private,
        ),
        ("nothing", String::new(), NoKey::Unknown),
        ("a word", "key\n".to_owned(), NoKey::Unknown),
        ("a sentence", "no key at all\n".to_owned(), NoKey::Unknown),
    ] {
        assert_eq!(
            parse(file.as_bytes()).map(|(key, _)| key.algorithm()),
            Err(expected),
            "{case}"
        );
    }
    assert_eq!(parse(&[0xff, 0xfe, 0]), Err(NoKey::Unknown));
}

#[test]
fn no_truncation_of_a_key_file_is_a_key() {
    for name in [
        "openssh-9.2-ed25519.pub",
        "openssh-9.2-ecdsa.pub",
        "minisign-0.11.pub",
        "signify-31.pub",
    ] {
        let whole = fixture(name);
        let (key, _) = parse(&whole).unwrap();
        for cut in 0..whole.len() {
            // Without the comment or the last line feed, the file is still complete.
            if let Ok((found, _)) = parse(&whole[..cut]) {
                assert_eq!(found, key, "{name}, {cut} bytes");
            }
        }
    }
}
