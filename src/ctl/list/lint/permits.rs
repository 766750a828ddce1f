//! Checks cures and exceptions for `list lint`: whether they cancel a ban, or cover nothing.
//!
//! The checks find cures and exceptions that cancel a whole ban, and exceptions that never apply.
//! In: the source and the known images. Without known images, only equal digests are compared.
//! Pure.

use std::collections::HashSet;

use super::alone::{at, at_digest, value};
use super::digests::Uses;
use super::finding::{Code, Findings, Location};
use super::known::{DigestRole, ImageIndex, has_for_sure, label, several};
use crate::banlist::ban::MatchKind;
use crate::banlist::source::draft::{Draft, DraftBan, DraftException, DraftMatch};
use crate::ctl::image::FoundImage;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::clock::Timestamp;

/// Checks every ban.
pub(super) fn check(
    draft: &Draft,
    index: &ImageIndex<'_>,
    uses: &Uses<'_>,
    now: Timestamp,
    findings: &mut Findings<'_>,
) {
    for (number, ban) in draft.bans.iter().enumerate() {
        cures(ban, index, findings);
        let mut running: Vec<_> = ban.except.iter().collect();
        running.retain(|except| runs(except, now));
        covered(ban, &running, index, findings);
        for except in running {
            idle(ban, number, except, index, uses, findings);
        }
    }
    manifests(draft, index, uses, findings);
}

/// Whether an exception has not ended.
fn runs(except: &DraftException, now: Timestamp) -> bool {
    value(except.until.as_ref()).is_none_or(|until| *until > now)
}

/// Finds cures whose layer is already in everything that the ban matches.
fn cures(ban: &DraftBan, index: &ImageIndex<'_>, findings: &mut Findings<'_>) {
    for cure in &ban.cure {
        let layer = (MatchKind::Layer, cure.value);
        let Some(found) = ban
            .matches
            .iter()
            .find(|found| some_has(found, layer, index))
        else {
            continue;
        };
        let text = format!(
            "the cure {} is a layer of {} itself, so nothing is ever refused",
            cure.value,
            called(found)
        );
        let hint =
            "a cure is the diff ID of a layer that the fix adds: embargoctl lineage FIXED-IMAGE";
        findings.add(Code::CureInBase, at(ban, cure.line), text, hint);
    }
}

/// Finds matches that the exceptions cover completely.
fn covered(
    ban: &DraftBan,
    running: &[&DraftException],
    index: &ImageIndex<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(first) = running.first() else {
        return;
    };
    if ban.matches.is_empty() {
        return;
    }
    let mut equal = HashSet::new();
    for except in running {
        equal.insert((except.kind, except.digest));
    }
    let mut whole = Vec::new();
    for found in &ban.matches {
        let is_covered = found.digests.iter().all(|(digest, _)| {
            let own = (found.kind, *digest);
            equal.contains(&own) || covering(own, running, index).is_some()
        });
        if is_covered && !found.digests.is_empty() {
            whole.push(found);
        }
    }
    if whole.len() == ban.matches.len() {
        let text =
            "the exceptions cover all that the ban holds for, so it refuses nothing until they end";
        let hint =
            "except what is built on the base, by its image ID; or move the ban's effective date";
        findings.add(Code::CoversBan, at(ban, first.line), text, hint);
        return;
    }
    for found in whole {
        let by = covering((found.kind, found.digests[0].0), running, index).unwrap_or(first);
        let text = format!(
            "the exception covers everything that {} matches",
            called(found)
        );
        let hint = "is that meant? Then the match can wait until it ends";
        findings.add(Code::CoversMatch, at(ban, by.line), text, hint);
    }
}

/// The exception that covers a digest.
fn covering<'a>(
    digest: (MatchKind, Digest),
    running: &[&'a DraftException],
    index: &ImageIndex<'_>,
) -> Option<&'a DraftException> {
    running
        .iter()
        .copied()
        .find(|except| index.implies(digest, (except.kind, except.digest)))
}

/// Whether one of the digests of a match is certainly the digest of something that also has
/// `other`.
fn some_has(found: &DraftMatch, other: (MatchKind, Digest), index: &ImageIndex<'_>) -> bool {
    found
        .digests
        .iter()
        .any(|(digest, _)| index.implies((found.kind, *digest), other))
}

/// The name of a match, for messages.
fn called(found: &DraftMatch) -> String {
    match (&found.name, &found.file, found.digests.first()) {
        (Some(name), ..) => line::name(&name.value),
        (None, Some(file), _) => format!("{} {}", found.kind.word(), line::path(file)),
        (None, None, Some((digest, _))) => format!("{} {digest}", found.kind.word()),
        (None, None, None) => found.kind.word().to_owned(),
    }
}

