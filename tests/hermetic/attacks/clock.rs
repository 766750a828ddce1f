//! Runs a program with another time of day.
//!
//! No test may change the clock of the machine. Instead, a small library is loaded before the C
//! library. This library works because cargo links the tested programs dynamically. With a static
//! program the library would have no effect, and the tests that use it would fail.

use std::process::Command;

use embargo::sys::clock::Timestamp;

use crate::room::Library;

/// A day in seconds.
pub(crate) const DAY: u64 = 86_400;

static LIBRARY: Library = Library::new("fake-clock");

/// Makes `command` see the time of day `time`.
pub(crate) fn at(time: Timestamp, command: &mut Command) -> &mut Command {
    command
        .env("LD_PRELOAD", LIBRARY.path())
        .env("FAKE_CLOCK", time.seconds().to_string())
}
