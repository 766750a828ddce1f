//! Reads Docker's layer store.
//!
//! In: `<data root>/image/<driver>/layerdb` (moby: daemon/internal/layer/filestore.go). Each fact
//! is in a small file of its own, which is written without fsync(2). So after a power cut, any of
//! these files may be empty or missing. Out: the layer and the top chain ID of a container; a
//! chain, whose hash is computed again; and the directory of each layer in the driver. Not checked:
//! the contents of the directories, which the engine verified when it unpacked the layers.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Driver;
use super::fault::broken;
use super::store::read_names;
use crate::container::ContainerId;
use crate::lineage::chain::{Chain, MAX_LAYERS};
use crate::lineage::digest::{ChainId, DiffId, Digest};
use crate::lineage::error::{Corrupt, InFile, LineageError, Unknown, in_time};
use crate::sys::deadline::Deadline;
use crate::sys::file::{self, Guard};

/// The size, in bytes, of the largest file that is read from the layer store. A digest has 71
/// bytes, the name of a directory 64.
const LARGEST_FACT: u64 = 256;

/// What the layer store records about a container's own layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MountRecord {
    /// The directory of the layer in the driver.
    pub(super) layer: String,
    /// The chain ID of the image below; `None` when the record names none, as for an image without
    /// layers.
    pub(super) top: Option<ChainId>,
}

/// The layer store of one graph driver.
#[derive(Clone, Debug)]
pub(super) struct LayerStore {
    directory: PathBuf,
}

impl LayerStore {
    /// The layer store of this driver in a data root.
    pub(super) fn of(data_root: &Path, driver: Driver) -> Self {
        Self {
            directory: data_root.join("image").join(driver.word()).join("layerdb"),
        }
    }

    /// The directory of the layer store.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The record of a container's layer; `None` when there is no record. `guard` applies to the
    /// file that ties the container to the store.
    pub(super) fn mount_of(
        &self,
        container: &ContainerId,
        guard: Guard,
    ) -> Result<Option<MountRecord>, LineageError> {
        let directory = self.directory.join("mounts").join(container.as_str());
        let path = directory.join("mount-id");
        let layer = match file::read(&path, LARGEST_FACT, guard) {
            Err(error) if error.is_absent() && fs::symlink_metadata(&directory).is_err() => {
                return Ok(None);
            }
            read => fact(path, read.map_err(broken)?, parse_directory_name)?,
        };
        let top = read_optional(directory.join("parent"), parse_digest)?.map(ChainId);
        Ok(Some(MountRecord { layer, top }))
    }

    /// The file in a container's record that contains the chain ID of its image.
    pub(super) fn parent_file(&self, container: &ContainerId) -> PathBuf {
        self.directory
            .join("mounts")
            .join(container.as_str())
            .join("parent")
    }

    /// The chain whose top is `top`. The chain is read from layer to layer, and its chain IDs are
    /// computed again.
    pub(super) fn chain(&self, top: ChainId, deadline: &Deadline) -> Result<Chain, LineageError> {
        let mut diff_ids = Vec::new();
        let mut visited = Vec::new();
        let mut next = Some(top);
        while let Some(layer) = next {
            in_time(deadline)?;
            visited.push(layer);
            diff_ids.push(DiffId(self.layer_fact(layer, "diff", parse_digest)?));
            let path = self.layer_file(layer, "parent");
            next = read_optional(path.clone(), parse_digest)?.map(ChainId);
            if next.is_some_and(|next| visited.contains(&next)) {
                return Err(Corrupt::File(path, "the layers' parents form a circle".into()).into());
            }
            if visited.len() > MAX_LAYERS {
                return Err(Corrupt::File(
                    path,
                    format!("there are more than {MAX_LAYERS} layers"),
                )
                .into());
            }
        }
        diff_ids.reverse();
        let path = self.layer_file(top, "diff");
        match Chain::from_diff_ids(diff_ids) {
            Some(chain) if chain.top() == top => Ok(chain),
            Some(chain) => Err(Corrupt::Hash(path, top.0, chain.top().0).into()),
            None => Err(Corrupt::File(path, "there are no layers".into()).into()),
        }
    }

