//! Reads which image Docker records for a container, and under which names the image is known.
//!
//! In: the container's `config.v2.json` and the store's `repositories.json` (Docker replaces both
//! by rename, so it never leaves them half-written), and the image config. `config.v2.json` is full
//! of text that users chose; only the image ID, the driver, the time of creation, the container's
//! name and the image name that the user gave are read. Out: the image ID; the image config, if it
//! still exists and hashes to that ID; and the digests by which the image was pulled. Names are
//! used for nothing else: no container is refused because a file of names is too large or damaged.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::Driver;
use super::fault::broken;
use crate::container::ContainerId;
use crate::lineage::digest::{Digest, ImageId};
use crate::lineage::error::{Corrupt, InFile, LineageError, Unknown};
use crate::lineage::image::{ImageConfig, MAX_CONFIG};
use crate::lineage::origin::ImageFacts;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};

/// The size, in bytes, of the largest container record that is read. A record repeats the labels of
/// the image's config.
pub const LARGEST_RECORD: u64 = MAX_CONFIG;

/// The size, in bytes, of the largest file of names that is read. A file of this size has room for
/// some 600 000 tags.
const LARGEST_NAMES: u64 = 64 << 20;

/// What Docker records about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerRecord {
    /// The image that the container was made from.
    pub image_id: ImageId,
    /// The container's name, without the `/` that Docker puts before it.
    pub name: Option<String>,
    /// The image name that the user gave when the container was made.
    pub asked: Option<String>,
    /// The graph driver that has the container's layer.
    pub driver: Option<String>,
    /// When Docker made the container (moby: daemon/container.go, `newBaseContainer`). No user can
    /// choose this time, and no restart changes it.
    pub created: Option<Timestamp>,
}

#[derive(Deserialize)]
struct ContainerText {
    #[serde(rename = "Image")]
    image: String,
    #[serde(rename = "Name", default)]
    name: Option<String>,
    #[serde(rename = "Driver", default)]
    driver: Option<String>,
    #[serde(rename = "Config", default)]
    asked: Option<AskedText>,
    #[serde(rename = "Created", default)]
    created: Option<String>,
}

#[derive(Default, Deserialize)]
struct AskedText {
    #[serde(rename = "Image", default)]
    image: Option<String>,
}

impl DockerRecord {
    /// Reads the contents of a container's `config.v2.json`.
    ///
    /// # Errors
    /// What is wrong, as text to be put after the file's name.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let text: ContainerText = match serde_json::from_slice(json) {
            Ok(text) => text,
            Err(error) => return Err(error.to_string()),
        };
        let Ok(image_id) = ImageId::parse(&text.image) else {
            return Err(format!("{:?} is not an image ID", text.image));
        };
        let name = text.name.unwrap_or_default();
        let asked = text.asked.unwrap_or_default().image.unwrap_or_default();
        Ok(Self {
            image_id,
            name: none_if_empty(name.trim_start_matches('/')),
            asked: none_if_empty(&asked),
            driver: text.driver,
            created: text.created.as_deref().and_then(Timestamp::parse_any),
        })
    }

    /// Reads the record of a container in a data root. The record exists before the container's
    /// runtime is called (moby: daemon/create.go).
    ///
    /// # Errors
    /// [`Unknown`] when there is no record, or the record cannot be read; [`Corrupt`] when the
    /// record is damaged.
    pub fn load(data_root: &Path, container: &ContainerId) -> Result<Self, LineageError> {
        Self::load_of(data_root, container, LARGEST_RECORD)
    }

    /// Reads the record of a container in a data root, if the record has at most `limit` bytes.
    pub(super) fn load_of(
        data_root: &Path,
        container: &ContainerId,
        limit: u64,
    ) -> Result<Self, LineageError> {
        let path = data_root
            .join("containers")
            .join(container.as_str())
            .join("config.v2.json");
        let json = match file::read(&path, limit, Guard::NoLink) {
            Err(error) if error.is_absent() => {
                return Err(Unknown::NoRecord("the record of the container", path).into());
            }
            read => read.map_err(broken)?,
        };
        Ok(Self::parse(&json).in_file(&path)?)
    }
}

/// Returns the text; `None` when the text is empty, because Go writes a missing text as an empty
/// text.
pub(super) fn none_if_empty(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    Some(text.to_owned())
}

