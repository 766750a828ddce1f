//! Determines the layers of a Docker container, when Docker's images are in the store of a graph
//! driver.
//!
//! In: the container's bundle, and Docker's data root on local disk. Only root, or in rootless
//! Docker the user, writes the data root. A power cut may have truncated or emptied its files, and
//! the authors of images wrote the image configs. Out: the [`Origin`]. Three facts tie the origin
//! to the container: the container's ID, the layer of the container's root, and what is mounted at
//! that root.
//!
//! ```text
//! <data root>/<driver>/<layer>/merged                               root.path (each driver's form: Driver::layer_in)
//! <data root>/image/<driver>/layerdb/mounts/<container>/mount-id    <layer>, which ties all three together
//! <data root>/image/<driver>/layerdb/mounts/<container>/parent      the chain ID of the image; absent for an image without layers
//! <data root>/containers/<container>/config.v2.json                 the image ID
//! <data root>/image/<driver>/imagedb/content/sha256/<image ID>      the image config: its diff IDs must hash to the chain ID
//! <data root>/image/<driver>/layerdb/sha256/<chain ID>/…            the same by layer, where the image config is gone (`docker rmi -f`)
//! ```
//! Seen with Docker 20.10, 28.5 and 29.7 (overlay2, vfs, fuse-overlayfs, btrfs, user-namespace
//! remapping, rootless). The path for zfs comes from moby's source. The engine is not called,
//! because it holds the container's lock while the runtime runs (moby: daemon/start.go). The
//! digests of manifests and indexes are known only for images that were pulled. These digests are
//! in `repositories.json`, which contains the names of all images and is read only when these
//! digests are needed.
//!
//! Not examined: images that are mounted into a container as volumes (`--mount type=image`). A
//! container is built on the image from which the container is made; other images that the
//! container mounts are data.

mod build_step;
mod fault;
mod layerdb;
mod overlay;
mod plugin;
mod record;
mod snapshots;
mod store;

use std::path::{Path, PathBuf};

pub use build_step::resolve as resolve_build_step;
pub use layerdb::{parse_digest, parse_directory_name};
pub use record::{DockerRecord, ImageName, LARGEST_RECORD, parse_names};
pub use store::{GraphStore, containers};

use layerdb::{LayerStore, MountRecord};

use super::chain::Chain;
use super::digest::{ChainId, Digest, ImageId};
use super::error::{Corrupt, InFile, LineageError, Unknown};
use super::image::ImageConfig;
use super::origin::{Evidence, ImageFacts, ImageLineage, Origin};
use crate::container::ContainerId;
use crate::container::bundle::Bundle;
use crate::container::mount::{self, RootMount};
use crate::sys::clock::Timestamp;
use crate::sys::deadline::Deadline;
use crate::sys::directory;
use crate::sys::file::Guard;

/// A graph driver that Embargo supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Overlay mounts made by the kernel. This driver is the default.
    Overlay2,
    /// Overlay mounts made by a process, in rootless Docker on old kernels.
    FuseOverlayfs,
    /// Full copies of the layers.
    Vfs,
    /// Subvolumes of btrfs.
    Btrfs,
    /// Datasets of zfs.
    Zfs,
}

impl Driver {
    /// All graph drivers, the default first.
    pub const ALL: [Self; 5] = [
        Self::Overlay2,
        Self::FuseOverlayfs,
        Self::Vfs,
        Self::Btrfs,
        Self::Zfs,
    ];

    /// The driver's name, which is also the name of its directories.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Overlay2 => "overlay2",
            Self::FuseOverlayfs => "fuse-overlayfs",
            Self::Vfs => "vfs",
            Self::Btrfs => "btrfs",
            Self::Zfs => "zfs",
        }
    }

    /// The driver with this name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|driver| driver.word() == name)
    }

    /// The names after `<data root>/<driver>` in the path of a layer's file system. `None` stands
    /// for the name of the layer.
    const fn layer_path(self) -> [Option<&'static str>; 2] {
        match self {
            Self::Overlay2 | Self::FuseOverlayfs => [None, Some("merged")],
            Self::Vfs => [Some("dir"), None],
            Self::Btrfs => [Some("subvolumes"), None],
            Self::Zfs => [Some("graph"), None],
        }
    }
}

/// The file system of a layer in a data root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRoot {
    /// Docker's data root. With user-namespace remapping, the directory `<uid>.<gid>` in Docker's
    /// data root.
    pub data_root: PathBuf,
    /// The graph driver.
    pub driver: Driver,
    /// The name of the layer in the driver's directory.
    pub layer: String,
}

