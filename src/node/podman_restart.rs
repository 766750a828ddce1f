//! Tells whether systemd runs `podman-restart.service`.
//!
//! In: the directories of systemd's units. Out: [`PodmanRestart`]. When this unit of Podman's is
//! restarted, it stops every container with the restart policy `always`, and starts it again
//! (podman: contrib/systemd/system/podman-restart.service.in). Debian's package of Podman enables
//! it, and restarts it with every upgrade. Not checked: whether the unit is active. One that has
//! failed at boot stops nothing.

use std::io::ErrorKind;
use std::path::Path;
use std::{fs, io};

use super::drop_ins::UNITS;
use crate::paths::Paths;

const UNIT: &str = "podman-restart.service";

/// Whether systemd runs `podman-restart.service`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodmanRestart {
    /// A target wants it, or that cannot be told.
    Enabled,
    /// No target wants it, or it is masked.
    Disabled,
}

/// Whether systemd runs the unit on this node.
#[must_use]
pub fn of_node(paths: &Paths) -> PodmanRestart {
    let mut directories = Vec::new();
    for directory in UNITS {
        directories.push(paths.of_node(Path::new(directory)));
    }
    if directories.iter().any(|directory| is_masked(directory)) {
        return PodmanRestart::Disabled;
    }
    let is_wanted = |directory| is_wanted(directory).unwrap_or(true);
    if directories.iter().any(|directory| is_wanted(directory)) {
        PodmanRestart::Enabled
    } else {
        PodmanRestart::Disabled
    }
}

fn is_masked(directory: &Path) -> bool {
    fs::read_link(directory.join(UNIT)).is_ok_and(|target| target == Path::new("/dev/null"))
}

/// Whether a target has a link to the unit in its directory `TARGET.wants` or `TARGET.requires`.
fn is_wanted(directory: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let names_units = path
            .extension()
            .is_some_and(|extension| extension == "wants" || extension == "requires");
        if names_units && fs::symlink_metadata(path.join(UNIT)).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn it_is_enabled_if_a_target_wants_it_and_nobody_has_masked_it() {
        let node = tempfile::tempdir().unwrap();
        let paths = Paths::below(node.path());
        assert_eq!(of_node(&paths), PodmanRestart::Disabled);
        let units = node.path().join("etc/systemd/system");
        let wants = units.join("default.target.wants");
        fs::create_dir_all(&wants).unwrap();
        symlink(
            "/lib/systemd/system/podman.service",
            wants.join("podman.service"),
        )
        .unwrap();
        assert_eq!(of_node(&paths), PodmanRestart::Disabled);
        symlink(
            "/lib/systemd/system/podman-restart.service",
            wants.join(UNIT),
        )
        .unwrap();
        assert_eq!(of_node(&paths), PodmanRestart::Enabled);
        symlink("/dev/null", units.join(UNIT)).unwrap();
        assert_eq!(of_node(&paths), PodmanRestart::Disabled);
    }

    #[test]
    fn a_directory_that_cannot_be_read_counts_as_enabled() {
        let node = tempfile::tempdir().unwrap();
        fs::create_dir_all(node.path().join("etc/systemd")).unwrap();
        symlink("system", node.path().join("etc/systemd/system")).unwrap();
        assert_eq!(of_node(&Paths::below(node.path())), PodmanRestart::Enabled);
    }
}
