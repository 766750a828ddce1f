//! Lists why a whole run can fail.
//!
//! A failure in one container is that container's outcome, not an error here.

use std::error::Error;
use std::{fmt, io};

use crate::banlist::error::{ListError, SignatureTally};
use crate::exec_patch::journal::error::JournalError;
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::journal::ids::RunId;
use crate::exec_patch::request::payload::{NoPatch, PayloadError};
use crate::exec_patch::select::SelectError;
use crate::report::{Exit, line};
use crate::settings::SettingsError;
use crate::sys::process;

/// A patch in the list that must not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The ban that has the patch.
    pub ban: String,
    /// What the patch would run, as text, one line each.
    pub lines: Vec<String>,
}

/// Why a run failed as a whole.
#[derive(Debug)]
pub enum PatchError {
    /// The node's settings cannot be read.
    Settings(SettingsError),
    /// The payload is not available.
    Payload(PayloadError),
    /// It is unknown which containers match.
    Select(SelectError),
    /// The journal cannot be written or read.
    Journal(JournalError),
    /// It is unknown what earlier runs did on this node.
    Prior(JournalError),
    /// The list in force cannot be read.
    List(ListError),
    /// Too few keys signed the list in force for its patches to run: the number of signatures, and
    /// those patches.
    TooFewSigned(SignatureTally, Vec<Withheld>),
    /// The payload can run nowhere: the ban has no patch, or the patch needs something that was not
    /// given.
    NoPatch(NoPatch),
    /// Another list came into force during the run: the version that was used, and the present
    /// version.
    OtherList(u64, Option<u64>),
    /// The run is over and cannot be resumed; with the reason why it stopped early, if it did.
    Over(RunId, Option<Halt>),
    /// The run's main process cannot be set up.
    Process(io::Error),
    /// The result cannot be printed.
    Print(io::Error),
}

impl PatchError {
    /// What the operator can do about the error, if there is advice.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Payload(error) => error.hint().map(str::to_owned),
            Self::Select(error) => error.hint().map(str::to_owned),
            Self::Journal(error) => error.hint(),
            Self::Prior(error) => Some(prior(error)),
            Self::TooFewSigned(_, patches) => {
                let ban = patches.first().map_or_else(|| "ID".to_owned(), |patch| line::name(&patch.ban));
                Some(format!(
                    "let more holders of list keys sign it, or type a command yourself: embargo exec-patch --ban {ban} -- COMMAND"
                ))
            }
            Self::NoPatch(NoPatch::None(_)) => Some("give a command: embargo exec-patch … -- COMMAND, or --script FILE".to_owned()),
            Self::OtherList(..) => Some("run it again".to_owned()),
            Self::Over(run, stopped) => Some(after(run, *stopped)),
            Self::Settings(_) | Self::NoPatch(_) | Self::List(_) | Self::Process(_) | Self::Print(_) => None,
        }
        .or_else(|| process::takes_root(self).then(|| "run as root".to_owned()))
    }

    /// The exit status for this error.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Journal(JournalError::Busy(_) | JournalError::Impatient(_)) => Exit::Blocked,
            Self::Settings(_)
            | Self::Payload(_)
            | Self::Select(_)
            | Self::Journal(_)
            | Self::Prior(_)
            | Self::List(_)
            | Self::TooFewSigned(..)
            | Self::NoPatch(_)
            | Self::OtherList(..)
            | Self::Over(..)
            | Self::Process(_)
            | Self::Print(_) => Exit::Failed,
        }
    }

    /// Further lines for the operator: the patches that must not run.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        let Self::TooFewSigned(_, patches) = self else {
            return Vec::new();
        };
        let told = |patch: &Withheld| {
            let ban = line::name(&patch.ban);
            patch
                .lines
                .iter()
                .map(|text| line::one_line(&format!("{ban}: {text}")))
                .collect::<Vec<_>>()
        };
        patches.iter().flat_map(told).collect()
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Payload(error) => error.fmt(f),
            Self::Select(error) => error.fmt(f),
            Self::Journal(error) | Self::Prior(error) => error.fmt(f),
            Self::List(error) => error.fmt(f),
            Self::TooFewSigned(SignatureTally { good, needed, .. }, _) => {
                write!(
                    f,
                    "cannot run the list's patches: {good} signed it, and the lift threshold is {needed}"
                )
            }
            Self::NoPatch(why) => write!(f, "cannot patch anything: {why}"),
            Self::OtherList(then, Some(now)) => {
                write!(f, "cannot rely on list {then}: list {now} answers by now")
            }
            Self::OtherList(then, None) => {
                write!(f, "cannot rely on list {then}: no list answers by now")
            }
            Self::Over(run, None) => write!(
                f,
                "cannot resume run {run}: it has ended, and nothing of it is left to do"
            ),
            Self::Over(run, Some(halt)) => {
                write!(f, "cannot resume run {run}: it stopped because {halt}")
            }
            Self::Process(_) => f.write_str("cannot set up the run"),
            Self::Print(_) => f.write_str("cannot write to standard output"),
        }
    }
}

impl Error for PatchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Settings(error) => error.source(),
            Self::Payload(error) => error.source(),
            Self::Select(error) => error.source(),
            Self::Journal(error) | Self::Prior(error) => error.source(),
            Self::List(error) => error.source(),
            Self::Process(error) | Self::Print(error) => Some(error),
            Self::TooFewSigned(..) | Self::NoPatch(_) | Self::OtherList(..) | Self::Over(..) => {
                None
            }
        }
    }
}

/// The hint for [`PatchError::Prior`].
fn prior(error: &JournalError) -> String {
    let remedy = error
        .hint()
        .map_or_else(String::new, |hint| format!("{hint}; or "));
    format!("{remedy}run it with --again, also where an earlier run did the same")
}

/// The hint for [`PatchError::Over`].
fn after(run: &RunId, stopped: Option<Halt>) -> String {
    let anew = format!("embargo exec-patch --only-failed {run} is a new run where it was not ok");
    match stopped {
        Some(Halt::Canary) => format!("{anew}; with another --canary this one can be resumed"),
        Some(Halt::Failures { .. }) => {
            format!("{anew}; with another --max-failures this one can be resumed")
        }
        Some(Halt::Asked | Halt::Journal | Halt::Scan) | None => anew,
    }
}

/// Conversions from the causes, so that `?` makes a [`PatchError`].
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
