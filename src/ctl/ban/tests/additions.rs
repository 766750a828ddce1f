//! Tests what is added to a source.

use super::*;

#[test]
fn everything_that_can_be_stated_of_a_ban_arrives() {
    let desk = Desk::new();
    let words = [
        "--id",
        "BAN-1",
        "--reason",
        "x",
        "--action",
        "warn",
        "--effective",
        "2026-11-20T14:00:00Z",
        "--lapses",
        "2999-01-01",
        "--successor",
        "app:2",
        "--patch-run",
        "apk upgrade && true",
        "--patch-check",
        "test -e /x",
        "--patch-timeout",
        "90s",
        "--patch-user",
        "1:2",
    ];
    desk.ban(&words, APP_IMAGE).unwrap();
    let ban = desk.source().bans.remove(0);
    let shell = |command: &str| ["sh", "-c", command].map(str::to_owned).to_vec();
    let patch = Patch {
        check: Some(shell("test -e /x")),
        script: None,
        run: shell("apk upgrade && true"),
        timeout: 90,
        user: "1:2".to_owned(),
    };
    assert_eq!(ban.patch, Some(patch));
    assert_eq!(
        (ban.action, ban.successor.as_deref()),
        (Action::Warn, Some("app:2"))
    );
    assert_eq!(
        (ban.effective.to_string(), ban.lapses.unwrap().date()),
        ("2026-11-20T14:00:00Z".to_owned(), "2999-01-01".to_owned())
    );
}

#[test]
fn a_script_is_signed_by_its_digest_and_is_no_part_of_the_source() {
    let desk = Desk::new();
    let script = desk.directory.path().join("fix.sh");
    replace::replace(&script, 0o644, b"#!/bin/sh\nexit 0\n").unwrap();
    let file = script.to_str().unwrap();
    desk.ban(
        &[
            "--id",
            "BAN-1",
            "--reason",
            "x",
            "--patch-script",
            file,
            "--patch-timeout",
            "90s",
        ],
        APP_IMAGE,
    )
    .unwrap();
    let digest = Digest::of(b"#!/bin/sh\nexit 0\n");
    let patch = Patch {
        check: None,
        script: Some(digest),
        run: Vec::new(),
        timeout: 90,
        user: "0:0".to_owned(),
    };
    assert_eq!(desk.source().bans[0].patch, Some(patch));
    assert!(
        desk.text()
            .contains(&format!("script = \"{digest}\"\ntimeout = \"90s\"\n")),
        "{}",
        desk.text()
    );
    for (words, expected) in [
        (
            &["--patch-script", file, "--patch-run", "true"][..],
            "cannot be used with",
        ),
        (
            &["--patch-check", "true"],
            "required arguments were not provided",
        ),
        (
            &["--patch-script", "/no/such/file"],
            "cannot read \"/no/such/file\": it is missing",
        ),
    ] {
        let all = [&["--id", "BAN-2", "--reason", "x"], words].concat();
        let error = desk.ban(&all, APP_IMAGE).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_exception_names_the_image_by_its_id_for_each_platform() {
    let desk = Desk::new();
    desk.put("# reviewed by the platform team\n");
    desk.ban(&["--id", "BAN-1", "--reason", "x"], BOTH).unwrap();
    let said = desk
        .except(
            &[
                "--ban",
                "BAN-1",
                "--until",
                "2999-12-24",
                "--reason",
                "release 7",
                "--ticket",
                "OPS-1",
            ],
            APP_IMAGE,
        )
        .unwrap();
    assert_eq!(
        said,
        format!(
            "excepted from BAN-1 in {} until 2999-12-24T00:00:00Z:\n  image {APP}\n",
            desk.path().display()
        )
    );
    desk.except(
        &[
            "--ban", "BAN-1", "--until", "14d", "--reason", "x", "--as", "base",
        ],
        BOTH,
    )
    .unwrap();
    let except = desk.source().bans.remove(0).except;
    let kinds: Vec<_> = except.iter().map(|exception| exception.kind).collect();
    assert_eq!(kinds, [MatchKind::Image, MatchKind::Base, MatchKind::Base]);
    assert_eq!(
        (
            except[0].digest.to_string().as_str(),
            except[0].ticket.as_deref()
        ),
        (APP, Some("OPS-1"))
    );
    assert!(except[1].until > Timestamp::now().plus(13 * 86_400));
    assert!(desk.text().starts_with("# reviewed by the platform team\n"));
}
