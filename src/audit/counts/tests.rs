//! Tests how events are counted, and how the counts are read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::audit::owner;
use crate::verdict::event::Subject;

fn event(kind: EventKind, grounds: Option<Grounds>, bans: &[(&str, Severity)]) -> Event {
    Event {
        kind,
        subject: Subject {
            engine: Engine::Docker,
            ..Subject::default()
        },
        grounds,
        bans: bans.iter().map(|(id, _)| (*id).to_owned()).collect(),
        severities: bans.iter().map(|(_, severity)| *severity).collect(),
        successors: vec![],
        matched: vec![],
        days_left: None,
        bad_signatures: None,
        message: "embargo: …".into(),
    }
}

fn refused(bans: &[(&str, Severity)]) -> Event {
    event(EventKind::Refused, Some(Grounds::Banned), bans)
}

/// A node whose directory `run` exists.
fn node() -> (tempfile::TempDir, Paths) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("run")).unwrap();
    let paths = Paths::below(root.path());
    (root, paths)
}

/// Makes an empty file.
fn put(path: &Path) {
    let mut file = fs::OpenOptions::new();
    file.write(true).create_new(true).open(path).unwrap();
}

/// The mode of a file.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn an_event_is_one_byte_in_the_file_of_its_kind_grounds_and_engine() {
    let (_root, paths) = node();
    assert_eq!(read(&paths).unwrap(), Counts::default());
    let both = [("BAN-1", Severity::Critical), ("BAN.2", Severity::Low)];
    add(&paths, owner(), &[refused(&both)]);
    let stale = event(EventKind::ListStale, None, &[]);
    add(&paths, owner(), &[refused(&both[..1]), stale]);
    // A ban only counts for a container that it refused.
    let would = event(EventKind::WouldRefuse, Some(Grounds::Banned), &both);
    add(&paths, owner(), &[would]);
    let counted = |event, grounds, count| EventCount {
        event,
        grounds,
        engine: Engine::Docker,
        count,
    };
    let refusals = |ban: &str, severity, count| BanCount {
        ban: ban.to_owned(),
        severity,
        count,
    };
    let expected = Counts {
        events: vec![
            counted(EventKind::ListStale, None, 1),
            counted(EventKind::Refused, Some(Grounds::Banned), 2),
            counted(EventKind::WouldRefuse, Some(Grounds::Banned), 1),
        ],
        refusals: vec![
            refusals("BAN-1", Severity::Critical, 2),
            refusals("BAN.2", Severity::Low, 1),
        ],
    };
    assert_eq!(read(&paths).unwrap(), expected);
    assert_eq!(mode(&paths.counts), 0o755);
    assert_eq!(mode(paths.counts.parent().unwrap()), 0o755);
    assert_eq!(mode(&paths.counts.join("ban.critical.BAN-1")), 0o644);
}

#[test]
fn every_word_of_a_name_is_read_back() {
    for kind in EventKind::ALL {
        assert_eq!(word(kind.word()), Some(kind));
    }
    for grounds in Grounds::ALL {
        assert_eq!(word(grounds.word()), Some(grounds));
    }
    for severity in [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ] {
        assert_eq!(word(severity.word()), Some(severity));
    }
    for engine in [
        Engine::Docker,
        Engine::Containerd,
        Engine::Podman,
        Engine::CriO,
        Engine::BuildKit,
        Engine::Buildah,
        Engine::ContainersStorage,
        Engine::Unknown,
    ] {
        assert_eq!(word(engine.word()), Some(engine));
    }
}

#[test]
fn the_engines_of_unprivileged_users_count_nothing() {
    let (_root, elsewhere) = node();
    let node = Paths {
        root: "/".into(),
        ..elsewhere
    };
    add(&node, 1_000, &[refused(&[])]);
    assert_eq!(read(&node).unwrap(), Counts::default());
    add(&node, 0, &[refused(&[])]);
    assert_eq!(read(&node).unwrap().events.len(), 1);
}

#[test]
fn no_id_of_a_list_leads_out_of_the_directory() {
    let (root, paths) = node();
    let hostile = ["../../../escaped", "a/b", "", "\n"].map(|id| (id, Severity::Low));
    add(&paths, owner(), &[refused(&hostile)]);
    assert!(fs::symlink_metadata(root.path().join("escaped")).is_err());
    let counts = read(&paths).unwrap();
    assert_eq!((counts.events.len(), counts.refusals), (1, vec![]));
}

#[test]
fn nothing_is_followed_or_waited_for() {
    let (root, paths) = node();
    fs::create_dir_all(&paths.counts).unwrap();
    let elsewhere = root.path().join("elsewhere");
    put(&elsewhere);
    let count = paths.counts.join("event.refused.banned.docker");
    symlink(&elsewhere, &count).unwrap();
    let fifo = paths.counts.join("ban.low.BAN-1");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let directory = paths.counts.join("ban.low.BAN-2");
    fs::create_dir(&directory).unwrap();
    let bans = ["BAN-1", "BAN-2", "BAN-3"].map(|id| (id, Severity::Low));
    add(&paths, owner(), &[refused(&bans)]);
    let third = paths.counts.join("ban.low.BAN-3");
    for (path, size) in [(&elsewhere, 0), (&third, 1)] {
        assert_eq!(fs::metadata(path).unwrap().len(), size, "{path:?}");
    }
    // What is no count is reported, and not taken for zero.
    assert_eq!(
        read(&paths).unwrap_err().to_string(),
        format!("cannot read {fifo:?}: not a regular file")
    );
}

#[test]
fn the_number_of_files_is_bounded_and_a_strange_file_is_reported() {
    let (_root, paths) = node();
    fs::create_dir_all(&paths.counts).unwrap();
    for number in 0..MOST_FILES {
        put(&paths.counts.join(format!("ban.low.B{number}")));
    }
    add(&paths, owner(), &[refused(&[("B0", Severity::Low)])]);
    let counts = read(&paths).unwrap();
    assert_eq!((counts.events, counts.refusals.len()), (vec![], MOST_FILES));
    assert_eq!(counts.refusals[0].count, 1);
    for name in [
        "event.refused",
        "event.exploded.-.docker",
        "note",
        "ban.x.B",
    ] {
        let strange = paths.counts.join(name);
        put(&strange);
        assert_eq!(
            read(&paths).unwrap_err().to_string(),
            format!("cannot use {strange:?}: expected a file of Embargo's counts")
        );
        fs::remove_file(&strange).unwrap();
    }
}

#[test]
fn a_directory_that_others_may_write_to_is_neither_used_nor_believed() {
    let (_root, paths) = node();
    fs::create_dir_all(&paths.counts).unwrap();
    fs::set_permissions(&paths.counts, fs::Permissions::from_mode(0o777)).unwrap();
    add(&paths, owner(), &[refused(&[])]);
    assert_eq!(fs::read_dir(&paths.counts).unwrap().count(), 0);
    assert_eq!(
        read(&paths).unwrap_err().to_string(),
        format!(
            "cannot trust {:?}: owned or writable by another user",
            paths.counts
        )
    );
}
