//! Starts the OCI runtime, and `embargo check`.

#![no_main]

embargo::entry!(embargo::gate::run);

#[global_allocator]
static MEMORY: embargo::sys::arena::Arena = embargo::sys::arena::Arena::new();
