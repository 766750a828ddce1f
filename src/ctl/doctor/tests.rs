//! Tests the checks of `doctor` on a node in a directory, and the documentation of the checks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Parser;

use super::finding::Found;
use super::*;
use crate::banlist::testing::{self, ISSUED};

const DOCS: &str = include_str!("../../../docs/doctor.md");

/// A node in a directory, with these settings and a keyset.
struct Room {
    root: tempfile::TempDir,
    paths: Paths,
}

impl Room {
    fn new(settings: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path());
        for directory in [&paths.state, paths.settings.parent().unwrap()] {
            fs::create_dir_all(directory).unwrap();
        }
        let room = Self { root, paths };
        room.put(&room.paths.settings, settings);
        room.put(&room.paths.keyset, &testing::keyset(&[1], 1).text());
        room
    }

    #[allow(clippy::disallowed_methods)] // A test's own file.
    fn put(&self, path: &Path, text: &str) {
        fs::write(path, text).unwrap();
    }

    /// What the check with this ID finds at this time: levels, messages and hints, without the
    /// directory's path.
    fn finds(&self, id: &str, now: Timestamp) -> Vec<(CheckLevel, String)> {
        let examined = Examination::of(&self.paths, Some(self.root.path()), now);
        let check = CHECKS.iter().find(|check| check.id == id).unwrap();
        let root = self.root.path().to_str().unwrap();
        let bare = |found: Found| (found.level, found.message.replace(root, ""));
        (check.examine)(&examined).into_iter().map(bare).collect()
    }

    fn is(&self, id: &str, level: CheckLevel, message: &str) {
        assert_eq!(
            self.finds(id, ISSUED),
            [(level, message.to_owned())],
            "{id}"
        );
    }
}

#[test]
fn every_id_is_one_word_and_stands_once_in_the_documentation_in_the_same_order() {
    let mut rows = Vec::new();
    for line in DOCS.lines() {
        if let Some(row) = line.strip_prefix("| `")
            && let Some((id, rest)) = row.split_once("` | ")
            && let Some((question, _)) = rest.split_once(" | ")
        {
            rows.push((id, question));
        }
    }
    let expected: Vec<_> = CHECKS
        .iter()
        .map(|check| (check.id, check.question))
        .collect();
    assert_eq!(rows, expected);
    for check in &CHECKS {
        assert!(line::is_made_of(check.id, "-"), "{}", check.id);
    }
}

#[test]
fn the_worst_finding_decides_how_doctor_ends() {
    let finding = |level| DoctorFinding {
        id: "list".to_owned(),
        check: "list",
        level,
        message: String::new(),
        hint: None,
    };
    for (levels, code) in [
        (vec![CheckLevel::Ok], 0),
        (vec![CheckLevel::Warning, CheckLevel::Ok], 1),
        (vec![CheckLevel::Warning, CheckLevel::Unknown], 3),
        (
            vec![CheckLevel::Unknown, CheckLevel::Critical, CheckLevel::Ok],
            2,
        ),
        // Everything was skipped: nothing is known.
        (vec![], 3),
    ] {
        let findings: Vec<_> = levels.iter().copied().map(finding).collect();
        assert_eq!(exit(worst(&findings)).code(), code, "{levels:?}");
    }
}

#[test]
fn an_id_that_no_check_has_cannot_be_skipped() {
    let room = Room::new("");
    let parsed = |words: &str| {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: DoctorArgs,
        }
        let words = std::iter::once("doctor").chain(words.split(' '));
        Line::try_parse_from(words).map(|line| line.args)
    };
    let error = parsed("--skip buildkitt").unwrap_err().to_string();
    assert!(
        error.contains(
            "invalid value 'buildkitt' for '--skip <ID>': there is no such check; the checks are not-root, armed, "
        ),
        "{error}"
    );
    let args = parsed("--json --skip armed --skip coverage:docker/runc").unwrap();
    let output = super::run(&args, &room.paths, Some(room.root.path()));
    let json: serde_json::Value = serde_json::from_str(&output.text).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["skipped"][1], "coverage:docker/runc");
    let ids: Vec<_> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["check"].as_str().unwrap())
        .collect();
    assert!(!ids.contains(&"armed") && !ids.contains(&"trial"));
    assert!(ids.contains(&"list"));
}

