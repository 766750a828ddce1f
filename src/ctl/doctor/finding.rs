//! Defines what a check of `doctor` finds.
//!
//! A check reports at least one finding, also when all is well. The ID of a finding is the ID of
//! its check; if the check looks at several things, a colon and the thing follow.

use serde::Serialize;

use crate::report::line;

/// How bad a finding is. The order is that of the worst finding, by which `doctor` exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckLevel {
    /// As it should be.
    Ok,
    /// A gap that lets something through, or that will be one.
    Warning,
    /// The check could not tell. This is never the same as [`Self::Ok`].
    Unknown,
    /// Embargo does not do what this node has it for.
    Critical,
}

impl CheckLevel {
    /// Every level, the best first.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Warning, Self::Unknown, Self::Critical];

    /// The name of the level.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Critical => "critical",
        }
    }
}

/// What a check found, without the check's ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How bad it is.
    pub level: CheckLevel,
    /// The thing that was looked at, if the check looks at several: `docker/runc`.
    pub about: Option<String>,
    /// What was found, on one line.
    pub message: String,
    /// How to close the gap.
    pub hint: Option<String>,
}

impl Found {
    fn new(level: CheckLevel, message: impl Into<String>) -> Self {
        Self {
            level,
            about: None,
            message: message.into(),
            hint: None,
        }
    }

    /// As it should be.
    pub(super) fn ok(message: impl Into<String>) -> Self {
        Self::new(CheckLevel::Ok, message)
    }

    /// A gap.
    pub(super) fn warning(message: impl Into<String>) -> Self {
        Self::new(CheckLevel::Warning, message)
    }

    /// The check could not tell.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self::new(CheckLevel::Unknown, message)
    }

    /// A gap through which everything gets, or a node that cannot start containers.
    pub(super) fn critical(message: impl Into<String>) -> Self {
        Self::new(CheckLevel::Critical, message)
    }

    /// The same finding, about this thing.
    pub(super) fn about(self, thing: impl Into<String>) -> Self {
        Self {
            about: Some(thing.into()),
            ..self
        }
    }

    /// The same finding, with a hint.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// A finding, as `doctor` reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoctorFinding {
    /// The ID, such as `coverage:docker/runc`.
    pub id: String,
    /// The ID of the check.
    pub check: &'static str,
    /// How bad it is.
    pub level: CheckLevel,
    /// What was found, on one line.
    pub message: String,
    /// How to close the gap.
    pub hint: Option<String>,
}

impl DoctorFinding {
    /// What the check with this ID found.
    #[must_use]
    pub fn of(check: &'static str, found: Found) -> Self {
        let id = match &found.about {
            Some(thing) => format!("{check}:{}", line::one_line(thing)),
            None => check.to_owned(),
        };
        Self {
            id,
            check,
            level: found.level,
            message: line::one_line(&found.message),
            hint: found.hint.as_deref().map(line::one_line),
        }
    }
}
