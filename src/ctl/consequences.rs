//! Finds what a list would change on this node, and whether the list may be installed.
//!
//! In: a list, and the node's keyset, floor and lists. The list's head is authentic, unless the
//! list is a draft; the rest of the list is hostile. Out: a [`plan`] of the steps for `install`, or
//! a [`Prospect`] for `list preview`, also of a draft that has too few signatures. Nothing is
//! written here. The module `impact` finds what the list would do to containers.

pub mod compare;
pub mod error;
pub mod node;
pub mod plan;
mod united;

use std::fs::File;

use super::CtlError;
use super::change::{self, Brought};
use super::progress::Progress;
use crate::banlist::bytes::Reader;
use crate::banlist::error::SignatureTally;
use crate::banlist::head::{Claim, Impact};
use crate::banlist::note::Enough;
use crate::banlist::store::Trust;
use compare::New;
use error::InstallError;
use node::NodeState;

/// What an installation of a draft would find on this node.
#[derive(Debug)]
pub struct Prospect {
    /// Which bans of the list in force the draft lifts.
    pub lifts: Lifts,
    /// How many list keys have to sign a draft that lifts these bans.
    pub needed: usize,
    /// How many list keys have signed the draft.
    pub good: usize,
    /// The error of an installation, when the draft has too few signatures.
    pub too_few: Option<InstallError>,
    /// The patches, successors and severities that are new, changed or gone on this node.
    pub brought: Vec<Brought>,
    /// Why no patch of the draft would run, if the draft has patches and too few signatures for
    /// them.
    pub withheld: Option<String>,
    /// Whether enough signers acknowledge how many running containers the draft refuses.
    pub impact: Impact,
}

/// Which bans a list lifts on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifts {
    /// The list lifts no ban, or the node has had no list yet.
    Nothing,
    /// The list lifts the bans with these IDs.
    Bans(Vec<String>),
    /// Unknown: the newest list that the node had is missing, so there is nothing to compare with.
    Unknown,
}

/// Finds what an installation of `draft` would lift, even with too few signatures. Every byte of
/// the draft is checked. No file is created or changed.
///
/// # Errors
/// [`CtlError`], as an installation reports it. A draft with too few signatures is no error here.
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
        withheld: change::withheld(&trust.keyset, good, &plan.bans),
        impact: acknowledged(new, trust),
    })
}

/// Whether the signers acknowledge the list's impact. An acknowledgement takes as many signatures
/// as lifting a ban does; otherwise a thief of one list key could keep all containers of a fleet
/// from starting again.
pub fn acknowledged(new: New<'_>, trust: &Trust) -> Impact {
    if new.good >= trust.keyset.lift_threshold {
        new.head.impact
    } else {
        Impact::Guarded
    }
}
