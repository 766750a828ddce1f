//! Lists what is in a containers/storage store, for commands that have a name and no bundle.
//!
//! In: a graph root, a run root, and the ID of a container or the name that a user typed for an
//! image. Out: lists, and the same [`Origin`]s that the gate determines. For a container that is
//! not mounted, only the store's records are known. Not checked: who owns the store.

use std::path::{Path, PathBuf};

use super::conf::SETTINGS;
use super::container;
use super::layer_id::LayerId;
use super::records::{ImageRecord, Maker};
use super::reference::{self, NotOne};
use super::seen::{self, SeenLayers};
use super::settle::{SettleInput, Top};
use super::stores::{self, DriverStores};
use super::{image_of, named, own_layer};
use crate::container::{ContainerId, mount};
use crate::lineage::digest::Digest;
use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::lineage::origin::{Origin, StoredContainer, StoredImage};
use crate::sys::deadline::Deadline;

/// The drivers of containers/storage that hold images.
const DRIVERS: [&str; 4] = ["overlay", "vfs", "btrfs", "zfs"];

/// A store of Podman, CRI-O or Buildah.
#[derive(Clone, Debug)]
pub struct ContainersStore {
    graph_root: PathBuf,
    run_root: PathBuf,
    drivers: Vec<&'static str>,
    settings: Vec<PathBuf>,
}

impl ContainersStore {
    /// Opens the store with this graph root. In transient mode, the records of containers are in
    /// the run root.
    ///
    /// # Errors
    /// [`Unknown::NoRecord`] when there is no store.
    pub fn open(graph_root: &Path, run_root: &Path) -> Result<Self, LineageError> {
        Self::open_with(graph_root, run_root, SETTINGS.map(PathBuf::from).to_vec())
    }

    /// Opens the store as `open` does, with these settings files instead of the node's
    /// `storage.conf`.
    pub(super) fn open_with(
        graph_root: &Path,
        run_root: &Path,
        settings: Vec<PathBuf>,
    ) -> Result<Self, LineageError> {
        let mut drivers = Vec::new();
        for driver in DRIVERS {
            let images = graph_root.join(format!("{driver}-images"));
            let containers = graph_root.join(format!("{driver}-containers"));
            if images.is_dir() || containers.is_dir() {
                drivers.push(driver);
            }
        }
        if drivers.is_empty() {
            return Err(Unknown::NoRecord("a store of images", graph_root.to_owned()).into());
        }
        Ok(Self {
            graph_root: graph_root.to_owned(),
            run_root: run_root.to_owned(),
            drivers,
            settings,
        })
    }

    /// All containers.
    ///
    /// # Errors
    /// The errors of [`container::every`].
    pub fn containers(&self) -> Result<Vec<StoredContainer>, LineageError> {
        let mut containers = Vec::new();
        for driver in &self.drivers {
            for (record, _) in container::every(driver, &[&self.graph_root, &self.run_root])? {
                let Some(id) = ContainerId::parse(&record.id) else {
                    continue;
                };
                containers.push(StoredContainer {
                    id,
                    image: record.image_name(),
                    engine: record.maker().map(Maker::engine),
                    created: record.created(),
                    names: record.names,
                    unread: None,
                });
            }
        }
        Ok(containers)
    }

    /// The layers of the container with this ID, compared with the container's mount if the
    /// container is mounted.
    ///
    /// # Errors
    /// The errors of [`super::resolve`].
    pub fn container(
        &self,
        id: &ContainerId,
        deadline: impl Into<Deadline>,
    ) -> Result<Origin, LineageError> {
        let deadline = &deadline.into();
        let mut missing = None;
        for driver in &self.drivers {
            match self.container_of(id, driver, deadline) {
                Err(LineageError::Unknown(cause @ Unknown::NoRecord(..))) => {
                    missing.get_or_insert(cause);
                }
                answer => return answer,
            }
        }
        Err(match missing {
            Some(missing) => missing.into(),
            None => Unknown::NoRecord("the container's record", self.graph_root.clone()).into(),
        })
    }

