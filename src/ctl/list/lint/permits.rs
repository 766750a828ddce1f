//! Checks cures and exceptions for `list lint`: whether they cancel a ban, or cover nothing.
//!
//! It finds cures and exceptions that cancel a whole ban, and exceptions that never apply. In: the
//! source and the known images. Without known images, only equal digests are compared. Pure.

use std::collections::HashSet;

use super::alone::at;
use super::digests::Uses;
use super::finding::{Code, Findings, Location};
use super::known::{DigestRole, ImageIndex, has, label, several};
use crate::banlist::record::MatchKind;
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
        let running =
            |except: &&DraftException| except.until.as_ref().is_none_or(|until| until.value > now);
        let running: Vec<_> = ban.except.iter().filter(running).collect();
        covered(ban, &running, index, findings);
        for except in running {
            idle(ban, number, except, index, uses, findings);
        }
    }
    manifests(draft, index, uses, findings);
}

/// Finds cures that everything banned already has.
fn cures(ban: &DraftBan, index: &ImageIndex<'_>, findings: &mut Findings<'_>) {
    for cure in &ban.cure {
        let has_it = |found: &&DraftMatch| {
            found.digests.iter().any(|(digest, _)| {
                index.implies((found.kind, *digest), (MatchKind::Layer, cure.value))
            })
        };
        let Some(found) = ban.matches.iter().find(has_it) else {
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
    if running.is_empty() || ban.matches.is_empty() {
        return;
    }
    let equal: HashSet<_> = running
        .iter()
        .map(|except| (except.kind, except.digest))
        .collect();
    let is_covered = |kind: MatchKind, digest: Digest| {
        equal.contains(&(kind, digest))
            || running
                .iter()
                .any(|except| index.implies((kind, digest), (except.kind, except.digest)))
    };
    let is_whole = |found: &&DraftMatch| {
        !found.digests.is_empty()
            && found
                .digests
                .iter()
                .all(|(digest, _)| is_covered(found.kind, *digest))
    };
    let whole: Vec<_> = ban.matches.iter().filter(is_whole).collect();
    let line = running.first().map_or(ban.line, |except| except.line);
    if whole.len() == ban.matches.len() {
        let text =
            "the exceptions cover all that the ban holds for, so it refuses nothing until they end";
        findings.add(
            Code::CoversBan,
            at(ban, line),
            text,
            "except what is built on the base, by its image ID; or move the ban's effective date",
        );
        return;
    }
    for found in whole {
        let by = running.iter().find(|except| {
            index.implies(
                (found.kind, found.digests[0].0),
                (except.kind, except.digest),
            )
        });
        let text = format!(
            "the exception covers everything that {} matches",
            called(found)
        );
        findings.add(
            Code::CoversMatch,
            at(ban, by.map_or(line, |except| except.line)),
            text,
            "is that meant? Then the match can wait until it ends",
        );
    }
}

/// The name of a match, for messages.
fn called(found: &DraftMatch) -> String {
    match (&found.name, &found.file, found.digests.first()) {
        (Some(name), ..) => line::name(&name.value),
        (None, Some(file), _) => format!(
            "{} {}",
            found.kind.word(),
            line::name(&file.to_string_lossy())
        ),
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
    let images: Vec<_> = index
        .having(except.kind, except.digest)
        .map(|(_, image)| image)
        .collect();
    if images.is_empty() || images.iter().any(|image| is_banned(image, number, uses)) {
        return;
    }
    // The excepted digest may be a lower stack or a layer of something that is banned, so the
    // exception applies.
    let is_below = ban.matches.iter().any(|found| {
        found
            .digests
            .iter()
            .any(|(digest, _)| index.implies((found.kind, *digest), (except.kind, except.digest)))
    });
    if !is_below {
        let names = several(images.iter().map(|image| label(image)));
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
    digests(image).any(|(kind, digest)| uses.bans(ban, kind, digest))
}

/// All digests of an image that a match could name.
pub(super) fn digests(image: &FoundImage) -> impl Iterator<Item = (MatchKind, Digest)> + '_ {
    let chain = image.chain.iter();
    let bases = chain
        .clone()
        .flat_map(|chain| chain.chain_ids())
        .map(|id| (MatchKind::Base, id.0));
    let layers = chain
        .flat_map(|chain| chain.diff_ids())
        .map(|id| (MatchKind::Layer, id.0));
    let images = image
        .image_id
        .iter()
        .map(|id| id.0)
        .chain(image.manifests.iter().map(|(_, digest)| *digest));
    bases
        .chain(layers)
        .chain(images.map(|digest| (MatchKind::Image, digest)))
}

/// Finds manifest and index digests that are banned or excepted without the image ID. Some engines
/// know only the image ID.
fn manifests(draft: &Draft, index: &ImageIndex<'_>, uses: &Uses<'_>, findings: &mut Findings<'_>) {
    for (number, ban) in draft.bans.iter().enumerate() {
        let by_manifest = |digest: Digest| {
            let parts = index.parts(digest).iter();
            parts
                .filter(|(part, _)| matches!(part, DigestRole::Manifest(_)))
                .map(|(_, image)| *image)
                .collect::<Vec<_>>()
        };
        for found in ban
            .matches
            .iter()
            .filter(|found| found.kind == MatchKind::Image)
        {
            for (digest, line) in &found.digests {
                let is_sure = |image: &&FoundImage| {
                    image
                        .image_id
                        .is_none_or(|id| uses.bans(number, MatchKind::Image, id.0))
                        || digests(image).any(|(kind, digest)| {
                            kind != MatchKind::Image && uses.bans(number, kind, digest)
                        })
                };
                let place = Location {
                    file: found.file.as_deref(),
                    ..at(ban, *line as usize)
                };
                let images = by_manifest(*digest);
                unknown_by(
                    &images
                        .into_iter()
                        .filter(|image| !is_sure(image))
                        .collect::<Vec<_>>(),
                    place,
                    "banned",
                    findings,
                );
            }
        }
        for except in ban
            .except
            .iter()
            .filter(|except| except.kind == MatchKind::Image)
        {
            let is_sure = |image: &&FoundImage| {
                ban.except
                    .iter()
                    .any(|other| other.digest != except.digest && is_sure_of(image, other))
            };
            let images = by_manifest(except.digest);
            unknown_by(
                &images
                    .into_iter()
                    .filter(|image| !is_sure(image))
                    .collect::<Vec<_>>(),
                at(ban, except.line),
                "excepted",
                findings,
            );
        }
    }
}

/// Whether an exception covers an image in every engine.
fn is_sure_of(image: &FoundImage, except: &DraftException) -> bool {
    let is_id = image.image_id.is_some_and(|id| id.0 == except.digest);
    if except.kind == MatchKind::Image {
        is_id
    } else {
        has(image, (except.kind, except.digest))
    }
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
    let ids = several(
        images
            .iter()
            .filter_map(|image| image.image_id)
            .map(|id| id.to_string()),
    );
    findings.add(
        Code::NoImageId,
        place,
        text,
        format!("add its image ID, which every engine knows: {ids}"),
    );
}
