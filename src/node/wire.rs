//! Lets a copy of this process read what a user controls.
//!
//! In: the user, and what to read. Out: what was found, or an error if there was no answer in time;
//! see [`copy`]. This process itself reads what root or the caller controls. The copy sends its
//! answer as JSON. The copy is this program's own, so the form of its answer is trusted; the data
//! that the copy has read is as hostile as ever. This file also defines the form in which errors
//! are sent: a received error has the same text as the original error, and all facts on which
//! decisions depend.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lineage::{Corrupt, LineageError, Unknown};
use crate::report::line;
use crate::sys::file::FileError;
use crate::sys::{copy, rights};

/// Runs `work`, which reads what this user controls, and returns the result of `work`.
///
/// # Errors
/// The reason why there is no answer: no answer came in time, or the copy could not be made or
/// failed.
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

/// The same as [`ask`], for work at `place` that may itself return a [`LineageError`].
///
/// # Errors
/// The errors of `work`; [`Unknown::File`] naming `place` if there is no answer.
pub(super) fn ask_lineage<T: Serialize + DeserializeOwned>(
    user: u32,
    place: &Path,
    work: impl FnOnce() -> Result<T, LineageError>,
) -> Result<T, LineageError> {
    ask(user, work)
        .unwrap_or_else(|error| Err(Unknown::File(FileError::Io(place.to_owned(), error)).into()))
}

/// The form in which a [`LineageError`] is sent. The form says whether something is missing or
/// false, because decisions depend on that difference.
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
            // The text is one of this program's own short texts, and stays in memory until the
            // program ends.
            Fault::NoRecord(what, place) => Unknown::NoRecord(what.leak(), place).into(),
            Fault::Corrupt(path, fault) => Corrupt::File(path, fault).into(),
            Fault::Mount(root, difference) => Corrupt::Mount(root, difference).into(),
            Fault::Unknown(text) => Unknown::Bundle(text.into()).into(),
        })
    }
}

/// The form in which a [`FileError`] is sent.
#[derive(Serialize, Deserialize)]
#[serde(remote = "FileError")]
pub(super) enum FileFault {
    Io(PathBuf, #[serde(with = "cause")] io::Error),
    NotRegular(PathBuf),
    TooLarge(PathBuf, u64),
    Unguarded(PathBuf),
    NotText(PathBuf),
}

/// Sends an operating system's error as its number, so that the receiver gets an error of the same
/// kind.
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

    /// A user ID that no machine has.
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
