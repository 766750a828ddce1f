//! Lists the containers and images in a data root of Docker, and finds the layers of each.
//!
//! For commands that have no bundle, only a name that a user typed: an ID, a part of an ID, or a
//! reference. In: a data root with stores of graph drivers, and that name. Out: lists, and the same
//! [`Origin`] as at the gate. The mount of a running container is compared if this process can see
//! the mount. Not checked: who owns the store.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::layerdb::LayerStore;
use super::record::{self, DockerRecord, Repositories};
use super::{ContainerState, Driver, LayerRoot, StoredLayer};
use crate::container::ContainerId;
use crate::container::mount;
use crate::lineage::digest::{Digest, ImageId, is_hex};
use crate::lineage::error::{Corrupt, InFile, LineageError, Unknown};
use crate::lineage::image::ImageConfig;
use crate::lineage::origin::{Evidence, Origin, StoredContainer, StoredImage};
use crate::sys::deadline::Deadline;
use crate::sys::file::{FileError, Guard};

/// A data root of Docker that has the image store of at least one graph driver.
#[derive(Clone, Debug)]
pub struct GraphStore {
    data_root: PathBuf,
    drivers: Vec<Driver>,
}

impl GraphStore {
    /// Opens the stores in a data root. With user-namespace remapping, `data_root` must be the
    /// directory `<uid>.<gid>` in Docker's data root.
    ///
    /// # Errors
    /// [`Unknown::NoRecord`] when there is no graph driver's store.
    pub fn open(data_root: &Path) -> Result<Self, LineageError> {
        let mut drivers = Vec::new();
        for driver in Driver::ALL {
            if LayerStore::of(data_root, driver).directory().is_dir() {
                drivers.push(driver);
            }
        }
        if drivers.is_empty() {
            return Err(Unknown::NoRecord(
                "the image store of a graph driver",
                data_root.to_owned(),
            )
            .into());
        }
        Ok(Self {
            data_root: data_root.to_owned(),
            drivers,
        })
    }

    /// The layers of a container.
    ///
    /// # Errors
    /// The errors of [`super::resolve`]; [`Unknown::NoRecord`] when there is no such container.
    pub fn container(
        &self,
        id: &ContainerId,
        deadline: impl Into<Deadline>,
    ) -> Result<Origin, LineageError> {
        let deadline = &deadline.into();
        let recorded = DockerRecord::load(&self.data_root, id)?.driver;
        for driver in &self.drivers {
            if recorded.as_deref().unwrap_or(driver.word()) != driver.word() {
                continue;
            }
            if let Some(record) =
                LayerStore::of(&self.data_root, *driver).mount_of(id, Guard::NoLink)?
            {
                let root = LayerRoot {
                    data_root: self.data_root.clone(),
                    driver: *driver,
                    layer: record.layer.clone(),
                };
                let mount = mount::at(&root.path()).unwrap_or_default(); // The directory is made when the container starts.
                let mut origin = super::origin(
                    StoredLayer {
                        id,
                        root: &root,
                        record,
                        standing: ContainerState::Stored,
                        mount,
                    },
                    deadline,
                )?;
                if let Some(facts) = origin.facts_mut()
                    && let Some(image_id) = facts.image_id
                {
                    facts.add_pulled(record::pulled_digests(&self.data_root, *driver, image_id));
                }
                return Ok(origin);
            }
        }
        Err(Unknown::NoRecord("the layer of the container", self.data_root.clone()).into())
    }

    /// All images, in no particular order, including those without a name, such as the steps of the
    /// classic builder.
    ///
    /// # Errors
    /// [`Unknown::File`] when a directory cannot be read; [`Corrupt::File`] when the file of names
    /// is damaged.
    pub fn images(&self) -> Result<Vec<StoredImage>, LineageError> {
        let mut images = Vec::new();
        for driver in &self.drivers {
            let repositories = Repositories::load(&self.data_root, *driver)?;
            let names = repositories.names()?;
            for id in self.image_ids(*driver)? {
                let text = id.to_string();
                let own = names.iter().filter(|name| name.image_id == text);
                images.push(StoredImage {
                    id: id.0,
                    names: own.map(|name| name.reference.to_string()).collect(),
                });
            }
        }
        Ok(images)
    }

    /// The layers of an image. The reference may be `name[:tag]`, `name@digest`, the image ID with
    /// or without `sha256:`, or a beginning of the ID that no other image has.
    ///
    /// # Errors
    /// [`Unknown::NoRecord`] when the reference leads to no image, or to more than one; [`Corrupt`]
    /// when the image config does not match its ID.
    pub fn image(&self, reference: &str) -> Result<Origin, LineageError> {
        for driver in &self.drivers {
            let repositories = Repositories::load(&self.data_root, *driver)?;
            let names = repositories.names()?;
            let familiar_name = familiar(reference);
            let named = names.iter().find(|name| name.reference == familiar_name);
            let found = match named.map(|name| ImageId::parse(&name.image_id)) {
                Some(Ok(id)) => Some(id),
                Some(Err(_)) | None => self.by_id(*driver, reference)?,
            };
            if let Some(id) = found {
                return self.image_origin(*driver, id, reference);
            }
        }
        Err(Unknown::NoRecord("such an image", self.data_root.clone()).into())
    }

