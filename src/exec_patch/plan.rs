//! Plans what a run will do.
//!
//! In: the containers that were found, what will run, and what earlier runs did. Out: a [`Plan`],
//! which a dry run prints and a run carries out. The plan has each matching container with its
//! reasons and steps, the containers that cannot be identified, and the containers that are left
//! out although a ban matches. Pure. Names and reasons are hostile; the code that prints them
//! escapes them.

mod description;
pub mod error;
pub mod pace;
pub mod prior_runs;
pub mod request;
pub mod signatures;

use super::job::Container;
use super::journal::header::Carried;
use super::journal::line::{Gone, Planned, PlannedPatch};
use super::outcome::Outcome;
use super::select::{LeftOut, MatchingContainer, Selection};
use crate::exec_patch::request::payload::{NoPatch, Payload};
use crate::exec_patch::request::payloads::Payloads;
use crate::exec_patch::request::target::Selector;
use crate::node::unaccounted::Unaccounted;
use crate::report::Exit;
use crate::sys::clock::Timestamp;

/// What a run will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The containers that match.
    pub planned: Vec<PlannedContainer>,
    /// The containers that may match, but cannot be identified.
    pub unidentified: Vec<Unaccounted>,
    /// The containers that a ban matches, but that are left out.
    pub left_out: Vec<LeftOut>,
    /// The containers of the resumed run that no longer match, with their outcomes in that run.
    pub gone: Vec<Gone>,
    /// The version of the list that was used, if any.
    pub list_version: Option<u64>,
    /// Warnings about the list.
    pub warnings: Vec<String>,
    /// How many of the named containers have not been found.
    pub unfound: usize,
}

/// What a run will do in one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedContainer {
    /// The container that is to be patched.
    pub container: Container,
    /// Why the container matches.
    pub reasons: Vec<String>,
    /// The steps, in the order in which they are done; never empty.
    pub steps: Vec<PatchStep>,
}

/// One patch of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchStep {
    /// The payload runs.
    Run(Payload),
    /// An earlier run patched this instance of the container with the same payload; the text is the
    /// ID of that run.
    Before(Payload, String),
    /// The resumed run already has this outcome for this instance of the container.
    Stands(Payload, Outcome),
    /// Nothing can run in the container, for this reason.
    Cannot(NoPatch),
}

impl Plan {
    /// Makes the plan for these containers. `step` decides about each patch, from the results of
    /// earlier runs.
    #[must_use]
    pub fn of(
        selection: Selection,
        payloads: &Payloads,
        step: impl Fn(&Container, Payload) -> PatchStep,
    ) -> Self {
        let Selection {
            matches,
            unidentified,
            left_out,
            list,
            warnings,
            unfound,
        } = selection;
        let mut planned = Vec::new();
        for MatchingContainer {
            container,
            reasons,
            bans,
        } in matches
        {
            let mut steps = Vec::new();
            for payload in payloads.of_bans(&bans) {
                steps.push(match payload {
                    Ok(payload) => step(&container, payload),
                    Err(why) => PatchStep::Cannot(why),
                });
            }
            planned.push(PlannedContainer {
                container,
                reasons,
                steps,
            });
        }
        Self {
            planned,
            unidentified,
            left_out,
            gone: Vec::new(),
            list_version: list.map(|list| list.version),
            warnings,
            unfound: unfound.len(),
        }
    }

    /// Each patch of each container.
    pub fn steps(&self) -> impl Iterator<Item = &PatchStep> {
        self.planned.iter().flat_map(|planned| &planned.steps)
    }

    /// Every payload that runs or would run; equal payloads appear once.
    #[must_use]
    pub fn carried(&self) -> Vec<Carried> {
        let mut carried: Vec<Carried> = Vec::new();
        for payload in self.steps().filter_map(PatchStep::payload) {
            if !carried.iter().any(|known| known.digest == payload.digest) {
                carried.push(Carried::of(payload));
            }
        }
        carried
    }

    /// A dry run's exit status: the status that the run has if every command succeeds.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let is_ok = self.unfound == 0
            && self.steps().all(PatchStep::is_ok)
            && self.gone.iter().all(|gone| gone.ok);
        match (self.is_nothing(), is_ok && self.unidentified.is_empty()) {
            (true, true) => Exit::NothingMatched,
            (false, true) => Exit::Clear,
            (true | false, false) => Exit::NotAllWell,
        }
    }

    /// Whether the plan is empty: no container must be patched or reported.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.planned.is_empty() && self.unidentified.is_empty() && self.gone.is_empty()
    }

    /// The reason why nothing can run; `None` if something can run. When the operator named the
    /// bans, one container without a patch is reason enough. Otherwise nothing can run only if no
    /// container has a patch.
    #[must_use]
    pub fn no_patch(&self, selector: &Selector) -> Option<&NoPatch> {
        let (mut found, mut is_all) = (None, true);
        for step in self.steps() {
            match step {
                PatchStep::Cannot(why) => {
                    found.get_or_insert(why);
                }
                PatchStep::Run(_) | PatchStep::Before(..) | PatchStep::Stands(..) => is_all = false,
            }
        }
        match selector {
            Selector::Bans(_) => found,
            Selector::AllBanned | Selector::Base(_) | Selector::Image(_) if is_all => found,
            Selector::AllBanned | Selector::Base(_) | Selector::Image(_) => None,
        }
    }
}

impl PatchStep {
    /// The payload that runs or would run; `None` if nothing can run.
    #[must_use]
    pub const fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Run(payload) | Self::Before(payload, _) | Self::Stands(payload, _) => {
                Some(payload)
            }
            Self::Cannot(_) => None,
        }
    }

    /// This step's part of a journal line.
    fn line(&self) -> PlannedPatch {
        let (digest, ban) = match self.payload() {
            Some(payload) => (Some(payload.digest), payload.ban.clone()),
            None => (None, None),
        };
        let outcome = match self {
            Self::Run(_) => None,
            Self::Before(_, run) => Some(Outcome::PatchedBefore { run: run.clone() }),
            Self::Stands(_, outcome) => Some(outcome.clone()),
            Self::Cannot(why) => Some(Outcome::CouldNotEnter {
                why: why.to_string(),
            }),
        };
        PlannedPatch {
            digest,
            ban,
            outcome,
        }
    }

    /// Whether the container is ok after the step, if the step's command succeeds.
    const fn is_ok(&self) -> bool {
        match self {
            Self::Run(_) | Self::Before(..) => true,
            Self::Stands(_, outcome) => outcome.is_ok(),
            Self::Cannot(_) => false,
        }
    }
}

impl PlannedContainer {
    /// The container's line in the journal.
    #[must_use]
    pub fn line(&self) -> Planned {
        Planned {
            at: Timestamp::now(),
            container: self.container.clone(),
            reasons: self.reasons.clone(),
            patches: self.steps.iter().map(PatchStep::line).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
