//! Decides which patches earlier runs have already done in the matching containers.
//!
//! In: the journals, read once, and the containers that a scan finds. Out: plans; and for a resumed
//! run, what it already knows about each container. Only the same instance of a container counts: a
//! restarted container is another instance, even with the same name. Not checked: whether somebody
//! has undone a patch since.

use std::collections::{BTreeMap, HashSet};

use super::error::PatchError;
use super::request::Request;
use crate::exec_patch::enter::aftermath;
use crate::exec_patch::job::Container;
use crate::exec_patch::journal;
use crate::exec_patch::journal::ids::ContainerKey;
use crate::exec_patch::journal::past::{
    EntryState, FailedContainers, InstanceId, LogEntry, PriorState, RunLog,
};
use crate::exec_patch::journal::runs::{Interrupted, Prior, Runs};
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::plan::{PatchStep, Plan};
use crate::exec_patch::request::payload::Payload;
use crate::exec_patch::select::Selection;
use crate::lineage::digest::Digest;
use crate::report::line;

/// What all earlier runs did.
#[derive(Debug)]
pub struct PriorRuns {
    prior: Prior,
    boot: String,
    past: Option<RunLog>,
    /// If the resumed run was itself for the failures of another run: those failed containers.
    not_ok: Option<FailedContainers>,
}

impl PriorRuns {
    /// Reads the journals.
    ///
    /// # Errors
    /// [`PatchError::Prior`] if a journal from this boot of the machine cannot be read: it is
    /// unknown what that run patched. With `--again` that is only a warning.
    /// [`PatchError::Journal`] if this run is for the failures of another run, and the other run's
    /// journal cannot be read.
    pub fn new(runs: &Runs, request: &Request) -> Result<Self, PatchError> {
        let boot = journal::boot()?;
        let past = request.past().cloned();
        let of = past
            .as_ref()
            .and_then(|past| past.header.only_failed.as_ref());
        let not_ok = of
            .map(|run| runs.read(run).map(|past| past.not_ok()))
            .transpose()?;
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

    /// Why some journals could not be read although they were not needed, one line each.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        self.prior.faults.iter().map(|fault| line::causes(fault))
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
        let in_place = request
            .payloads
            .in_place_of(selection.matches.iter().flat_map(|found| &found.bans));
        let mut plan = self.plan(selection, request);
        plan.warnings.extend(in_place);
        Plan {
            gone: self.gone(&plan),
            ..plan
        }
    }

    /// The plan for the containers of a later scan.
    #[must_use]
    pub fn plan(&self, selection: Selection, request: &Request) -> Plan {
        let again = request.payloads.order().again;
        Plan::of(selection, &request.payloads, |container, payload| {
            if let Some(outcome) = self.known(container, &payload) {
                return PatchStep::Stands(payload, outcome);
            }
            match self.before(container, &payload).filter(|_| !again) {
                Some(run) => PatchStep::Before(payload, run),
                None => PatchStep::Run(payload),
            }
        })
    }

    /// The ID of the earlier run that patched this container with the same payload. A resumed run
    /// does not count as earlier than itself.
    fn before(&self, container: &Container, payload: &Payload) -> Option<String> {
        let own = self.past.as_ref().map(|past| &past.header.id);
        let run = self
            .prior
            .patched(payload.digest, &InstanceId::of(container, &self.boot))?;
        (Some(run) != own).then(|| run.to_string())
    }

    /// The outcome that the resumed run already has for this payload in this container. An
    /// interrupted patch runs again only if a check can tell whether that is necessary.
    fn known(&self, container: &Container, payload: &Payload) -> Option<Outcome> {
        match self
            .past
            .as_ref()?
            .prior_state(payload.digest, &InstanceId::of(container, &self.boot))
        {
            PriorState::Over(outcome) => Some(outcome.clone()),
            // The container may be left unpaused. A person must look at it first; entering it now
            // would hide that.
            PriorState::Interrupted(entry) => Some(interrupted(entry))
                .filter(|outcome| payload.work.check.is_none() || *outcome != Outcome::Interrupted),
            PriorState::New => None,
        }
    }

    /// The containers of the resumed run that no longer match, with the last entry for each of
    /// their patches. The containers are gone, and nothing newer is known about them.
    fn gone(&self, plan: &Plan) -> Vec<(Container, Outcome)> {
        let matching: HashSet<_> = plan
            .planned
            .iter()
            .map(|planned| ContainerKey::of(&planned.container))
            .collect();
        let mut last: BTreeMap<(ContainerKey, Option<Digest>), &LogEntry> = BTreeMap::new();
        for entry in self.past.iter().flat_map(|past| &past.entries) {
            let named = ContainerKey::of(&entry.container);
            if !matching.contains(&named) {
                last.insert((named, entry.digest), entry);
            }
        }
        let outcome = |entry: &LogEntry| match entry.state {
            EntryState::Started { .. } => interrupted(entry),
            EntryState::Ended { .. } | EntryState::Settled(_) => entry.outcome().clone(),
        };
        last.into_values()
            .map(|entry| (entry.container.clone(), outcome(entry)))
            .collect()
    }
}

/// The outcome of a patch that was started and has no recorded end.
fn interrupted(entry: &LogEntry) -> Outcome {
    let unpause = match entry.state {
        EntryState::Started { unpause, .. } => unpause,
        EntryState::Ended { .. } | EntryState::Settled(_) => false,
    };
    aftermath::outcome(&entry.container, unpause)
}
