//! Checks whether this node would take the draft as it is signed.
//!
//! In: the draft (hostile), and the node's keyset, floor and lists. Out: what an installation would
//! find wrong with the draft, which bans it lifts here, how many signatures that takes and how many
//! it has, for people and for programs. The checks and the comparison are the installation's own.
//! What the draft does to the containers is not asked here.

use std::fs::File;

use serde::Serialize;

use super::super::super::consequences::node::NodeState;
use super::super::super::consequences::{self, Lifts, Prospect};
use super::super::super::{amount, change};
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::head::{Claim, Impact};
use crate::banlist::note::Enough;
use crate::banlist::store::{Placement, Trust};
use crate::report::line::causes;

/// Whether the draft has enough signatures for this node, and for what.
#[derive(Debug, Serialize)]
pub(super) struct Signed {
    /// Good signatures; unknown when a fault prevented the check.
    #[serde(rename = "good_signatures")]
    good: Option<usize>,
    /// Signatures needed for what it lifts; unknown as above.
    #[serde(rename = "needed_signatures")]
    needed: Option<usize>,
    /// The bans that it lifts, by ID; unknown as above, or where this node has lost the list to
    /// compare it with.
    lifts: Option<Vec<String>>,
    /// The patches and successors that are new on this node, or changed, one line each with their
    /// ban; unknown as above.
    pub(super) adds: Option<Vec<String>>,
    /// Why this node would not take the draft, whatever it lifts.
    #[serde(rename = "head_fault")]
    pub(super) fault: Option<String>,
    /// Why it would not take it for what it lifts.
    #[serde(skip)]
    pub(super) too_few: Option<String>,
    /// Whether enough signers say that they know what it refuses; `None` while they are too few for
    /// any list.
    #[serde(skip)]
    pub(super) impact: Option<Impact>,
}

impl Signed {
    /// Asks as an installation of the draft would.
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
            // It may be signed later. What it will need then is worth knowing now.
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
            impact,
        } = prospect;
        let lifts = match lifts {
            Lifts::Nothing => Some(Vec::new()),
            Lifts::Bans(bans) => Some(bans),
            Lifts::Unknown => None,
        };
        // Too few for any list is the fault already.
        let too_few = too_few
            .filter(|_| fault.is_none())
            .map(|error| causes(&error));
        let impact = fault.is_none().then_some(impact);
        Self {
            good: Some(good),
            needed: Some(needed),
            lifts,
            adds: Some(brought),
            fault,
            too_few,
            impact,
        }
    }

    /// Whether there are enough signatures.
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

    /// What it lifts, where it lifts something or that is not known.
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
