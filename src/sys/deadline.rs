//! Limits how long a caller waits for work that makes no progress.
//!
//! In: how long the work may go without progress. Out: whether that time is over, and how much of
//! that time is left. Every step of progress starts the time again, however slow a busy machine is.
//! The whole work may take at most [`LONGEST`] times as long. Not done: interrupting a system call.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The whole work may take this many times as long as a single step may.
pub const LONGEST: u32 = 10;

/// When to stop waiting for a piece of work.
#[derive(Clone, Debug)]
pub struct Deadline {
    patience: Duration,
    /// When the last step of progress was made.
    moved: Cell<Instant>,
    /// When to stop waiting, even if there is progress.
    end: Instant,
}

impl From<Duration> for Deadline {
    /// Makes a deadline that ends when there was no progress for this long.
    fn from(patience: Duration) -> Self {
        let now = Instant::now();
        Self {
            patience,
            moved: Cell::new(now),
            end: now + patience.saturating_mul(LONGEST),
        }
    }
}

impl From<Instant> for Deadline {
    /// Makes a deadline that ends at this time, even if there is progress.
    fn from(end: Instant) -> Self {
        let now = Instant::now();
        Self {
            patience: end.saturating_duration_since(now),
            moved: Cell::new(now),
            end,
        }
    }
}

impl Deadline {
    /// How long the next step may take; zero if the deadline is over.
    fn left(&self) -> Duration {
        let now = Instant::now();
        let idle = now.saturating_duration_since(self.moved.get());
        self.patience
            .saturating_sub(idle)
            .min(self.end.saturating_duration_since(now))
    }

    /// Whether the deadline is over. If the deadline is not over, this call is recorded as a step
    /// of progress.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_over = self.left().is_zero();
        if !is_over {
            self.moved.set(Instant::now());
        }
        is_over
    }

    /// The deadline for one of `parts` equal parts of the work. Progress does not extend this
    /// deadline.
    #[must_use]
    pub fn part(&self, parts: u32) -> Self {
        Self::from(Instant::now() + self.left() / parts.max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn work_that_goes_on_is_not_cut_however_long_it_takes() {
        let deadline = Deadline::from(Duration::from_secs(2));
        let start = Instant::now();
        // Each step stays within the time for one step; all steps together take longer than the
        // whole time.
        while start.elapsed() < Duration::from_millis(2_500) {
            assert!(!deadline.is_over(), "{:?}", start.elapsed());
            sleep(Duration::from_millis(100));
        }
    }

    #[test]
    fn what_stands_still_and_what_never_ends_are_cut() {
        let deadline = Deadline::from(Duration::from_millis(50));
        sleep(Duration::from_millis(60));
        assert!(deadline.is_over());
        assert_eq!(deadline.left(), Duration::ZERO);
        assert!(deadline.is_over(), "and it stays so");
        let deadline = Deadline {
            end: Instant::now(),
            ..Deadline::from(Duration::from_secs(60))
        };
        assert!(deadline.is_over());
    }

    #[test]
    fn a_point_in_time_is_not_put_off() {
        for deadline in [
            Deadline::from(Instant::now() + Duration::from_millis(300)),
            Deadline::from(Duration::from_millis(600)).part(2),
        ] {
            let start = Instant::now();
            while !deadline.is_over() {
                assert!(start.elapsed() < Duration::from_secs(30));
                sleep(Duration::from_millis(10));
            }
        }
        assert!(Deadline::from(Instant::now()).is_over());
    }
}