/// Finds exceptions for images that the ban does not cover.
fn idle(
    ban: &DraftBan,
    number: usize,
    except: &DraftException,
    index: &ImageIndex<'_>,
    uses: &Uses<'_>,
    findings: &mut Findings<'_>,
) {
    let images: Vec<_> = index.having(except.kind, except.digest).collect();
    if images.is_empty() || images.iter().any(|image| is_banned(image, number, uses)) {
        return;
    }
    // The excepted digest may be a lower stack or a layer of a banned image, so the exception
    // applies.
    let excepted = (except.kind, except.digest);
    let is_below = ban
        .matches
        .iter()
        .any(|found| some_has(found, excepted, index));
    if !is_below {
        let names = several(images.iter().copied().map(label));
        let text = format!("the exception excepts nothing: the ban does not hold for {names}");
        findings.add(
            Code::ExceptionIdle,
            at(ban, except.line),
            text,
            "is the digest right? embargoctl except fills it in",
        );
    }
}

/// Whether the ban with this number has a match for an image.
pub(super) fn is_banned(image: &FoundImage, ban: usize, uses: &Uses<'_>) -> bool {
    digests(image)
        .iter()
        .any(|(kind, digest)| uses.bans(ban, *kind, *digest))
}

/// All digests of an image that a match could name.
pub(super) fn digests(image: &FoundImage) -> Vec<(MatchKind, Digest)> {
    let mut all = Vec::new();
    if let Some(chain) = &image.chain {
        for id in chain.chain_ids() {
            all.push((MatchKind::Base, id.0));
        }
        for id in chain.diff_ids() {
            all.push((MatchKind::Layer, id.0));
        }
    }
    if let Some(id) = image.image_id {
        all.push((MatchKind::Image, id.0));
    }
    for (_, digest) in &image.manifests {
        all.push((MatchKind::Image, *digest));
    }
    all
}

/// Finds manifest and index digests that are banned or excepted without the image ID. Some engines
/// know only the image ID.
fn manifests(draft: &Draft, index: &ImageIndex<'_>, uses: &Uses<'_>, findings: &mut Findings<'_>) {
    for (number, ban) in draft.bans.iter().enumerate() {
        for found in &ban.matches {
            if found.kind != MatchKind::Image {
                continue;
            }
            for (digest, line) in &found.digests {
                let mut images = by_manifest(*digest, index);
                images.retain(|image| !is_surely_banned(image, number, uses));
                unknown_by(&images, at_digest(ban, found, *line), "banned", findings);
            }
        }
        for except in &ban.except {
            if except.kind == MatchKind::Image {
                let mut images = by_manifest(except.digest, index);
                images.retain(|image| !is_surely_excepted(image, except, ban));
                unknown_by(&images, at(ban, except.line), "excepted", findings);
            }
        }
    }
}

/// The images that have this digest as a manifest or an index.
fn by_manifest<'k>(digest: Digest, index: &ImageIndex<'k>) -> Vec<&'k FoundImage> {
    let mut images = Vec::new();
    for (part, image) in index.parts(digest) {
        if matches!(part, DigestRole::Manifest(_)) {
            images.push(*image);
        }
    }
    images
}

/// Whether a ban covers an image in every engine. The result is also `true` for an image whose
/// image ID is not known.
fn is_surely_banned(image: &FoundImage, ban: usize, uses: &Uses<'_>) -> bool {
    let Some(id) = image.image_id else {
        return true;
    };
    uses.bans(ban, MatchKind::Image, id.0)
        || digests(image)
            .iter()
            .any(|(kind, digest)| *kind != MatchKind::Image && uses.bans(ban, *kind, *digest))
}

/// Whether another exception of the ban covers an image in every engine.
fn is_surely_excepted(image: &FoundImage, except: &DraftException, ban: &DraftBan) -> bool {
    ban.except.iter().any(|other| {
        other.digest != except.digest && has_for_sure(image, (other.kind, other.digest))
    })
}

fn unknown_by(
    images: &[&FoundImage],
    place: Location<'_>,
    what: &str,
    findings: &mut Findings<'_>,
) {
    let Some(image) = images.iter().find(|image| image.image_id.is_some()) else {
        return;
    };
    let text = format!(
        "{} is {what} by its manifest or index alone, which some engines do not keep",
        label(image)
    );
    let ids = images
        .iter()
        .filter_map(|image| Some(image.image_id?.to_string()));
    findings.add(
        Code::NoImageId,
        place,
        text,
        format!(
            "add its image ID, which every engine knows: {}",
            several(ids)
        ),
    );
}
