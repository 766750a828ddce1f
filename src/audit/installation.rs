//! Reports to the system log which list was installed on this node, or refused.
//!
//! In: the results of an installation. Out: one record in the system log, with a field for every
//! fact. So the logs of many nodes can answer "which nodes lifted this ban, and who signed that?".
//! For a refused list, only authentic facts have fields: anybody may have written the rest.

use crate::banlist::floor::Edition;
use crate::banlist::head::Impact;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::system_log::{self, Sockets};

use super::{Ending, Fields, Head};

/// At most this many bans, and as many signers, get a field each.
const MOST_FIELDS: usize = 16;

/// The results of an installation, as far as it got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// The list's keyset and version.
    pub edition: Option<Edition>,
    /// The SHA-256 of the text of the list's head.
    pub head: Option<Digest>,
    /// How many bans the list has.
    pub bans: Option<usize>,
    /// How many digests the list has.
    pub digests: Option<u64>,
    /// The IDs of the bans that the list in force has and this list lifts.
    pub lifted: Vec<String>,
    /// The keys that signed the list, by their names in the keyset.
    pub signers: Vec<String>,
    /// How many signatures of trusted keys do not verify. The list has enough good signatures
    /// without them.
    pub bad_signatures: usize,
    /// Whether the list's signers confirm that they know how many containers the list refuses.
    pub impact: Option<Impact>,
    /// How many running containers could no longer be started.
    pub newly_refused: Option<usize>,
    /// How many containers are running.
    pub running: Option<usize>,
}

/// The event's name, for `EMBARGO_EVENT`.
const fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "list-installed",
        Ending::Refused => "list-refused",
    }
}

/// The event's unique ID in the journal.
const fn message_id(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "e0ef24def23f480ba4408f57ee645b9d",
        Ending::Refused => "3b829527ef6f4706a15a9ba2354892da",
    }
}

/// The names and IDs of the events.
#[cfg(test)]
pub(super) fn events() -> [(&'static str, &'static str); 2] {
    [Ending::Done, Ending::Refused].map(|ending| (word(ending), message_id(ending)))
}

/// Sends the event to the system log that listens on these sockets. `message` is its text for
/// people.
pub fn send(sockets: &Sockets, ending: Ending, installation: &Installation, message: &str) {
    let message = line::one_line(&format!("embargo: {message}{}", besides(installation)));
    // If no system log listens, the person who installs the list still sees the result on the
    // terminal.
    let head = Head {
        priority: ending.priority(),
        message_id: message_id(ending),
    };
    super::record(
        sockets,
        head,
        &message,
        fields(ending, installation),
        system_log::soon(),
    )
    .ok();
}

/// The end of the message: which bans are lifted, and who signed.
fn besides(installation: &Installation) -> String {
    let Installation {
        lifted, signers, ..
    } = installation;
    let lifted = if lifted.is_empty() {
        String::new()
    } else {
        format!("; lifts {}", names(lifted))
    };
    if signers.is_empty() {
        lifted
    } else {
        format!("{lifted}; signed by {}", names(signers))
    }
}

/// The first few names, and the number of the remaining ones.
fn names(ids: &[String]) -> String {
    line::names(&ids[..ids.len().min(MOST_FIELDS)], ids.len())
}

