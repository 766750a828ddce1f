//! Reports a refusal of an OCI hook.
//!
//! In: the line, and the runtime that called the hook: this process's parent. Out: the line on
//! standard error, which runc puts into its own error, and exit status 1. crun discards what a hook
//! prints (crun 1.8.1: src/libcrun/container.c, `do_hooks`), and so Podman would show only that
//! some hook failed. So for crun the line is also written to the two places where crun itself
//! would report it: its log, and its standard error. The parent has the same user as this process,
//! and so may do the same itself. If a place cannot be written, the line is missing there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{LogDialect, announce, append};
use crate::call::{self, Call, LogTarget};
use crate::delegate::RuntimeFamily;
use crate::report::{Exit, line};
use crate::sys::clock::Timestamp;
use crate::sys::proc;

/// The largest command line of a runtime that is read, in bytes.
const LARGEST_ARGUMENTS: u64 = 64 << 10;

/// Reports `line` as the runtime that called this hook would, and returns the exit status.
#[must_use]
pub fn announce_as_hook(line: &str, now: Timestamp) -> Exit {
    let caller = proc::parent();
    // crun runs from a copy of itself, so the path of its program says nothing.
    let family = match proc::stat(caller) {
        Some(stat) => RuntimeFamily::of(Path::new(&stat.name)),
        None => RuntimeFamily::Other,
    };
    match family {
        RuntimeFamily::Crun => {
            let arguments = proc::read(proc::path(caller, "cmdline"), LARGEST_ARGUMENTS);
            let arguments = arguments.unwrap_or_default();
            let words = words(&arguments);
            let call = call::read(&words);
            // There is nobody to report a failure to.
            drop(append(&proc::path(caller, "fd/2"), &line::for_engine(line)));
            announce(line, log(&call).as_ref(), LogDialect::Crun, now)
        }
        RuntimeFamily::Runc | RuntimeFamily::Youki | RuntimeFamily::Other => {
            announce(line, None, LogDialect::Path, now)
        }
    }
}

/// The arguments of a command line in `/proc`, without the program's name.
fn words(command_line: &[u8]) -> Vec<&OsStr> {
    let mut words = Vec::new();
    for word in command_line.split(|byte| *byte == 0).skip(1) {
        words.push(OsStr::from_bytes(word));
    }
    // The last argument ends with a zero byte, too.
    words.pop();
    words
}

/// Where the runtime writes its log. A relative path is not used: the hook may have another working
/// directory than the runtime.
fn log<'a>(call: &Call<'a>) -> Option<LogTarget<'a>> {
    let Call::Starts(starts) = call else {
        return None;
    };
    let log = LogTarget::of(&starts.readings.first()?.globals)?;
    Path::new(log.target).is_absolute().then_some(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_that_of_the_runtimes_own_command_line() {
        for (command_line, target) in [
            (
                "crun\0--cgroup-manager\0cgroupfs\0--log-format=json\0--log=/b/oci-log\0create\0\
                 --bundle\0/b\0--pid-file\0/b/pidfile\0web-1\0",
                Some("/b/oci-log"),
            ),
            ("crun\0--log\0log\0run\0web-1\0", None),
            ("crun\0run\0web-1\0", None),
            ("crun\0--log=/b/log\0kill\0web-1\0", None),
            ("crun\0", None),
            ("", None),
        ] {
            let words = words(command_line.as_bytes());
            let call = call::read(&words);
            let found = log(&call).map(|log| log.target);
            assert_eq!(found, target.map(OsStr::new), "{command_line:?}");
        }
    }
}
