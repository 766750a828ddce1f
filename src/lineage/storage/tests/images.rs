//! Tests images whose records are incomplete, and how users can name images.

use super::*;

#[test]
fn a_layer_that_its_engine_never_saw_whole_is_only_claimed() {
    // The layers are known only by their tables of contents: the image has another ID, and the
    // layers have no diff ID (containers/image before 5.34, or with unpredictable contents
    // allowed).
    let copy = StoreCopy::of("podman-4.3-overlay");
    let other = "0".repeat(64);
    copy.edit(
        "overlay-layers/layers.json",
        &format!("{{\"id\":\"{APP_TOP}\""),
        &format!("{{\"id\":\"{other}\""),
    );
    copy.edit(
        "overlay-layers/layers.json",
        &format!("\"diff-digest\":\"{}\"", APP[2]),
        "\"toc-digest\":\"sha256:00\"",
    );
    copy.edit(
        "overlay-layers/layers.json",
        &format!("\"parent\":\"{APP_TOP}\""),
        &format!("\"parent\":\"{other}\""),
    );
    let link = copy.file("overlay/l/NLQPOFIRU6GGFWCCOJHKDGUMCJ");
    fs::remove_file(&link).unwrap();
    symlink(format!("../{other}/diff"), &link).unwrap();
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Claimed)
    );
    // The image was pulled lazily: the directory of a layer is a link into the store that has it.
    let copy = StoreCopy::of("podman-4.3-overlay");
    symlink(
        "/var/lib/stargz-store/store/x/diff",
        copy.file(&format!("overlay/{APP_TOP}/diff")),
    )
    .unwrap();
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Claimed)
    );
}

#[test]
fn an_image_whose_id_is_not_its_configs_digest_is_found_by_its_items() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let other = "a".repeat(64);
    for list in [
        "overlay-containers/containers.json",
        "overlay-images/images.json",
    ] {
        copy.edit(list, &format!("\"{APP_ID}\""), &format!("\"{other}\""));
    }
    fs::rename(
        copy.file(&format!("overlay-images/{APP_ID}")),
        copy.file(&format!("overlay-images/{other}")),
    )
    .unwrap();
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Mount)
    );
    assert_eq!(
        found.facts.image_id,
        Some(ImageId(Digest::from_hex(APP_ID).unwrap()))
    );
}

#[test]
fn without_the_image_config_the_list_of_layers_decides() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    fs::remove_dir_all(copy.file(&format!("overlay-images/{APP_ID}"))).unwrap();
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Mount)
    );
    assert_eq!(
        found.facts.image_id,
        Some(ImageId(Digest::from_hex(APP_ID).unwrap()))
    );
}

#[test]
fn people_see_the_store_as_podman_does() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let store = ContainersStore::open_with(
        &copy.store(),
        &copy.directory.path().join("run"),
        Vec::new(),
    )
    .unwrap();
    let containers = store.containers().unwrap();
    assert_eq!(containers.len(), 11);
    let run = containers
        .iter()
        .find(|container| container.names == ["run"])
        .unwrap();
    assert_eq!(run.image.as_deref(), Some("localhost/app:1"));
    let expected = ImageLineage {
        chain: chain(&APP),
        facts: app_facts(&copy.store()),
        evidence: Evidence::Metadata,
    };
    assert_eq!(
        store.container(&run.id, later().clone()).unwrap(),
        Origin::Image(expected.clone())
    );
    assert_eq!(store.images().unwrap().len(), 6);
    for reference in [
        "app:1",
        "localhost/app:1",
        APP_ID,
        &APP_ID[..12],
        &format!("sha256:{APP_ID}"),
        &format!("localhost/app@{}", app_facts(&copy.store()).manifests[0]),
    ] {
        assert_eq!(
            store.image(reference, later().clone()).unwrap(),
            Origin::Image(expected.clone()),
            "{reference}"
        );
    }
    assert_eq!(
        image(store.image("base:1", later().clone()).unwrap()).chain,
        chain(&[BASE])
    );
    assert!(matches!(
        store.image("localhost/empty:1", later().clone()),
        Ok(Origin::NoLayers(_))
    ));
    assert_eq!(
        store.image("app", later().clone()).unwrap_err().to_string(),
        format!("cannot find the image in {:?}", copy.store())
    );
    let rootfs = containers
        .iter()
        .find(|container| container.names == ["rootfs"])
        .unwrap();
    assert_eq!(
        store.container(&rootfs.id, later().clone()).unwrap(),
        Origin::NoImage
    );
    let nowhere = ContainerId::parse("nowhere").unwrap();
    let error = store.container(&nowhere, later().clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find the container's record in {:?}",
            copy.file("overlay-containers")
        )
    );
    let error = ContainersStore::open(copy.directory.path(), copy.directory.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find a store of images in {:?}",
            copy.directory.path()
        )
    );
}
