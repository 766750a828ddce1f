//! Decides whether one ban applies to one container now.
//!
//! Pure. In: a match in the list, what the container is made of, and a time. Out: the ban's
//! *standing*, which says whether the ban applies now. Exceptions and cures are permissions. A
//! container whose layers are only claimed gets neither, because the image's author could claim any
//! layers. Not checked: whether the list is fresh, which another rule decides.

use std::cmp::Ordering;

use crate::banlist::ban::{Action, Ban, Exception, Hit, MatchKind};
use crate::lineage::chain::Chain;
use crate::lineage::digest::{ChainId, DiffId, Digest, ImageId};
use crate::lineage::{Evidence, ImageFacts, Origin};
use crate::sys::clock::Timestamp;

use super::event::parts;
use super::sentence;

/// A match with the list, and whether its ban applies now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The match.
    pub hit: Hit,
    /// Whether the match's ban applies.
    pub standing: Standing,
}

/// Whether a ban applies to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The ban applies: the container is refused.
    InEffect,
    /// The ban takes effect later.
    Ahead {
        /// Days until the ban takes effect; part of a day counts as a day.
        days: u64,
    },
    /// The ban applied once, and has lapsed.
    Lapsed,
    /// The ban applies, but the container existed when the ban came into effect, and may start
    /// again for some time.
    Existing {
        /// Days until the ban refuses the container; part of a day counts as a day.
        days: u64,
    },
    /// The ban only warns.
    Warns,
    /// A signed exception covers the container.
    Excepted(Exception),
    /// The container has a layer that cures the ban, above everything that matched. The digest is
    /// that layer's diff ID.
    Cured(Digest),
}

impl Finding {
    /// The finding as a sentence about a container made of `origin`, as in a refusal: `built on …,
    /// banned by … since …; use …`.
    #[must_use]
    pub fn sentence(&self, origin: Option<&Origin>) -> String {
        sentence::finding(self, origin).trim_end().to_owned()
    }

    /// The time from which the ban refuses a container made of `origin`, which the engine made at
    /// the time `created`. The ban's own times and those of its exceptions decide. `None` if the
    /// ban never refuses the container.
    #[must_use]
    pub fn refuses_from(&self, origin: &Origin, created: Option<Timestamp>) -> Option<Timestamp> {
        if self.standing == Standing::Lapsed {
            return None;
        }
        let mut times = vec![self.hit.ban.effective];
        times.extend(self.hit.ban.existing_until);
        for exception in &self.hit.ban.except {
            times.push(exception.until);
        }
        times.sort_unstable();
        times
            .into_iter()
            .find(|time| standing(&self.hit, origin, created, *time).is_in_effect())
    }
}

impl Standing {
    /// Whether the ban refuses the container.
    #[must_use]
    pub const fn is_in_effect(&self) -> bool {
        match self {
            Self::InEffect => true,
            Self::Ahead { .. }
            | Self::Lapsed
            | Self::Existing { .. }
            | Self::Warns
            | Self::Excepted(_)
            | Self::Cured(_) => false,
        }
    }

    /// Days until the ban takes effect, or until it no longer spares the container because it
    /// existed before. `None` in every other case.
    #[must_use]
    pub const fn days_left(&self) -> Option<u64> {
        match self {
            Self::Ahead { days } | Self::Existing { days } => Some(*days),
            Self::InEffect | Self::Lapsed | Self::Warns | Self::Excepted(_) | Self::Cured(_) => {
                None
            }
        }
    }

    /// The name of the standing in reports and JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::InEffect => "in-effect",
            Self::Ahead { .. } => "ahead",
            Self::Lapsed => "lapsed",
            Self::Existing { .. } => "existing",
            Self::Warns => "warns",
            Self::Excepted(_) => "excepted",
            Self::Cured(_) => "cured",
        }
    }
}

