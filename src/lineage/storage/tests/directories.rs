//! Tests containers that were made from a directory instead of an image.

use super::*;

#[test]
fn a_container_made_from_a_directory_has_no_image() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    for call in ["rootfs", "rootfs-overlay"] {
        assert_eq!(
            copy.call(call).container(&copy.store(), "overlay").unwrap(),
            Origin::NoImage,
            "{call}"
        );
    }
}

#[test]
fn a_mounted_image_given_as_a_directory_is_still_that_image() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let found = image(
        copy.call("rootfs-image")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        found,
        ImageLineage {
            chain: chain(&APP),
            facts: ImageFacts::default(),
            evidence: Evidence::Metadata
        }
    );
}

#[test]
fn a_link_to_a_mounted_image_is_still_that_image() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let mut call = copy.call("rootfs-image");
    let mount = call.mount.as_mut().unwrap();
    let merged = mount.lowerdirs.pop().unwrap();
    fs::create_dir_all(&merged).unwrap();
    let link = copy.directory.path().join("link");
    symlink(&merged, &link).unwrap();
    mount.lowerdirs.push(link);
    let found = image(call.container(&copy.store(), "overlay").unwrap());
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Metadata)
    );
}

#[test]
fn a_directory_of_a_store_is_never_no_image() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let layer = copy.file(&format!("overlay/{APP_TOP}"));
    let lower = |directories: &[&Path]| {
        let mut call = copy.call("rootfs-overlay");
        call.mount.as_mut().unwrap().lowerdirs = directories
            .iter()
            .map(|directory| directory.to_path_buf())
            .collect();
        call
    };
    let root = |root: PathBuf| {
        let mut call = copy.call("rootfs");
        call.bundle.root = root;
        call
    };
    let link = copy.directory.path().join("link");
    symlink(&layer, &link).unwrap();
    fs::create_dir_all(layer.join("diff")).unwrap();
    let unlisted = copy.file(&format!("overlay/{}/merged", "f".repeat(64)));
    for call in [
        lower(&[&layer.join("mapped/0/diff")]),
        lower(&[&layer.join("diff"), Path::new("/srv/root")]),
        lower(&[&unlisted]),
        lower(&[&link.join("diff")]),
        lower(&[Path::new("/srv/root"), &link.join("diff")]),
        root(layer.join("diff")),
        root(link.join("diff")),
        root(unlisted.clone()),
    ] {
        let error = call.container(&copy.store(), "overlay").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot tell what is mounted at {:?}", call.bundle.root)
        );
        assert!(matches!(error, LineageError::Unknown(_)));
    }
}

#[test]
fn a_whole_copy_given_as_a_directory_is_still_that_image() {
    let copy = StoreCopy::of("podman-4.3-vfs");
    let run = copy.call("run");
    let list = text_of(&copy.file("vfs-containers/containers.json"));
    let records: Vec<ContainerRecord> = records::all(list.as_bytes()).unwrap();
    let image = records
        .into_iter()
        .find(|record| record.id == run.bundle.id.as_str())
        .unwrap()
        .image;
    copy.edit(
        "vfs-containers/containers.json",
        &format!("\"image\":\"{image}\""),
        "\"image\":\"\"",
    );
    let found = self::image(run.container(&copy.store(), "vfs").unwrap());
    assert_eq!(
        (found.chain.diff_ids().len(), found.evidence),
        (3, Evidence::Metadata)
    );
}
