//! Starts the OCI runtime's process, from the C `main`.
//!
//! It avoids the start-up of Rust's runtime, which opens `/dev/null` on closed descriptors and
//! ignores SIGPIPE: both would reach the real runtime, and the container. [`entry!`](crate::entry)
//! defines the C `main`. In: argc, argv and the environment from the C library. Out: the exit
//! status. A panic, which is a bug of ours, becomes one line on standard error and exit status 1,
//! because an engine loses the text of a runtime that dies by a signal.

use std::ffi::{CStr, c_char, c_int};
use std::io::Write;
use std::panic::{self, PanicHookInfo};

use super::process::{self, Given};

/// The exit status after a panic: that of every failure.
const FAILED: c_int = 1;

/// Defines the C `main` of a program from a `fn(&Given<'static>) -> u8`. The program's file says
/// `#![no_main]`.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        /// The C library's entry into the program.
        #[allow(unsafe_code)]
        // SAFETY: a program with `no_main` has no other `main`.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            argc: ::std::ffi::c_int,
            argv: *const *const ::std::ffi::c_char,
            environment: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: the C library passes argv and environment as the kernel laid them out.
            unsafe { $crate::sys::entry::enter(argc, argv, environment, $run) }
        }
    };
}

/// Runs `run` with the process's argv and environment and returns the exit status; 1 if it panics.
///
/// # Safety
/// `argv` must have `argc` elements, `environment` end with a null pointer, and every string in
/// them last as long as the process.
#[allow(unsafe_code)]
pub unsafe fn enter(
    argc: c_int,
    argv: *const *const c_char,
    environment: *const *const c_char,
    run: fn(&Given<'static>) -> u8,
) -> c_int {
    panic::set_hook(Box::new(tell));
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

/// The strings of a vector that ends after `most` elements or with a null pointer.
///
/// # Safety
/// As for [`enter`].
#[allow(unsafe_code)]
unsafe fn strings(vector: *const *const c_char, most: usize) -> Vec<&'static CStr> {
    if vector.is_null() {
        return Vec::new();
    }
    // SAFETY: as the caller promises; `map_while` stops at the null pointer, so nothing after it is
    // read.
    unsafe {
        (0..most)
            .map(|at| *vector.add(at))
            .map_while(|string| (!string.is_null()).then(|| CStr::from_ptr(string)))
            .collect()
    }
}

/// One line for a panic, without its message, which may hold hostile text.
fn tell(info: &PanicHookInfo<'_>) {
    let (file, line) = info
        .location()
        .map_or(("?", 0), |place| (place.file(), place.line()));
    let text = format!("embargo: cannot go on: internal error at {file}:{line}\n");
    drop(std::io::stderr().write_all(text.as_bytes()));
}
