//! Finds out whether a directory shows a part of an engine's store, by whatever path it is reached.
//!
//! In: the root of a container that has no image, and the mount there. Out: whether one of its
//! directories has, or leads to, the path of a layer's or a container's files. Three things are
//! followed: symbolic links; the directories of an overlay; and, for a bind mount, the path of its
//! directory inside the file system and at the other mounts of that file system. The kernel's table
//! of mounts is trusted. Anybody may have made the links and the mounts. Not checked: a directory
//! that was unmounted or replaced after an overlay was made of it, because the kernel reports only
//! its name.

use std::path::{Path, PathBuf};

use super::engine;
use super::mount::{self, MountError, MountQuery, RootMount};

/// How many directories are followed. An overlay has at most 500 lower directories, and only one
/// other overlay may be below it (Linux: `FILESYSTEM_MAX_STACK_DEPTH`).
const MAX_DIRECTORIES: usize = 4_096;

/// A line of the table of mounts.
#[derive(Clone, Debug)]
struct TableMount {
    /// The file system, as `<major>:<minor>`.
    device: Vec<u8>,
    /// The directory of the file system that is mounted.
    root: PathBuf,
    point: PathBuf,
    /// An overlay's lower directories, then its upper directory.
    below: Vec<PathBuf>,
}

/// Whether the directory `root`, with this mount at it, is, or shows, a part of an engine's store.
/// This reads the whole table of mounts.
///
/// # Errors
/// [`MountError::Table`].
pub fn is_of_a_store(root: &Path, mount: Option<&RootMount>) -> Result<bool, MountError> {
    let mut directories = vec![root.to_owned()];
    if let Some(mount) = mount {
        if engine::is_in_a_store(&mount.root) {
            return Ok(true);
        }
        directories.extend_from_slice(&mount.lowerdirs);
        directories.extend(mount.upperdir.clone());
    }
    Ok(is_of_a_store_in(directories, &mount::table()?))
}

/// The same for these directories, with this table of mounts. `true` also when there are too many
/// directories to follow.
fn is_of_a_store_in(mut directories: Vec<PathBuf>, table: &[u8]) -> bool {
    let mounts = mounts_in(table);
    let mut next = 0;
    while let Some(directory) = directories.get(next).cloned() {
        next += 1;
        if next > MAX_DIRECTORIES || engine::is_in_a_store(&directory) {
            return true;
        }
        let real = directory.canonicalize().unwrap_or(directory);
        if engine::is_in_a_store(&real) {
            return true;
        }
        // Mounts can be stacked, and what is below one of them may be what an overlay was made of.
        // So every mount counts that the path goes through.
        for mount in &mounts {
            let Ok(end) = real.strip_prefix(&mount.point) else {
                continue;
            };
            if mount.shows_a_store(end, &mounts) {
                return true;
            }
            for below in mount.below_unless_outer(&mounts) {
                if !directories.contains(below) {
                    directories.push(below.clone());
                }
            }
        }
    }
    false
}

impl TableMount {
    /// Whether the directory at `end`, a path from the mount point, has the path of a store's
    /// files inside its file system, or at another mount of that file system.
    fn shows_a_store(&self, end: &Path, mounts: &[Self]) -> bool {
        let inside = self.root.join(end);
        if !self.is_outer() && engine::is_in_a_store(&inside) {
            return true;
        }
        for other in mounts {
            // A file system that somebody mounted inside a layer is not a part of the store.
            if other.device == self.device
                && !other.point.parent().is_some_and(engine::is_in_a_store)
                && let Ok(end) = inside.strip_prefix(&other.root)
                && engine::is_in_a_store(&other.point.join(end))
            {
                return true;
            }
        }
        false
    }

    /// Whether this is the root of all that can be seen. If an engine runs in a container, that is
    /// a layer in the store of an engine outside, and says nothing about the engines here.
    fn is_outer(&self) -> bool {
        self.point == Path::new("/")
    }

    /// The directories of an overlay; none if it is the one that [`Self::is_outer`] means.
    fn below_unless_outer(&self, mounts: &[Self]) -> &[PathBuf] {
        let mut outer = mounts.iter().filter(|mount| mount.is_outer());
        if outer.any(|mount| mount.device == self.device) {
            return &[];
        }
        &self.below
    }
}

