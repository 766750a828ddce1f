//! Decides which patches earlier runs have already done in the matching containers.
//!
//! In: the journals, read once, and the containers that a scan finds. Out: plans; and for a resumed
//! run, the outcome that it already has for each container. Results are valid for one instance of a
//! container only: a restarted container is another instance, even with the same name. Not checked:
//! whether somebody has undone a patch since.

use std::collections::{BTreeMap, HashSet};

use super::error::PatchError;
use super::request::Request;
use crate::exec_patch::enter::aftermath;
use crate::exec_patch::job::Container;
use crate::exec_patch::journal;
use crate::exec_patch::journal::ids::ContainerKey;
use crate::exec_patch::journal::line::Gone;
use crate::exec_patch::journal::past::{
    EntryState, FailedContainers, InstanceId, LogEntry, PriorState, RunLog,
};
use crate::exec_patch::journal::runs::{Interrupted, Prior, Runs};
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::plan::{PatchStep, Plan};
use crate::exec_patch::request::payload::Payload;
use crate::exec_patch::select::Selection;
use crate::report::line;

/// What all earlier runs did.
#[derive(Debug)]
pub struct PriorRuns {
    prior: Prior,
    boot: String,
    past: Option<RunLog>,
    /// If the resumed run was started with `--only-failed`: the failed containers of the other run.
    not_ok: Option<FailedContainers>,
}

impl PriorRuns {
    /// Reads the journals.
    ///
    /// # Errors
    /// [`PatchError::Prior`] if a journal from this boot of the machine cannot be read: nobody
    /// knows what that run patched. With `--again`, the run starts nevertheless, with a warning.
    /// [`PatchError::Journal`] if this run is for the failures of another run, and the other run's
    /// journal cannot be read.
    pub fn new(runs: &Runs, request: &Request) -> Result<Self, PatchError> {
        let boot = journal::boot()?;
        let past = request.past().cloned();
        let not_ok = match (&past, request.only_failed()) {
            (Some(_), Some(run)) => Some(runs.read(run)?.not_ok()),
            (Some(_) | None, _) => None,
        };
        let mut prior = runs.prior(&boot);
        if !request.payloads.order().again && !prior.faults.is_empty() {
            return Err(PatchError::Prior(prior.faults.remove(0)));
        }
        Ok(Self {
            prior,
            boot,
            past,
            not_ok,
        })
    }

    /// Warnings about journals that could not be read and were not needed, one line each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let faults = self.prior.faults.iter();
        faults.map(|fault| line::causes(fault)).collect()
    }

    /// The patches whose workers were killed since the machine booted.
    #[must_use]
    pub fn interrupted(&self) -> &[Interrupted] {
        &self.prior.interrupted
    }

    /// The failed containers that the resumed run is for, if it was started with `--only-failed`.
    #[must_use]
    pub const fn not_ok(&self) -> Option<&FailedContainers> {
        self.not_ok.as_ref()
    }

    /// The plan for the containers of the first scan.
    #[must_use]
    pub fn first_plan(&self, selection: Selection, request: &Request) -> Plan {
        let bans = selection.matches.iter().flat_map(|found| &found.bans);
        let in_place = request.payloads.in_place_of(bans);
        let mut plan = self.plan(selection, request);
        plan.warnings.extend(in_place);
        plan.gone = self.gone(&plan);
        plan
    }

    /// The plan for the containers of a later scan.
    #[must_use]
    pub fn plan(&self, selection: Selection, request: &Request) -> Plan {
        let again = request.payloads.order().again;
        Plan::of(selection, &request.payloads, |container, payload| {
            if let Some(outcome) = self.known(container, &payload) {
                return PatchStep::Stands(payload, outcome);
            }
            match self.before(container, &payload) {
                Some(run) if !again => PatchStep::Before(payload, run),
                Some(_) | None => PatchStep::Run(payload),
            }
        })
    }

    /// The ID of the earlier run that patched this container with the same payload. The run that is
    /// resumed does not count as an earlier run.
    fn before(&self, container: &Container, payload: &Payload) -> Option<String> {
        let instance = InstanceId::of(container, &self.boot);
        let run = self.prior.patched(payload.digest, &instance)?;
        match &self.past {
            Some(past) if past.header.id == *run => None,
            Some(_) | None => Some(run.to_string()),
        }
    }

    /// The outcome that the resumed run already has for this payload in this container. An
    /// interrupted patch runs again only if it has a check, which can tell whether the patch is
    /// still necessary.
    fn known(&self, container: &Container, payload: &Payload) -> Option<Outcome> {
        let instance = InstanceId::of(container, &self.boot);
        match self.past.as_ref()?.prior_state(payload.digest, &instance) {
            PriorState::Over(outcome) => Some(outcome.clone()),
            PriorState::Interrupted(entry) => {
                let outcome = interrupted(entry);
                // The container may be left unpaused. A person must look at the container first; a
                // patch would hide its state.
                if outcome == Outcome::Interrupted && payload.work.check.is_some() {
                    None
                } else {
                    Some(outcome)
                }
            }
            PriorState::New => None,
        }
    }

    /// The containers of the resumed run that no longer match, with the last entry for each of
    /// their patches. These entries are the newest facts about the containers.
    fn gone(&self, plan: &Plan) -> Vec<Gone> {
        let Some(past) = &self.past else {
            return Vec::new();
        };
        let mut matching = HashSet::new();
        for planned in &plan.planned {
            matching.insert(ContainerKey::of(&planned.container));
        }
        let mut last = BTreeMap::new();
        for entry in &past.entries {
            let (container, digest) = entry.key();
            if !matching.contains(&container) {
                last.insert((container, digest), entry);
            }
        }
        let mut gone = Vec::new();
        for entry in last.into_values() {
            gone.push(Gone::of(&entry.container, interrupted(entry)));
        }
        gone
    }
}

/// The outcome of a patch. If the patch was started and no end was recorded, the container's state
/// decides.
fn interrupted(entry: &LogEntry) -> Outcome {
    match &entry.state {
        EntryState::Started { unpause, .. } => aftermath::outcome(&entry.container, *unpause),
        EntryState::Ended { .. } | EntryState::Settled(_) => entry.outcome().clone(),
    }
}
