//! Makes system calls for all other modules.
//!
//! Reads foreign files with limits; reads the clock; starts this process and executes other
//! programs; asks the kernel about mounts. This is the only module that may contain `unsafe`, and
//! every `unsafe` block states why it is sound. No decision is made here.

pub mod arena;
pub mod clock;
pub mod copy;
pub mod deadline;
pub mod digits;
pub mod entry;
pub mod proc;
pub mod file;
pub mod directory;
#[cfg(feature = "ctl")]
pub mod heap;
#[cfg(feature = "ctl")]
pub mod inherit;
#[cfg(feature = "ctl")]
pub mod memory_file;
pub mod process;
#[cfg(feature = "ctl")]
pub mod replace;
pub mod rights;
#[cfg(feature = "ctl")]
pub mod spawn;
#[cfg(feature = "ctl")]
pub mod pidfd;
pub mod statmount;
pub mod system_log;
#[cfg(feature = "ctl")]
pub mod threads;
