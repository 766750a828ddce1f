//! What does a program do when the clock says something else?
//!
//! The clock of the machine is nobody's to move. A small library is loaded before the C library instead, which works because cargo links what it
//! tests dynamically; a static gate would not see it, and the tests that use it would fail.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use embargo::sys::clock::Timestamp;

/// A day in seconds.
pub(crate) const DAY: u64 = 86_400;

/// Makes `command` run at this time.
pub(crate) fn at(time: Timestamp, command: &mut Command) -> &mut Command {
    command.env("LD_PRELOAD", library()).env("FAKE_CLOCK", time.seconds().to_string())
}

/// The library, built once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let folder = crate::room::open_folder();
        let path = folder.path().join("fake-clock.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hermetic/fake-clock.c");
        let built = Command::new("cc").args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&path).arg(source).status().unwrap();
        assert!(built.success(), "cc builds the fake clock");
        (folder, path)
    });
    path
}
