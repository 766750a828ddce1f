//! Tests which engine a bundle's path shows.

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
