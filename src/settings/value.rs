//! Parses single values of the settings.
//!
//! In: strings of the settings file. Out: absolute paths, times, percentages and origins, each
//! within its bounds; or one sentence that says what was expected. The caller adds the line number.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::banlist::text::is_origin;
use crate::sys::clock;

/// At most this many entries are allowed in a list in the settings.
const MOST_ENTRIES: usize = 64;
/// The longest time span: ten years, in milliseconds.
const LONGEST_SPAN: u64 = 3_650 * 86_400_000;
/// The largest percentage.
const ALL: u8 = 100;
/// The longest wait for an engine's answer, in milliseconds. kubelet and containerd wait longer
/// than that before they give up.
const LONGEST_WAIT: u64 = 10_000;

/// An absolute path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AbsolutePath(pub(super) PathBuf);

impl TryFrom<String> for AbsolutePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') && text.len() < 4_096 && !text.contains('\0') {
            Ok(Self(text.into()))
        } else {
            Err(format!("expected an absolute path, not {text:?}"))
        }
    }
}

/// A time span in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Span(pub(super) u64);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = |length: &u64| *length <= LONGEST_SPAN && length.is_multiple_of(1_000);
        let length = clock::milliseconds(&text).filter(fits);
        length.map(|length| Self(length / 1_000)).ok_or_else(|| {
            format!("expected a time such as \"30d\", at most \"3650d\", not {text:?}")
        })
    }
}

/// How long the search for a container's lineage may make no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Wait(pub(super) Duration);

impl TryFrom<String> for Wait {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let length =
            clock::milliseconds(&text).filter(|length| (1..=LONGEST_WAIT).contains(length));
        let wait = length.map(|length| Self(Duration::from_millis(length)));
        wait.ok_or_else(|| {
            format!(
                "expected a time such as \"5s\", at least \"1ms\" and at most \"10s\", not {text:?}"
            )
        })
    }
}

/// A share of a node's containers, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Share(pub(super) u8);

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text
            .strip_suffix('%')
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let share = digits
            .and_then(|digits| digits.parse().ok())
            .filter(|share| *share <= ALL);
        share.map(Self).ok_or_else(|| {
            format!("expected a share such as \"50%\", at most \"100%\", not {text:?}")
        })
    }
}

/// The name of the list's publisher, as the list's head and the keyset write it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct OriginName(pub(super) String);

impl TryFrom<String> for OriginName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_origin(&text) {
            Ok(Self(text))
        } else {
            Err(format!(
                "expected an origin such as \"bans.example.com/prod\", not {text:?}"
            ))
        }
    }
}

/// A list with a bounded number of entries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<T>", bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Few<T>(pub(super) Vec<T>);

impl<T> TryFrom<Vec<T>> for Few<T> {
    type Error = String;

    fn try_from(entries: Vec<T>) -> Result<Self, String> {
        if entries.len() > MOST_ENTRIES {
            return Err(format!(
                "expected at most {MOST_ENTRIES} entries, not {}",
                entries.len()
            ));
        }
        Ok(Self(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_bounds() {
        assert_eq!(Span::try_from("3650d".to_owned()), Ok(Span(315_360_000)));
        assert_eq!(
            Span::try_from("3651d".to_owned()).unwrap_err(),
            "expected a time such as \"30d\", at most \"3650d\", not \"3651d\""
        );
        assert!(Span::try_from("10ms".to_owned()).is_err());
        assert_eq!(Span::try_from("2w".to_owned()), Ok(Span(1_209_600)));
        assert_eq!(
            Wait::try_from("250ms".to_owned()),
            Ok(Wait(Duration::from_millis(250)))
        );
        assert_eq!(
            Wait::try_from("10s".to_owned()),
            Ok(Wait(Duration::from_secs(10)))
        );
        assert!(Wait::try_from("0ms".to_owned()).is_err());
        assert!(Wait::try_from("11s".to_owned()).is_err());
        assert_eq!(
            ["0%", "50%", "100%"].map(|text| Share::try_from(text.to_owned())),
            [Ok(Share(0)), Ok(Share(50)), Ok(Share(100))]
        );
        for share in ["", "%", "50", "101%", "-1%", "+5%", "50.5%", "50 %", "256%"] {
            assert_eq!(
                Share::try_from(share.to_owned()).unwrap_err(),
                format!("expected a share such as \"50%\", at most \"100%\", not {share:?}")
            );
        }
        for path in ["runc", "", "./runc", "/a\0b"] {
            assert_eq!(
                AbsolutePath::try_from(path.to_owned()).unwrap_err(),
                format!("expected an absolute path, not {path:?}")
            );
        }
        assert!(OriginName::try_from("a b".to_owned()).is_err());
        assert!(OriginName::try_from(String::new()).is_err());
        // An origin must not be longer than a list's head allows. Otherwise the node would wait for
        // a list that cannot exist.
        assert!(OriginName::try_from("o".repeat(128)).is_ok());
        assert!(OriginName::try_from("o".repeat(129)).is_err());
        assert!(Few::try_from(vec![0; 64]).is_ok());
        assert_eq!(
            Few::try_from(vec![0; 65]).unwrap_err(),
            "expected at most 64 entries, not 65"
        );
    }
}