    fn image_origin(
        &self,
        driver: Driver,
        id: ImageId,
        reference: &str,
    ) -> Result<Origin, LineageError> {
        let path = record::config_file(&self.data_root, driver, id);
        let config = ImageConfig::load(&path, id)?;
        let (mut facts, _) = record::image(&self.data_root, driver, id)?;
        facts.add_pulled(record::pulled_digests(&self.data_root, driver, id));
        facts.name = Some(reference.to_owned());
        let chain = config.chain().in_file(&path)?;
        Ok(Origin::of_image(chain, facts, Evidence::Metadata))
    }

    /// The single image whose ID is this text, or begins with it.
    fn by_id(&self, driver: Driver, text: &str) -> Result<Option<ImageId>, LineageError> {
        let beginning = text.strip_prefix("sha256:").unwrap_or(text);
        if beginning.is_empty() || !is_hex(beginning) {
            return Ok(None);
        }
        let mut found = self
            .image_ids(driver)?
            .into_iter()
            .filter(|id| id.0.hex().starts_with(beginning));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                Err(Unknown::NoRecord("a single image of that ID", self.data_root.clone()).into())
            }
            (only, _) => Ok(only),
        }
    }

    fn image_ids(&self, driver: Driver) -> Result<Vec<ImageId>, LineageError> {
        let directory = self
            .data_root
            .join("image")
            .join(driver.word())
            .join("imagedb/content/sha256");
        let mut ids = Vec::new();
        for name in names_in(&directory)? {
            ids.extend(name.to_str().and_then(Digest::from_hex).map(ImageId));
        }
        Ok(ids)
    }
}

/// A reference as Docker stores it: without the default registry and its `library/`, and with a tag
/// or a digest (distribution/reference, "familiar name").
fn familiar(reference: &str) -> String {
    let name = reference
        .strip_prefix("docker.io/")
        .or(reference.strip_prefix("index.docker.io/"))
        .unwrap_or(reference);
    let short = match name.strip_prefix("library/") {
        Some(rest) if !rest.contains('/') => rest,
        Some(_) | None => name,
    };
    match short.split_once('@') {
        Some((name, digest)) => format!("{}@{digest}", without_tag(name)),
        None if without_tag(short) == short => format!("{short}:latest"),
        None => short.to_owned(),
    }
}

/// A name without its tag. A colon before the last `/` belongs to the port of a registry.
fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((rest, tag)) if !tag.contains('/') => rest,
        Some(_) | None => name,
    }
}

/// All containers in a data root of Docker, in no particular order. A container whose record is
/// damaged, or is larger than `limit` bytes, is listed with its ID only. If there are more than
/// `most` containers, none is listed.
///
/// # Errors
/// [`Unknown::File`] when the directory of containers cannot be read.
pub fn containers(
    data_root: &Path,
    most: usize,
    limit: u64,
) -> Result<Vec<StoredContainer>, LineageError> {
    let names = names_in(&data_root.join("containers"))?;
    if names.len() > most {
        return Err(Corrupt::File(
            data_root.join("containers"),
            format!("it has more than {most} containers"),
        )
        .into());
    }
    let mut containers = Vec::new();
    for name in &names {
        if let Some(id) = name.to_str().and_then(ContainerId::parse) {
            containers.push(stored(data_root, id, limit));
        }
    }
    Ok(containers)
}

fn stored(data_root: &Path, id: ContainerId, limit: u64) -> StoredContainer {
    let mut stored = StoredContainer {
        id,
        names: Vec::new(),
        image: None,
        engine: None,
        created: None,
        unread: None,
    };
    match DockerRecord::load_of(data_root, &stored.id, limit) {
        Ok(record) => {
            stored.names.extend(record.name);
            (stored.image, stored.created) = (record.asked, record.created);
        }
        // A directory without a record belongs to a container that is just being created or
        // removed.
        Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
        Err(fault) => stored.unread = Some(fault),
    }
    stored
}

/// The names in a directory; empty when the directory does not exist.
fn names_in(directory: &Path) -> Result<Vec<OsString>, LineageError> {
    match read_names(directory) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Unknown::File(FileError::Io(directory.to_owned(), error)).into()),
    }
}

/// The names in a directory.
pub(super) fn read_names(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.push(entry?.file_name());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_looked_up_as_docker_stores_it() {
        for (typed, stored) in [
            ("app", "app:latest"),
            ("app:1", "app:1"),
            ("docker.io/library/debian:12", "debian:12"),
            ("docker.io/team/app", "team/app:latest"),
            (
                "registry.example:5000/app",
                "registry.example:5000/app:latest",
            ),
            (
                "registry.example:5000/app:1@sha256:ab",
                "registry.example:5000/app@sha256:ab",
            ),
            ("library/debian", "debian:latest"),
            (
                "registry.example/library/debian",
                "registry.example/library/debian:latest",
            ),
        ] {
            assert_eq!(familiar(typed), stored);
        }
    }
}
