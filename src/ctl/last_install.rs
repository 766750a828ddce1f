//! Records how the last installation of a list ended, for `status`.
//!
//! In: the end of an installation. Out: `/var/lib/embargo/last-install.json`, which everybody may
//! read and only root writes, and the record that was read back. A refused installation keeps the
//! time of the last one that succeeded. A record that cannot be written changes nothing about the
//! installation.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::CtlError;
use super::consequences::error::InstallError;
use super::impact::ImpactError;
use crate::banlist::error::ListError;
use crate::paths::Paths;
use crate::report::json::{self, SCHEMA};
use crate::report::line;
use crate::settings::SettingsError;
use crate::sys::clock::Timestamp;
use crate::sys::directory;
use crate::sys::file::FileError;
use crate::sys::replace::{self, WriteError};

/// The largest record that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// How an installation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallResult {
    /// The list is in force.
    Ok,
    /// The list would newly refuse too many running containers.
    Impact,
    /// The list would refuse the pause container of a running pod.
    Pause,
    /// Too few trusted keys signed the list.
    Signatures,
    /// The list does not follow the lists that this node has had.
    Rollback,
    /// The list is for another origin.
    Origin,
    /// The list does not have the format of a list, or its parts do not fit together.
    Malformed,
    /// The list was issued in the future, or the node's clock cannot tell.
    Clock,
    /// The node's keyset or floor cannot be used, or the list needs a newer keyset.
    Keyset,
    /// The node's settings cannot be used.
    Settings,
    /// A file could not be read or written.
    Io,
}

impl InstallResult {
    /// Every result.
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::Impact,
        Self::Pause,
        Self::Signatures,
        Self::Rollback,
        Self::Origin,
        Self::Malformed,
        Self::Clock,
        Self::Keyset,
        Self::Settings,
        Self::Io,
    ];

    /// The name of the result in every output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Impact => "impact",
            Self::Pause => "pause",
            Self::Signatures => "signatures",
            Self::Rollback => "rollback",
            Self::Origin => "origin",
            Self::Malformed => "malformed",
            Self::Clock => "clock",
            Self::Keyset => "keyset",
            Self::Settings => "settings",
            Self::Io => "io",
        }
    }

    /// How an installation ended that failed with this error.
    #[must_use]
    pub fn of(error: &CtlError) -> Self {
        if let Some(fault) = error.cause::<ImpactError>() {
            match fault {
                ImpactError::Share { .. } => Self::Impact,
                ImpactError::Pause { .. } => Self::Pause,
            }
        } else if let Some(fault) = error.cause::<InstallError>() {
            match fault {
                InstallError::Future(..) | InstallError::Clock(..) => Self::Clock,
                InstallError::Lifts { .. } | InstallError::Uncompared { .. } => Self::Signatures,
            }
        } else if let Some(fault) = error.cause::<ListError>() {
            of_list(fault)
        } else if error.cause::<SettingsError>().is_some() {
            Self::Settings
        } else {
            Self::Io
        }
    }
}

const fn of_list(fault: &ListError) -> InstallResult {
    match fault {
        ListError::File(_) | ListError::Read(..) => InstallResult::Io,
        ListError::Keyset(..) | ListError::Floor(..) | ListError::NewerKeyset(..) => {
            InstallResult::Keyset
        }
        ListError::Origin(..) => InstallResult::Origin,
        ListError::Signatures(..) | ListError::NotInstalled(..) => InstallResult::Signatures,
        ListError::Rollback(..)
        | ListError::Jump(..)
        | ListError::Equivocation(..)
        | ListError::TooOld(..) => InstallResult::Rollback,
        ListError::NoHead(_)
        | ListError::Head(..)
        | ListError::Size(..)
        | ListError::Node(..)
        | ListError::Table(_)
        | ListError::Block(..)
        | ListError::Record(..)
        | ListError::Counts(_)
        | ListError::Heavy(..)
        | ListError::Excess(_)
        | ListError::Unread(..) => InstallResult::Malformed,
    }
}

