//! Defines the record of a base of the catalogue in a compiled list.
//!
//! The catalogue names the bases that images may be built on. In: JSON lines from the list's
//! records section. The bytes of a line are hashed before the line is parsed. Out:
//! [`CatalogueBase`]. A digest with such a record is not banned by it, and no verdict depends on
//! it yet. Not checked here: whether a base makes sense.
//!
//! ```text
//! {"id":"debian-12","names":["docker.io/library/debian:12"],"support_until":"2028-06-30T00:00:00Z","successor":"debian-13"}
//! {"matches":[{"kind":"catalogue","base":0}]}
//! ```

use serde::{Deserialize, Serialize};

use crate::sys::clock::Timestamp;

use super::kinds::CatalogueScope;

/// One base of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueBase {
    /// The base's ID, as people write it: `debian-12`.
    pub id: String,
    /// The references that a definition may use for the base.
    pub names: Vec<String>,
    /// Until when the base is supported, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_until: Option<Timestamp>,
    /// The base to use after this one: the ID of a base, or a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// The projects that may use the base. Empty if everybody may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_for: Vec<String>,
}

impl CatalogueBase {
    /// For whom the catalogue has the base.
    #[must_use]
    pub const fn scope(&self) -> CatalogueScope {
        if self.only_for.is_empty() {
            CatalogueScope::Everybody
        } else {
            CatalogueScope::SomeProjects
        }
    }
}

/// A digest's place in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueMatch {
    /// Always the word `catalogue`.
    pub kind: CatalogueWord,
    /// The offset of the base's line in the records section.
    pub base: u64,
}

/// The word that distinguishes the catalogue from the kinds of ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatalogueWord {
    /// `catalogue`.
    Catalogue,
}
