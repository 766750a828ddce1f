//! Reads what an engine's store records about its containers and images, with the same functions
//! for every engine.
//!
//! In: an opened store, and the ID of a container or the reference of an image. Out: lists and
//! [`Origin`]s. Every engine's store implements [`Records`]. Only for Docker, two stores are
//! needed: Docker's data root has the records of the containers, and the containers' layers are in
//! a graph driver's store or in containerd's.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use super::super::allowance::MOST_CONTAINERS;
use crate::container::ContainerId;
use crate::container::bundle::Bundle;
use crate::lineage::containerd::{docker_store, store as containerd};
use crate::lineage::docker::{self, DockerRecord, GraphStore};
use crate::lineage::{LineageError, Origin, StoredContainer, StoredImage, Unknown, storage};

/// The size, in bytes, of the largest container record that is read from a user's store. A user may
/// have a thousand such records.
const LARGEST_OF_A_USER: u64 = 256 << 10;

/// The queries that every engine's store supports.
pub trait Records {
    /// All containers, whether running or not.
    ///
    /// # Errors
    /// [`LineageError`] when the containers cannot be listed.
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
        Ok(names(self.images()?))
    }

    fn image(&self, reference: &str, deadline: Instant) -> Result<Origin, LineageError> {
        Self::image(self, reference, deadline)
    }
}

/// One namespace of containerd.
pub(super) struct Namespace {
    pub(super) store: Rc<containerd::ContainerdStore>,
    pub(super) name: String,
    /// Whether Docker uses this namespace by default. In such a namespace, Docker has the records
    /// of the containers.
    pub(super) is_dockers: bool,
    /// The data roots of all Dockers on the node. Records of containers in any namespace may be in
    /// these data roots.
    pub(super) data_roots: Rc<[PathBuf]>,
}

impl Namespace {
    /// Whether Docker has the record of this container.
    fn is_recorded(&self, id: &ContainerId) -> bool {
        let mut roots = self.data_roots.iter();
        roots.any(|root| root.join("containers").join(id.as_str()).is_dir())
    }
}

impl Records for Namespace {
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError> {
        if self.is_dockers {
            return Ok(Vec::new());
        }
        let mut stored = Vec::new();
        for container in self.store.containers(&self.name)? {
            if let Some(id) = ContainerId::parse(&container.id)
                && !self.is_recorded(&id)
            {
                stored.push(StoredContainer {
                    id,
                    names: Vec::new(),
                    image: Some(container.image).filter(|image| !image.is_empty()),
                    engine: None,
                    created: container.created,
                    unread: None,
                });
            }
        }
        Ok(stored)
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
    /// All namespaces of the containerds on this node. A container's layers may be in one of these
    /// namespaces.
    pub(super) namespaces: Vec<(Rc<containerd::ContainerdStore>, String)>,
}

impl Docker {
    /// The lineage of a container whose layers are in containerd.
    fn in_containerd(&self, id: &ContainerId) -> Result<Origin, LineageError> {
        let unknown = Unknown::NoRecord("the layers of the container", self.data_root.clone());
        let Some(snapshotter) = DockerRecord::load(&self.data_root, id)?.driver else {
            return Err(unknown.into());
        };
        // While a container runs, Docker mounts its root at this path (moby:
        // daemon/snapshotter/mount.go).
        let roots = self.data_root.join("rootfs").join(&snapshotter);
        let bundle = Bundle {
            path: self.data_root.clone(),
            id: id.clone(),
            root: roots.join(id.as_str()),
        };
        let Some(record) = docker_store::record(&bundle)? else {
            return Err(unknown.into());
        };
        for (store, namespace) in &self.namespaces {
            match store.snapshot(namespace, &snapshotter, id.as_str(), &record.targets) {
                Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
                answer => return answer.map(|origin| called(origin, &record.name)),
            }
        }
        Err(unknown.into())
    }
}

impl Records for Docker {
    fn containers(&self) -> Result<Vec<StoredContainer>, LineageError> {
        let (most, limit) = match self.owner {
            0 => (usize::MAX, docker::LARGEST_RECORD),
            _user => (MOST_CONTAINERS, LARGEST_OF_A_USER),
        };
        docker::containers(&self.data_root, most, limit)
    }

    fn container(&self, id: &ContainerId, deadline: Instant) -> Result<Origin, LineageError> {
        if let Some(graph) = &self.graph {
            match graph.container(id, deadline) {
                Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
                answer => return answer,
            }
        }
        self.in_containerd(id)
    }

    fn image_names(&self) -> Result<Vec<String>, LineageError> {
        match &self.graph {
            Some(graph) => Ok(names(graph.images()?)),
            None => Ok(Vec::new()),
        }
    }

    fn image(&self, reference: &str, _: Instant) -> Result<Origin, LineageError> {
        match &self.graph {
            Some(graph) => graph.image(reference),
            None => Err(Unknown::NoRecord("the image", self.data_root.clone()).into()),
        }
    }
}

/// The names of all these images.
fn names(images: Vec<StoredImage>) -> Vec<String> {
    images.into_iter().flat_map(|image| image.names).collect()
}

/// Replaces the name of the image by the name that was used when the container was made.
fn called(mut origin: Origin, name: &str) -> Origin {
    let facts = match &mut origin {
        Origin::Image(image) => &mut image.facts,
        Origin::NoLayers(facts) => facts,
        Origin::NoImage => return origin,
    };
    facts.name = Some(name.to_owned()).filter(|name| !name.is_empty());
    origin
}
