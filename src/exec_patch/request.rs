//! Holds what a person asks for, before anything is looked up.
//!
//! In: the command line. Out: which containers, what runs in them, and at which pace. The only files
//! that are read here are the script or program that is named.

pub mod limits;
pub mod target;
pub mod arguments;
pub mod payload;
pub mod payloads;
