//! Asks a copy of this process about what a user controls.
//!
//! In: the user, and what to look at. Out: what was found, or that there was no answer in time; see
//! [`copy`]. What is root's or the caller's own is looked at by this process itself. Between the
//! two processes the answer is JSON. A copy is this program's own, so its answers are believed; what
//! it read is as hostile as ever. The forms of errors are here: an error of this process's becomes
//! one with the same text, and keeps what decisions depend on.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lineage::{Corrupt, LineageError, Unknown};
use crate::report::line;
use crate::sys::file::FileError;
use crate::sys::{copy, rights};

/// What `work` returns, which reads what this user controls.
///
/// # Errors
/// Why there is no answer: none came in time, or the copy could not be made or failed.
pub(super) fn ask<T: Serialize + DeserializeOwned>(
    user: u32,
    work: impl FnOnce() -> T,
) -> io::Result<T> {
    if rights::is_own(user) {
        return Ok(work());
    }
    let bytes = copy::answer(user, || serde_json::to_vec(&work()).unwrap_or_default())?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// The same for work that has errors of its own, at `place` and elsewhere.
///
/// # Errors
/// Those of `work`; [`Unknown::File`] naming `place` if there is no answer.
pub(super) fn ask_lineage<T: Serialize + DeserializeOwned>(
    user: u32,
    place: &Path,
    work: impl FnOnce() -> Result<T, LineageError>,
) -> Result<T, LineageError> {
    ask(user, work)
        .unwrap_or_else(|error| Err(Unknown::File(FileError::Io(place.to_owned(), error)).into()))
}

/// A lineage's error, with what decides about it: whether something is missing, or false.
#[derive(Serialize, Deserialize)]
enum Fault {
    NoRecord(String, PathBuf),
    Corrupt(PathBuf, String),
    Mount(PathBuf, String),
    Unknown(String),
}

impl Serialize for LineageError {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let fault = match self {
            Self::Unknown(Unknown::NoRecord(what, place)) => {
                Fault::NoRecord((*what).to_owned(), place.clone())
            }
            Self::Unknown(_) => Fault::Unknown(line::causes(self)),
            Self::Corrupt(Corrupt::File(path, fault)) => {
                Fault::Corrupt(path.clone(), fault.clone())
            }
            Self::Corrupt(Corrupt::Hash(path, expected, found)) => Fault::Corrupt(
                path.clone(),
                format!("it hashes to {found}, not to {expected}"),
            ),
            Self::Corrupt(Corrupt::Mount(root, difference)) => {
                Fault::Mount(root.clone(), difference.clone())
            }
        };
        fault.serialize(to)
    }
}

impl<'de> Deserialize<'de> for LineageError {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match Fault::deserialize(from)? {
            // A few words of this program's own, kept for as long as it runs.
            Fault::NoRecord(what, place) => Unknown::NoRecord(what.leak(), place).into(),
            Fault::Corrupt(path, fault) => Corrupt::File(path, fault).into(),
            Fault::Mount(root, difference) => Corrupt::Mount(root, difference).into(),
            Fault::Unknown(text) => Unknown::Bundle(text.into()).into(),
        })
    }
}

/// The form of a [`FileError`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "FileError")]
pub(super) enum FileFault {
    Io(PathBuf, #[serde(with = "cause")] io::Error),
    NotRegular(PathBuf),
    TooLarge(PathBuf, u64),
    Unguarded(PathBuf),
    NotText(PathBuf),
}

/// The form of the operating system's errors: by number, so that each is of its kind again.
pub(super) mod cause {
    use std::io;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        error: &io::Error,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        (error.raw_os_error(), error.to_string()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<io::Error, D::Error> {
        Ok(match <(Option<i32>, String)>::deserialize(from)? {
            (Some(number), _) => io::Error::from_raw_os_error(number),
            (None, text) => io::Error::other(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::chain::Chain;
    use crate::lineage::digest::{DiffId, Digest, ImageId};
    use crate::lineage::{Evidence, ImageFacts, ImageLineage, Origin};

    /// A user whom no machine has.
    const USER: u32 = 4_242_430;

    #[test]
    fn an_error_from_a_copy_reads_the_same_and_is_of_its_kind() {
        let (path, digest) = (PathBuf::from("/a b"), Digest::of(b"x"));
        let missing = || FileError::Io(path.clone(), io::Error::from_raw_os_error(libc::ENOENT));
        for make in [
            (|path, _| Unknown::NoRecord("the container", path).into())
                as fn(PathBuf, Digest) -> LineageError,
            |path, _| Unknown::Mount(path).into(),
            |path, digest| Corrupt::Hash(path, digest, Digest::of(b"y")).into(),
            |path, _| Corrupt::File(path, "torn".to_owned()).into(),
            |path, _| Corrupt::Mount(path, "another".to_owned()).into(),
        ] {
            let (here, there) = (
                make(path.clone(), digest),
                ask_lineage::<()>(USER, &path, || Err(make(path.clone(), digest))).unwrap_err(),
            );
            assert_eq!(line::causes(&there), line::causes(&here));
            assert_eq!(
                matches!(there, LineageError::Corrupt(_)),
                matches!(here, LineageError::Corrupt(_))
            );
            assert_eq!(
                matches!(there, LineageError::Unknown(Unknown::NoRecord(..))),
                matches!(here, LineageError::Unknown(Unknown::NoRecord(..)))
            );
        }
        let there = ask_lineage::<()>(USER, &path, || Err(Unknown::File(missing()).into()));
        assert_eq!(line::causes(&there.unwrap_err()), line::causes(&missing()));
    }

    #[test]
    fn what_a_container_is_made_of_comes_over_whole() {
        let origin = Origin::Image(ImageLineage {
            chain: Chain::from_diff_ids(vec![DiffId(Digest::of(b"a")), DiffId(Digest::of(b"b"))])
                .unwrap(),
            facts: ImageFacts {
                image_id: Some(ImageId(Digest::of(b"c"))),
                manifests: vec![Digest::of(b"d")],
                pull_fault: Some("torn".to_owned()),
                name: Some("app:1".to_owned()),
                config_file: Some("/a".into()),
            },
            evidence: Evidence::Metadata,
        });
        for origin in [origin, Origin::NoImage] {
            let there = ask_lineage(USER, Path::new("/"), || Ok(origin.clone()));
            assert_eq!(there.unwrap(), origin);
        }
    }
}
