//! Compares what is mounted at a container's root with what Docker's layer store records.
//!
//! In: the directories of an overlay, as the kernel reports them, and the links
//! `<home>/l/<26 characters>`, which Docker makes because mount options must fit into a page. Out:
//! the directories of the layers, topmost first, or the first difference. Paths are compared as
//! text, because Docker made both `root.path` and the mount options from the same data root. If
//! there are many layers, Docker mounts from inside its directory, and the paths are relative to
//! that directory (moby: daemon/graphdriver/overlay2, `mountFrom`).

use std::fs;
use std::path::{Path, PathBuf};

use super::LayerRoot;
use super::fault::on_time;
use super::layerdb::{LayerStore, parse_directory_name};
use crate::container::mount::RootMount;
use crate::lineage::chain::Chain;
use crate::lineage::error::{Corrupt, LineageError};
use crate::sys::deadline::Deadline;

/// Compares the overlay at a container's root with the container's own layer and its chain.
pub(super) fn compare(
    mount: &RootMount,
    root: &LayerRoot,
    chain: Option<&Chain>,
    layers: &LayerStore,
    deadline: &Deadline,
) -> Result<(), LineageError> {
    let differs = |difference: String| LineageError::from(Corrupt::Mount(root.path(), difference));
    let home = root.home();
    let chain_ids = chain.map_or(&[][..], Chain::chain_ids);
    if mount.lowerdirs.len() != chain_ids.len() + 1 {
        return Err(differs(format!(
            "it has {} lower directories, for {} layers and one more",
            mount.lowerdirs.len(),
            chain_ids.len()
        )));
    }
    let upper = mount.upperdir.as_deref().unwrap_or(Path::new(""));
    if layer_behind(&home, upper).as_ref() != Some(&root.layer) {
        return Err(differs(format!("its upper directory is {upper:?}")));
    }
    let init = Ok(format!("{}-init", root.layer));
    let recorded = chain_ids
        .iter()
        .rev()
        .map(|chain_id| layers.cache_id(*chain_id));
    for (lower, recorded) in mount
        .lowerdirs
        .iter()
        .zip(std::iter::once(init).chain(recorded))
    {
        on_time(deadline)?;
        let recorded = recorded?;
        if layer_behind(&home, lower).as_ref() != Some(&recorded) {
            return Err(differs(format!(
                "its lower directory {lower:?} is not the layer {recorded:?}"
            )));
        }
    }
    Ok(())
}

/// The layer whose directory is mounted as `directory`. `home` is the directory of the driver.
pub(super) fn layer_behind(home: &Path, directory: &Path) -> Option<String> {
    let inside = if directory.is_absolute() {
        directory.strip_prefix(home).ok()?
    } else {
        directory
    };
    let (first, second) = two_names(inside)?;
    match (first, second) {
        ("l", link) => {
            let target = fs::read_link(home.join("l").join(link)).ok()?;
            let (layer, "diff") = two_names(target.strip_prefix("..").ok()?)? else {
                return None;
            };
            Some(layer.to_owned())
        }
        (layer, "diff") => Some(layer.to_owned()),
        _other => None,
    }
}

/// The directory of the driver, from the absolute path of a lower or upper directory.
pub(super) fn home_of(directory: &Path) -> Option<PathBuf> {
    directory
        .is_absolute()
        .then(|| directory.parent()?.parent().map(Path::to_owned))
        .flatten()
}

/// The two names of a path that has exactly two. Both are safe as parts of another path.
fn two_names(path: &Path) -> Option<(&str, &str)> {
    let mut names = path.components().map(|name| {
        name.as_os_str()
            .to_str()
            .filter(|name| parse_directory_name(name.as_bytes()).is_ok())
    });
    let pair = (names.next()??, names.next()??);
    names.next().is_none().then_some(pair)
}
