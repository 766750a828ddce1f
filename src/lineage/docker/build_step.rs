//! Determines what a `RUN` step of BuildKit in Docker is made of, with layers in a graph driver's
//! store.
//!
//! In: the mount at the step's root, the layer store, and BuildKit's own record of snapshots.
//! Neither dockerd nor containerd knows the step's ID, so the mount shows which snapshot it is.
//! Out: the chain of the image that the build started from; no image for one that started from
//! nothing.
//!
//! The directories of an overlay below the step's own are, topmost first, the results of earlier
//! steps and the layers of the base. Earlier steps become image layers only when the build is
//! exported (moby: daemon/internal/builder-next/adapters/snapshot), and a step whose result was
//! exported before may have a directory that no layer refers to. So the topmost directory that is
//! an image layer gives the chain, and the directories below it must agree where they are layers at
//! all. Drivers that copy show no directories, nor does an overlay of FUSE; there only BuildKit's
//! record says what it was made from.

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

/// Resolves a `RUN` step whose bundle is below `root`, BuildKit's directory. `None` when nothing of
/// a graph driver is mounted at the step's root.
///
/// # Errors
/// [`Unknown`] when a record is missing or cannot be read, or the deadline has passed; [`Corrupt`]
/// when one is broken or disagrees with the mount.
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

/// A step on an overlay.
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
    let directories: Option<Vec<_>> = mount
        .lowerdirs
        .iter()
        .map(|lower| layer_behind(&home, lower))
        .collect();
    // Directories of another form belong to another store.
    let Some(directories) = directories else {
        return Ok(None);
    };
    if let Some(chain) = chain_under(step, &directories, &layers, deadline)? {
        return Ok(Some(image(chain, Evidence::Mount)));
    }
    let own = mount
        .upperdir
        .as_deref()
        .and_then(|upper| layer_behind(&home, upper));
    match snapshots::base_of(
        root,
        &own.ok_or_else(|| Unknown::Mount(step.to_owned()))?,
        deadline,
    )? {
        SnapshotBase::Nothing => Ok(Some(Origin::NoImage)),
        SnapshotBase::Chain(top) => Err(Corrupt::Mount(
            step.to_owned(),
            format!("none of its lower directories is a layer of {top}"),
        )
        .into()),
    }
}

/// A step on a directory of the driver itself: of a driver that copies, or the first step on
/// nothing.
fn copied_step(
    step: &Path,
    mount: &RootMount,
    root: &Path,
    deadline: &Deadline,
) -> Result<Option<Origin>, LineageError> {
    let Some((driver, layer, path)) = mounted_directory(&mount.root) else {
        return Ok(None);
    };
    let Some(data_root) = root
        .parent()
        .filter(|data_root| file::is_same_directory(step, &data_root.join(path)))
    else {
        return Ok(None);
    };
    recorded_step(
        &LayerRoot {
            data_root: data_root.to_owned(),
            driver,
            layer,
        },
        root,
        deadline,
    )
    .map(Some)
}

/// A step on an overlay of FUSE, whose options the kernel does not know: the mount point that the
/// driver chose names its directory.
fn fuse_step(
    step: &Path,
    root: &Path,
    deadline: &Deadline,
) -> Result<Option<Origin>, LineageError> {
    let Some(data_root) = root.parent() else {
        return Ok(None);
    };
    let points = mount::points()?;
    let own =
        |layer: &LayerRoot| layer.driver == Driver::FuseOverlayfs && layer.data_root == data_root;
    let mut layers = points
        .iter()
        .filter_map(|point| LayerRoot::of(point))
        .filter(own);
    let Some(layer) = layers.find(|layer| file::is_same_directory(&layer.path(), step)) else {
        return Ok(None);
    };
    recorded_step(&layer, root, deadline).map(Some)
}

/// A step on this layer, as only BuildKit's record describes it.
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

/// The driver and the layer's name in the path of a mounted directory, from its file system's root,
/// and its path in the data root.
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

/// The driver's directory that contains the mount's directories; relative ones belong to the data
/// root that contains BuildKit's directory. The step's own directory decides: containerd's
/// snapshotter writes it in full while the lower ones are relative (`3/fs`).
fn home(mount: &RootMount, root: &Path) -> Option<PathBuf> {
    let directory = mount.upperdir.as_ref().or(mount.lowerdirs.first())?;
    if directory.is_absolute() {
        home_of(directory)
    } else {
        Some(root.parent()?.join(Driver::Overlay2.word()))
    }
}

/// The chain of the topmost of these directories (topmost first) that is an image layer.
fn chain_under(
    step: &Path,
    directories: &[String],
    layers: &LayerStore,
    deadline: &Deadline,
) -> Result<Option<Chain>, LineageError> {
    let known = layers.layers_in(directories, deadline)?;
    let Some((above, top)) = directories
        .iter()
        .enumerate()
        .find_map(|(above, directory)| Some((above, *known.get(directory)?)))
    else {
        return Ok(None);
    };
    let chain = layers.chain(top, deadline)?;
    let below = &directories[above..];
    let agrees = |(directory, chain_id)| known.get(directory).is_none_or(|known| known == chain_id);
    if below.len() != chain.chain_ids().len()
        || !below.iter().zip(chain.chain_ids().iter().rev()).all(agrees)
    {
        return Err(Corrupt::Mount(
            step.to_owned(),
            format!("its lower directories are not the layers of {top}"),
        )
        .into());
    }
    Ok(Some(chain))
}
