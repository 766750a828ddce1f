//! Which program is this? Keys, lists and a node's upkeep.

use std::process::ExitCode;

fn main() -> ExitCode {
    embargo::ctl::main(std::env::args_os()).into()
}