/// The mounts in the text of `/proc/self/mountinfo`. Truncated or malformed lines are skipped.
fn mounts_in(table: &[u8]) -> Vec<TableMount> {
    let mut mounts = Vec::new();
    for line in mount::lines(table) {
        let mut fields = mount::fields(line).skip(2);
        let (Some(device), Some(point)) = (fields.next(), fields.nth(1)) else {
            continue;
        };
        let point = mount::unescaped(point);
        if let Some(found) = mount::find(line, MountQuery::Point(&point)) {
            let mut below = found.lowerdirs;
            below.extend(found.upperdir);
            mounts.push(TableMount {
                device: device.to_owned(),
                root: found.root,
                point,
                below,
            });
        }
    }
    mounts
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const MERGED: &str = "/var/lib/containers/storage/overlay/efcf/merged";

    /// The disk is `8:1`, a mounted image is the overlay `0:40`.
    const IMAGE: &str = "1 0 8:1 / / rw - ext4 /dev/sda rw\n\
        2 1 0:40 / /var/lib/containers/storage/overlay/efcf/merged rw - overlay overlay rw,lowerdir=l/AB:l/CD,upperdir=efcf/diff\n";

    fn of_a_store(directory: &str, more: &str) -> bool {
        is_of_a_store_in(vec![directory.into()], format!("{IMAGE}{more}").as_bytes())
    }

    #[test]
    fn a_bind_mount_of_a_stores_directory_is_of_the_store() {
        for (directory, more) in [
            // Of a mounted image, and of a directory in it.
            ("/srv/al", "3 1 0:40 / /srv/al rw - overlay overlay rw"),
            ("/srv/al/x", "3 1 0:40 / /srv/al rw - overlay overlay rw"),
            ("/srv/al", "3 1 0:40 /usr /srv/al rw - overlay overlay rw"),
            // Of the whole store: of an image that is mounted in it, and of a layer.
            (
                "/srv/par/efcf/merged",
                "3 1 8:1 /var/lib/containers/storage/overlay /srv/par rw - ext4 /dev/sda rw\n\
                 4 3 0:40 / /srv/par/efcf/merged rw - overlay overlay rw",
            ),
            (
                "/srv/par/efcf/diff",
                "3 1 8:1 /var/lib/containers/storage/overlay /srv/par rw - ext4 /dev/sda rw",
            ),
            // Of a store that is a file system of its own.
            (
                "/srv/par/efcf/diff",
                "3 1 8:2 / /var/lib/containers/storage/overlay rw - ext4 /dev/sdb rw\n\
                 4 1 8:2 / /srv/par rw - ext4 /dev/sdb rw",
            ),
            // Of an image that is no longer mounted in its store.
            (
                "/srv/own",
                "3 1 0:41 / /srv/own rw - overlay overlay rw,lowerdir=l/AB:l/CD",
            ),
            // An overlay of such a bind mount, and one that hides it.
            (
                "/srv/own",
                "3 1 0:40 / /srv/al rw - overlay overlay rw\n\
                 4 1 0:41 / /srv/own rw - overlay x rw,lowerdir=/srv/al,upperdir=/x/u",
            ),
            (
                "/srv/al",
                "3 1 0:40 / /srv/al rw - overlay overlay rw\n\
                 4 3 0:41 / /srv/al rw - overlay x rw,lowerdir=/srv/al,upperdir=/x/u",
            ),
        ] {
            assert!(of_a_store(directory, more), "{directory} with {more}");
        }
    }

    #[test]
    fn a_link_into_a_store_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let merged = directory.path().join("overlay/efcf/merged");
        std::fs::create_dir_all(&merged).unwrap();
        let (link, other) = (directory.path().join("ln"), directory.path().join("other"));
        symlink(&merged, &link).unwrap();
        symlink(directory.path(), &other).unwrap();
        assert!(of_a_store(link.to_str().unwrap(), ""));
        assert!(!of_a_store(other.to_str().unwrap(), ""));
    }

    #[test]
    fn a_clean_directory_is_of_no_store_whatever_is_mounted_around_it() {
        for (directory, more) in [
            ("/srv/root", ""),
            ("/var/lib/containers/root", ""),
            // The store is mounted on itself, the root is on a disk with it, or the disk is bound
            // elsewhere or into a mounted image.
            (
                "/srv/root",
                "3 1 8:1 /var/lib/containers/storage/overlay /var/lib/containers/storage/overlay rw - ext4 /dev/sda rw",
            ),
            ("/srv/root", "3 1 8:1 / /host rw - ext4 /dev/sda rw"),
            ("/host/srv/root", "3 1 8:1 / /host rw - ext4 /dev/sda rw"),
            (
                "/srv/root",
                &format!("3 2 8:1 /srv {MERGED}/srv rw - ext4 /dev/sda rw"),
            ),
            // Overlays of clean directories, one of them over its own lower directory.
            (
                "/srv/own",
                "3 1 0:41 / /srv/own rw - overlay x rw,lowerdir=/srv/a:/srv/b,upperdir=/x/u",
            ),
            (
                "/srv/own",
                "3 1 0:41 / /srv/own rw - overlay x rw,lowerdir=/srv/own,upperdir=/x/u",
            ),
        ] {
            assert!(!of_a_store(directory, more), "{directory} with {more}");
        }
    }

    #[test]
    fn the_store_outside_of_an_engine_in_a_container_does_not_count() {
        for outer in [
            "1 0 0:40 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/AB,upperdir=/var/lib/docker/overlay2/x/diff",
            "1 0 8:1 /var/lib/docker/vfs/dir/efcf / rw - ext4 /dev/sda rw",
        ] {
            assert!(
                !is_of_a_store_in(vec!["/srv/root".into()], outer.as_bytes()),
                "{outer}"
            );
        }
    }
}
