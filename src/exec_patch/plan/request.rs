//! Determines what a run must do, and what the run takes over from an earlier run.
//!
//! In: the command line, and the journals. Out: a [`Request`]: what runs, in which containers, with
//! which limits; and the earlier run that is resumed, or whose failures are retried. The order of
//! an earlier run, and the file carried with it, come from that run's directory, which only root
//! writes. Later changes of the original file do not matter. Not checked: whether any container
//! matches.

use std::collections::HashSet;

use super::Plan;
use super::error::PatchError;
use crate::banlist::store::ListId;
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::journal::header::{RunTerms, Trigger};
use crate::exec_patch::journal::ids::{ContainerKey, RunId};
use crate::exec_patch::journal::line::Finished;
use crate::exec_patch::journal::past::{FailedContainers, RunLog};
use crate::exec_patch::journal::runs::Runs;
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::request::arguments::{Order, PaceOptions, USUAL_OUTPUT, USUAL_PACE};
use crate::exec_patch::request::limits::Limits;
use crate::exec_patch::request::payloads::{Payloads, ScriptRole};
use crate::exec_patch::select::Selection;

/// What a run must do.
#[derive(Debug)]
pub struct Request {
    /// What runs, and in which containers.
    pub payloads: Payloads,
    /// How many containers may be patched at once, and how many may fail.
    pub limits: Limits,
    /// How many bytes of each container's output are stored in the journal's directory.
    pub output_limit: u64,
    /// What the run takes over from an earlier run.
    pub origin: Predecessor,
    /// If the list's patches run unattended: the list that must still be in force when they run.
    pub list: Option<ListId>,
}

/// What a run takes over from an earlier run.
#[derive(Debug)]
pub enum Predecessor {
    /// Nothing: the operator typed the whole request.
    Typed,
    /// Everything: the new run resumes this run.
    Resumed(Box<RunLog>),
    /// The order: the new run is only for the containers that failed in this run.
    Failures(RunId, FailedContainers),
}

impl Request {
    /// A new request, from the command line.
    ///
    /// # Errors
    /// [`PatchError::Payload`].
    pub fn typed(
        order: Order,
        pace: PaceOptions,
        output_limit: Option<u64>,
    ) -> Result<Self, PatchError> {
        let (limits, output_limit) = (pace.over(USUAL_PACE), output_limit.unwrap_or(USUAL_OUTPUT));
        Ok(Self {
            payloads: Payloads::load(order)?,
            limits,
            output_limit,
            origin: Predecessor::Typed,
            list: None,
        })
    }

    /// Resumes an earlier run. If the operator typed a pace, it replaces the earlier run's pace.
    ///
    /// # Errors
    /// [`PatchError::Journal`] if the file carried with the run cannot be read or has changed;
    /// [`PatchError::Over`] if the run ended and cannot be resumed.
    pub fn resumed(past: RunLog, pace: PaceOptions) -> Result<Self, PatchError> {
        let before = past.pace();
        let limits = pace.over(before);
        if let Some(finished) = &past.finished
            && let Err(halt) = may_be_resumed(finished, &limits, &before)
        {
            return Err(PatchError::Over(past.header.id, halt));
        }
        Ok(Self {
            payloads: payloads(&past)?,
            limits,
            output_limit: past.header.terms.output_limit,
            origin: Predecessor::Resumed(Box::new(past)),
            list: None,
        })
    }

    /// A new run with the order of an earlier run, for the containers that failed there. If the
    /// operator typed a pace or an output limit, it replaces the earlier run's value.
    ///
    /// # Errors
    /// [`PatchError::Journal`] if there is no such run, or its journal or the file carried with it
    /// cannot be read.
    pub fn failures(
        run: &str,
        runs: &Runs,
        pace: PaceOptions,
        output_limit: Option<u64>,
    ) -> Result<Self, PatchError> {
        let past = runs.read(runs.find(run)?)?;
        Ok(Self {
            payloads: payloads(&past)?,
            limits: pace.over(past.pace()),
            output_limit: output_limit.unwrap_or(past.header.terms.output_limit),
            origin: Predecessor::Failures(past.header.id.clone(), past.not_ok()),
            list: None,
        })
    }

