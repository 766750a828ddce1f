//! The kinds as which a digest is in a list, as the byte in a leaf of the tree.
//!
//! In: the byte of a leaf (hashed before it is read). Out: [`Kinds`]. A byte with an unknown bit is
//! refused, because the bit may ban the digest or permit it.
//!
//! ```text
//! 1  banned as a base        8  a base of the catalogue, which images may be built on
//! 2  banned as an image     16  the catalogue has the base for some projects only (never without 8)
//! 4  banned as a layer
//! ```

use super::ban::MatchKind;

const BANNED: u8 = 1 | 2 | 4;
const CATALOGUE: u8 = 8;
const LIMITED: u8 = 16;

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

/// For whom the catalogue has a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogueScope {
    /// For everybody.
    Everybody,
    /// For the projects that the base's record names.
    SomeProjects,
}

impl Kinds {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// This set with `kind`.
    #[must_use]
    pub const fn with(self, kind: MatchKind) -> Self {
        Self(self.0 | Self::bit(kind))
    }

    /// Whether the digest is banned as `kind`.
    #[must_use]
    pub const fn has(self, kind: MatchKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// The kinds in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The kinds in this set that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The kinds as which the digest is banned.
    #[must_use]
    pub const fn banned(self) -> Self {
        Self(self.0 & BANNED)
    }

    /// This set, for a digest that is also in the catalogue.
    #[must_use]
    pub const fn catalogued(self, scope: CatalogueScope) -> Self {
        Self(match scope {
            CatalogueScope::Everybody => self.banned().0 | CATALOGUE,
            CatalogueScope::SomeProjects => self.banned().0 | CATALOGUE | LIMITED,
        })
    }

    /// For whom the catalogue has the digest; `None` if the digest is not in the catalogue.
    #[must_use]
    pub const fn scope(self) -> Option<CatalogueScope> {
        match (self.0 & CATALOGUE, self.0 & LIMITED) {
            (0, _) => None,
            (_, 0) => Some(CatalogueScope::Everybody),
            (_, _) => Some(CatalogueScope::SomeProjects),
        }
    }

    /// The set as the byte in a leaf.
    #[cfg(feature = "ctl")]
    pub(super) const fn byte(self) -> u8 {
        self.0
    }

    const fn bit(kind: MatchKind) -> u8 {
        match kind {
            MatchKind::Base => 1,
            MatchKind::Image => 2,
            MatchKind::Layer => 4,
        }
    }

    /// The set in the byte of a leaf. `None` if the byte is zero, has an unknown bit, or limits a
    /// base that is not in the catalogue.
    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        let is_known = byte != 0 && byte & !(BANNED | CATALOGUE | LIMITED) == 0;
        if is_known && (byte & LIMITED == 0 || byte & CATALOGUE != 0) {
            Some(Self(byte))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_has_known_kinds_and_limits_only_what_is_in_the_catalogue() {
        let known: Vec<u8> = (0..=u8::MAX)
            .filter(|byte| Kinds::from_byte(*byte).is_some())
            .collect();
        let expected: Vec<u8> = (1..16).chain(24..32).collect();
        assert_eq!(known, expected);
        for (byte, banned, scope) in [
            (1, true, None),
            (8, false, Some(CatalogueScope::Everybody)),
            (9, true, Some(CatalogueScope::Everybody)),
            (24, false, Some(CatalogueScope::SomeProjects)),
        ] {
            let kinds = Kinds::from_byte(byte).unwrap();
            assert_eq!(kinds.has(MatchKind::Base), banned, "{byte}");
            assert_eq!(kinds.scope(), scope, "{byte}");
        }
    }
}
