//! Tests that the real `embargo exec-patch` runs a command once, in the right containers, and
//! reports correctly how each command ended.
//!
//! Each test runs in a room, as a user without rights: the real `embargo` and `embargoctl`, a
//! node's files, and a fake runtime. The fake runtime records each call, and starts the command
//! outside the container instead of inside. `integration/exec-patch*.bats` tests the same commands
//! with a kernel and real runtimes.

mod calls;
mod choosing;
mod entering;
pub(crate) mod fleet;
mod pacing;
mod recording;
mod reporting;
mod resuming;
mod signed;
