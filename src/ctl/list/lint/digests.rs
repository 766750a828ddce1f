//! Checks the digests of a source, for `list lint`.
//!
//! This file finds digests of empty layers, which countless images have, digests that occur twice
//! in a ban, and digests that the source uses as the wrong kind of digest. In: the source, and the
//! known images. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::alone::{at, at_digest, value};
use super::finding::{Code, Findings, Location, MAX_ALIKE};
use super::known::{ImageIndex, label};
use crate::banlist::ban::MatchKind;
use crate::banlist::source::draft::{Draft, DraftBan, DraftMatch};
use crate::lineage::chain::{Chain, MAX_LAYERS};
use crate::lineage::digest::{DiffId, Digest};

/// The sizes of a tar archive without a file, in bytes: two blocks of zeros, as Go writes it, and a
/// whole record of zeros, as GNU tar does.
const EMPTY_ARCHIVES: [usize; 2] = [1_024, 10_240];

/// How many empty layers a stack of empty layers may have to be recognised.
const EMPTY_STACK: usize = 16;

/// The digests of compressed empty layers. These digests are not diff IDs, but are shown in
/// manifests (distribution: manifest/schema1/config_builder.go, `digestSHA256GzippedEmptyTar`;
/// BuildKit: `emptyGZLayer`). A test decompresses the layers.
const EMPTY_BLOBS: [&str; 2] = [
    "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
    "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1",
];

/// One use of a digest in the source: where the digest is, and the kind of use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use<'a> {
    /// The number of the ban in the draft, from 0.
    pub(super) ban: usize,
    /// The match that has the digest. `None` for an exception or a cure.
    pub(super) found: Option<&'a DraftMatch>,
    pub(super) kind: MatchKind,
    pub(super) place: Location<'a>,
}

/// Where digests are used in the source. Digests that occur only in files of digests are left out,
/// unless a known image has them.
pub(super) struct Uses<'a>(BTreeMap<Digest, Vec<Use<'a>>>);

impl<'a> Uses<'a> {
    /// Collects all uses of digests in the source.
    pub(super) fn of(draft: &'a Draft, index: &ImageIndex<'_>) -> Self {
        let mut known: HashSet<Digest> = index.digests().collect();
        for ban in &draft.bans {
            for found in &ban.matches {
                if found.file.is_none() {
                    known.extend(found.digests.iter().map(|(digest, _)| *digest));
                }
            }
            known.extend(ban.except.iter().map(|except| except.digest));
            known.extend(ban.cure.iter().map(|cure| cure.value));
        }
        let mut uses = Self(BTreeMap::new());
        for (number, ban) in draft.bans.iter().enumerate() {
            for found in &ban.matches {
                for (digest, line) in &found.digests {
                    if known.contains(digest) {
                        let place = at_digest(ban, found, *line);
                        uses.add(*digest, number, Some(found), found.kind, place);
                    }
                }
            }
            for except in &ban.except {
                let place = at(ban, except.line);
                uses.add(except.digest, number, None, except.kind, place);
            }
            for cure in &ban.cure {
                let place = at(ban, cure.line);
                uses.add(cure.value, number, None, MatchKind::Layer, place);
            }
        }
        uses
    }

    fn add(
        &mut self,
        digest: Digest,
        ban: usize,
        found: Option<&'a DraftMatch>,
        kind: MatchKind,
        place: Location<'a>,
    ) {
        self.0.entry(digest).or_default().push(Use {
            ban,
            found,
            kind,
            place,
        });
    }

    /// The uses of one digest.
    pub(super) fn of_digest(&self, digest: Digest) -> &[Use<'a>] {
        self.0.get(&digest).map_or(&[], Vec::as_slice)
    }

    /// Whether a ban has a match for this digest with this kind.
    pub(super) fn bans(&self, ban: usize, kind: MatchKind, digest: Digest) -> bool {
        self.of_digest(digest)
            .iter()
            .any(|place| place.ban == ban && place.kind == kind && place.found.is_some())
    }
}

