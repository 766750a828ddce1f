//! Lists the processes in a container's cgroup.
//!
//! In: a container's ID and first process. Out: the directory of the container's cgroup in a
//! hierarchy (v2 or v1) that the caller has mounted, and whether that cgroup is the container's
//! own. A rootless container on cgroup v1 shares its user's cgroup, so other processes may be in
//! the same cgroup. The engines choose the names of cgroups; below a delegated cgroup, a user
//! chooses them. Sources: proc(5), cgroups(7) and the kernel's
//! Documentation/admin-guide/cgroup-v2.rst. Not checked: whether a process has just moved to
//! another cgroup.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::table::ProcessKey;
use crate::container::mount::unescaped;
use crate::sys::file::{self, Guard};
use crate::sys::proc;

/// The largest mount table and the largest list of processes that are read.
const LARGEST_TABLE: u64 = 16 << 20;

/// At most this many cgroups at and below the container's cgroup are read: each nested container
/// has some of its own.
const MOST_DIRECTORIES: usize = 1_024;

/// At most this many processes are taken from the cgroups; the next scan takes more.
const MOST_PROCESSES: usize = 16_384;

/// The controllers of cgroup v1, in the order in which they are tried. The controllers for which
/// every engine makes a cgroup come first.
const CONTROLLERS: [&str; 6] = [
    "pids",
    "devices",
    "memory",
    "freezer",
    "cpu",
    "name=systemd",
];

/// A container's cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroup {
    /// The cgroup's directory.
    directory: PathBuf,
    /// Whether the cgroup holds no other processes than the container's.
    pub(super) is_own: bool,
}

/// One line of `/proc/PID/cgroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CgroupLine {
    /// The line's cgroup v1 controllers; empty for v2.
    controllers: Vec<String>,
    path: PathBuf,
}

/// One mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    /// The mount's options, which include the cgroup v1 controllers of [`CgroupLine`].
    options: Vec<String>,
    is_v2: bool,
    /// The directory of the hierarchy that is mounted here.
    root: PathBuf,
    mount_point: PathBuf,
}

impl Cgroup {
    /// The cgroup of the container whose first process is `init`. If one of the hierarchies has a
    /// cgroup of the container's own, that cgroup is the result. `None` if the caller sees no
    /// mounted hierarchy, or if the process is gone.
    pub(super) fn of(id: &str, init: ProcessKey) -> Option<Self> {
        let lines = lines(&proc::read(proc::path(init.0, "cgroup"), LARGEST_TABLE)?);
        let (file, _) = file::open(Path::new("/proc/self/mountinfo"), Guard::Any).ok()?;
        let mut table = BufReader::new(file.take(LARGEST_TABLE));
        let (mut mounted, mut found) = (Vec::new(), None);
        while more(&mut table, &mut mounted) {
            found = Self::among(&lines, &mounted, id, init);
            if found.as_ref().is_some_and(|cgroup| cgroup.is_own) {
                break;
            }
        }
        found
    }

    /// Searches for the container's cgroup in the hierarchies that were read so far, `mounted`.
    fn among(
        lines: &[CgroupLine],
        mounted: &[Hierarchy],
        id: &str,
        init: ProcessKey,
    ) -> Option<Self> {
        let mut found = None;
        for line in lines {
            let Some(mut cgroup) = Self::at(line, mounted, id) else {
                continue;
            };
            if !cgroup.directory.is_dir() {
                continue;
            }
            if cgroup.is_own || line.path != Path::new("/") && cgroup.began_with(init) {
                cgroup.is_own = true;
                return Some(cgroup);
            }
            found.get_or_insert(cgroup);
        }
        found
    }

    /// The processes in this cgroup and in the cgroups below it.
    pub(super) fn processes(&self) -> Vec<u32> {
        let mut processes = Vec::new();
        let mut directories = vec![self.directory.clone()];
        let mut looked = 0;
        while let Some(directory) = directories.pop() {
            let listed =
                proc::read(directory.join("cgroup.procs"), LARGEST_TABLE).unwrap_or_default();
            // 0 stands for a process outside the reader's PID namespace.
            processes.extend(proc::numbers(&listed).into_iter().filter(|pid| *pid != 0));
            looked += 1;
            if looked + directories.len() < MOST_DIRECTORIES && processes.len() < MOST_PROCESSES {
                for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                    if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        directories.push(entry.path());
                    }
                }
            }
        }
        processes.truncate(MOST_PROCESSES);
        processes
    }

    /// Whether no process in this cgroup is older than the container's first process. If so, the
    /// cgroup was made for that container.
    fn began_with(&self, init: ProcessKey) -> bool {
        let processes = self.processes();
        let mut stats = processes.into_iter().filter_map(proc::stat);
        stats.all(|stat| stat.started >= init.1)
    }

    /// A container's cgroup in `line`'s hierarchy. The cgroup is the container's own if its path
    /// has the container's ID.
    fn at(line: &CgroupLine, mounted: &[Hierarchy], id: &str) -> Option<Self> {
        let named = named(&line.path, id);
        let path = named.as_deref().unwrap_or(&line.path);
        if path.components().any(|part| part.as_os_str() == "..") {
            return None;
        }
        // One hierarchy may be mounted at several paths, and each mount shows a different part. A
        // cgroup outside the caller's cgroup namespace has no directory.
        for hierarchy in mounted {
            if hierarchy.is_of(line)
                && let Ok(below) = path.strip_prefix(&hierarchy.root)
            {
                return Some(Self {
                    directory: hierarchy.mount_point.join(below),
                    is_own: named.is_some(),
                });
            }
        }
        None
    }
}

