//! Recognises the engine that made a bundle.
//!
//! It goes by the shape of the bundle's path alone, whatever comes before the shape: state
//! directories and data roots are settings of the engines, and annotations can be forged by users
//! and by image authors. In: a [`Bundle`]. Out: a [`BundlePlace`], which says where to look and proves
//! nothing: the engine's own record of the container must agree before anything is believed.
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
use crate::sys::digits::is_number;

/// Where a bundle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundlePlace {
    /// A task of containerd: Docker's, the CRI's, nerdctl's or ctr's.
    Task {
        /// containerd's state directory.
        state: PathBuf,
        /// containerd's namespace.
        namespace: String,
    },
    /// A container of a containers/storage store: Podman's or CRI-O's.
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
    /// None of these.
    Elsewhere,
}

/// An engine, by the name that every command, document and event uses.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Docker.
    Docker,
    /// containerd, whatever its client.
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
    /// One of Podman, Buildah and CRI-O, which share their stores.
    ContainersStorage,
    /// It is not known which.
    #[default]
    Unknown,
}

impl Engine {
    /// Its one spelling.
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
}

impl Engine {
    /// Whether a container known to be this engine's may be one of `other`'s.
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
    /// The engine, as far as the path shows it. Podman and CRI-O make bundles of one shape; only
    /// the container's record says which of them made one (`lineage::engine`).
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

/// Whether a namespace of containerd is dockerd's; under userns-remap the mapped user follows its
/// name (moby: daemon/daemon.go, since v26).
#[must_use]
pub fn is_dockers(namespace: &str) -> bool {
    namespace == "moby" || namespace.starts_with("moby-")
}

/// The place of a bundle, by its path as given, or else by where its links lead: the path of a
/// state directory may contain a link (`/var/run`), and may be the working directory.
#[must_use]
pub fn place(bundle: &Bundle) -> BundlePlace {
    place_at(&bundle.path, &bundle.id)
}

/// The same for a bundle that is not read.
#[must_use]
pub fn place_at(path: &Path, id: &ContainerId) -> BundlePlace {
    match place_of(path, id) {
        BundlePlace::Elsewhere => path
            .canonicalize()
            .map_or(BundlePlace::Elsewhere, |path| place_of(&path, id)),
        found @ (BundlePlace::Task { .. }
        | BundlePlace::Storage { .. }
        | BundlePlace::BuildKit { .. }
        | BundlePlace::Buildah) => found,
    }
}

/// The place of a bundle with this absolute path, made for the container `id`. Touches no file.
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

/// containerd's own snapshotters, which unpack every layer before they use it and compare it with
/// its diff ID. Docker's root file systems are below their names:
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

/// Whether a path has the shape of a directory in which some engine keeps a container's or a
/// layer's files. A relative path does: engines mount layers that way when there are many.
#[must_use]
pub fn is_in_a_store(path: &Path) -> bool {
    let names: Vec<&str> = path
        .iter()
        .map(|name| name.to_str().unwrap_or_default())
        .collect();
    let of_layer = |name: &str| {
        name.starts_with("diff")
            || ["merged", "empty", "mapped", "composefs-layers"].contains(&name)
    };
    let layer = |names: &[&str]| match names {
        ["overlay2" | "overlay" | "fuse-overlayfs", "l", _] => true,
        ["overlay2" | "overlay" | "fuse-overlayfs", _, name] => of_layer(name),
        ["vfs", "dir", _] | ["btrfs", "subvolumes", _] | ["zfs", "graph", _] => true,
        [_, "rootfs", snapshotter] => SNAPSHOTTERS.contains(snapshotter),
        _other => false,
    };
    let is_relative = path.is_relative() && !names.is_empty();
    is_relative
        || names.windows(3).any(layer)
        || names
            .iter()
            .any(|name| name.starts_with("io.containerd.snapshotter.v1."))
}

/// A path without its last name, and that name; `None` at `/`, after `..` and when the name is not
/// UTF-8.
fn split(path: &Path) -> Option<(&Path, &str)> {
    Some((path.parent()?, path.file_name()?.to_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, id: &str) -> BundlePlace {
        place_of(Path::new(path), &ContainerId::parse(id).unwrap())
    }

    fn task(state: &str, namespace: &str) -> BundlePlace {
        BundlePlace::Task {
            state: state.into(),
            namespace: namespace.into(),
        }
    }

    fn storage(store: &str, driver: &str) -> BundlePlace {
        BundlePlace::Storage {
            store: store.into(),
            driver: driver.into(),
        }
    }

    #[test]
    fn an_engine_is_known_by_the_shape_of_its_bundles_wherever_they_are() {
        let containerd = "io.containerd.runtime.v2.task";
        for (path, id, place) in [
            (
                format!("/run/containerd/{containerd}/k8s.io/c1"),
                "c1",
                task("/run/containerd", "k8s.io"),
            ),
            (
                format!("/run/docker/containerd/daemon/{containerd}/moby/c1"),
                "c1",
                task("/run/docker/containerd/daemon", "moby"),
            ),
            (
                format!("/run/user/1000/docker/{containerd}/moby-165536.165536/c1"),
                "c1",
                task("/run/user/1000/docker", "moby-165536.165536"),
            ),
            (
                format!("/a/../b/{containerd}/n/c1/"),
                "c1",
                task("/a/../b", "n"),
            ),
            (
                "/var/lib/containers/storage/overlay-containers/c1/userdata".into(),
                "c1",
                storage("/var/lib/containers/storage", "overlay"),
            ),
            (
                "/run/containers/storage/vfs-containers/c1/userdata".into(),
                "c1",
                storage("/run/containers/storage", "vfs"),
            ),
            (
                "/var/lib/docker/buildkit/executor/b1".into(),
                "b1",
                BundlePlace::BuildKit {
                    root: "/var/lib/docker/buildkit".into(),
                },
            ),
            (
                "/var/lib/buildkit/runc-overlayfs/executor/b1".into(),
                "b1",
                BundlePlace::BuildKit {
                    root: "/var/lib/buildkit/runc-overlayfs".into(),
                },
            ),
            (
                "/var/tmp/buildah1234567".into(),
                "buildah-buildah1234567",
                BundlePlace::Buildah,
            ),
        ] {
            assert_eq!(of(&path, id), place, "{path}");
        }
    }

    #[test]
    fn the_path_separates_dockers_tasks_from_containerds_and_podmans_containers_from_nobodys() {
        for (place, family) in [
            (task("/run/containerd", "moby"), Engine::Docker),
            (
                task("/run/containerd", "moby-165536.165536"),
                Engine::Docker,
            ),
            (task("/run/containerd", "plugins.moby"), Engine::Docker),
            (
                task("/run/containerd", "plugins.moby-165536.165536"),
                Engine::Docker,
            ),
            (task("/run/containerd", "plugins.other"), Engine::Containerd),
            (task("/run/containerd", "mobydick"), Engine::Containerd),
            (task("/run/containerd", "k8s.io"), Engine::Containerd),
            (
                storage("/var/lib/containers/storage", "overlay"),
                Engine::ContainersStorage,
            ),
            (
                storage("/run/containers/storage", "overlay"),
                Engine::ContainersStorage,
            ),
        ] {
            assert_eq!(place.family(), family, "{place:?}");
        }
    }

    #[test]
    fn an_engine_that_is_one_of_several_may_be_any_of_them() {
        for (known, other, may_be) in [
            (Engine::Podman, Engine::Podman, true),
            (Engine::Podman, Engine::CriO, false),
            (Engine::ContainersStorage, Engine::CriO, true),
            (Engine::ContainersStorage, Engine::Podman, true),
            (Engine::ContainersStorage, Engine::Docker, false),
            (Engine::Unknown, Engine::Docker, true),
        ] {
            assert_eq!(known.may_be(other), may_be, "{known} {other}");
        }
    }

    #[test]
    fn an_engine_has_one_spelling_wherever_it_is_written() {
        for engine in [
            Engine::Docker,
            Engine::Containerd,
            Engine::Podman,
            Engine::CriO,
            Engine::BuildKit,
            Engine::Buildah,
            Engine::ContainersStorage,
            Engine::Unknown,
        ] {
            let json = format!("{:?}", engine.word());
            assert_eq!(
                (serde_json::to_string(&engine).unwrap(), engine.to_string()),
                (json.clone(), engine.word().to_owned())
            );
            assert_eq!(serde_json::from_str::<Engine>(&json).unwrap(), engine);
        }
    }

    #[test]
    fn a_path_of_another_shape_or_for_another_container_has_no_place() {
        let containerd = "io.containerd.runtime.v2.task";
        for (path, id) in [
            ("/".into(), "c1"),
            ("/c1".into(), "c1"),
            (format!("/run/containerd/{containerd}/k8s.io/c1"), "c2"),
            (format!("/run/containerd/{containerd}/k8s.io/x/c1"), "c1"),
            (
                format!("/run/containerd/{containerd}/k8s.io/x/.."),
                "k8s.io",
            ),
            (format!("/run/containerd/x{containerd}/k8s.io/c1"), "c1"),
            ("/s/overlay-containers/c1".into(), "c1"),
            ("/s/overlay-containers/c2/userdata".into(), "c1"),
            ("/s/overlay-images/c1/userdata".into(), "c1"),
            ("/var/lib/docker/executor/b1".into(), "b1"),
            ("/var/lib/docker/buildkit/executor/b2".into(), "b1"),
            ("/var/tmp/buildah1234567".into(), "buildah-buildah1"),
            ("/var/tmp/buildah".into(), "buildah-buildah"),
            ("/var/tmp/buildah1".into(), "buildah1"),
        ] {
            assert_eq!(of(&path, id), BundlePlace::Elsewhere, "{path}");
        }
    }

    #[test]
    fn a_layers_directory_is_known_by_its_shape() {
        for path in [
            "/var/lib/containers/storage/overlay/efcf/merged",
            "/var/lib/containers/storage/overlay/efcf/diff",
            "/var/lib/containers/storage/overlay/efcf/diff1/etc",
            "/var/lib/containers/storage/overlay/efcf/mapped/0/l/x",
            "/srv/overlay/l/NLQPOFIRU6GGFWCCOJHKDGUMCJ",
            "/srv/docker/overlay2/efcf/merged",
            "/srv/vfs/dir/efcf",
            "/srv/btrfs/subvolumes/efcf",
            "/srv/zfs/graph/efcf",
            "/var/lib/docker/rootfs/overlayfs/c1",
            "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/3/fs",
            "l/NLQPOFIRU6GGFWCCOJHKDGUMCJ",
            "3/fs",
        ] {
            assert!(is_in_a_store(Path::new(path)), "{path}");
        }
        for path in [
            "",
            "/",
            "/srv/root",
            "/srv/rootfs",
            "/srv/bundle/rootfs",
            "/srv/overlay/site/html",
            "/home/rootfs/mine/dir",
            "/srv/overlay/root",
            "/srv/run/overlay-containers/c1/rootfs/upper",
            "/srv/run/overlay-containers/c1/rootfs/merge",
            "/srv/vfs/directory/x",
        ] {
            assert!(!is_in_a_store(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_link_to_a_bundle_is_recognised_by_what_it_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        let path = top.join("io.containerd.runtime.v2.task/moby/c1");
        std::fs::create_dir_all(&path).unwrap();
        let link = top.join("here");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let id = ContainerId::parse("c1").unwrap();
        let expected = BundlePlace::Task {
            state: top,
            namespace: "moby".into(),
        };
        for path in [link.clone(), link.join("../c1"), path] {
            assert_eq!(
                place(&Bundle {
                    root: path.join("rootfs"),
                    path,
                    id: id.clone()
                }),
                expected
            );
        }
    }
}
