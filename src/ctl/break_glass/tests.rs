//! Tests how break-glass is opened and ended, and that the gate agrees.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::ctl::testing::Desk;

const OPEN: &str = "--root @node break-glass --reason INC-1 --for";

/// A desk with an armed node below it that has these settings.
fn desk(settings: &str) -> (Desk, Paths) {
    let desk = Desk::new();
    let paths = Paths::below(Path::new(&desk.path("node")));
    fs::create_dir_all(paths.settings.parent().unwrap()).unwrap();
    desk.write("node/etc/embargo/config.toml", settings.as_bytes());
    (desk, paths)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn it_is_opened_for_a_while_and_ended_by_the_same_command() {
    let (desk, paths) = desk("# defaults\n");
    let shut = "break-glass is shut: there is no node/etc/embargo/break-glass\n";
    assert_eq!(desk.run("--root @node break-glass"), Ok(shut.into()));
    assert_eq!(desk.run("--root @node break-glass --end"), Ok(shut.into()));
    for span in ["30m", "24h"] {
        let before = Timestamp::now();
        let page = desk.run(&format!("{OPEN} {span}")).unwrap();
        let mut lines = page.lines();
        assert!(lines.next().unwrap().starts_with("opened by "), "{page}");
        assert!(
            lines
                .next()
                .unwrap()
                .starts_with("break-glass is open until ")
                && page.ends_with(" more minutes: INC-1\n"),
            "{page}"
        );
        assert_eq!(mode(&paths.break_glass), 0o644);
        let Some(BreakGlass::Given { reason, until, .. }) = break_glass::load(&paths) else {
            panic!("{page}");
        };
        assert_eq!(reason, "INC-1");
        let length = super::super::keys::span(span).unwrap();
        assert!(until.since(before) >= length && until.since(before) < length + 60);
    }
    let page = desk.run("--root @node break-glass --end").unwrap();
    assert!(
        page.contains(": removed node/etc/embargo/break-glass\n") && page.ends_with(shut),
        "{page}"
    );
}

#[test]
fn what_the_gate_would_ignore_is_not_written() {
    let (desk, paths) = desk("break_glass_max = \"1h\"\n");
    let refused = desk.run(&format!("{OPEN} 61m")).unwrap_err();
    assert!(
        refused.starts_with("cannot open break-glass: ")
            && refused.contains(" is more than 1h (break_glass_max) after ")
            && refused.ends_with(" / take a shorter --for"),
        "{refused}"
    );
    for words in [
        "--root @node break-glass --for 30m",
        "--root @node break-glass --reason INC-1",
        "--root @node break-glass --reason  --for 30m",
        "--root @node break-glass --reason INC-1 --for 0m",
        "--root @node break-glass --reason INC-1 --for 30m --end",
    ] {
        assert!(desk.run(words).is_err(), "{words}");
    }
    let etc = paths.settings.parent().unwrap();
    fs::set_permissions(etc, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(
        desk.run(&format!("{OPEN} 30m")),
        Err("cannot trust \"node/etc/embargo\": owned or writable by another user".into())
    );
    assert!(fs::symlink_metadata(&paths.break_glass).is_err());
}

#[test]
fn broken_settings_do_not_stop_it_and_what_holds_then_is_said() {
    let (desk, paths) = desk("mode = 1\n");
    let page = desk.run(&format!("{OPEN} 24h")).unwrap();
    assert!(
        page.ends_with(": wanted string or table\n")
            && page.contains("\nthe settings cannot be used, so every container is refused while break-glass is shut, and it may stay open for a day at most: cannot use settings \"node/etc/embargo/config.toml\", line 1"),
        "{page}"
    );
    assert!(desk.run(&format!("{OPEN} 25h")).is_err());
    fs::remove_file(&paths.settings).unwrap();
    let page = desk.run("--root @node break-glass").unwrap();
    assert!(page.ends_with("\nthis node is not armed: it has no settings, and everything starts without break-glass\n"), "{page}");
}

#[test]
fn the_document_says_whether_it_is_open_and_why_a_file_opens_nothing() {
    let (desk, paths) = desk("# defaults\n");
    let document = |words: &str| -> serde_json::Value {
        serde_json::from_str(
            &desk
                .run(&format!("--root @node break-glass --json{words}"))
                .unwrap(),
        )
        .unwrap()
    };
    let opened = document(" --reason INC-1 --for 30m");
    assert_eq!(
        (
            &opened["open"],
            &opened["changed"],
            &opened["reason"],
            &opened["fault"]
        ),
        (
            &true.into(),
            &true.into(),
            &"INC-1".into(),
            &serde_json::Value::Null
        )
    );
    desk.write(
        "node/etc/embargo/break-glass",
        b"reason = 'INC-1'\nuntil = '2026-11-19'\n",
    );
    let ended = document("");
    assert_eq!(
        (&ended["open"], &ended["changed"], &ended["fault"]),
        (
            &false.into(),
            &false.into(),
            &"break-glass opens nothing: it ended at 2026-11-19T00:00:00Z".into()
        )
    );
    assert_eq!(document(" --end")["changed"], true);
    assert!(fs::metadata(&paths.break_glass).is_err());
}
