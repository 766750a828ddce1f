//! Writes the result of an installation as JSON.
//!
//! In: the results, as far as the installation got, and its end. Out: one document, also for a list
//! that was refused, with the keys of the events in the system log. Only authentic facts about the
//! list are in it.

use serde::Serialize;

use super::super::{CtlError, Output};
use super::{InstallOutcome, Installed};
use crate::audit::installation::Installation;
use crate::banlist::floor::Edition;
use crate::banlist::head::Impact;
use crate::lineage::digest::Digest;
use crate::report::{Exit, json, line};

/// The JSON output. The fields are named like those of the events `list-installed` and
/// `list-refused`.
#[derive(Serialize)]
struct InstallJson<'a> {
    outcome: &'static str,
    /// Whether anything on the node changed, or would.
    changed: bool,
    list_version: Option<u64>,
    keyset: Option<u64>,
    head: Option<Digest>,
    bans: Option<usize>,
    digests: Option<u64>,
    impact: Option<&'static str>,
    newly_refused: Option<usize>,
    running: Option<usize>,
    lifted: &'a [String],
    signers: &'a [String],
    bad_signatures: usize,
    /// The lines that the command prints without `--json`.
    messages: Vec<String>,
    /// Why the list was refused.
    fault: Option<String>,
    hint: Option<&'a str>,
}

impl InstallOutcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::WouldInstall => "would-install",
            Self::AlreadyInForce => "already-in-force",
        }
    }
}

/// The document about an installation, and the exit status.
pub(super) fn of(event: &Installation, done: &Result<Installed, CtlError>) -> Output {
    let (version, keyset) = match event.edition {
        Some(Edition { version, keyset }) => (Some(version), Some(keyset)),
        None => (None, None),
    };
    let mut body = InstallJson {
        outcome: "refused",
        changed: false,
        list_version: version,
        keyset,
        head: event.head,
        bans: event.bans,
        digests: event.digests,
        impact: event.impact.map(Impact::word),
        newly_refused: event.newly_refused,
        running: event.running,
        lifted: &event.lifted,
        signers: &event.signers,
        bad_signatures: event.bad_signatures,
        messages: Vec::new(),
        fault: None,
        hint: None,
    };
    let exit = match done {
        Ok(installed) => {
            body.outcome = installed.outcome.word();
            body.changed = installed.has_changed;
            body.messages.clone_from(&installed.lines);
            installed.exit
        }
        Err(error) => {
            body.fault = Some(line::causes(error));
            body.messages.clone_from(&error.details);
            body.hint = error.hint();
            Exit::Failed
        }
    };
    Output {
        text: json::pretty(&body) + "\n",
        exit,
    }
}
