//! What is a run to do, and what does it owe to an earlier one?
//!
//! In: what was typed, and the journals. Out: an [`Undertaking`]: what runs, for which containers, at which pace, and the run that it goes on with or whose
//! failures it is for. An earlier run's order and the file that it brought along come from its journal, which is root's; whatever became of that file
//! since does not matter. Not checked: whether anything matches.

use std::collections::HashSet;

use super::auto::Lifted;
use super::error::PatchError;
use super::journal::line::{Finished, RunId, Terms};
use super::journal::past::{NotWell, Past};
use super::journal::runs::Runs;
use super::outcome::Outcome;
use super::pace::{Halt, Limits, Share};
use super::payload::{Brought, Kit};
use super::select::Selection;
use super::words::{Order, PaceWords, USUAL_OUTPUT, USUAL_PACE};
use crate::lineage::digest::Digest;

/// What a run is to do.
#[derive(Debug)]
pub struct Undertaking {
    /// What runs, and what is wanted where.
    pub kit: Kit,
    /// At which pace.
    pub limits: Limits,
    /// The most bytes of each container's output that are kept.
    pub output_limit: u64,
    /// What it owes to an earlier run.
    pub origin: Origin,
    /// The list that must answer, where its patches run without being typed.
    pub list: Option<Lifted>,
}

/// What a run owes to an earlier one.
#[derive(Debug)]
pub enum Origin {
    /// Nothing: it was typed.
    Typed,
    /// It goes on with this one.
    Resumed(Box<Past>),
    /// It is for those containers alone that were not well there.
    Failures(RunId, NotWell),
}

impl Undertaking {
    /// What was typed.
    ///
    /// # Errors
    /// [`PatchError::Payload`].
    pub fn typed(order: Order, pace: PaceWords, output_limit: Option<u64>) -> Result<Self, PatchError> {
        let (limits, output_limit) = (pace.over(USUAL_PACE), output_limit.unwrap_or(USUAL_OUTPUT));
        Ok(Self { kit: Kit::load(order)?, limits, output_limit, origin: Origin::Typed, list: None })
    }

    /// Going on with an earlier run. What was typed about its pace counts.
    ///
    /// # Errors
    /// [`PatchError::Journal`] when there is no such run, or it cannot be read; [`PatchError::Over`] when it came to an end that is one.
    pub fn resumed(past: Past, pace: PaceWords) -> Result<Self, PatchError> {
        let before = limits(&past.header.terms);
        let limits = pace.over(before);
        if let Some(finished) = &past.finished {
            may_go_on(finished, &limits, &before).map_err(|halt| PatchError::Over(past.header.id.clone(), halt))?;
        }
        let output_limit = past.header.terms.output_limit;
        Ok(Self { kit: kit(&past)?, limits, output_limit, origin: Origin::Resumed(Box::new(past)), list: None })
    }

    /// A new run of an earlier one's order where that was not well. What was typed about its pace and about output counts.
    ///
    /// # Errors
    /// As [`Undertaking::resumed`].
    pub fn failures(run: &str, runs: &Runs, pace: PaceWords, output_limit: Option<u64>) -> Result<Self, PatchError> {
        let past = runs.read(runs.find(run)?)?;
        let output_limit = output_limit.unwrap_or(past.header.terms.output_limit);
        let (limits, origin) = (pace.over(limits(&past.header.terms)), Origin::Failures(past.header.id.clone(), past.not_well()));
        Ok(Self { kit: kit(&past)?, limits, output_limit, origin, list: None })
    }

    /// The pace and the like, for the journal.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let Limits { canary, parallel, max_failures } = self.limits;
        Terms { canary, parallel: parallel.to_string(), max_failures: max_failures.to_string(), output_limit: self.output_limit }
    }

    /// The run that it goes on with.
    #[must_use]
    pub fn past(&self) -> Option<&Past> {
        match &self.origin {
            Origin::Resumed(past) => Some(past),
            Origin::Typed | Origin::Failures(..) => None,
        }
    }

    /// The run whose failures it is for: of one that it goes on with, that one's.
    #[must_use]
    pub fn only_failed(&self) -> Option<&RunId> {
        match &self.origin {
            Origin::Typed => None,
            Origin::Resumed(past) => past.header.only_failed.as_ref(),
            Origin::Failures(run, _) => Some(run),
        }
    }

    /// Leaves of a selection what it is about.
    pub fn narrow(&self, selection: &mut Selection, not_well: Option<&NotWell>) {
        let of_origin = match &self.origin {
            Origin::Failures(_, not_well) => Some(not_well),
            Origin::Typed | Origin::Resumed(_) => None,
        };
        let Some(not_well) = of_origin.or(not_well) else { return };
        selection.matches.retain(|found| not_well.has(&found.container));
        selection.strangers.retain(|stranger| not_well.has_stranger(&stranger.id));
    }

    /// How many containers the run that it goes on with was for.
    #[must_use]
    pub fn matches_before(&self) -> usize {
        self.past().map_or(0, |past| past.planned.iter().collect::<HashSet<_>>().len())
    }

    /// In how many containers of the run that it goes on with the command did its work.
    #[must_use]
    pub fn canaries_passed(&self) -> usize {
        let patched = |past: &Past| past.entries.iter().filter(|entry| *entry.outcome() == Outcome::Patched).count();
        self.past().map_or(0, patched)
    }
}

/// Whether more may begin in a run that ended so. What stopped it to keep the others from harm holds, unless somebody asked for another pace by now.
fn may_go_on(finished: &Finished, limits: &Limits, before: &Limits) -> Result<(), Option<Halt>> {
    // Why it stopped, if it did, where that is one of the usual reasons.
    match finished.stopped.as_deref().map(Halt::told) {
        None => Err(None),
        Some(Some(halt @ Halt::Canary)) if limits.canary == before.canary => Err(Some(halt)),
        Some(Some(halt @ Halt::Failures { .. })) if limits.max_failures == before.max_failures => Err(Some(halt)),
        // It was stopped from without, or could not see everything: what it did not begin is still its own.
        Some(Some(Halt::Canary | Halt::Failures { .. } | Halt::Asked | Halt::Journal) | None) => Ok(()),
    }
}

/// What ran, with what was brought along, as it was.
fn kit(past: &Past) -> Result<Kit, PatchError> {
    let bytes = past.brought()?;
    let name = past.header.brought.as_ref().map(|brought| brought.name.clone()).unwrap_or_default();
    let brought = bytes.map(|bytes| Brought { name, digest: Digest::of(&bytes), bytes: bytes.into() });
    // With a script, only one that a ban signed was carried for a ban.
    let is_signed = past.header.carried.iter().any(|carried| carried.ban.is_some());
    Ok(Kit::again(past.header.order.clone(), brought, is_signed))
}

/// The pace of an earlier run; what this program does not understand of it is as usual.
fn limits(terms: &Terms) -> Limits {
    let share = |text: &str, usual: Share| text.parse().unwrap_or(usual);
    Limits {
        canary: terms.canary,
        parallel: share(&terms.parallel, USUAL_PACE.parallel),
        max_failures: share(&terms.max_failures, USUAL_PACE.max_failures),
    }
}
