//! Holds the operator's request, before any container is looked up.
//!
//! In: the command line. Out: which containers are patched, what runs in these containers, and the
//! limits of the run. The only file that is read here is the script or program that the command
//! line names.

pub mod limits;
pub mod target;
pub mod arguments;
pub mod payload;
pub mod payloads;
