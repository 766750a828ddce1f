//! Starts the tool for keys, lists and a node's upkeep. Called through `embargo`, it also patches
//! running containers.

use std::ffi::OsString;
use std::process::ExitCode;

use embargo::exec_patch::run::worker::WORKER;
use embargo::sys::heap::{self, Heap};
use embargo::sys::process;
use embargo::{ctl, exec_patch};

#[global_allocator]
static MEMORY: Heap = Heap;

fn main() -> ExitCode {
    heap::allow_copies();
    process::ignore_umask();
    let words: Vec<OsString> = std::env::args_os().collect();
    let exit = match words.get(1).and_then(|word| word.to_str()) {
        Some(exec_patch::COMMAND) => exec_patch::main(&words[2..]),
        Some(ctl::check::COMMAND) => ctl::check::main(&words[2..]),
        Some(WORKER) => exec_patch::enter::main(&words[2..]),
        Some(_) | None => ctl::main(words.into_iter(), exec_patch::state::patch_state),
    };
    exit.into()
}
