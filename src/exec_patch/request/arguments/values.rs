//! Parses single values of the command line.
//!
//! In: one argument. Out: a user, a size, a number or another value, within its bounds; or one
//! sentence that says what was expected.

use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::banlist::source;
use crate::container::engine::Engine;
use crate::exec_patch::request::limits::Quota;
use crate::sys::clock;

/// The longest time limit for one container: a day, in seconds.
const LONGEST_TIMEOUT: u64 = 86_400;

/// The longest wait for another run: a week, in seconds.
const LONGEST_WAIT: u64 = 604_800;

/// The largest value of `--output-limit`, the limit on the stored output of one container: 1 GiB.
const MOST_OUTPUT: u64 = 1 << 30;

/// The longest text that may name a run, in bytes.
const LONGEST_RUN: usize = 64;

impl ValueEnum for Engine {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Docker,
            Self::Containerd,
            Self::Podman,
            Self::CriO,
            Self::BuildKit,
            Self::Buildah,
            Self::Unknown,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()))
    }
}

/// The value, or else the sentence that says what was expected.
fn expected<T>(value: Option<T>, what: &str) -> Result<T, String> {
    match value {
        Some(value) => Ok(value),
        None => Err(format!("expected {what}")),
    }
}

/// The text, if `fits` is set.
fn text_if(fits: bool, text: &str, what: &str) -> Result<String, String> {
    expected(fits.then_some(text.to_owned()), what)
}

fn digits<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// A number of containers.
pub(super) fn number(text: &str) -> Result<usize, String> {
    expected(digits(text), "a number such as 1, or 0 for none")
}

/// A number of containers, or a percentage of the matching ones.
pub(super) fn share(text: &str) -> Result<Quota, String> {
    expected(
        text.parse().ok(),
        "a number such as 5, or a share such as 10%, at most 100%",
    )
}

/// A number of containers or a percentage, but not zero.
pub(super) fn parallel(text: &str) -> Result<Quota, String> {
    match share(text)? {
        Quota::Number(0) | Quota::Percent(0) => {
            Err("nothing would ever run; expected 1 or more".to_owned())
        }
        amount @ (Quota::Number(_) | Quota::Percent(_)) => Ok(amount),
    }
}

/// A ban's ID, by the rules of the list's source.
pub(super) fn ban(text: &str) -> Result<String, String> {
    text_if(
        source::is_id(text),
        text,
        "a ban's ID such as BAN-2026-0007",
    )
}

pub(super) fn not_empty(text: &str) -> Result<String, String> {
    text_if(!text.is_empty(), text, "at least one character")
}

/// `UID` or `UID:GID`. Names are not allowed: only the container defines them, and no runtime
/// accepts them.
pub(super) fn user(text: &str) -> Result<(u32, u32), String> {
    let (user, group) = text.split_once(':').unwrap_or((text, text));
    expected(
        id(user).zip(id(group)),
        "numbers, such as 1000 or 1000:1000; names are the container's own",
    )
}

/// The number of a user or a group. The largest number means "none" to the kernel (setresuid(2)).
fn id(text: &str) -> Option<u32> {
    digits(text).filter(|id| *id != u32::MAX)
}

/// A variable: `NAME=VALUE`.
pub(super) fn variable(text: &str) -> Result<String, String> {
    let has_name = text.find('=').is_some_and(|at| at > 0);
    text_if(has_name, text, "NAME=VALUE")
}

pub(super) fn directory(text: &str) -> Result<String, String> {
    text_if(
        text.starts_with('/'),
        text,
        "an absolute path in the container",
    )
}

/// A time limit, in seconds.
pub(super) fn timeout(text: &str) -> Result<u64, String> {
    let seconds = clock::duration(text).filter(|seconds| (1..=LONGEST_TIMEOUT).contains(seconds));
    expected(seconds, "a span from 1s to 24h, such as 90s or 10m")
}

/// The longest wait, in seconds.
pub(super) fn wait(text: &str) -> Result<u64, String> {
    let seconds = clock::duration(text).filter(|seconds| *seconds <= LONGEST_WAIT);
    expected(seconds, "a duration of at most 7d, such as 30s or 10m")
}

/// The age of a run, in seconds.
pub(super) fn age(text: &str) -> Result<u64, String> {
    expected(clock::duration(text), "an age such as 12h, 90d or 52w")
}

/// A size, in bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches(['K', 'M', 'G']);
    let unit = match &text[number.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => 0,
    };
    let what = "a number of bytes of at most 1G, such as 65536, 64K or 1M";
    match digits::<u64>(number).unwrap_or(u64::MAX).checked_mul(unit) {
        Some(bytes @ ..=MOST_OUTPUT) if unit > 0 => Ok(bytes),
        Some(_) | None => expected(None, what),
    }
}

/// The ID of a run, its beginning, or `last`. The text cannot form another path.
pub(super) fn run(text: &str) -> Result<String, String> {
    let is_run = (1..=LONGEST_RUN).contains(&text.len())
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-'));
    text_if(
        is_run,
        text,
        "a run such as 20261120-141502-7f3a, or last; --history shows them",
    )
}
