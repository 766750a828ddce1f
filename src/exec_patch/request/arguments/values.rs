//! Parses single values of the command line.
//!
//! In: one argument. Out: a user, a size, an amount and so on within their bounds, or one sentence
//! that says what was expected.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::banlist::source;
use crate::container::engine::Engine;
use crate::exec_patch::request::limits::Quota;
use crate::sys::clock;

/// The longest time for one container: a day, in seconds.
const LONGEST_TIMEOUT: u64 = 86_400;

/// The longest wait for another run: a week, in seconds.
const LONGEST_WAIT: u64 = 604_800;

/// The most output of one container that is kept: 1 GiB.
const MOST_OUTPUT: u64 = 1 << 30;

/// The longest name of a run.
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

/// A number of containers.
pub(super) fn number(text: &str) -> Result<usize, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| "expected a number such as 1, or 0 for none".to_owned())
}

/// A number of containers, or a share of the matches.
pub(super) fn share(text: &str) -> Result<Quota, String> {
    text.parse()
        .map_err(|_| "expected a number such as 5, or a share such as 10%, at most 100%".to_owned())
}

/// The same, but not zero.
pub(super) fn parallel(text: &str) -> Result<Quota, String> {
    match share(text)? {
        Quota::Number(0) | Quota::Percent(0) => {
            Err("nothing would ever run; expected 1 or more".to_owned())
        }
        amount @ (Quota::Number(_) | Quota::Percent(_)) => Ok(amount),
    }
}

/// A ban's name as the source takes it.
pub(super) fn ban(text: &str) -> Result<String, String> {
    source::is_id(text)
        .then(|| text.to_owned())
        .ok_or_else(|| "expected a ban's ID such as BAN-2026-0007".to_owned())
}

pub(super) fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("expected at least one character".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// `UID` or `UID:GID`. The container defines the names, and no runtime accepts them.
pub(super) fn user(text: &str) -> Result<(u32, u32), String> {
    let (user, group) = text.split_once(':').unwrap_or((text, text));
    // The last number means "none" to the kernel (setresuid(2)).
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|number| digits && *number != u32::MAX)
    };
    number(user).zip(number(group)).ok_or_else(|| {
        "expected numbers, such as 1000 or 1000:1000; names are the container's own".to_owned()
    })
}

/// `NAME=VALUE`.
pub(super) fn variable(text: &str) -> Result<String, String> {
    let named = text
        .split_once('=')
        .is_some_and(|(name, _)| !name.is_empty());
    named
        .then(|| text.to_owned())
        .ok_or_else(|| "expected NAME=VALUE".to_owned())
}

pub(super) fn directory(text: &str) -> Result<String, String> {
    text.starts_with('/')
        .then(|| text.to_owned())
        .ok_or_else(|| "expected an absolute path in the container".to_owned())
}

/// Seconds.
pub(super) fn timeout(text: &str) -> Result<u64, String> {
    let seconds = clock::duration(text).filter(|seconds| (1..=LONGEST_TIMEOUT).contains(seconds));
    seconds.ok_or_else(|| "expected a span from 1s to 24h, such as 90s or 10m".to_owned())
}

/// The longest wait, in seconds.
pub(super) fn wait(text: &str) -> Result<u64, String> {
    let seconds = clock::duration(text).filter(|seconds| *seconds <= LONGEST_WAIT);
    seconds.ok_or_else(|| "expected a duration of at most 7d, such as 30s or 10m".to_owned())
}

/// Seconds since something ended.
pub(super) fn age(text: &str) -> Result<u64, String> {
    clock::duration(text).ok_or_else(|| "expected an age such as 12h, 90d or 52w".to_owned())
}

/// Bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text
        .find(|letter: char| !letter.is_ascii_digit())
        .map(|at| text.split_at(at))
    {
        None => (text, 1),
        Some((digits, "K")) => (digits, 1 << 10),
        Some((digits, "M")) => (digits, 1 << 20),
        Some((digits, "G")) => (digits, 1 << 30),
        Some(_) => ("", 1),
    };
    let bytes = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes <= MOST_OUTPUT);
    bytes.ok_or_else(|| {
        "expected a number of bytes of at most 1G, such as 65536, 64K or 1M".to_owned()
    })
}

/// The name of a run, which cannot be used to form another path.
pub(super) fn run(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b'-';
    let is_run = (1..=LONGEST_RUN).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(legal);
    is_run.then(|| text.to_owned()).ok_or_else(|| {
        "expected a run such as 20261120-141502-7f3a, or last; --history shows them".to_owned()
    })
}