/// The known facts, with the names of their fields.
fn fields(ending: Ending, installation: &Installation) -> Vec<(&'static str, String)> {
    let Installation {
        edition,
        head,
        bans,
        digests,
        lifted,
        signers,
        bad_signatures,
        impact,
        newly_refused,
        running,
    } = installation;
    let mut fields = Fields::default();
    fields.add("EMBARGO_EVENT", [word(ending)]);
    if let Some(Edition { keyset, version }) = edition {
        fields.add("EMBARGO_LIST_VERSION", [version]);
        fields.add("EMBARGO_KEYSET", [keyset]);
    }
    fields.add("EMBARGO_HEAD", head);
    fields.add("EMBARGO_BANS", bans);
    fields.add("EMBARGO_DIGESTS", digests);
    fields.add("EMBARGO_IMPACT", impact.map(Impact::word));
    fields.add("EMBARGO_NEWLY_REFUSED", newly_refused);
    fields.add("EMBARGO_RUNNING", running);
    if *bad_signatures > 0 {
        fields.add("EMBARGO_BAD_SIGNATURES", [bad_signatures]);
    }
    fields.add("EMBARGO_LIFTED", lifted.iter().take(MOST_FIELDS));
    fields.add("EMBARGO_SIGNER", signers.iter().take(MOST_FIELDS));
    fields.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    fn lifting() -> Installation {
        Installation {
            edition: Some(Edition {
                keyset: 3,
                version: 413,
            }),
            head: Some(Digest::of(b"head")),
            bans: Some(2),
            digests: Some(120),
            lifted: vec!["BAN-2026-0007".into()],
            signers: vec!["alice".into(), "kms-1".into()],
            bad_signatures: 1,
            impact: Some(Impact::Guarded),
            newly_refused: Some(1),
            running: Some(40),
        }
    }

    #[test]
    fn an_installation_is_reported_with_what_it_lifts_and_who_signed() {
        let directory = tempfile::tempdir().unwrap();
        let sockets = Sockets::inside(directory.path());
        let journald = UnixDatagram::bind(&sockets.journal).unwrap();
        send(
            &sockets,
            Ending::Done,
            &lifting(),
            "installed version 413 for bans.example.com/prod: 2 bans, 120 digests",
        );
        let mut bytes = [0; 8_192];
        let length = journald.recv(&mut bytes).unwrap();
        let expected = format!(
            "MESSAGE=embargo: installed version 413 for bans.example.com/prod: 2 bans, 120 digests; lifts BAN-2026-0007; signed by alice, kms-1\n\
             PRIORITY=5\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=embargo\nMESSAGE_ID=e0ef24def23f480ba4408f57ee645b9d\nEMBARGO_EVENT=list-installed\nEMBARGO_LIST_VERSION=413\nEMBARGO_KEYSET=3\n\
             EMBARGO_HEAD={}\nEMBARGO_BANS=2\nEMBARGO_DIGESTS=120\nEMBARGO_IMPACT=guarded\nEMBARGO_NEWLY_REFUSED=1\nEMBARGO_RUNNING=40\nEMBARGO_BAD_SIGNATURES=1\n\
             EMBARGO_LIFTED=BAN-2026-0007\nEMBARGO_SIGNER=alice\nEMBARGO_SIGNER=kms-1\n",
            Digest::of(b"head")
        );
        assert_eq!(String::from_utf8_lossy(&bytes[..length]), expected);
        send(
            &sockets,
            Ending::Refused,
            &Installation::default(),
            "cannot use \"x\": not a ban list: it has no head",
        );
        let length = journald.recv(&mut bytes).unwrap();
        let expected = "MESSAGE=embargo: cannot use \"x\": not a ban list: it has no head\nPRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=embargo\n\
             MESSAGE_ID=3b829527ef6f4706a15a9ba2354892da\nEMBARGO_EVENT=list-refused\n";
        assert_eq!(String::from_utf8_lossy(&bytes[..length]), expected);
    }

    #[test]
    fn a_thousand_lifted_bans_make_one_record() {
        let many = Installation {
            lifted: (0..1_000).map(|number| format!("BAN-{number}")).collect(),
            ..lifting()
        };
        let lifted = fields(Ending::Done, &many)
            .iter()
            .filter(|(name, _)| *name == "EMBARGO_LIFTED")
            .count();
        assert_eq!(lifted, MOST_FIELDS);
        assert!(besides(&many).contains("BAN-15 and 984 more; signed by "));
    }

    #[test]
    fn every_field_and_event_stands_in_the_manual() {
        const PAGE: &str = include_str!("../../packaging/man/embargo.8");
        for ending in [Ending::Done, Ending::Refused] {
            assert!(PAGE.contains(word(ending)), "{}", word(ending));
            for (name, _) in fields(ending, &lifting()) {
                assert!(
                    PAGE.lines()
                        .any(|line| line.starts_with(".It Li EMBARGO_") && line.contains(name)),
                    "{name}"
                );
            }
        }
    }
}
