//! Reports to the system log who patches which containers of this node, and the outcome for each
//! container.
//!
//! In: the facts that go to a run's journal. Out: one record when a run starts, one for each
//! container, and one when the run ends, with a field for every fact. So the logs of many nodes can
//! answer "which containers of this ban are not patched yet, and whose run was that?". Names of
//! containers and images, and the output of runtimes, are hostile.

use std::time::Duration;

use crate::banlist::ban::Severity;
use crate::container::engine::Engine;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::system_log::{self, Sockets};

use super::{Ending, Fields, Head};

/// At most this many bans, and as many digests, get a field each.
const MOST_FIELDS: usize = 16;

/// A run, and the person who started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunIdentity<'a> {
    /// The run's ID.
    pub id: &'a str,
    /// Who started or resumed the run: a name, or else a number.
    pub user: &'a str,
    /// The version of the list that was in force when the run started.
    pub list_version: Option<u64>,
}

/// What a run is about to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunStart {
    /// The bans that are the reason for the run.
    pub bans: Vec<String>,
    /// The digests of the payloads, as far as known.
    pub digests: Vec<Digest>,
    /// The highest severity of the bans whose own patches run, if any.
    pub severity: Option<Severity>,
    /// The successors that those bans name, each once.
    pub successors: Vec<String>,
    /// The message for people.
    pub message: String,
}

/// The outcome for one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerEnd<'a> {
    /// The outcome's name for machines.
    pub outcome: &'static str,
    /// The outcome as a word for people.
    pub word: &'static str,
    /// Whether the container is ok.
    pub is_ok: bool,
    /// The command's exit status, if the container is not ok because the command failed.
    pub status: Option<i32>,
    /// How long the patch took; `None` if nothing entered the container.
    pub took: Option<Duration>,
    /// The ban that is the reason for the patch.
    pub ban: Option<&'a str>,
    /// The severity of that ban.
    pub severity: Option<Severity>,
    /// The successor that the ban names.
    pub successor: Option<&'a str>,
    /// The digest of what ran, or would have run.
    pub digest: Option<Digest>,
    /// The container's ID; `None` if the ID is unknown.
    pub container: Option<&'a str>,
    /// The name that the engine gives the container.
    pub name: Option<&'a str>,
    /// The user who owns the container, if known.
    pub owner: Option<u32>,
    /// The container's engine.
    pub engine: Engine,
    /// The image's name.
    pub image: Option<&'a str>,
    /// The digest of the image config.
    pub image_id: Option<&'a str>,
    /// Further facts about the outcome, if there are any.
    pub why: Option<&'a str>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd<'a> {
    /// How many containers are ok.
    pub ok: usize,
    /// How many containers are not ok.
    pub not_ok: usize,
    /// The run's exit status.
    pub exit: u8,
    /// How long the run took, from its start.
    pub took: Duration,
    /// Why the run stopped before all containers were done, if it did.
    pub stopped: Option<&'a str>,
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchEvent<'a> {
    /// A run starts, or is resumed.
    Started(RunStart),
    /// A patch of a container is over.
    Container(ContainerEnd<'a>),
    /// The run is over.
    Ended(RunEnd<'a>),
}

impl PatchEvent<'_> {
    /// The event's name, for `EMBARGO_EVENT`.
    const fn word(&self) -> &'static str {
        match self {
            Self::Started(_) => "patch-started",
            Self::Container(_) => "patch-container",
            Self::Ended(_) => "patch-ended",
        }
    }

    /// The event's unique ID in the journal.
    const fn message_id(&self) -> &'static str {
        match self {
            Self::Started(_) => "7d0a36e175804c6b893fda7c834c6c41",
            Self::Container(_) => "22bd848ac9954679a0ec956b3fd26230",
            Self::Ended(_) => "b52b4a7d0a0b40e8bd4af26e932761cb",
        }
    }

    /// Success or failure, which decides the priority.
    const fn ending(&self) -> Ending {
        let is_good = match self {
            Self::Started(_) => true,
            Self::Container(end) => end.is_ok,
            Self::Ended(end) => end.not_ok == 0 && end.stopped.is_none(),
        };
        if is_good {
            Ending::Done
        } else {
            Ending::Refused
        }
    }
}

/// Sends the event to the system log that listens on these sockets.
pub fn send(sockets: &Sockets, run: RunIdentity<'_>, event: &PatchEvent<'_>) {
    let message = line::one_line(&format!("embargo: run {}{}", run.id, message(event)));
    // If no system log listens, the run's journal still has all facts.
    let head = Head {
        priority: event.ending().priority(),
        message_id: event.message_id(),
    };
    super::record(
        sockets,
        head,
        &message,
        fields(run, event),
        system_log::soon(),
    )
    .ok();
}

