//! Compares what is mounted with what the engine's records say.
//!
//! In: the directories that the mount of a snapshot must have, from the snapshotter's database; and
//! the mount at the container's root, from the kernel. Out: [`Evidence::Mount`] when the two are
//! the same; [`Evidence::Metadata`] when the mount has a form that cannot be compared; an error
//! when the two contradict each other. A client of containerd may give a task any list of mounts;
//! this check detects a wrong list. Not checked: the contents of the directories.

use std::path::{Path, PathBuf};

use super::layout::{Layout, SnapshotKind};
use crate::container::mount::RootMount;
use crate::lineage::error::Corrupt;
use crate::lineage::origin::Evidence;
use crate::sys::file;

/// What must be mounted at the root of a container with a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// An overlay of these directories.
    Overlay {
        /// The lower directories, topmost first.
        lower: Vec<PathBuf>,
        /// The upper directory; `None` for a read-only view.
        upper: Option<PathBuf>,
    },
    /// A bind mount of this directory.
    Bind(PathBuf),
    /// A mount that cannot be compared: a block device, a subvolume, or a mount that a mount
    /// manager made.
    Opaque,
}

/// Whether the mounts of the snapshotter with this name can be compared with its records.
#[must_use]
pub fn is_compared(snapshotter: &str) -> bool {
    matches!(snapshotter, "overlayfs" | "native")
}

/// The mount of the snapshot with this layout. `name` and `root` are the name and root directory of
/// the snapshotter (containerd plugins/snapshots/{overlay,native}, `mounts`).
#[must_use]
pub fn expected(snapshotter: &str, root: &Path, layout: &Layout) -> Expected {
    let directory = |number: u64| root.join("snapshots").join(number.to_string());
    match (snapshotter, layout.parents.as_slice()) {
        ("native", [parent, ..]) if layout.kind == SnapshotKind::View => {
            Expected::Bind(directory(parent.number))
        }
        ("native", _) => Expected::Bind(directory(layout.own.number)),
        ("overlayfs", []) => Expected::Bind(directory(layout.own.number).join("fs")),
        ("overlayfs", [parent]) if layout.kind == SnapshotKind::View => {
            Expected::Bind(directory(parent.number).join("fs"))
        }
        ("overlayfs", parents) => Expected::Overlay {
            lower: parents
                .iter()
                .map(|parent| directory(parent.number).join("fs"))
                .collect(),
            upper: match layout.kind {
                SnapshotKind::View => None,
                SnapshotKind::Active | SnapshotKind::Committed => {
                    Some(directory(layout.own.number).join("fs"))
                }
            },
        },
        _ => Expected::Opaque,
    }
}

/// Compares the mount at `root` with the mount that is expected.
///
/// # Errors
/// [`Corrupt::Mount`], which names the first difference.
pub fn compare(
    expected: &Expected,
    root: &Path,
    mount: Option<&RootMount>,
) -> Result<Evidence, Corrupt> {
    let difference = match (expected, mount) {
        (Expected::Opaque, _) => return Ok(Evidence::Metadata),
        (Expected::Overlay { .. } | Expected::Bind(_), None) => {
            "nothing is mounted there".to_owned()
        }
        (Expected::Bind(directory), Some(_)) if is_same(directory, root) => {
            return Ok(Evidence::Mount);
        }
        (Expected::Bind(directory), Some(mount)) => {
            format!("a mount of {:?} instead of {directory:?}", mount.root)
        }
        (Expected::Overlay { lower, upper }, Some(mount)) if mount.fs_type == "overlay" => {
            match overlay(lower, upper.as_deref(), mount) {
                Ok(evidence) => return Ok(evidence),
                Err(difference) => difference,
            }
        }
        (Expected::Overlay { .. }, Some(mount)) if mount.fs_type.starts_with("fuse") => {
            return Ok(Evidence::Metadata);
        }
        (Expected::Overlay { .. }, Some(mount)) => {
            format!("a mount of type {:?} instead of an overlay", mount.fs_type)
        }
    };
    Err(Corrupt::Mount(root.to_owned(), difference))
}

