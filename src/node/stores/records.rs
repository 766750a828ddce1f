//! Answers what an engine's store knows about its containers and images.
//!
//! In: an opened store, and the ID of a container or the reference of an image. Out: lists and
//! [`Origin`]s. Every engine's store answers the same questions. Only Docker needs two stores for
//! an answer: Docker keeps the records of its containers itself, and their layers in a graph
//! driver's store or in containerd's.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use super::super::allowance::MOST_CONTAINERS;
use crate::container::ContainerId;
use crate::container::bundle::Bundle;
use crate::lineage::containerd::{docker_store, store as containerd};
use crate::lineage::docker::{self, DockerRecord, GraphStore};
use crate::lineage::{
    ImageFacts, ImageLineage, LineageError, Origin, StoredContainer, Unknown, storage,
};

/// The size, in bytes, of the largest container record that is read from a user's store. A user may
/// have a thousand such records.
const LARGEST_OF_A_USER: u64 = 256 << 10;

/// The questions that every engine's store answers.
pub trait Records {
    /// All containers, whether they run or not.
    ///
    /// # Errors
    /// [`LineageError`] when they cannot be listed.
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError>;
    /// The layers and image of a container.
    ///
    /// # Errors
    /// [`LineageError`]; [`Unknown::NoRecord`] when there is no such container.
    fn container(&self, id: &ContainerId, deadline: Instant) -> Result<Origin, LineageError>;
    /// The names of all images.
    ///
    /// # Errors
    /// [`LineageError`] when the images cannot be listed.
    fn image_names(&self) -> Result<Vec<String>, LineageError>;
    /// The layers and digests of an image.
    ///
    /// # Errors
    /// [`LineageError`]; [`Unknown::NoRecord`] when there is no such image.
    fn image(&self, reference: &str, deadline: Instant) -> Result<Origin, LineageError>;
}

impl Records for storage::ContainersStore {
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError> {
        Self::containers(self)
    }

    fn container(&self, id: &ContainerId, deadline: Instant) -> Result<Origin, LineageError> {
        Self::container(self, id, deadline)
    }

    fn image_names(&self) -> Result<Vec<String>, LineageError> {
        Ok(self
            .images()?
            .into_iter()
            .flat_map(|image| image.names)
            .collect())
    }

    fn image(&self, reference: &str, deadline: Instant) -> Result<Origin, LineageError> {
        Self::image(self, reference, deadline)
    }
}

/// One namespace of containerd.
pub(super) struct Namespace {
    pub(super) store: Rc<containerd::ContainerdStore>,
    pub(super) name: String,
    /// Whether Docker uses this namespace by default. If so, Docker keeps the records of the
    /// containers in it.
    pub(super) is_dockers: bool,
    /// The data roots of all Dockers on the node. Records of containers in any namespace may be
    /// there.
    pub(super) data_roots: Rc<[PathBuf]>,
}

impl Namespace {
    /// Whether Docker keeps the record of this container.
    fn is_recorded(&self, id: &ContainerId) -> bool {
        self.data_roots
            .iter()
            .any(|root| root.join("containers").join(id.as_str()).is_dir())
    }
}

impl Records for Namespace {
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError> {
        if self.is_dockers {
            return Ok(Vec::new());
        }
        let stored = |container: containerd::RecordedContainer| {
            let image = Some(container.image).filter(|image| !image.is_empty());
            Some(StoredContainer {
                id: ContainerId::parse(&container.id)?,
                names: Vec::new(),
                image,
                engine: None,
                unread: None,
            })
        };
        let recorded = self
            .store
            .containers(&self.name)?
            .into_iter()
            .filter_map(stored);
        Ok(recorded
            .filter(|stored| !self.is_recorded(&stored.id))
            .collect())
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
    /// The user who controls the data root, or root.
    pub(super) owner: u32,
    /// All namespaces of the containerds on this node. A container's layers may be in one of them.
    pub(super) namespaces: Vec<(Rc<containerd::ContainerdStore>, String)>,
}

impl Docker {
    /// The lineage of a container whose layers are in containerd.
    fn in_containerd(&self, id: &ContainerId) -> Result<Origin, LineageError> {
        let unknown = || {
            LineageError::from(Unknown::NoRecord(
                "the layers of the container",
                self.data_root.clone(),
            ))
        };
        let snapshotter = DockerRecord::load(&self.data_root, id)?
            .driver
            .ok_or_else(unknown)?;
        // While a container runs, Docker mounts its root at this path (moby:
        // daemon/snapshotter/mount.go).
        let root = self
            .data_root
            .join("rootfs")
            .join(&snapshotter)
            .join(id.as_str());
        let bundle = Bundle {
            path: self.data_root.clone(),
            id: id.clone(),
            root,
        };
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
        let most = if self.owner == 0 {
            usize::MAX
        } else {
            MOST_CONTAINERS
        };
        let limit = if self.owner == 0 {
            docker::LARGEST_RECORD
        } else {
            LARGEST_OF_A_USER
        };
        docker::containers(&self.data_root, most, limit)
    }

    fn container(&self, id: &ContainerId, deadline: Instant) -> Result<Origin, LineageError> {
        match self
            .graph
            .as_ref()
            .map(|graph| graph.container(id, deadline))
        {
            None | Some(Err(LineageError::Unknown(Unknown::NoRecord(..)))) => {
                self.in_containerd(id)
            }
            Some(answer) => answer,
        }
    }

    fn image_names(&self) -> Result<Vec<String>, LineageError> {
        let images = self
            .graph
            .as_ref()
            .map_or(Ok(Vec::new()), GraphStore::images)?;
        Ok(images.into_iter().flat_map(|image| image.names).collect())
    }

    fn image(&self, reference: &str, _: Instant) -> Result<Origin, LineageError> {
        let unknown = || Unknown::NoRecord("the image", self.data_root.clone()).into();
        self.graph
            .as_ref()
            .map_or_else(|| Err(unknown()), |graph| graph.image(reference))
    }
}

/// Replaces the name of the image by the name that was used when the container was made.
fn called(origin: Origin, name: &str) -> Origin {
    let named = |facts: ImageFacts| ImageFacts {
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        ..facts
    };
    match origin {
        Origin::Image(image) => Origin::Image(ImageLineage {
            facts: named(image.facts),
            ..image
        }),
        Origin::NoLayers(facts) => Origin::NoLayers(named(facts)),
        Origin::NoImage => Origin::NoImage,
    }
}
