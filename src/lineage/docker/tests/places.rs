//! Tests containers that are found in other ways: copies, build steps, other drivers, names.

use super::*;

#[test]
fn whole_copies_are_resolved_without_a_mount() {
    let copy = DockerCopy::of("docker-20.10-vfs");
    let web = "c67c677a3985656f6c1321c579f2bcccbc08d2156f50100de0b10f8ec8d318d0";
    let empty = "2f73ae8b72fa3ddf7e0cba168cb9e8400c689281391f6e2f9249b1b78226237b";
    let bundle = |container: &str| {
        let id = ContainerId::parse(container).unwrap();
        let layer = LayerStore::of(copy.0.path(), Driver::Vfs)
            .mount_of(&id, Guard::Any)
            .unwrap()
            .unwrap()
            .layer;
        Bundle {
            path: "/bundle".into(),
            root: copy.path("vfs/dir").join(layer),
            id,
        }
    };
    let found = lineage(resolve(&bundle(web), soon()).unwrap().unwrap());
    assert_eq!(
        (found.chain.chain_ids().len(), found.evidence),
        (3, Evidence::Metadata)
    );
    assert!(matches!(
        resolve(&bundle(empty), soon()),
        Ok(Some(Origin::NoLayers(_)))
    ));
    let swapped = Bundle {
        root: bundle(empty).root,
        ..bundle(web)
    };
    assert!(matches!(
        resolve(&swapped, soon()),
        Err(LineageError::Corrupt(Corrupt::Mount(..)))
    ));
    let unknown = Bundle {
        id: ContainerId::parse("stranger").unwrap(),
        ..bundle(web)
    };
    assert_eq!(resolve(&unknown, soon()).unwrap(), None);
    // A power cut has removed the record of the layers below, and the image was removed by force.
    let parent = format!("image/vfs/layerdb/mounts/{web}/parent");
    fs::remove_file(copy.path(&parent)).unwrap();
    fs::remove_dir_all(copy.path("image/vfs/imagedb")).unwrap();
    let error = resolve(&bundle(web), soon()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find the chain ID of the container's image in {:?}",
            copy.path(&parent)
        )
    );
}

#[test]
fn a_build_step_has_the_chain_of_the_base_under_earlier_steps() {
    let copy = DockerCopy::of("docker-20.10-buildkit-run");
    let point = "buildkit/executor/wbh0b8jj81tl66n6o6m86p1fz/rootfs";
    let root = copy.path("buildkit");
    let resolve = |change: &dyn Fn(&mut RootMount)| {
        let mut mount = copy.mount(point);
        change(&mut mount);
        build_step::overlay_step(Path::new("/step"), &mount, &root, soon())
    };
    let step = lineage(resolve(&|_| ()).unwrap().unwrap());
    assert_eq!(
        (
            step.chain.chain_ids().len(),
            step.chain.top().to_string().as_str()
        ),
        (1, BASE)
    );
    assert_eq!(
        (step.evidence, step.facts),
        (Evidence::Mount, ImageFacts::default())
    );
    // BuildKit's own record names a base that no directory shows: for example, because the
    // `cache-id` of a layer is lost.
    let lost = resolve(&|mount| drop(mount.lowerdirs.pop())).unwrap_err();
    assert_eq!(
        lost.to_string(),
        format!(
            "cannot trust the mount at \"/step\": none of its lower directories is a layer of {BASE}"
        )
    );
    let unrecorded = resolve(&|mount| {
        mount.lowerdirs.pop();
        mount.upperdir = Some(copy.path("overlay2/0000000000000000000000000/diff"));
    });
    assert!(
        unrecorded
            .unwrap_err()
            .to_string()
            .starts_with("cannot find the snapshot of the build step in ")
    );
    // The snapshotter of containerd is used, while layers of the graph driver still exist.
    let moved = resolve(&|mount| {
        mount.upperdir = Some(
            copy.path("containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs"),
        );
        mount.lowerdirs = vec!["3/fs".into(), "1/fs".into()];
    });
    assert_eq!(moved.unwrap(), None);
    let relative =
        resolve(&|mount| mount.lowerdirs = vec!["l/5L5BEC7W72S2YPCVK3BHJVHPJ7".into()]).unwrap();
    assert_eq!(lineage(relative.unwrap()).chain.top().to_string(), BASE);
    // The middle layer of an image is mounted where the base should be. The layer below the middle
    // layer is missing.
    let torn =
        resolve(&|mount| mount.lowerdirs[1] = copy.path("overlay2/l/VN4WO745KHSRD56OPZDCBGWX2Z"))
            .unwrap_err();
    let middle = "sha256:bd8eaf45b5eb286391727a785463e7da0f054a10c65d5dbb140aa99218393905";
    assert_eq!(
        torn.to_string(),
        format!(
            "cannot trust the mount at \"/step\": its lower directories are not the layers of {middle}"
        )
    );
    for foreign in ["/var/lib/containerd/snapshots/3/fs", "overlay2/3/fs"] {
        assert!(
            matches!(
                resolve(&|mount| mount.lowerdirs = vec![copy.path(foreign)]),
                Ok(None) | Err(LineageError::Unknown(_))
            ),
            "{foreign}"
        );
    }
}

