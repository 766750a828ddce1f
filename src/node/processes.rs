//! Reads every process of a node in one pass.
//!
//! In: `/proc`. Out: for each process its parent, its user, how deep its PID namespace lies below
//! the one that `/proc` shows, and the arguments it was started with. Hostile: a process chooses
//! its name and its arguments, and may show none; parent, user and namespaces come from the kernel.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::paths::Paths;
use crate::sys::proc;

/// The most bytes of a process's status that are read: it lists up to 65,536 supplementary groups.
const LARGEST_STATUS: u64 = 1 << 20;

/// The most bytes of a process's arguments that are read. A monitor has a few KB; if a process has
/// more, none are known.
const LARGEST_ARGUMENTS: u64 = 64 << 10;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its process ID, as `/proc` shows it.
    pub pid: u32,
    /// Its parent's ID.
    pub parent: u32,
    /// Its effective user.
    pub user: u32,
    /// Whether its real and saved users are the same. Anybody may have started a set-user-ID
    /// program, with any arguments.
    pub is_of_one_user: bool,
    /// How many PID namespaces below that of `/proc` it is in; 0 in the same one.
    pub depth: usize,
    /// Whether it is the first process of its PID namespace.
    pub is_first: bool,
    /// Whether the program that it runs has the name that its arguments begin with: a user who
    /// starts one of root's programs, as with sudo, chooses them.
    pub is_so_called: bool,
    /// Its arguments, its own name first; none if they are not known.
    pub arguments: Vec<OsString>,
}

/// The processes of a node: this machine's, if the node is this machine. A node that is mounted
/// somewhere has none.
#[must_use]
pub fn of_node(paths: &Paths) -> Vec<Process> {
    if paths.root == Path::new("/") {
        all()
    } else {
        Vec::new()
    }
}

/// Every running process in the order of IDs, without zombies and kernel threads.
#[must_use]
pub fn all() -> Vec<Process> {
    let mut pids = proc::all();
    pids.sort_unstable();
    pids.into_iter().filter_map(Process::read).collect()
}

/// The caller's own namespace of this kind, such as `mnt`.
#[must_use]
pub fn own_namespace(kind: &str) -> Option<PathBuf> {
    fs::read_link(Path::new("/proc/self/ns").join(kind)).ok()
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let status = proc::read(proc::path(pid, "status"), LARGEST_STATUS)?;
        let process = Self::parse(pid, &status)?;
        let arguments = proc::read(proc::path(pid, "cmdline"), LARGEST_ARGUMENTS + 1)
            .filter(|arguments| arguments.len() as u64 <= LARGEST_ARGUMENTS)
            .unwrap_or_default();
        let mut process = Self {
            arguments: split(&arguments),
            ..process
        };
        process.is_so_called = process.depth == 0 && process.runs(process.program());
        Some(process)
    }

    /// What `/proc/PID/status` says (proc(5)); `None` for a zombie, a kernel thread, and anything
    /// that is not a status. The kernel escapes line ends in the name.
    fn parse(pid: u32, status: &[u8]) -> Option<Self> {
        let field = |name: &[u8]| {
            let line = status
                .split(|byte| *byte == b'\n')
                .find(|line| line.starts_with(name))?;
            str::from_utf8(&line[name.len()..]).ok()
        };
        let numbers = |name: &[u8]| -> Option<Vec<u32>> {
            field(name)?
                .split_ascii_whitespace()
                .map(|word| word.parse().ok())
                .collect()
        };
        // Only a process with memory of its own can have been started by somebody.
        field(b"VmSize:")?;
        let pids = numbers(b"NSpid:")?;
        let [parent] = numbers(b"PPid:")?[..] else {
            return None;
        };
        let [real, user, saved, _] = numbers(b"Uid:")?[..] else {
            return None;
        };
        let depth = pids.len().checked_sub(1)?;
        let is_first = depth > 0 && pids.last() == Some(&1);
        Some(Self {
            pid,
            parent,
            user,
            is_of_one_user: real == user && saved == user,
            depth,
            is_first,
            is_so_called: false,
            arguments: Vec::new(),
        })
    }

    /// Whether its program's file has this name, in whatever place, and even if another file has it
    /// now. crun runs from a copy in memory that bears its name, and in k3s containerd is a link to
    /// the one program that it has (k3s: scripts/build).
    fn runs(&self, name: &str) -> bool {
        let Ok(file) = fs::read_link(proc::path(self.pid, "exe")) else {
            return false;
        };
        let text = file.to_string_lossy();
        let own = if text.starts_with("/memfd:") {
            &text
        } else {
            text.rsplit('/').next().unwrap_or_default()
        };
        !name.is_empty() && (own.contains(name) || own == "k3s")
    }

    /// Whether it is what its arguments say, and outside any container: in the caller's PID
    /// namespace, and in this mount namespace, which is the caller's own.
    #[must_use]
    pub fn is_here(&self, own: Option<&Path>) -> bool {
        self.depth == 0
            && self.is_so_called
            && self
                .namespace("mnt")
                .is_some_and(|mounts| Some(mounts.as_path()) == own)
    }

    /// The file name of its program, by its arguments.
    #[must_use]
    pub fn program(&self) -> &str {
        self.arguments
            .first()
            .and_then(|name| Path::new(name).file_name()?.to_str())
            .unwrap_or_default()
    }

    /// Its own name for a namespace of this kind, such as `mnt`; `None` if the caller may not read
    /// it.
    #[must_use]
    pub fn namespace(&self, kind: &str) -> Option<PathBuf> {
        fs::read_link(proc::path(self.pid, "ns").join(kind)).ok()
    }

    /// Its working directory, as it sees it.
    #[must_use]
    pub fn working_directory(&self) -> Option<PathBuf> {
        fs::read_link(proc::path(self.pid, "cwd")).ok()
    }

    /// The values of a flag in its arguments, as `--flag VALUE` or `--flag=VALUE`.
    pub fn values<'a>(&'a self, flag: &'a str) -> impl Iterator<Item = &'a OsStr> {
        let next = self.arguments.iter().skip(1).map(Some).chain([None]);
        self.arguments
            .iter()
            .zip(next)
            .filter_map(move |(word, next)| {
                match word.as_bytes().strip_prefix(flag.as_bytes())? {
                    [] => next.map(OsString::as_os_str),
                    [b'=', value @ ..] => Some(OsStr::from_bytes(value)),
                    _ => None,
                }
            })
    }

    /// The last value of a flag, which is the one that counts.
    #[must_use]
    pub fn value<'a>(&'a self, flag: &'a str) -> Option<&'a OsStr> {
        self.values(flag).last()
    }
}

