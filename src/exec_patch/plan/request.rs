//! Works out what a run must do, and what it takes over from an earlier one.
//!
//! In: what was typed, and the journals. Out: an [`Request`]: what runs, for which containers, at
//! which pace, and the run that it resumes or whose failures it retries. An earlier run's order and
//! the file it carried come from its journal, which is root's; what happened to the original file
//! since does not matter. Not checked: whether anything matches.

use std::collections::HashSet;

use super::Plan;
use super::error::PatchError;
use crate::banlist::store::ListId;
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::journal::ids::{ContainerKey, RunId};
use crate::exec_patch::journal::line::{Finished, RunTerms, Trigger};
use crate::exec_patch::journal::past::{FailedContainers, RunLog};
use crate::exec_patch::journal::runs::Runs;
use crate::exec_patch::outcome::OutcomeKind;
use crate::exec_patch::request::arguments::{Order, PaceWords, USUAL_OUTPUT, USUAL_PACE};
use crate::exec_patch::request::limits::Limits;
use crate::exec_patch::request::payload::ProgramFile;
use crate::exec_patch::request::payloads::Payloads;
use crate::exec_patch::select::Selection;
use crate::lineage::digest::Digest;

/// What a run must do.
#[derive(Debug)]
pub struct Request {
    /// What runs, and where it is wanted.
    pub payloads: Payloads,
    /// At which pace.
    pub limits: Limits,
    /// The most bytes of each container's output that are kept.
    pub output_limit: u64,
    /// What it takes over from an earlier run.
    pub origin: Predecessor,
    /// The list that must answer, if its patches run unattended.
    pub list: Option<ListId>,
}

/// What a run takes over from an earlier one.
#[derive(Debug)]
pub enum Predecessor {
    /// Nothing: it was typed.
    Typed,
    /// It resumes this one.
    Resumed(Box<RunLog>),
    /// It is only for the containers that failed there.
    Failures(RunId, FailedContainers),
}

impl Request {
    /// A new request, as typed.
    ///
    /// # Errors
    /// [`PatchError::Payload`].
    pub fn typed(
        order: Order,
        pace: PaceWords,
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

    /// Resumes an earlier run. The typed pace counts.
    ///
    /// # Errors
    /// [`PatchError::Journal`] if there is no such run, or it cannot be read; [`PatchError::Over`]
    /// if it ended and cannot be resumed.
    pub fn resumed(past: RunLog, pace: PaceWords) -> Result<Self, PatchError> {
        let before = past.pace();
        let limits = pace.over(before);
        if let Some(finished) = &past.finished {
            may_go_on(finished, &limits, &before)
                .map_err(|halt| PatchError::Over(past.header.id.clone(), halt))?;
        }
        let output_limit = past.header.terms.output_limit;
        Ok(Self {
            payloads: payloads(&past)?,
            limits,
            output_limit,
            origin: Predecessor::Resumed(Box::new(past)),
            list: None,
        })
    }

    /// A new run of an earlier one's order, for the containers that failed. The typed pace and
    /// output limit count.
    ///
    /// # Errors
    /// As [`Request::resumed`].
    pub fn failures(
        run: &str,
        runs: &Runs,
        pace: PaceWords,
        output_limit: Option<u64>,
    ) -> Result<Self, PatchError> {
        let past = runs.read(runs.find(run)?)?;
        let output_limit = output_limit.unwrap_or(past.header.terms.output_limit);
        let (limits, origin) = (
            pace.over(past.pace()),
            Predecessor::Failures(past.header.id.clone(), past.not_ok()),
        );
        Ok(Self {
            payloads: payloads(&past)?,
            limits,
            output_limit,
            origin,
            list: None,
        })
    }

    /// The pace and the like, for the journal.
    #[must_use]
    pub const fn terms(&self) -> RunTerms {
        RunTerms {
            pace: self.limits,
            output_limit: self.output_limit,
        }
    }

    /// What starts it.
    #[must_use]
    pub const fn trigger(&self) -> Trigger {
        if self.list.is_some() {
            Trigger::Auto
        } else {
            Trigger::Typed
        }
    }

    /// The run that it resumes.
    #[must_use]
    pub fn past(&self) -> Option<&RunLog> {
        match &self.origin {
            Predecessor::Resumed(past) => Some(past),
            Predecessor::Typed | Predecessor::Failures(..) => None,
        }
    }

    /// The run whose failures it is for; if it resumes a run, that run's.
    #[must_use]
    pub fn only_failed(&self) -> Option<&RunId> {
        match &self.origin {
            Predecessor::Typed => None,
            Predecessor::Resumed(past) => past.header.only_failed.as_ref(),
            Predecessor::Failures(run, _) => Some(run),
        }
    }

    /// Reduces a selection to what the request is about.
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

    /// How many containers the run has: those of this plan, and those of the run that it resumes.
    #[must_use]
    pub fn matches(&self, plan: &Plan) -> usize {
        let before = self
            .past()
            .into_iter()
            .flat_map(|past| past.planned.iter().cloned());
        let all: HashSet<_> = before
            .chain(
                plan.planned
                    .iter()
                    .map(|planned| ContainerKey::of(&planned.container)),
            )
            .collect();
        all.len()
    }

    /// In how many containers of the run that it resumes everything succeeded.
    #[must_use]
    pub fn canaries_passed(&self) -> usize {
        let Some(past) = self.past() else { return 0 };
        let ok = past.ok();
        let patched = past
            .entries
            .iter()
            .filter(|entry| entry.outcome().kind() == OutcomeKind::Patched);
        let passed: HashSet<_> = patched
            .map(|entry| ContainerKey::of(&entry.container))
            .filter(|named| ok.get(named) == Some(&true))
            .collect();
        passed.len()
    }
}

/// Whether a run that ended like this may be resumed. A stop that protected the other containers
/// stays in force, unless another pace was asked for.
fn may_go_on(finished: &Finished, limits: &Limits, before: &Limits) -> Result<(), Option<Halt>> {
    match finished.stopped {
        None => Err(None),
        Some(halt @ Halt::Canary) if limits.canary == before.canary => Err(Some(halt)),
        Some(halt @ Halt::Failures { .. }) if limits.max_failures == before.max_failures => {
            Err(Some(halt))
        }
        // It was stopped from outside, or could not see everything: what it did not start is still
        // left to do.
        Some(Halt::Canary | Halt::Failures { .. } | Halt::Asked | Halt::Journal | Halt::Scan) => {
            Ok(())
        }
    }
}

/// The run's payloads, with the carried file unchanged.
fn payloads(past: &RunLog) -> Result<Payloads, PatchError> {
    let bytes = past.program()?;
    let name = past
        .header
        .program
        .as_ref()
        .map(|program| program.name.clone())
        .unwrap_or_default();
    let program = bytes.map(|bytes| ProgramFile {
        name,
        digest: Digest::of(&bytes),
        bytes: bytes.into(),
    });
    // A script was carried for a ban only if that ban signed it.
    let is_signed = past
        .header
        .carried
        .iter()
        .any(|carried| carried.ban.is_some());
    Ok(Payloads::again(
        past.header.order.clone(),
        program,
        is_signed,
    ))
}

#[cfg(test)]
mod tests;
