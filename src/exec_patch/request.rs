//! Holds the operator's request, before any container is looked up.
//!
//! In: the command line. Out: which containers, what runs in them, and with which limits. The only
//! file that is read here is the script or program that the command line names.

pub mod limits;
pub mod target;
pub mod arguments;
pub mod payload;
pub mod payloads;
