//! Determines the layers of a `RUN` step of BuildKit in Docker, when layers are in the store of a
//! graph driver.
//!
//! In: the mount at the step's root, the layer store, and BuildKit's own record of snapshots.
//! Neither dockerd nor containerd knows the ID of the step, so the mount has to show the step's
//! snapshot. Out: the chain of the image that the build started from; no image for a build that
//! started from nothing.
//!
//! In an overlay, the directories below the step's own are, topmost first, the results of earlier
//! steps and the layers of the base. Earlier steps become image layers only when the build is
//! exported (moby: daemon/internal/builder-next/adapters/snapshot). If a step's result was exported
//! before, its directory may belong to no layer. So the topmost directory that is an image layer
//! gives the chain, and every directory below it that is a layer must agree with that chain.
//! Drivers that copy layers show no directories, and neither does a FUSE overlay. For such drivers,
//! only BuildKit's record says what the step was made from.

use std::path::{Path, PathBuf};

use super::layerdb::LayerStore;
use super::overlay::{home_of, layer_behind};
use super::snapshots::{self, SnapshotBase};
use super::{Driver, LayerRoot};
use crate::container::bundle::Bundle;
use crate::container::mount::{self, RootMount};
use crate::lineage::chain::Chain;
use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::lineage::origin::{Evidence, ImageFacts, ImageLineage, Origin};
use crate::sys::deadline::Deadline;
use crate::sys::file;

/// Resolves a `RUN` step whose bundle is below `root`, BuildKit's directory. `None` when what is
/// mounted at the step's root does not belong to a graph driver.
///
/// # Errors
/// [`Unknown`] when a record is missing or cannot be read, or the deadline has passed; [`Corrupt`]
/// when a record is damaged or contradicts the mount.
pub fn resolve(
    bundle: &Bundle,
    root: &Path,
    deadline: &Deadline,
) -> Result<Option<Origin>, LineageError> {
    match mount::at(&bundle.root)? {
        Some(mount) if mount.fs_type == "overlay" => {
            overlay_step(&bundle.root, &mount, root, deadline)
        }
        Some(mount) if mount.fs_type.starts_with("fuse") => fuse_step(&bundle.root, root, deadline),
        Some(mount) => copied_step(&bundle.root, &mount, root, deadline),
        None => Ok(None),
    }
}

/// Resolves a step whose root is an overlay.
pub(super) fn overlay_step(
    step: &Path,
    mount: &RootMount,
    root: &Path,
    deadline: &Deadline,
) -> Result<Option<Origin>, LineageError> {
    let Some(home) = home(mount, root) else {
        return Ok(None);
    };
    let (Some(data_root), true) = (home.parent(), home.ends_with(Driver::Overlay2.word())) else {
        return Ok(None);
    };
    let layers = LayerStore::of(data_root, Driver::Overlay2);
    if !layers.directory().is_dir() {
        return Ok(None);
    }
    let mut directories = Vec::with_capacity(mount.lowerdirs.len());
    for lower in &mount.lowerdirs {
        // Directories of any other form belong to another store.
        let Some(layer) = layer_behind(&home, lower) else {
            return Ok(None);
        };
        directories.push(layer);
    }
    if let Some(chain) = chain_under(step, &directories, &layers, deadline)? {
        return Ok(Some(image(chain, Evidence::Mount)));
    }
    let Some(own) = mount
        .upperdir
        .as_deref()
        .and_then(|upper| layer_behind(&home, upper))
    else {
        return Err(Unknown::Mount(step.to_owned()).into());
    };
    match snapshots::base_of(root, &own, deadline)? {
        SnapshotBase::Nothing => Ok(Some(Origin::NoImage)),
        SnapshotBase::Chain(top) => Err(Corrupt::Mount(
            step.to_owned(),
            format!("none of its lower directories is a layer of {top}"),
        )
        .into()),
    }
}