/// The last installation that was attempted on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastInstall {
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub result: InstallResult,
    /// Why the list was refused, as text for people. `None` if the list is in force.
    pub reason: Option<String>,
    /// The version of the list; `None` if no trusted key vouches for the version.
    pub list_version: Option<u64>,
    /// When the last installation that succeeded ended; `None` if none has.
    pub success: Option<Timestamp>,
}

/// The record as it is written.
#[derive(Deserialize)]
struct Record {
    schema: u32,
    #[serde(flatten)]
    last: LastInstall,
}

/// Why the record cannot be used.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file cannot be read, or others may write to it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not such a record, or another version of the program wrote it.
    #[error("cannot use {0:?}: {1}")]
    Malformed(PathBuf, String),
}

/// Reads the record; `None` if there is none.
///
/// # Errors
/// [`RecordError`].
pub fn read(paths: &Paths) -> Result<Option<LastInstall>, RecordError> {
    let path = &paths.last_install;
    let bytes = match directory::read_owned(&paths.root, path, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match serde_json::from_slice::<Record>(&bytes) {
        Ok(record) if record.schema == SCHEMA => Ok(Some(record.last)),
        Ok(record) => Err(other_schema(path, record.schema)),
        Err(error) => Err(RecordError::Malformed(path.clone(), error.to_string())),
    }
}

fn other_schema(path: &Path, schema: u32) -> RecordError {
    let fault = format!("expected schema {SCHEMA}, found {schema}");
    RecordError::Malformed(path.to_owned(), fault)
}

/// Records the end of an installation: success, or why the list was refused.
///
/// # Errors
/// [`WriteError`].
pub fn record(
    paths: &Paths,
    at: Timestamp,
    refused: Option<&CtlError>,
    list_version: Option<u64>,
) -> Result<(), WriteError> {
    let last = match refused {
        None => LastInstall {
            at,
            result: InstallResult::Ok,
            reason: None,
            list_version,
            success: Some(at),
        },
        Some(fault) => LastInstall {
            at,
            result: InstallResult::of(fault),
            reason: Some(line::causes(fault)),
            list_version,
            // An old record that cannot be read is lost: this one replaces it.
            success: read(paths).ok().flatten().and_then(|last| last.success),
        },
    };
    let text = json::line(&last) + "\n";
    replace::replace(&paths.last_install, 0o644, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::banlist::floor::Edition;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_seconds(1_795_183_200 + second)
    }

    #[test]
    fn a_refusal_keeps_the_time_of_the_last_success() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path());
        std::fs::create_dir_all(&paths.state).unwrap();
        assert_eq!(read(&paths).unwrap(), None);
        record(&paths, at(1), None, Some(412)).unwrap();
        let edition = |version| Edition { keyset: 1, version };
        let fault = ListError::Rollback("/tmp/l".into(), edition(411), edition(412));
        record(&paths, at(2), Some(&fault.into()), None).unwrap();
        assert_eq!(
            read(&paths).unwrap(),
            Some(LastInstall {
                at: at(2),
                result: InstallResult::Rollback,
                reason: Some(
                    "cannot go back to version 411 (keyset 1) of the list, in \"/tmp/l\": this \
                     node had version 412 (keyset 1)"
                        .to_owned()
                ),
                list_version: None,
                success: Some(at(1)),
            })
        );
    }

    #[test]
    fn a_record_that_is_none_is_a_fault() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path());
        std::fs::create_dir_all(&paths.state).unwrap();
        let newer = r#"{"schema":2,"at":"2026-11-20T14:00:00Z","result":"ok","reason":null,
            "list_version":1,"success":null}"#;
        for (text, fault) in [
            (newer, "expected schema 1, found 2"),
            ("{}", "missing field `schema` at line 1 column 2"),
        ] {
            replace::replace(&paths.last_install, 0o644, text.as_bytes()).unwrap();
            let found = read(&paths).unwrap_err().to_string();
            assert_eq!(
                found,
                format!("cannot use {:?}: {fault}", paths.last_install)
            );
        }
    }

    #[test]
    fn the_word_of_a_result_is_the_one_in_json() {
        for result in InstallResult::ALL {
            let word = serde_json::to_value(result).unwrap();
            assert_eq!(word, result.word());
        }
    }
}
