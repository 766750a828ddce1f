//! Reads Docker's record of a container whose image is in containerd's image store.
//!
//! In: `<data root>/containers/<id>/config.v2.json`, and the path of the container's root,
//! `<data root>/rootfs/<snapshotter>/<id>` (moby daemon/snapshotter/mount.go; Docker 24 to 29).
//! containerd's own record of such a container is not used: that record names no snapshot, and its
//! image name is looked up again at every start. Out: the snapshotter, and digests that may lead to
//! the image. The digests prove nothing by themselves.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::container::bundle::Bundle;
use crate::lineage::digest::{Digest, is_hex};
use crate::lineage::docker::LARGEST_RECORD;
use crate::lineage::error::{Corrupt, InFile, LineageError, Unknown};
use crate::sys::file::{self, Guard};

/// What Docker records about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerContainer {
    /// The snapshotter that stores the container's root.
    pub snapshotter: String,
    /// The digest of the index or manifest that Docker used for the container; this document leads
    /// to the image's other documents. In Docker 24 and later, also the digest of the manifest for
    /// the container's platform.
    pub targets: Vec<Digest>,
    /// The image's name, as the user gave it.
    pub name: String,
}

#[derive(Deserialize)]
struct RecordJson {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Image", default)]
    image: String,
    #[serde(rename = "ImageManifest", default)]
    manifest: Option<ManifestText>,
    #[serde(rename = "Config", default)]
    config: Option<RequestText>,
}

#[derive(Default, Deserialize)]
struct ManifestText {
    #[serde(default)]
    digest: String,
}

#[derive(Default, Deserialize)]
struct RequestText {
    #[serde(rename = "Image", default)]
    image: String,
}

/// Docker's record of the container. `None` when the container's root does not have the path that
/// Docker uses with containerd's image store, or Docker has no record of the container.
///
/// # Errors
/// [`Unknown::File`] when the record cannot be read; [`Corrupt::File`] when the file is not a
/// record, or is the record of another container.
pub fn record(bundle: &Bundle) -> Result<Option<DockerContainer>, LineageError> {
    let Some((data_root, snapshotter)) = shape(&bundle.root, bundle.id.as_str()) else {
        return Ok(None);
    };
    let path = data_root
        .join("containers")
        .join(bundle.id.as_str())
        .join("config.v2.json");
    let json = match file::read(&path, LARGEST_RECORD, Guard::NoLink) {
        Err(error) if error.is_absent() => return Ok(None),
        answer => answer.map_err(Unknown::File)?,
    };
    let record: RecordJson = serde_json::from_slice(&json).in_file(&path)?;
    if record.id != bundle.id.as_str() {
        return Err(Corrupt::File(path, format!("it is the record of {:?}", record.id)).into());
    }
    let manifest = record.manifest.unwrap_or_default().digest;
    let mut targets = Vec::new();
    for digest in [record.image, manifest] {
        targets.extend(Digest::parse(&digest));
    }
    Ok(Some(DockerContainer {
        snapshotter,
        targets,
        name: record.config.unwrap_or_default().image,
    }))
}

/// Whether a snapshot has the name `<container ID>-init`. Docker puts a snapshot of this name below
/// the snapshot of each container. An `-init` snapshot is not a layer, but also occurs between
/// layers, because the results of `docker commit` and of Docker's classic builder are based on it
/// (seen with 28.5.2).
#[must_use]
pub fn is_init(key: &str) -> bool {
    let id = key.strip_suffix("-init").unwrap_or_default();
    id.len() == 64 && is_hex(id)
}

/// The data root and the snapshotter in a path `<data root>/rootfs/<snapshotter>/<id>`.
fn shape(root: &Path, id: &str) -> Option<(PathBuf, String)> {
    let snapshotter = root.parent()?;
    let rootfs = snapshotter.parent()?;
    if root.file_name()? != id || rootfs.file_name()? != "rootfs" {
        return None;
    }
    Some((
        rootfs.parent()?.to_owned(),
        snapshotter.file_name()?.to_str()?.to_owned(),
    ))
}
