//! Why could it not be done?
//!
//! Of the run as a whole, that is: what goes wrong in one container is its outcome.

use std::{fmt, io};

use super::journal::error::JournalError;
use super::payload::PayloadError;
use super::select::SelectError;
use crate::banlist::error::{ListError, Tally};
use crate::settings::SettingsError;

/// Why it could not be done.
#[derive(Debug)]
pub enum PatchError {
    /// The node's settings cannot be read.
    Settings(SettingsError),
    /// What is to run cannot be had.
    Payload(PayloadError),
    /// Which containers match cannot be told.
    Select(SelectError),
    /// What is done cannot be kept, or was not.
    Journal(JournalError),
    /// The list in force cannot be read for `--auto`.
    List(ListError),
    /// Too few have signed the list in force for its patches to run by themselves: this is how many have.
    TooFewSigned(Tally),
    /// Another list came into force meanwhile: that version was looked at, this one answers now.
    OtherList(u64, Option<u64>),
    /// The run's own process cannot be set up.
    Process(io::Error),
    /// What was found cannot be printed.
    Print(io::Error),
}

impl PatchError {
    /// What to do about it, where something can be said.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Payload(error) => error.hint().map(str::to_owned),
            Self::Select(error) => error.hint().map(str::to_owned),
            Self::Journal(error) => error.hint(),
            Self::TooFewSigned(_) => {
                Some("let more holders of list keys sign it, or run the patches by hand: embargo exec-patch --all-banned".to_owned())
            }
            Self::OtherList(..) => Some("run it again".to_owned()),
            Self::Settings(_) | Self::List(_) | Self::Process(_) | Self::Print(_) => None,
        }
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Payload(error) => error.fmt(f),
            Self::Select(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
            Self::List(error) => error.fmt(f),
            Self::TooFewSigned(Tally { good, wanted, .. }) => {
                write!(f, "cannot run the list's patches without being asked: {good} signed it, and the lift threshold is {wanted}")
            }
            Self::OtherList(then, Some(now)) => write!(f, "cannot rely on list {then}: list {now} answers by now"),
            Self::OtherList(then, None) => write!(f, "cannot rely on list {then}: no list answers by now"),
            Self::Process(_) => f.write_str("cannot set up the run"),
            Self::Print(_) => f.write_str("cannot write to standard output"),
        }
    }
}

impl std::error::Error for PatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Settings(error) => error.source(),
            Self::Payload(error) => error.source(),
            Self::Select(error) => error.source(),
            Self::Journal(error) => error.source(),
            Self::List(error) => error.source(),
            Self::Process(error) | Self::Print(error) => Some(error),
            Self::TooFewSigned(_) | Self::OtherList(..) => None,
        }
    }
}

/// Errors that become a [`PatchError`] by `?`.
macro_rules! causes {
    ($($cause:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$cause> for PatchError {
            fn from(cause: $cause) -> Self {
                Self::$variant(cause)
            }
        }
    )+};
}

causes!(
    SettingsError => Settings,
    PayloadError => Payload,
    SelectError => Select,
    JournalError => Journal,
    ListError => List,
);
