//! Describes why a list was not installed, and what can be done about it.
//!
//! In: a fault of the list, of the node or of the disk. Out: one line, and a hint where there is
//! something to do. Names in them come from others and are quoted.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::super::impact::objection::prediction;
use super::super::impact::{ImpactError, Survey};
use super::super::keyset::place;
use super::super::{CtlError, amount, change, signing};
use crate::banlist::error::ListError;
use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::file::FileError;
use crate::sys::replace::WriteError;

/// Why a list was not installed, apart from its own faults.
#[derive(Debug)]
pub enum InstallError {
    /// It says that it is issued in the future.
    Future(PathBuf, Timestamp),
    /// It says that it is issued at this time, no keyset lasts so long, and the node's clock cannot
    /// be used to judge it.
    Clock(PathBuf, Timestamp),
    /// It lifts bans, and too few signed it for that.
    Lifts {
        /// The list.
        list: PathBuf,
        /// The bans, by ID.
        lifted: Vec<String>,
        /// Number of the keyset.
        keyset: u64,
        /// How many list keys have to sign it.
        needed: usize,
        /// How many have.
        good: usize,
    },
    /// It is not known whether it lifts bans, and too few signed it for one that does.
    Uncompared {
        /// The list.
        list: PathBuf,
        /// Number of the keyset.
        keyset: u64,
        /// How many list keys have to sign it.
        needed: usize,
        /// How many have.
        good: usize,
    },
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Future(path, issued) => write!(
                f,
                "cannot install {path:?}: it is issued at {issued}, more than a day from now"
            ),
            Self::Clock(path, issued) => {
                write!(
                    f,
                    "cannot install {path:?}: it is issued at {issued}, after the keyset expires, and the clock of this node cannot be trusted"
                )
            }
            Self::Lifts {
                list,
                lifted,
                keyset,
                needed,
                good,
            } => {
                let (lifted, needed) = (change::named(lifted), amount(*needed, "signature"));
                write!(
                    f,
                    "cannot install {list:?}: it lifts {lifted}, which takes {needed} of keyset {keyset}; it has {good}"
                )
            }
            Self::Uncompared {
                list,
                keyset,
                needed,
                good,
            } => {
                let needed = amount(*needed, "signature");
                write!(
                    f,
                    "cannot install {list:?}: this node lost the list to compare it with, so it takes {needed} of keyset {keyset}, "
                )?;
                write!(f, "as one that lifts bans; it has {good}")
            }
        }
    }
}

impl std::error::Error for InstallError {}

impl InstallError {
    /// The error, with what to do about it on a node whose list in force is `in_force`.
    pub fn explained(self, in_force: &Path) -> CtlError {
        let word = |path: &Path| line::name(&path.to_string_lossy());
        let hint = match &self {
            Self::Future(..) | Self::Clock(..) => return self.into(),
            Self::Lifts { list, .. } => {
                let diff = format!("embargoctl list diff {} {}", word(in_force), word(list));
                format!(
                    "{diff} shows what; if it is meant, another key has to sign: {}",
                    signing::sign_command(list)
                )
            }
            Self::Uncompared { list, .. } => {
                format!(
                    "install the list that it had last first, or have another key sign: {}",
                    signing::sign_command(list)
                )
            }
        };
        CtlError::with_hint(self, hint)
    }
}

/// What is wrong with the files by which the node trusts lists.
pub fn of_trust(error: ListError) -> CtlError {
    if error.is_absent() {
        CtlError::with_hint(
            error,
            "put the keyset of your list there: embargoctl keyset new",
        )
    } else if matches!(error, ListError::Floor(..)) {
        CtlError::with_hint(
            error,
            "remove it only if you know which list this node had last",
        )
    } else if let Some(remedy) = place::remedy_of(&error) {
        CtlError::with_hint(error, remedy)
    } else {
        error.into()
    }
}

/// What is wrong with the new list.
pub fn of_list(error: ListError) -> CtlError {
    if let ListError::Signatures(path, tally) = &error
        && tally.is_empty()
    {
        let hint = signing::sign_command(path);
        return CtlError::with_hint(error, hint);
    }
    let hint = if matches!(error, ListError::Rollback(..) | ListError::TooOld(..)) {
        "build the list again with a higher --version"
    } else if matches!(error, ListError::Jump(..)) {
        "build the list again with the next --version; if the node's own is wrong, a newer keyset starts versions again"
    } else if matches!(error, ListError::Equivocation(..)) {
        "each list that is published needs a version of its own"
    } else if matches!(error, ListError::Signatures(..)) {
        "embargoctl list verify shows what became of each signature"
    } else if matches!(error, ListError::NewerKeyset(..)) {
        "bring the newer keyset to this node first: embargoctl keyset rotate; a node that was away: embargo-banlist(5), ROTATION"
    } else {
        return error.into();
    };
    CtlError::with_hint(error, hint)
}

/// What is wrong with the place of the list in force. Nothing is put over it unseen.
pub fn of_place(error: ListError) -> CtlError {
    let is_link = |cause: &io::Error| cause.raw_os_error() == Some(libc::ELOOP);
    let is_no_file = matches!(&error, ListError::File(FileError::NotRegular(_)))
        || matches!(&error, ListError::File(FileError::Io(_, cause)) if is_link(cause));
    let hint = if is_no_file {
        "remove it: the list in force is a regular file"
    } else {
        "nothing is installed over a list that cannot be read"
    };
    CtlError::with_hint(error, hint)
}

/// What is wrong with the disk; a new list stands beside the old one until it is whole.
pub fn of_disk(error: WriteError, size: u64) -> CtlError {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    if matches!(cause, Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) {
        let hint = format!(
            "the list needs {} MiB there, beside the one in force, which stays",
            size.div_ceil(1 << 20)
        );
        return CtlError::with_hint(error, hint);
    }
    error.into()
}

/// The most containers that are listed.
const MOST_LISTED: usize = 10;

/// What would happen to the running containers, the first of them line by line.
pub fn of_impact(objection: ImpactError, survey: &Survey) -> CtlError {
    let newly: Vec<_> = survey.newly_refused().collect();
    let mut lines: Vec<_> = newly
        .iter()
        .take(MOST_LISTED)
        .map(|one| prediction(one))
        .collect();
    let more = newly.len() - newly.len().min(MOST_LISTED);
    lines.extend((more > 0).then(|| format!("and {more} more")));
    let hint = objection.hint();
    CtlError::with_hint(objection, hint).detailed(lines)
}