/// The part of the message that follows the run's ID.
fn message(event: &PatchEvent<'_>) -> String {
    match event {
        PatchEvent::Started(begin) => format!(" {}", begin.message),
        PatchEvent::Container(end) => {
            let called = match end.name.or(end.container) {
                Some(called) => line::name(called),
                None => "a container".to_owned(),
            };
            let mut text = format!(": {called} ({}): {}", end.engine, end.word);
            if let Some(status) = end.status {
                text += &format!(" (status {status})");
            }
            if let Some(took) = end.took {
                text += &format!(" after {:.1} s", took.as_secs_f64());
            }
            if let Some(why) = end.why {
                text += ": ";
                text.extend(why.chars().take(super::LONGEST_FIELD));
            }
            text
        }
        PatchEvent::Ended(end) => {
            let mut text = format!(" ended: {} ok, {} not ok", end.ok, end.not_ok);
            if let Some(why) = end.stopped {
                text += &format!(", stopped because {why}");
            }
            text
        }
    }
}

/// The known facts, with the names of their fields.
fn fields(run: RunIdentity<'_>, event: &PatchEvent<'_>) -> Vec<(&'static str, String)> {
    let mut fields = Fields::default();
    fields.add("EMBARGO_EVENT", [event.word()]);
    fields.add("EMBARGO_RUN", [run.id]);
    fields.add("EMBARGO_USER", [run.user]);
    fields.add("EMBARGO_LIST_VERSION", run.list_version);
    match event {
        PatchEvent::Started(start) => {
            fields.add("EMBARGO_BAN", start.bans.iter().take(MOST_FIELDS));
            fields.add("EMBARGO_SEVERITY", start.severity.map(Severity::word));
            let successors = start.successors.iter().take(MOST_FIELDS);
            fields.add("EMBARGO_SUCCESSOR", successors);
            let digests = start.digests.iter().take(MOST_FIELDS);
            fields.add("EMBARGO_COMMAND_DIGEST", digests);
        }
        PatchEvent::Container(end) => of_container(end, &mut fields),
        PatchEvent::Ended(end) => {
            fields.add("EMBARGO_OK", [end.ok]);
            fields.add("EMBARGO_NOT_OK", [end.not_ok]);
            fields.add("EMBARGO_STATUS", [end.exit]);
            fields.add("EMBARGO_DURATION_MS", [end.took.as_millis()]);
        }
    }
    fields.0
}

