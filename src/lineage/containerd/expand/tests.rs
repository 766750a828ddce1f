//! Tests which errors in the search for an image refuse its container, and which do not.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::lineage::digest::DiffId;

/// A content store in `directory` with one blob, whose name is `digest`.
fn store(directory: &Path, digest: Digest, bytes: &[u8]) -> Content {
    std::fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
    let content = Content::at(directory);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .open(content.file(digest))
        .unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    content
}

#[test]
fn a_chain_that_is_known_is_not_refused_for_a_fault_of_what_may_lead_to_its_image() {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::below(directory.path());
    let chain = Chain::from_diff_ids(vec![DiffId(Digest::of(b"layer"))]).unwrap();
    let damaged = Digest::of(b"as it was");
    let content = store(directory.path(), damaged, b"damaged");
    let stores = |deadline| ImageSources {
        metadata: None,
        content: Some(&content),
        namespace: "default",
        snapshotter: "overlayfs",
        paths: &paths,
        deadline,
    };
    let (late, soon) = (&Duration::ZERO.into(), &Duration::from_secs(20).into());
    let by_target = Hints {
        image_id: None,
        targets: vec![damaged],
    };
    let by_image_id = Hints {
        image_id: Some(ImageId(damaged)),
        targets: Vec::new(),
    };
    for hints in [&by_target, &by_image_id] {
        assert!(
            matches!(
                by_documents(chain.top(), hints, &stores(soon)),
                Err(LineageError::Corrupt(_))
            ),
            "not known: {hints:?}"
        );
    }
    cache::store(&paths, &chain);
    for deadline in [soon, late] {
        let found = by_documents(chain.top(), &by_target, &stores(deadline)).unwrap();
        assert_eq!(
            found,
            Some((chain.clone(), ImageFacts::default())),
            "a name that was moved since"
        );
    }
    assert!(
        matches!(
            by_documents(chain.top(), &by_image_id, &stores(soon)),
            Err(LineageError::Corrupt(_))
        ),
        "its own config"
    );
}

#[test]
fn the_time_for_a_walk_through_the_labels_of_a_known_chain_is_not_the_time_for_the_chain() {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::below(directory.path());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-1.6");
    let (metadata, content) = (MetadataDb::open(&root).unwrap(), Content::of(&root));
    let top =
        ChainId::parse("sha256:23e88a2896dce629bbdeaf825f62baa3701b14bf88ccc46c71ad302f84c73132")
            .unwrap();
    let ask = |deadline: &Deadline| {
        let stores = ImageSources {
            metadata: Some(&metadata),
            content: Some(&content),
            namespace: "default",
            snapshotter: "overlayfs",
            paths: &paths,
            deadline,
        };
        by_documents(top, &Hints::default(), &stores)
    };
    assert!(
        matches!(
            ask(&Duration::ZERO.into()),
            Err(LineageError::Unknown(Unknown::Deadline))
        ),
        "not known yet"
    );
    let (chain, facts) = ask(&Duration::from_secs(20).into()).unwrap().unwrap();
    assert!(facts.image_id.is_some());
    assert_eq!(
        ask(&Duration::ZERO.into()).unwrap(),
        Some((chain, ImageFacts::default())),
        "known, without the image"
    );
}

#[test]
fn a_base_without_a_label_of_its_own_is_found_below_what_was_built_on_it() {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::below(directory.path());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-1.6");
    let (metadata, content) = (MetadataDb::open(&root).unwrap(), Content::of(&root));
    let deadline = &Duration::from_secs(20).into();
    let stores = ImageSources {
        metadata: Some(&metadata),
        content: Some(&content),
        namespace: "default",
        snapshotter: "overlayfs",
        paths: &paths,
        deadline,
    };
    let top =
        ChainId::parse("sha256:23e88a2896dce629bbdeaf825f62baa3701b14bf88ccc46c71ad302f84c73132")
            .unwrap();
    let (whole, _) = by_documents(top, &Hints::default(), &stores)
        .unwrap()
        .unwrap();
    for chain_id in whole.chain_ids() {
        let found = by_longer(*chain_id, &stores).unwrap().unwrap();
        assert_eq!(
            found,
            ContentImage {
                chain: whole.up_to(*chain_id),
                facts: ImageFacts::default()
            }
        );
    }
    assert_eq!(
        by_longer(ChainId(Digest::of(b"none")), &stores).unwrap(),
        None
    );
    let late = ImageSources {
        deadline: &Duration::ZERO.into(),
        ..stores
    };
    assert!(matches!(
        by_longer(top, &late),
        Err(LineageError::Unknown(Unknown::Deadline))
    ));
}
