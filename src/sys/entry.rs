//! Starts the OCI runtime's process, from the C `main`.
//!
//! The start-up code of Rust's runtime is avoided. That code opens `/dev/null` on closed
//! descriptors and ignores SIGPIPE, and the real runtime and the container would inherit both.
//! [`entry!`](crate::entry) defines the C `main`. In: argc, argv and the environment from the C
//! library. Out: the exit status. A panic is a bug of Embargo. A panic becomes one line on standard
//! error and exit status 1, because an engine loses the messages of a runtime that a signal ends.

use std::ffi::{CStr, c_char, c_int};
use std::io::Write;
use std::panic::{self, PanicHookInfo};

use super::process::{self, Given};

/// The exit status after a panic, the same as for every failure.
const FAILED: c_int = 1;

/// Defines the C `main` of a program, which calls a function `fn(&Given<'static>) -> u8`. The
/// program's file must say `#![no_main]`.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        /// The function that the C library calls.
        #[allow(unsafe_code)]
        // SAFETY: a program that says `no_main` has no other `main`.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            argc: ::std::ffi::c_int,
            argv: *const *const ::std::ffi::c_char,
            environment: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: the C library passes argv and the environment exactly as the kernel wrote
            // them.
            unsafe { $crate::sys::entry::enter(argc, argv, environment, $run) }
        }
    };
}

/// Runs `run` with the process's argv and environment and returns the exit status; 1 if it panics.
///
/// # Safety
/// `argv` must have `argc` elements, `environment` must end with a null pointer, and every string
/// in them must stay valid until the process ends.
#[allow(unsafe_code)]
pub unsafe fn enter(
    argc: c_int,
    argv: *const *const c_char,
    environment: *const *const c_char,
    run: fn(&Given<'static>) -> u8,
) -> c_int {
    panic::set_hook(Box::new(print_panic));
    // SAFETY: as the caller promises.
    let given = unsafe {
        Given {
            argv: strings(argv, argc.try_into().unwrap_or(0)),
            environment: strings(environment, usize::MAX),
        }
    };
    process::outlive_broken_pipes();
    panic::catch_unwind(|| run(&given)).map_or(FAILED, c_int::from)
}

/// The strings of a C array that ends after `most` elements or at a null pointer.
///
/// # Safety
/// The conditions of [`enter`].
#[allow(unsafe_code)]
unsafe fn strings(vector: *const *const c_char, most: usize) -> Vec<&'static CStr> {
    if vector.is_null() {
        return Vec::new();
    }
    let mut strings = Vec::new();
    while strings.len() < most {
        // SAFETY: as the caller promises; the null pointer ends the loop, so nothing after it is
        // read.
        unsafe {
            let string = *vector.add(strings.len());
            if string.is_null() {
                break;
            }
            strings.push(CStr::from_ptr(string));
        }
    }
    strings
}

/// Prints one line for a panic. The panic's message is left out: the message may contain hostile
/// text.
fn print_panic(info: &PanicHookInfo<'_>) {
    let (file, line) = match info.location() {
        Some(place) => (place.file(), place.line()),
        None => ("?", 0),
    };
    let text = format!("embargo: cannot go on: internal error at {file}:{line}\n");
    drop(std::io::stderr().write_all(text.as_bytes()));
}
