//! Decides which container is next, and when to stop.
//!
//! Pure. In: how many containers there are, the settings for canaries, the window and failures, and
//! each outcome as it comes. Out: which container starts now, or that none does, and why. It knows
//! nothing of time, processes or containers: a container is its place in the queue.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;

/// A number of containers, or a part of those that a run holds. In JSON it is text, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Share {
    /// So many.
    Number(usize),
    /// Per cent, 0 to 100.
    Percent(u8),
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = "a number, or 0% to 100%";
        let digits = text.strip_suffix('%').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(fault);
        }
        if digits.len() == text.len() {
            return digits.parse().map(Self::Number).map_err(|_| fault);
        }
        digits
            .parse()
            .ok()
            .filter(|percent| *percent <= 100)
            .map(Self::Percent)
            .ok_or(fault)
    }
}

impl TryFrom<String> for Share {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Share {
    /// A window: part of `matches` rounded up, and at least 1, or nothing would ever begin.
    fn window(self, matches: usize) -> usize {
        let exact = match self {
            Self::Number(number) => number,
            Self::Percent(percent) => usize::from(percent).saturating_mul(matches).div_ceil(100),
        };
        exact.max(1)
    }

    /// A limit on failures: part of `matches` rounded down.
    const fn limit(self, matches: usize) -> usize {
        match self {
            Self::Number(number) => number,
            Self::Percent(percent) => (percent as usize).saturating_mul(matches) / 100,
        }
    }
}

/// What was said about the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// So many containers go first, one by one; the rest only when the command did its work in all
    /// of them.
    pub canary: usize,
    /// At most so many at once. A percentage is of the matches of the first plan.
    pub parallel: Share,
    /// The run starts no further container once more than this have failed. A percentage is of all
    /// that match, those that are found meanwhile included, rounded down. Those under way are
    /// finished, so that more may fail than were allowed.
    pub max_failures: Share,
}

/// Why nobody begins any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Halt {
    /// The command did not do its work in a canary.
    Canary,
    /// More have failed than were allowed.
    Failures {
        /// So many failures were allowed.
        allowed: usize,
    },
    /// Somebody asked for it.
    Asked,
    /// What is done cannot be written down.
    Journal,
    /// Which containers were started meanwhile cannot be told.
    Scan,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary => f.write_str("the canary failed"),
            Self::Failures { allowed } => write!(f, "more than {allowed} failed"),
            Self::Asked => f.write_str("it was told to stop"),
            Self::Journal => f.write_str("the journal cannot be written"),
            Self::Scan => f.write_str("it could not look for more containers"),
        }
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The container at this place of the queue begins; it is under way from now on.
    Start(usize),
    /// Nobody begins until somebody ends.
    Wait,
    /// Nobody begins any more, and nobody is under way.
    Stop(Halt),
    /// Everybody has ended.
    Finished,
}

/// The pace of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Canaries that have yet to show that the command does its work.
    canaries: usize,
    window: usize,
    max_failures: Share,
    /// How many containers the run holds, those included that nothing is to be done for.
    matches: usize,
    /// How long the queue is.
    queue: usize,
    /// The first one of the queue that has not begun.
    next: usize,
    under_way: usize,
    failed: usize,
    halt: Option<Halt>,
}

impl Pace {
    /// A run whose first plan has so many `matches`, those included that nothing is to be done for.
    /// The queue is empty.
    #[must_use]
    pub fn new(limits: Limits, matches: usize) -> Self {
        Self {
            canaries: limits.canary,
            window: limits.parallel.window(matches),
            max_failures: limits.max_failures,
            matches,
            queue: 0,
            next: 0,
            under_way: 0,
            failed: 0,
            halt: None,
        }
    }

    /// So many more join the queue.
    pub const fn add(&mut self, number: usize) {
        self.queue += number;
    }

    /// So many more match, whether or not something is to be done for them: a limit on failures
    /// that is a share grows with them.
    pub const fn hold(&mut self, matches: usize) {
        self.matches += matches;
    }

    /// Who begins now? To be asked again until the answer is another than [`Step::Start`].
    pub const fn next(&mut self) -> Step {
        let window = if self.canaries > 0 { 1 } else { self.window };
        match self.halt {
            Some(halt) if self.under_way == 0 => Step::Stop(halt),
            None if self.next < self.queue && self.under_way < window => {
                self.next += 1;
                self.under_way += 1;
                Step::Start(self.next - 1)
            }
            None if self.next == self.queue && self.under_way == 0 => Step::Finished,
            Some(_) | None => Step::Wait,
        }
    }

    /// One that was under way has ended. A canary is one in which the command ran: whoever was
    /// paused, gone, not to be entered, or had nothing to be done leaves its place to the next one.
    pub fn ended(&mut self, outcome: &Outcome) {
        self.under_way = self.under_way.saturating_sub(1);
        self.failed += usize::from(outcome.is_failure());
        let is_canary = self.canaries > 0;
        match outcome {
            Outcome::Patched => self.canaries = self.canaries.saturating_sub(1),
            // Whether it ran in one whose worker is gone nobody knows: for a canary that is reason
            // enough.
            Outcome::Failed { .. }
            | Outcome::TimedOut
            | Outcome::Survived { .. }
            | Outcome::Cancelled { .. }
            | Outcome::LeftAwake { .. }
            | Outcome::Interrupted
                if is_canary =>
            {
                self.halt = self.halt.or(Some(Halt::Canary));
            }
            Outcome::Failed { .. }
            | Outcome::TimedOut
            | Outcome::Survived { .. }
            | Outcome::Cancelled { .. }
            | Outcome::LeftAwake { .. }
            | Outcome::Interrupted
            | Outcome::AlreadyFine
            | Outcome::PatchedBefore { .. }
            | Outcome::Paused
            | Outcome::Vanished
            | Outcome::Restarting { .. }
            | Outcome::CouldNotEnter { .. }
            | Outcome::NotUnderstood { .. }
            | Outcome::NotBegun => {}
        }
        let allowed = self.max_failures.limit(self.matches);
        if self.failed > allowed {
            self.halt = self.halt.or(Some(Halt::Failures { allowed }));
        }
    }

    /// Nobody begins any more. The first reason stands.
    pub fn stop(&mut self, reason: Halt) {
        self.halt = self.halt.or(Some(reason));
    }

    /// Whether nobody begins any more.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.halt.is_some()
    }

    /// So many canaries have shown already that the command does its work: in the run that this one
    /// resumes.
    pub const fn have_passed(&mut self, canaries: usize) {
        self.canaries = self.canaries.saturating_sub(canaries);
    }

    /// How many are under way.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Those of the queue that have not begun.
    #[must_use]
    pub const fn not_begun(&self) -> std::ops::Range<usize> {
        self.next..self.queue
    }
}

#[cfg(test)]
mod tests;
