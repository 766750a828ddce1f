//! Reads what `/proc` says about one process.
//!
//! In: a process ID. Out: its parent, its start time, and the traces of where it comes from. The
//! process chooses its name, its environment and what it has open (hostile); its ID, parent, start
//! time and session come from the kernel. Every read is bounded. A process that is gone, or that
//! the caller may not inspect, gives `None`. Not checked: whether the process is still the same
//! after the answer.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::sys::stat::Stat;

/// The largest `/proc/PID/stat`, `status` and the like that is read.
const LARGEST_LINE: u64 = 16 << 10;

/// The largest environment that is searched; the kernel gives arguments and environment together 6
/// MiB at most (execve(2)).
const LARGEST_ENVIRONMENT: u64 = 8 << 20;

/// How many descriptors of a process are checked: the pipes that it was started with come first.
const MOST_DESCRIPTORS: usize = 1_024;

/// For how many threads the children are read.
const MOST_THREADS: usize = 4_096;

/// The largest list of one thread's children.
const LARGEST_CHILDREN: u64 = 1 << 20;

/// The facts of a process by its ID; `None` if there is none.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&read(format!("/proc/{pid}/stat"), LARGEST_LINE)?)
}

/// The IDs of a process in its PID namespace and those around it, from the reader's on inwards
/// (`NSpid`, Linux 4.1).
pub(super) fn ids(pid: u32) -> Option<Vec<u32>> {
    let ids = status_field(pid, "NSpid:")?
        .split_ascii_whitespace()
        .filter_map(|id| id.parse().ok())
        .collect();
    Some(ids)
}

/// The user IDs of a process: real, effective, saved, of files.
pub(super) fn users(pid: u32) -> Option<Vec<u32>> {
    Some(
        status_field(pid, "Uid:")?
            .split_ascii_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect(),
    )
}

/// Whether a process could ever get this capability (`CapBnd`); true if it is not known.
pub(super) fn may_have_capability(pid: u32, number: u32) -> bool {
    let bounding =
        status_field(pid, "CapBnd:").and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    bounding.is_none_or(|set| set >> number & 1 == 1)
}

fn status_field(pid: u32, field: &str) -> Option<String> {
    let status = read(format!("/proc/{pid}/status"), LARGEST_LINE)?;
    // The kernel escapes line ends in the name (fs/proc/array.c, `proc_task_name`).
    String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .map(str::to_owned)
}

/// The children of all threads of a process; none if the kernel cannot list them
/// (`CONFIG_PROC_CHILDREN`). One that is just being created or reaped may be missing.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
        .take(MOST_THREADS);
    threads
        .filter_map(|thread| read(thread.path().join("children"), LARGEST_CHILDREN))
        .flat_map(|list| numbers(&list))
        .collect()
}

/// The numbers in a list; anything else is skipped.
pub(super) fn numbers(list: &[u8]) -> Vec<u32> {
    String::from_utf8_lossy(list)
        .split_ascii_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// The timer slack of a process, in nanoseconds: as set by prctl(2), for it or for an ancestor.
pub(super) fn timer_slack(pid: u32) -> Option<u64> {
    number(format!("/proc/{pid}/timerslack_ns"))
}

/// The audit session of a process, `None` if it has none.
pub(super) fn session(pid: u32) -> Option<u32> {
    number(format!("/proc/{pid}/sessionid"))
        .and_then(|session| u32::try_from(session).ok())
        .filter(|session| *session != u32::MAX)
}

/// Whether a process was started with this variable, `NAME=value`.
pub(super) fn has_variable(pid: u32, variable: &str) -> bool {
    let environment = read(format!("/proc/{pid}/environ"), LARGEST_ENVIRONMENT).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == variable.as_bytes())
}

/// Whether a process has one of these pipes open.
pub(super) fn holds_pipe(pid: u32, inodes: &[u64]) -> bool {
    let wanted: Vec<_> = inodes
        .iter()
        .map(|inode| format!("pipe:[{inode}]"))
        .collect();
    let open = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .take(MOST_DESCRIPTORS);
    open.filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .any(|target| {
            wanted
                .iter()
                .any(|wanted| wanted.as_bytes() == target.as_os_str().as_bytes())
        })
}

/// A namespace of a process, such as `pid:[4026531836]`.
pub(super) fn namespace(pid: u32, kind: &str) -> Option<String> {
    Some(
        fs::read_link(format!("/proc/{pid}/ns/{kind}"))
            .ok()?
            .to_str()?
            .to_owned(),
    )
}

/// All processes.
pub(super) fn everybody() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn number(path: String) -> Option<u64> {
    String::from_utf8(read(path, LARGEST_LINE)?)
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Reads one of the kernel's own files, up to `limit` bytes. It cannot be a FIFO.
pub(super) fn read(path: impl AsRef<Path>, limit: u64) -> Option<Vec<u8>> {
    // Room for most files of /proc: an empty buffer would grow from 32 bytes up.
    let mut bytes = Vec::with_capacity(4_096);
    File::open(path)
        .ok()?
        .take(limit)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_is_as_it_is_known() {
        let own = std::process::id();
        assert_eq!(
            stat(own).unwrap().parent,
            std::os::unix::process::parent_id()
        );
        assert_eq!(ids(own).unwrap().first(), Some(&own));
        assert_eq!(
            users(own).unwrap().get(1),
            Some(&nix::unistd::geteuid().as_raw())
        );
        assert!(everybody().contains(&own));
        assert!(namespace(own, "pid").unwrap().starts_with("pid:["));
        let (name, value) = std::env::vars().next().unwrap();
        assert!(
            has_variable(own, &format!("{name}={value}"))
                && !has_variable(own, &format!("{name}={value}x"))
        );
        assert_eq!((stat(0), ids(0), children(0).len()), (None, None, 0));
    }
}