    /// The name of a layer's directory in the driver.
    pub(super) fn cache_id(&self, layer: ChainId) -> Result<String, LineageError> {
        self.layer_fact(layer, "cache-id", parse_directory_name)
    }

    /// The chain IDs of those `directories` of the driver that are image layers. Every layer has to
    /// be read, because nothing leads from a directory to its layer.
    pub(super) fn layers_in(
        &self,
        directories: &[String],
        deadline: &Deadline,
    ) -> Result<HashMap<String, ChainId>, LineageError> {
        let mut found = HashMap::new();
        for layer in self.layers()? {
            in_time(deadline)?;
            let path = self.layer_file(layer, "cache-id");
            let directory = match file::read(&path, LARGEST_FACT, Guard::NoLink) {
                Err(error) if error.is_absent() => continue, // Removed meanwhile.
                read => fact(path, read.map_err(broken)?, parse_directory_name)?,
            };
            if directories.contains(&directory) {
                found.insert(directory, layer);
            }
        }
        Ok(found)
    }

    /// The chain IDs of all layers.
    fn layers(&self) -> Result<Vec<ChainId>, Unknown> {
        let all = self.directory.join("sha256");
        match read_names(&all) {
            Ok(names) => Ok(names
                .iter()
                .filter_map(|name| Digest::from_hex(name.to_str()?).map(ChainId))
                .collect()),
            Err(error) => Err(Unknown::File(file::FileError::Io(all, error))),
        }
    }

    fn layer_file(&self, layer: ChainId, name: &str) -> PathBuf {
        self.directory.join("sha256").join(layer.0.hex()).join(name)
    }

    fn layer_fact<T>(
        &self,
        layer: ChainId,
        name: &str,
        parse: fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, LineageError> {
        let path = self.layer_file(layer, name);
        let bytes = file::read(&path, LARGEST_FACT, Guard::NoLink).map_err(broken)?;
        fact(path, bytes, parse)
    }
}

fn read_optional<T>(
    path: PathBuf,
    parse: fn(&[u8]) -> Result<T, String>,
) -> Result<Option<T>, LineageError> {
    match file::read(&path, LARGEST_FACT, Guard::NoLink) {
        Err(error) if error.is_absent() => Ok(None),
        read => fact(path, read.map_err(broken)?, parse).map(Some),
    }
}

fn fact<T>(
    path: PathBuf,
    bytes: Vec<u8>,
    parse: fn(&[u8]) -> Result<T, String>,
) -> Result<T, LineageError> {
    Ok(parse(&bytes).in_file(&path)?)
}

/// Parses the contents of a file `diff` or `parent`, which is a digest. White space around the
/// digest is ignored, as moby does.
///
/// # Errors
/// What is wrong, as text to be put after the file's name.
pub fn parse_digest(content: &[u8]) -> Result<Digest, String> {
    let text = text_of(content)?;
    match Digest::parse(text) {
        Ok(digest) => Ok(digest),
        Err(_) => Err(format!("{text:?} is not a sha256 digest")),
    }
}

/// Parses the contents of a file `mount-id` or `cache-id`, which is the name of a directory. The
/// name consists of letters, digits, `.`, `_` and `-`. BuildKit's names have 25 letters and digits,
/// all others 64 hexadecimal digits.
///
/// # Errors
/// What is wrong, as text to be put after the file's name.
pub fn parse_directory_name(content: &[u8]) -> Result<String, String> {
    let text = text_of(content)?;
    if text.bytes().all(is_legal) && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a layer's name"))
    }
}

fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn text_of(content: &[u8]) -> Result<&str, String> {
    let Ok(text) = std::str::from_utf8(content) else {
        return Err("it is not UTF-8".to_owned());
    };
    let text = text.trim_ascii();
    if text.is_empty() {
        Err("it is empty".to_owned())
    } else {
        Ok(text)
    }
}