/// Resolves a step whose root is a directory of the driver itself: with a driver that copies
/// layers, or in the first step of a build that started from nothing.
fn copied_step(
    step: &Path,
    mount: &RootMount,
    root: &Path,
    deadline: &Deadline,
) -> Result<Option<Origin>, LineageError> {
    let Some((driver, layer, path)) = mounted_directory(&mount.root) else {
        return Ok(None);
    };
    let Some(data_root) = root.parent() else {
        return Ok(None);
    };
    if !file::is_same_directory(step, &data_root.join(path)) {
        return Ok(None);
    }
    let layer = LayerRoot {
        data_root: data_root.to_owned(),
        driver,
        layer,
    };
    recorded_step(&layer, root, deadline).map(Some)
}

/// Resolves a step whose root is a FUSE overlay. The kernel does not know the options of a FUSE
/// overlay, but the driver's mount point contains the name of its directory.
fn fuse_step(
    step: &Path,
    root: &Path,
    deadline: &Deadline,
) -> Result<Option<Origin>, LineageError> {
    let Some(data_root) = root.parent() else {
        return Ok(None);
    };
    for point in mount::points()? {
        if let Some(layer) = LayerRoot::of(&point)
            && layer.driver == Driver::FuseOverlayfs
            && layer.data_root == data_root
            && file::is_same_directory(&layer.path(), step)
        {
            return recorded_step(&layer, root, deadline).map(Some);
        }
    }
    Ok(None)
}

/// Resolves a step on this layer, from BuildKit's record alone.
fn recorded_step(
    layer: &LayerRoot,
    root: &Path,
    deadline: &Deadline,
) -> Result<Origin, LineageError> {
    Ok(match snapshots::base_of(root, &layer.layer, deadline)? {
        SnapshotBase::Nothing => Origin::NoImage,
        SnapshotBase::Chain(top) => image(
            LayerStore::of(&layer.data_root, layer.driver).chain(top, deadline)?,
            Evidence::Metadata,
        ),
    })
}

fn image(chain: Chain, evidence: Evidence) -> Origin {
    Origin::Image(ImageLineage {
        chain,
        facts: ImageFacts::default(),
        evidence,
    })
}

/// The driver and the layer's name in the path of a mounted directory inside its file system; and
/// the directory's path in the data root.
fn mounted_directory(directory: &Path) -> Option<(Driver, String, PathBuf)> {
    let names: Vec<_> = directory.iter().rev().take(3).collect();
    let [last, middle, first] = names[..] else {
        return None;
    };
    let (driver, layer) = match LayerRoot::of(directory) {
        Some(root) => (root.driver, root.layer),
        None if first == Driver::Overlay2.word() && last == "diff" => {
            (Driver::Overlay2, middle.to_str()?.to_owned())
        }
        None => return None,
    };
    Some((driver, layer, [first, middle, last].iter().collect()))
}

/// The driver's directory that contains the directories of the mount. Relative paths belong to the
/// data root that contains BuildKit's directory. The step's own directory decides, because the
/// snapshotter of containerd writes it as an absolute path even if the lower directories are
/// relative (`3/fs`).
fn home(mount: &RootMount, root: &Path) -> Option<PathBuf> {
    let directory = mount.upperdir.as_ref().or(mount.lowerdirs.first())?;
    if directory.is_absolute() {
        home_of(directory)
    } else {
        Some(root.parent()?.join(Driver::Overlay2.word()))
    }
}

/// The chain of the topmost directory that is an image layer. The directories are given topmost
/// first.
fn chain_under(
    step: &Path,
    directories: &[String],
    layers: &LayerStore,
    deadline: &Deadline,
) -> Result<Option<Chain>, LineageError> {
    let known = layers.layers_in(directories, deadline)?;
    let Some((below, top)) = directories
        .iter()
        .enumerate()
        .find_map(|(above, directory)| Some((&directories[above..], *known.get(directory)?)))
    else {
        return Ok(None);
    };
    let chain = layers.chain(top, deadline)?;
    let mut agrees = below.len() == chain.chain_ids().len();
    for (directory, chain_id) in below.iter().zip(chain.chain_ids().iter().rev()) {
        agrees &= known.get(directory).unwrap_or(chain_id) == chain_id;
    }
    if !agrees {
        return Err(Corrupt::Mount(
            step.to_owned(),
            format!("its lower directories are not the layers of {top}"),
        )
        .into());
    }
    Ok(Some(chain))
}
