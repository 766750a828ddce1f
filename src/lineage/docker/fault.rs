//! Chooses the error for a file of Docker's store that cannot be read.
//!
//! If the operating system does not return the file, the lineage is unknown. If a file is missing
//! although another file refers to it, or contains something that the engine never writes, the
//! store is damaged or forged.

use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::sys::file::FileError;

/// The error for a file that should be there and cannot be read.
pub(super) fn broken(error: FileError) -> LineageError {
    let fault = match &error {
        FileError::Io(_, cause) if cause.raw_os_error() == Some(libc::ELOOP) => {
            "it is a symbolic link".to_owned()
        }
        FileError::Io(..) if error.is_absent() => "it is missing".to_owned(),
        FileError::Io(..) => return Unknown::File(error).into(),
        FileError::NotRegular(_) => "it is not a regular file".to_owned(),
        FileError::TooLarge(_, limit) => format!("it is larger than {limit} bytes"),
        FileError::Unguarded(_) => "it is owned or writable by another user".to_owned(),
        FileError::NotText(_) => "it is not UTF-8".to_owned(),
    };
    Corrupt::File(error.path().to_owned(), fault).into()
}
