//! Counts the digests of a list, by kind.
//!
//! In: kinds of digests, or the line of a head (hostile). Out: [`Entries`]. Not checked here:
//! whether the tree has these digests.

use super::{Format, MAX_ENTRIES};
use crate::banlist::ban::{Kinds, MatchKind};
use crate::banlist::text;

/// How many digests a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// All digests, each counted once.
    pub all: u64,
    /// Digests that are banned as a base.
    pub base: u64,
    /// Digests that are banned as an image.
    pub image: u64,
    /// Digests that are banned as a layer.
    pub layer: u64,
    /// Digests that are in the catalogue.
    pub catalogue: u64,
}

impl Entries {
    /// The number of digests that are banned as `kind`.
    #[must_use]
    pub const fn of(&self, kind: MatchKind) -> u64 {
        match kind {
            MatchKind::Base => self.base,
            MatchKind::Image => self.image,
            MatchKind::Layer => self.layer,
        }
    }

    /// Adds `number` digests, each of which is in the list as all of these kinds. If there is no
    /// kind, nothing is counted.
    pub fn add(&mut self, kinds: Kinds, number: u64) {
        if kinds != Kinds::NONE {
            self.all += number;
        }
        for (kind, counter) in [
            (MatchKind::Base, &mut self.base),
            (MatchKind::Image, &mut self.image),
            (MatchKind::Layer, &mut self.layer),
        ] {
            if kinds.has(kind) {
                *counter += number;
            }
        }
        if kinds.scope().is_some() {
            self.catalogue += number;
        }
    }

    /// Whether the list has a digest of some of these kinds according to its tree, and has none
    /// according to these numbers.
    #[must_use]
    pub fn deny(&self, kinds: Kinds) -> bool {
        let mut denied = kinds.scope().is_some() && self.catalogue == 0;
        for kind in [MatchKind::Base, MatchKind::Image, MatchKind::Layer] {
            denied |= kinds.has(kind) && self.of(kind) == 0;
        }
        denied
    }
}

/// Reads `NUMBER base=NUMBER image=NUMBER layer=NUMBER catalogue=NUMBER`. The numbers must fit each
/// other.
pub(super) fn parse(fields: &str, format: Format) -> Option<Entries> {
    let (all, kinds) = fields.split_once(' ')?;
    let all = text::number(all)?;
    let [base, image, layer, catalogue] = match format {
        Format::V1 => {
            let [base, image, layer] = text::numbers(kinds, ["base", "image", "layer"])?;
            [base, image, layer, 0]
        }
        Format::V2 => text::numbers(kinds, ["base", "image", "layer", "catalogue"])?,
    };
    let kinds = [base, image, layer, catalogue];
    let fits = all <= MAX_ENTRIES
        && kinds.iter().all(|number| *number <= all)
        && kinds.iter().sum::<u64>() >= all;
    fits.then_some(Entries {
        all,
        base,
        image,
        layer,
        catalogue,
    })
}