/// Reads the facts that the driver's image store still has about the image with this ID, and the
/// image's config, if the config exists and hashes to the ID.
pub(super) fn image(
    data_root: &Path,
    driver: Driver,
    image_id: ImageId,
) -> Result<(ImageFacts, Option<ImageConfig>), LineageError> {
    let path = config_file(data_root, driver, image_id);
    let config = match ImageConfig::load(&path, image_id) {
        Ok(config) => Some(config),
        Err(error @ LineageError::Corrupt(Corrupt::Hash(..))) => return Err(error),
        // The image was removed by force, or its config is too large or too unusual to be read. The
        // records of the layers are enough.
        Err(
            LineageError::Unknown(_)
            | LineageError::Corrupt(Corrupt::File(..) | Corrupt::Mount(..)),
        ) => None,
    };
    let facts = ImageFacts {
        image_id: Some(image_id),
        config_file: config.is_some().then_some(path),
        ..ImageFacts::default()
    };
    Ok((facts, config))
}

/// The digests of the manifests and indexes by which an image was pulled (moby:
/// daemon/internal/refstore).
pub(super) fn pulled_digests(
    data_root: &Path,
    driver: Driver,
    image_id: ImageId,
) -> Result<Vec<Digest>, LineageError> {
    let text = image_id.to_string();
    let repositories = Repositories::load(data_root, driver)?;
    let mut digests = Vec::new();
    for name in repositories.names()? {
        if name.image_id == text {
            digests.extend(name.digest());
        }
    }
    Ok(digests)
}

/// The file of an image's config.
pub(super) fn config_file(data_root: &Path, driver: Driver, image_id: ImageId) -> PathBuf {
    data_root
        .join("image")
        .join(driver.word())
        .join("imagedb/content/sha256")
        .join(image_id.0.hex())
}

/// A name, and the image for which the name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName<'a> {
    /// `repository:tag` or `repository@digest`, without the prefixes `docker.io/` and
    /// `docker.io/library/`.
    pub reference: Cow<'a, str>,
    /// The image ID, as text.
    pub image_id: Cow<'a, str>,
}

impl ImageName<'_> {
    /// The digest in the name: the digest of the manifest or index by which the image was pulled.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        Digest::parse(self.reference.split_once('@')?.1).ok()
    }
}

/// The contents of the file that contains all names of a driver's images,
/// `{"Repositories":{"app":{"app:1":"sha256:…","app@sha256:…":"sha256:…"}}}`.
pub(super) struct Repositories {
    path: PathBuf,
    json: Option<Vec<u8>>,
}

impl Repositories {
    /// Reads the file. The file does not exist before the first image gets a name; then the list of
    /// names is empty.
    pub(super) fn load(data_root: &Path, driver: Driver) -> Result<Self, LineageError> {
        let path = data_root
            .join("image")
            .join(driver.word())
            .join("repositories.json");
        match file::read(&path, LARGEST_NAMES, Guard::NoLink) {
            Err(error) if error.is_absent() => Ok(Self { path, json: None }),
            read => Ok(Self {
                json: Some(read.map_err(Unknown::File)?),
                path,
            }),
        }
    }

    /// All names in the file.
    pub(super) fn names(&self) -> Result<Vec<ImageName<'_>>, LineageError> {
        match self.json.as_deref() {
            Some(json) => Ok(parse_names(json).in_file(&self.path)?),
            None => Ok(Vec::new()),
        }
    }
}

/// Reads the contents of `repositories.json`.
///
/// # Errors
/// What is wrong, as text to be put after the file's name.
pub fn parse_names(json: &[u8]) -> Result<Vec<ImageName<'_>>, String> {
    let file: NamesText<'_> = match serde_json::from_slice(json) {
        Ok(file) => file,
        Err(error) => return Err(error.to_string()),
    };
    let mut found = Vec::new();
    for (_, names) in file.repositories.unwrap_or_default().0 {
        for (reference, image_id) in names.unwrap_or_default().0 {
            found.push(ImageName {
                reference: reference.0,
                image_id: image_id.0,
            });
        }
    }
    Ok(found)
}

#[derive(Deserialize)]
struct NamesText<'a> {
    #[serde(rename = "Repositories", borrow)]
    repositories: Option<Pairs<JsonText<'a>, Option<Pairs<JsonText<'a>, JsonText<'a>>>>>,
}

/// Text that is copied only if JSON escapes something in it.
#[derive(Deserialize)]
struct JsonText<'a>(#[serde(borrow)] Cow<'a, str>);

/// A JSON object as a list of pairs. No key is looked up in the object, and building a map would
/// take time.
struct Pairs<K, V>(Vec<(K, V)>);

impl<K, V> Default for Pairs<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<K, V> {
    type Value = Pairs<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}