impl LayerRoot {
    /// The layer to which the root of a container belongs, by the shape of the path alone.
    #[must_use]
    pub fn of(root: &Path) -> Option<Self> {
        let last = root.file_name()?.to_str()?;
        let last_but_one = root.parent()?.file_name()?.to_str()?;
        let home = root.parent()?.parent()?;
        let driver = home.file_name()?.to_str()?;
        let driver = Driver::named(driver)?;
        let layer = match driver.layer_path() {
            [None, Some(name)] if name == last => last_but_one,
            [Some(name), None] if name == last_but_one => last,
            _other => return None,
        };
        Some(Self {
            data_root: home.parent()?.to_owned(),
            driver,
            layer: layer.to_owned(),
        })
    }

    /// The directory of the graph driver.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.data_root.join(self.driver.word())
    }

    /// The path of the layer's file system, in the form that [`LayerRoot::of`] reads.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let mut path = self.home();
        for name in self.driver.layer_path() {
            path.push(name.unwrap_or(&self.layer));
        }
        path
    }
}

/// Where Docker's record of the container may be. With either kind of image store, the data root is
/// a directory above the container's root. If the path of the root is longer than the kernel
/// accepts, there are no candidates: a runtime spec has room for millions of parent directories.
pub fn records(bundle: &Bundle) -> impl Iterator<Item = PathBuf> {
    let record = Path::new("containers")
        .join(bundle.id.as_str())
        .join("config.v2.json");
    let is_usable = bundle.root.as_os_str().len() < libc::PATH_MAX as usize;
    let ancestors = is_usable.then_some(bundle.root.ancestors());
    ancestors
        .into_iter()
        .flatten()
        .map(move |above| above.join(&record))
}

/// Whether Docker has a record of the container that only root or the caller can have put there. A
/// user who can write to a directory above the root of another engine's container cannot make that
/// container look like Docker's. A managed plugin has no such record.
#[must_use]
pub fn has_record(bundle: &Bundle) -> bool {
    own_record(bundle).is_some()
}

/// The path of the first record of the container that only root or the caller can have put there.
fn own_record(bundle: &Bundle) -> Option<PathBuf> {
    records(bundle).find(|path| {
        path.symlink_metadata().is_ok() && directory::open_owned(Path::new("/"), path).is_ok()
    })
}

/// When Docker made the container. `None` when Docker has no record of the container that only root
/// or the caller can have put there, or the record has no such time.
///
/// # Errors
/// [`LineageError`] when the container's record cannot be read.
pub fn created(bundle: &Bundle) -> Result<Option<Timestamp>, LineageError> {
    let record = own_record(bundle);
    match record.as_deref().and_then(|path| path.ancestors().nth(3)) {
        Some(data_root) => Ok(DockerRecord::load(data_root, &bundle.id)?.created),
        None => Ok(None),
    }
}

/// The name of the container in Docker, chosen by the user or generated. With both kinds of image
/// stores, the record is at the same path below the data root. Container roots are at
/// `<data root>/<driver>/…` or at `<data root>/rootfs/<snapshotter>/<container>`.
///
/// # Errors
/// [`LineageError`] when the container's record cannot be read.
pub fn called(bundle: &Bundle) -> Result<Option<String>, LineageError> {
    let record = match LayerRoot::of(&bundle.root) {
        Some(root) => DockerRecord::load(&root.data_root, &bundle.id),
        None => match bundle.root.ancestors().nth(3) {
            Some(data_root) => DockerRecord::load(data_root, &bundle.id),
            None => return Ok(None),
        },
    };
    match record {
        Ok(record) => Ok(record.name),
        Err(LineageError::Unknown(Unknown::NoRecord(..))) => plugin::called(bundle),
        Err(fault) => Err(fault),
    }
}

/// The digests of the manifests and indexes by which the image of a container was pulled. Empty
/// when the container's root is not in the store of a graph driver.
///
/// # Errors
/// [`LineageError`] when the file of names cannot be read.
pub fn pulled_digests(bundle: &Bundle, image_id: ImageId) -> Result<Vec<Digest>, LineageError> {
    match LayerRoot::of(&bundle.root) {
        Some(root) => record::pulled_digests(&root.data_root, root.driver, image_id),
        None => Ok(Vec::new()),
    }
}

/// Resolves a container whose bundle belongs to a task. `None` when its root is neither in the
/// store of a graph driver nor that of a managed plugin, or when Docker has no record of the
/// container: then another engine made the container.
///
/// # Errors
/// [`Unknown`] when a record is missing or the deadline has passed; [`Corrupt`] when files of the
/// store are damaged, or contradict each other or the mount.
pub fn resolve(bundle: &Bundle, deadline: &Deadline) -> Result<Option<Origin>, LineageError> {
    let Some(root) = LayerRoot::of(&bundle.root) else {
        return plugin::resolve(bundle);
    };
    // Only the owner of this file is checked. This file ties the container to a directory tree, and
    // all other files are in that tree.
    let Some(record) =
        LayerStore::of(&root.data_root, root.driver).mount_of(&bundle.id, Guard::Owned)?
    else {
        return Ok(None);
    };
    if record.layer != root.layer {
        let difference = format!(
            "it is the layer {:?}, and the container's is {:?}",
            root.layer, record.layer
        );
        return Err(Corrupt::Mount(bundle.root.clone(), difference).into());
    }
    let mount = mount::at(&bundle.root)?;
    let found = StoredLayer {
        id: &bundle.id,
        root: &root,
        record,
        standing: ContainerState::Starting,
        mount,
    };
    origin(found, deadline).map(Some)
}

