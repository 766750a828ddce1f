//! Reads every process of a node in one pass.
//!
//! In: `/proc`. Out: for each process its parent, its user, its arguments, and how many levels its
//! PID namespace lies below the namespace of `/proc`. Hostile: a process chooses its own name and
//! arguments, and may hide the arguments. The parent, the user and the namespaces come from the
//! kernel.

use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::paths::Paths;
use crate::sys::proc;

/// How many bytes of a process's status are read. The status lists up to 65,536 supplementary
/// groups.
const LARGEST_STATUS: u64 = 1 << 20;

/// How many bytes of a process's arguments are read. A monitor has a few KB of arguments. If a
/// process has more bytes of arguments, its arguments are treated as unknown.
const LARGEST_ARGUMENTS: u64 = 64 << 10;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process ID, as `/proc` shows it.
    pub pid: u32,
    /// The process ID of the parent.
    pub parent: u32,
    /// The effective user.
    pub user: u32,
    /// Whether the real, effective and saved users are the same. If the users differ, the process
    /// may be a set-user-ID program, which anybody may have started with any arguments.
    pub is_of_one_user: bool,
    /// How many PID namespaces lie between the process and `/proc`; 0 if the process is in the
    /// namespace of `/proc`.
    pub depth: usize,
    /// Whether the process is the first process of its PID namespace.
    pub is_first: bool,
    /// The arguments, beginning with the program's name; empty if the arguments are not known.
    pub arguments: Vec<OsString>,
    /// Facts that are read only for a few processes.
    pub asked: Asked,
}

/// Facts about a process that are read from the kernel when they are first needed, and only once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    is_so_called: OnceCell<bool>,
    mounts: OnceCell<Option<PathBuf>>,
    directory: OnceCell<Option<PathBuf>>,
}

/// The processes of a node. Only the machine that Embargo runs on has processes; a node whose file
/// system is mounted somewhere has none. Left out are calls of an engine's program that only check
/// or print settings, which may be those of a draft.
#[must_use]
pub fn of_node(paths: &Paths) -> Vec<Process> {
    if paths.root == Path::new("/") {
        let mut processes = all();
        processes.retain(|process| !process.only_checks());
        processes
    } else {
        Vec::new()
    }
}

/// Every running process, in the order of process IDs, without zombies and kernel threads.
#[must_use]
pub fn all() -> Vec<Process> {
    let mut pids = proc::all();
    pids.sort_unstable();
    pids.into_iter().filter_map(Process::read).collect()
}

