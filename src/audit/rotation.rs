//! Whose signatures count on this node from now on, and which keyset was kept from saying so?
//!
//! In: what a rotation found out. Out: one record in the system log for each keyset, with a field for every fact, so that a fleet can be asked "which
//! nodes follow keyset 3, and who signed that?".

use crate::report::line;
use crate::sys::system_log::{self, DAEMON, Record, Sockets};

use super::LONGEST_FIELD;

/// How a step of a rotation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The keyset is this node's.
    Rotated,
    /// It is not.
    Refused,
}

impl Ending {
    /// The event's name, for `EMBARGO_EVENT`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rotated => "keyset-rotated",
            Self::Refused => "keyset-refused",
        }
    }

    /// The priority (RFC 5424, table 2): 4 warning, 5 notice.
    const fn priority(self) -> u8 {
        match self {
            Self::Refused => 4,
            Self::Rotated => 5,
        }
    }
}

/// A step of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How it ended.
    pub ending: Ending,
    /// The keyset that the node has now, or the one that it keeps.
    pub keyset: u64,
    /// The root keys that signed the new one, by name; none of one that was refused.
    pub signers: Vec<String>,
    /// The whole of it for people.
    pub message: String,
}

/// Tells the system log that listens on these sockets of every step.
pub fn send(sockets: &Sockets, steps: &[Step]) {
    let until = system_log::soon();
    for step in steps {
        let (priority, message) = (step.ending.priority(), line::one_line(&format!("embargo: {}", step.message)));
        let record = Record { identifier: "embargo", facility: DAEMON, priority, message: &message, fields: fields(step) };
        // Nobody listening has nobody to be told to; the person who rotates is told on the terminal.
        system_log::record(sockets, &record, until).ok();
    }
}

/// The facts by name.
fn fields(step: &Step) -> Vec<(&'static str, String)> {
    let mut fields = vec![("EMBARGO_EVENT", step.ending.word().to_owned()), ("EMBARGO_KEYSET", step.keyset.to_string())];
    fields
        .extend(step.signers.iter().map(|name| ("EMBARGO_SIGNER", line::one_line(&name.chars().take(LONGEST_FIELD).collect::<String>()))));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    fn steps() -> Vec<Step> {
        let signers = vec!["alice".into(), "bob".into()];
        let refused = Step { ending: Ending::Refused, keyset: 2, signers: vec![], message: "cannot rotate to \"3\u{1b}\"".into() };
        vec![Step { ending: Ending::Rotated, keyset: 2, signers, message: "keyset 2 is in force".into() }, refused]
    }

    #[test]
    fn each_step_is_told_with_who_signed_it() {
        let folder = tempfile::tempdir().unwrap();
        let sockets = Sockets { journal: folder.path().join("journal"), syslog: folder.path().join("log") };
        let journald = UnixDatagram::bind(&sockets.journal).unwrap();
        send(&sockets, &steps());
        let heard = || {
            let mut bytes = [0; 4_096];
            let length = journald.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        };
        assert_eq!(
            heard(),
            "MESSAGE=embargo: keyset 2 is in force\nPRIORITY=5\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=embargo\nEMBARGO_EVENT=keyset-rotated\n\
             EMBARGO_KEYSET=2\nEMBARGO_SIGNER=alice\nEMBARGO_SIGNER=bob\n"
        );
        assert_eq!(
            heard(),
            "MESSAGE=embargo: cannot rotate to \"3\\u{1b}\"\nPRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=embargo\n\
             EMBARGO_EVENT=keyset-refused\nEMBARGO_KEYSET=2\n"
        );
    }

    #[test]
    fn every_field_and_event_stands_in_the_manual() {
        const PAGE: &str = include_str!("../../packaging/man/embargo.8");
        for step in steps() {
            for (name, _) in fields(&step) {
                assert!(PAGE.lines().any(|line| line.starts_with(".It Li EMBARGO_") && line.contains(name)), "{name}");
            }
            assert!(PAGE.lines().any(|line| line.starts_with(".Li ") && line.contains(step.ending.word())), "{}", step.ending.word());
        }
    }
}
