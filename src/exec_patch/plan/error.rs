//! Lists the errors with which a whole run fails.
//!
//! A failure in one container is that container's outcome, not an error here.

use std::io;

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
    /// The lines that tell the operator what the patch would run.
    pub lines: Vec<String>,
}

/// Why a run failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The node's settings cannot be read.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The payload is not available.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It is unknown which containers match.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The journal cannot be written or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It is unknown what earlier runs did on this node.
    #[error(transparent)]
    Prior(JournalError),
    /// The list in force cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// Too few keys signed the list in force for its patches to run: the number of signatures, and
    /// the patches that must not run.
    #[error(
        "cannot run the list's patches: {} signed it, and the lift threshold is {}",
        .0.good,
        .0.needed
    )]
    TooFewSigned(SignatureTally, Vec<Withheld>),
    /// The payload cannot run in any container: the ban has no patch, or the patch needs something
    /// that was not given.
    #[error("cannot patch anything: {0}")]
    NoPatch(NoPatch),
    /// Another list came into force during the run: the version that was used, and the present
    /// version.
    #[error("cannot rely on list {}: {} answers by now", .0, list(.1.as_ref()))]
    OtherList(u64, Option<u64>),
    /// The run is over and cannot be resumed; with the reason if it stopped early.
    #[error("cannot resume run {}: {}", .0, over(.1.as_ref()))]
    Over(RunId, Option<Halt>),
    /// The run's main process cannot be set up.
    #[error("cannot set up the run")]
    Process(#[source] io::Error),
    /// The result cannot be printed.
    #[error("cannot write to standard output")]
    Print(#[source] io::Error),
}

impl PatchError {
    /// What the operator can do about the error, if there is advice.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Payload(error) => error.hint().map(str::to_owned),
            Self::Select(error) => error.hint().map(str::to_owned),
            Self::Journal(error) => error.hint(),
            Self::Prior(error) => Some(prior(error)),
            Self::TooFewSigned(_, patches) => {
                let ban = match patches.first() {
                    Some(patch) => line::name(&patch.ban),
                    None => "ID".to_owned(),
                };
                Some(format!(
                    "let more holders of list keys sign it, or type a command yourself: embargo exec-patch --ban {ban} -- COMMAND"
                ))
            }
            Self::NoPatch(NoPatch::None(_)) => {
                Some("give a command: embargo exec-patch … -- COMMAND, or --script FILE".to_owned())
            }
            Self::OtherList(..) => Some("run it again".to_owned()),
            Self::Over(run, stopped) => Some(after(run, *stopped)),
            Self::Settings(_)
            | Self::NoPatch(_)
            | Self::List(_)
            | Self::Process(_)
            | Self::Print(_) => None,
        };
        match hint {
            None if process::takes_root(self) => Some("run as root".to_owned()),
            hint => hint,
        }
    }

    /// The exit status for this error.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        if let Self::Journal(JournalError::Busy(_) | JournalError::Impatient(_)) = self {
            Exit::Blocked
        } else {
            Exit::Failed
        }
    }

    /// Further lines for the operator: the patches that must not run.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        let Self::TooFewSigned(_, patches) = self else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for patch in patches {
            let ban = line::name(&patch.ban);
            for text in &patch.lines {
                lines.push(line::one_line(&format!("{ban}: {text}")));
            }
        }
        lines
    }
}

/// The list that is in force now, as text.
fn list(version: Option<&u64>) -> String {
    match version {
        Some(version) => format!("list {version}"),
        None => "no list".to_owned(),
    }
}

/// Why a run cannot be resumed.
fn over(stopped: Option<&Halt>) -> String {
    match stopped {
        Some(halt) => format!("it stopped because {halt}"),
        None => "it has ended, and nothing of it is left to do".to_owned(),
    }
}

/// The hint for [`PatchError::Prior`].
fn prior(error: &JournalError) -> String {
    const AGAIN: &str = "run it with --again, also where an earlier run did the same";
    match error.hint() {
        Some(hint) => format!("{hint}; or {AGAIN}"),
        None => AGAIN.to_owned(),
    }
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