#[test]
fn a_root_is_in_a_graph_driver_only_by_its_drivers_shape() {
    for (root, data_root, driver, layer) in [
        (
            "/var/lib/docker/overlay2/m1/merged",
            "/var/lib/docker",
            Driver::Overlay2,
            "m1",
        ),
        (
            "/data/165536.165536/overlay2/m1/merged",
            "/data/165536.165536",
            Driver::Overlay2,
            "m1",
        ),
        (
            "/home/u/.local/share/docker/fuse-overlayfs/m1/merged",
            "/home/u/.local/share/docker",
            Driver::FuseOverlayfs,
            "m1",
        ),
        ("/d/vfs/dir/m1", "/d", Driver::Vfs, "m1"),
        ("/d/btrfs/subvolumes/m1", "/d", Driver::Btrfs, "m1"),
        ("/d/zfs/graph/m1", "/d", Driver::Zfs, "m1"),
    ] {
        let found = LayerRoot::of(Path::new(root)).unwrap();
        assert_eq!(
            found,
            LayerRoot {
                data_root: data_root.into(),
                driver,
                layer: layer.into()
            }
        );
        assert_eq!(found.path(), Path::new(root));
    }
    for root in [
        "/",
        "/merged",
        "/d/rootfs/overlayfs/c1",
        "/s/overlay/m1/merged",
        "/d/vfs/m1/merged",
        "/d/overlay2/dir/m1",
        "/b/rootfs",
    ] {
        assert_eq!(LayerRoot::of(Path::new(root)), None, "{root}");
    }
}

#[test]
fn people_find_containers_and_images_by_name_and_id() {
    let copy = DockerCopy::of("docker-20.10-overlay2");
    let store = GraphStore::open(copy.0.path()).unwrap();
    let mut names: Vec<_> =
        super::super::store::containers(copy.0.path(), 100, super::super::LARGEST_RECORD)
            .unwrap()
            .into_iter()
            .flat_map(|container| container.names)
            .collect();
    names.sort_unstable();
    assert_eq!(names, ["empty-1", "gone-1", "pulled-1", "web-1"]);
    let images = store.images().unwrap();
    let app = images
        .iter()
        .find(|image| image.names == ["app:1"])
        .unwrap();
    assert_eq!((app.id.to_string().as_str(), images.len()), (APP_IMAGE, 8));
    for reference in [
        "app:1",
        "docker.io/library/app:1",
        APP_IMAGE,
        &APP_IMAGE[7..],
        "4448f3d13a06",
        "sha256:4448",
    ] {
        let found = lineage(store.image(reference).unwrap());
        assert_eq!(
            (found.chain.top().to_string().as_str(), found.evidence),
            (APP, Evidence::Metadata),
            "{reference}"
        );
    }
    let index = "localhost:5081/team/multi:1@sha256:b64603c664f5ac9255bfb3942001a424054ebceb51224b9ca3132d8dfb9ed6a4";
    assert_eq!(
        lineage(store.image(index).unwrap()).facts.image_id,
        image_id(PULLED_IMAGE)
    );
    assert!(matches!(store.image("empty:1"), Ok(Origin::NoLayers(_))));
    for (reference, what) in [
        ("app", "such an image"),
        ("app:2", "such an image"),
        ("0123", "such an image"),
        ("5", "a single image of that ID"),
    ] {
        let message = format!("cannot find {what} in {:?}", copy.0.path());
        assert_eq!(store.image(reference).unwrap_err().to_string(), message);
    }
    let none = tempfile::tempdir().unwrap();
    let error = GraphStore::open(none.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find the image store of a graph driver in {:?}",
            none.path()
        )
    );
}
