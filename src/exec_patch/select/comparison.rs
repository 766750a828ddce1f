//! Holds what is known about one container.
//!
//! Plain data, passed from the code that compares containers to the code that counts them.

use std::sync::Arc;

use crate::banlist::record::Ban;

/// What the list, or a named image, says about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// It matches.
    Matches {
        /// Why, one sentence for each finding.
        reasons: Vec<String>,
        /// By which bans, each once.
        bans: Vec<Arc<Ban>>,
    },
    /// A ban names it, but does not hold now; one sentence for each finding.
    LeftOut(Vec<String>),
    /// It does not match.
    Nothing,
    /// It is not known; why.
    Unclear(String),
}

impl Comparison {
    /// A match without a ban.
    #[must_use]
    pub(super) fn matches(reason: String) -> Self {
        Self::Matches {
            reasons: vec![reason],
            bans: Vec::new(),
        }
    }

    /// The result if only its author says what it is made of, and that does not match.
    #[must_use]
    pub(super) fn claimed() -> Self {
        Self::Unclear(
            "cannot tell what it is made of: its layers are only claimed by the image's author"
                .to_owned(),
        )
    }
}
