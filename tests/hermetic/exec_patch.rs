//! Tests that the real `embargo exec-patch` does what was asked once, in the right containers, and
//! reports truly how that ended.
//!
//! It runs in a room, as a user without rights: the real `embargo` and `embargoctl`, a node's
//! files, and a runtime that records what it gets and starts the command beside the container
//! instead of in it. `integration/exec-patch*.bats` tests the same with a kernel and real runtimes.

mod calls;
mod choosing;
mod entering;
pub(crate) mod fleet;
mod pacing;
mod recording;
mod reporting;
mod resuming;
mod signed;
