//! Tests that the real `embargo` works between a caller and a runtime as both expect.
//!
//! Hermetic: no network, no root, no engine. The runtime is a small C program that records its
//! arguments and environment. Each call either goes to this runtime both directly and through
//! Embargo, or must be refused. `integration/POINTS.md` lists the pitfalls of runtime wrappers,
//! with the test of each.

// These lints are for the gate. A test runs programs, writes files, and panics when it fails.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

// These tests need embargoctl.
#[cfg(feature = "ctl")]
mod attacks;
#[cfg(feature = "ctl")]
mod authoring;
#[cfg(feature = "ctl")]
mod building;
#[cfg(feature = "ctl")]
mod counts;
#[cfg(feature = "ctl")]
mod doctor;
#[cfg(feature = "ctl")]
mod exec_patch;
#[cfg(feature = "ctl")]
mod linting;
mod handover;
mod hook;
#[cfg(feature = "ctl")]
mod operator;
mod parsing;
#[cfg(feature = "ctl")]
mod pipeline;
mod refusal;
mod room;
mod runtime;
#[cfg(feature = "ctl")]
mod status;
mod transparency;
