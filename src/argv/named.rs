//! Finds the container that a command is about, for commands that start no container.
//!
//! The container is only used to pass the call to the runtime that made it, if another runtime is
//! in use now. So one table for all runtimes is enough: a wrong result names a container that does
//! not exist, and the call then goes to the runtime in use.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::reading::{NamedContainer, Parsed};
use super::values::FlagValues;

/// For each command, the flags that take a value: runc 1.0 to main, crun 1.8 to 1.29, youki.
const VALUES: &[(&str, &[&str])] = &[
    (
        "exec",
        &[
            "console-socket",
            "pidfd-socket",
            "cwd",
            "env",
            "e",
            "user",
            "u",
            "additional-gids",
            "g",
            "process",
            "p",
            "pid-file",
            "process-label",
            "apparmor",
            "cap",
            "c",
            "preserve-fds",
            "cgroup",
        ],
    ),
    (
        "update",
        &[
            "resources",
            "r",
            "blkio-weight",
            "cpu-period",
            "cpu-quota",
            "cpu-burst",
            "cpu-share",
            "cpu-rt-period",
            "cpu-rt-runtime",
            "cpu-idle",
            "cpuset-cpus",
            "cpuset-mems",
            "kernel-memory",
            "kernel-memory-tcp",
            "memory",
            "memory-reservation",
            "memory-swap",
            "pids-limit",
            "l3-cache-schema",
            "mem-bw-schema",
        ],
    ),
    (
        "checkpoint",
        &[
            "image-path",
            "work-path",
            "parent-path",
            "page-server",
            "manage-cgroups-mode",
            "empty-ns",
            "status-fd",
            "network-lock",
        ],
    ),
    ("ps", &["format", "f"]),
    ("events", &["interval"]),
];

/// The commands whose first positional argument is a container ID.
const ABOUT_ONE: [&str; 11] = [
    "start",
    "state",
    "kill",
    "delete",
    "exec",
    "update",
    "checkpoint",
    "ps",
    "events",
    "pause",
    "resume",
];

/// The outcome for the command `arg`, which is followed by the arguments `rest`.
pub(super) fn outcome<'a>(
    arg: &'a OsStr,
    rest: &[&'a OsStr],
    found: &FlagValues<'a>,
) -> Parsed<'a> {
    let mut named = None;
    if let Some(command) = arg.to_str()
        && ABOUT_ONE.contains(&command)
        && let Some(id) = container(command, rest)
    {
        let root = found.globals.root;
        named = Some(NamedContainer { id, root });
    }
    Parsed::Other(named)
}

/// The first argument after the command that is neither a flag nor a flag's value.
fn container<'a>(command: &str, rest: &[&'a OsStr]) -> Option<&'a OsStr> {
    let mut values: &[&str] = &[];
    for (name, of_command) in VALUES {
        if *name == command {
            values = of_command;
        }
    }
    let mut args = rest.iter();
    while let Some(arg) = args.next() {
        match arg.as_bytes() {
            b"--" => return args.next().copied(),
            [b'-', name @ ..] if !name.is_empty() => {
                let name = name.strip_prefix(b"-").unwrap_or(name);
                if str::from_utf8(name).is_ok_and(|name| values.contains(&name)) {
                    args.next();
                }
            }
            [..] => return Some(arg),
        }
    }
    None
}
