//! Reports to the system log which keyset this node trusts now, and which it refused.
//!
//! In: the results of a rotation. Out: one record in the system log for each keyset, with a field
//! for every fact. So the logs of many nodes can answer "which nodes follow keyset 3, and who
//! signed that?".

use crate::report::line;
use crate::sys::system_log::{self, Sockets};

use super::{Ending, Fields, Head};

/// The event's name, for `EMBARGO_EVENT`.
const fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "keyset-rotated",
        Ending::Refused => "keyset-refused",
    }
}

/// The event's unique ID in the journal.
const fn message_id(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "d9e8e568ceea4c22810992f3e7a1416e",
        Ending::Refused => "649de78e425c4277b3415bfab397ba2d",
    }
}

/// The names and IDs of the events.
#[cfg(test)]
pub(super) fn events() -> [(&'static str, &'static str); 2] {
    [Ending::Done, Ending::Refused].map(|ending| (word(ending), message_id(ending)))
}

/// One keyset of a rotation, and whether the node took or refused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationStep {
    /// Whether the node took the keyset or refused it.
    pub ending: Ending,
    /// The number of the keyset that the node trusts after this step.
    pub keyset: u64,
    /// The names of the root keys that signed the new keyset; empty if the keyset was refused.
    pub signers: Vec<String>,
    /// The message for people.
    pub message: String,
}

/// Sends every step to the system log that listens on these sockets.
pub fn send(sockets: &Sockets, steps: &[RotationStep]) {
    let until = system_log::soon();
    for step in steps {
        let message = line::one_line(&format!("embargo: {}", step.message));
        // If no system log listens, the person who rotates the keyset still sees the result on the
        // terminal.
        let head = Head {
            priority: step.ending.priority(),
            message_id: message_id(step.ending),
        };
        super::record(sockets, head, &message, fields(step), until).ok();
    }
}

/// The facts, with the names of their fields.
fn fields(step: &RotationStep) -> Vec<(&'static str, String)> {
    let mut fields = Fields::default();
    fields.add("EMBARGO_EVENT", [word(step.ending)]);
    fields.add("EMBARGO_KEYSET", [step.keyset]);
    fields.add("EMBARGO_SIGNER", &step.signers);
    fields.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    fn steps() -> Vec<RotationStep> {
        let signers = vec!["alice".into(), "bob".into()];
        let refused = RotationStep {
            ending: Ending::Refused,
            keyset: 2,
            signers: vec![],
            message: "cannot rotate to \"3\u{1b}\"".into(),
        };
        vec![
            RotationStep {
                ending: Ending::Done,
                keyset: 2,
                signers,
                message: "keyset 2 is in force".into(),
            },
            refused,
        ]
    }

    #[test]
    fn each_step_is_reported_with_who_signed_it() {
        let directory = tempfile::tempdir().unwrap();
        let sockets = Sockets::inside(directory.path());
        let journald = UnixDatagram::bind(&sockets.journal).unwrap();
        send(&sockets, &steps());
        let heard = || {
            let mut bytes = [0; 4_096];
            let length = journald.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        };
        assert_eq!(
            heard(),
            "MESSAGE=embargo: keyset 2 is in force\nPRIORITY=5\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=embargo\nMESSAGE_ID=d9e8e568ceea4c22810992f3e7a1416e\nEMBARGO_EVENT=keyset-rotated\n\
             EMBARGO_KEYSET=2\nEMBARGO_SIGNER=alice\nEMBARGO_SIGNER=bob\n"
        );
        assert_eq!(
            heard(),
            "MESSAGE=embargo: cannot rotate to \"3\\u{1b}\"\nPRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=embargo\n\
             MESSAGE_ID=649de78e425c4277b3415bfab397ba2d\nEMBARGO_EVENT=keyset-refused\nEMBARGO_KEYSET=2\n"
        );
    }

    #[test]
    fn every_field_and_event_stands_in_the_manual() {
        const PAGE: &str = include_str!("../../packaging/man/embargo.8");
        for step in steps() {
            for (name, _) in fields(&step) {
                assert!(
                    PAGE.lines()
                        .any(|line| line.starts_with(".It Li EMBARGO_") && line.contains(name)),
                    "{name}"
                );
            }
            assert!(
                PAGE.lines()
                    .any(|line| line.starts_with(".Li ") && line.contains(word(step.ending))),
                "{}",
                word(step.ending)
            );
        }
    }
}
