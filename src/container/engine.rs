//! Recognises which engine made a bundle.
//!
//! Only the shape of the bundle's path is used, whatever directories come before that shape. State
//! directories and data roots can be configured in the engines, and users and image authors can
//! forge annotations. In: a [`Bundle`]. Out: a [`BundlePlace`], which says where to look for the
//! engine's own record of the container. The place alone proves nothing: that record must agree
//! with the place.
//!
//! | shape of the bundle's path | place | seen with |
//! |---|---|---|
//! | `<state>/io.containerd.runtime.v2.task/<namespace>/<id>` | `Task` | containerd 1.6 and 2.1, Docker 20.10 to 29, rootless Docker, k3s |
//! | `<store>/<driver>-containers/<id>/userdata` | `Storage` | Podman 4.3 and 5.8 (graph root; run root in transient mode), CRI-O 1.37 (run root) |
//! | `<root>/executor/<id>`, `<root>` ending in `buildkit` or `runc-<snapshotter>` | `BuildKit` | BuildKit in Docker 28 and 29, buildkitd |
//! | `<any>/buildah<number>`, the container being `buildah-buildah<number>` | `Buildah` | Podman 4.3 and 5.8 (`podman build`) |

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ContainerId;
use super::bundle::Bundle;
use crate::report::line;
use crate::sys::digits::is_number;

/// Where a bundle is, by the shape of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundlePlace {
    /// The bundle of a containerd task. The client of containerd may be Docker, the CRI, nerdctl or
    /// ctr.
    Task {
        /// containerd's state directory.
        state: PathBuf,
        /// containerd's namespace.
        namespace: String,
    },
    /// A container in a containers/storage store, made by Podman or CRI-O.
    Storage {
        /// The graph root or the run root.
        store: PathBuf,
        /// The storage driver, such as `overlay`.
        driver: String,
    },
    /// A `RUN` step of BuildKit.
    BuildKit {
        /// The parent of the executor's directory: `<data root>/buildkit` in dockerd.
        root: PathBuf,
    },
    /// A `RUN` step of buildah.
    Buildah,
    /// None of the places above.
    Elsewhere,
}

/// An engine. Every command, document and event uses the same name for an engine.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Docker.
    Docker,
    /// containerd, whichever client uses it.
    Containerd,
    /// Podman.
    Podman,
    /// CRI-O.
    CriO,
    /// `BuildKit`.
    #[serde(rename = "buildkit")]
    BuildKit,
    /// Buildah.
    Buildah,
    /// Podman, Buildah or CRI-O: the three share their stores, and it is not known which of them
    /// made the container.
    ContainersStorage,
    /// The engine is not known.
    #[default]
    Unknown,
}

impl Engine {
    /// The engine's name in every output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Podman => "podman",
            Self::CriO => "cri-o",
            Self::BuildKit => "buildkit",
            Self::Buildah => "buildah",
            Self::ContainersStorage => "containers-storage",
            Self::Unknown => "unknown",
        }
    }

    /// The engine, and the namespace in it if there is one: `containerd/k8s.io`.
    #[must_use]
    pub fn in_namespace(self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => format!("{self}/{}", line::name(namespace)),
            None => self.to_string(),
        }
    }
}

