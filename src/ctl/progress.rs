//! Shows a progress bar during long work.
//!
//! In: the name of the work, how many steps the work has, and each completed step. Out: a bar on
//! standard error, once the work has taken 0.3 seconds. The bar is erased before a result or an
//! error is printed. All output is printed by `report`; a bar is no output, because indicatif draws
//! it only on a terminal, and erases it. Nothing is written to a pipe, a file, or a terminal that
//! cannot move its cursor (`TERM=dumb`). The bar has no colour, so no option is needed to turn
//! colour off. The bar does not hide the cursor, so interrupted work leaves the terminal as it was.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::banlist::watch::Watch;

/// Work that takes less time than this gets no bar.
const PATIENCE: Duration = Duration::from_millis(300);

/// How many times the bar is updated during the whole work.
const LOOKS: u64 = 500;

/// Work in progress. Dropping it erases the bar.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    started: Instant,
    total: AtomicU64,
    done: AtomicU64,
    /// The bar, which is not visible if standard error is no terminal.
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// Starts the work `what` (such as "checking"). The work has `total` steps: bytes, digests or
    /// anything else.
    #[must_use]
    pub fn start(what: &'static str, total: u64) -> Self {
        Self {
            what,
            started: Instant::now(),
            total: AtomicU64::new(total),
            done: AtomicU64::new(0),
            bar: OnceLock::new(),
        }
    }

    /// Raises the number of steps in total.
    pub fn expect(&self, more: u64) {
        self.total.fetch_add(more, Ordering::Relaxed);
    }

    /// Counts completed steps. The call is cheap enough for steps of some nanoseconds, and any
    /// thread may make it.
    pub fn advance(&self, steps: u64) {
        let before = self.done.fetch_add(steps, Ordering::Relaxed);
        let (done, total) = (before + steps, self.total.load(Ordering::Relaxed));
        let look = (total / LOOKS).max(1);
        if before / look == done / look || self.started.elapsed() < PATIENCE {
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
