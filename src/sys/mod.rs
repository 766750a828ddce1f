//! Calls the operating system.
//!
//! Every other module uses it: bounded reads of foreign files, the clock, the process's own entry
//! and exec, mount queries. It is the only module that may contain `unsafe`, each block with its
//! reason. It decides nothing.

pub mod arena;
pub mod clock;
pub mod deadline;
pub mod digits;
pub mod entry;
pub mod file;
pub mod directory;
#[cfg(feature = "ctl")]
pub mod pidfd;
#[cfg(feature = "ctl")]
pub mod inherit;
#[cfg(feature = "ctl")]
pub mod memory_file;
pub mod proc;
pub mod process;
#[cfg(feature = "ctl")]
pub mod replace;
pub mod rights;
#[cfg(feature = "ctl")]
pub mod spawn;
pub mod statmount;
pub mod system_log;
#[cfg(feature = "ctl")]
pub mod threads;