/// Compares the directories of an overlay. The error is the first difference.
fn overlay(lower: &[PathBuf], upper: Option<&Path>, mount: &RootMount) -> Result<Evidence, String> {
    match (upper, mount.upperdir.as_deref()) {
        (None, None) => {}
        (Some(expected), Some(found)) if is_same(expected, found) => {}
        (expected, found) => {
            return Err(format!(
                "the upper directory {found:?} instead of {expected:?}"
            ));
        }
    }
    // With a user namespace, containerd 2 mounts the overlay on ID-mapped copies of the
    // directories' mounts, which no longer exist afterwards: core/mount/mount_linux.go.
    if mount.lowerdirs.iter().any(|lower| is_mapped(lower)) {
        return Ok(Evidence::Metadata);
    }
    if mount.lowerdirs.len() != lower.len() {
        return Err(format!(
            "{} lower directories instead of {}",
            mount.lowerdirs.len(),
            lower.len()
        ));
    }
    for (found, expected) in mount.lowerdirs.iter().zip(lower) {
        if !is_same(expected, found) {
            return Err(format!(
                "the lower directory {found:?} instead of {expected:?}"
            ));
        }
    }
    Ok(Evidence::Mount)
}

/// Whether a directory is, or is in, a mapped copy of a directory's mount.
fn is_mapped(directory: &Path) -> bool {
    directory
        .iter()
        .any(|name| name.as_encoded_bytes().starts_with(b"ovl-idmapped"))
}

