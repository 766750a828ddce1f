//! Answers what a list means to this node: may it be installed, and what does it change?
//!
//! In: a list (its head authentic, or that of a draft; the rest hostile), and the node's keyset,
//! floor and lists. Out: a [`plan`] of the steps, and a [`Prospect`] for a draft that too few have
//! signed yet. `install` carries the plan out, `list preview` shows the prospect. Nothing is written
//! here. What the list does to the containers is asked in `impact`.

pub mod compare;
pub mod error;
pub mod node;
pub mod plan;
mod united;

use std::fs::File;

use super::CtlError;
use super::progress::Progress;
use crate::banlist::bytes::Reader;
use crate::banlist::error::SignatureTally;
use crate::banlist::head::{Claim, Impact};
use crate::banlist::note::Enough;
use crate::banlist::store::Trust;
use compare::New;
use error::InstallError;
use node::NodeState;

/// What a node requires of a draft.
#[derive(Debug)]
pub struct Prospect {
    /// What it lifts there.
    pub lifts: Lifts,
    /// How many list keys have to sign it for that.
    pub needed: usize,
    /// How many have.
    pub good: usize,
    /// The error of an installation when they are too few.
    pub too_few: Option<InstallError>,
    /// The patches and successors that are new there, or changed, one line each with their ban.
    pub brought: Vec<String>,
    /// Whether enough signers say that they know what it refuses.
    pub impact: Impact,
}

/// What a list lifts on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifts {
    /// Nothing: it keeps every ban, or there never was one.
    Nothing,
    /// These bans, by ID.
    Bans(Vec<String>),
    /// The newest list that the node had is missing and cannot be compared.
    Unknown,
}

/// What an installation of the list `draft` would lift, however few keys signed it. Every byte of
/// it is checked; nothing is created anywhere.
///
/// # Errors
/// As [`run`], except for missing signatures.
pub fn prospect(
    draft: &Reader<'_, File>,
    claim: &Claim,
    node: &NodeState<'_>,
    trust: &Trust,
) -> Result<Prospect, CtlError> {
    node::not_ahead(draft.path, &claim.head, trust, node.now)?;
    let progress = Progress::start("checking", claim.head.shape().bytes());
    let SignatureTally { good, .. } = trust.keyset.tally(
        &claim.text,
        &claim.signatures,
        trust.keyset.lift_threshold,
        Enough::All,
    );
    let new = New {
        list: draft,
        head: &claim.head,
        digest: claim.digest(),
        good,
    };
    let plan = plan::sketch(new, node, trust, &progress)?;
    let lifted = plan.lifted();
    let too_few = plan::enough(new, &plan, trust, &lifted).err();
    let lifts = match &plan.change {
        Some(change) if change.is_lift() => Lifts::Bans(lifted),
        Some(_) | None if plan.is_lost => Lifts::Unknown,
        Some(_) | None => Lifts::Nothing,
    };
    let brought = plan.brought();
    Ok(Prospect {
        lifts,
        needed: plan.needed,
        good,
        too_few,
        brought,
        impact: acknowledged(new, trust),
    })
}

/// What the signers say of the list's impact. To acknowledge it takes as many of them as lifting a
/// ban: with one stolen key alone nobody keeps all of a fleet's containers from starting again.
pub fn acknowledged(new: New<'_>, trust: &Trust) -> Impact {
    if new.good >= trust.keyset.lift_threshold {
        new.head.impact
    } else {
        Impact::Guarded
    }
}
