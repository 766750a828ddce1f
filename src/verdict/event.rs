//! Makes events for the system log from a verdict.
//!
//! In: the results of a verdict. Out: events as plain data, which `audit` sends. The texts of the
//! events are escaped and fit on one line. This file sends nothing.

use serde::{Deserialize, Serialize};

use crate::banlist::ban::{Hit, Severity};
use crate::container::engine::Engine;
use crate::lineage::Evidence;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{ChainId, Digest, ImageId};
use crate::lineage::{ImageFacts, Origin};
use crate::report::line;

use super::{Case, Finding, Grounds};

/// One event for the system log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened to a container, or what is wrong with the list.
    pub kind: EventKind,
    /// The container that the event is about.
    pub subject: Subject,
    /// Why the container was refused, or would have been.
    pub grounds: Option<Grounds>,
    /// The IDs of the bans that matched, the most severe first.
    pub bans: Vec<String>,
    /// The severity of each of those bans.
    pub severities: Vec<Severity>,
    /// The successors that those bans name, each once.
    pub successors: Vec<String>,
    /// The container's digests that are in the list.
    pub matched: Vec<Digest>,
    /// Days until the ban refuses the container; part of a day counts as a day.
    pub days_left: Option<u64>,
    /// How many signatures of the list do not verify.
    pub bad_signatures: Option<usize>,
    /// The message for people, on one line.
    pub message: String,
}

/// What happened to a container, or what is wrong with the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A container was refused.
    Refused,
    /// A container would have been refused, and started because the mode is `audit`.
    WouldRefuse,
    /// A container started while break-glass is open. The container would have started without
    /// break-glass too.
    BreakGlass,
    /// A container started only because break-glass is open. Without break-glass, the container
    /// would have been refused.
    BreakGlassOverride,
    /// There is a break-glass file, but it opens nothing: its limit has passed, is too long, or the
    /// file is malformed.
    BreakGlassIgnored,
    /// A container started although a ban matches it, because the ban is not yet in effect.
    BanAhead,
    /// A container started although a ban matches it, because the container existed when the ban
    /// came into effect.
    Existing,
    /// A container started although a ban matches it, because the ban only warns.
    Warned,
    /// A container started under an exception.
    Excepted,
    /// A container started because a layer cures the ban.
    Cured,
    /// A container without an image started.
    NoImage,
    /// A container started although its lineage, or a digest of its image, is unknown.
    UnknownImage,
    /// The list has a bad signature, but also enough good ones.
    ListBadSignature,
    /// The list is past its expiry.
    ListStale,
    /// The list is past its grace period.
    ListOverdue,
    /// The second copy of the list in force is used, because the first cannot be read or trusted.
    SecondCopy,
    /// A container started although there is no authentic list.
    ListMissing,
    /// The clock is more than a day behind a signed time, so nobody can tell whether the list has
    /// expired.
    ClockUntrusted,
    /// A container started on a node that has no settings.
    NotArmed,
}

impl EventKind {
    /// Every kind.
    #[cfg(test)]
    pub const ALL: [Self; 19] = [
        Self::Refused,
        Self::WouldRefuse,
        Self::BreakGlass,
        Self::BreakGlassOverride,
        Self::BreakGlassIgnored,
        Self::BanAhead,
        Self::Existing,
        Self::Warned,
        Self::Excepted,
        Self::Cured,
        Self::NoImage,
        Self::UnknownImage,
        Self::ListBadSignature,
        Self::ListStale,
        Self::ListOverdue,
        Self::SecondCopy,
        Self::ListMissing,
        Self::ClockUntrusted,
        Self::NotArmed,
    ];

