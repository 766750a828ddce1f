//! Defines an error in the text of a source.

use std::fmt;

use toml::Spanned;

/// What is wrong, and at which byte.
pub(super) struct SourceFault {
    pub(super) at: usize,
    pub(super) what: String,
}

impl SourceFault {
    pub(super) fn new<T>(place: &Spanned<T>, what: impl fmt::Display) -> Self {
        Self {
            at: place.span().start,
            what: what.to_string(),
        }
    }

    /// The error message of the TOML reader, on one line.
    pub(super) fn of_toml(error: &toml::de::Error) -> Self {
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        let at = error.span().unwrap_or_default().start;
        Self { at, what }
    }
}
