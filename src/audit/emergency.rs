//! Reports to the system log who opened break-glass, and who ended it.
//!
//! In: the person, the reason and the limit. Out: one record in the system log. The starts under
//! break-glass are events of their own. A file that somebody wrote or removed by hand is not
//! reported here.

use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::system_log::{self, Sockets};

use super::{Fields, Head};

/// What happened to break-glass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmergencyStep {
    /// Somebody opened it, or changed until when it is open.
    Opened,
    /// Somebody ended it.
    Ended,
}

impl EmergencyStep {
    /// The event's name, for `EMBARGO_EVENT`.
    const fn word(self) -> &'static str {
        match self {
            Self::Opened => "break-glass-opened",
            Self::Ended => "break-glass-ended",
        }
    }

    /// The event's unique ID in the journal.
    const fn message_id(self) -> &'static str {
        match self {
            Self::Opened => "0d6e1a5ce0be4d0f8d5f6ad4d1b8c2a7",
            Self::Ended => "9c1f6f4b7e5e4a55a3c8b7d92e60f413",
        }
    }

    /// The priority (RFC 5424, table 2): 3 error, 5 notice.
    const fn priority(self) -> u8 {
        match self {
            Self::Opened => 3,
            Self::Ended => 5,
        }
    }
}

/// The names and IDs of the events.
#[cfg(test)]
pub(super) fn events() -> [(&'static str, &'static str); 2] {
    [EmergencyStep::Opened, EmergencyStep::Ended].map(|step| (step.word(), step.message_id()))
}

/// Who opened or ended break-glass, and what the file said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// The person.
    pub user: String,
    /// The reason in the file, if it could be read.
    pub reason: Option<String>,
    /// The limit in the file, if it could be read.
    pub until: Option<Timestamp>,
}

/// Sends the event to the system log that listens on these sockets.
pub fn send(sockets: &Sockets, step: EmergencyStep, emergency: &Emergency) {
    let head = Head {
        priority: step.priority(),
        message_id: step.message_id(),
    };
    // If no system log listens, the person still sees the result on the terminal.
    super::record(
        sockets,
        head,
        &line::one_line(&message(step, emergency)),
        fields(step, emergency),
        system_log::soon(),
    )
    .ok();
}

fn message(step: EmergencyStep, emergency: &Emergency) -> String {
    let Emergency {
        user,
        reason,
        until,
    } = emergency;
    let user = line::name(user);
    let mut text = match step {
        EmergencyStep::Opened => format!("embargo: break-glass was opened by {user}"),
        EmergencyStep::Ended => return format!("embargo: break-glass was ended by {user}"),
    };
    if let Some(until) = until {
        text += &format!(" until {until}");
    }
    if let Some(reason) = reason {
        text += &format!(": {}", line::name(reason));
    }
    text
}

/// The known facts, with the names of their fields.
fn fields(step: EmergencyStep, emergency: &Emergency) -> Vec<(&'static str, String)> {
    let mut fields = Fields::default();
    fields.add("EMBARGO_EVENT", [step.word()]);
    fields.add("EMBARGO_USER", [&emergency.user]);
    fields.add("EMBARGO_REASON", &emergency.reason);
    fields.add("EMBARGO_UNTIL", emergency.until);
    fields.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn who_opened_and_ended_it_is_reported_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let sockets = Sockets::inside(directory.path());
        let journald = UnixDatagram::bind(&sockets.journal).unwrap();
        let emergency = Emergency {
            user: "alice".into(),
            reason: Some("INC-1: \u{1b}[2J".into()),
            until: Timestamp::parse("2026-11-21T06:00:00Z"),
        };
        for (step, message, priority, rest) in [
            (
                EmergencyStep::Opened,
                "break-glass was opened by alice until 2026-11-21T06:00:00Z: \"INC-1: \\u{1b}[2J\"",
                3,
                "MESSAGE_ID=0d6e1a5ce0be4d0f8d5f6ad4d1b8c2a7\nEMBARGO_EVENT=break-glass-opened",
            ),
            (
                EmergencyStep::Ended,
                "break-glass was ended by alice",
                5,
                "MESSAGE_ID=9c1f6f4b7e5e4a55a3c8b7d92e60f413\nEMBARGO_EVENT=break-glass-ended",
            ),
        ] {
            send(&sockets, step, &emergency);
            let mut bytes = [0; 8_192];
            let length = journald.recv(&mut bytes).unwrap();
            let expected = format!(
                "MESSAGE=embargo: {message}\nPRIORITY={priority}\nSYSLOG_FACILITY=3\n\
                 SYSLOG_IDENTIFIER=embargo\n{rest}\nEMBARGO_USER=alice\n\
                 EMBARGO_REASON=INC-1: \\u{{1b}}[2J\nEMBARGO_UNTIL=2026-11-21T06:00:00Z\n"
            );
            assert_eq!(String::from_utf8_lossy(&bytes[..length]), expected);
        }
    }

    #[test]
    fn every_field_and_event_stands_in_the_manual() {
        const PAGE: &str = include_str!("../../packaging/man/embargo.8");
        let emergency = Emergency {
            user: "alice".into(),
            reason: Some("r".into()),
            until: Timestamp::parse("2026-11-21"),
        };
        for step in [EmergencyStep::Opened, EmergencyStep::Ended] {
            assert!(PAGE.contains(step.word()), "{}", step.word());
            for (name, _) in fields(step, &emergency) {
                assert!(
                    PAGE.lines()
                        .any(|line| line.starts_with(".It Li EMBARGO_") && line.contains(name)),
                    "{name}"
                );
            }
        }
    }
}
