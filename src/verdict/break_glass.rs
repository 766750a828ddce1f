//! Reads the break-glass file, with which root suspends refusals for a while.
//!
//! `/etc/embargo/break-glass` is for emergencies in which a ban, a list or a store must not stop a
//! node. The file has a reason and a time limit, in TOML. Until the limit every container starts,
//! and every admission is an audit event. In: the break-glass file (may be half-written or
//! misspelt). Out: break-glass is *open*, or *shut* with the reason. A broken file never opens
//! anything. Not checked: the reason itself.
//!
//! ```toml
//! reason = "INC-4711: registry down, base cannot be replaced before the morning"
//! until = "2026-11-20T18:00:00Z"
//! ```

use std::fmt;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde::Deserialize;
use thiserror::Error;

use crate::paths::Paths;
use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::directory;
use crate::sys::file::{self, FileError};

/// The largest break-glass file that is read, in bytes.
const LARGEST: u64 = 4_096;

/// The contents of the break-glass file.
#[derive(Debug)]
pub enum BreakGlass {
    /// A file that can be used: until its limit, every container may start.
    Given {
        /// The reason, for the audit event.
        reason: String,
        /// The limit: the first second at which break-glass is shut again.
        until: Timestamp,
        /// When the file was written, by its modification time.
        written: Timestamp,
    },
    /// A file that exists and cannot be used.
    Unusable(Fault),
}

/// Why a break-glass file cannot be used.
#[derive(Debug, Error)]
pub enum Fault {
    /// The file cannot be read, or others can write to it or to a directory above it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not the expected TOML; with the error.
    #[error("cannot use {0:?}: {1}")]
    Malformed(PathBuf, String),
    /// The file gives no reason.
    #[error("cannot use {0:?}: expected a reason")]
    Reason(PathBuf),
    /// The file's limit is not a time, or has no offset from UTC.
    #[error(
        "cannot use {0:?}: expected until = \"YYYY-MM-DDThh:mm:ssZ\", or with an offset such as \
         +01:00"
    )]
    Limit(PathBuf),
}

/// Break-glass is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// The reason, as root wrote it.
    pub reason: &'a str,
    /// The first second at which break-glass is shut again.
    pub until: Timestamp,
}

/// Why break-glass is shut although there is a break-glass file.
#[derive(Clone, Copy, Debug)]
pub enum Shut<'a> {
    /// The limit has passed.
    Ended(Timestamp),
    /// The limit is too long after the file was written.
    TooLong {
        /// The limit.
        until: Timestamp,
        /// When the file was written.
        written: Timestamp,
        /// How many seconds after the file was written the limit may be at most.
        longest: u64,
    },
    /// The file cannot be used.
    Unusable(&'a Fault),
}

impl BreakGlass {
    /// Whether break-glass is open at the time `now`. The file's limit may be at most `longest`
    /// seconds after the file was written. A modification time in the future counts as `now`, so
    /// that it cannot keep break-glass open longer.
    ///
    /// # Errors
    /// [`Shut`]: why break-glass is shut.
    pub fn state(&self, now: Timestamp, longest: u64) -> Result<Open<'_>, Shut<'_>> {
        match self {
            Self::Unusable(fault) => Err(Shut::Unusable(fault)),
            Self::Given { until, .. } if now >= *until => Err(Shut::Ended(*until)),
            Self::Given { until, written, .. } if until.since((*written).min(now)) > longest => {
                Err(Shut::TooLong {
                    until: *until,
                    written: *written,
                    longest,
                })
            }
            Self::Given { reason, until, .. } => Ok(Open {
                reason,
                until: *until,
            }),
        }
    }
}

impl fmt::Display for Open<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "break-glass until {} ({:?})", self.until, self.reason)
    }
}

impl Shut<'_> {
    /// Why break-glass is shut: `it ended at …`.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Ended(until) => format!("it ended at {until}"),
            Self::TooLong {
                until,
                written,
                longest,
            } => format!(
                "{until} is more than {} (break_glass_max) after {written}, when it was written",
                hours(*longest)
            ),
            Self::Unusable(fault) => line::causes(*fault),
        }
    }
}

