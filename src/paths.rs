//! Defines every path that Embargo uses on a node.
//!
//! The paths are fixed (embargo(8), FILES). An unprivileged caller may move them all below another
//! directory with `EMBARGO_ROOT`, for tests and for trying things out. For a privileged caller,
//! `EMBARGO_ROOT` is ignored: otherwise a user who sets an engine's variables could lift every ban.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The files and directories of a node, all absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The directory above all other paths: `/`.
    pub root: PathBuf,
    /// The settings: `/etc/embargo/config.toml`.
    pub settings: PathBuf,
    /// The keyset, with the keys that this node trusts: `/etc/embargo/keyset`.
    pub keyset: PathBuf,
    /// The break-glass file: `/etc/embargo/break-glass`.
    pub break_glass: PathBuf,
    /// The directory of the list and of Embargo's other state: `/var/lib/embargo`.
    pub state: PathBuf,
    /// The list in force: `/var/lib/embargo/banlist.lst`.
    pub list: PathBuf,
    /// The second copy of the list in force, of the same version:
    /// `/var/lib/embargo/banlist.copy.lst`.
    pub copy: PathBuf,
    /// Where earlier versions of Embargo kept the previous list:
    /// `/var/lib/embargo/banlist.previous.lst`. Nothing reads that file.
    pub previous: PathBuf,
    /// The floor, which records the newest list ever installed: `/var/lib/embargo/floor`.
    pub floor: PathBuf,
    /// The cache of layer chains that were resolved before: `/var/lib/embargo/lineage`.
    pub lineage: PathBuf,
    /// The journals of `exec-patch`: `/var/lib/embargo/patches`.
    pub patches: PathBuf,
    /// The result of the last installation of a list: `/var/lib/embargo/last-install.json`.
    pub last_install: PathBuf,
    /// The node's state, for everybody to read: `/run/embargo/status.json`.
    pub status: PathBuf,
    /// The runtimes whose places Embargo has taken: `/var/lib/embargo/divert.json`.
    pub diversions: PathBuf,
    /// A marker file: the system log already has a record that this node is not armed. A reboot
    /// removes the file: `/run/embargo/not-armed`.
    pub not_armed: PathBuf,
    /// How often each event happened since the node was booted: `/run/embargo/counts`.
    pub counts: PathBuf,
    /// A marker file: a list was installed, and its signed patches are to run. The unit that runs
    /// them removes the file: `/run/embargo/patch-wanted`.
    pub patch_wanted: PathBuf,
    /// The directories of `exec-patch`'s workers, while they run: `/run/embargo/entered`.
    pub entered: PathBuf,
}

impl Paths {
    /// The paths below `root`. With `/`, the paths are those of the running node.
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
            last_install: state.join("last-install.json"),
            status: root.join("run/embargo/status.json"),
            diversions: state.join("divert.json"),
            not_armed: root.join("run/embargo/not-armed"),
            counts: root.join("run/embargo/counts"),
            patch_wanted: root.join("run/embargo/patch-wanted"),
            entered: root.join("run/embargo/entered"),
            state,
        }
    }

    /// The path on this node for a path that a file of the node names: the path is moved below the
    /// root, unless it is already below the root.
    #[must_use]
    pub fn of_node(&self, path: &Path) -> PathBuf {
        if path.starts_with(&self.root) {
            path.to_owned()
        } else {
            self.root.join(path.strip_prefix("/").unwrap_or(path))
        }
    }

    /// The paths for this caller. `root`, the value of `EMBARGO_ROOT`, is used only if it is
    /// absolute and the caller is not `privileged`.
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
