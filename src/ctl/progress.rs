//! Shows the progress of long work.
//!
//! In: what is done, how much of it there is, and each step forward. Out: a bar on standard error,
//! from the moment on at which the work has taken long enough that somebody may wonder. The bar is
//! gone before a result or an error is printed. `report` stays the one place that prints: a bar is
//! not output, because indicatif draws and erases it, and only for a person at a terminal. Nothing
//! at all is written to a pipe, a file, or a terminal that cannot move its cursor (`TERM=dumb`).
//! The bar has no colour, so there is none to turn off. It does not hide the cursor, so interrupted
//! work leaves the terminal as it was.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::banlist::watch::Watch;

/// Work that is done sooner needs no bar.
const PATIENCE: Duration = Duration::from_millis(300);

/// How often the bar is updated over the whole work.
const LOOKS: u64 = 500;

/// Work in progress. When it is dropped, its bar disappears.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    begun: Instant,
    total: AtomicU64,
    done: AtomicU64,
    /// Hidden where nobody can see it.
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// Starts `what` ("checking"), which has `total` steps, of bytes, digests or anything else.
    #[must_use]
    pub fn start(what: &'static str, total: u64) -> Self {
        Self {
            what,
            begun: Instant::now(),
            total: AtomicU64::new(total),
            done: AtomicU64::new(0),
            bar: OnceLock::new(),
        }
    }

    /// Adds steps that are still to be done.
    pub fn expect(&self, more: u64) {
        self.total.fetch_add(more, Ordering::Relaxed);
    }

    /// Adds steps that are done. Cheap enough for a step of some nanoseconds; any thread may call
    /// it.
    pub fn advance(&self, steps: u64) {
        let before = self.done.fetch_add(steps, Ordering::Relaxed);
        let (done, total) = (before + steps, self.total.load(Ordering::Relaxed));
        let look = (total / LOOKS).max(1);
        if before / look == done / look || self.begun.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_init(|| bar(self.what));
        bar.set_length(total);
        bar.set_position(done);
    }
}

impl Watch for Progress {
    fn expect(&self, more: u64) {
        self.expect(more);
    }

    fn advance(&self, steps: u64) {
        self.advance(steps);
    }
}

fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent}%")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> "))
        .with_message(what)
}
