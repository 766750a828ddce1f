//! Parses single values of the settings.
//!
//! In: strings of the settings file. Out: absolute paths, times, percentages and origins, each
//! within its bounds; or one sentence that says what was expected. The caller adds the line number.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::banlist::text::is_origin;
use crate::report::line;
use crate::sys::clock;
use crate::sys::digits::is_number;

/// At most this many entries are allowed in a list in the settings.
const MOST_ENTRIES: usize = 64;
/// The longest span: ten years, in seconds.
const LONGEST_SPAN: u64 = 3_650 * 86_400;
/// The longest URL, in characters. An engine cuts long lines, and the URL is at the end.
const LONGEST_URL: usize = 200;
/// The largest percentage.
const ALL: u8 = 100;
/// The longest time without progress that may be set, in milliseconds. kubelet and containerd wait
/// longer before they give up.
const LONGEST_WAIT: u64 = 10_000;

/// An absolute path.
pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    AbsolutePath::deserialize(from).map(PathBuf::from)
}

/// An absolute path for a key that may be missing.
pub(super) fn some_path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    path(from).map(Some)
}

/// A list of absolute paths.
pub(super) fn paths<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
    let paths: Vec<AbsolutePath> = few(from)?;
    Ok(paths.into_iter().map(PathBuf::from).collect())
}

/// A list with a bounded number of entries.
pub(super) fn few<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let entries = Vec::deserialize(from)?;
    if entries.len() > MOST_ENTRIES {
        let found = entries.len();
        return Err(Error::custom(format_args!(
            "expected at most {MOST_ENTRIES} entries, not {found}"
        )));
    }
    Ok(entries)
}

/// A time span in whole seconds.
pub(super) fn span<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    match clock::duration(&text) {
        Some(span) if span <= LONGEST_SPAN => Ok(span),
        Some(_) | None => Err(Error::custom(format_args!(
            "expected a time such as \"30d\", at most \"3650d\", not {text:?}"
        ))),
    }
}

/// How long the search for a container's lineage may go without progress.
pub(super) fn wait<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    match clock::milliseconds(&text) {
        Some(length @ 1..=LONGEST_WAIT) => Ok(Duration::from_millis(length)),
        Some(_) | None => Err(Error::custom(format_args!(
            "expected a time such as \"5s\", at least \"1ms\" and at most \"10s\", not {text:?}"
        ))),
    }
}

/// A share of a node's containers, in percent.
pub(super) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    let text = String::deserialize(from)?;
    if let Some(digits) = text.strip_suffix('%')
        && is_number(digits)
        && let Ok(share @ 0..=ALL) = digits.parse()
    {
        return Ok(share);
    }
    Err(Error::custom(format_args!(
        "expected a share such as \"50%\", at most \"100%\", not {text:?}"
    )))
}

/// The name of the list's publisher, as the list's head and the keyset write it.
pub(super) fn some_origin<'de, D>(from: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(from)?;
    if is_origin(&text) {
        Ok(Some(text))
    } else {
        Err(Error::custom(format_args!(
            "expected an origin such as \"bans.example.com/prod\", not {text:?}"
        )))
    }
}

/// The URL of a page for people. It has only characters that need no quotes in a line and no
/// escapes in a log.
pub(super) fn some_url<'de, D>(from: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(from)?;
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    if text.len() <= LONGEST_URL
        && rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric()))
        && line::is_made_of(&text, line::UNQUOTED)
    {
        Ok(Some(text))
    } else {
        Err(Error::custom(format_args!(
            "expected a URL such as \"https://wiki.example.com/embargo\", of at most {LONGEST_URL} \
             characters, not {text:?}"
        )))
    }
}

/// A path that starts at the root and that can be passed to the kernel.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AbsolutePath(PathBuf);

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

impl From<AbsolutePath> for PathBuf {
    fn from(path: AbsolutePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{self, SeqDeserializer, StrDeserializer};

    use super::*;

    fn text(value: &str) -> StrDeserializer<'_, value::Error> {
        StrDeserializer::new(value)
    }

    #[test]
    fn values_have_bounds() {
        assert_eq!(span(text("3650d")), Ok(315_360_000));
        assert_eq!(
            span(text("3651d")).unwrap_err().to_string(),
            "expected a time such as \"30d\", at most \"3650d\", not \"3651d\""
        );
        assert!(span(text("10ms")).is_err());
        assert_eq!(span(text("2w")), Ok(1_209_600));
        assert_eq!(wait(text("250ms")), Ok(Duration::from_millis(250)));
        assert_eq!(wait(text("10s")), Ok(Duration::from_secs(10)));
        assert!(wait(text("0ms")).is_err());
        assert!(wait(text("11s")).is_err());
        assert_eq!(
            ["0%", "50%", "100%"].map(|share_of| share(text(share_of))),
            [Ok(0), Ok(50), Ok(100)]
        );
        for written in ["", "%", "50", "101%", "-1%", "+5%", "50.5%", "50 %", "256%"] {
            assert_eq!(
                share(text(written)).unwrap_err().to_string(),
                format!("expected a share such as \"50%\", at most \"100%\", not {written:?}")
            );
        }
        for written in ["runc", "", "./runc", "/a\0b"] {
            assert_eq!(
                path(text(written)).unwrap_err().to_string(),
                format!("expected an absolute path, not {written:?}")
            );
        }
        assert!(some_origin(text("a b")).is_err());
        assert!(some_origin(text("")).is_err());
        // An origin must not be longer than a list's head allows. Otherwise the node would wait for
        // a list that cannot exist.
        assert!(some_origin(text(&"o".repeat(128))).is_ok());
        assert!(some_origin(text(&"o".repeat(129))).is_err());
        for written in [
            "https://wiki.example.com/embargo?page=refused#banned",
            "http://10.0.0.1:8080/",
        ] {
            assert_eq!(some_url(text(written)), Ok(Some(written.to_owned())));
        }
        let longest = format!("https://{}", "a".repeat(192));
        assert!(some_url(text(&longest)).is_ok());
        for written in [
            "",
            "https://",
            "https:///x",
            "ftp://example.com/",
            "wiki.example.com",
            "https://example.com/a b",
            "https://example.com/\u{1b}[2J",
            "https://example.com/; list 999",
            "https://example.com/ü",
            &format!("{longest}a"),
        ] {
            assert_eq!(
                some_url(text(written)).unwrap_err().to_string(),
                format!(
                    "expected a URL such as \"https://wiki.example.com/embargo\", of at most 200 \
                     characters, not {written:?}"
                )
            );
        }
        let numbers = |count: u8| few::<_, u8>(SeqDeserializer::<_, value::Error>::new(0..count));
        assert!(numbers(64).is_ok());
        assert_eq!(
            numbers(65).unwrap_err().to_string(),
            "expected at most 64 entries, not 65"
        );
    }
}
