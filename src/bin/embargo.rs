//! Starts the OCI runtime, and `embargo check`.

#![no_main]

embargo::entry!(embargo::gate::run);
