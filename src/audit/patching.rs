//! Reports to the system log who patches which containers of this node, and each outcome.
//!
//! In: the facts that go to a run's journal. Out: one record when a run starts, one for each
//! container, and one when the run ends, with a field for every fact. So the logs of many nodes can
//! answer "which containers of this ban are not patched yet, and whose run was that?". Names of
//! containers and images, and the output of runtimes, are hostile.

use std::time::Duration;

use crate::banlist::record::Severity;
use crate::container::engine::Engine;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::system_log::{self, Sockets};

use super::{Ending, Head};

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
    /// The command's exit status, if that is why the container is not ok.
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
    /// The container's ID; `None` if even that is unknown.
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
            Self::Container(treated) => treated.is_ok,
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
        PatchEvent::Container(treated) => {
            let called = treated
                .name
                .or(treated.container)
                .map_or_else(|| "a container".to_owned(), line::name);
            let ended = treated
                .status
                .map_or_else(String::new, |status| format!(" (status {status})"));
            let took = treated.took.map_or_else(String::new, |took| {
                format!(" after {:.1} s", took.as_secs_f64())
            });
            let why = treated.why.map_or_else(String::new, |why| {
                format!(
                    ": {}",
                    why.chars().take(super::LONGEST_FIELD).collect::<String>()
                )
            });
            format!(
                ": {called} ({}): {}{ended}{took}{why}",
                treated.engine, treated.word
            )
        }
        PatchEvent::Ended(RunEnd {
            ok,
            not_ok,
            stopped,
            ..
        }) => {
            let stopped =
                stopped.map_or_else(String::new, |why| format!(", stopped because {why}"));
            format!(" ended: {ok} ok, {not_ok} not ok{stopped}")
        }
    }
}

/// The known facts, with the names of their fields.
fn fields(run: RunIdentity<'_>, event: &PatchEvent<'_>) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("EMBARGO_EVENT", event.word().to_owned()),
        ("EMBARGO_RUN", run.id.to_owned()),
        ("EMBARGO_USER", run.user.to_owned()),
    ];
    fields.extend(
        run.list_version
            .map(|version| ("EMBARGO_LIST_VERSION", version.to_string())),
    );
    match event {
        PatchEvent::Started(RunStart {
            bans,
            digests,
            severity,
            successors,
            message: _,
        }) => {
            fields.extend(
                bans.iter()
                    .take(MOST_FIELDS)
                    .map(|ban| ("EMBARGO_BAN", ban.clone())),
            );
            fields
                .extend(severity.map(|severity| ("EMBARGO_SEVERITY", severity.word().to_owned())));
            fields.extend(
                successors
                    .iter()
                    .take(MOST_FIELDS)
                    .map(|successor| ("EMBARGO_SUCCESSOR", successor.clone())),
            );
            fields.extend(
                digests
                    .iter()
                    .take(MOST_FIELDS)
                    .map(|digest| ("EMBARGO_COMMAND_DIGEST", digest.to_string())),
            );
        }
        PatchEvent::Container(treated) => fields.extend(of_container(treated)),
        PatchEvent::Ended(RunEnd {
            ok,
            not_ok,
            exit,
            took,
            stopped: _,
        }) => fields.extend([
            ("EMBARGO_OK", ok.to_string()),
            ("EMBARGO_NOT_OK", not_ok.to_string()),
            ("EMBARGO_STATUS", exit.to_string()),
            ("EMBARGO_DURATION_MS", took.as_millis().to_string()),
        ]),
    }
    fields
}

fn of_container(treated: &ContainerEnd<'_>) -> impl Iterator<Item = (&'static str, String)> {
    let ContainerEnd {
        outcome,
        status,
        took,
        ban,
        severity,
        successor,
        digest,
        container,
        name,
        ..
    } = treated;
    let ContainerEnd {
        owner,
        engine,
        image,
        image_id,
        word: _,
        is_ok: _,
        why: _,
        ..
    } = treated;
    let facts = [
        ("EMBARGO_OUTCOME", Some((*outcome).to_owned())),
        ("EMBARGO_STATUS", status.map(|status| status.to_string())),
        (
            "EMBARGO_DURATION_MS",
            took.map(|took| took.as_millis().to_string()),
        ),
        ("EMBARGO_BAN", ban.map(str::to_owned)),
        (
            "EMBARGO_SEVERITY",
            severity.map(|severity| severity.word().to_owned()),
        ),
        ("EMBARGO_SUCCESSOR", successor.map(str::to_owned)),
        (
            "EMBARGO_COMMAND_DIGEST",
            digest.map(|digest| digest.to_string()),
        ),
        ("EMBARGO_CONTAINER", container.map(str::to_owned)),
        ("EMBARGO_NAME", name.map(str::to_owned)),
        ("EMBARGO_OWNER", owner.map(|owner| owner.to_string())),
        ("EMBARGO_ENGINE", Some(engine.word().to_owned())),
        ("EMBARGO_IMAGE", image.map(str::to_owned)),
        ("EMBARGO_IMAGE_ID", image_id.map(str::to_owned)),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
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
        let sockets = Sockets {
            journal: directory.path().join("journal"),
            syslog: directory.path().join("log"),
        };
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
        let told = fields(RUN, &PatchEvent::Started(many))
            .iter()
            .filter(|(name, _)| *name == "EMBARGO_BAN")
            .count();
        assert_eq!(told, MOST_FIELDS);
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
