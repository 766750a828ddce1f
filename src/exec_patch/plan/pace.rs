//! Decides which container starts next, and when a run stops.
//!
//! Pure. In: how many containers there are, the settings for canaries, the window and failures, and
//! each outcome as it comes. Out: the container that starts now; or, if no container starts, the
//! reason. This file knows nothing of time, processes or containers: a container is only its
//! position in the queue.

use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::request::limits::{Limits, Quota};

/// What the run must do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Start the container at this position of the queue. From now on, the container is under way.
    Start(usize),
    /// Wait: no container may start until another has ended.
    Wait,
    /// Stop: no container may start any more, and none is under way.
    Stop(Halt),
    /// All containers have ended.
    Finished,
}

/// The pace of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many more canaries must succeed before the window opens.
    canaries: usize,
    window: usize,
    max_failures: Quota,
    /// How many containers the run has, including those with nothing to do.
    matches: usize,
    /// How many containers are in the queue, started or not.
    queue: usize,
    /// The position of the first container in the queue that has not started.
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

    /// Adds this many containers to the queue.
    pub const fn add(&mut self, number: usize) {
        self.queue += number;
    }

    /// Adds this many matching containers, including containers with nothing to do. If the failure
    /// limit is a percentage, it grows with the number of matches.
    pub const fn hold(&mut self, matches: usize) {
        self.matches += matches;
    }

    /// Says which container starts now. Call this function until the result is no longer
    /// [`NextStep::Start`].
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

    /// Records that a container that was under way has ended. Only a container in which the command
    /// ran counts as a canary. A container that was paused, was gone, could not be entered, or had
    /// nothing to do is followed by another canary.
    pub fn ended(&mut self, outcome: &Outcome) {
        self.under_way = self.under_way.saturating_sub(1);
        self.failed += usize::from(outcome.is_failure());
        match outcome {
            Outcome::Patched => self.canaries = self.canaries.saturating_sub(1),
            // If the worker is gone, nobody knows whether the command ran. If such a container is a
            // canary, the run stops.
            Outcome::Failed { .. }
            | Outcome::TimedOut
            | Outcome::Survived { .. }
            | Outcome::Cancelled { .. }
            | Outcome::LeftUnpaused { .. }
            | Outcome::Interrupted => {
                if self.canaries > 0 {
                    self.stop(Halt::Canary);
                }
            }
            Outcome::AlreadyFine
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
            self.stop(Halt::Failures { allowed });
        }
    }

    /// Starts no further container. If the run is already stopped, the first reason stays.
    pub fn stop(&mut self, reason: Halt) {
        self.halt = self.halt.or(Some(reason));
    }

    /// Whether no further container may start.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.halt.is_some()
    }

    /// Records how many canaries already succeeded before the run was resumed.
    pub const fn have_passed(&mut self, canaries: usize) {
        self.canaries = self.canaries.saturating_sub(canaries);
    }
}

#[cfg(test)]
mod tests;
