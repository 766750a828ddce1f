//! What does a program do when the clock says something else?
//!
//! The clock of the machine is nobody's to move. A small library is loaded before the C library
//! instead, which works because cargo links what it tests dynamically; a static gate would not see
//! it, and the tests that use it would fail.

use std::process::Command;

use embargo::sys::clock::Timestamp;

use crate::room::Library;

/// A day in seconds.
pub(crate) const DAY: u64 = 86_400;

static LIBRARY: Library = Library::new("fake-clock");

/// Makes `command` run at this time.
pub(crate) fn at(time: Timestamp, command: &mut Command) -> &mut Command {
    command
        .env("LD_PRELOAD", LIBRARY.path())
        .env("FAKE_CLOCK", time.seconds().to_string())
}
