//! Names every path that Embargo uses on a node.
//!
//! The paths are fixed (embargo(8), FILES). An unprivileged caller may put a directory before them
//! all with `EMBARGO_ROOT`, for tests and for trying things out. For a privileged caller the
//! environment changes nothing: otherwise whoever sets an engine's variables could lift every ban.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The files and directories of a node, all absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The directory above all the others: `/`.
    pub root: PathBuf,
    /// Settings: `/etc/embargo/config.toml`.
    pub settings: PathBuf,
    /// Trust: `/etc/embargo/keyset`.
    pub keyset: PathBuf,
    /// The break-glass file: `/etc/embargo/break-glass`.
    pub break_glass: PathBuf,
    /// The directory of the list: `/var/lib/embargo`.
    pub state: PathBuf,
    /// The list in force: `/var/lib/embargo/banlist.lst`.
    pub list: PathBuf,
    /// Its second copy, of the same version: `/var/lib/embargo/banlist.copy.lst`.
    pub copy: PathBuf,
    /// Where earlier versions of the program kept the previous list,
    /// `/var/lib/embargo/banlist.previous.lst`. Nothing reads it.
    pub previous: PathBuf,
    /// The newest list ever installed: `/var/lib/embargo/floor`.
    pub floor: PathBuf,
    /// Chains already resolved: `/var/lib/embargo/lineage`.
    pub lineage: PathBuf,
    /// What `exec-patch` did: `/var/lib/embargo/patches`.
    pub patches: PathBuf,
    /// Made when the system log has a record that the node is not armed; a reboot removes it:
    /// `/run/embargo/not-armed`.
    pub not_armed: PathBuf,
    /// What `exec-patch` hands to runtimes while they run: `/run/embargo/entered`.
    pub entered: PathBuf,
}

impl Paths {
    /// The paths below `root`; `/` is the running node's.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let (etc, state) = (root.join("etc/embargo"), root.join("var/lib/embargo"));
        Self {
            root: root.to_owned(),
            settings: etc.join("config.toml"),
            keyset: etc.join("keyset"),
            break_glass: etc.join("break-glass"),
            list: state.join("banlist.lst"),
            copy: state.join("banlist.copy.lst"),
            previous: state.join("banlist.previous.lst"),
            floor: state.join("floor"),
            lineage: state.join("lineage"),
            patches: state.join("patches"),
            not_armed: root.join("run/embargo/not-armed"),
            entered: root.join("run/embargo/entered"),
            state,
        }
    }

    /// A path from this node's own files, put below the root unless it already is.
    #[must_use]
    pub fn of_node(&self, path: &Path) -> PathBuf {
        if path.starts_with(&self.root) {
            path.to_owned()
        } else {
            self.root.join(path.strip_prefix("/").unwrap_or(path))
        }
    }

    /// The paths for this caller: `root` (the value of `EMBARGO_ROOT`) counts only when
    /// `privileged` is false and it is absolute.
    #[must_use]
    pub fn for_caller(root: Option<&OsStr>, privileged: bool) -> Self {
        match root.map(Path::new) {
            Some(root) if !privileged && root.is_absolute() => Self::below(root),
            Some(_) | None => Self::below(Path::new("/")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_elsewhere_calls_its_own_is_below_its_root() {
        for (root, path, found) in [
            ("/", "/var/lib/x", "/var/lib/x"),
            ("/mnt", "/var/lib/x", "/mnt/var/lib/x"),
            ("/mnt", "/mnt/x", "/mnt/x"),
        ] {
            assert_eq!(
                Paths::below(Path::new(root)).of_node(Path::new(path)),
                Path::new(found)
            );
        }
    }

    #[test]
    fn the_environment_moves_nothing_for_a_privileged_caller() {
        let node = Paths::below(Path::new("/"));
        assert_eq!(node.settings, Path::new("/etc/embargo/config.toml"));
        assert_eq!(Paths::for_caller(Some(OsStr::new("/tmp/x")), true), node);
        assert_eq!(Paths::for_caller(Some(OsStr::new("tmp/x")), false), node);
        assert_eq!(Paths::for_caller(None, false), node);
        assert_eq!(
            Paths::for_caller(Some(OsStr::new("/tmp/x")), false).list,
            Path::new("/tmp/x/var/lib/embargo/banlist.lst")
        );
    }
}