/// The part of a path up to the directory that is named after the container: `ID`,
/// `docker-ID.scope`, `libpod-ID`. Docker in a container, and systemd, move a container's processes
/// below that directory.
fn named(path: &Path, id: &str) -> Option<PathBuf> {
    let named = path.ancestors().filter(|directory| is_named(directory, id));
    Some(named.last()?.to_owned())
}

fn is_named(directory: &Path, id: &str) -> bool {
    let name = directory
        .file_name()
        .and_then(OsStr::to_str)
        .unwrap_or_default();
    let name = name.strip_suffix(".scope").unwrap_or(name);
    name.strip_suffix(id)
        .is_some_and(|before| before.is_empty() || before.ends_with('-'))
}

impl Hierarchy {
    fn is_of(&self, line: &CgroupLine) -> bool {
        match line.controllers.first() {
            None => self.is_v2,
            Some(controller) => !self.is_v2 && self.options.contains(controller),
        }
    }
}

/// The lines of `/proc/PID/cgroup`, the most useful first: the line of v2, then those of v1 in the
/// order of [`CONTROLLERS`].
fn lines(text: &[u8]) -> Vec<CgroupLine> {
    let mut lines: Vec<CgroupLine> = text.split(|byte| *byte == b'\n').filter_map(line).collect();
    lines.sort_by_key(rank);
    lines
}

fn rank(line: &CgroupLine) -> usize {
    if line.controllers.is_empty() {
        return 0;
    }
    for (place, controller) in CONTROLLERS.iter().enumerate() {
        if line.controllers.iter().any(|one| one == controller) {
            return place + 1;
        }
    }
    usize::MAX
}

/// Reads one line of `/proc/PID/cgroup`: `4:memory:/a/b` or `0::/a/b`. The path may contain colons.
fn line(text: &[u8]) -> Option<CgroupLine> {
    let mut parts = text.splitn(3, |byte| *byte == b':').skip(1);
    let mut controllers = words(parts.next()?)?;
    controllers.retain(|one| !one.is_empty());
    Some(CgroupLine {
        controllers,
        path: PathBuf::from(OsStr::from_bytes(parts.next()?)),
    })
}

/// The words of a list with commas.
fn words(list: &[u8]) -> Option<Vec<String>> {
    let list = str::from_utf8(list).ok()?;
    Some(list.split(',').map(str::to_owned).collect())
}

/// Reads the next group of adjacent cgroup hierarchies in a mount table (proc(5),
/// `/proc/PID/mountinfo`); `false` if there are no more. The hierarchies stand before the mounts of
/// containers. There may be hundreds of those mounts, and the kernel is slow to list them: 2 ms for
/// two hundred.
fn more(table: &mut impl BufRead, mounted: &mut Vec<Hierarchy>) -> bool {
    let before = mounted.len();
    let mut line = Vec::new();
    // An error of reading is treated as the end of the table.
    while matches!(table.read_until(b'\n', &mut line), Ok(1..)) {
        match hierarchy(line.strip_suffix(b"\n").unwrap_or(&line)) {
            Some(hierarchy) => mounted.push(hierarchy),
            None if mounted.len() > before => return true,
            None => {}
        }
        line.clear();
    }
    mounted.len() > before
}

