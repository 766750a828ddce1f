//! Finds whether a container is paused.
//!
//! In: the cgroups of the container's first process (cgroups(7), `/proc/pid/cgroup`). Out: whether
//! that process is frozen, no matter whether the container's own cgroup was frozen or a cgroup
//! above it. The check is cheap: it reads two or three small files, where the runtime's own `state`
//! command would cost a process. If the files cannot be read, the result is `false`. The runtime
//! checks too, and refuses to enter a paused container.

use std::path::Path;

use crate::sys::file::{self, Guard};
use crate::sys::proc;

/// Where the node's cgroup file systems are mounted.
pub const CGROUPS: &str = "/sys/fs/cgroup";

/// At most this many bytes are read of a file that tells whether a cgroup is frozen. The real files
/// are much smaller.
const LARGEST: u64 = 64 << 10;

/// Whether the process is in a frozen cgroup. `system` is the directory of the node's cgroups,
/// [`CGROUPS`].
#[must_use]
pub fn is_paused(pid: u32, system: &Path) -> bool {
    let cgroups = proc::cgroups(pid);
    cgroups.lines().any(|cgroup| is_frozen(cgroup, system))
}

/// Whether the cgroup in one line of `/proc/pid/cgroup` is frozen: `5:freezer:/docker/…`, or
/// `0::/docker/…` for version 2, which is mounted at one of two paths.
fn is_frozen(cgroup: &str, system: &Path) -> bool {
    let mut parts = cgroup.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return false;
    };
    let (hierarchies, name, states): (&[&str], &str, &[&str]) = if controllers.is_empty() {
        (&["", "unified"], "cgroup.events", &["frozen 1"])
    } else if controllers.split(',').any(|one| one == "freezer") {
        (&["freezer"], "freezer.state", &["FROZEN", "FREEZING"])
    } else {
        return false;
    };
    for hierarchy in hierarchies {
        let directory = system.join(hierarchy).join(path.trim_start_matches('/'));
        let text = file::read_text(&directory.join(name), LARGEST, Guard::Any);
        if text.is_ok_and(|text| text.lines().any(|line| states.contains(&line))) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_version_of_cgroups_tells_what_is_frozen() {
        let directory = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file = tempfile::NamedTempFile::new_in(directory.path()).unwrap();
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            file.persist(path).unwrap();
        };
        put("freezer/docker/a/freezer.state", "FROZEN\n");
        put("freezer/docker/b/freezer.state", "THAWED\n");
        put("unified/docker/c/cgroup.events", "populated 1\nfrozen 1\n");
        put("docker/d/cgroup.events", "populated 1\nfrozen 1\n");
        put("docker/e/cgroup.events", "populated 1\nfrozen 0\n");
        for (line, expected) in [
            ("6:freezer:/docker/a", true),
            ("6:cpu,freezer:/docker/a", true),
            ("6:freezer:/docker/b", false),
            ("6:freezer:/docker/none", false),
            ("6:cpu:/docker/a", false),
            ("0::/docker/c", true),
            ("0::/docker/d", true),
            ("0::/docker/e", false),
            ("1:name=systemd:/docker/c", false),
            ("0::", false),
            ("6:freezer", false),
            ("", false),
        ] {
            assert_eq!(is_frozen(line, directory.path()), expected, "{line}");
        }
        assert!(
            !is_paused(std::process::id(), directory.path())
                && !is_paused(u32::MAX, directory.path())
        );
    }
}
