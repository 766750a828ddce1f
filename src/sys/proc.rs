//! Reads what `/proc` says about processes (proc(5)).
//!
//! In: a process ID. Out: the process's parent, start time, namespaces, and signs of what started
//! it. Hostile: a process chooses its name, its arguments, its environment and its open files. Its
//! ID, parent, start time and session come from the kernel. Every read has a limit. A process that
//! has ended, or that the caller may not inspect, gives `None`. Not checked: whether the ID still
//! belongs to the same process after the answer, and whether `/proc` is mounted.

use std::fs::{self, DirEntry};
use std::io::Read;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::file;

/// How many bytes of `/proc/PID/stat`, `status` and similar files are read.
const LARGEST_LINE: u64 = 16 << 10;

/// How many bytes of a process's environment are searched. The kernel gives arguments and
/// environment together at most 6 MiB (execve(2)).
const LARGEST_ENVIRONMENT: u64 = 8 << 20;

/// How many bytes of a process's table of cgroups are read.
const LARGEST_CGROUPS: u64 = 64 << 10;

/// How many bytes of a process's table of mounts are read. Engines make a few hundred mounts.
const LARGEST_MOUNTS: u64 = 16 << 20;

/// How many descriptors of a process are checked. The pipes that a process was started with have
/// the lowest numbers.
const MOST_DESCRIPTORS: usize = 1_024;

/// How many clock ticks a second has in `/proc/PID/stat`: the kernel's `USER_HZ`.
const TICKS: u64 = 100;

/// For how many threads of a process the children are read.
const MOST_THREADS: usize = 4_096;

/// How many bytes of one thread's list of children are read.
const LARGEST_CHILDREN: u64 = 1 << 20;

/// What `/proc/PID/stat` says about a process (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The name that the process gave itself.
    pub name: String,
    /// The process ID of the parent, field 4.
    pub parent: u32,
    /// When the process started, in clock ticks since boot, field 22.
    pub started: u64,
    /// Whether a thread of the process still runs. The first thread may be a zombie while other
    /// threads run.
    pub is_alive: bool,
}

impl Stat {
    /// Parses the line; `None` if the line does not have the right format. The name may contain
    /// anything, including brackets and line ends, and ends at the last bracket.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        let (_, rest) = line.split_once('(')?;
        let (name, rest) = rest.rsplit_once(')')?;
        // Field 3 is the first field after the name.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let threads: u64 = fields.get(20 - 3)?.parse().ok()?;
        let is_alive = match *fields.first()? {
            "Z" => threads > 1,
            "X" | "x" => false,
            _ => true,
        };
        Some(Self {
            name: name.to_owned(),
            parent: fields.get(4 - 3)?.parse().ok()?,
            started: fields.get(22 - 3)?.parse().ok()?,
            is_alive,
        })
    }
}

/// The ID of this process's parent; 0 if the parent is not in this process's PID namespace.
#[must_use]
pub fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// The path of a file or directory of a process in `/proc`.
#[must_use]
pub fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// What `/proc/PID/stat` says about the process with this ID; `None` if there is no such process.
pub fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&read(path(pid, "stat"), LARGEST_LINE)?)
}

/// For how many seconds a process has run; `None` if there is no such process.
pub fn age(pid: u32) -> Option<u64> {
    let uptime = read("/proc/uptime", LARGEST_LINE)?;
    let uptime = String::from_utf8(uptime).ok()?;
    let seconds: u64 = uptime.split('.').next()?.parse().ok()?;
    seconds.checked_sub(stat(pid)?.started / TICKS)
}

/// Whether a process runs: it exists, is not a zombie, and was started at that time, in clock ticks
/// since boot, if the time is known. No process has the ID 0.
pub fn is_alive(pid: u32, started: Option<u64>) -> bool {
    match stat(pid) {
        Some(stat) if pid != 0 && stat.is_alive => started.unwrap_or(stat.started) == stat.started,
        Some(_) | None => false,
    }
}

