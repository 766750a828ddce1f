//! Gives hints for a file or directory that cannot be trusted because of its owner, mode or links.
//!
//! In: the error by which the keyset, the floor or the list's directory was refused. Out: a hint,
//! if the cause is the file's owner or mode, or that the file is a symbolic link. The content of
//! the file is not judged here.

use crate::banlist::error::ListError;
use crate::report::line;
use crate::sys::file::FileError;

/// A hint for a file whose owner, mode or link is the cause of the error.
#[must_use]
pub fn remedy(fault: &FileError) -> Option<String> {
    match fault {
        FileError::Unguarded(path) => {
            let path = line::path(path);
            Some(format!(
                "see what others may have changed there, then: chown root {path} && chmod go-w {path}"
            ))
        }
        FileError::Io(_, cause) if cause.raw_os_error() == Some(libc::ELOOP) => {
            Some("put the file itself there, not a link to it".to_owned())
        }
        FileError::Io(..)
        | FileError::NotRegular(_)
        | FileError::TooLarge(..)
        | FileError::NotText(_) => None,
    }
}

/// The hint of [`remedy`] for an error about the list, the keyset or the floor.
#[must_use]
pub fn remedy_of(fault: &ListError) -> Option<String> {
    if let ListError::File(fault) = fault {
        remedy(fault)
    } else {
        None
    }
}
