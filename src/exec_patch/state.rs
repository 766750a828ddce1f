//! Says what the runs of this node did, for `embargoctl status`.
//!
//! In: the journals, and running containers with the bans that match them. Out: the newest run, the
//! size of all runs, and which patches no run has done in these containers. A patch is done if the
//! last run that entered, or settled, this instance of the container for this ban succeeded, with
//! what the ban's patch says now. Of a patch by script, only the ban's ID is compared: the script
//! is not on the list. Not checked: whether somebody has undone a patch since.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::journal;
use super::journal::past::{InstanceId, LogEntry, RunLog};
use super::journal::runs::Runs;
use super::outcome::{Outcome, OutcomeKind};
use super::request::arguments::Order;
use super::request::payloads::{Payloads, ScriptRole};
use super::run::prune;
use crate::banlist::ban::Ban;
use crate::lineage::digest::Digest;
use crate::node::patches::{OutcomeCount, PatchRun, PatchState, PatchTarget};
use crate::paths::Paths;
use crate::report::line::causes;

/// The last end of each ban's patch in each instance of a container: what ran, and whether that
/// succeeded.
type Ends = HashMap<(InstanceId, String), (Option<Digest>, bool)>;

/// What the runs did, and in which of these containers a patch is still to be done.
#[must_use]
pub fn patch_state(paths: &Paths, targets: &[PatchTarget]) -> PatchState {
    let (runs, boot) = match (Runs::load(paths), journal::boot()) {
        (Ok(runs), Ok(boot)) => (runs, boot),
        (Err(fault), _) | (Ok(_), Err(fault)) => {
            return PatchState {
                faults: vec![causes(&fault)],
                ..PatchState::default()
            };
        }
    };
    let mut state = PatchState::default();
    let mut ends = Ends::new();
    // The oldest run first: a later end replaces an earlier one.
    for id in runs.ids().iter().rev() {
        let directory = runs.directory().join(id.as_str());
        state.journal_bytes += prune::size(&directory);
        match runs.read(id) {
            Ok(past) => {
                add(&mut ends, &past, &boot);
                state.last_run = Some(run(&past));
            }
            Err(fault) => state.faults.push(causes(&fault)),
        }
    }
    let payloads = Payloads::again(Order::automatic(), None, ScriptRole::Unsigned);
    for target in targets {
        let instance = InstanceId {
            boot: boot.clone(),
            id: target.id.clone(),
            pid: target.pid,
            started: target.started,
        };
        let mut unpatched = Vec::new();
        for ban in &target.bans {
            let end = ends.get(&(instance.clone(), ban.id.clone()));
            if !end.is_some_and(|end| is_done(*end, digest(&payloads, ban))) {
                unpatched.push(ban.id.clone());
            }
        }
        state.unpatched.push(unpatched);
    }
    state
}

/// Adds the ends of a run's patches in this boot of the machine.
fn add(ends: &mut Ends, past: &RunLog, boot: &str) {
    for entry in &past.entries {
        let Some(ban) = &entry.ban else { continue };
        if entry.boot == boot && says_something(entry) {
            let end = (entry.digest, entry.outcome().is_ok());
            ends.insert((entry.instance(), ban.clone()), end);
        }
    }
}

/// Whether this entry says whether the container is patched. If the container had no turn, what an
/// earlier run did is still valid.
fn says_something(entry: &LogEntry) -> bool {
    *entry.outcome() != Outcome::NotStarted
}

/// The digest of the ban's patch; `None` if it takes a script.
fn digest(payloads: &Payloads, ban: &Arc<Ban>) -> Option<Digest> {
    let payloads = payloads.of_bans(std::slice::from_ref(ban));
    Some(payloads.first()?.as_ref().ok()?.digest)
}

fn is_done((ran, is_ok): (Option<Digest>, bool), wanted: Option<Digest>) -> bool {
    is_ok && (wanted.is_none() || ran == wanted)
}

fn run(past: &RunLog) -> PatchRun {
    let mut counts: BTreeMap<OutcomeKind, usize> = BTreeMap::new();
    for entry in past.reached() {
        *counts.entry(entry.outcome().kind()).or_default() += 1;
    }
    let mut outcomes = Vec::new();
    for (kind, patches) in counts {
        outcomes.push(OutcomeCount {
            outcome: name(kind),
            patches,
        });
    }
    PatchRun {
        run: past.header.id.to_string(),
        started: past.header.started,
        ended: past.finished.as_ref().map(|finished| finished.at),
        outcomes,
    }
}

/// The outcome's name in the journal.
fn name(kind: OutcomeKind) -> String {
    match serde_json::to_value(kind) {
        Ok(Value::String(name)) => name,
        // An enum without fields is written as a string.
        Ok(_) | Err(_) => String::new(),
    }
}
