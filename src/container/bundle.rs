//! Reads the bundle of a container: its directory, its ID and its root file system.
//!
//! In: the bundle's directory and its runtime spec, `config.json` or the file of crun's `--config`
//! (OCI runtime-spec, bundle.md "Filesystem Bundle", config.md "Root"). Out: [`Bundle`], with
//! absolute paths only. The engine writes the spec, but annotations, environment and labels in it
//! are text that users chose. Only `root.path` is parsed, so Embargo can read the spec of a newer
//! specification. Not checked: the rest of the spec, which is the runtime's work, and whether the
//! directories exist.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};

use super::ContainerId;
use crate::sys::file::{self, FileError, Guard};
use crate::sys::rights;

/// The size, in bytes, of the largest runtime spec that is read. Docker writes about 30 KB; a long
/// environment or many mounts make a spec larger.
pub const LARGEST_SPEC: u64 = 16 << 20;

/// The size, in bytes, of the largest runtime spec that root reads for a user who controls the
/// spec. A user may have a thousand specs, one for each container (see `node::allowance`).
const LARGEST_USERS_SPEC: u64 = 1 << 20;

/// A container's bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The bundle's directory: an absolute path in which links are not resolved.
    pub path: PathBuf,
    /// The ID of the container that the bundle belongs to.
    pub id: ContainerId,
    /// The container's root file system: `root.path`. A relative path is joined to the bundle's
    /// directory.
    pub root: PathBuf,
}

/// The part of a runtime spec that Embargo reads.
struct RuntimeSpec {
    root: Option<Root>,
}

struct Root {
    path: PathBuf,
}

/// How a key of the runtime spec compares with the key that is searched for.
enum FieldName {
    /// The key that is searched for.
    Wanted,
    /// The same key in another letter case. runc accepts a key in any letter case, as Go's
    /// encoding/json does, and uses the last of several such keys. crun ignores keys in another
    /// letter case.
    Lookalike,
    /// Any other key.
    Other,
}

/// Compares a key with this name. Comparing ASCII letters is enough: Go treats no other letter as
/// equal to a letter of `root` or `path`.
struct FieldNamed(&'static str);

impl<'de> DeserializeSeed<'de> for FieldNamed {
    type Value = FieldName;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FieldName, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldNamed {
    type Value = FieldName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<FieldName, E> {
        Ok(match key {
            key if key == self.0 => FieldName::Wanted,
            key if key.eq_ignore_ascii_case(self.0) => FieldName::Lookalike,
            _other => FieldName::Other,
        })
    }
}

/// The value of the key with this name in an object. It is an error if the key occurs twice, or in
/// another letter case.
struct Only<T>(&'static str, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Only<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key_seed(FieldNamed(self.0))? {
            match key {
                FieldName::Wanted if found.is_some() => {
                    return Err(de::Error::duplicate_field(self.0));
                }
                FieldName::Wanted => found = Some(map.next_value()?),
                FieldName::Lookalike => {
                    return Err(de::Error::custom(format_args!(
                        "`{}` in another case",
                        self.0
                    )));
                }
                FieldName::Other => {
                    let IgnoredAny = map.next_value()?;
                }
            }
        }
        Ok(found)
    }
}

impl<'de> Deserialize<'de> for RuntimeSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let root = deserializer.deserialize_map(Only::<Option<Root>>("root", PhantomData))?;
        Ok(Self {
            root: root.flatten(),
        })
    }
}

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = deserializer.deserialize_map(Only("path", PhantomData))?;
        match path {
            Some(path) => Ok(Self { path }),
            None => Err(de::Error::missing_field("path")),
        }
    }
}

