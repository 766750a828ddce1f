//! Sends the verdict's events to the system log.
//!
//! In: events from the verdict, with hostile names in them. Out: one record for each event, with a
//! field for every fact. So the logs of many nodes can answer "who was refused by this ban, from
//! which source revision?". Sending never waits long and never prints, and a machine without a
//! system log is not an error: an admission must look as if Embargo were not there. Embargo keeps
//! no record of its own.

#[cfg(feature = "ctl")]
pub mod installation;
#[cfg(feature = "ctl")]
pub mod patching;
#[cfg(feature = "ctl")]
pub mod rotation;

#[cfg(feature = "ctl")]
#[cfg(test)]
mod catalog;

use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;

use crate::report::line;
use crate::sys::file::{self, Guard};
use crate::sys::system_log::{self, DAEMON, Record, Sockets};
use crate::verdict::event::Event;

/// The longest field, in characters. No real name is longer.
const LONGEST_FIELD: usize = 1_000;

/// How an action ended that a person had started.
#[cfg(feature = "ctl")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The action succeeded.
    Done,
    /// The action was refused, or failed.
    Refused,
}

#[cfg(feature = "ctl")]
impl Ending {
    /// The priority (RFC 5424, table 2): 4 warning, 5 notice.
    const fn priority(self) -> u8 {
        match self {
            Self::Refused => 4,
            Self::Done => 5,
        }
    }
}

/// Sends every event to the system log, if a system log listens.
pub fn send(events: &[Event]) {
    if !events.is_empty() {
        send_to(&Sockets::system(), events);
    }
}

/// Sends the events to the system log that listens on these sockets. If the log's queue is full,
/// this function waits once for all events together, and then gives up.
pub fn send_to(sockets: &Sockets, events: &[Event]) {
    let (until, owner) = (system_log::soon(), owner());
    for event in events {
        let head = Head {
            priority: event.kind.priority(),
            message_id: event.kind.message_id(),
        };
        // A missing system log is not reported: nothing may be printed among a container's own
        // output.
        if record(sockets, head, &event.message, fields(event, owner), until) == Err(Errno::EAGAIN)
        {
            return;
        }
    }
}

/// The facts with which every record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    priority: u8,
    message_id: &'static str,
}

/// Sends one record. Its fields are cut and escaped; `message` already is one safe line.
fn record(
    sockets: &Sockets,
    head: Head,
    message: &str,
    mut fields: Vec<(&'static str, String)>,
    until: Instant,
) -> nix::Result<()> {
    for (_, value) in &mut fields {
        *value = line::one_line(&value.chars().take(LONGEST_FIELD).collect::<String>());
    }
    fields.insert(0, ("MESSAGE_ID", head.message_id.to_owned()));
    system_log::record(
        sockets,
        &Record {
            identifier: "embargo",
            facility: DAEMON,
            priority: head.priority,
            message,
            fields,
        },
        until,
    )
}

/// The user who owns the container: the user as whom the calling engine runs. In an engine's user
/// namespace, that user's number on the host differs from the one that this process sees. `uid_map`
/// (user_namespaces(7)) has three numbers in each line: the first user inside, the first user
/// outside, and how many there are.
fn owner() -> u32 {
    let inside = nix::unistd::geteuid().as_raw();
    let map =
        file::read_text(Path::new("/proc/self/uid_map"), 4_096, Guard::Any).unwrap_or_default();
    let outside = map.lines().find_map(|line| {
        let mut numbers = line
            .split_ascii_whitespace()
            .map(|number| number.parse::<u32>().ok());
        let (first, above, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        inside
            .checked_sub(first)
            .filter(|at| *at < count)
            .and_then(|at| above.checked_add(at))
    });
    outside.unwrap_or(inside)
}

/// The event's known facts, with the names of their fields. Each ban and each matched digest has a
/// field of its own.
fn fields(event: &Event, owner: u32) -> Vec<(&'static str, String)> {
    let subject = &event.subject;
    let mut fields = vec![("EMBARGO_EVENT", event.kind.word().to_owned())];
    fields.extend(event.bans.iter().map(|ban| ("EMBARGO_BAN", ban.clone())));
    fields.extend(
        event
            .severity
            .map(|severity| ("EMBARGO_SEVERITY", severity.word().to_owned())),
    );
    fields.extend(
        event
            .successors
            .iter()
            .map(|successor| ("EMBARGO_SUCCESSOR", successor.clone())),
    );
    fields.extend(
        event
            .matched
            .iter()
            .map(|digest| ("EMBARGO_MATCH", digest.to_string())),
    );
    let facts = [
        (
            "EMBARGO_GROUNDS",
            event.grounds.map(|grounds| grounds.word().to_owned()),
        ),
        (
            "EMBARGO_DAYS_LEFT",
            event.days_left.map(|days| days.to_string()),
        ),
        (
            "EMBARGO_BAD_SIGNATURES",
            event.bad_signatures.map(|bad| bad.to_string()),
        ),
        ("EMBARGO_CONTAINER", Some(subject.container.clone())),
        ("EMBARGO_NAME", subject.name.clone()),
        ("EMBARGO_OWNER", Some(owner.to_string())),
        ("EMBARGO_IMAGE", subject.image.clone()),
        (
            "EMBARGO_IMAGE_ID",
            subject.image_id.map(|id| id.to_string()),
        ),
        (
            "EMBARGO_CHAIN_ID",
            subject.chain_id.map(|id| id.to_string()),
        ),
        ("EMBARGO_ENGINE", Some(subject.engine.word().to_owned())),
        (
            "EMBARGO_LIST_VERSION",
            subject.list_version.map(|version| version.to_string()),
        ),
        (
            "EMBARGO_EVIDENCE",
            subject.evidence.map(|evidence| evidence.word().to_owned()),
        ),
        ("EMBARGO_SOURCE", subject.source.clone()),
        ("EMBARGO_REVISION", subject.revision.clone()),
    ];
    fields.extend(
        facts
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value))),
    );
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::banlist::record::Severity;
    use crate::container::engine::Engine;
    use crate::lineage::Evidence;
    use crate::lineage::digest::{ChainId, Digest, ImageId};
    use crate::verdict::Grounds;
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
            severity: Some(Severity::Critical),
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
        let sockets = Sockets {
            journal: directory.path().join("journal"),
            syslog: directory.path().join("log"),
        };
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
        let sockets = Sockets {
            journal: directory.path().join("journal"),
            syslog: directory.path().join("log"),
        };
        let syslog = UnixDatagram::bind(&sockets.syslog).unwrap();
        let days_left = Some(11);
        let event = Event {
            kind: EventKind::BanAhead,
            subject: Subject::default(),
            grounds: None,
            bans: vec!["BAN-1".into()],
            severity: None,
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
        let sockets = Sockets {
            journal: directory.path().join("journal"),
            syslog: directory.path().join("log"),
        };
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
        const PAGE: &str = include_str!("../packaging/man/embargo.8");
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
        let sockets = Sockets {
            journal: directory.path().join("journal"),
            syslog: directory.path().join("log"),
        };
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
}
