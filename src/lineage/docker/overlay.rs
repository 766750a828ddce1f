//! Compares what is mounted at a container's root with what Docker's layer store records.
//!
//! In: the directories of an overlay, as the kernel reports them, and the links
//! `<home>/l/<26 characters>`, which Docker makes because mount options must fit into a page. Out:
//! the directories of the layers, topmost first, or the first difference. Paths are compared as
//! text, because Docker made both `root.path` and the mount options from the same data root. If
//! there are many layers, Docker mounts from inside its directory, and the paths are relative to
//! that directory (moby: daemon/graphdriver/overlay2, `mountFrom`).

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::LayerRoot;
use super::layerdb::{LayerStore, parse_directory_name};
use crate::container::mount::RootMount;
use crate::lineage::chain::Chain;
use crate::lineage::error::{Corrupt, LineageError, in_time};
use crate::sys::deadline::Deadline;

/// Compares the overlay at a container's root with the container's own layer and its chain.
pub(super) fn compare(
    mount: &RootMount,
    root: &LayerRoot,
    chain: Option<&Chain>,
    layers: &LayerStore,
    deadline: &Deadline,
) -> Result<(), LineageError> {
    let Some(difference) = difference(mount, root, chain, layers, deadline)? else {
        return Ok(());
    };
    Err(Corrupt::Mount(root.path(), difference).into())
}

fn difference(
    mount: &RootMount,
    root: &LayerRoot,
    chain: Option<&Chain>,
    layers: &LayerStore,
    deadline: &Deadline,
) -> Result<Option<String>, LineageError> {
    let home = root.home();
    let chain_ids = chain.map_or(&[][..], Chain::chain_ids);
    if mount.lowerdirs.len() != chain_ids.len() + 1 {
        return Ok(Some(format!(
            "it has {} lower directories, for {} layers and one more",
            mount.lowerdirs.len(),
            chain_ids.len()
        )));
    }
    let upper = mount.upperdir.as_deref().unwrap_or(Path::new(""));
    if layer_behind(&home, upper).as_ref() != Some(&root.layer) {
        return Ok(Some(format!("its upper directory is {upper:?}")));
    }
    // The topmost lower directory is Docker's own.
    let init = [None].into_iter();
    let expected = init.chain(chain_ids.iter().rev().map(Some));
    for (lower, chain_id) in mount.lowerdirs.iter().zip(expected) {
        in_time(deadline)?;
        let recorded = match chain_id {
            Some(chain_id) => layers.cache_id(*chain_id)?,
            None => format!("{}-init", root.layer),
        };
        if layer_behind(&home, lower).as_ref() != Some(&recorded) {
            return Ok(Some(format!(
                "its lower directory {lower:?} is not the layer {recorded:?}"
            )));
        }
    }
    Ok(None)
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
    if !directory.is_absolute() {
        return None;
    }
    Some(directory.parent()?.parent()?.to_owned())
}

/// The two names of a path that has exactly two. Both names are safe as parts of another path.
fn two_names(path: &Path) -> Option<(&str, &str)> {
    let mut names = path.components();
    let pair = (safe_name(names.next()?)?, safe_name(names.next()?)?);
    names.next().is_none().then_some(pair)
}

fn safe_name(name: Component<'_>) -> Option<&str> {
    let name = name.as_os_str().to_str()?;
    parse_directory_name(name.as_bytes()).ok()?;
    Some(name)
}
