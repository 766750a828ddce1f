//! Embargo: a drop-in OCI runtime that does not start containers whose base image is banned.
//!
//! ```text
//! argv ─▶ call ─▶ container ─▶ lineage ─▶ banlist ─▶ verdict ─▶ delegate
//! words    what is    bundle and   the chain IDs  verified   admit or   become
//! and      asked      engine       it is made of  look-ups   refuse     runc
//! flags
//! ```
//!
//! The modules are declared in the order in which data passes through them. Each module uses only
//! modules that are declared above it.

pub mod sys;
pub mod paths;
pub mod report;
pub mod argv;
pub mod call;
pub mod container;
pub mod lineage;
pub mod banlist;
pub mod settings;
pub mod verdict;
pub mod delegate;
pub mod handover;
pub mod refusal;
pub mod audit;
pub mod node;
pub mod check;
pub mod gate;
#[cfg(feature = "ctl")]
pub mod ctl;
#[cfg(feature = "ctl")]
pub mod exec_patch;
