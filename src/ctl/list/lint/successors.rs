//! Checks the successors that bans recommend, for `list lint`.
//!
//! A successor that is banned itself is of no use. In: the source, the images to which its names
//! belong on this machine, and the time. Pure.

use super::alone::at;
use super::digests::Uses;
use super::finding::{Code, Findings};
use super::known::{Group, KnownImages, has, platform, top};
use super::permits::digests;
use super::reference::Reference;
use crate::banlist::ban::MatchKind;
use crate::banlist::source::draft::{Draft, DraftBan, DraftMatch, Placed};
use crate::ctl::image::FoundImage;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::clock::Timestamp;

/// Checks the successor of every ban.
pub(super) fn check(
    draft: &Draft,
    known: &KnownImages,
    uses: &Uses<'_>,
    now: Timestamp,
    findings: &mut Findings<'_>,
) {
    let names: Vec<_> = draft.bans.iter().map(names).collect();
    for ban in &draft.bans {
        let Some(successor) = &ban.successor else {
            continue;
        };
        let reference = Reference::parse(&successor.value);
        let banned = names
            .iter()
            .position(|names| is_among(&successor.value, reference.as_ref(), names));
        if let Some(banned) = banned {
            let text = format!(
                "the successor {} is what {} bans",
                line::name(&successor.value),
                by(ban, &draft.bans[banned])
            );
            let hint = "name the image that has the fix; a rebuilt one of the same name by its digest, NAME@sha256:DIGEST";
            findings.add(Code::SuccessorSame, at(ban, successor.line), text, hint);
        } else if let Some(number) =
            reference.and_then(|reference| by_digest(draft, uses, reference.digest?))
        {
            let text = format!(
                "the successor {} is banned by its digest, by {}",
                line::name(&successor.value),
                by(ban, &draft.bans[number])
            );
            findings.add(
                Code::SuccessorBanned,
                at(ban, successor.line),
                text,
                "name the image that has the fix",
            );
        } else if let Some(group) = known.meaning(&successor.value) {
            by_layers(draft, ban, successor, group, uses, now, findings);
        }
    }
}

/// Whether a successor is one of the names that a ban matches.
fn is_among(
    successor: &str,
    reference: Option<&Reference>,
    names: &[(&str, Option<Reference>)],
) -> bool {
    for (name, parsed) in names {
        if *name == successor {
            return true;
        }
        if let (Some(one), Some(other)) = (reference, parsed)
            && one.has_name_of(other)
        {
            return true;
        }
    }
    false
}

/// The names in a ban's matches, as text and parsed.
fn names(ban: &DraftBan) -> Vec<(&str, Option<Reference>)> {
    let mut names = Vec::new();
    for found in &ban.matches {
        if let Some(name) = &found.name {
            names.push((name.value.as_str(), Reference::parse(&name.value)));
        }
    }
    names
}

/// The name of the ban `other`, for a message about `ban`.
fn by(ban: &DraftBan, other: &DraftBan) -> String {
    match &other.id {
        Some(id) if !std::ptr::eq(ban, other) => line::name(&id.value),
        Some(_) | None if std::ptr::eq(ban, other) => "this ban".to_owned(),
        Some(_) | None => format!("the ban in line {}", other.line),
    }
}

/// The number of the ban that has a match for this image digest.
fn by_digest(draft: &Draft, uses: &Uses<'_>, digest: Digest) -> Option<usize> {
    (0..draft.bans.len()).find(|number| uses.bans(*number, MatchKind::Image, digest))
}

/// Checks a successor whose image is known: whether a ban of this source covers it.
fn by_layers(
    draft: &Draft,
    ban: &DraftBan,
    successor: &Placed<String>,
    group: &Group,
    uses: &Uses<'_>,
    now: Timestamp,
    findings: &mut Findings<'_>,
) {
    for image in &group.images {
        let Some((banning, found, digest)) = banned_by(draft, image, uses, now) else {
            continue;
        };
        let (name, by) = (line::name(&successor.value), by(ban, banning));
        let here = match platform(image) {
            Some(platform) if group.images.len() > 1 => format!(" for {platform}"),
            Some(_) | None => String::new(),
        };
        let what = match &found.name {
            Some(name) => line::name(&name.value),
            None => format!("{} {digest}", found.kind.word()),
        };
        let text = match found.kind {
            MatchKind::Base if top(image) == Some(digest) => {
                format!("the successor {name}{here} has the layers of {what}, which {by} bans")
            }
            MatchKind::Base => {
                format!("the successor {name}{here} is built on {what}, which {by} bans")
            }
            MatchKind::Layer => {
                format!("the successor {name}{here} has {what}, a layer that {by} bans")
            }
            MatchKind::Image => format!("the successor {name}{here} is {what}, which {by} bans"),
        };
        let hint =
            "name an image that is not; if the fix came as a layer on top, add that layer to cure";
        findings.add(Code::SuccessorBanned, at(ban, successor.line), text, hint);
        return;
    }
}

/// The first match that bans an image, with its ban and its digest.
fn banned_by<'a>(
    draft: &'a Draft,
    image: &FoundImage,
    uses: &Uses<'a>,
    now: Timestamp,
) -> Option<(&'a DraftBan, &'a DraftMatch, Digest)> {
    for (kind, digest) in digests(image) {
        for place in uses.of_digest(digest) {
            let ban = &draft.bans[place.ban];
            if let Some(found) = place.found
                && place.kind == kind
                && still_holds(ban, image, now)
            {
                return Some((ban, found, digest));
            }
        }
    }
    None
}

/// Whether a ban that matches an image applies to this image, now or later: the ban has not lapsed,
/// and no cure and no running exception applies.
fn still_holds(ban: &DraftBan, image: &FoundImage, now: Timestamp) -> bool {
    let is_over = matches!(&ban.lapses, Some(lapses) if lapses.value <= now);
    let is_cured = ban
        .cure
        .iter()
        .any(|cure| has(image, (MatchKind::Layer, cure.value)));
    let is_excepted = ban.except.iter().any(|except| {
        matches!(&except.until, Some(until) if until.value > now)
            && has(image, (except.kind, except.digest))
    });
    !is_over && !is_cured && !is_excepted
}