/// Why a bundle could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The bundle's path is relative, and the working directory no longer exists.
    #[error("cannot tell where the bundle {0:?} is")]
    Place(PathBuf, #[source] io::Error),
    /// The runtime spec could not be read.
    #[error(transparent)]
    File(FileError),
    /// The runtime spec is not JSON of the right shape.
    #[error("cannot parse the runtime spec {0:?}")]
    Json(PathBuf, #[source] serde_json::Error),
    /// The runtime spec names no root file system.
    #[error("cannot find root.path in the runtime spec {0:?}")]
    NoRoot(PathBuf),
}

impl Bundle {
    /// Reads the bundle at `path`, relative to the working directory when it is not absolute; an
    /// empty path is the working directory itself (runc 1.1.5). `spec_file` replaces the bundle's
    /// `config.json` and is relative to the working directory too (crun: src/create.c).
    ///
    /// # Errors
    /// [`BundleError`]: one line that names the file.
    pub fn load(
        path: &Path,
        id: &ContainerId,
        spec_file: Option<&Path>,
    ) -> Result<Self, BundleError> {
        let path = absolute(path)?;
        let spec_file = match spec_file {
            Some(file) => absolute(file)?,
            None => path.join("config.json"),
        };
        // A link is followed, because the runtime follows it too.
        let json = file::read(&spec_file, LARGEST_SPEC, Guard::Any).map_err(BundleError::File)?;
        Self::parse(path, id, spec_file, &json)
    }

    /// Reads the bundle at this absolute path, which this user chose; [`spec_of`] reads the spec.
    ///
    /// # Errors
    /// The errors of [`Bundle::load`].
    pub fn load_of(user: u32, path: &Path, id: &ContainerId) -> Result<Self, BundleError> {
        let json = spec_of(user, path).map_err(BundleError::File)?;
        Self::parse(path.to_owned(), id, path.join("config.json"), &json)
    }

    /// Makes the bundle at this absolute path, from the contents `json` of its runtime spec
    /// `spec_file`.
    ///
    /// # Errors
    /// [`BundleError`], except those of reading the file.
    pub fn parse(
        path: PathBuf,
        id: &ContainerId,
        spec_file: PathBuf,
        json: &[u8],
    ) -> Result<Self, BundleError> {
        let root = match root_path(json) {
            Ok(Some(root)) => path.join(root),
            Ok(None) => return Err(BundleError::NoRoot(spec_file)),
            Err(error) => return Err(BundleError::Json(spec_file, error)),
        };
        Ok(Self {
            path,
            id: id.clone(),
            root,
        })
    }
}

/// Reads the runtime spec of the bundle at this absolute path, which this user chose. The spec is
/// read with that user's rights (see [`rights::read_of`]), and may have at most 1 MiB unless the
/// user is root or the caller.
///
/// # Errors
/// [`FileError`].
pub fn spec_of(user: u32, bundle: &Path) -> Result<Vec<u8>, FileError> {
    let limit = if rights::is_own(user) {
        LARGEST_SPEC
    } else {
        LARGEST_USERS_SPEC
    };
    rights::read_of(user, &bundle.join("config.json"), limit)
}

/// The `root.path` of a runtime spec, as written; `None` when `root.path` is missing or empty.
///
/// # Errors
/// `json` is not a JSON object; `root` does not have the shape that the specification gives it; or
/// `root` or `path` occurs twice or in another letter case.
pub fn root_path(json: &[u8]) -> Result<Option<PathBuf>, serde_json::Error> {
    let spec: RuntimeSpec = serde_json::from_slice(json)?;
    match spec.root {
        Some(Root { path }) if !path.as_os_str().is_empty() => Ok(Some(path)),
        Some(_) | None => Ok(None),
    }
}

/// Makes a path absolute and removes every `.` from the path. Links and `..` stay, because the name
/// before `..` may be a link.
fn absolute(path: &Path) -> Result<PathBuf, BundleError> {
    let named = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    match std::path::absolute(named) {
        Ok(absolute) => Ok(absolute),
        Err(error) => Err(BundleError::Place(path.to_owned(), error)),
    }
}

#[cfg(test)]
mod tests;
