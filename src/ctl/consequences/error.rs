//! Describes why a list was not installed, and what to do about it.
//!
//! In: a fault of the list, of the node or of the disk. Out: one line, and a hint if something can
//! be done. Names in both are untrusted, and are quoted.

use std::error::Error as _;
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

/// Why a list was not installed, when the list itself is valid.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The list's time of issue is in the future.
    #[error("cannot install {0:?}: it is issued at {1}, more than a day from now")]
    Future(PathBuf, Timestamp),
    /// The list's time of issue is later than any keyset lasts, and the node's clock is not
    /// reliable enough to judge it.
    #[error(
        "cannot install {0:?}: it is issued at {1}, after the keyset expires, and the clock of this node cannot be trusted"
    )]
    Clock(PathBuf, Timestamp),
    /// The list lifts bans, and has too few signatures for lifting them.
    #[error("cannot install {list:?}: it lifts {}, which takes {} of keyset {keyset}; it has {good}", change::named(.lifted), amount(*.needed, "signature"))]
    Lifts {
        /// The list.
        list: PathBuf,
        /// The IDs of the lifted bans.
        lifted: Vec<String>,
        /// The number of the keyset.
        keyset: u64,
        /// How many list keys have to sign the list.
        needed: usize,
        /// How many list keys have signed the list.
        good: usize,
    },
    /// The node cannot tell whether the list lifts bans, and the list has too few signatures for
    /// lifting.
    #[error("cannot install {list:?}: this node lost the list to compare it with, so it takes {} of keyset {keyset}, as one that lifts bans; it has {good}", amount(*.needed, "signature"))]
    Uncompared {
        /// The list.
        list: PathBuf,
        /// The number of the keyset.
        keyset: u64,
        /// How many list keys have to sign the list.
        needed: usize,
        /// How many list keys have signed the list.
        good: usize,
    },
}

impl InstallError {
    /// The error, with a hint. `in_force` is the path of the node's list in force.
    pub fn explained(self, in_force: &Path) -> CtlError {
        let hint = match &self {
            Self::Future(..) | Self::Clock(..) => return self.into(),
            Self::Lifts { list, .. } => {
                let diff = format!(
                    "embargoctl list diff {} {}",
                    line::path(in_force),
                    line::path(list)
                );
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

/// Adds a hint to a fault of the keyset or the floor, by which the node trusts lists.
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

/// Adds a hint to a fault of the new list.
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

/// Adds a hint to a fault of the list in force, when its file cannot be examined. A file that
/// cannot be examined is never replaced.
pub fn of_place(error: ListError) -> CtlError {
    let is_no_file = matches!(&error, ListError::File(FileError::NotRegular(_)))
        || matches!(&error, ListError::File(FileError::Io(_, cause)) if cause.raw_os_error() == Some(libc::ELOOP));
    let hint = if is_no_file {
        "remove it: the list in force is a regular file"
    } else {
        "nothing is installed over a list that cannot be read"
    };
    CtlError::with_hint(error, hint)
}

/// Adds a hint to a write error. A full disk needs room for both lists: the new file is complete
/// before it replaces the old file.
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

/// The most containers that an error lists.
const MOST_LISTED: usize = 10;

/// Adds a hint and the refused containers to an objection of the impact guard: one line for each of
/// the first few containers.
pub fn of_impact(objection: ImpactError, survey: &Survey) -> CtlError {
    let newly = survey.newly_refused();
    let mut lines: Vec<_> = newly.take(MOST_LISTED).map(prediction).collect();
    let more = survey.newly_refused().count() - lines.len();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    let hint = objection.hint();
    CtlError::with_hint(objection, hint).detailed(lines)
}
