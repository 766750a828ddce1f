//! Determines the layers of a container of Podman, CRI-O or Buildah.
//!
//! In: a bundle, what is mounted at its root, and the containers/storage store on local disk. The
//! files of the store belong to root or, in a rootless engine, to the user; in that case the result
//! is only advice. Out: an [`Origin`]. No lock of the store is taken: lists are replaced by rename,
//! and the engine may hold the locks while it waits for Embargo. Not checked: the contents of
//! layers, which the engine hashed when it unpacked the layers.
//!
//! ```text
//! containers.json ─▶ image ─▶ image config ─▶ diff IDs ─▶ layer IDs ─┐
//! mount at the root ─▶ lower directories ───────────────▶ layer IDs ─┴ the same: done
//!                                                            └ else: layers.json ─▶ the layers below it, compared with both
//! ```
//!
//! Measured with a warm cache, as medians on two processors of a busy virtual machine, Podman 4.3,
//! including the query of the mount: 62 µs for an image of 3 layers; 460 µs for an image of 61
//! layers (half of the time to follow links and to check that no layer is lazy); 15 µs for a
//! container made from a directory. In a store with 500 containers, resolving takes 180 µs longer,
//! to read the list of containers. Resolving through `layers.json` takes 80 to 130 µs. The first
//! container that a process resolves takes 0.2 ms.
//!
//! Tested with Podman 4.3.1 and 5.8.6: runc, the drivers overlay and vfs, fuse-overlayfs, `--rm`,
//! `--uidmap`, `--rootfs`, additional and split image stores, transient mode, rootless,
//! `podman build`; with Buildah 1.28.2 and 1.43.2; with CRI-O 1.37, by hand; with Podman 4.3.1 on
//! btrfs. Known only from the source: zfs, composefs, lazily pulled layers.

pub mod layer_id;
pub mod records;
pub mod reference;
pub mod big_data;
pub mod conf;
pub mod stores;
pub mod container;
pub mod lower;
pub mod layers;
pub mod image;
pub mod seen;
pub mod settle;
pub mod build;
pub mod store;

pub use store::ContainersStore;

use std::path::{Path, PathBuf};
use std::time::Duration;

use build::BuildPlace;
use conf::SETTINGS;
use layer_id::LayerId;
use lower::Stack;
use records::ContainerRecord;
pub use records::{InPod, Maker};
use seen::{SeenLayers, upper_layer};
use settle::{SettleInput, Top};
use stores::DriverStores;

use super::digest::Digest;
use super::error::{Corrupt, InFile, LineageError, Unknown};
use super::origin::{Evidence, Origin};
use crate::container::bundle::Bundle;
use crate::container::mount::{self, RootMount};
use crate::container::shown;
use crate::sys::clock::Timestamp;
use crate::sys::deadline::Deadline;

/// Resolves the container of this bundle. `store` is the directory that contains the bundle: the
/// graph root (Podman) or the run root (CRI-O, and Podman in transient mode) of a store with this
/// driver.
///
/// # Errors
/// [`LineageError::Unknown`] when a record is missing or cannot be read, or `deadline` has passed;
/// [`LineageError::Corrupt`] when a file is not what containers/storage writes, or the mount is not
/// what the records say.
pub fn resolve(
    bundle: &Bundle,
    store: &Path,
    driver: &str,
    deadline: &Deadline,
) -> Result<Origin, LineageError> {
    let mount = mount::at(&bundle.root)?;
    MountedContainer {
        bundle,
        mount: mount.as_ref(),
        settings: &SETTINGS.map(PathBuf::from),
        deadline,
    }
    .container(store, driver)
}

/// How long to search for a container's record if no start of a container depends on it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The name that Podman or CRI-O gave the container: the first of its names.
///
/// # Errors
/// [`LineageError`] when the container's record cannot be read.
pub fn called(bundle: &Bundle, store: &Path, driver: &str) -> Result<Option<String>, LineageError> {
    match record(bundle, store, driver)? {
        Some(record) => Ok(record.names.into_iter().next()),
        None => Ok(None),
    }
}

