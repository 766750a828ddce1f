//! Checks whether bans cover the images that their author means, for `list lint`.
//!
//! The checks find other images that a ban covers, platforms and derived images that a ban does not
//! cover, and names that belong to other images on this machine. In: the source and the known
//! images. Pure.

use super::alone::{at, at_digest};
use super::digests::Uses;
use super::finding::{Code, Findings, Location};
use super::known::{Group, ImageIndex, KnownImages, has, is_same, label, platform, several, top};
use super::permits::{digests, is_banned};
use crate::banlist::ban::MatchKind;
use crate::banlist::source::draft::{Draft, DraftBan, DraftMatch};
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
                let place = at_digest(ban, found, *line);
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
        for group in &known.groups {
            aim.platforms(group, findings);
        }
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
        // If the name belongs to an image with other layers, `name` reports that.
        let is_meant = match self.meaning(found) {
            Some(group) => group.images.iter().any(|image| top(image) == Some(digest)),
            None => false,
        };
        let mut images: Vec<&FoundImage> = Vec::new();
        for image in self.index.with_top(digest) {
            if image.image_id.is_some()
                && !self.is_named(image)
                && !images.iter().any(|known| is_same(known, image))
            {
                images.push(image);
            }
        }
        let others = several(images.iter().copied().map(label));
        // If the match has no name that is known here, and only one image has these layers, the
        // match means this image.
        let text = match (is_meant, images.as_slice()) {
            (_, []) | (false, [_]) => return,
            (true, _) => format!("the ban also hits {others}, of the same layers"),
            (false, _) => format!("{others} have the same layers and are banned alike"),
        };
        let hint = "if only one of them is meant, ban its image ID: embargoctl ban --as image";
        findings.add(Code::SameLayers, place, text, hint);
    }

    /// The image that a match's name means here.
    fn meaning(&self, found: &DraftMatch) -> Option<&'k Group> {
        self.known.meaning(&found.name.as_ref()?.value)
    }

    /// Whether the ban has a match that names the image.
    fn is_named(&self, image: &FoundImage) -> bool {
        self.ban
            .matches
            .iter()
            .any(|found| matches!(self.meaning(found), Some(group) if group.has(image)))
    }

    /// Finds images that are built on an image of which only the image itself is banned.
    fn derived(&self, digest: Digest, place: Location<'_>, findings: &mut Findings<'_>) {
        for image in self.index.having(MatchKind::Image, digest) {
            let Some(base) = top(image) else {
                continue;
            };
            let mut built: Vec<_> = self.index.having(MatchKind::Base, base).collect();
            built.retain(|other| {
                !is_same(other, image) && !is_banned(other, self.number, self.uses)
            });
            if built.is_empty() {
                continue;
            }
            let text = format!(
                "{} is banned, and not what is built on it: {}",
                label(image),
                several(built.into_iter().map(label))
            );
            let hint = format!("to ban whatever is built on it: base = \"{base}\"");
            findings.add(Code::ImageOnly, place, text, hint);
            return;
        }
    }

    /// Finds a platform that is not the platform of the image.
    fn platform(&self, found: &DraftMatch, digest: Digest, findings: &mut Findings<'_>) {
        let Some(stated) = &found.platform else {
            return;
        };
        let mut platforms = Vec::new();
        for image in self.index.having(found.kind, digest) {
            if found.kind != MatchKind::Base || top(image) == Some(digest) {
                platforms.extend(platform(image));
            }
        }
        let is_right = platforms
            .iter()
            .any(|platform| is_platform(platform, &stated.value));
        if !platforms.is_empty() && !is_right {
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
        let (Some(stated), Some(group)) = (&found.name, self.meaning(found)) else {
            return;
        };
        let images: Vec<_> = group
            .images
            .iter()
            .filter(|image| is_for(found, image))
            .collect();
        if images.is_empty() || images.iter().any(|image| hits(found, digest, image)) {
            return;
        }
        let name = line::name(&stated.value);
        let is_lower = found.kind == MatchKind::Base
            && images
                .iter()
                .any(|image| has(image, (MatchKind::Base, digest)));
        let others = several(self.index.having(found.kind, digest).map(label));
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
        findings.add(Code::OtherImage, at(self.ban, stated.line), text, hint);
    }

    /// Whether the ban covers an image as a whole: by its top chain ID, or by a digest of the image
    /// itself.
    fn is_hit(&self, image: &FoundImage) -> bool {
        if let Some(top) = top(image)
            && self.uses.bans(self.number, MatchKind::Base, top)
        {
            return true;
        }
        digests(image).into_iter().any(|(kind, digest)| {
            kind == MatchKind::Image && self.uses.bans(self.number, kind, digest)
        })
    }

    /// Whether a match of the ban names this platform.
    fn states(&self, platform: &str) -> bool {
        self.ban.matches.iter().any(
            |found| matches!(&found.platform, Some(stated) if is_platform(platform, &stated.value)),
        )
    }

    /// Finds platforms of an image that the ban leaves out.
    fn platforms(&self, group: &'k Group, findings: &mut Findings<'_>) {
        let Some(hit) = group.images.iter().find(|image| self.is_hit(image)) else {
            return;
        };
        let (mut missed, mut is_one) = (Vec::new(), true);
        for image in &group.images {
            if !is_one_of(image, hit) {
                is_one = false;
            } else if image.chain.is_some() && !is_banned(image, self.number, self.uses) {
                missed.extend(platform(image));
            }
        }
        if is_one && self.ban.matches.iter().all(|found| found.file.is_none()) {
            for platform in &group.absent {
                if !self.states(platform) {
                    missed.push(platform.clone());
                }
            }
        }
        if missed.is_empty() {
            return;
        }
        let text = format!(
            "{} is banned, and not for {}",
            label(hit),
            line::one_line(&several(missed))
        );
        let hint =
            "ban the image with all its platforms at hand: an OCI layout of `skopeo copy --all`";
        let place = at(self.ban, self.line_of(hit));
        findings.add(Code::MissingPlatform, place, text, hint);
    }

    /// The line of the first match that covers an image.
    fn line_of(&self, image: &FoundImage) -> usize {
        for found in &self.ban.matches {
            let mut digests = found.digests.iter();
            if digests.any(|(digest, _)| has(image, (found.kind, *digest))) {
                return found.line;
            }
        }
        self.ban.line
    }
}

/// Whether a match may mean an image, by its platform.
fn is_for(found: &DraftMatch, image: &FoundImage) -> bool {
    match (&found.platform, platform(image)) {
        (Some(stated), Some(platform)) => is_platform(&platform, &stated.value),
        (Some(_) | None, _) => true,
    }
}

/// Whether a digest of a match is the image's own.
fn hits(found: &DraftMatch, digest: Digest, image: &FoundImage) -> bool {
    if found.kind == MatchKind::Base {
        top(image) == Some(digest)
    } else {
        has(image, (found.kind, digest))
    }
}

/// Whether two results are the same image for different platforms, which share an index or a name.
fn is_one_of(image: &FoundImage, other: &FoundImage) -> bool {
    let shares_index = image
        .manifests
        .iter()
        .any(|manifest| manifest.0 != Role::Manifest && other.manifests.contains(manifest));
    is_same(image, other)
        || shares_index
        || image.names.iter().any(|name| other.names.contains(name))
}

/// Whether `platform` is the platform `asked`. The text `asked` may leave out the variant.
fn is_platform(platform: &str, asked: &str) -> bool {
    matches!(platform.strip_prefix(asked), Some(rest) if rest.is_empty() || rest.starts_with('/'))
}
