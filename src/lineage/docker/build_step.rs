//! What is a `RUN` step of BuildKit in Docker made of, when layers lie in a graph driver's store?
//!
//! In: the mount at the step's root, and the layer store. Neither dockerd nor containerd knows the step's ID, so the mount alone tells. Out: the chain
//! of the image that the build began from.
//!
//! The folders under the step's own are, topmost first, the results of earlier steps and the layers of the base. Earlier steps become image layers
//! only when the build is exported (moby: daemon/internal/builder-next/adapters/snapshot), and a step whose result was exported before may have a
//! folder that no layer refers to. So the topmost folder that is an image layer gives the chain, and the folders below it must agree where they are
//! layers at all. A build that began from nothing has no such folder.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Driver;
use super::layerdb::LayerStore;
use super::overlay::{home_of, layer_behind};
use crate::container::bundle::Bundle;
use crate::container::mount::{self, RootMount};
use crate::lineage::chain::Chain;
use crate::lineage::{Corrupt, Evidence, ImageFacts, ImageLineage, LineageError, Origin, Unknown};

/// Resolves a `RUN` step whose bundle stands below `root`, BuildKit's folder. `None` when nothing of a graph driver is mounted at the step's root.
///
/// # Errors
/// [`Unknown`] when the layer store cannot be read or the deadline has passed; [`Corrupt`] when it is broken or disagrees with the mount.
pub fn resolve(bundle: &Bundle, root: &Path, deadline: Instant) -> Result<Option<Origin>, LineageError> {
    let mount = mount::at(&bundle.root).map_err(|_| Unknown::Mount(bundle.root.clone()))?;
    mount.map_or(Ok(None), |mount| origin(&bundle.root, &mount, root, deadline))
}

pub(super) fn origin(step: &Path, mount: &RootMount, root: &Path, deadline: Instant) -> Result<Option<Origin>, LineageError> {
    let Some(home) = home(mount, root).filter(|_| mount.fs_type == "overlay") else { return Ok(None) };
    let (Some(data_root), true) = (home.parent(), home.ends_with(Driver::Overlay2.word())) else { return Ok(None) };
    let layers = LayerStore::of(data_root, Driver::Overlay2);
    if !layers.folder().is_dir() {
        return Ok(None);
    }
    let folders: Option<Vec<_>> = mount.lowerdirs.iter().map(|lower| layer_behind(&home, lower)).collect();
    let folders = folders.ok_or_else(|| Unknown::Mount(step.to_owned()))?;
    let facts = ImageFacts::default();
    Ok(Some(match chain_under(step, &folders, &layers, deadline)? {
        Some(chain) => Origin::Image(ImageLineage { chain, facts, evidence: Evidence::Mount }),
        None => Origin::NoLayers(facts),
    }))
}

/// The driver's folder that the mount's folders are in; relative ones belong to the data root that BuildKit's folder is in.
fn home(mount: &RootMount, root: &Path) -> Option<PathBuf> {
    let folder = mount.lowerdirs.first().or(mount.upperdir.as_ref())?;
    if folder.is_absolute() { home_of(folder) } else { Some(root.parent()?.join(Driver::Overlay2.word())) }
}

/// The chain of the topmost of these folders (topmost first) that is an image layer.
fn chain_under(step: &Path, folders: &[String], layers: &LayerStore, deadline: Instant) -> Result<Option<Chain>, LineageError> {
    let known = layers.layers_in(folders, deadline)?;
    let Some((above, top)) = folders.iter().enumerate().find_map(|(above, folder)| Some((above, *known.get(folder)?))) else {
        return Ok(None);
    };
    let chain = layers.chain(top, deadline)?;
    let below = &folders[above..];
    let agrees = |(folder, chain_id)| known.get(folder).is_none_or(|known| known == chain_id);
    if below.len() != chain.chain_ids().len() || !below.iter().zip(chain.chain_ids().iter().rev()).all(agrees) {
        return Err(Corrupt::Mount(step.to_owned(), format!("its lower folders are not the layers of {top}")).into());
    }
    Ok(Some(chain))
}
