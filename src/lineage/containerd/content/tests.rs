//! Tests which image a hint leads to in a real content store, and which blobs are reported as
//! corrupt.

use std::time::Duration;

use super::*;
use crate::lineage::digest::DiffId;
use crate::lineage::error::Unknown;

const APP: &str = "sha256:a4d0b405a4ad61e3e319e7e1132e04ed68695034af56fd193148b724345e32d0";
const APP_MANIFEST: &str =
    "sha256:57e58d65c73287c6cf262e0ac2cddfa8782c0e783113bde8194c1f3d1887b624";
const APP_TOP: &str = "sha256:23e88a2896dce629bbdeaf825f62baa3701b14bf88ccc46c71ad302f84c73132";
const BASE_MANIFEST: &str =
    "sha256:a1ddc14215ca549a7aefcbc36ec0489885e3aedec8a761c125af623685cad029";
const EMPTY_MANIFEST: &str =
    "sha256:5c89ef23518e017318361ddea4dd4fe08da97361ab22bf7779bcc43e07ccc8b6";

fn fixture() -> Content {
    Content::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/containerd-1.6"))
}

fn digest(text: &str) -> Digest {
    Digest::parse(text).unwrap()
}

fn soon() -> &'static Deadline {
    Box::leak(Box::new(Duration::from_secs(20).into()))
}

/// A content store in `directory` with these blobs.
fn store(directory: &Path, blobs: &[&[u8]]) -> Content {
    std::fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
    let content = Content::at(directory);
    for blob in blobs {
        write(&content.file(Digest::of(blob)), blob);
    }
    content
}

fn write(path: &Path, bytes: &[u8]) {
    std::io::Write::write_all(
        &mut std::fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)
            .unwrap(),
        bytes,
    )
    .unwrap();
}

#[test]
fn a_hint_counts_only_when_its_layers_hash_to_the_recorded_chain_id() {
    let (content, top) = (fixture(), ChainId::parse(APP_TOP).unwrap());
    let image_id = ImageId::parse(APP).unwrap();
    let found = content
        .by_config(image_id, ImageQuery::Top(top))
        .unwrap()
        .unwrap();
    let chain = found.chain.clone().unwrap();
    assert_eq!(
        (chain.top(), chain.diff_ids().len(), found.facts.image_id),
        (top, 3, Some(image_id))
    );
    assert_eq!(found.facts.config_file, Some(content.file(image_id.0)));
    let by_manifest = content
        .by_target(
            digest(APP_MANIFEST),
            None,
            ImageQuery::Known(&chain),
            soon(),
        )
        .unwrap()
        .unwrap();
    assert_eq!(
        (by_manifest.chain, by_manifest.facts.manifests),
        (Some(chain.clone()), vec![digest(APP_MANIFEST)])
    );
    // A tag that was moved, the config of another image, and a blob that is missing.
    assert_eq!(
        content
            .by_target(digest(BASE_MANIFEST), None, ImageQuery::Top(top), soon())
            .unwrap(),
        None
    );
    assert_eq!(
        content
            .by_target(
                digest(BASE_MANIFEST),
                None,
                ImageQuery::Known(&chain),
                soon()
            )
            .unwrap(),
        None
    );
    assert_eq!(
        content
            .by_target(
                digest(APP_MANIFEST),
                Some(ImageId(Digest::of(b"x"))),
                ImageQuery::Top(top),
                soon()
            )
            .unwrap(),
        None
    );
    assert_eq!(
        content.by_config(image_id, ImageQuery::NoLayers).unwrap(),
        None
    );
    assert_eq!(
        content
            .by_config(ImageId(Digest::of(b"none")), ImageQuery::Top(top))
            .unwrap(),
        None
    );
    let empty = content
        .by_target(digest(EMPTY_MANIFEST), None, ImageQuery::NoLayers, soon())
        .unwrap()
        .unwrap();
    assert_eq!(
        (empty.chain, empty.facts.manifests),
        (None, vec![digest(EMPTY_MANIFEST)])
    );
}

