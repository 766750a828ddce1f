//! Checks the values of the keys in a source.
//!
//! Every error has its position in the text.

use std::fmt;

use toml::Spanned;

use super::fault::SourceFault;
use crate::banlist::text::{MAX_ID, is_id, is_part};
use crate::lineage::digest::Digest;

/// The value of a key that must be there. `at` is where its table begins.
pub(super) fn required<T>(value: Option<T>, key: &str, at: usize) -> Result<T, SourceFault> {
    let what = format!("missing field `{key}`");
    value.ok_or(SourceFault { at, what })
}

pub(super) fn id_of_ban(text: &Spanned<String>) -> Result<String, SourceFault> {
    let expected = format_args!("id: expected a word of 1 to {MAX_ID} legal characters");
    fitting(text, is_id(text.get_ref()), expected)
}

pub(super) fn reason(text: &Spanned<String>) -> Result<String, SourceFault> {
    phrase(text, "reason", MAX_REASON)
}

pub(super) fn advisory(text: &Spanned<String>) -> Result<String, SourceFault> {
    word(text, "an advisory", 64)
}

pub(super) fn successor(text: &Spanned<String>) -> Result<String, SourceFault> {
    word(text, "successor", 512)
}

pub(super) fn ticket(text: &Spanned<String>) -> Result<String, SourceFault> {
    word(text, "ticket", 200)
}

pub(super) fn name(text: &Spanned<String>) -> Result<String, SourceFault> {
    phrase(text, "name", 512)
}

/// Checks a value, if there is one.
pub(super) fn optional<T, U>(
    value: Option<&T>,
    check: impl FnOnce(&T) -> Result<U, SourceFault>,
) -> Result<Option<U>, SourceFault> {
    value.map(check).transpose()
}

pub(super) fn digest(text: &Spanned<String>) -> Result<Digest, SourceFault> {
    let found = text.get_ref();
    match Digest::parse(found) {
        Ok(digest) => Ok(digest),
        Err(_) => {
            let what = format_args!("expected sha256:DIGEST, found {found:?}");
            Err(SourceFault::new(text, what))
        }
    }
}

/// The longest reason of a ban, in characters.
pub const MAX_REASON: usize = 200;

/// Whether `text` can be the reason of a ban.
#[must_use]
pub fn is_reason(text: &str) -> bool {
    is_phrase(text, MAX_REASON)
}

fn is_phrase(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// Returns the text if it `fits`; otherwise an error that says what was `expected`.
fn fitting(
    text: &Spanned<String>,
    fits: bool,
    expected: fmt::Arguments<'_>,
) -> Result<String, SourceFault> {
    let found = text.get_ref();
    if fits {
        Ok(found.clone())
    } else {
        Err(SourceFault::new(
            text,
            format_args!("{expected}, found {found:?}"),
        ))
    }
}

/// Checks a word of visible ASCII characters.
fn word(text: &Spanned<String>, key: &str, most: usize) -> Result<String, SourceFault> {
    let found = text.get_ref();
    let fits =
        (1..=most).contains(&found.len()) && found.bytes().all(|byte| byte.is_ascii_graphic());
    let expected = format_args!("{key}: expected a word of 1 to {most} legal characters");
    fitting(text, fits, expected)
}

/// Checks a phrase, which must be one line.
fn phrase(text: &Spanned<String>, key: &str, most: usize) -> Result<String, SourceFault> {
    let expected = format_args!("{key}: expected one line of 1 to {most} characters");
    fitting(text, is_phrase(text.get_ref(), most), expected)
}

pub(super) fn platform(text: &Spanned<String>) -> Result<String, SourceFault> {
    let found = text.get_ref();
    let fits = (2..=3).contains(&found.split('/').count())
        && found.split('/').all(|part| is_part(part, 32));
    fitting(
        text,
        fits,
        format_args!("platform: expected os/architecture[/variant]"),
    )
}

/// Checks a command: the arguments must not contain NUL, and the first must not be empty.
pub(super) fn command(
    arguments: &Spanned<Vec<String>>,
    key: &str,
) -> Result<Vec<String>, SourceFault> {
    let found = arguments.get_ref();
    let fits = found.first().is_some_and(|first| !first.is_empty()) && are_arguments(found);
    if fits {
        Ok(found.clone())
    } else {
        Err(SourceFault::new(
            arguments,
            format_args!("{key}: expected a command and its arguments"),
        ))
    }
}

/// Whether the kernel accepts these arguments.
pub(super) fn are_arguments(arguments: &[String]) -> bool {
    arguments.len() <= 256 && !arguments.iter().any(|argument| argument.contains('\0'))
}

pub(super) fn user(text: &Spanned<String>) -> Result<String, SourceFault> {
    let fits = match text.get_ref().split_once(':') {
        Some((user, group)) => is_number(user) && is_number(group),
        None => false,
    };
    fitting(
        text,
        fits,
        format_args!("user: expected UID:GID in numbers"),
    )
}

fn is_number(id: &str) -> bool {
    id.parse::<u32>()
        .is_ok_and(|number| number.to_string() == id)
}
