//! Checks whether bans hit the images that their author means, for `list lint`.
//!
//! With the images on this machine it finds other images that a ban hits, platforms and derived
//! images that a ban misses, and names that belong to other images. In: the source and the known
//! images. Pure.

use super::alone::at;
use super::digests::Uses;
use super::finding::{Code, Findings, Location};
use super::known::{Group, ImageIndex, KnownImages, has, is_same, label, platform, several, top};
use super::permits::is_banned;
use crate::banlist::record::MatchKind;
use crate::banlist::source::draft::{Draft, DraftBan, DraftMatch, Placed};
use crate::ctl::image::{FoundImage, Role};
use crate::lineage::digest::Digest;
use crate::report::line;

/// Checks every ban.
pub(super) fn check(
    draft: &Draft,
    known: &KnownImages,
    index: &ImageIndex<'_>,
    uses: &Uses<'_>,
    findings: &mut Findings<'_>,
) {
    for (number, ban) in draft.bans.iter().enumerate() {
        let aim = Aim {
            ban,
            number,
            known,
            index,
            uses,
        };
        for found in &ban.matches {
            for (digest, line) in &found.digests {
                let place = Location {
                    file: found.file.as_deref(),
                    ..at(ban, *line as usize)
                };
                match found.kind {
                    MatchKind::Base => aim.twins(found, *digest, place, findings),
                    MatchKind::Image => aim.derived(*digest, place, findings),
                    MatchKind::Layer => {}
                }
                let is_right_kind = index.parts(*digest).is_empty()
                    || index.having(found.kind, *digest).next().is_some();
                if found.file.is_none() && is_right_kind {
                    aim.platform(found, *digest, findings);
                    aim.name(found, *digest, findings);
                }
            }
        }
        known
            .groups
            .iter()
            .for_each(|group| aim.platforms(group, findings));
    }
}

/// One ban, with everything that its checks need.
struct Aim<'a, 'k> {
    ban: &'a DraftBan,
    number: usize,
    known: &'k KnownImages,
    index: &'a ImageIndex<'k>,
    uses: &'a Uses<'a>,
}

