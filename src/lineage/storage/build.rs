//! Finds the store that a `RUN` step of Buildah runs on.
//!
//! In: the mount at the root of a bundle whose path names no store. Out: the graph root, its driver
//! and the container's own layer. The kernel is trusted. A directory is used only if it is the same
//! directory that the step gets as its root.

use std::path::{Path, PathBuf};

use super::conf::StorageSettings;
use super::layer_id::LayerId;
use super::seen::upper_layer;
use super::stores;
use crate::container::mount::{self, RootMount};
use crate::sys::file;

/// The graph root if no settings name another graph root.
const GRAPH_ROOT: &str = "/var/lib/containers/storage";

/// The store and the layer of a build step's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildPlace {
    /// The graph root.
    pub graph_root: PathBuf,
    /// The storage driver.
    pub driver: String,
    /// The container's own layer.
    pub own: LayerId,
}

/// Finds the store and the layer of the mount at `root`. For an overlay, the path of the upper
/// directory contains both. If that path does not contain both, or if the mount is a FUSE overlay,
/// the path of another mount of the same directory is used. For other drivers, both are in the path
/// of the directory that is bind-mounted at the root.
#[must_use]
pub fn place(root: &Path, mount: &RootMount, settings: &[PathBuf]) -> Option<BuildPlace> {
    match mount.fs_type.as_str() {
        "overlay" => match by_upper(mount) {
            None => mounted_at(root),
            place => place,
        },
        fuse if fuse.starts_with("fuse") => mounted_at(root),
        _other => bound_directory(root, mount, settings),
    }
}

/// The store and the layer in the path of an overlay's upper directory. `None` also when the path
/// of that directory is relative: containers/storage mounts from the driver's directory if the
/// paths of the layers do not fit into a page of options.
fn by_upper(mount: &RootMount) -> Option<BuildPlace> {
    let driver = mount
        .upperdir
        .as_deref()?
        .parent()?
        .parent()?
        .file_name()?
        .to_str()?;
    let (graph_root, own) = upper_layer(mount)?;
    Some(BuildPlace {
        graph_root,
        driver: driver.to_owned(),
        own,
    })
}

/// The layer that is also mounted inside its store, if that mount shows the very same directory as
/// `root`.
#[must_use]
pub fn mounted_at(root: &Path) -> Option<BuildPlace> {
    for point in mount::points().ok()? {
        if let Some(place) = shown_layer(&point)
            && file::is_same_directory(
                &stores::shown_at(&place.graph_root, &place.driver, place.own),
                root,
            )
        {
            return Some(place);
        }
    }
    None
}

/// The layer that is shown by an overlay, made by the kernel or by FUSE, at this path in a store.
fn shown_layer(point: &Path) -> Option<BuildPlace> {
    let (graph_root, own) = stores::shown_in(point, "overlay")?;
    Some(BuildPlace {
        graph_root,
        driver: "overlay".to_owned(),
        own,
    })
}

/// The store and the layer in the path of the directory that is bind-mounted at the root. The
/// kernel reports only the directory's path inside its file system, and that file system need not
/// be mounted at `/`.
fn bound_directory(root: &Path, mount: &RootMount, settings: &[PathBuf]) -> Option<BuildPlace> {
    let (driver, (prefix, own)) = ["vfs", "btrfs"]
        .into_iter()
        .find_map(|driver| Some((driver, stores::shown_in(&mount.root, driver)?)))?;
    let mut graph_roots = vec![prefix];
    graph_roots.extend(StorageSettings::load(settings).graph_roots);
    graph_roots.push(PathBuf::from(GRAPH_ROOT));
    let mut graph_roots = graph_roots.into_iter();
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