/// What a process adds to its badness for the OOM killer, as the kernel writes it.
pub fn oom_score(pid: u32) -> Option<Vec<u8>> {
    read(path(pid, "oom_score_adj"), LARGEST_LINE)
}

/// The IDs of a process: in the PID namespace of the reader first, then in each namespace inside
/// it, down to the process's own (`NSpid`, Linux 4.1).
pub fn ids(pid: u32) -> Option<Vec<u32>> {
    Some(numbers(status_field(pid, "NSpid:")?.as_bytes()))
}

/// The user IDs of a process: real, effective, saved and file system user ID.
pub fn users(pid: u32) -> Option<Vec<u32>> {
    Some(numbers(status_field(pid, "Uid:")?.as_bytes()))
}

/// Whether a process can ever get this capability, by its bounding set (`CapBnd`); `true` if the
/// bounding set is not known.
pub fn may_have_capability(pid: u32, number: u32) -> bool {
    let set = status_field(pid, "CapBnd:").unwrap_or_default();
    match u64::from_str_radix(set.trim(), 16) {
        Ok(set) => set >> number & 1 == 1,
        Err(_) => true,
    }
}

fn status_field(pid: u32, field: &str) -> Option<String> {
    let status = read(path(pid, "status"), LARGEST_LINE)?;
    // The kernel escapes line ends in the name (fs/proc/array.c, `proc_task_name`).
    String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .map(str::to_owned)
}

/// The children of all threads of a process; empty if the kernel cannot list children
/// (`CONFIG_PROC_CHILDREN`). A child that is just being created or reaped may be missing.
pub fn children(pid: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for thread in entries(path(pid, "task")).take(MOST_THREADS) {
        if let Some(list) = read(thread.path().join("children"), LARGEST_CHILDREN) {
            children.extend(numbers(&list));
        }
    }
    children
}

/// What is in a directory, as far as it can be listed.
fn entries(directory: impl AsRef<Path>) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(directory).into_iter().flatten().flatten()
}

/// The numbers in a list. Everything else in the list is skipped.
pub fn numbers(list: &[u8]) -> Vec<u32> {
    String::from_utf8_lossy(list)
        .split_ascii_whitespace()
        .flat_map(str::parse)
        .collect()
}

/// The timer slack of a process, in nanoseconds: the value that prctl(2) set for the process or for
/// an ancestor.
pub fn timer_slack(pid: u32) -> Option<u64> {
    number(&path(pid, "timerslack_ns"))
}

/// The audit session of a process; `None` if the process has no audit session.
pub fn session(pid: u32) -> Option<u32> {
    match u32::try_from(number(&path(pid, "sessionid"))?) {
        Ok(u32::MAX) | Err(_) => None,
        Ok(session) => Some(session),
    }
}

/// Whether a process was started with this environment variable, given as `NAME=value`.
pub fn has_variable(pid: u32, variable: &str) -> bool {
    let environment = environment(pid).unwrap_or_default();
    environment.iter().any(|entry| entry == variable.as_bytes())
}

/// The environment with which a process was started, as `NAME=value`; `None` if the caller may not
/// read it.
pub fn environment(pid: u32) -> Option<Vec<Vec<u8>>> {
    let environment = read(path(pid, "environ"), LARGEST_ENVIRONMENT)?;
    Some(
        environment
            .split(|byte| *byte == 0)
            .map(<[u8]>::to_vec)
            .collect(),
    )
}

/// Whether a process has one of these pipes open. `inodes` are the pipes' inodes.
pub fn holds_pipe(pid: u32, inodes: &[u64]) -> bool {
    entries(path(pid, "fd"))
        .take(MOST_DESCRIPTORS)
        .any(|descriptor| pipe(&descriptor).is_some_and(|inode| inodes.contains(&inode)))
}

