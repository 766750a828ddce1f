//! Does the real `embargo exec-patch` do once, in the right containers, what it was told to, and
//! tell truly how that ended?
//!
//! In a room, as a user without rights: the real `embargo` and `embargoctl`, a node's files, and a
//! runtime that writes down what it gets and starts the command beside the container instead of in
//! it. What a kernel and real runtimes make of the same is for `integration/exec-patch*.bats`.

mod calls;
mod choosing;
mod entering;
pub(crate) mod fleet;
mod pacing;
mod recording;
mod signed;
mod telling;
