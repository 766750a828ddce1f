//! Defines the limits of a run: how many containers may be patched at once, and how many may fail.
//!
//! Plain data, as typed and as the journal has it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of containers, or a percentage of a run's containers. In JSON it is text, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Quota {
    /// A number.
    Number(usize),
    /// Per cent, 0 to 100.
    Percent(u8),
}

impl FromStr for Quota {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = "a number, or 0% to 100%";
        let digits = text.strip_suffix('%').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(fault);
        }
        if digits.len() == text.len() {
            return digits.parse().map(Self::Number).or(Err(fault));
        }
        match digits.parse() {
            Ok(percent @ 0..=100) => Ok(Self::Percent(percent)),
            Ok(_) | Err(_) => Err(fault),
        }
    }
}

impl TryFrom<String> for Quota {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Quota> for String {
    fn from(share: Quota) -> Self {
        share.to_string()
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Quota {
    /// The window as a number: a percentage of `matches` is rounded up. The window is at least 1;
    /// otherwise nothing would ever start.
    #[must_use]
    pub fn window(self, matches: usize) -> usize {
        let exact = match self {
            Self::Number(number) => number,
            Self::Percent(percent) => usize::from(percent).saturating_mul(matches).div_ceil(100),
        };
        exact.max(1)
    }

    /// The failure limit as a number: a percentage of `matches` is rounded down.
    #[must_use]
    pub const fn limit(self, matches: usize) -> usize {
        match self {
            Self::Number(number) => number,
            Self::Percent(percent) => (percent as usize).saturating_mul(matches) / 100,
        }
    }
}

/// The limits of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How many containers go first, one by one. The other containers follow only if the command
    /// succeeded in all of these.
    pub canary: usize,
    /// How many containers may be under way at once. A percentage is of the matches of the first
    /// plan.
    pub parallel: Quota,
    /// The run starts no further container once more than this many have failed. A percentage is of
    /// all matches, including those found later, and is rounded down. The patches under way are
    /// finished, so more may fail than this limit allows.
    pub max_failures: Quota,
}