impl Engine {
    /// Whether the engine of a container may be `other`. `self` is what is known about that engine.
    #[must_use]
    pub fn may_be(self, other: Self) -> bool {
        match self {
            Self::Unknown => true,
            Self::ContainersStorage => matches!(
                other,
                Self::Podman | Self::CriO | Self::Buildah | Self::ContainersStorage
            ),
            Self::Docker
            | Self::Containerd
            | Self::Podman
            | Self::CriO
            | Self::BuildKit
            | Self::Buildah => self == other,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl BundlePlace {
    /// The engine, as far as the path shows it. Podman and CRI-O bundle paths look the same; only
    /// the container's record says which engine made a bundle (`lineage::engine`).
    #[must_use]
    pub fn family(&self) -> Engine {
        match self {
            Self::Task { namespace, .. }
                if is_dockers(namespace.strip_prefix(PLUGINS).unwrap_or(namespace)) =>
            {
                Engine::Docker
            }
            Self::Task { .. } => Engine::Containerd,
            Self::Storage { .. } => Engine::ContainersStorage,
            Self::BuildKit { .. } => Engine::BuildKit,
            Self::Buildah => Engine::Buildah,
            Self::Elsewhere => Engine::Unknown,
        }
    }
}

/// The prefix of dockerd's namespace for its managed plugins (moby: daemon/config, seen with 20.10
/// and 28.5).
const PLUGINS: &str = "plugins.";

/// Whether this namespace of containerd belongs to dockerd. Under userns-remap, dockerd appends the
/// mapped user to the namespace's name (moby: daemon/daemon.go, since v26).
#[must_use]
pub fn is_dockers(namespace: &str) -> bool {
    namespace == "moby" || namespace.starts_with("moby-")
}

/// The place of a bundle. The path as given is tried first, then the path with its links resolved:
/// a state directory may be reached by a link (`/var/run`).
#[must_use]
pub fn place(bundle: &Bundle) -> BundlePlace {
    place_at(&bundle.path, &bundle.id)
}

/// The same as [`place`], for a path and an ID, when the bundle has not been read.
#[must_use]
pub fn place_at(path: &Path, id: &ContainerId) -> BundlePlace {
    match place_of(path, id) {
        BundlePlace::Elsewhere => match path.canonicalize() {
            Ok(path) => place_of(&path, id),
            Err(_) => BundlePlace::Elsewhere,
        },
        found @ (BundlePlace::Task { .. }
        | BundlePlace::Storage { .. }
        | BundlePlace::BuildKit { .. }
        | BundlePlace::Buildah) => found,
    }
}

/// The place of a bundle with this absolute path, made for the container `id`. Reads no file.
#[must_use]
pub fn place_of(path: &Path, id: &ContainerId) -> BundlePlace {
    let id = id.as_str();
    let Some((rest, last)) = split(path) else {
        return BundlePlace::Elsewhere;
    };
    if last.strip_prefix("buildah").is_some_and(is_number)
        && id.strip_prefix("buildah-") == Some(last)
    {
        return BundlePlace::Buildah;
    }
    let Some((rest, second)) = split(rest) else {
        return BundlePlace::Elsewhere;
    };
    let Some((top, third)) = split(rest) else {
        return BundlePlace::Elsewhere;
    };
    if third == "io.containerd.runtime.v2.task" && last == id {
        return BundlePlace::Task {
            state: top.to_owned(),
            namespace: second.to_owned(),
        };
    }
    if let Some(driver) = third.strip_suffix("-containers")
        && (second, last) == (id, "userdata")
    {
        return BundlePlace::Storage {
            store: top.to_owned(),
            driver: driver.to_owned(),
        };
    }
    if (third == "buildkit" || third.starts_with("runc-")) && (second, last) == ("executor", id) {
        return BundlePlace::BuildKit {
            root: rest.to_owned(),
        };
    }
    BundlePlace::Elsewhere
}

/// containerd's own snapshotters. Each of these snapshotters unpacks every layer before use and
/// compares the layer with its diff ID. Docker stores root file systems below the same names:
/// `<data root>/rootfs/<snapshotter>/<container>`.
pub const SNAPSHOTTERS: [&str; 8] = [
    "overlayfs",
    "native",
    "btrfs",
    "zfs",
    "devmapper",
    "blockfile",
    "erofs",
    "fuse-overlayfs",
];

/// Whether a path has the shape of a directory in which some engine stores the files of a container
/// or of a layer. The result for a relative path is `true`: engines mount layers by relative paths
/// when there are many layers.
#[must_use]
pub fn is_in_a_store(path: &Path) -> bool {
    let mut names = Vec::new();
    for name in path {
        let name = name.to_str().unwrap_or_default();
        if name.starts_with("io.containerd.snapshotter.v1.") {
            return true;
        }
        names.push(name);
    }
    let is_relative = path.is_relative() && !names.is_empty();
    is_relative || names.windows(3).any(are_a_layers)
}

/// Whether three consecutive names of a path lead to a layer's or a container's files.
fn are_a_layers(names: &[&str]) -> bool {
    match names {
        ["overlay2" | "overlay" | "fuse-overlayfs", directory, name] => {
            *directory == "l"
                || name.starts_with("diff")
                || ["merged", "empty", "mapped", "composefs-layers"].contains(name)
        }
        ["vfs", "dir", _] | ["btrfs", "subvolumes", _] | ["zfs", "graph", _] => true,
        [_, "rootfs", snapshotter] => SNAPSHOTTERS.contains(snapshotter),
        _other => false,
    }
}

/// Splits a path into its parent and its last name; `None` at `/`, after `..`, and when the name is
/// not UTF-8.
fn split(path: &Path) -> Option<(&Path, &str)> {
    Some((path.parent()?, path.file_name()?.to_str()?))
}

#[cfg(test)]
mod tests;