/// The digests of empty content, each with a text that describes the content.
struct EmptyContent(HashMap<Digest, &'static str>);

impl EmptyContent {
    fn new() -> Self {
        let mut known = HashMap::from([(
            Digest::of(b""),
            "the digest of no bytes at all: what should have been hashed was missing",
        )]);
        for size in EMPTY_ARCHIVES {
            let layer = DiffId(Digest::of(&vec![0; size]));
            let chain = Chain::from_diff_ids(vec![layer; EMPTY_STACK.min(MAX_LAYERS)]);
            for id in chain.iter().flat_map(Chain::chain_ids) {
                known.insert(id.0, "empty layers and nothing else");
            }
            known.insert(layer.0, "the empty layer, which countless images have");
        }
        for text in EMPTY_BLOBS {
            if let Ok(digest) = Digest::parse(text) {
                let what = "the compressed empty layer, which countless images have";
                known.insert(digest, what);
            }
        }
        Self(known)
    }

    fn check(
        &self,
        digest: Digest,
        kind: MatchKind,
        place: Location<'_>,
        findings: &mut Findings<'_>,
    ) {
        let Some(what) = self.0.get(&digest) else {
            return;
        };
        if digest == Digest::of(b"") {
            findings.add(
                Code::EmptyDigest,
                place,
                format!("{digest} is {what}"),
                "look at what made this digest, and fill in the right one",
            );
        } else {
            let hint = match kind {
                MatchKind::Base => "name the chain ID of the whole base: embargoctl lineage IMAGE",
                MatchKind::Image => "name the image ID: embargoctl lineage IMAGE",
                MatchKind::Layer => "name a layer that has files: embargoctl lineage IMAGE",
            };
            findings.add(
                Code::EmptyLayer,
                place,
                format!("{} {digest} is {what}", kind.word()),
                hint,
            );
        }
    }
}

/// Checks all digests of the source.
pub(super) fn check(
    draft: &Draft,
    index: &ImageIndex<'_>,
    uses: &Uses<'_>,
    findings: &mut Findings<'_>,
) {
    let empty = EmptyContent::new();
    for ban in &draft.bans {
        for found in &ban.matches {
            for (digest, line) in &found.digests {
                let place = at_digest(ban, found, *line);
                empty.check(*digest, found.kind, place, findings);
            }
        }
        for except in &ban.except {
            empty.check(except.digest, except.kind, at(ban, except.line), findings);
        }
        for cure in &ban.cure {
            empty.check(cure.value, MatchKind::Layer, at(ban, cure.line), findings);
        }
        twice(ban, findings);
    }
    for (digest, uses) in &uses.0 {
        kinds(*digest, uses, index, findings);
    }
}

/// Finds digests that occur twice in one ban, with the same kind, name and platform. No list can be
/// built from such a ban.
fn twice(ban: &DraftBan, findings: &mut Findings<'_>) {
    let mut reasons = HashMap::new();
    let mut all: Vec<(Digest, usize, Option<&Path>, u32)> = Vec::new();
    for found in &ban.matches {
        let (name, platform) = (value(found.name.as_ref()), value(found.platform.as_ref()));
        let next = reasons.len();
        let reason = *reasons.entry((found.kind, name, platform)).or_insert(next);
        all.reserve(found.digests.len());
        for (digest, line) in &found.digests {
            all.push((*digest, reason, found.file.as_deref(), *line));
        }
    }
    all.sort_unstable();
    let pairs = all
        .windows(2)
        .filter(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
    // At most 100 pairs: enough to report the first ten and that there are more.
    for pair in pairs.take(MAX_ALIKE * 10) {
        let (digest, _, file, line) = pair[1];
        let first = if pair[0].2 == file {
            format!("line {}", pair[0].3)
        } else {
            "another file".to_owned()
        };
        let text = format!("{digest} is already in this ban, in {first}");
        let place = Location {
            file,
            ..at(ban, line as usize)
        };
        findings.add(Code::DigestTwice, place, text, "remove one of them");
    }
}

/// Finds a digest that is used as an image in one line and as a base or layer in another line. If a
/// known image has the digest, `wrong_kinds` reports it instead.
fn kinds(digest: Digest, uses: &[Use<'_>], index: &ImageIndex<'_>, findings: &mut Findings<'_>) {
    let image = uses.iter().find(|place| place.kind == MatchKind::Image);
    let layers = uses.iter().find(|place| place.kind != MatchKind::Image);
    let (Some(image), Some(layers)) = (image, layers) else {
        return;
    };
    if !index.parts(digest).is_empty() {
        return;
    }
    let (one, other) = (image.place, layers.place);
    let (first, second) = if (one.file, one.line) < (other.file, other.line) {
        (image, layers)
    } else {
        (layers, image)
    };
    let text = format!(
        "{digest} is meant as {} here and as {} in line {}, and cannot be both",
        article(second.kind),
        article(first.kind),
        first.place.line
    );
    findings.add(
        Code::TwoKinds,
        second.place,
        text,
        "base: a chain ID; layer: a diff ID; image: the digest of a config, manifest or index",
    );
}

const fn article(kind: MatchKind) -> &'static str {
    match kind {
        MatchKind::Base => "a base",
        MatchKind::Image => "an image",
        MatchKind::Layer => "a layer",
    }
}

/// Finds digests whose kind in the source is wrong, as the known images show.
pub(super) fn wrong_kinds(index: &ImageIndex<'_>, uses: &Uses<'_>, findings: &mut Findings<'_>) {
    for (digest, uses) in &uses.0 {
        let Some((part, image)) = index.parts(*digest).first() else {
            continue;
        };
        let (what, name) = (part.what(), label(image));
        for place in uses {
            if index.having(place.kind, *digest).next().is_some() {
                continue;
            }
            let text = format!(
                "{} {digest} is {what} of {name}, so it never matches as {}",
                place.kind.word(),
                article(place.kind)
            );
            let hint = format!(
                "write {} = …, or take another digest of embargoctl lineage {name}",
                part.kind().word()
            );
            findings.add(Code::WrongKind, place.place, text, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_empty_layer_is_known_by_what_it_is_made_of() {
        let known = EmptyContent::new().0;
        let is = |text: &str| known.get(&Digest::parse(text).unwrap()).copied();
        let empty = "the empty layer, which countless images have";
        assert_eq!(
            is("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"),
            Some(empty)
        );
        assert_eq!(
            is("sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652"),
            Some(empty)
        );
        let two = Digest::of([EMPTY, " ", EMPTY].concat().as_bytes());
        assert_eq!(known.get(&two), Some(&"empty layers and nothing else"));
    }

    const EMPTY: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

    /// The two compressed empty layers, as registries serve them. [`EMPTY_BLOBS`] has their
    /// digests.
    const BLOBS: [&[u8]; 2] = [
        b"\x1f\x8b\x08\x00\x00\x09\x6e\x88\x00\xff\x62\x18\x05\xa3\x60\x14\x8c\x58\x00\x08\x00\x00\xff\xff\x2e\xaf\xb5\xef\x00\x04\x00\x00",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x62\x18\x05\xa3\x60\x14\x8c\x58\x00\x08\x00\x00\xff\xff\x2e\xaf\xb5\xef\x00\x04\x00\x00",
    ];

    #[test]
    fn the_compressed_empty_layers_are_what_they_are_called() {
        for (blob, digest) in BLOBS.into_iter().zip(EMPTY_BLOBS) {
            assert_eq!(Digest::of(blob).to_string(), digest);
            let mut layer = Vec::new();
            flate2::read::GzDecoder::new(blob)
                .read_to_end(&mut layer)
                .unwrap();
            assert_eq!(Digest::of(&layer).to_string(), EMPTY);
        }
    }
}
