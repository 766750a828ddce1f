//! Decides which container is next, and when to stop.
//!
//! Pure. In: how many containers there are, the settings for canaries, the window and failures, and
//! each outcome as it comes. Out: which container starts now, or that none does, and why. It knows
//! nothing of time, processes or containers: a container is its place in the queue.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;

/// A number of containers, or a share of a run's containers. In JSON it is text, as typed.
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
    /// The window: a share of `matches` rounded up, and at least 1, or nothing would ever start.
    fn window(self, matches: usize) -> usize {
        let exact = match self {
            Self::Number(number) => number,
            Self::Percent(percent) => usize::from(percent).saturating_mul(matches).div_ceil(100),
        };
        exact.max(1)
    }

    /// The limit on failures: a share of `matches` rounded down.
    const fn limit(self, matches: usize) -> usize {
        match self {
            Self::Number(number) => number,
            Self::Percent(percent) => (percent as usize).saturating_mul(matches) / 100,
        }
    }
}

/// The settings for the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How many containers go first, one by one; the rest only follow if the command succeeded in
    /// all of them.
    pub canary: usize,
    /// At most this many at once. A percentage is of the matches of the first plan.
    pub parallel: Quota,
    /// The run starts no further container once more than this have failed. A percentage is of all
    /// that match, including those found later, rounded down. Those under way are finished, so more
    /// may fail than were allowed.
    pub max_failures: Quota,
}

/// Why no further container starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Halt {
    /// The command did not succeed in a canary.
    Canary,
    /// More have failed than were allowed.
    Failures {
        /// How many failures were allowed.
        allowed: usize,
    },
    /// Somebody asked for it.
    Asked,
    /// The journal cannot be written.
    Journal,
    /// It is not known which containers were started meanwhile.
    Scan,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary => f.write_str("the canary failed"),
            Self::Failures { allowed } => write!(f, "more than {allowed} failed"),
            Self::Asked => f.write_str("it was asked to stop"),
            Self::Journal => f.write_str("the journal cannot be written"),
            Self::Scan => f.write_str("it could not look for more containers"),
        }
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// The container at this place of the queue starts; it is under way from now on.
    Start(usize),
    /// None starts until one ends.
    Wait,
    /// None starts any more, and none is under way.
    Stop(Halt),
    /// All have ended.
    Finished,
}

/// The pace of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Canaries that have yet to show that the command works.
    canaries: usize,
    window: usize,
    max_failures: Quota,
    /// How many containers the run has, including those with nothing to do.
    matches: usize,
    /// How long the queue is.
    queue: usize,
    /// The first one of the queue that has not started.
    next: usize,
    under_way: usize,
    failed: usize,
    halt: Option<Halt>,
}

impl Pace {
    /// A run whose first plan has `matches` containers, including those with nothing to do. The
    /// queue is empty.
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

    /// Adds this many to the queue.
    pub const fn add(&mut self, number: usize) {
        self.queue += number;
    }

    /// Adds this many matches, whether or not there is something to do for them: a limit on
    /// failures that is a share grows with them.
    pub const fn hold(&mut self, matches: usize) {
        self.matches += matches;
    }

    /// Says which container starts now. Call it until the answer is not [`NextStep::Start`].
    pub const fn next(&mut self) -> NextStep {
        let window = if self.canaries > 0 { 1 } else { self.window };
        match self.halt {
            Some(halt) if self.under_way == 0 => NextStep::Stop(halt),
            None if self.next < self.queue && self.under_way < window => {
                self.next += 1;
                self.under_way += 1;
                NextStep::Start(self.next - 1)
            }
            None if self.next == self.queue && self.under_way == 0 => NextStep::Finished,
            Some(_) | None => NextStep::Wait,
        }
    }

    /// Counts one that was under way as ended. A canary is a container in which the command ran:
    /// one that was paused, gone, could not be entered, or had nothing to do leaves its place to
    /// the next one.
    pub fn ended(&mut self, outcome: &Outcome) {
        self.under_way = self.under_way.saturating_sub(1);
        self.failed += usize::from(outcome.is_failure());
        let is_canary = self.canaries > 0;
        match outcome {
            Outcome::Patched => self.canaries = self.canaries.saturating_sub(1),
            // If the worker is gone, nobody knows whether the command ran: for a canary that is
            // reason enough to stop.
            Outcome::Failed { .. }
            | Outcome::TimedOut
            | Outcome::Survived { .. }
            | Outcome::Cancelled { .. }
            | Outcome::LeftUnpaused { .. }
            | Outcome::Interrupted
                if is_canary =>
            {
                self.halt = self.halt.or(Some(Halt::Canary));
            }
            Outcome::Failed { .. }
            | Outcome::TimedOut
            | Outcome::Survived { .. }
            | Outcome::Cancelled { .. }
            | Outcome::LeftUnpaused { .. }
            | Outcome::Interrupted
            | Outcome::AlreadyFine
            | Outcome::PatchedBefore { .. }
            | Outcome::Paused
            | Outcome::Vanished
            | Outcome::Restarting { .. }
            | Outcome::CouldNotEnter { .. }
            | Outcome::NotUnderstood { .. }
            | Outcome::NotStarted => {}
        }
        let allowed = self.max_failures.limit(self.matches);
        if self.failed > allowed {
            self.halt = self.halt.or(Some(Halt::Failures { allowed }));
        }
    }

    /// Starts no further container. The first reason stands.
    pub fn stop(&mut self, reason: Halt) {
        self.halt = self.halt.or(Some(reason));
    }

    /// Whether no further container starts.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.halt.is_some()
    }

    /// Counts canaries that already showed in the resumed run that the command works.
    pub const fn have_passed(&mut self, canaries: usize) {
        self.canaries = self.canaries.saturating_sub(canaries);
    }

    /// How many are under way.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Those of the queue that have not started.
    #[must_use]
    pub const fn not_started(&self) -> std::ops::Range<usize> {
        self.next..self.queue
    }
}

#[cfg(test)]
mod tests;
