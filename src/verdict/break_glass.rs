//! Did root break the glass?
//!
//! `/etc/embargo/break-glass` is root's own way out when a ban, a list or a store must not stop a node just now: a reason and a time limit, in TOML.
//! Within the limit everything starts and every admission is an audit event. In: that file (may be half-written or misspelt). Out: what it says,
//! or why it is ignored; it never opens anything by being broken. Not checked: whether the reason is a good one.
//!
//! ```toml
//! reason = "INC-4711: registry down, base cannot be replaced before the morning"
//! until = "2026-11-20T18:00:00Z"
//! ```

use serde::Deserialize;

use crate::paths::Paths;
use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};

/// The largest such file that makes sense, in bytes.
const LARGEST: u64 = 4_096;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakGlass {
    /// Everything may start until then.
    Given {
        /// Why, for the audit event.
        reason: String,
        /// The first second at which it no longer holds.
        until: Timestamp,
    },
    /// The file is there and cannot be used: why.
    Unusable(String),
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    reason: String,
    until: toml::Value,
}

/// Reads the node's break-glass file; `None` when there is none.
#[must_use]
pub fn load(paths: &Paths) -> Option<BreakGlass> {
    match file::read_text(&paths.break_glass, LARGEST, Guard::Owned) {
        Ok(text) => Some(parse(&text).unwrap_or_else(|fault| {
            let path = &paths.break_glass;
            BreakGlass::Unusable(format!("cannot use {path:?}: {fault}"))
        })),
        Err(error) if error.is_absent() => None,
        Err(error) => Some(BreakGlass::Unusable(line::causes(&error))),
    }
}

/// What `text` says, or what is wrong with it.
fn parse(text: &str) -> Result<BreakGlass, String> {
    let written = toml::from_str::<Written>(text).map_err(|error| line::one_line(error.message()))?;
    if written.reason.trim().is_empty() {
        return Err("expected a reason".to_owned());
    }
    let until = match &written.until {
        toml::Value::String(text) => Timestamp::parse(text),
        toml::Value::Datetime(time) => Timestamp::parse(&time.to_string()),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    };
    let until = until.ok_or("expected until = \"YYYY-MM-DDThh:mm:ssZ\"")?;
    Ok(BreakGlass::Given { reason: written.reason, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_and_a_limit_are_both_needed() {
        let given = |until: &str| BreakGlass::Given { reason: "INC-1".into(), until: Timestamp::parse(until).unwrap() };
        for (text, expected) in [
            ("reason = 'INC-1'\nuntil = '2026-11-20T18:00:00Z'\n", Ok(given("2026-11-20T18:00:00Z"))),
            ("reason = 'INC-1'\nuntil = 2026-11-20T18:00:00Z\n", Ok(given("2026-11-20T18:00:00Z"))),
            ("reason = 'INC-1'\nuntil = 2026-11-21\n", Ok(given("2026-11-21"))),
            ("", Err("missing field `reason`")),
            ("reason = 'INC-1'\n", Err("missing field `until`")),
            ("reason = ' '\nuntil = '2026-11-20'\n", Err("expected a reason")),
            ("reason = 'INC-1'\nuntil = 'tomorrow'\n", Err("expected until = \"YYYY-MM-DDThh:mm:ssZ\"")),
            ("reason = 'INC-1'\nuntil = 2026-11-20T18:00:00+01:00\n", Err("expected until = \"YYYY-MM-DDThh:mm:ssZ\"")),
            ("reason = 'INC-1'\nuntil = true\n", Err("expected until = \"YYYY-MM-DDThh:mm:ssZ\"")),
            ("reason = 'INC-1'\nuntil = '2026-11-20'\nall = 1\n", Err("unknown field `all`, expected `reason` or `until`")),
        ] {
            assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_says_so_and_no_file_says_nothing() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path());
        assert_eq!(load(&paths), None);
        std::fs::create_dir_all(&paths.break_glass).unwrap();
        let path = format!("{:?}", paths.break_glass);
        assert_eq!(load(&paths), Some(BreakGlass::Unusable(format!("cannot read {path}: not a regular file"))));
        std::fs::remove_dir(&paths.break_glass).unwrap();
        tempfile::NamedTempFile::new_in(root.path()).unwrap().persist(&paths.break_glass).unwrap();
        assert_eq!(load(&paths), Some(BreakGlass::Unusable(format!("cannot use {path}: missing field `reason`"))));
    }
}