#[test]
fn a_node_without_settings_is_not_armed_and_one_with_broken_settings_is_reported() {
    let room = Room::new("mode = \"audit\"\n");
    room.is(
        "armed",
        CheckLevel::Ok,
        "the node is armed by /etc/embargo/config.toml",
    );
    room.is(
        "mode",
        CheckLevel::Warning,
        "mode audit: nothing is refused, events only",
    );
    room.put(&room.paths.settings, "mode = \"off\"\n");
    room.is(
        "settings",
        CheckLevel::Critical,
        "cannot use settings \"/etc/embargo/config.toml\", line 1: unknown variant `off`, expected `enforce` or `audit`",
    );
    room.is(
        "mode",
        CheckLevel::Unknown,
        "cannot tell the mode: the settings cannot be used",
    );
    fs::remove_file(&room.paths.settings).unwrap();
    room.is(
        "armed",
        CheckLevel::Critical,
        "the node is not armed: there is no /etc/embargo/config.toml, so every container starts",
    );
}

#[test]
fn a_keyset_is_reported_when_it_cannot_be_read_and_before_it_ends() {
    let room = Room::new("");
    let keyset = testing::keyset(&[1], 1);
    let near = Timestamp::from_seconds(keyset.expires.seconds() - 89 * 86_400);
    let [(level, message)] = &room.finds("keyset", near)[..] else {
        panic!("one finding");
    };
    assert_eq!(*level, CheckLevel::Warning);
    assert!(message.contains(", in 89 days: "), "{message}");
    fs::set_permissions(&room.paths.keyset, fs::Permissions::from_mode(0o666)).unwrap();
    for id in ["keyset", "permissions"] {
        room.is(
            id,
            CheckLevel::Critical,
            "cannot trust \"/etc/embargo/keyset\": owned or writable by another user",
        );
    }
    room.put(&room.paths.keyset, "torn");
    fs::set_permissions(&room.paths.keyset, fs::Permissions::from_mode(0o644)).unwrap();
    let [(level, message)] = &room.finds("keyset", ISSUED)[..] else {
        panic!("one finding");
    };
    assert_eq!(*level, CheckLevel::Critical);
    assert!(message.starts_with("cannot use keyset \"/etc/embargo/keyset\": line 1: "));
}

#[test]
fn a_clock_before_what_was_signed_is_reported() {
    let room = Room::new("");
    let signed = testing::keyset(&[1], 1).issued;
    let back = Timestamp::from_seconds(signed.seconds() - 365 * 86_400);
    assert_eq!(
        room.finds("clock", back),
        [(
            CheckLevel::Critical,
            format!(
                "the clock says {back}, 365 days before {signed}, when the newest keyset or list was issued"
            )
        )]
    );
    room.is(
        "clock",
        CheckLevel::Ok,
        &format!("the clock says {ISSUED}, after {signed}"),
    );
}

#[test]
fn large_journals_and_break_glass_are_reported() {
    let room = Room::new("");
    room.is(
        "journal-size",
        CheckLevel::Ok,
        "the journals of exec-patch have 0 MiB",
    );
    let run = room.paths.patches.join("20261120-221500-a1b2");
    fs::create_dir_all(&run).unwrap();
    fs::File::create_new(run.join("journal.jsonl"))
        .unwrap()
        .set_len(300 << 20)
        .unwrap();
    room.is(
        "journal-size",
        CheckLevel::Warning,
        "the journals of exec-patch in /var/lib/embargo/patches have 300 MiB",
    );
    room.is("break-glass", CheckLevel::Ok, "break-glass is shut");
    room.put(&room.paths.break_glass, "reason = 'INC-1'\n");
    room.is(
        "break-glass",
        CheckLevel::Warning,
        "break-glass opens nothing: cannot use \"/etc/embargo/break-glass\": missing field `until`",
    );
}

#[test]
fn what_a_node_that_does_not_run_cannot_show_is_unknown() {
    let room = Room::new("");
    for id in [
        "delegate",
        "versions",
        "log-socket",
        "live-restore",
        "trial",
    ] {
        let found = room.finds(id, ISSUED);
        assert_eq!(found.len(), 1, "{id}");
        assert_eq!(found[0].0, CheckLevel::Unknown, "{id}");
        assert!(
            found[0]
                .1
                .starts_with("not examined: the node's file system is mounted at")
        );
    }
}