/// Whether `found` is the directory `expected`. Three forms are accepted: the same path; the end of
/// that path (containerd shortens a long list of lower directories, and mounts from the directory
/// above them, `compactLowerdirOption`); or another path to the same directory.
pub(super) fn is_same(expected: &Path, found: &Path) -> bool {
    if found.is_relative() {
        return found.components().count() >= 2 && expected.ends_with(found);
    }
    expected == found || file::is_same_directory(expected, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::containerd::layout::SnapshotDirectory;

    fn layout(kind: SnapshotKind, own: u64, parents: &[u64]) -> Layout {
        let directory = |number: &u64| SnapshotDirectory {
            number: *number,
            key: String::new(),
            namespace: String::new(),
            is_remote: false,
        };
        Layout {
            own: directory(&own),
            kind,
            parents: parents.iter().map(directory).collect(),
        }
    }

    fn directories(numbers: &[&str]) -> Vec<PathBuf> {
        numbers
            .iter()
            .map(|number| PathBuf::from(format!("/s/snapshots/{number}")))
            .collect()
    }

    #[test]
    fn each_snapshotter_mounts_its_directories_in_its_own_way() {
        for (snapshotter, layout, mount) in [
            (
                "overlayfs",
                layout(SnapshotKind::Active, 9, &[3, 2]),
                Expected::Overlay {
                    lower: directories(&["3/fs", "2/fs"]),
                    upper: Some("/s/snapshots/9/fs".into()),
                },
            ),
            (
                "overlayfs",
                layout(SnapshotKind::View, 9, &[3, 2]),
                Expected::Overlay {
                    lower: directories(&["3/fs", "2/fs"]),
                    upper: None,
                },
            ),
            (
                "overlayfs",
                layout(SnapshotKind::View, 9, &[3]),
                Expected::Bind("/s/snapshots/3/fs".into()),
            ),
            (
                "overlayfs",
                layout(SnapshotKind::Active, 9, &[]),
                Expected::Bind("/s/snapshots/9/fs".into()),
            ),
            (
                "native",
                layout(SnapshotKind::Active, 9, &[3, 2]),
                Expected::Bind("/s/snapshots/9".into()),
            ),
            (
                "native",
                layout(SnapshotKind::View, 9, &[3, 2]),
                Expected::Bind("/s/snapshots/3".into()),
            ),
            (
                "erofs",
                layout(SnapshotKind::Active, 9, &[3, 2]),
                Expected::Opaque,
            ),
        ] {
            assert_eq!(expected(snapshotter, Path::new("/s"), &layout), mount);
        }
    }

    #[test]
    fn an_overlay_must_have_exactly_the_directories_of_the_record() {
        let required = expected(
            "overlayfs",
            Path::new("/s"),
            &layout(SnapshotKind::Active, 9, &[3, 2]),
        );
        let mount = |lower: &[&str], upper: &str| RootMount {
            fs_type: "overlay".into(),
            root: "/".into(),
            lowerdirs: lower.iter().map(PathBuf::from).collect(),
            upperdir: Some(upper.into()),
            ..RootMount::default()
        };
        let (three, two, upper) = (
            "/s/snapshots/3/fs",
            "/s/snapshots/2/fs",
            "/s/snapshots/9/fs",
        );
        let idmapped = ["/t/ovl-idmapped12/3/fs", "/t/ovl-idmapped12/2/fs"];
        for (mount, outcome) in [
            (Some(mount(&[three, two], upper)), Ok(Evidence::Mount)),
            (Some(mount(&["3/fs", "2/fs"], upper)), Ok(Evidence::Mount)),
            (Some(mount(&idmapped, upper)), Ok(Evidence::Metadata)),
            (
                Some(RootMount {
                    fs_type: "fuse.fuse-overlayfs".into(),
                    ..RootMount::default()
                }),
                Ok(Evidence::Metadata),
            ),
            (
                Some(mount(&[two, three], upper)),
                Err(r#"the lower directory "/s/snapshots/2/fs" instead of "/s/snapshots/3/fs""#),
            ),
            (
                Some(mount(&["fs", "fs"], upper)),
                Err(r#"the lower directory "fs" instead of "/s/snapshots/3/fs""#),
            ),
            (
                Some(mount(&[three], upper)),
                Err("1 lower directories instead of 2"),
            ),
            (
                Some(mount(&[three, two, "/evil"], upper)),
                Err("3 lower directories instead of 2"),
            ),
            (
                Some(mount(&[three, two], "/s/snapshots/8/fs")),
                Err(
                    r#"the upper directory Some("/s/snapshots/8/fs") instead of Some("/s/snapshots/9/fs")"#,
                ),
            ),
            (
                Some(mount(&idmapped, "/s/snapshots/8/fs")),
                Err(
                    r#"the upper directory Some("/s/snapshots/8/fs") instead of Some("/s/snapshots/9/fs")"#,
                ),
            ),
            (
                Some(RootMount {
                    fs_type: "ext4".into(),
                    ..RootMount::default()
                }),
                Err(r#"a mount of type "ext4" instead of an overlay"#),
            ),
            (None, Err("nothing is mounted there")),
        ] {
            let found = compare(&required, Path::new("/r"), mount.as_ref())
                .map_err(|error| error.to_string());
            assert_eq!(
                found,
                outcome.map_err(|fault| format!("cannot trust the mount at \"/r\": {fault}")),
                "{mount:?}"
            );
        }
    }

    #[test]
    fn a_bind_mount_is_recognised_by_its_directory_and_not_by_its_path() {
        let top = tempfile::tempdir().unwrap();
        let (own, other) = (top.path().join("own"), top.path().join("other"));
        std::fs::create_dir(&own).unwrap();
        std::fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink(&own, top.path().join("root")).unwrap();
        let mount = RootMount {
            fs_type: "ext4".into(),
            root: "/x".into(),
            ..RootMount::default()
        };
        let root = top.path().join("root");
        assert!(matches!(
            compare(&Expected::Bind(own), &root, Some(&mount)),
            Ok(Evidence::Mount)
        ));
        assert!(compare(&Expected::Bind(other.clone()), &root, Some(&mount)).is_err());
        assert!(compare(&Expected::Bind(other), &root, None).is_err());
        assert!(matches!(
            compare(&Expected::Opaque, &root, None),
            Ok(Evidence::Metadata)
        ));
    }
}
