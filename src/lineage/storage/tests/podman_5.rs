//! Tests what Podman 5 writes, and other stores and drivers.

use super::*;

#[test]
fn a_container_is_resolved_however_podman_5_started_it() {
    let copy = StoreCopy::of("podman-5.8-overlay");
    let app = [
        BASE,
        "sha256:c0e9fd54cb4fb47900188ed1e8f54fab3d70c8ad20972e487cd1b7b74b848fae",
        "sha256:6ba5b93f91ad15345f0b7dccb5ecca2362d96b2331ac4fe41d75f82e6d9092c0",
    ];
    // With `--rm`, the record is in the volatile list. With `--uidmap`, ID-mapped directories hide
    // the layers, and the root is at an intermediate mount point.
    for (call, evidence) in [
        ("run", Evidence::Mount),
        ("rm", Evidence::Mount),
        ("uidmap", Evidence::Metadata),
    ] {
        let found = image(copy.call(call).container(&copy.store(), "overlay").unwrap());
        assert_eq!(
            (found.chain, found.evidence),
            (chain(&app), evidence),
            "{call}"
        );
    }
    assert_eq!(
        copy.call("rootfs-overlay")
            .container(&copy.store(), "overlay")
            .unwrap(),
        Origin::NoImage
    );
    // In transient mode, both the bundle and the record are in the run root.
    let call = copy.call("transient");
    let run_root = call.bundle.path.ancestors().nth(3).unwrap();
    assert_eq!(run_root, copy.directory.path().join("run"));
    assert_eq!(
        image(call.container(run_root, "overlay").unwrap()).chain,
        chain(&app)
    );
}

#[test]
fn layers_that_were_mounted_through_descriptors_are_those_that_the_containers_layer_was_made_on() {
    let app = [
        BASE,
        "sha256:c0e9fd54cb4fb47900188ed1e8f54fab3d70c8ad20972e487cd1b7b74b848fae",
        "sha256:6ba5b93f91ad15345f0b7dccb5ecca2362d96b2331ac4fe41d75f82e6d9092c0",
    ];
    let copy = StoreCopy::of("podman-5.8-overlay");
    let by_descriptors = |copy: &StoreCopy, directories: &[&str]| {
        let mut call = copy.call("run");
        call.mount.as_mut().unwrap().lowerdirs = directories.iter().map(PathBuf::from).collect();
        call
    };
    let call = by_descriptors(&copy, &["3", "6", "7"]);
    let found = image(call.container(&copy.store(), "overlay").unwrap());
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&app), Evidence::Metadata)
    );
    // Three contradictions: fewer directories than layers, the mount of another layer, and a note
    // that names other layers.
    let own = "68d4a44351587d27d5f83e373d5d4fc57748f5b46fdaebd4290f51b4a8c24ec6";
    let at = |call: &RecordedCall, fault: &str| {
        format!("cannot trust the mount at {:?}: {fault}", call.bundle.root)
    };
    let call = by_descriptors(&copy, &["3", "6"]);
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    assert_eq!(
        error.to_string(),
        at(
            &call,
            "it has 2 directories below it, and its layer was made on 3 layers"
        )
    );
    let mut call = by_descriptors(&copy, &["3", "6", "7"]);
    let upper = call.mount.as_ref().unwrap().upperdir.clone().unwrap();
    let other = "1d4fc8f44330452de3e9342168c59b8b066371dade10b4473ba3a36bf7a06bfe";
    call.mount.as_mut().unwrap().upperdir =
        Some(upper.to_str().unwrap().replace(own, other).into());
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    assert_eq!(
        error.to_string(),
        at(
            &call,
            &format!("it is the layer {other}, the container's record says {own}")
        )
    );
    copy.put(
        &format!("overlay/{own}/lower"),
        b"l/F45MUEFLZ5K25MGRJAI5U2VNWQ",
    );
    let error = by_descriptors(&copy, &["3", "6", "7"])
        .container(&copy.store(), "overlay")
        .unwrap_err();
    assert!(
        matches!(error, LineageError::Corrupt(Corrupt::Mount(..))),
        "{error}"
    );
    // Without the note, the list of layers is used. Without the record of an image, nothing is
    // known.
    fs::remove_file(copy.file(&format!("overlay/{own}/lower"))).unwrap();
    let found = image(
        by_descriptors(&copy, &["3", "6", "7"])
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&app), Evidence::Metadata)
    );
    let mut call = copy.call("rootfs-overlay");
    call.mount.as_mut().unwrap().lowerdirs = ["3", "6"].map(PathBuf::from).to_vec();
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot tell what is mounted at {:?}", call.bundle.root)
    );
}

#[test]
fn the_layers_of_an_additional_store_are_found_where_the_mount_shows_them() {
    let copy = StoreCopy::of("podman-4.3-additional-store");
    let images = StoreCopy::of("podman-4.3-overlay");
    let here = |call: &str| copy.call_beside(call, &images.store());
    let found = image(here("run").container(&copy.store(), "overlay").unwrap());
    assert_eq!(
        found,
        ImageLineage {
            chain: chain(&APP),
            facts: app_facts(&images.store()),
            evidence: Evidence::Mount
        }
    );
    // Directories that are ID-mapped for another user namespace do not show the store. The settings
    // name the store.
    let settings = [copy.settings(&format!(
        "[storage.options]\nadditionalimagestores = [{:?}]\n",
        images.store()
    ))];
    let found = image(
        here("uidmap")
            .mounted(&settings)
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        found,
        ImageLineage {
            chain: chain(&APP),
            facts: app_facts(&images.store()),
            evidence: Evidence::Mount
        }
    );
    let error = here("uidmap")
        .container(&copy.store(), "overlay")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find a layer's record in {:?}",
            copy.file("overlay-layers/layers.json")
        )
    );
}

#[test]
fn drivers_without_an_overlay_mount_are_known_by_the_records() {
    let app = [
        BASE,
        "sha256:a53357b3e683a56d8f0bc3bfa513a973f51da37ba751ee45fd79f33273856aad",
        "sha256:98b1c4f0457a0c9f83fca253cc304885bd7a6434114c681483c1b10aa7529bc6",
    ];
    let copy = StoreCopy::of("podman-4.3-vfs");
    let found = image(copy.call("run").container(&copy.store(), "vfs").unwrap());
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&app), Evidence::Metadata)
    );
    // In the second step of a build, the kernel names the directory that is bind-mounted at the
    // root.
    let mut call = copy.call("build");
    let layer = call.mount.as_ref().unwrap().root.clone();
    fs::create_dir_all(&layer).unwrap();
    call.bundle.root = layer;
    let found = image(call.mounted(&[]).build().unwrap());
    assert_eq!(found.chain.diff_ids().len(), 2);
    call.bundle.root = copy.store();
    let error = call.mounted(&[]).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot tell what is mounted at {:?}", copy.store())
    );
    // fuse-overlayfs does not report its layers, but the driver noted them.
    let copy = StoreCopy::of("podman-4.3-fuse-overlayfs");
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain.diff_ids().len(), found.evidence),
        (3, Evidence::Metadata)
    );
}