    fn container_of(
        &self,
        id: &ContainerId,
        driver: &str,
        deadline: &Deadline,
    ) -> Result<Origin, LineageError> {
        let (record, list) = container::find(
            id.as_str(),
            driver,
            &[&self.graph_root, &self.run_root],
            deadline,
        )?;
        if record.image.is_empty() {
            return Ok(Origin::NoImage);
        }
        let image = image_of(&record, &list)?;
        let own = own_layer(&record, &list)?;
        let mut stores = DriverStores::new(driver, &self.graph_root, &self.settings);
        let shown = stores::shown_at(&self.graph_root, driver, own);
        let seen = match mount::at(&shown) {
            Ok(Some(mount)) => SeenLayers::at(&shown, Some(&mount), own, &mut stores)?,
            Ok(None) | Err(_) if driver == "overlay" => seen::noted(own, &mut stores)?,
            Ok(None) | Err(_) => SeenLayers::Hidden,
        };
        let case = SettleInput {
            place: &list,
            image: Some(image),
            seen,
            top: Top::Below(own),
            deadline,
        };
        named(case.settle(&mut stores), record.image_name())
    }

    /// All images, including those in additional stores.
    ///
    /// # Errors
    /// [`Unknown::File`] when a list cannot be read; [`Corrupt::File`] when the list is damaged.
    pub fn images(&self) -> Result<Vec<StoredImage>, LineageError> {
        let mut images = Vec::new();
        for driver in &self.drivers {
            let (_, list) = self.images_of(driver)?;
            for record in list {
                if let Some(id) = Digest::from_hex(&record.id) {
                    images.push(StoredImage {
                        id,
                        names: record.names,
                    });
                }
            }
        }
        Ok(images)
    }

    fn images_of(&self, driver: &str) -> Result<(DriverStores, Vec<ImageRecord>), LineageError> {
        let mut stores = DriverStores::new(driver, &self.graph_root, &self.settings);
        stores.read_settings();
        let mut images: Vec<ImageRecord> = Vec::new();
        for root in stores.roots() {
            let path = stores.file(root, "images", "images.json");
            let Some(list) = container::read_list(&path)? else {
                continue;
            };
            for record in container::all::<ImageRecord>(&path, &list)? {
                if !images
                    .iter()
                    .any(|known| known.id == record.id && known.names == record.names)
                {
                    images.push(record);
                }
            }
        }
        Ok((stores, images))
    }

    /// The layers of an image. The reference may be `name[:tag][@digest]`, a digest of the image's
    /// manifest or config, or a beginning of the image's ID that no other image has.
    ///
    /// # Errors
    /// [`Unknown::NoRecord`] when the reference names no image, or more than one image; otherwise
    /// the errors of [`super::resolve`].
    pub fn image(
        &self,
        reference: &str,
        deadline: impl Into<Deadline>,
    ) -> Result<Origin, LineageError> {
        let deadline = &deadline.into();
        let mut several = false;
        for driver in &self.drivers {
            let (mut stores, images) = self.images_of(driver)?;
            match reference::find(reference, &images) {
                Ok(image) => return self.image_in(image, &mut stores, deadline),
                Err(NotOne::Several) => several = true,
                Err(NotOne::None) => {}
            }
        }
        let what = if several {
            "a single image whose ID starts so"
        } else {
            "the image"
        };
        Err(Unknown::NoRecord(what, self.graph_root.clone()).into())
    }

    fn image_in(
        &self,
        image: &ImageRecord,
        stores: &mut DriverStores,
        deadline: &Deadline,
    ) -> Result<Origin, LineageError> {
        let list = stores.file(&self.graph_root, "images", "images.json");
        let Some(id) = Digest::from_hex(&image.id) else {
            return Err(corrupt(list, image, "ID", &image.id).into());
        };
        let top = LayerId::parse(&image.layer);
        if top.is_none() && !image.layer.is_empty() {
            return Err(corrupt(list, image, "layer", &image.layer).into());
        }
        let case = SettleInput {
            place: &list,
            image: Some(id),
            seen: SeenLayers::Hidden,
            top: Top::Is(top),
            deadline,
        };
        named(case.settle(stores), image.names.first().cloned())
    }
}

fn corrupt(list: PathBuf, image: &ImageRecord, what: &str, text: &str) -> Corrupt {
    let fault = format!("the image {:?} has the {what} {text:?}", image.id);
    Corrupt::File(list, fault)
}