/// The standing of every match, sorted by severity (the highest first), then by the time of taking
/// effect (the earliest first), then by the ban's ID.
pub(super) fn findings(
    hits: &[Hit],
    origin: &Origin,
    created: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::with_capacity(hits.len());
    for hit in hits {
        findings.push(Finding {
            hit: hit.clone(),
            standing: standing(hit, origin, created, now),
        });
    }
    findings.sort_by(by_severity);
    findings
}

fn by_severity(one: &Finding, other: &Finding) -> Ordering {
    let (one, other) = (&one.hit.ban, &other.hit.ban);
    other
        .severity
        .cmp(&one.severity)
        .then(one.effective.cmp(&other.effective))
        .then(one.id.cmp(&other.id))
}

/// The standing of the ban of `hit` at the time `now`.
fn standing(hit: &Hit, origin: &Origin, created: Option<Timestamp>, now: Timestamp) -> Standing {
    let ban = &hit.ban;
    if let Some(lapses) = ban.lapses
        && now >= lapses
    {
        return Standing::Lapsed;
    }
    if now < ban.effective {
        return Standing::Ahead {
            days: ban.effective.since(now).div_ceil(86_400),
        };
    }
    let (chain, facts, evidence) = parts(Some(origin));
    if evidence != Some(Evidence::Claimed) {
        // Of several exceptions, the exception that ends last is used, so that the audit event says
        // when the container will really be refused.
        let mut longest: Option<&Exception> = None;
        for exception in &ban.except {
            let is_longer = longest.is_none_or(|longest| longest.until <= exception.until);
            if now < exception.until && is_longer && is_excepted(exception, chain, facts) {
                longest = Some(exception);
            }
        }
        if let Some(exception) = longest {
            return Standing::Excepted(exception.clone());
        }
        if let Some(chain) = chain
            && let Some(cure) = cure(hit, chain)
        {
            return Standing::Cured(cure);
        }
    }
    match (ban.action, spared_until(ban, created, now)) {
        (Action::Warn, _) => Standing::Warns,
        (Action::Refuse, Some(until)) => Standing::Existing {
            days: until.since(now).div_ceil(86_400),
        },
        (Action::Refuse, None) => Standing::InEffect,
    }
}

/// Until when the ban spares the container, because the engine made the container before the ban
/// came into effect. A container without a record of its creation is not spared. The time is the
/// engine's, and not the image author's, so it does not matter how certain the layers are.
fn spared_until(ban: &Ban, created: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let until = ban.existing_until?;
    (created? < ban.effective && now < until).then_some(until)
}

/// The diff ID of a layer that cures the match. The layer must lie above everything that matched:
/// if it lay below, the banned content would hide what the layer fixes. If the image itself is
/// banned by digest, no layer lies above the match.
fn cure(hit: &Hit, chain: &Chain) -> Option<Digest> {
    let layers = chain.diff_ids();
    let top = match hit.kind {
        MatchKind::Base => chain.chain_ids().iter().position(|id| id.0 == hit.digest),
        MatchKind::Layer => layers.iter().rposition(|id| id.0 == hit.digest),
        MatchKind::Image => None,
    }?;
    let above = layers.get(top + 1..)?;
    let mut cures = hit.ban.cure.iter().copied();
    cures.find(|cure| above.contains(&DiffId(*cure)))
}

/// Whether the exception names one of the container's digests.
fn is_excepted(exception: &Exception, chain: Option<&Chain>, facts: Option<&ImageFacts>) -> bool {
    let digest = exception.digest;
    match (exception.kind, chain, facts) {
        (MatchKind::Base, Some(chain), _) => chain.chain_ids().contains(&ChainId(digest)),
        (MatchKind::Layer, Some(chain), _) => chain.diff_ids().contains(&DiffId(digest)),
        (MatchKind::Image, _, Some(facts)) => {
            facts.image_id == Some(ImageId(digest)) || facts.manifests.contains(&digest)
        }
        (MatchKind::Base | MatchKind::Layer, None, _) | (MatchKind::Image, _, None) => false,
    }
}