fn hierarchy(text: &[u8]) -> Option<Hierarchy> {
    let fields: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
    let dash = fields.iter().position(|field| *field == b"-")?;
    if dash < 6 {
        return None;
    }
    let is_v2 = match *fields.get(dash + 1)? {
        b"cgroup" => false,
        b"cgroup2" => true,
        _ => return None,
    };
    Some(Hierarchy {
        options: words(fields.get(dash + 3)?)?,
        is_v2,
        root: unescaped(fields.get(3)?),
        mount_point: unescaped(fields.get(4)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "c0ffee0123";

    /// Lines of a mount table: a host with both v1 and v2, as systemd mounts them.
    const HYBRID: &[u8] = b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
";

    fn hierarchies(mut table: &[u8]) -> Vec<Hierarchy> {
        let mut mounted = Vec::new();
        while more(&mut table, &mut mounted) {}
        mounted
    }

    #[test]
    fn hierarchies_that_stand_side_by_side_are_taken_before_what_follows_is_read() {
        let later = b"40 23 0:40 / /other rw - overlay overlay rw\n36 31 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let table = [HYBRID, later].concat();
        let (mut rest, mut mounted) = (&table[..], Vec::new());
        assert!(more(&mut rest, &mut mounted));
        assert_eq!((mounted.len(), rest.starts_with(b"36 31")), (4, true));
        assert!(
            more(&mut rest, &mut mounted) && mounted.len() == 5 && !more(&mut rest, &mut mounted)
        );
    }

    fn found(table: &[u8], lines_of: &str) -> Vec<(String, bool)> {
        let mounted = hierarchies(table);
        let mut found = Vec::new();
        for line in lines(lines_of.as_bytes()) {
            if let Some(cgroup) = Cgroup::at(&line, &mounted, ID) {
                found.push((cgroup.directory.display().to_string(), cgroup.is_own));
            }
        }
        found
    }

    #[test]
    fn the_containers_directory_is_found_in_every_kind_of_hierarchy() {
        let v2 =
            b"30 23 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let scope = "/sys/fs/cgroup/system.slice/docker-c0ffee0123.scope";
        let slice = "0::/system.slice/docker-c0ffee0123.scope";
        assert_eq!(found(v2, &format!("{slice}\n")), [(scope.to_owned(), true)]);
        assert_eq!(
            found(v2, &format!("{slice}/init\n")),
            [(scope.to_owned(), true)],
            "moved below it by what runs there"
        );
        let user = "/user.slice/user-1000.slice/session-3.scope";
        assert_eq!(
            found(v2, &format!("0::{user}\n")),
            [(format!("/sys/fs/cgroup{user}"), false)]
        );
        let hybrid = "5:pids:/docker/c0ffee0123\n4:cpuacct,cpu:/docker/c0ffee0123\n1:name=systemd:/x:y\n9:rdma:/\n0::/\n";
        let expected = [
            ("/sys/fs/cgroup/unified/", false),
            ("/sys/fs/cgroup/pids/docker/c0ffee0123", true),
            ("/sys/fs/cgroup/cpu,cpuacct/docker/c0ffee0123", true),
            ("/sys/fs/cgroup/systemd/x:y", false),
        ];
        assert_eq!(
            found(HYBRID, hybrid),
            expected.map(|(directory, is_named)| (directory.to_owned(), is_named))
        );
    }

    #[test]
    fn a_part_of_a_hierarchy_that_is_not_mounted_has_no_directory() {
        let part = b"30 23 0:27 /kubepods /mnt/a\\040b rw - cgroup2 none rw\n";
        assert_eq!(
            found(part, "0::/kubepods/pod7/c0ffee0123\n"),
            [("/mnt/a b/pod7/c0ffee0123".to_owned(), true)]
        );
        for line in [
            "0::/docker/c0ffee0123\n",
            "3:pids:/kubepods/c0ffee0123\n",
            "0::/../../c0ffee0123\n",
            "0::\n",
            "0:\n",
            "",
            "\n\n",
        ] {
            assert_eq!(found(part, line), [], "{line}");
        }
        let outside = b"30 23 0:27 / /sys/fs/cgroup rw - cgroup2 none rw\n";
        assert_eq!(
            found(outside, "0::/../../c0ffee0123\n"),
            [],
            "outside the caller's cgroup namespace"
        );
        for table in [
            &b""[..],
            b"30 23 0:27 / /sys/fs/cgroup rw - cgroup2",
            b"30 - cgroup2 none rw",
            b"30 23 0:27 / /x rw - ext4 none rw",
        ] {
            assert_eq!(hierarchies(table), [], "{}", String::from_utf8_lossy(table));
        }
    }

    #[test]
    fn a_directory_is_the_containers_by_its_whole_name() {
        for (path, directory) in [
            ("/a/c0ffee0123", Some("/a/c0ffee0123")),
            ("/a/c0ffee0123/b/c0ffee0123", Some("/a/c0ffee0123")),
            (
                "/libpod_parent/libpod-c0ffee0123",
                Some("/libpod_parent/libpod-c0ffee0123"),
            ),
            (
                "/machine.slice/libpod-c0ffee0123.scope/container",
                Some("/machine.slice/libpod-c0ffee0123.scope"),
            ),
            (
                "/kubepods/cri-containerd-c0ffee0123.scope",
                Some("/kubepods/cri-containerd-c0ffee0123.scope"),
            ),
            ("/a/xc0ffee0123", None),
            ("/a/c0ffee01234", None),
            ("/a/c0ffee012", None),
            ("/", None),
        ] {
            assert_eq!(
                named(Path::new(path), ID).as_deref(),
                directory.map(Path::new),
                "{path}"
            );
        }
    }

    #[test]
    fn the_own_cgroup_has_the_own_process_and_is_shared_with_older_ones() {
        let own = std::process::id();
        let key = (own, proc::stat(own).unwrap().started);
        // If no hierarchy is mounted, as in some build sandboxes, no cgroup can be found.
        if let Some(cgroup) = Cgroup::of(ID, key) {
            assert!(cgroup.processes().contains(&own), "{cgroup:?}");
            assert!(!cgroup.is_own, "{cgroup:?}");
        }
        assert_eq!(Cgroup::of(ID, (0, 0)), None);
    }
}
