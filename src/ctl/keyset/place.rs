//! Gives hints for a file or directory that cannot be trusted because of its owner, mode or links.
//!
//! In: why the keyset, the floor or the list's directory is refused on a node. Out: the text of a
//! hint, where the fault is the place: its owner, its mode, or that it is a link. What the file
//! says is judged elsewhere.

use crate::banlist::error::ListError;
use crate::report::line;
use crate::sys::file::FileError;

/// What to do about the place of a file, if that is at fault.
#[must_use]
pub fn remedy(fault: &FileError) -> Option<String> {
    match fault {
        FileError::Unguarded(path) => {
            let path = line::name(&path.to_string_lossy());
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

/// The same for the files by which a list is trusted.
#[must_use]
pub fn remedy_of(fault: &ListError) -> Option<String> {
    if let ListError::File(fault) = fault {
        remedy(fault)
    } else {
        None
    }
}