    /// The event's name, for `EMBARGO_EVENT` and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::WouldRefuse => "would-refuse",
            Self::BreakGlass => "break-glass",
            Self::BreakGlassOverride => "break-glass-override",
            Self::BreakGlassIgnored => "break-glass-ignored",
            Self::BanAhead => "ban-ahead",
            Self::Existing => "existing",
            Self::Warned => "warned",
            Self::Excepted => "excepted",
            Self::Cured => "cured",
            Self::NoImage => "no-image",
            Self::UnknownImage => "unknown-image",
            Self::ListBadSignature => "list-bad-signature",
            Self::ListStale => "list-stale",
            Self::ListOverdue => "list-overdue",
            Self::SecondCopy => "second-copy",
            Self::ListMissing => "list-missing",
            Self::ClockUntrusted => "clock-untrusted",
            Self::NotArmed => "not-armed",
        }
    }

    /// The event's unique ID in the journal (systemd.journal-fields(7), `MESSAGE_ID`). The ID stays
    /// the same if the event is renamed.
    #[must_use]
    pub const fn message_id(self) -> &'static str {
        match self {
            Self::Refused => "7449f60e5376470d94c93ebae86e41a4",
            Self::WouldRefuse => "22d525a361664ef19b70f9071370406c",
            Self::BreakGlass => "e911b2a17e4d4cd6b2ed66ee372e7d2b",
            Self::BreakGlassOverride => "5c97865efea2496698bdffdbc43651b1",
            Self::BreakGlassIgnored => "6904e24ed84340f3bd09d7aeca804888",
            Self::BanAhead => "4eb3db73e7f7406eb866e08081120f02",
            Self::Existing => "266a787192a342c6a20bb418815d9582",
            Self::Warned => "f3616c3068054bff90ee1481c9a73fe6",
            Self::Excepted => "27483b982d2344b3a5b6e04b1e19bfa4",
            Self::Cured => "d23afed1717f44c892b4db8863adde5c",
            Self::NoImage => "f6b74faa49024b68bf91114306bfe067",
            Self::UnknownImage => "c4d4821929b64f1ba4af372ded2a7593",
            Self::ListBadSignature => "d290793bb70a4418ad21eec3ce3f2ba6",
            Self::ListStale => "69d8372e92894d6ab456600953eba4b5",
            Self::ListOverdue => "72259cb5e61f4d8a88d6f3be6c6cbb8c",
            Self::SecondCopy => "79c1e26a65954c7a85a59a158c12bd4d",
            Self::ListMissing => "954adc125b9f4f929ca4460906a96131",
            Self::ClockUntrusted => "0b694d088e95454589ae43e16d88aaa1",
            Self::NotArmed => "afadbd9aef9f4e2b8000f054421cccca",
        }
    }

    /// The event's priority (RFC 5424, table 2): 2 critical, 3 error, 4 warning, 5 notice.
    #[must_use]
    pub const fn priority(self) -> u8 {
        match self {
            Self::SecondCopy | Self::ListMissing => 2,
            Self::BreakGlassOverride | Self::ListOverdue => 3,
            Self::Refused
            | Self::WouldRefuse
            | Self::BreakGlassIgnored
            | Self::Warned
            | Self::UnknownImage
            | Self::ListBadSignature
            | Self::ListStale
            | Self::ClockUntrusted
            | Self::NotArmed => 4,
            Self::BreakGlass
            | Self::BanAhead
            | Self::Existing
            | Self::Excepted
            | Self::Cured
            | Self::NoImage => 5,
        }
    }
}

/// The container that an event is about, as far as known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The container's ID, or the name that the caller of `check` gave.
    pub container: String,
    /// The name that the engine gives the container.
    pub name: Option<String>,
    /// The container's engine.
    pub engine: Engine,
    /// The image's name in the engine's own record, or else the image ID.
    pub image: Option<String>,
    /// The digest of the image's config.
    pub image_id: Option<ImageId>,
    /// The chain ID of all the image's layers.
    pub chain_id: Option<ChainId>,
    /// How sure the lineage is.
    pub evidence: Option<Evidence>,
    /// The version of the list that was used.
    pub list_version: Option<u64>,
    /// The image's label `org.opencontainers.image.source`.
    pub source: Option<String>,
    /// The image's label `org.opencontainers.image.revision`.
    pub revision: Option<String>,
}

impl Subject {
    /// The container that the [`Case`] is about.
    pub(super) fn of(case: &Case<'_>) -> Self {
        let (chain, facts, evidence) = parts(case.origin.ok());
        let (mut image_id, mut image) = (None, None);
        if let Some(facts) = facts {
            image_id = facts.image_id;
            image = match (&facts.name, image_id) {
                (Some(name), _) => Some(name.clone()),
                (None, Some(id)) => Some(id.to_string()),
                (None, None) => None,
            };
        }
        Self {
            container: case.container.to_owned(),
            name: case.name.map(str::to_owned),
            engine: case.engine,
            image,
            image_id,
            chain_id: chain.map(Chain::top),
            evidence,
            list_version: case.list_version(),
            source: case.labels.source.map(str::to_owned),
            revision: case.labels.revision.map(str::to_owned),
        }
    }
}

/// The known parts of an origin.
pub(super) const fn parts(
    origin: Option<&Origin>,
) -> (Option<&Chain>, Option<&ImageFacts>, Option<Evidence>) {
    match origin {
        Some(Origin::Image(image)) => {
            (Some(&image.chain), Some(&image.facts), Some(image.evidence))
        }
        Some(Origin::NoLayers(facts)) => (None, Some(facts), None),
        Some(Origin::NoImage) | None => (None, None, None),
    }
}

impl Event {
    /// An event about this subject. The bans of `findings` are the ones that matched.
    pub(super) fn new(
        kind: EventKind,
        subject: &Subject,
        findings: &[&Finding],
        message: &str,
    ) -> Self {
        // One ban may match twice, and two bans may match the same digest: each ban and each digest
        // is listed once.
        let (mut bans, mut matched, mut successors) = (Vec::new(), Vec::new(), Vec::new());
        let (mut severities, mut days_left) = (Vec::new(), None);
        for finding in findings {
            let Hit { ban, digest, .. } = &finding.hit;
            if !bans.contains(&ban.id) {
                bans.push(ban.id.clone());
                severities.push(ban.severity);
            }
            if !matched.contains(digest) {
                matched.push(*digest);
            }
            if let Some(successor) = &ban.successor
                && !successors.contains(successor)
            {
                successors.push(successor.clone());
            }
            days_left = days_left.or(finding.standing.days_left());
        }
        Self {
            kind,
            subject: subject.clone(),
            grounds: None,
            bans,
            severities,
            successors,
            matched,
            days_left,
            bad_signatures: None,
            message: line::one_line(message),
        }
    }
}