fn split(arguments: &[u8]) -> Vec<OsString> {
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    match arguments {
        [] => Vec::new(),
        arguments => arguments
            .split(|byte| *byte == 0)
            .map(|word| OsStr::from_bytes(word).to_owned())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tsh\\nNSpid:\t1\nUmask:\t0022\nState:\tS (sleeping)\nPPid:\t407\nUid:\t0\t4\t0\t0\nVmSize:\t  1 kB\nNSpid:\t429\t1\n";

    #[test]
    fn the_kernel_says_whose_child_a_process_is_and_how_deep_its_namespace_lies() {
        let own = Process {
            pid: 429,
            parent: 407,
            user: 4,
            is_of_one_user: false,
            depth: 1,
            is_first: true,
            is_so_called: false,
            arguments: Vec::new(),
        };
        assert_eq!(Process::parse(429, STATUS.as_bytes()), Some(own.clone()));
        for (from, to, expected) in [
            (
                "429\t1\n",
                "429\n",
                Some(Process {
                    depth: 0,
                    is_first: false,
                    ..own.clone()
                }),
            ),
            (
                "429\t1\n",
                "1\n",
                Some(Process {
                    depth: 0,
                    is_first: false,
                    ..own.clone()
                }),
            ),
            (
                "429\t1\n",
                "429\t7\t1\n",
                Some(Process {
                    depth: 2,
                    ..own.clone()
                }),
            ),
            (
                "429\t1\n",
                "429\t7\t2\n",
                Some(Process {
                    depth: 2,
                    is_first: false,
                    ..own.clone()
                }),
            ),
            ("VmSize:\t  1 kB\n", "", None),
            (
                "Uid:\t0\t4\t0",
                "Uid:\t4\t4\t4",
                Some(Process {
                    is_of_one_user: true,
                    ..own.clone()
                }),
            ),
            ("Uid:\t0\t4\t0", "Uid:\t4\t4\t0", Some(own.clone())),
            ("PPid:\t407\n", "", None),
            ("NSpid:\t429", "NSpid:\tx", None),
        ] {
            assert_eq!(
                Process::parse(429, STATUS.replace(from, to).as_bytes()),
                expected,
                "{from:?} {to:?}"
            );
        }
        let this = all()
            .into_iter()
            .find(|process| process.pid == std::process::id())
            .unwrap();
        assert_eq!(
            (this.parent, this.user),
            (
                std::os::unix::process::parent_id(),
                nix::unistd::geteuid().as_raw()
            )
        );
        assert_eq!(this.arguments, std::env::args_os().collect::<Vec<_>>());
        assert!(
            this.is_so_called
                && this.is_here(own_namespace("mnt").as_deref())
                && !this.runs("dockerd")
                && !this.runs("")
        );
    }

    #[test]
    fn a_flag_has_its_value_in_either_form_and_the_last_one_counts() {
        let process = |line: &str| Process {
            arguments: line.split(' ').map(OsString::from).collect(),
            ..Process {
                pid: 1,
                parent: 0,
                user: 0,
                is_of_one_user: true,
                depth: 0,
                is_first: false,
                is_so_called: false,
                arguments: Vec::new(),
            }
        };
        for (line, value) in [
            ("dockerd --exec-root /run/a", Some("/run/a")),
            ("dockerd --exec-root=/run/a", Some("/run/a")),
            (
                "dockerd --exec-root /run/a --exec-root=/run/b",
                Some("/run/b"),
            ),
            ("dockerd --exec-rooted=/run/a", None),
            ("dockerd --exec-root", None),
            ("dockerd", None),
        ] {
            assert_eq!(
                process(line).value("--exec-root"),
                value.map(OsStr::new),
                "{line}"
            );
        }
        assert_eq!(process("/usr/bin/dockerd -D").program(), "dockerd");
        assert_eq!(
            (split(b"a\0\0b\0"), split(b"")),
            (
                vec!["a".into(), "".into(), "b".into()],
                Vec::<OsString>::new()
            )
        );
    }
}
