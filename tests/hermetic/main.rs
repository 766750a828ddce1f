//! Tests that the real `embargo` does between a caller and a runtime what both expect of it.
//!
//! Hermetic: no network, no root, no engine. The runtime is a small C program that records what it
//! is given. Each call runs under it alone and through Embargo, or is refused.
//! `integration/POINTS.md` says which pitfall of runtime wrappers is tested where.

// The lints are for the gate; a test runs programs, writes files and fails loudly.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

// Only where embargoctl is built.
#[cfg(feature = "ctl")]
mod attacks;
#[cfg(feature = "ctl")]
mod authoring;
#[cfg(feature = "ctl")]
mod building;
#[cfg(feature = "ctl")]
mod exec_patch;
#[cfg(feature = "ctl")]
mod linting;
mod handover;
mod parsing;
#[cfg(feature = "ctl")]
mod pipeline;
mod refusal;
mod room;
mod runtime;
mod transparency;
