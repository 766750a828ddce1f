//! Holds what is known about one container.
//!
//! Plain data, passed from the code that compares containers to the code that counts them.

use std::sync::Arc;

use crate::banlist::record::Ban;

/// What the list, or an image that was named, says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It matches.
    Matches {
        /// Why, one sentence for each finding.
        reasons: Vec<String>,
        /// By which bans, each once.
        bans: Vec<Arc<Ban>>,
    },
    /// A ban names it, and not for now; one sentence for each finding.
    LeftOut(Vec<String>),
    /// It does not match.
    Nothing,
    /// It cannot be told, and why.
    Unclear(String),
}

impl Said {
    /// That it matches, and no ban is concerned.
    #[must_use]
    pub(super) fn matches(reason: String) -> Self {
        Self::Matches {
            reasons: vec![reason],
            bans: Vec::new(),
        }
    }

    /// That nothing but its author's word tells what it is made of, which does not match.
    #[must_use]
    pub(super) fn claimed() -> Self {
        Self::Unclear(
            "cannot tell what it is made of: its layers are only claimed by the image's author"
                .to_owned(),
        )
    }
}
