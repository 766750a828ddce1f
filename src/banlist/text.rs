//! Reads text in fixed lines, which can be written in only one way.
//!
//! Head, keyset and floor share this format: lines in a fixed order, `KEY VALUE` or `KEY: VALUE`,
//! single spaces, numbers without leading zeros. In: hostile text. Out: values; or the line that is
//! wrong, and what was expected in it.

use thiserror::Error;

use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

/// An error in a text: a line that does not have the expected format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: expected {expected}")]
pub struct Malformed {
    /// The line, counted from 1.
    pub line: usize,
    /// What was expected in the line.
    pub expected: &'static str,
}

/// The lines of a text that have not been read yet.
pub(super) struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// The lines of `text`.
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 0,
        }
    }

    /// The text after `prefix` in the next line.
    pub(super) fn after(
        &mut self,
        prefix: &str,
        expected: &'static str,
    ) -> Result<&'a str, Malformed> {
        if let Some(line) = self.next()
            && let Some(text) = line.strip_prefix(prefix)
        {
            return Ok(text);
        }
        Err(self.fault(expected))
    }

    /// Applies `read` to what [`Lines::after`] returns.
    pub(super) fn value<T>(
        &mut self,
        prefix: &str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, Malformed> {
        match read(self.after(prefix, expected)?) {
            Some(value) => Ok(value),
            None => Err(self.fault(expected)),
        }
    }

    /// Checks that the text after `prefix` in the next line is this one.
    pub(super) fn exactly(
        &mut self,
        prefix: &str,
        text: &str,
        expected: &'static str,
    ) -> Result<(), Malformed> {
        if self.after(prefix, expected)? == text {
            Ok(())
        } else {
            Err(self.fault(expected))
        }
    }

    /// The time after `prefix` in the next line, if it is after `earlier`.
    pub(super) fn time_after(
        &mut self,
        earlier: Timestamp,
        prefix: &str,
        expected: &'static str,
    ) -> Result<Timestamp, Malformed> {
        let later = self.value(prefix, expected, time)?;
        if later > earlier {
            Ok(later)
        } else {
            Err(self.fault(expected))
        }
    }

    /// The text after `prefix` in the next line, if the line starts with it.
    pub(super) fn optional(&mut self, prefix: &str) -> Option<&'a str> {
        if self.rest.starts_with(prefix) && self.rest.contains('\n') {
            self.next()?.strip_prefix(prefix)
        } else {
            None
        }
    }

    /// Checks that all lines have been read.
    pub(super) const fn end(&self, expected: &'static str) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed {
                line: self.line + 1,
                expected,
            })
        }
    }

    /// An error in the line that was read last.
    pub(super) const fn fault(&self, expected: &'static str) -> Malformed {
        Malformed {
            line: if self.line == 0 { 1 } else { self.line },
            expected,
        }
    }

    /// The next line. A line without a line feed raises the line number but is not returned.
    fn next(&mut self) -> Option<&'a str> {
        self.line += 1;
        let (line, rest) = self.rest.split_once('\n')?;
        self.rest = rest;
        Some(line)
    }
}

/// Reads a decimal number without sign or leading zeros.
pub(super) fn number(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    if canonical && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// Reads a time as the list writes it: `YYYY-MM-DDThh:mm:ssZ`, never the day alone.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    if text.len() == 20 {
        Timestamp::parse(text)
    } else {
        None
    }
}

/// Reads a digest.
pub(super) fn digest(text: &str) -> Option<Digest> {
    Digest::parse(text).ok()
}

/// Reads the origin of a list: visible ASCII, at most 128 characters.
pub(super) fn origin(text: &str) -> Option<String> {
    is_origin(text).then_some(text.to_owned())
}

/// Whether `text` can be the origin of a list: one to 128 visible ASCII characters, such as
/// `bans.example.com/prod`.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The longest ID of a ban, in characters.
pub const MAX_ID: usize = 64;

/// Whether `text` can be the ID of a ban.
#[must_use]
pub fn is_id(text: &str) -> bool {
    is_part(text, MAX_ID)
}

/// Whether `text` consists of 1 to `most` letters, digits, `.`, `_` and `-` only.
pub(super) fn is_part(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Reads `NAME=NUMBER` for each of `names`, in this order, with single spaces between them.
pub(super) fn numbers<const N: usize>(text: &str, names: [&str; N]) -> Option<[u64; N]> {
    let mut fields = text.split(' ');
    let mut values = [0; N];
    for (name, value) in names.iter().zip(&mut values) {
        *value = number(fields.next()?.strip_prefix(name)?.strip_prefix('=')?)?;
    }
    fields.next().is_none().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_a_time_and_a_digest_have_one_spelling() {
        let hex = "0123456789abcdef".repeat(4);
        for (text, value) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            ("-1", None),
            ("1 ", None),
            ("0x1", None),
            ("\u{661}", None),
            ("", None),
        ] {
            assert_eq!(number(text), value, "{text:?}");
        }
        for (text, fits) in [
            ("2026-11-20T14:00:00Z", true),
            ("2026-11-20", false),
            ("2026-11-20T14:00:00+00:00", false),
            ("2026-11-20T14:00:00z", false),
            ("2026-11-20t14:00:00Z", false),
            ("2026-11-20T14:00:60Z", false),
            ("2026-02-29T14:00:00Z", false),
        ] {
            assert_eq!(time(text).is_some(), fits, "{text:?}");
        }
        for (text, fits) in [
            (format!("sha256:{hex}"), true),
            (hex.clone(), false),
            (format!("sha256:{}", hex.to_uppercase()), false),
            (format!("sha256:{}", &hex[1..]), false),
            (format!("sha512:{hex}"), false),
        ] {
            assert_eq!(digest(&text).is_some(), fits, "{text:?}");
        }
    }
}
