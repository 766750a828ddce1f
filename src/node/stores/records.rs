//! What does an engine's store answer to people?
//!
//! In: an opened store, and a container's ID or an image's reference. Out: lists and [`Origin`]s, the same questions for every engine. Docker is the one that
//! needs two stores for an answer: it keeps its containers' records itself, and their layers in a graph driver's store or in containerd's.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use crate::container::ContainerId;
use crate::container::bundle::Bundle;
use crate::lineage::containerd::{docker_store, store as containerd};
use crate::lineage::docker::{ContainerRecord, GraphStore};
use crate::lineage::{ImageFacts, ImageLineage, LineageError, Origin, StoredContainer, Unknown, storage};
use crate::sys::file::{self, FileError, Guard};

/// The largest record of a container that is read, in bytes.
const LARGEST_RECORD: u64 = 16 << 20;

/// What every engine's store answers.
pub trait Records {
    /// All containers, running or not.
    ///
    /// # Errors
    /// [`LineageError`] when they cannot be listed.
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError>;
    /// What a container is made of.
    ///
    /// # Errors
    /// [`LineageError`]; [`Unknown::NoRecord`] when there is no such container.
    fn container(&self, id: &ContainerId, deadline: Instant) -> Result<Origin, LineageError>;
    /// The names of all images.
    ///
    /// # Errors
    /// [`LineageError`] when they cannot be listed.
    fn image_names(&self) -> Result<Vec<String>, LineageError>;
    /// What an image is made of.
    ///
    /// # Errors
    /// [`LineageError`]; [`Unknown::NoRecord`] when there is no such image.
    fn image(&self, reference: &str, deadline: Instant) -> Result<Origin, LineageError>;
}

impl Records for storage::Store {
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError> {
        Self::containers(self)
    }

    fn container(&self, id: &ContainerId, deadline: Instant) -> Result<Origin, LineageError> {
        Self::container(self, id, deadline)
    }

    fn image_names(&self) -> Result<Vec<String>, LineageError> {
        Ok(self.images()?.into_iter().flat_map(|image| image.names).collect())
    }

    fn image(&self, reference: &str, deadline: Instant) -> Result<Origin, LineageError> {
        Self::image(self, reference, deadline)
    }
}

/// One of containerd's namespaces.
pub(super) struct Namespace {
    pub(super) store: Rc<containerd::Store>,
    pub(super) name: String,
    /// Whether Docker keeps the records of the containers in it.
    pub(super) is_dockers: bool,
}

impl Records for Namespace {
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError> {
        if self.is_dockers {
            return Ok(Vec::new());
        }
        let stored = |container: containerd::Recorded| {
            let image = Some(container.image).filter(|image| !image.is_empty());
            Some(StoredContainer { id: ContainerId::parse(&container.id)?, names: Vec::new(), image, engine: None })
        };
        Ok(self.store.containers(&self.name)?.into_iter().filter_map(stored).collect())
    }

    fn container(&self, id: &ContainerId, _: Instant) -> Result<Origin, LineageError> {
        self.store.container(&self.name, id.as_str())
    }

    fn image_names(&self) -> Result<Vec<String>, LineageError> {
        self.store.images(&self.name)
    }

    fn image(&self, reference: &str, _: Instant) -> Result<Origin, LineageError> {
        self.store.image(&self.name, reference)
    }
}

/// A data root of Docker.
pub(super) struct Docker {
    pub(super) data_root: PathBuf,
    pub(super) graph: Option<GraphStore>,
    /// Docker's namespaces in the containerds of this node, for containers whose layers are there.
    pub(super) namespaces: Vec<(Rc<containerd::Store>, String)>,
}

impl Docker {
    /// Docker's own record of a container; `None` when it cannot be read.
    fn record(&self, id: &ContainerId) -> Option<ContainerRecord> {
        let path = self.data_root.join("containers").join(id.as_str()).join("config.v2.json");
        ContainerRecord::parse(&file::read(&path, LARGEST_RECORD, Guard::NoLink).ok()?).ok()
    }

    /// What a container is made of whose layers are containerd's.
    fn in_containerd(&self, id: &ContainerId) -> Result<Origin, LineageError> {
        let unknown = || LineageError::from(Unknown::NoRecord("the layers of the container", self.data_root.clone()));
        let snapshotter = self.record(id).and_then(|record| record.driver).ok_or_else(unknown)?;
        // Docker mounts the root of a container there while it runs (moby: daemon/snapshotter/mount.go).
        let root = self.data_root.join("rootfs").join(&snapshotter).join(id.as_str());
        let bundle = Bundle { path: self.data_root.clone(), id: id.clone(), root };
        let record = docker_store::record(&bundle)?.ok_or_else(unknown)?;
        for (store, namespace) in &self.namespaces {
            match store.snapshot(namespace, &snapshotter, id.as_str(), &record.targets) {
                Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
                answer => return answer.map(|origin| called(origin, &record.name)),
            }
        }
        Err(unknown())
    }
}

impl Records for Docker {
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError> {
        let folder = self.data_root.join("containers");
        let unreadable = |error| LineageError::from(Unknown::File(FileError::Io(folder.clone(), error)));
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let mut containers = Vec::new();
        for entry in entries {
            let Some(id) = entry.map_err(unreadable)?.file_name().to_str().and_then(ContainerId::parse) else { continue };
            // One whose record is broken has its ID still.
            let record = self.record(&id);
            let (name, image) = record.map_or((None, None), |record| (record.name, record.asked));
            containers.push(StoredContainer { id, names: name.into_iter().collect(), image, engine: None });
        }
        Ok(containers)
    }

    fn container(&self, id: &ContainerId, deadline: Instant) -> Result<Origin, LineageError> {
        match self.graph.as_ref().map(|graph| graph.container(id, deadline)) {
            None | Some(Err(LineageError::Unknown(Unknown::NoRecord(..)))) => self.in_containerd(id),
            Some(answer) => answer,
        }
    }

    fn image_names(&self) -> Result<Vec<String>, LineageError> {
        let images = self.graph.as_ref().map_or(Ok(Vec::new()), GraphStore::images)?;
        Ok(images.into_iter().flat_map(|image| image.names).collect())
    }

    fn image(&self, reference: &str, _: Instant) -> Result<Origin, LineageError> {
        let unknown = || Unknown::NoRecord("the image", self.data_root.clone()).into();
        self.graph.as_ref().map_or_else(|| Err(unknown()), |graph| graph.image(reference))
    }
}

/// The origin with what a container's maker called its image.
fn called(origin: Origin, name: &str) -> Origin {
    let named = |facts: ImageFacts| ImageFacts { name: Some(name.to_owned()).filter(|name| !name.is_empty()), ..facts };
    match origin {
        Origin::Image(image) => Origin::Image(ImageLineage { facts: named(image.facts), ..image }),
        Origin::NoLayers(facts) => Origin::NoLayers(named(facts)),
        Origin::NoImage => Origin::NoImage,
    }
}
