//! Tests that an image is found for every platform.

use super::*;
use crate::lineage::ImageLineage;
use crate::lineage::digest::{Digest, ImageId};

#[test]
fn every_platform_of_an_image_of_containerd_is_found_and_those_never_fetched_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let packed = flate2::read::GzDecoder::new(
        std::fs::File::open(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/archive/buildah-1.28-two-platforms.tar.gz"
        ))
        .unwrap(),
    );
    tar::Archive::new(packed).unpack(directory.path()).unwrap();
    let blob = |hex: &str| directory.path().join("blobs/sha256").join(hex);
    let id = |hex: &str| Digest::from_hex(hex).unwrap();
    let amd64 = "a5ffe8a58ac6aad2711d8671d8080f7a98f1faec66c6302a254df03fc01a03e6";
    let (manifest, index) = (
        id("2402d13e32dd9b9cebbe92bf848dbae3c9c4468480274d7e4546da8dc84482d1"),
        id("a0cfd3c8387a9639c7d44fef2b845fdaa86123435c92b0bab9de7e7ed8199f87"),
    );
    let facts = ImageFacts {
        image_id: Some(ImageId(id(amd64))),
        manifests: vec![manifest, index],
        name: Some("multi:1".to_owned()),
        config_file: Some(blob(amd64)),
        pull_fault: None,
    };
    let chain = ImageConfig::load(&blob(amd64), ImageId(id(amd64)))
        .unwrap()
        .chain()
        .unwrap()
        .unwrap();
    let origin = Origin::Image(ImageLineage {
        chain: chain.clone(),
        facts,
        evidence: Evidence::Metadata,
    });
    let image = FoundImage {
        names: vec!["multi:1".to_owned()],
        places: vec!["containerd".to_owned()],
        platform: None,
        image_id: Some(ImageId(id(amd64))),
        manifests: vec![(Role::Either, manifest), (Role::Either, index)],
        chain: Some(chain),
        evidence: Sureness::Recorded,
    };
    let all = all_platforms(&origin, &image).unwrap();
    let images = merged([vec![image.clone()], all.images].concat());
    assert_eq!((images.len(), all.absent.len()), (2, 0));
    assert_eq!(
        (&images[0].manifests[..], images[0].evidence),
        (
            &[(Role::Manifest, manifest), (Role::Index, index)][..],
            Sureness::Recorded
        )
    );
    assert_eq!(
        (
            images[1].platform.as_ref().unwrap().to_string(),
            images[1].evidence
        ),
        ("linux/arm64".to_owned(), Sureness::Claimed)
    );

    std::fs::remove_file(blob(
        "1afc2e08e27ad7504ba0172a23fb5700f8c92f8d32fa91c34f3c3deb7041f78d",
    ))
    .unwrap();
    assert_eq!(
        all_platforms(&origin, &image).unwrap().absent,
        ["linux/arm64"]
    );
}
