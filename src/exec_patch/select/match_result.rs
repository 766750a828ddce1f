//! Defines the result of comparing one container with the list, or with a named image.
//!
//! Plain data, passed from the code that compares containers to the code that collects them.

use std::sync::Arc;

use crate::banlist::ban::Ban;

/// The result of comparing a container with the list, or with a named image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MatchResult {
    /// The container matches.
    Matches {
        /// The reasons, one sentence for each finding.
        reasons: Vec<String>,
        /// The bans that match, each once.
        bans: Vec<Arc<Ban>>,
    },
    /// A ban matches, but does not apply now; one sentence for each finding.
    LeftOut(Vec<String>),
    /// The container does not match.
    Nothing,
    /// It is unknown whether the container matches, for this reason.
    Unclear(String),
}

impl MatchResult {
    /// The result for a container that matches a named image: there is no ban.
    #[must_use]
    pub(super) fn matches(reason: String) -> Self {
        Self::Matches {
            reasons: vec![reason],
            bans: Vec::new(),
        }
    }

    /// The result for a container that does not match, if its layers are only claimed by the
    /// image's author.
    #[must_use]
    pub(super) fn claimed() -> Self {
        Self::Unclear(
            "cannot tell what it is made of: its layers are only claimed by the image's author"
                .to_owned(),
        )
    }
}