    /// The limits of the run, for the journal.
    #[must_use]
    pub const fn terms(&self) -> RunTerms {
        RunTerms {
            pace: self.limits,
            output_limit: self.output_limit,
        }
    }

    /// What caused the run.
    #[must_use]
    pub const fn trigger(&self) -> Trigger {
        if self.list.is_some() {
            Trigger::Auto
        } else {
            Trigger::Typed
        }
    }

    /// The earlier run that is resumed.
    #[must_use]
    pub fn past(&self) -> Option<&RunLog> {
        match &self.origin {
            Predecessor::Resumed(past) => Some(past),
            Predecessor::Typed | Predecessor::Failures(..) => None,
        }
    }

    /// The earlier run whose failed containers this run patches. If this request resumes a run, the
    /// header of the resumed run's journal names that earlier run.
    #[must_use]
    pub fn only_failed(&self) -> Option<&RunId> {
        match &self.origin {
            Predecessor::Typed => None,
            Predecessor::Resumed(past) => past.header.only_failed.as_ref(),
            Predecessor::Failures(run, _) => Some(run),
        }
    }

    /// Removes from a selection the containers that do not belong to the request.
    pub fn narrow(&self, selection: &mut Selection, not_ok: Option<&FailedContainers>) {
        let of_origin = match &self.origin {
            Predecessor::Failures(_, not_ok) => Some(not_ok),
            Predecessor::Typed | Predecessor::Resumed(_) => None,
        };
        let Some(not_ok) = of_origin.or(not_ok) else {
            return;
        };
        selection
            .matches
            .retain(|found| not_ok.has(&found.container));
        selection
            .unidentified
            .retain(|unidentified| not_ok.has_unidentified(&unidentified.id));
    }

    /// How many containers the run has: the containers of this plan, and those of the run that is
    /// resumed.
    #[must_use]
    pub fn matches(&self, plan: &Plan) -> usize {
        let mut all = HashSet::new();
        if let Some(past) = self.past() {
            all.extend(past.planned.iter().cloned());
        }
        for planned in &plan.planned {
            all.insert(ContainerKey::of(&planned.container));
        }
        all.len()
    }

    /// The number of containers of the resumed run in which every patch succeeded and at least one
    /// patch ran.
    #[must_use]
    pub fn canaries_passed(&self) -> usize {
        let Some(past) = self.past() else { return 0 };
        let ok = past.ok();
        let mut passed = HashSet::new();
        for entry in &past.entries {
            let container = ContainerKey::of(&entry.container);
            if *entry.outcome() == Outcome::Patched && ok.get(&container) == Some(&true) {
                passed.insert(container);
            }
        }
        passed.len()
    }
}

/// Whether a run that ended like this may be resumed. If it stopped to protect the remaining
/// containers, it may be resumed only with a different pace.
fn may_be_resumed(
    finished: &Finished,
    limits: &Limits,
    before: &Limits,
) -> Result<(), Option<Halt>> {
    match finished.stopped {
        None => Err(None),
        Some(halt @ Halt::Canary) if limits.canary == before.canary => Err(Some(halt)),
        Some(halt @ Halt::Failures { .. }) if limits.max_failures == before.max_failures => {
            Err(Some(halt))
        }
        // The run stopped early: the containers that it did not start are still to be patched.
        Some(Halt::Canary | Halt::Failures { .. } | Halt::Asked | Halt::Journal | Halt::Scan) => {
            Ok(())
        }
    }
}

/// The run's payloads, with the file carried with it.
fn payloads(past: &RunLog) -> Result<Payloads, PatchError> {
    // The payload of a typed script names a ban only if that ban signed the script.
    let role = if past.header.carried.iter().any(|one| one.ban.is_some()) {
        ScriptRole::Signed
    } else {
        ScriptRole::Unsigned
    };
    let order = past.header.order.clone();
    Ok(Payloads::again(order, past.program()?, role))
}

#[cfg(test)]
mod tests;
