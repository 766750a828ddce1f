//! Finds the store that a `RUN` step of Buildah runs on.
//!
//! In: the mount at the root of a bundle that names no store. Out: the graph root, its driver and
//! the container's own layer. The kernel is trusted; a directory counts only when it is the very
//! one that the step gets as its root.

use std::path::{Path, PathBuf};

use super::conf::StorageSettings;
use super::layer_id::LayerId;
use super::seen::upper_layer;
use super::stores;
use crate::container::mount::{self, RootMount};
use crate::sys::file;

/// The graph root where no setting names another.
const GRAPH_ROOT: &str = "/var/lib/containers/storage";

/// Where a build's container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildPlace {
    /// The graph root.
    pub graph_root: PathBuf,
    /// The storage driver.
    pub driver: String,
    /// The container's own layer.
    pub own: LayerId,
}

/// The place that the mount at `root` shows. An overlay is found by its upper directory; failing
/// that, and for an overlay of FUSE, by the other end of the bind mount; other drivers by the
/// directory that is bound to the root.
#[must_use]
pub fn place(root: &Path, mount: &RootMount, settings: &[PathBuf]) -> Option<BuildPlace> {
    match mount.fs_type.as_str() {
        "overlay" => by_upper(mount).or_else(|| mounted_at(root)),
        fuse if fuse.starts_with("fuse") => mounted_at(root),
        _other => bound_directory(root, mount, settings),
    }
}

/// Also `None` when the upper directory is given relative to the driver's: when the layers do not
/// fit into a page of options, containers/storage mounts from there.
fn by_upper(mount: &RootMount) -> Option<BuildPlace> {
    let driver = mount
        .upperdir
        .as_deref()?
        .parent()?
        .parent()?
        .file_name()?
        .to_str()?;
    upper_layer(mount).map(|(graph_root, own)| BuildPlace {
        graph_root,
        driver: driver.to_owned(),
        own,
    })
}

/// The layer of a store that is also mounted in the store and shows the very directory that is at
/// `root`.
#[must_use]
pub fn mounted_at(root: &Path) -> Option<BuildPlace> {
    let mut places = mount::points()
        .ok()?
        .into_iter()
        .filter_map(|point| shown_layer(&point));
    places.find(|place| {
        file::is_same_directory(
            &stores::shown_at(&place.graph_root, &place.driver, place.own),
            root,
        )
    })
}

/// The layer that an overlay, the kernel's or FUSE's, at this path in a store shows.
fn shown_layer(point: &Path) -> Option<BuildPlace> {
    let (graph_root, own) = stores::shown_in(point, "overlay")?;
    Some(BuildPlace {
        graph_root,
        driver: "overlay".to_owned(),
        own,
    })
}

/// The kernel names the directory that is bound to the root from the root of its file system, which
/// need not be mounted at `/`.
fn bound_directory(root: &Path, mount: &RootMount, settings: &[PathBuf]) -> Option<BuildPlace> {
    let (driver, (prefix, own)) = ["vfs", "btrfs"]
        .into_iter()
        .find_map(|driver| Some((driver, stores::shown_in(&mount.root, driver)?)))?;
    let set = StorageSettings::load(settings).graph_roots;
    let mut graph_roots = [prefix]
        .into_iter()
        .chain(set)
        .chain([PathBuf::from(GRAPH_ROOT)]);
    let graph_root = graph_roots.find(|graph_root| {
        file::is_same_directory(&stores::shown_at(graph_root, driver, own), root)
    })?;
    Some(BuildPlace {
        graph_root,
        driver: driver.to_owned(),
        own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlays_of_a_store_are_found_in_the_table_of_mounts() {
        let call = include_bytes!("../../../tests/fixtures/podman-4.3-fuse-overlayfs/calls/run");
        let places: Vec<_> = mount::points_in(call)
            .iter()
            .filter_map(|point| shown_layer(point))
            .collect();
        let own =
            LayerId::parse("8b6388a4ebd66eef636c3cab3d4fd3050c67b807d1165693dbfee70b19791d03")
                .unwrap();
        assert_eq!(
            places,
            [BuildPlace {
                graph_root: "/srv/fuse".into(),
                driver: "overlay".to_owned(),
                own
            }]
        );
        let points = mount::points_in(b"\n1 2 3\n36 35 98:0 / /mnt\\040x rw - ext3 /dev/root rw");
        assert_eq!(points, [Path::new("/mnt x")]);
        assert_eq!(shown_layer(&points[0]), None);
    }
}