/// A container that is in the layer store.
struct StoredLayer<'a> {
    id: &'a ContainerId,
    /// The container's layer.
    root: &'a LayerRoot,
    record: MountRecord,
    standing: ContainerState,
    /// What is mounted at the layer's file system, if this process can see the mount.
    mount: Option<RootMount>,
}

/// What is known about the state of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContainerState {
    /// The runtime is about to start the container, so its root is mounted.
    Starting,
    /// The container is in the store, whether it runs or not.
    Stored,
}

fn origin(found: StoredLayer<'_>, deadline: &Deadline) -> Result<Origin, LineageError> {
    let LayerRoot {
        data_root, driver, ..
    } = found.root;
    let layers = LayerStore::of(data_root, *driver);
    let asked = DockerRecord::load(data_root, found.id)?;
    let (facts, config) = record::image(data_root, *driver, asked.image_id)?;
    let facts = ImageFacts {
        name: asked.asked,
        ..facts
    };
    let chain = chain(&found, &layers, config.as_ref(), deadline)?;
    let evidence = compare(&found, &layers, chain.as_ref(), deadline)?;
    match (chain, evidence, config) {
        (Some(chain), evidence, _) => Ok(Origin::Image(ImageLineage {
            chain,
            facts,
            evidence,
        })),
        (None, Evidence::Mount, _) | (None, _, Some(_)) => Ok(Origin::NoLayers(facts)),
        // A power cut can remove the record of the layers below. Then nothing shows that there were
        // no layers.
        (None, Evidence::Claimed | Evidence::Metadata, None) => Err(Unknown::NoRecord(
            "the chain ID of the container's image",
            layers.parent_file(found.id),
        )
        .into()),
    }
}

/// The chain that the layer store records for a container; `None` when the layer store records that
/// there are no layers. With the image config, the layers need not be walked one by one; the config
/// must agree with the record.
fn chain(
    found: &StoredLayer<'_>,
    layers: &LayerStore,
    config: Option<&ImageConfig>,
    deadline: &Deadline,
) -> Result<Option<Chain>, LineageError> {
    let top = found.record.top;
    let claimed = match (config, top) {
        (None, None) => return Ok(None),
        (None, Some(top)) => return layers.chain(top, deadline).map(Some),
        (Some(config), _) => config.chain().in_file(&layers.parent_file(found.id))?,
    };
    let hashed = claimed.as_ref().map(Chain::top);
    match (claimed, top) {
        (claimed, top) if hashed == top => Ok(claimed),
        // Docker ignores the case of keys in JSON, so it may find layers where Embargo finds none.
        // Walking from layer to layer does not need the config.
        (None, Some(top)) => layers.chain(top, deadline).map(Some),
        (Some(_), _) | (None, None) => Err(Corrupt::File(
            layers.parent_file(found.id),
            format!(
                "it names {}, and the container's image has {}",
                described(top),
                described(hashed)
            ),
        )
        .into()),
    }
}

/// Describes a chain ID in a message.
fn described(top: Option<ChainId>) -> String {
    match top {
        Some(top) => top.to_string(),
        None => "no layers".to_owned(),
    }
}

/// Compares what is mounted at a layer's root with the layer's chain, if the driver shows what is
/// mounted.
fn compare(
    found: &StoredLayer<'_>,
    layers: &LayerStore,
    chain: Option<&Chain>,
    deadline: &Deadline,
) -> Result<Evidence, LineageError> {
    let difference = match (found.root.driver, &found.mount, found.standing) {
        (Driver::Overlay2, Some(mount), _) if mount.fs_type == "overlay" => {
            overlay::compare(mount, found.root, chain, layers, deadline)?;
            return Ok(Evidence::Mount);
        }
        (Driver::Overlay2 | Driver::Vfs | Driver::Btrfs, Some(mount), _) => {
            format!("it is of the type {:?}", mount.fs_type)
        }
        (Driver::Overlay2, None, ContainerState::Starting) => "nothing is mounted there".to_owned(),
        (Driver::Overlay2, None, ContainerState::Stored)
        | (Driver::Vfs | Driver::Btrfs, None, _)
        | (Driver::FuseOverlayfs | Driver::Zfs, _, _) => return Ok(Evidence::Metadata),
    };
    Err(Corrupt::Mount(found.root.path(), difference).into())
}

#[cfg(test)]
mod tests;
