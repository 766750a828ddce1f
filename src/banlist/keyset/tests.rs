//! Tests the format of keysets.

use super::super::key::testing::TestSsh;
use super::super::testing::{key, keyset};
use super::*;

#[test]
fn a_keyset_is_read_as_it_was_written() {
    let keyset = keyset(&[1, 2, 3], 2);
    let text = keyset.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "embargo/banlist-keyset/v1",
            "origin: bans.example.com/prod",
            "keyset: 1",
            "issued: 2026-11-20T14:00:00Z",
            "expires: 2028-11-19T14:00:00Z",
            "threshold: root=0 list=2 lift=2",
        ]
    );
    assert_eq!(
        lines[6],
        format!(
            "key list key-1 ed25519 {}",
            base64::encode(key(1).public().as_bytes())
        )
    );
    let signed = SignedKeyset::parse(text.as_bytes()).unwrap();
    assert_eq!(
        (signed.keyset, signed.signatures.len()),
        (keyset.clone(), 0)
    );
    // Signatures of root keys are read here, and are checked later.
    let note = format!("{text}\n{}", key(9).signature(&text).line());
    let signed = SignedKeyset::parse(note.as_bytes()).unwrap();
    assert_eq!(
        (&signed.keyset, &signed.signatures),
        (&keyset, &vec![key(9).signature(&text)])
    );
    assert_eq!((&signed.text, signed.note()), (&text, note));
}

#[test]
fn keys_of_other_tools_are_read() {
    let minisign = base64::encode(&[b"Ed".as_slice(), &[9; 40]].concat());
    let ssh = base64::encode(&TestSsh::ed25519(2).on_token(b"ssh:").blob());
    let text = format!(
        "{}key list phone minisign {minisign}\nkey list bob sshsig {ssh}\n",
        keyset(&[1], 1).text()
    );
    let kinds: Vec<_> = Keyset::parse(&text)
        .unwrap()
        .keys
        .iter()
        .map(|key| key.public.algorithm().word())
        .collect();
    assert_eq!(kinds, ["ed25519", "minisign", "sshsig"]);
}

#[test]
fn what_is_no_keyset_is_refused_with_its_line() {
    let text = keyset(&[1, 2], 1).text();
    let first = text.lines().nth(6).unwrap();
    let small_order = base64::encode(&[0; 32]);
    let last = "\"key ROLE NAME ALGORITHM BASE64\"";
    for (from, to, expected) in [
        (
            "keyset/v1",
            "keyset/v2",
            "line 1: expected \"embargo/banlist-keyset/v1\"".to_owned(),
        ),
        (
            "origin: bans",
            "origin:bans",
            "line 2: expected \"origin: NAME\"".to_owned(),
        ),
        (
            "keyset: 1",
            "keyset: one",
            "line 3: expected \"keyset: NUMBER\"".to_owned(),
        ),
        (
            "14:00:00Z\nexpires",
            "14:00:00\nexpires",
            "line 4: expected \"issued: YYYY-MM-DDThh:mm:ssZ\"".to_owned(),
        ),
        (
            "expires: 2028-11-19T14:00:00Z",
            "expires: 2028-11-19",
            "line 5: expected \"expires: YYYY-MM-DDThh:mm:ssZ\", after the issue".to_owned(),
        ),
        (
            "root=0 ",
            "",
            "line 6: expected \"threshold: root=NUMBER list=NUMBER lift=NUMBER\"".to_owned(),
        ),
        (
            "root=0",
            "root=1",
            "line 6: expected thresholds that the keys can meet".to_owned(),
        ),
        (
            "list=1",
            "list=0",
            "line 6: expected thresholds that the keys can meet".to_owned(),
        ),
        (
            "lift=1",
            "lift=3",
            "line 6: expected thresholds that the keys can meet".to_owned(),
        ),
        (
            "list=1",
            "list=2",
            "line 6: expected thresholds that the keys can meet".to_owned(),
        ),
        (
            "key list key-1",
            "key root key-1",
            "line 6: expected thresholds that the keys can meet".to_owned(),
        ),
        (
            "key list key-1",
            "key lists key-1",
            format!("line 7: expected {last}"),
        ),
        (
            "key list key-1",
            "key list key+1",
            format!("line 7: expected {last}"),
        ),
        (
            "key list key-1",
            "key  list key-1",
            format!("line 7: expected {last}"),
        ),
        (
            "key-1 ed25519",
            "key-1 p256",
            format!("line 7: expected {last}"),
        ),
        (
            first,
            &format!("key list key-1 ed25519 {small_order}"),
            format!("line 7: expected {last}"),
        ),
        (
            first,
            &format!("{first}\n{first}"),
            "line 8: expected a key and a name that no line above has".to_owned(),
        ),
        (
            first,
            &format!("{first}\n{}", first.replace("key-1", "alias")),
            "line 8: expected a key and a name that no line above has".to_owned(),
        ),
        (
            "key list key-2",
            "lock list key-2",
            format!("line 8: expected {last}"),
        ),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{from:?}");
        assert_eq!(
            SignedKeyset::parse(broken.as_bytes())
                .unwrap_err()
                .to_string(),
            expected,
            "{from:?} {to:?}"
        );
    }
    assert_eq!(
        SignedKeyset::parse(b"\xff\n").unwrap_err().to_string(),
        "line 1: expected UTF-8"
    );
}