#[test]
fn an_image_is_found_in_the_index_that_lists_it() {
    let directory = tempfile::tempdir().unwrap();
    let diff_id = DiffId(Digest::of(b"layer"));
    let config = |architecture: &str| {
        format!(r#"{{"architecture":"{architecture}","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#).into_bytes()
    };
    let manifest = |config: &[u8]| {
        format!(
            r#"{{"config":{{"digest":"{}"}},"layers":[]}}"#,
            Digest::of(config)
        )
        .into_bytes()
    };
    let (here, there) = (config(ARCHITECTURE), config("elsewhere"));
    let (here_manifest, there_manifest) = (manifest(&here), manifest(&there));
    let entry = |manifest: &[u8], architecture: &str| {
        format!(
            r#"{{"digest":"{}","platform":{{"os":"linux","architecture":"{architecture}"}}}}"#,
            Digest::of(manifest)
        )
    };
    let absent = entry(b"absent", "s390x");
    let attestation = format!(
        r#"{{"digest":"{}","annotations":{{"vnd.docker.reference.type":"attestation-manifest"}}}}"#,
        Digest::of(&there_manifest)
    );
    let listed = [
        absent,
        attestation,
        entry(&there_manifest, "elsewhere"),
        entry(&here_manifest, ARCHITECTURE),
    ]
    .join(",");
    let index = format!(r#"{{"manifests":[{listed}]}}"#).into_bytes();
    let content = store(
        directory.path(),
        &[&here, &there, &here_manifest, &there_manifest, &index],
    );
    let ask = |image_id| {
        content
            .by_target(
                Digest::of(&index),
                image_id,
                ImageQuery::Top(ChainId(diff_id.0)),
                soon(),
            )
            .unwrap()
            .unwrap()
            .facts
    };
    assert_eq!(
        ask(None).image_id,
        Some(ImageId(Digest::of(&here))),
        "this machine's first"
    );
    assert_eq!(
        ask(None).manifests,
        [Digest::of(&here_manifest), Digest::of(&index)]
    );
    assert_eq!(
        ask(Some(ImageId(Digest::of(&there)))).manifests,
        [Digest::of(&there_manifest), Digest::of(&index)]
    );
    let late = content.by_target(
        Digest::of(&index),
        None,
        ImageQuery::Top(ChainId(diff_id.0)),
        &Duration::ZERO.into(),
    );
    assert!(matches!(
        late,
        Err(LineageError::Unknown(Unknown::Deadline))
    ));
}

#[test]
fn a_blob_that_is_not_what_it_is_called_is_corrupt_and_one_that_says_nothing_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let content = store(
        directory.path(),
        &[
            b"{}",
            b"not json",
            b"[]",
            br#"{"rootfs":{"diff_ids":["md5:x"]}}"#,
        ],
    );
    let top = ImageQuery::Top(ChainId(Digest::of(b"layer")));
    for blob in [
        &b"{}"[..],
        b"not json",
        b"[]",
        br#"{"rootfs":{"diff_ids":["md5:x"]}}"#,
    ] {
        assert_eq!(
            content.by_config(ImageId(Digest::of(blob)), top).unwrap(),
            None
        );
        assert_eq!(
            content
                .by_target(Digest::of(blob), None, top, soon())
                .unwrap(),
            None
        );
    }
    let digest = Digest::of(b"{}");
    write(&content.file(digest), b"{ }");
    for answer in [
        content.by_config(ImageId(digest), top),
        content.by_target(digest, None, top, soon()),
    ] {
        let fault = answer.unwrap_err().to_string();
        assert_eq!(
            fault,
            format!(
                "cannot trust {:?}: it hashes to {}, not to {digest}",
                content.file(digest),
                Digest::of(b"{ }")
            )
        );
    }
    std::fs::remove_file(content.file(digest)).unwrap();
    nix::unistd::mkfifo(&content.file(digest), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        content.by_config(ImageId(digest), top).unwrap(),
        None,
        "a FIFO is not waited for"
    );
}
