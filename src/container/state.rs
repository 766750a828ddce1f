//! Reads the state of a container that a runtime writes to the standard input of an OCI hook.
//!
//! In: a JSON document (OCI runtime-spec, runtime.md "State", config.md "POSIX-platform Hooks").
//! The runtime writes the document, but the annotations in it are text that users and image authors
//! chose, and may be large. Out: [`State`], the container's ID and its bundle, which is all that
//! Embargo needs; everything else is skipped. Not checked: whether the bundle exists.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use super::ContainerId;
use super::bundle::LARGEST_SPEC;

/// The size, in bytes, of the largest state that is read. The annotations of the runtime spec are
/// part of the state.
const LARGEST_STATE: u64 = LARGEST_SPEC;

/// The part of a container's state that Embargo uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The container's ID.
    pub id: ContainerId,
    /// The bundle's directory: an absolute path.
    pub bundle: PathBuf,
}

/// The keys of the state that are read. A key that occurs twice is an error.
#[derive(Deserialize)]
struct WrittenState<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    bundle: Cow<'a, Path>,
}

/// Why a container's state could not be read.
#[derive(Debug, Error)]
pub enum StateInputError {
    /// The operating system reported an error.
    #[error("cannot read the container's state on standard input")]
    Input(#[from] io::Error),
    /// The state is larger than the limit, which is given in bytes.
    #[error("cannot read the container's state on standard input: larger than {0} bytes")]
    TooLarge(u64),
    /// The state is not JSON with an ID and a bundle.
    #[error("cannot parse the container's state on standard input")]
    Json(#[from] serde_json::Error),
    /// The container ID is not safe to use in a path.
    #[error("cannot use {0:?} as a container ID")]
    Id(String),
    /// The bundle's path is relative.
    #[error("cannot use the bundle {0:?} of the container's state: not an absolute path")]
    Bundle(PathBuf),
}

impl State {
    /// Reads a state to its end.
    ///
    /// # Errors
    /// [`StateInputError`].
    pub fn read(input: impl Read) -> Result<Self, StateInputError> {
        let mut json = Vec::new();
        input.take(LARGEST_STATE + 1).read_to_end(&mut json)?;
        if json.len() as u64 > LARGEST_STATE {
            return Err(StateInputError::TooLarge(LARGEST_STATE));
        }
        Self::parse(&json)
    }

    /// Parses a state.
    ///
    /// # Errors
    /// [`StateInputError`], except those of reading.
    pub fn parse(json: &[u8]) -> Result<Self, StateInputError> {
        let WrittenState { id, bundle } = serde_json::from_slice(json)?;
        let Some(id) = ContainerId::parse(&id) else {
            return Err(StateInputError::Id(id.into_owned()));
        };
        if !bundle.is_absolute() {
            return Err(StateInputError::Bundle(bundle.into_owned()));
        }
        Ok(Self {
            id,
            bundle: bundle.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::line;

    fn parsed(json: &str) -> Result<State, String> {
        State::parse(json.as_bytes()).map_err(|error| line::causes(&error))
    }

    #[test]
    fn only_the_id_and_the_bundle_are_used() {
        let state = State {
            id: ContainerId::parse("web-1").unwrap(),
            bundle: "/b/\"1\"".into(),
        };
        for json in [
            // runc 1.1.5
            r#"{"ociVersion":"1.0.2-dev","id":"web-1","status":"creating","pid":42,
                "bundle":"/b/\"1\"","annotations":{"id":"other","bundle":"/other"}}"#,
            // crun 1.8.1
            r#"{"ociVersion":"1.0","id":"web-1","pid":42,"root":"/b/rootfs",
                "bundle":"/b/\"1\"","status":"created"}"#,
            r#"{"id":"web-1","bundle":"/b/\"1\"","ID":"other","status":null}"#,
        ] {
            assert_eq!(parsed(json).as_ref(), Ok(&state), "{json}");
        }
    }

    #[test]
    fn what_is_not_a_state_is_an_error() {
        let unparsed = "cannot parse the container's state on standard input: ";
        for (json, message) in [
            (
                "",
                format!("{unparsed}EOF while parsing a value at line 1 column 0"),
            ),
            (
                r#"{"id":"web-1"}"#,
                format!("{unparsed}missing field `bundle` at line 1 column 14"),
            ),
            (
                r#"{"id":"web-1","id":"other","bundle":"/b"}"#,
                format!("{unparsed}duplicate field `id` at line 1 column 18"),
            ),
            (
                r#"{"id":"a/b","bundle":"/b"}"#,
                "cannot use \"a/b\" as a container ID".to_owned(),
            ),
            (
                r#"{"id":"web-1","bundle":"b"}"#,
                "cannot use the bundle \"b\" of the container's state: not an absolute path"
                    .to_owned(),
            ),
        ] {
            assert_eq!(parsed(json), Err(message), "{json}");
        }
    }

    #[test]
    fn a_state_of_any_size_is_not_read_past_the_limit() {
        let endless = State::read(io::repeat(b' ')).unwrap_err();
        assert_eq!(
            endless.to_string(),
            "cannot read the container's state on standard input: larger than 16777216 bytes"
        );
    }

    #[test]
    fn deeply_nested_annotations_are_skipped() {
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        let json = format!(r#"{{"annotations":{open}{close},"id":"web-1","bundle":"/b"}}"#);
        assert!(parsed(&json).is_ok());
    }
}
