//! Tests what users see of a real store: containers and images, by every kind of name.

use super::*;
use crate::lineage::digest::ChainId;

const APP: &str = "sha256:23e88a2896dce629bbdeaf825f62baa3701b14bf88ccc46c71ad302f84c73132";
const OTHER: &str = "sha256:4360cfc2e54179c3887585a9385c47afeda774c318437fdf395062d0ff8ef620";
const APP_IMAGE: &str = "sha256:a4d0b405a4ad61e3e319e7e1132e04ed68695034af56fd193148b724345e32d0";
const APP_MANIFEST: &str =
    "sha256:57e58d65c73287c6cf262e0ac2cddfa8782c0e783113bde8194c1f3d1887b624";
const CRI_CONTAINER_ID: &str = "e2f189562725b56855fd01777c35e68abbd4b78b79b9b642a2d80615f18e851f";

fn store(cache: &Path) -> ContainerdStore {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-1.6");
    ContainerdStore::open(&root, &Paths::below(cache)).unwrap()
}

/// Top chain ID, image ID, number of manifests, and evidence; or the kind of origin without an
/// image.
fn summary(origin: &Origin) -> (String, Option<String>, usize, &'static str) {
    match origin {
        Origin::Image(image) => {
            let image_id = image.facts.image_id.map(|image_id| image_id.to_string());
            (
                image.chain.top().to_string(),
                image_id,
                image.facts.manifests.len(),
                image.evidence.word(),
            )
        }
        Origin::NoLayers(facts) => (
            "no layers".into(),
            facts.image_id.map(|image_id| image_id.to_string()),
            facts.manifests.len(),
            "",
        ),
        Origin::NoImage => ("no image".into(), None, 0, ""),
    }
}

#[test]
fn every_container_is_reported_whatever_became_of_its_image() {
    let cache = tempfile::tempdir().unwrap();
    let empty = "sha256:5647e1ff51e06a345a660a60d54010d7096c1773ae1cb47ca17d3b149c0825e8";
    for (namespace, id, expected) in [
        ("default", "c1", (APP, Some(APP_IMAGE), 1, "metadata")),
        ("default", "n1", (APP, Some(APP_IMAGE), 1, "metadata")),
        ("default", "u1", (APP, Some(APP_IMAGE), 1, "metadata")),
        (
            "k8s.io",
            CRI_CONTAINER_ID,
            (APP, Some(APP_IMAGE), 1, "metadata"),
        ),
        // The tag leads to another image now. The layers, and the config that was unpacked to them,
        // are still the container's.
        ("default", "t1", (APP, Some(APP_IMAGE), 0, "metadata")),
        // The container's image is gone, and its layers were never seen before. Only the chain IDs
        // that the engine recorded are known.
        ("default", "x1", (OTHER, None, 0, "claimed")),
        ("default", "e1", ("no layers", Some(empty), 1, "")),
        ("default", "r1", ("no image", None, 0, "")),
    ] {
        let (top, image_id, manifests, evidence) = expected;
        let origin = store(cache.path()).container(namespace, id).unwrap();
        assert_eq!(
            summary(&origin),
            (
                top.to_owned(),
                image_id.map(str::to_owned),
                manifests,
                evidence
            ),
            "{id}"
        );
    }
    let known = store(cache.path())
        .container(
            "k8s.io",
            "b5c39cab991a05e4c0d5204cc17d6e1fa5bc43240dce9b28346b72521372dd5b",
        )
        .unwrap();
    assert_eq!(summary(&known).0, OTHER);
    // An image in another namespace has the same layers and its config. After that image is
    // resolved, the layers are known without a config.
    assert_eq!(
        summary(&store(cache.path()).container("default", "x1").unwrap()),
        (OTHER.to_owned(), None, 0, "metadata")
    );
}

#[test]
fn a_chain_known_by_name_alone_still_has_its_base() {
    let cache = tempfile::tempdir().unwrap();
    let Origin::Image(image) = store(cache.path()).container("default", "x1").unwrap() else {
        panic!("an image")
    };
    assert_eq!(image.chain.chain_ids(), [ChainId::parse(OTHER).unwrap()]);
    assert_eq!(image.chain.diff_ids(), []);
}

#[test]
fn a_container_that_is_not_there_is_unknown() {
    let cache = tempfile::tempdir().unwrap();
    let store = store(cache.path());
    let error = store.container("default", "c2").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot find the container's record in "),
        "{error}"
    );
    assert!(matches!(
        store.container("none", "c1"),
        Err(LineageError::Unknown(_))
    ));
    assert!(store.snapshot("default", "overlayfs", "c1", &[]).is_ok());
}

#[test]
fn an_image_is_found_by_what_people_call_it() {
    let cache = tempfile::tempdir().unwrap();
    let store = store(cache.path());
    for reference in [
        "localhost/app:1",
        APP_IMAGE,
        APP_MANIFEST,
        &APP_IMAGE[7..],
        &APP_IMAGE[7..15],
        &format!("app@{APP_MANIFEST}"),
    ] {
        assert_eq!(
            summary(&store.image("default", reference).unwrap()),
            (APP.to_owned(), Some(APP_IMAGE.to_owned()), 1, "metadata"),
            "{reference}"
        );
    }
    assert_eq!(
        summary(&store.image("default", "localhost/empty:1").unwrap()).0,
        "no layers"
    );
    for reference in ["localhost/app", "app:1", "", "a4d", "nothing", "sha256:"] {
        assert!(store.image("default", reference).is_err(), "{reference}");
    }
    assert_eq!(
        names_of("debian"),
        ["debian", "debian:latest", "docker.io/library/debian:latest"]
    );
    assert_eq!(
        names_of("user/app:2"),
        ["user/app:2", "user/app:2", "docker.io/user/app:2"]
    );
}

#[test]
fn the_store_lists_what_is_in_it() {
    let cache = tempfile::tempdir().unwrap();
    let store = store(cache.path());
    assert_eq!(store.namespaces().unwrap(), ["default", "k8s.io"]);
    let containers = store.containers("default").unwrap();
    assert_eq!(
        containers
            .iter()
            .map(|container| container.id.as_str())
            .collect::<Vec<_>>(),
        ["b1", "c1", "d1", "e1", "n1", "r1", "t1", "u1", "x1"]
    );
    assert_eq!(
        containers
            .iter()
            .filter(|container| !container.has_snapshot)
            .map(|container| container.id.as_str())
            .collect::<Vec<_>>(),
        ["r1"]
    );
    assert!(
        store
            .images("default")
            .unwrap()
            .contains(&"localhost/retagged:1".to_owned())
    );
    assert_eq!(store.images("none").unwrap(), Vec::<String>::new());
}

#[test]
fn a_copy_for_a_user_namespace_is_no_layer() {
    let cache = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-2.1");
    let store = ContainerdStore::open(&root, &Paths::below(cache.path())).unwrap();
    for id in ["c1", "u1", "u2", "v1", "n1"] {
        assert_eq!(
            summary(&store.container("default", id).unwrap()),
            (APP.to_owned(), Some(APP_IMAGE.to_owned()), 1, "metadata"),
            "{id}"
        );
    }
    assert_eq!(store.container("default", "r1").unwrap(), Origin::NoImage);
}