/// When Podman or CRI-O made the container. `None` when there is no record, or the record has no
/// such time.
///
/// # Errors
/// [`LineageError`] when the container's record cannot be read.
pub fn created(
    bundle: &Bundle,
    store: &Path,
    driver: &str,
) -> Result<Option<Timestamp>, LineageError> {
    let record = record(bundle, store, driver)?;
    Ok(record.as_ref().and_then(ContainerRecord::created))
}

/// Which engine made the container, by the record that the engine wrote. `None` when there is no
/// record, or when the record does not name the engine.
#[must_use]
pub fn maker(bundle: &Bundle, store: &Path, driver: &str) -> Option<Maker> {
    record(bundle, store, driver).ok()??.maker()
}

/// The container's record. Searches the store that contains the bundle, then the graph root that
/// the container's root file system shows.
fn record(
    bundle: &Bundle,
    store: &Path,
    driver: &str,
) -> Result<Option<ContainerRecord>, LineageError> {
    if let Some(record) = record_in(bundle, store, driver)? {
        return Ok(Some(record));
    }
    let mount = mount::at(&bundle.root).ok().flatten();
    match graph_root(&bundle.root, driver, mount.as_ref()) {
        Some(root) => record_in(bundle, &root, driver),
        None => Ok(None),
    }
}

