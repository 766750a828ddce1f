//! Tests the events of container starts.

#[cfg(feature = "ctl")]
mod catalog;

use super::*;
use crate::container::engine::Engine;
use crate::lineage::digest::{ChainId, Digest, ImageId};
use crate::verdict::event::{EventKind, Subject};
use std::os::unix::net::UnixDatagram;

fn refused() -> Event {
    Event {
        kind: EventKind::Refused,
        subject: Subject {
            container: "c4f0".into(),
            name: Some("web-1".into()),
            engine: Engine::Docker,
            image_id: Some(ImageId(Digest::of(b"config"))),
            image: Some("acme/web:1\u{1b}[2J\nEMBARGO_BAN=none".into()),
            chain_id: Some(ChainId(Digest::of(b"chain"))),
            evidence: Some(Evidence::Mount),
            list_version: Some(412),
            source: Some("https://example.com/acme/web".into()),
            revision: Some("4f2a".into()),
        },
        grounds: Some(Grounds::Banned),
        bans: vec!["BAN-2026-0007".into(), "BAN-2026-0009".into()],
        severities: vec![Severity::High, Severity::Critical],
        successors: vec!["debian:12.5".into(), "acme/base:2".into()],
        matched: vec![Digest::of(b"base"), Digest::of(b"layer")],
        days_left: None,
        bad_signatures: None,
        message: "embargo: refused web-1: …".into(),
    }
}

fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 8_192];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[test]
fn every_fact_has_a_field_and_no_name_makes_one() {
    let directory = tempfile::tempdir().unwrap();
    let sockets = Sockets::inside(directory.path());
    let journald = UnixDatagram::bind(&sockets.journal).unwrap();
    send_to(&sockets, &[refused()]);
    let expected = format!(
        "MESSAGE=embargo: refused web-1: …\nPRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=embargo\nMESSAGE_ID=7449f60e5376470d94c93ebae86e41a4\nEMBARGO_EVENT=refused\n\
         EMBARGO_BAN=BAN-2026-0007\nEMBARGO_BAN=BAN-2026-0009\nEMBARGO_SEVERITY=critical\nEMBARGO_SUCCESSOR=debian:12.5\nEMBARGO_SUCCESSOR=acme/base:2\n\
         EMBARGO_MATCH={}\nEMBARGO_MATCH={}\nEMBARGO_GROUNDS=banned\nEMBARGO_CONTAINER=c4f0\nEMBARGO_NAME=web-1\nEMBARGO_OWNER={}\n\
         EMBARGO_IMAGE=acme/web:1\\u{{1b}}[2J\\u{{a}}EMBARGO_BAN=none\nEMBARGO_IMAGE_ID={}\nEMBARGO_CHAIN_ID={}\nEMBARGO_ENGINE=docker\nEMBARGO_LIST_VERSION=412\n\
         EMBARGO_EVIDENCE=mount\nEMBARGO_SOURCE=https://example.com/acme/web\nEMBARGO_REVISION=4f2a\n",
        Digest::of(b"base"),
        Digest::of(b"layer"),
        owner(),
        Digest::of(b"config"),
        Digest::of(b"chain"),
    );
    assert_eq!(heard(&journald), expected);
}

#[test]
fn syslog_gets_the_same_fields_behind_the_message() {
    let directory = tempfile::tempdir().unwrap();
    let sockets = Sockets::inside(directory.path());
    let syslog = UnixDatagram::bind(&sockets.syslog).unwrap();
    let days_left = Some(11);
    let event = Event {
        kind: EventKind::BanAhead,
        subject: Subject::default(),
        grounds: None,
        bans: vec!["BAN-1".into()],
        severities: vec![],
        successors: vec![],
        matched: vec![],
        days_left,
        bad_signatures: None,
        message: "m".into(),
    };
    send_to(&sockets, &[event.clone(), event]);
    let start = format!("<29>embargo[{}]: m ", std::process::id());
    let fields = format!(
        "[message_id=\"4eb3db73e7f7406eb866e08081120f02\" embargo_event=\"ban-ahead\" embargo_ban=\"BAN-1\" embargo_days_left=\"11\" \
         embargo_container=\"\" embargo_owner=\"{}\" embargo_engine=\"unknown\"]",
        owner()
    );
    assert_eq!(heard(&syslog), format!("{start}{fields}"));
    assert_eq!(heard(&syslog), format!("{start}{fields}"));
}

#[test]
fn a_log_that_does_not_read_is_waited_for_once() {
    let directory = tempfile::tempdir().unwrap();
    let sockets = Sockets::inside(directory.path());
    let deaf = UnixDatagram::bind(&sockets.journal).unwrap();
    let never_asked = UnixDatagram::bind(&sockets.syslog).unwrap();
    never_asked.set_nonblocking(true).unwrap();
    let events = vec![refused(); 10_000];
    let start = std::time::Instant::now();
    send_to(&sockets, &events);
    assert!(
        start.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(never_asked.recv(&mut [0; 16]).is_err());
    drop(deaf);
}

#[test]
fn every_field_stands_in_the_manual() {
    const PAGE: &str = include_str!("../../packaging/man/embargo.8");
    let event = Event {
        days_left: Some(1),
        bad_signatures: Some(1),
        ..refused()
    };
    for (name, _) in fields(&event, 0) {
        assert!(
            PAGE.lines()
                .any(|line| line.starts_with(".It Li EMBARGO_") && line.contains(name)),
            "{name}"
        );
    }
}

#[test]
fn a_long_name_is_cut_and_nobody_listening_is_fine() {
    let mut event = refused();
    event.subject.container = "x".repeat(100_000);
    let directory = tempfile::tempdir().unwrap();
    let sockets = Sockets::inside(directory.path());
    let journald = UnixDatagram::bind(&sockets.journal).unwrap();
    send_to(&sockets, &[event.clone()]);
    let heard = heard(&journald);
    let container = heard
        .lines()
        .find_map(|line| line.strip_prefix("EMBARGO_CONTAINER="))
        .unwrap();
    assert_eq!(container.len(), LONGEST_FIELD);
    send_to(
        &Sockets {
            journal: Path::new("/nowhere").into(),
            syslog: Path::new("/nowhere").into(),
        },
        &[event],
    );
}
