//! Checks whether this node would accept the draft with its present signatures, for `list preview`.
//!
//! In: the draft (hostile), and the node's keyset, floor and lists. Out: the error that an
//! installation would report about the draft, the bans that the draft lifts on this node, how many
//! signatures the draft needs and how many it has, as text and as JSON. The checks are those of an
//! installation. The effect on the containers is not checked here.

use std::fs::File;

use serde::Serialize;

use super::super::super::amount;
use super::super::super::change::{self, Brought, Does};
use super::super::super::consequences::node::NodeState;
use super::super::super::consequences::{self, Lifts, Prospect};
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::head::{Claim, Impact};
use crate::banlist::note::Enough;
use crate::banlist::store::{Placement, Trust};
use crate::report::line::causes;

/// Whether the draft has enough signatures for this node.
#[derive(Debug, Serialize)]
pub(super) struct Signed {
    /// The number of good signatures. `None` when a fault prevented the check.
    #[serde(rename = "good_signatures")]
    good: Option<usize>,
    /// The number of signatures needed for the bans that the draft lifts. `None` when a fault
    /// prevented the check.
    #[serde(rename = "needed_signatures")]
    needed: Option<usize>,
    /// The IDs of the bans that the draft lifts. `None` when a fault prevented the check, or when
    /// this node has lost the list to compare the draft with.
    lifts: Option<Vec<String>>,
    /// The patches and successors that are new on this node: one line each, beginning with the
    /// ban's ID. `None` as above.
    adds: Option<Vec<String>>,
    /// The patches, successors and severities that have another value. `None` as above.
    changes: Option<Vec<String>>,
    /// The patches and successors that are gone. `None` as above.
    removes: Option<Vec<String>>,
    /// All three, in the order of the bans.
    #[serde(skip)]
    pub(super) brought: Vec<Brought>,
    /// Why no patch of the draft would run.
    #[serde(skip)]
    pub(super) withheld: Option<String>,
    /// Why this node would not accept the draft, whatever it lifts.
    #[serde(rename = "head_fault")]
    pub(super) fault: Option<String>,
    /// Why this node would not accept the draft because of the bans that the draft lifts.
    #[serde(skip)]
    pub(super) too_few: Option<String>,
    /// Whether enough signers acknowledge what the draft refuses. `None` while the draft has too
    /// few signatures for any list.
    #[serde(skip)]
    pub(super) impact: Option<Impact>,
}

impl Signed {
    /// Checks the draft as an installation would.
    pub(super) fn ask(
        draft: &Reader<'_, File>,
        size: u64,
        claim: &Claim,
        node: &NodeState<'_>,
    ) -> Self {
        let trust = match Trust::load(node.paths, &node.rules) {
            Ok(trust) => trust,
            Err(fault) => return Self::unknown(causes(&fault)),
        };
        let fault = match trust.authenticate(draft, size, Placement::Staged, Enough::All) {
            Ok(_) => None,
            // The draft may be signed later, so the preview still says how many signatures it will
            // need.
            Err(fault @ ListError::Signatures(..)) => Some(causes(&fault)),
            Err(fault) => return Self::unknown(causes(&fault)),
        };
        match consequences::prospect(draft, claim, node, &trust) {
            Ok(prospect) => Self::of(prospect, fault),
            Err(other) => Self::unknown(fault.unwrap_or_else(|| causes(&other))),
        }
    }

    const fn unknown(fault: String) -> Self {
        Self {
            good: None,
            needed: None,
            lifts: None,
            adds: None,
            changes: None,
            removes: None,
            brought: Vec::new(),
            withheld: None,
            fault: Some(fault),
            too_few: None,
            impact: None,
        }
    }

    fn of(prospect: Prospect, fault: Option<String>) -> Self {
        let Prospect {
            lifts,
            needed,
            good,
            too_few,
            brought,
            withheld,
            impact,
        } = prospect;
        let lifts = match lifts {
            Lifts::Nothing => Some(Vec::new()),
            Lifts::Bans(bans) => Some(bans),
            Lifts::Unknown => None,
        };
        // If the signatures are too few for any list, the text of `fault` already names this
        // reason.
        let too_few = too_few
            .filter(|_| fault.is_none())
            .map(|error| causes(&error));
        let impact = fault.is_none().then_some(impact);
        Self {
            good: Some(good),
            needed: Some(needed),
            lifts,
            adds: Some(that(Does::Adds, &brought)),
            changes: Some(that(Does::Changes, &brought)),
            removes: Some(that(Does::Removes, &brought)),
            brought,
            withheld,
            fault,
            too_few,
            impact,
        }
    }

    /// Says whether the draft has enough signatures.
    pub(super) fn text(&self) -> String {
        match (&self.fault, self.good, self.needed) {
            (Some(fault), _, _) => format!("this node would not take it: {fault}"),
            (None, Some(good), Some(needed)) => {
                let are = if good < needed { "too few" } else { "enough" };
                format!(
                    "{are} for this node: {}, {needed} needed",
                    amount(good, "good signature")
                )
            }
            (None, _, _) => "not checked".to_owned(),
        }
    }

    /// Says which bans the draft lifts, or that the lifted bans are unknown. `None` if the draft
    /// lifts no ban.
    pub(super) fn lifts(&self) -> Option<String> {
        let needed = amount(self.needed?, "signature");
        match &self.lifts {
            Some(bans) if bans.is_empty() => None,
            Some(bans) => Some(format!(
                "{}, which takes {needed}: {}",
                amount(bans.len(), "ban"),
                change::named(bans)
            )),
            None => Some(format!(
                "unknown, which takes {needed}: this node lost the list to compare it with"
            )),
        }
    }
}

/// The lines of those that do this.
fn that(does: Does, brought: &[Brought]) -> Vec<String> {
    let mut lines = Vec::new();
    for one in brought {
        if one.does == does {
            lines.push(one.line.clone());
        }
    }
    lines
}