/// The caller's own namespace of this kind. A kind is a name such as `mnt`.
#[must_use]
pub fn own_namespace(kind: &str) -> Option<PathBuf> {
    fs::read_link(Path::new("/proc/self/ns").join(kind)).ok()
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let status = proc::read(proc::path(pid, "status"), LARGEST_STATUS)?;
        let process = Self::parse(pid, &status)?;
        let arguments = proc::read(proc::path(pid, "cmdline"), LARGEST_ARGUMENTS + 1);
        Some(Self {
            arguments: split(&arguments.unwrap_or_default()),
            ..process
        })
    }

    /// Parses `/proc/PID/status` (proc(5)); `None` for a zombie, a kernel thread, and text that is
    /// not a status. The kernel escapes line ends in the process's name.
    fn parse(pid: u32, status: &[u8]) -> Option<Self> {
        // A kernel thread has no memory of its own, and so no `VmSize`.
        field(status, b"VmSize:")?;
        let pids = numbers(status, b"NSpid:")?;
        let [parent] = numbers(status, b"PPid:")?[..] else {
            return None;
        };
        let [real, user, saved, _] = numbers(status, b"Uid:")?[..] else {
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
            arguments: Vec::new(),
            asked: Asked::default(),
        })
    }

    /// Whether this call of an engine's program checks or prints settings, and is no daemon: `dockerd
    /// --validate`, `containerd config dump`, `crio config`.
    fn only_checks(&self) -> bool {
        let words = self.arguments.get(1..).unwrap_or_default();
        match self.program() {
            "dockerd" => words.iter().any(|word| word == "--validate"),
            "containerd" => words.windows(2).any(|pair| {
                pair[0] == "config"
                    && ["default", "dump", "migrate"]
                        .iter()
                        .any(|of| pair[1] == *of)
            }),
            // A file may have that name, too: then a flag comes before it.
            "crio" => match words {
                [.., before, last] => {
                    last == "config"
                        && (!before.as_bytes().starts_with(b"-")
                            || before.as_bytes().contains(&b'='))
                }
                [last] => last == "config",
                [] => false,
            },
            _ => false,
        }
    }

    /// The user who started the process; `u32::MAX` for a set-user-ID program, which anybody may
    /// have started.
    #[must_use]
    pub fn starter(&self) -> u32 {
        if self.is_of_one_user {
            self.user
        } else {
            u32::MAX
        }
    }

    /// Whether the program file has the name that the arguments begin with. A user who starts one
    /// of root's programs, as with sudo, chooses the arguments.
    fn is_so_called(&self) -> bool {
        let is_so_called = &self.asked.is_so_called;
        *is_so_called.get_or_init(|| self.runs(self.program()))
    }

    /// Whether the name of the process's program file contains this name. The directory of the file
    /// does not matter, nor whether the file has been deleted or replaced since. crun runs from a
    /// copy in memory that is also named `crun`. In k3s, `containerd` is a link to the single
    /// program that k3s has (k3s: scripts/build).
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

    /// Returns `true` if the process runs the program that its arguments name, and runs outside any
    /// container. A process outside any container is in the caller's PID namespace and in the
    /// caller's mount namespace `own`.
    #[must_use]
    pub fn is_here(&self, own: Option<&Path>) -> bool {
        self.depth == 0 && self.is_so_called() && self.mounts().is_some() && self.mounts() == own
    }

    /// The file name of the program, as the arguments give it.
    #[must_use]
    pub fn program(&self) -> &str {
        let name = self
            .arguments
            .first()
            .and_then(|name| Path::new(name).file_name());
        name.and_then(OsStr::to_str).unwrap_or_default()
    }

    /// The mount namespace of the process, as its link in `/proc` names it; `None` if the caller
    /// may not read that link.
    #[must_use]
    pub fn mounts(&self) -> Option<&Path> {
        let mounts = &self.asked.mounts;
        mounts.get_or_init(|| namespace(self.pid, "mnt")).as_deref()
    }

    /// The user namespace of the process, as its link in `/proc` names it; `None` if the caller may
    /// not read that link.
    #[must_use]
    pub fn users(&self) -> Option<PathBuf> {
        namespace(self.pid, "user")
    }

    /// The working directory, as the process sees it.
    #[must_use]
    pub fn working_directory(&self) -> Option<&Path> {
        let directory = &self.asked.directory;
        directory
            .get_or_init(|| fs::read_link(proc::path(self.pid, "cwd")).ok())
            .as_deref()
    }

    /// The first value of a flag, as text.
    pub(super) fn text(&self, flag: &str) -> Option<String> {
        Some(self.values(flag).next()?.to_str()?.to_owned())
    }

    /// All values of a flag in the arguments, written as `--flag VALUE` or `--flag=VALUE`.
    pub fn values<'a>(&'a self, flag: &'a str) -> impl DoubleEndedIterator<Item = &'a OsStr> {
        let value = move |(at, word): (usize, &'a OsString)| match word
            .as_bytes()
            .strip_prefix(flag.as_bytes())?
        {
            [] => self.arguments.get(at + 1).map(OsString::as_os_str),
            [b'=', value @ ..] => Some(OsStr::from_bytes(value)),
            _ => None,
        };
        self.arguments.iter().enumerate().filter_map(value)
    }

    /// The last value of a flag. Programs use the last of several values.
    #[must_use]
    pub fn value<'a>(&'a self, flag: &'a str) -> Option<&'a OsStr> {
        self.values(flag).next_back()
    }
}

/// The namespace of this kind that a process is in, as the link in `/proc` names it.
fn namespace(pid: u32, kind: &str) -> Option<PathBuf> {
    proc::namespace(pid, kind).map(PathBuf::from)
}

/// The value of a field of a process's status.
fn field<'a>(status: &'a [u8], name: &[u8]) -> Option<&'a str> {
    for line in status.split(|byte| *byte == b'\n') {
        if let Some(value) = line.strip_prefix(name) {
            return str::from_utf8(value).ok();
        }
    }
    None
}

/// The numbers in a field of a process's status; `None` if the field contains anything else.
fn numbers(status: &[u8], name: &[u8]) -> Option<Vec<u32>> {
    let words = field(status, name)?.split_ascii_whitespace();
    words.map(|word| word.parse().ok()).collect()
}

/// The arguments in a process's command line; empty if the command line is longer than
/// [`LARGEST_ARGUMENTS`].
fn split(arguments: &[u8]) -> Vec<OsString> {
    let mut words = Vec::new();
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    if !arguments.is_empty() && arguments.len() as u64 <= LARGEST_ARGUMENTS {
        for word in arguments.split(|byte| *byte == 0) {
            words.push(OsStr::from_bytes(word).to_owned());
        }
    }
    words
}

#[cfg(test)]
impl Asked {
    /// For tests: says whether the program file has the name with which the arguments begin.
    pub(super) fn program(is_so_called: bool) -> Self {
        Self {
            is_so_called: OnceCell::from(is_so_called),
            ..Self::default()
        }
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
            arguments: Vec::new(),
            asked: Asked::default(),
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
            this.is_so_called()
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
                arguments: Vec::new(),
                asked: Asked::default(),
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
        for (line, only_checks) in [
            ("/usr/bin/dockerd --validate --config-file /d", true),
            ("dockerd --config-file /d", false),
            ("containerd --config /c config dump", true),
            ("containerd --config config --log-level debug", false),
            ("containerd", false),
            ("crio --config /c --config-dir= config", true),
            ("crio config", true),
            ("crio --config config", false),
            ("sh config dump", false),
            ("", false),
        ] {
            assert_eq!(process(line).only_checks(), only_checks, "{line}");
        }
        assert_eq!(
            (split(b"a\0\0b\0"), split(b"")),
            (
                vec!["a".into(), "".into(), "b".into()],
                Vec::<OsString>::new()
            )
        );
    }
}