fn record_in(
    bundle: &Bundle,
    root: &Path,
    driver: &str,
) -> Result<Option<ContainerRecord>, LineageError> {
    match container::find(bundle.id.as_str(), driver, &[root], &PATIENCE.into()) {
        Ok((record, _)) => Ok(Some(record)),
        Err(LineageError::Unknown(Unknown::NoRecord(..))) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The graph root that a container's root file system shows.
fn graph_root(root: &Path, driver: &str, mount: Option<&RootMount>) -> Option<PathBuf> {
    let (graph_root, _) = match stores::shown_in(root, driver) {
        Some(shown) => shown,
        None => upper_layer(mount?)?,
    };
    Some(graph_root)
}

/// Resolves the container of a `RUN` step. The path of Buildah's bundle names no store, so the
/// mount at the root must show the store.
///
/// # Errors
/// The errors of [`resolve`]; [`Unknown::Mount`] when the mount shows no store.
pub fn resolve_build(bundle: &Bundle, deadline: &Deadline) -> Result<Origin, LineageError> {
    let mount = mount::at(&bundle.root)?;
    MountedContainer {
        bundle,
        mount: mount.as_ref(),
        settings: &SETTINGS.map(PathBuf::from),
        deadline,
    }
    .build()
}

/// What is known about a container before its store is opened.
#[derive(Clone, Copy)]
struct MountedContainer<'a> {
    bundle: &'a Bundle,
    mount: Option<&'a RootMount>,
    /// The paths at which `storage.conf` may be.
    settings: &'a [PathBuf],
    deadline: &'a Deadline,
}

impl MountedContainer<'_> {
    fn container(self, store: &Path, driver: &str) -> Result<Origin, LineageError> {
        let root = &self.bundle.root;
        let graph_root = graph_root(root, driver, self.mount).unwrap_or(store.to_owned());
        let (record, list) = container::find(
            self.bundle.id.as_str(),
            driver,
            &[store, &graph_root],
            self.deadline,
        )?;
        let mut stores = DriverStores::new(driver, &graph_root, self.settings);
        if record.image.is_empty() {
            return self.without_image(&mut stores);
        }
        let own = own_layer(&record, &list)?;
        let seen = SeenLayers::at(root, self.mount, own, &mut stores)?;
        self.settle(&record, &list, seen, own, &mut stores)
    }

    fn build(self) -> Result<Origin, LineageError> {
        let root = &self.bundle.root;
        let shown = match self.mount {
            Some(mount) => build::place(root, mount, self.settings),
            None => None,
        };
        let Some(BuildPlace {
            graph_root,
            driver,
            own,
        }) = shown
        else {
            return Err(Unknown::Mount(root.clone()).into());
        };
        let mut stores = DriverStores::new(&driver, &graph_root, self.settings);
        let seen = SeenLayers::at(root, self.mount, own, &mut stores)?;
        match container::of_layer(&own.to_string(), &driver, &graph_root, self.deadline)? {
            Some((record, list)) if !record.image.is_empty() => {
                self.settle(&record, &list, seen, own, &mut stores)
            }
            // The build is `FROM scratch`, or its record is gone: only the mount is known.
            Some(_) | None => SettleInput {
                place: root,
                image: None,
                seen,
                top: Top::Below(own),
                deadline: self.deadline,
            }
            .settle(&mut stores),
        }
    }

    fn settle(
        self,
        record: &ContainerRecord,
        list: &Path,
        seen: SeenLayers,
        own: LayerId,
        stores: &mut DriverStores,
    ) -> Result<Origin, LineageError> {
        let image = Some(image_of(record, list)?);
        let case = SettleInput {
            place: &self.bundle.root,
            image,
            seen,
            top: Top::Below(own),
            deadline: self.deadline,
        };
        named(case.settle(stores), record.image_name())
    }

    /// The origin of a container whose record names no image. If layers of an image can be seen at
    /// its root, that image is the origin (`--rootfs` of a mounted image, with or without `:O`).
    /// The result is that there is no image only if no visible path has the shape of an engine's
    /// store.
    fn without_image(self, stores: &mut DriverStores) -> Result<Origin, LineageError> {
        let real = self.bundle.root.canonicalize().unwrap_or_default();
        if let Some((seen, layer)) = self.layer_of_image(&real, stores) {
            // The layer belongs to an image, or is another container's own layer, which has no diff
            // ID.
            for top in [Top::Is(Some(layer)), Top::Below(layer)] {
                let case = SettleInput {
                    place: &self.bundle.root,
                    image: None,
                    seen: seen.clone(),
                    top,
                    deadline: self.deadline,
                };
                match case.settle(stores) {
                    Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
                    answer => return answer,
                }
            }
        }
        if shown::is_of_a_store(&self.bundle.root, self.mount)? {
            return Err(Unknown::Mount(self.bundle.root.clone()).into());
        }
        Ok(Origin::NoImage)
    }

    /// The topmost layer that can be seen at the root, and what can be seen of the layers below the
    /// topmost layer. `real` is the root with its links resolved. Stores that can be seen are added
    /// to the known stores.
    fn layer_of_image(
        self,
        real: &Path,
        stores: &mut DriverStores,
    ) -> Option<(SeenLayers, LayerId)> {
        let mut directories = vec![self.bundle.root.clone(), real.to_owned()];
        let mut lower = None;
        match self.mount {
            Some(mount) if mount.fs_type == "overlay" => {
                directories.clear();
                if let [merged] = mount.lowerdirs.as_slice() {
                    directories.push(merged.clone());
                    directories.extend(merged.canonicalize());
                }
                lower = Some(&mount.lowerdirs);
            }
            Some(mount) => directories.push(mount.root.clone()),
            None => {}
        }
        for directory in directories {
            if let Some((graph_root, layer)) = stores::shown_in(&directory, stores.driver()) {
                stores.learn(&graph_root);
                return Some((SeenLayers::Hidden, layer));
            }
        }
        let stack = Stack::read(lower?, stores).ok()?;
        if !stack.hidden {
            let top = *stack.layers.last()?;
            return Some((SeenLayers::Layers(stack.layers, Evidence::Mount), top));
        }
        // The directories hide the layers, but the path at which the engine mounted the directories
        // contains the name of the layer.
        let place = build::mounted_at(&self.bundle.root)?;
        stores.learn(&place.graph_root);
        Some((SeenLayers::Hidden, place.own))
    }
}

fn image_of(record: &ContainerRecord, list: &Path) -> Result<Digest, Corrupt> {
    let image = &record.image;
    match Digest::from_hex(image) {
        Some(digest) => Ok(digest),
        None => Err(format!(
            "the container {:?} has the image {image:?}",
            record.id
        ))
        .in_file(list),
    }
}

fn own_layer(record: &ContainerRecord, list: &Path) -> Result<LayerId, Corrupt> {
    let layer = &record.layer;
    match LayerId::parse(layer) {
        Some(id) => Ok(id),
        None => Err(format!(
            "the container {:?} has the layer {layer:?}",
            record.id
        ))
        .in_file(list),
    }
}

/// The origin, with the image's name, which is only shown.
fn named(
    origin: Result<Origin, LineageError>,
    name: Option<String>,
) -> Result<Origin, LineageError> {
    let mut origin = origin?;
    if let Some(facts) = origin.facts_mut() {
        facts.name = name;
    }
    Ok(origin)
}

#[cfg(test)]
mod tests;
