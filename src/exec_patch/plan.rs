//! What would be done?
//!
//! In: the containers that were found, what is to run, and what earlier runs did. Out: a [`Plan`], which a dry run prints and a run carries out: each
//! container with the reasons why it matches and the steps that follow, those of which nothing can be told, and those that are left out. Pure. Names and
//! reasons are hostile; they are escaped where they are printed.

mod told;

use std::borrow::Cow;

use serde::Serialize;

use super::job::Container;
use super::outcome::Outcome;
use super::payload::{Kit, NoPatch, Payload};
use super::select::{LeftOut, Match, Selection, Stranger};
use crate::container::engine::Engine;
use crate::report::Exit;
pub use told::{called, place};

/// What would be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The containers that match.
    pub planned: Vec<Planned>,
    /// Those of which it cannot be told whether they match.
    pub strangers: Vec<Stranger>,
    /// Those that a ban names and that are left out.
    pub left_out: Vec<LeftOut>,
    /// Those of the run that is gone on with that no longer match, and how it left them.
    pub bygone: Vec<(Container, Outcome)>,
    /// The version of the list that answered, where one was asked.
    pub list_version: Option<u64>,
    /// What a person should know of it.
    pub warnings: Vec<String>,
}

/// What would be done in one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The container.
    pub container: Container,
    /// Why it matches.
    pub reasons: Vec<String>,
    /// What follows, in this order; never empty.
    pub steps: Vec<Step>,
}

/// One patch of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It runs.
    Run(Payload),
    /// An earlier run did the same in this life of the container.
    Before(Payload, String),
    /// The run that is gone on with came to this in this life of the container.
    Stands(Payload, Outcome),
    /// There is nothing that could run.
    Cannot(NoPatch),
}

impl Plan {
    /// What follows for these containers; `step` says what does for a patch, by what ran before.
    #[must_use]
    pub fn of(selection: Selection, kit: &Kit, step: impl Fn(&Container, Payload) -> Step) -> Self {
        let Selection { matches, strangers, left_out, list, warnings } = selection;
        let list_version = list.map(|list| list.version);
        let planned = |Match { container, reasons, bans }: Match| {
            let payloads = kit.payloads(&bans).into_iter();
            let steps = payloads.map(|payload| payload.map_or_else(Step::Cannot, |payload| step(&container, payload))).collect();
            Planned { container, reasons, steps }
        };
        Self { planned: matches.into_iter().map(planned).collect(), strangers, left_out, bygone: Vec::new(), list_version, warnings }
    }

    /// Each patch of each container.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.planned.iter().flat_map(|planned| &planned.steps)
    }

    /// How a dry run ends: as a run would in which every command does its work.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let is_nothing = self.planned.is_empty() && self.strangers.is_empty() && self.bygone.is_empty();
        let is_well = self.steps().all(Step::is_well) && self.bygone.iter().all(|(_, outcome)| outcome.is_well());
        match (is_nothing, is_well && self.strangers.is_empty()) {
            (true, _) => Exit::NothingMatched,
            (false, true) => Exit::Clear,
            (false, false) => Exit::NotAllWell,
        }
    }

    /// The plan for people.
    #[must_use]
    pub fn text(&self) -> String {
        told::text(self)
    }

    /// The plan for machines: one JSON object a line, each with its `event`.
    #[must_use]
    pub fn json(&self) -> String {
        told::json(self)
    }
}

impl Step {
    /// What runs, or would; none where there is nothing.
    #[must_use]
    pub const fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Run(payload) | Self::Before(payload, _) | Self::Stands(payload, _) => Some(payload),
            Self::Cannot(_) => None,
        }
    }

    /// Whether the container is as it should be once what runs has done its work.
    const fn is_well(&self) -> bool {
        match self {
            Self::Run(_) | Self::Before(..) => true,
            Self::Stands(_, outcome) => outcome.is_well(),
            Self::Cannot(_) => false,
        }
    }
}

/// A container in JSON lines: the fields that stand in each that is about one.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerFields<'a> {
    container: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    engine: Engine,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// Of one that is not understood: where it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Cow<'a, str>>,
}

impl<'a> ContainerFields<'a> {
    /// The fields of a container.
    #[must_use]
    pub fn of(container: &'a Container) -> Self {
        Self {
            container: &container.id,
            name: container.name.as_deref(),
            engine: container.engine,
            namespace: container.namespace.as_deref(),
            image: container.image.as_deref(),
            image_id: container.image_id.as_deref(),
            owner: Some(container.owner),
            pid: Some(container.pid),
            place: None,
        }
    }

    /// The fields of one that is not understood.
    #[must_use]
    pub fn of_stranger(stranger: &'a Stranger) -> Self {
        Self {
            container: &stranger.id,
            name: stranger.name.as_deref(),
            engine: stranger.engine,
            namespace: stranger.namespace.as_deref(),
            image: None,
            image_id: None,
            owner: None,
            pid: None,
            place: Some(stranger.place.to_string_lossy()),
        }
    }
}

#[cfg(test)]
mod tests;