impl fmt::Display for Shut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "break-glass opens nothing: {}", self.why())
    }
}

/// A time span of this many seconds, in the largest unit (up to hours) that divides it.
fn hours(seconds: u64) -> String {
    for (unit, length) in [("h", 3_600), ("m", 60)] {
        if seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

/// The file's fields, as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    reason: String,
    until: toml::Value,
}

/// Reads the node's break-glass file; `None` when there is no such file.
#[must_use]
pub fn load(paths: &Paths) -> Option<BreakGlass> {
    match read(paths) {
        Ok(given) => Some(given),
        Err(Fault::File(error)) if error.is_absent() => None,
        Err(fault) => Some(BreakGlass::Unusable(fault)),
    }
}

fn read(paths: &Paths) -> Result<BreakGlass, Fault> {
    let path = &paths.break_glass;
    let (file, size) = directory::open_owned(&paths.root, path)?;
    let facts = file.metadata().map_err(FileError::io(path))?;
    let modified = facts.modified().map_err(FileError::io(path))?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = file::text(file::read_opened(file, size, path, LARGEST)?, path)?;
    let Written { reason, until } = match toml::from_str(&text) {
        Ok(written) => written,
        Err(error) => {
            let fault = line::one_line(error.message());
            return Err(Fault::Malformed(path.clone(), fault));
        }
    };
    if reason.trim().is_empty() {
        return Err(Fault::Reason(path.clone()));
    }
    let Some(until) = limit(&until) else {
        return Err(Fault::Limit(path.clone()));
    };
    Ok(BreakGlass::Given {
        reason,
        until,
        written: Timestamp::from_seconds(since.as_secs()),
    })
}

/// Reads the limit, which may be a string or a TOML time.
fn limit(until: &toml::Value) -> Option<Timestamp> {
    match until {
        toml::Value::String(text) => Timestamp::parse_any(text),
        toml::Value::Datetime(time) => Timestamp::parse_any(&time.to_string()),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    const DAY: u64 = 86_400;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn put(path: &Path, text: &str) {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file.set_modified(
            UNIX_EPOCH + std::time::Duration::from_secs(at("2026-11-20T12:00:00Z").seconds()),
        )
        .unwrap();
    }

    fn node() -> (tempfile::TempDir, Paths) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path());
        std::fs::create_dir_all(paths.break_glass.parent().unwrap()).unwrap();
        (root, paths)
    }

    /// The result for a file with this text, read at 14:00, two hours after it was written.
    fn state_of(paths: &Paths, text: &str) -> Result<Timestamp, String> {
        put(&paths.break_glass, text);
        let path = format!("{:?}", paths.break_glass);
        let glass = load(paths).unwrap();
        glass
            .state(at("2026-11-20T14:00:00Z"), DAY)
            .map(|open| open.until)
            .map_err(|shut| shut.to_string().replace(&path, "F"))
    }

    #[test]
    fn a_reason_and_a_limit_are_both_needed() {
        let (_root, paths) = node();
        for until in [
            "'2026-11-20T18:00:00Z'",
            "2026-11-20T18:00:00Z",
            "'2026-11-20T19:00:00+01:00'",
            "2026-11-20T19:00:00+01:00",
            "2026-11-20 12:00:00.25-06:00",
        ] {
            assert_eq!(
                state_of(&paths, &format!("reason = 'INC-1'\nuntil = {until}\n")),
                Ok(at("2026-11-20T18:00:00Z")),
                "{until}"
            );
        }
        assert_eq!(
            state_of(&paths, "reason = 'INC-1'\nuntil = 2026-11-21\n"),
            Ok(at("2026-11-21"))
        );
        let limit = "cannot use F: expected until = \"YYYY-MM-DDThh:mm:ssZ\", or with an offset such as +01:00";
        for (text, fault) in [
            ("", "cannot use F: missing field `reason`"),
            ("reason = 'INC-1'\n", "cannot use F: missing field `until`"),
            (
                "reason = ' '\nuntil = '2026-11-21'\n",
                "cannot use F: expected a reason",
            ),
            ("reason = 'INC-1'\nuntil = 'tomorrow'\n", limit),
            ("reason = 'INC-1'\nuntil = 2026-11-20T18:00:00\n", limit),
            ("reason = 'INC-1'\nuntil = true\n", limit),
            (
                "reason = 'INC-1'\nuntil = '2026-11-21'\nall = 1\n",
                "cannot use F: unknown field `all`, expected `reason` or `until`",
            ),
        ] {
            assert_eq!(
                state_of(&paths, text),
                Err(format!("break-glass opens nothing: {fault}")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_limit_is_neither_over_nor_too_far_from_the_writing() {
        let (_root, paths) = node();
        let reported =
            |until: &str| state_of(&paths, &format!("reason = 'INC-1'\nuntil = '{until}'\n"));
        assert_eq!(
            reported("2026-11-20T14:00:01Z"),
            Ok(at("2026-11-20T14:00:01Z"))
        );
        assert_eq!(
            reported("2026-11-21T12:00:00Z"),
            Ok(at("2026-11-21T12:00:00Z"))
        );
        assert_eq!(
            reported("2026-11-20T14:00:00Z"),
            Err("break-glass opens nothing: it ended at 2026-11-20T14:00:00Z".into())
        );
        let written = "after 2026-11-20T12:00:00Z, when it was written";
        for until in ["2026-11-21T12:00:01Z", "2036-01-01T00:00:00Z"] {
            assert_eq!(
                reported(until),
                Err(format!(
                    "break-glass opens nothing: {until} is more than 24h (break_glass_max) {written}"
                ))
            );
        }
        // Break-glass does not open later by itself, and a modification time in the future does not
        // keep it open longer.
        let glass = |written| BreakGlass::Given {
            reason: "INC-1".into(),
            until: at("2026-11-25"),
            written: at(written),
        };
        for (written, now, is_open) in [
            ("2026-11-20T12:00:00Z", "2026-11-24T23:00:00Z", false),
            ("2026-11-24T12:00:00Z", "2026-11-24T23:00:00Z", true),
            ("2026-12-01T00:00:00Z", "2026-11-23T23:00:00Z", false),
            ("2026-12-01T00:00:00Z", "2026-11-24T01:00:00Z", true),
        ] {
            assert_eq!(
                glass(written).state(at(now), DAY).is_ok(),
                is_open,
                "{written} {now}"
            );
        }
        let too_long = glass("2026-11-20")
            .state(at("2026-11-21"), 5_400)
            .unwrap_err()
            .to_string();
        assert!(
            too_long.contains("more than 90m (break_glass_max)"),
            "{too_long}"
        );
        assert!(glass("2026-11-20").state(at("2026-11-21"), 5 * DAY).is_ok());
    }

    #[test]
    fn an_unusable_file_is_reported_and_a_missing_one_is_not() {
        let (_root, paths) = node();
        assert!(load(&paths).is_none());
        let path = format!("{:?}", paths.break_glass);
        std::fs::create_dir(&paths.break_glass).unwrap();
        let shut = |paths: &Paths| {
            load(paths)
                .unwrap()
                .state(at("2026-11-20T14:00:00Z"), DAY)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            shut(&paths),
            format!("break-glass opens nothing: cannot read {path}: not a regular file")
        );
        std::fs::remove_dir(&paths.break_glass).unwrap();
        put(
            &paths.break_glass,
            "reason = 'INC-1'\nuntil = '2026-11-20T18:00:00Z'\n",
        );
        assert!(
            load(&paths)
                .unwrap()
                .state(at("2026-11-20T14:00:00Z"), DAY)
                .is_ok()
        );
        set_permissions(&paths.break_glass, Permissions::from_mode(0o664)).unwrap();
        assert_eq!(
            shut(&paths),
            format!(
                "break-glass opens nothing: cannot trust {path}: owned or writable by another user"
            )
        );
        set_permissions(&paths.break_glass, Permissions::from_mode(0o644)).unwrap();
        let etc = paths.break_glass.parent().unwrap();
        set_permissions(etc, Permissions::from_mode(0o775)).unwrap();
        assert_eq!(
            shut(&paths),
            format!(
                "break-glass opens nothing: cannot trust {etc:?}: owned or writable by another user"
            )
        );
    }
}
