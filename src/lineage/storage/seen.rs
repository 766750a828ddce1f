//! Finds out which layers can be seen at the root of a container.
//!
//! In: the mount at the root, and the container's own layer, as its record names it. Out: the
//! layers below the container's own layer, from the mount or else from what the driver noted; or
//! that the layers cannot be seen (some drivers copy or clone their layers). If the mount does not
//! belong to the container's own layer, the result is an error.

use std::path::{Path, PathBuf};

use super::container::read_list;
use super::layer_id::LayerId;
use super::lower::{self, Lower, Stack};
use super::stores::{self, DriverStores};
use crate::container::mount::RootMount;
use crate::lineage::error::{Corrupt, InFile, LineageError};
use crate::lineage::origin::Evidence;
use crate::sys::file;

/// The layers of a container's root file system, as far as they can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenLayers {
    /// These layers, lowest first.
    Layers(Vec<LayerId>, Evidence),
    /// The layers cannot be seen.
    Hidden,
}

impl SeenLayers {
    /// Looks at the mount at `root`, which must belong to the container's `own` layer.
    ///
    /// # Errors
    /// [`Corrupt::Mount`] when the mount belongs to another layer, contains something other than
    /// layers, or is missing although the driver mounts an overlay.
    pub fn at(
        root: &Path,
        mount: Option<&RootMount>,
        own: LayerId,
        stores: &mut DriverStores,
    ) -> Result<Self, LineageError> {
        let corrupt = |fault: String| Err(Corrupt::Mount(root.to_owned(), fault).into());
        if let Some(fault) = not_of(own, root, mount, stores) {
            return corrupt(fault);
        }
        match mount {
            Some(mount) if mount.fs_type == "overlay" => match in_overlay(mount, own, stores) {
                Ok(Some(seen)) => Ok(seen),
                Ok(None) => {
                    let seen = noted(own, stores)?;
                    match too_few(mount, &seen) {
                        Some(fault) => corrupt(fault),
                        None => Ok(seen),
                    }
                }
                Err(fault) => corrupt(fault),
            },
            Some(mount) if mount.fs_type.starts_with("fuse") => noted(own, stores),
            Some(_) | None if matches!(stores.driver(), "vfs" | "btrfs" | "zfs") => {
                Ok(Self::Hidden)
            }
            Some(_) | None => corrupt("no overlay is mounted there".to_owned()),
        }
    }
}

/// The reason why the mount at `root` does not belong to the layer `own`; `None` when the mount
/// belongs to that layer. The path of the root or the mount's upper directory shows the layer. If
/// neither does, the directory itself is compared: Podman shows the root of a container in another
/// user namespace through a bind mount (`intermediate-mountpoint-…`).
fn not_of(
    own: LayerId,
    root: &Path,
    mount: Option<&RootMount>,
    stores: &DriverStores,
) -> Option<String> {
    let shown = [
        stores::shown_in(root, stores.driver()),
        mount.and_then(upper_layer),
    ];
    let mut is_shown = false;
    for (_, layer) in shown.into_iter().flatten() {
        if layer != own {
            return Some(format!(
                "it is the layer {layer}, the container's record says {own}"
            ));
        }
        is_shown = true;
    }
    let own_directory = stores::shown_at(stores.first(), stores.driver(), own);
    if is_shown || file::is_same_directory(&own_directory, root) {
        return None;
    }
    Some(format!(
        "it is not the layer {own} of the container's record"
    ))
}

/// The store and the layer in the path of an overlay's upper directory.
pub fn upper_layer(mount: &RootMount) -> Option<(PathBuf, LayerId)> {
    match lower::parse(mount.upperdir.as_deref()?) {
        Lower::Layer(home, layer) => {
            Some((home.parent().map(Path::to_owned).unwrap_or_default(), layer))
        }
        Lower::Link(..) | Lower::Empty | Lower::Hidden | Lower::Foreign => None,
    }
}

/// The layers of an overlay; `None` when some of its directories hide their layer.
fn in_overlay(
    mount: &RootMount,
    own: LayerId,
    stores: &mut DriverStores,
) -> Result<Option<SeenLayers>, String> {
    let mut stack = match Stack::read(&mount.lowerdirs, stores) {
        Ok(stack) => stack,
        Err(directory) => {
            return Err(format!(
                "its lower directory {directory:?} is not a layer of a store"
            ));
        }
    };
    if stack.hidden {
        return Ok(None);
    }
    // If the overlay is mounted read-only, the container's own layer is the topmost of the lower
    // directories.
    if mount.upperdir.is_none() && stack.layers.pop() != Some(own) {
        return Err(format!(
            "it is not the layer {own} of the container's record"
        ));
    }
    Ok(Some(SeenLayers::Layers(stack.layers, Evidence::Mount)))
}

/// Why a mount made through descriptors cannot consist of these layers; `None` when the mount can
/// consist of these layers. Each layer has a directory of its own; copies for other owners add
/// more.
fn too_few(mount: &RootMount, seen: &SeenLayers) -> Option<String> {
    match seen {
        SeenLayers::Layers(layers, _)
            if mount.lowerdirs.len() < layers.len()
                && mount
                    .lowerdirs
                    .iter()
                    .all(|directory| directory.iter().count() == 1) =>
        {
            Some(format!(
                "it has {} directories below it, and its layer was made on {} layers",
                mount.lowerdirs.len(),
                layers.len()
            ))
        }
        SeenLayers::Layers(..) | SeenLayers::Hidden => None,
    }
}

/// What the overlay driver noted when it made the container's layer.
///
/// # Errors
/// [`Corrupt::File`] when the note is not a list of layers.
pub fn noted(own: LayerId, stores: &mut DriverStores) -> Result<SeenLayers, LineageError> {
    let path = stores
        .first()
        .join(stores.driver())
        .join(own.to_string())
        .join("lower");
    let Some(directories) = read_list(&path)? else {
        return Ok(SeenLayers::Hidden);
    };
    let text = std::str::from_utf8(&directories)
        .or(Err("it is not UTF-8"))
        .in_file(&path)?;
    let stack = Stack::read(text.trim_ascii().split(':'), stores)
        .or(Err("it names a directory of no layer"))
        .in_file(&path)?;
    Ok(if stack.hidden {
        SeenLayers::Hidden
    } else {
        SeenLayers::Layers(stack.layers, Evidence::Metadata)
    })
}
