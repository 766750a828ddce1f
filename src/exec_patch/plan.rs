//! What would be done?
//!
//! In: the containers that were found, what is to run, and what earlier runs did. Out: a [`Plan`], which a dry run prints and a run carries out: each
//! container with the reasons why it matches and the steps that follow, those of which nothing can be told, and those that are left out. Pure. Names and
//! reasons are hostile; they are escaped where they are printed.

mod told;

use serde::Serialize;

use super::job::Container;
use super::outcome::Outcome;
use super::payload::{Kit, NoPatch, Payload};
use super::select::{LeftOut, Match, Selection, Stranger};
use crate::lineage::digest::Digest;
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
    /// There is nothing that could run.
    Cannot(NoPatch),
}

impl Plan {
    /// What follows for these containers. `before` tells which earlier run did the same there; it is not asked when everything is to be done again.
    #[must_use]
    pub fn of(selection: Selection, kit: &Kit, before: impl Fn(&Container, &Digest) -> Option<String>) -> Self {
        let Selection { matches, strangers, left_out, list_version, warnings } = selection;
        let step = |container: &Container, payload: Result<Payload, NoPatch>| match payload {
            Err(why) => Step::Cannot(why),
            Ok(payload) if kit.order().again => Step::Run(payload),
            Ok(payload) => match before(container, &payload.digest) {
                Some(run) => Step::Before(payload, run),
                None => Step::Run(payload),
            },
        };
        let planned = |Match { container, reasons, bans }: Match| {
            let steps = kit.payloads(&bans).into_iter().map(|payload| step(&container, payload)).collect();
            Planned { container, reasons, steps }
        };
        Self { planned: matches.into_iter().map(planned).collect(), strangers, left_out, list_version, warnings }
    }

    /// How a dry run ends: as a run would in which every command does its work.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let cannot = self.planned.iter().flat_map(|planned| &planned.steps).any(|step| matches!(step, Step::Cannot(_)));
        match (self.planned.is_empty() && self.strangers.is_empty(), cannot || !self.strangers.is_empty()) {
            (true, _) => Exit::NothingMatched,
            (false, true) => Exit::NotAllWell,
            (false, false) => Exit::Clear,
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

impl Planned {
    /// What runs in it, and what is settled without running anything.
    #[must_use]
    pub fn split(self) -> (Vec<Payload>, Vec<(Option<Payload>, Outcome)>) {
        let (mut runs, mut settled) = (Vec::new(), Vec::new());
        for step in self.steps {
            match step {
                Step::Run(payload) => runs.push(payload),
                Step::Before(payload, run) => settled.push((Some(payload), Outcome::PatchedBefore { run })),
                Step::Cannot(why) => settled.push((None, Outcome::CouldNotEnter { why: why.to_string() })),
            }
        }
        (runs, settled)
    }
}

/// A container in JSON lines: the fields that stand in each that is about one.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerFields<'a> {
    container: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    engine: &'a str,
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
}

impl<'a> ContainerFields<'a> {
    /// The fields of a container.
    #[must_use]
    pub fn of(container: &'a Container) -> Self {
        Self {
            container: &container.id,
            name: container.name.as_deref(),
            engine: &container.engine,
            namespace: container.namespace.as_deref(),
            image: container.image.as_deref(),
            image_id: container.image_id.as_deref(),
            owner: Some(container.owner),
            pid: Some(container.pid),
        }
    }

    /// The fields of one that is not understood.
    #[must_use]
    pub fn of_stranger(stranger: &'a Stranger) -> Self {
        Self {
            container: &stranger.id,
            name: stranger.name.as_deref(),
            engine: &stranger.engine,
            namespace: stranger.namespace.as_deref(),
            image: None,
            image_id: None,
            owner: None,
            pid: None,
        }
    }
}

#[cfg(test)]
mod tests;