fn of_container(end: &ContainerEnd<'_>, fields: &mut Fields) {
    fields.add("EMBARGO_OUTCOME", [end.outcome]);
    fields.add("EMBARGO_STATUS", end.status);
    let took = end.took.as_ref().map(Duration::as_millis);
    fields.add("EMBARGO_DURATION_MS", took);
    fields.add("EMBARGO_BAN", end.ban);
    fields.add("EMBARGO_SEVERITY", end.severity.map(Severity::word));
    fields.add("EMBARGO_SUCCESSOR", end.successor);
    fields.add("EMBARGO_COMMAND_DIGEST", end.digest);
    fields.add("EMBARGO_CONTAINER", end.container);
    fields.add("EMBARGO_NAME", end.name);
    fields.add("EMBARGO_OWNER", end.owner);
    fields.add("EMBARGO_ENGINE", [end.engine.word()]);
    fields.add("EMBARGO_IMAGE", end.image);
    fields.add("EMBARGO_IMAGE_ID", end.image_id);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    const RUN: RunIdentity<'_> = RunIdentity {
        id: "20261120-221500-a1b2",
        user: "alice",
        list_version: Some(412),
    };

    fn begin() -> RunStart {
        let message = "started by alice as root for BAN-2026-0007: apt-get upgrade".to_owned();
        let (severity, successors) = (Some(Severity::High), vec!["debian:12.5".into()]);
        RunStart {
            bans: vec!["BAN-2026-0007".into()],
            digests: vec![Digest::of(b"work")],
            severity,
            successors,
            message,
        }
    }

    fn failed<'a>() -> ContainerEnd<'a> {
        ContainerEnd {
            outcome: "timed-out",
            word: "timed out",
            is_ok: false,
            status: Some(7),
            took: Some(Duration::from_millis(1_250)),
            ban: Some("BAN-2026-0007"),
            severity: Some(Severity::High),
            successor: Some("debian:12.5"),
            digest: Some(Digest::of(b"work")),
            container: Some("4c1f"),
            name: Some("web-1\u{1b}[2J\nEMBARGO_BAN=none"),
            owner: Some(1_000),
            engine: Engine::Docker,
            image: Some("acme/web:1"),
            image_id: Some("sha256:ab"),
            why: None,
        }
    }

    fn end<'a>() -> RunEnd<'a> {
        RunEnd {
            ok: 11,
            not_ok: 1,
            exit: 3,
            took: Duration::from_secs(90),
            stopped: Some("more than 0 failed"),
        }
    }

    #[test]
    fn a_run_is_reported_from_its_start_to_its_end_with_each_container() {
        let directory = tempfile::tempdir().unwrap();
        let sockets = Sockets::inside(directory.path());
        let journald = UnixDatagram::bind(&sockets.journal).unwrap();
        let digest = Digest::of(b"work");
        let common = "SYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=embargo\n";
        let of_run =
            "EMBARGO_RUN=20261120-221500-a1b2\nEMBARGO_USER=alice\nEMBARGO_LIST_VERSION=412\n";
        for (event, expected) in [
            (
                PatchEvent::Started(begin()),
                format!(
                    "MESSAGE=embargo: run 20261120-221500-a1b2 started by alice as root for BAN-2026-0007: apt-get upgrade\nPRIORITY=5\n{common}\
                     MESSAGE_ID=7d0a36e175804c6b893fda7c834c6c41\nEMBARGO_EVENT=patch-started\n{of_run}EMBARGO_BAN=BAN-2026-0007\n\
                     EMBARGO_SEVERITY=high\nEMBARGO_SUCCESSOR=debian:12.5\nEMBARGO_COMMAND_DIGEST={digest}\n"
                ),
            ),
            (
                PatchEvent::Container(failed()),
                format!(
                    "MESSAGE=embargo: run 20261120-221500-a1b2: \"web-1\\u{{1b}}[2J\\nEMBARGO_BAN=none\" (docker): timed out (status 7) after 1.2 s\nPRIORITY=4\n{common}\
                     MESSAGE_ID=22bd848ac9954679a0ec956b3fd26230\nEMBARGO_EVENT=patch-container\n{of_run}EMBARGO_OUTCOME=timed-out\nEMBARGO_STATUS=7\n\
                     EMBARGO_DURATION_MS=1250\nEMBARGO_BAN=BAN-2026-0007\nEMBARGO_SEVERITY=high\nEMBARGO_SUCCESSOR=debian:12.5\n\
                     EMBARGO_COMMAND_DIGEST={digest}\nEMBARGO_CONTAINER=4c1f\nEMBARGO_NAME=web-1\\u{{1b}}[2J\\u{{a}}EMBARGO_BAN=none\nEMBARGO_OWNER=1000\nEMBARGO_ENGINE=docker\n\
                     EMBARGO_IMAGE=acme/web:1\nEMBARGO_IMAGE_ID=sha256:ab\n"
                ),
            ),
            (
                PatchEvent::Ended(end()),
                format!(
                    "MESSAGE=embargo: run 20261120-221500-a1b2 ended: 11 ok, 1 not ok, stopped because more than 0 failed\nPRIORITY=4\n{common}\
                     MESSAGE_ID=b52b4a7d0a0b40e8bd4af26e932761cb\nEMBARGO_EVENT=patch-ended\n{of_run}EMBARGO_OK=11\nEMBARGO_NOT_OK=1\nEMBARGO_STATUS=3\n\
                     EMBARGO_DURATION_MS=90000\n"
                ),
            ),
        ] {
            send(&sockets, RUN, &event);
            let mut bytes = [0; 8_192];
            let length = journald.recv(&mut bytes).unwrap();
            assert_eq!(String::from_utf8_lossy(&bytes[..length]), expected);
        }
    }

    /// The names and IDs of the events.
    pub(in crate::audit) fn events() -> [(&'static str, &'static str); 3] {
        [
            PatchEvent::Started(begin()),
            PatchEvent::Container(failed()),
            PatchEvent::Ended(end()),
        ]
        .map(|event| (event.word(), event.message_id()))
    }

    #[test]
    fn good_news_is_no_warning() {
        let patched = ContainerEnd {
            outcome: "patched",
            word: "patched",
            is_ok: true,
            status: None,
            ..failed()
        };
        for (event, ending) in [
            (PatchEvent::Container(patched), Ending::Done),
            (PatchEvent::Container(failed()), Ending::Refused),
            (
                PatchEvent::Ended(RunEnd {
                    not_ok: 0,
                    stopped: None,
                    ..end()
                }),
                Ending::Done,
            ),
            (
                PatchEvent::Ended(RunEnd {
                    stopped: None,
                    ..end()
                }),
                Ending::Refused,
            ),
        ] {
            assert_eq!(event.ending(), ending, "{event:?}");
        }
    }

    #[test]
    fn a_run_for_a_thousand_bans_begins_with_one_record() {
        let many = RunStart {
            bans: (0..1_000).map(|number| format!("BAN-{number}")).collect(),
            ..begin()
        };
        let named = fields(RUN, &PatchEvent::Started(many))
            .iter()
            .filter(|(name, _)| *name == "EMBARGO_BAN")
            .count();
        assert_eq!(named, MOST_FIELDS);
    }

    #[test]
    fn every_field_and_event_stands_in_the_manual() {
        const PAGE: &str = include_str!("../../packaging/man/embargo.8");
        for event in [
            PatchEvent::Started(begin()),
            PatchEvent::Container(failed()),
            PatchEvent::Ended(end()),
        ] {
            assert!(PAGE.contains(event.word()), "{}", event.word());
            for (name, _) in fields(RUN, &event) {
                assert!(
                    PAGE.lines()
                        .any(|line| line.starts_with(".It Li EMBARGO_") && line.contains(name)),
                    "{name}"
                );
            }
        }
    }
}