impl<'k> Aim<'_, 'k> {
    /// Finds other images with the same layers. A ban of the base hits these images too.
    fn twins(
        &self,
        found: &DraftMatch,
        digest: Digest,
        place: Location<'_>,
        findings: &mut Findings<'_>,
    ) {
        let meant = found
            .name
            .as_ref()
            .and_then(|name| self.known.meaning(&name.value));
        // If the name belongs to an image with other layers, `name` reports that.
        let meant =
            meant.filter(|group| group.images.iter().any(|image| top(image) == Some(digest)));
        let is_meant = |image: &FoundImage| {
            meant.is_some_and(|group| group.images.iter().any(|other| is_same(image, other)))
        };
        let is_named = |image: &FoundImage| {
            let mut names = self
                .ban
                .matches
                .iter()
                .filter_map(|other| other.name.as_ref());
            names.any(|name| {
                self.known
                    .meaning(&name.value)
                    .is_some_and(|group| group.images.iter().any(|other| is_same(image, other)))
            })
        };
        let mut images: Vec<&FoundImage> = Vec::new();
        for image in self
            .index
            .with_top(digest)
            .filter(|image| image.image_id.is_some())
        {
            if !images.iter().any(|known| is_same(known, image)) {
                images.push(image);
            }
        }
        let others: Vec<_> = images
            .iter()
            .filter(|image| !is_meant(image) && !is_named(image))
            .collect();
        // If the match has no name that is known here, a single image with these layers is the one
        // that is meant.
        let text = match (meant, others.as_slice()) {
            (_, []) => return,
            (Some(_), others) => format!(
                "the ban also hits {}, of the same layers",
                several(others.iter().map(|image| label(image)))
            ),
            (None, [_]) => return,
            (None, others) => format!(
                "{} have the same layers and are banned alike",
                several(others.iter().map(|image| label(image)))
            ),
        };
        let hint = "if only one of them is meant, ban its image ID: embargoctl ban --as image";
        findings.add(Code::SameLayers, place, text, hint);
    }

    /// Finds images that are built on an image of which only the image itself is banned.
    fn derived(&self, digest: Digest, place: Location<'_>, findings: &mut Findings<'_>) {
        let banned: Vec<_> = self
            .index
            .having(MatchKind::Image, digest)
            .map(|(_, image)| image)
            .collect();
        for (image, base) in banned.iter().filter_map(|image| Some((image, top(image)?))) {
            let built = self
                .index
                .having(MatchKind::Base, base)
                .map(|(_, other)| other);
            let built: Vec<_> = built
                .filter(|other| !is_same(other, image) && !is_banned(other, self.number, self.uses))
                .collect();
            if built.is_empty() {
                continue;
            }
            let names = several(built.iter().map(|other| label(other)));
            let text = format!(
                "{} is banned, and not what is built on it: {names}",
                label(image)
            );
            findings.add(
                Code::ImageOnly,
                place,
                text,
                format!("to ban whatever is built on it: base = \"{base}\""),
            );
            return;
        }
    }

    /// Finds a platform that is not the platform of the image.
    fn platform(&self, found: &DraftMatch, digest: Digest, findings: &mut Findings<'_>) {
        let Some(stated) = &found.platform else {
            return;
        };
        let images = self
            .index
            .having(found.kind, digest)
            .filter(|(_, image)| found.kind != MatchKind::Base || top(image) == Some(digest));
        let platforms: Vec<_> = images.filter_map(|(_, image)| platform(image)).collect();
        let fits = |platform: &String| is_platform(platform, &stated.value);
        if !platforms.is_empty() && !platforms.iter().any(fits) {
            let text = format!(
                "{} {digest} is of {}, not of {}",
                found.kind.word(),
                line::one_line(&several(platforms)),
                stated.value
            );
            findings.add(
                Code::OtherPlatform,
                at(self.ban, stated.line),
                text,
                "correct the platform, or take the digest of the platform that is meant",
            );
        }
    }

    /// Finds a name that belongs to an image with other layers on this machine.
    fn name(&self, found: &DraftMatch, digest: Digest, findings: &mut Findings<'_>) {
        let Some((
            Placed {
                value,
                line: at_line,
            },
            group,
        )) = found
            .name
            .as_ref()
            .and_then(|name| Some((name, self.known.meaning(&name.value)?)))
        else {
            return;
        };
        let is_asked = |image: &&FoundImage| match (&found.platform, platform(image)) {
            (Some(asked), Some(platform)) => is_platform(&platform, &asked.value),
            (Some(_) | None, _) => true,
        };
        let images: Vec<_> = group.images.iter().filter(is_asked).collect();
        let hits = |image: &&FoundImage| {
            if found.kind == MatchKind::Base {
                top(image) == Some(digest)
            } else {
                has(image, (found.kind, digest))
            }
        };
        if images.is_empty() || images.iter().any(hits) {
            return;
        }
        let name = line::name(value);
        let is_lower = found.kind == MatchKind::Base
            && images
                .iter()
                .any(|image| has(image, (MatchKind::Base, digest)));
        let others = several(
            self.index
                .having(found.kind, digest)
                .map(|(_, image)| label(image)),
        );
        let text = if is_lower {
            format!("base {digest} is a lower part of {name}, so more is banned than it")
        } else if others.is_empty() {
            format!("{} {digest} is not {name} as it is here", found.kind.word())
        } else {
            format!(
                "{} {digest} is of {others}, and not of {name} as it is here",
                found.kind.word()
            )
        };
        let hint = format!(
            "is the name right, and the digest? What it is here: embargoctl lineage {name}"
        );
        findings.add(Code::OtherImage, at(self.ban, *at_line), text, hint);
    }

    /// Finds platforms of an image that the ban leaves out.
    fn platforms(&self, group: &'k Group, findings: &mut Findings<'_>) {
        let is_hit = |image: &&FoundImage| {
            let base =
                top(image).is_some_and(|top| self.uses.bans(self.number, MatchKind::Base, top));
            let ids = image
                .image_id
                .iter()
                .map(|id| id.0)
                .chain(image.manifests.iter().map(|(_, digest)| *digest));
            base || ids
                .into_iter()
                .any(|digest| self.uses.bans(self.number, MatchKind::Image, digest))
        };
        let Some(hit) = group.images.iter().find(is_hit) else {
            return;
        };
        let is_missed = |image: &&FoundImage| {
            image.chain.is_some()
                && is_one_of(image, hit)
                && !is_banned(image, self.number, self.uses)
        };
        let mut missed: Vec<_> = group
            .images
            .iter()
            .filter(is_missed)
            .filter_map(platform)
            .collect();
        let has_file = self.ban.matches.iter().any(|found| found.file.is_some());
        let is_stated = |platform: &String| {
            self.ban
                .matches
                .iter()
                .filter_map(|found| found.platform.as_ref())
                .any(|stated| is_platform(platform, &stated.value))
        };
        if !has_file && group.images.iter().all(|image| is_one_of(image, hit)) {
            missed.extend(
                group
                    .absent
                    .iter()
                    .filter(|platform| !is_stated(platform))
                    .cloned(),
            );
        }
        if !missed.is_empty() {
            let text = format!(
                "{} is banned, and not for {}",
                label(hit),
                line::one_line(&several(missed))
            );
            let first = self.ban.matches.iter().find(|found| {
                found
                    .digests
                    .iter()
                    .any(|(digest, _)| has(hit, (found.kind, *digest)))
            });
            let line = first.map_or(self.ban.line, |found| found.line);
            findings.add(
                Code::MissingPlatform,
                at(self.ban, line),
                text,
                "ban the image with all its platforms at hand: an OCI layout of `skopeo copy --all`",
            );
        }
    }
}

/// Whether two results are the same image for different platforms: they share an index or a name.
fn is_one_of(image: &FoundImage, other: &FoundImage) -> bool {
    let shares_index = image
        .manifests
        .iter()
        .any(|manifest| manifest.0 != Role::Manifest && other.manifests.contains(manifest));
    is_same(image, other)
        || shares_index
        || image.names.iter().any(|name| other.names.contains(name))
}

/// Whether `platform` is the platform `asked`. The latter may leave out the variant.
fn is_platform(platform: &str, asked: &str) -> bool {
    platform == asked
        || platform
            .strip_prefix(asked)
            .is_some_and(|rest| rest.starts_with('/'))
}
