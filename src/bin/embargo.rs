//! Which program is this? The OCI runtime, and `embargo check`.

#![no_main]

embargo::entry!(embargo::gate::run);