/// The inode of an open pipe, of which the link says `pipe:[INODE]`.
fn pipe(descriptor: &DirEntry) -> Option<u64> {
    let target = fs::read_link(descriptor.path()).ok()?;
    let inode = target.to_str()?.strip_prefix("pipe:[")?;
    inode.strip_suffix(']')?.parse().ok()
}

/// A namespace of a process, such as `pid:[4026531836]`.
pub fn namespace(pid: u32, kind: &str) -> Option<String> {
    let target = fs::read_link(path(pid, "ns").join(kind)).ok()?;
    target.into_os_string().into_string().ok()
}

/// The IDs of all processes.
pub fn all() -> Vec<u32> {
    entries("/proc")
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// A process's table of cgroups; empty if it cannot be read.
#[must_use]
pub fn cgroups(pid: u32) -> String {
    text(pid, "cgroup", LARGEST_CGROUPS)
}

/// The table of mounts of a process's mount namespace; empty if it cannot be read.
#[must_use]
pub fn mounts(pid: u32) -> String {
    text(pid, "mountinfo", LARGEST_MOUNTS)
}

fn text(pid: u32, name: &str, limit: u64) -> String {
    let bytes = read(path(pid, name), limit).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn number(path: &Path) -> Option<u64> {
    String::from_utf8(read(path, LARGEST_LINE)?)
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Reads the first `limit` bytes of one of the kernel's own files, which cannot be a FIFO. This
/// function makes three system calls less than [`file::read`](super::file::read); a node has
/// thousands of such files.
pub fn read(path: impl AsRef<Path>, limit: u64) -> Option<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let mut file = file::open_at(path.as_ref(), flags).ok()?.take(limit);
    // Enough room for most files of /proc. For a buffer of this size on the heap, musl would map
    // pages for each file, and unmap them again.
    let mut first = [0; 4_096];
    let mut length = 0;
    while length < first.len() {
        match file.read(&mut first[length..]).ok()? {
            0 => return Some(first[..length].to_vec()),
            count => length += count,
        }
    }
    let mut bytes = first.to_vec();
    file.read_to_end(&mut bytes).ok()?;
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
        assert!(all().contains(&own));
        assert!(namespace(own, "pid").unwrap().starts_with("pid:["));
        let (name, value) = std::env::vars().next().unwrap();
        assert!(
            has_variable(own, &format!("{name}={value}"))
                && !has_variable(own, &format!("{name}={value}x"))
        );
        assert_eq!((stat(0), ids(0), children(0).len()), (None, None, 0));
    }

    fn line(name: &str, state: &str, threads: u32) -> Vec<u8> {
        format!("41 ({name}) {state} 7 41 41 0 -1 4194560 717 0 0 0 0 0 0 0 20 0 {threads} 0 188572 2322432 332\n").into_bytes()
    }

    #[test]
    fn a_name_may_hold_anything() {
        for name in ["sh", "a) Z 1 (b", ")", "", "a\nb", "x y"] {
            let stat = Stat {
                name: name.to_owned(),
                parent: 7,
                started: 188_572,
                is_alive: true,
            };
            assert_eq!(Stat::parse(&line(name, "S", 1)), Some(stat), "{name:?}");
        }
        for broken in [
            &b""[..],
            b"41",
            b"41 (sh",
            b")(",
            b"41 (sh) S 7",
            b"41 (sh) S x 41 41",
        ] {
            assert_eq!(
                Stat::parse(broken),
                None,
                "{}",
                String::from_utf8_lossy(broken)
            );
        }
    }

    #[test]
    fn a_process_lives_as_long_as_one_of_its_threads() {
        for (state, threads, is_alive) in [
            ("S", 1, true),
            ("T", 1, true),
            ("D", 3, true),
            ("Z", 1, false),
            ("Z", 0, false),
            ("Z", 2, true),
            ("X", 1, false),
        ] {
            assert_eq!(
                Stat::parse(&line("sh", state, threads)).unwrap().is_alive,
                is_alive,
                "{state} {threads}"
            );
        }
    }
}
