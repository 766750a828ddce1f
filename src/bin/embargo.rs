//! Which program is this? The OCI runtime, and `embargo check`.

#![no_main]

/// One piece of memory for everything small; what does not fit comes from the system.
#[global_allocator]
static MEMORY: embargo::sys::arena::Arena<{ 1 << 20 }> = embargo::sys::arena::Arena::new();

embargo::entry!(embargo::gate::run);
