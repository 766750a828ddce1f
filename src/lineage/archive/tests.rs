//! Tests archives that real tools wrote (tests/fixtures/archive, each named for its tool and
//! version), and archives that must be refused.

use std::fs::{self, File};
use std::io::Write;

use super::*;

mod refused;
mod members;

const BASE: &str = "sha256:c9f0ede05a46ccb285bd43d0e2849a1f6961d902d2091b9fd96a806b5bf3210c";
const APP_UPPER: &str = "sha256:7953f4987d2b17be5215cdd1530af8440a374d66e24aff2b31fb48c21be7dd6f";
const TWO_UPPER: &str = "sha256:e2d81713d8567a98d3b25a56cfbbb6b5dcc68f775014719de4226194ef8e05e5";
const APP: &str = "sha256:0f7b468b1665b95359eef6b4cfac017922a4ae7ff5f0ababeccf7ddd8db58dd4";
const TWO: &str = "sha256:a91f8efbe22ff9795b2ee531c930d2d150d300e142304912266cab0b575ec774";
const LAYOUT: (&str, &[u8]) = ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/archive")
        .join(format!("{name}.tar.gz"))
}

/// The name, platform, image ID, manifest, number of indexes and diff IDs of each image, as text.
fn described(archive: &Archive) -> Vec<String> {
    let digest = |digest: Option<ManifestDigest>| {
        digest.map_or_else(
            || "-".to_owned(),
            |digest| digest.to_string()[7..15].to_owned(),
        )
    };
    let image = |image: &ArchivedImage| {
        let diff_ids = image
            .chain
            .as_ref()
            .map_or(&[][..], |chain| chain.diff_ids());
        let diff_ids: Vec<_> = diff_ids
            .iter()
            .map(|id| id.to_string()[7..15].to_owned())
            .collect();
        let id = &image.image_id.to_string()[7..15];
        format!(
            "{} {} {id} {} {} {}",
            image.names.join(","),
            image.platform,
            digest(image.manifest),
            image.indexes.len(),
            diff_ids.join(" ")
        )
    };
    archive.images.iter().map(image).collect()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// The members of a layout with one image, and the name of the config's member. The image has this
/// config and these layer blobs.
fn layout_of(image_config: &str, layers: &[&[u8]]) -> (Vec<(String, Vec<u8>)>, String) {
    let descriptor = |bytes: &[u8]| {
        format!(
            r#"{{"mediaType":"m","digest":"{}","size":{}}}"#,
            Digest::of(bytes),
            bytes.len()
        )
    };
    let layer_list: Vec<_> = layers.iter().map(|layer| descriptor(layer)).collect();
    let described = descriptor(image_config.as_bytes())
        .replace(r#""m""#, r#""application/vnd.oci.image.config.v1+json""#);
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{described},"layers":[{}]}}"#,
        layer_list.join(",")
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        descriptor(manifest.as_bytes())
    );
    let mut members = vec![
        (LAYOUT.0.to_owned(), LAYOUT.1.to_vec()),
        ("index.json".to_owned(), index.into_bytes()),
    ];
    let blobs = [image_config.as_bytes(), manifest.as_bytes()]
        .into_iter()
        .chain(layers.iter().copied());
    members.extend(blobs.map(|blob| (source::blob_name(Digest::of(blob)), blob.to_vec())));
    (
        members,
        source::blob_name(Digest::of(image_config.as_bytes())),
    )
}

fn tar_of(members: &[(String, Vec<u8>)]) -> tempfile::NamedTempFile {
    file(&tar(&members
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect::<Vec<_>>()))
}

#[test]
fn docker_and_podman_archives_give_every_image_with_its_names() {
    for (name, app, two) in [
        ("docker-20.10-save", "app:1,app:latest", "two:1"),
        ("podman-4.3-save", "localhost/app:1", "localhost/two:1"),
    ] {
        let archive = Archive::open(ArchiveForm::DockerArchive, &fixture(name), None).unwrap();
        let expected = [
            format!(
                "{app} linux/amd64 {} - 0 {} {}",
                &APP[7..15],
                &BASE[7..15],
                &APP_UPPER[7..15]
            ),
            format!(
                "{two} linux/amd64 {} - 0 {} {}",
                &TWO[7..15],
                &BASE[7..15],
                &TWO_UPPER[7..15]
            ),
        ];
        assert_eq!(described(&archive), expected, "{name}");
        assert!(archive.verify_layers().is_ok(), "{name}");
    }
}

#[test]
fn an_oci_archive_and_a_directory_give_manifest_digests_too() {
    let archive = Archive::open(
        ArchiveForm::OciArchive,
        &fixture("skopeo-1.9-oci-archive"),
        None,
    )
    .unwrap();
    assert_eq!(
        described(&archive),
        ["app:1 linux/amd64 6037fec5 85ac9497 0 c9f0ede0 7953f498"]
    );
    archive.verify_layers().unwrap();

    let directory = tempfile::tempdir().unwrap();
    let packed = flate2::read::GzDecoder::new(File::open(fixture("umoci-0.4-layout")).unwrap());
    tar::Archive::new(packed).unpack(directory.path()).unwrap();
    let archive = Archive::open(ArchiveForm::Layout, directory.path(), None).unwrap();
    let expected = [
        "empty linux/amd64 b918f629 c559fc78 0 ",
        "base linux/amd64 bb772d52 383a48a3 0 c9f0ede0",
        "app linux/amd64 59915057 d65227ae 0 c9f0ede0 f5dc65ee",
    ];
    assert_eq!(described(&archive), expected);
    archive.verify_layers().unwrap();
    let app = Archive::open(ArchiveForm::Layout, directory.path(), Some("app")).unwrap();
    assert_eq!(described(&app), expected[2..]);
    let error = Archive::open(ArchiveForm::Layout, directory.path(), Some("ap")).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            r#"cannot find the image "ap" in {:?}, which has ["empty", "base", "app"]"#,
            directory.path()
        )
    );
}

#[test]
fn every_platform_of_an_index_is_found_whatever_wrote_it() {
    for (name, form) in [
        ("buildah-1.28-two-platforms", ArchiveForm::OciArchive),
        (
            "containerd-1.6-export-two-platforms",
            ArchiveForm::OciArchive,
        ),
        (
            "containerd-1.6-export-two-platforms",
            ArchiveForm::DockerArchive,
        ),
    ] {
        let archive = Archive::open(form, &fixture(name), Some("multi:1")).unwrap();
        let expected = [
            "multi:1 linux/amd64 a5ffe8a5 2402d13e 1 0cd0f947",
            "multi:1 linux/arm64 dbbff72a 1afc2e08 1 e3257cfb",
        ];
        assert_eq!(described(&archive), expected, "{name} {form:?}");
        assert_eq!(archive.images[0].indexes[0].to_string()[7..15], *"a0cfd3c8");
        archive.verify_layers().unwrap();
    }
}

#[test]
fn an_attestation_beside_an_image_is_no_image() {
    for (form, before) in [
        (ArchiveForm::DockerArchive, ["tiny:1,", "tinyapp:1,"]),
        (ArchiveForm::OciArchive, ["", ""]),
    ] {
        let archive =
            Archive::open(form, &fixture("docker-28.5-save-containerd-store"), None).unwrap();
        let expected = [
            format!(
                "{}docker.io/library/tiny:1,1 linux/amd64 53ca2c6b d93322d5 0 d83d5218",
                before[0]
            ),
            format!(
                "{}docker.io/library/tinyapp:1,1 linux/amd64 95c54a9a 92b4015f 1 d83d5218 742463ca",
                before[1]
            ),
        ];
        assert_eq!(described(&archive), expected);
        archive.verify_layers().unwrap();
    }
}

#[test]
fn a_platform_that_was_never_fetched_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let packed =
        flate2::read::GzDecoder::new(File::open(fixture("buildah-1.28-two-platforms")).unwrap());
    tar::Archive::new(packed).unpack(directory.path()).unwrap();
    fs::remove_file(
        directory
            .path()
            .join("blobs/sha256/1afc2e08e27ad7504ba0172a23fb5700f8c92f8d32fa91c34f3c3deb7041f78d"),
    )
    .unwrap();
    let archive = Archive::open(ArchiveForm::Layout, directory.path(), None).unwrap();
    assert_eq!(archive.absent, ["linux/arm64"]);
    assert_eq!(archive.images.len(), 1);
    let (images, absent) = below(directory.path(), archive.images[0].indexes[0].0).unwrap();
    assert_eq!(
        (images[0].image_id, absent),
        (archive.images[0].image_id, archive.absent.clone())
    );
}

impl Archive {
    /// The error of [`Archive::verify_layers`] for a file with these members, without the file's
    /// name.
    fn verify_layers_of(&self, members: &[(String, Vec<u8>)]) -> String {
        let file = tar_of(members);
        let again = Self {
            images: self.images.clone(),
            absent: Vec::new(),
            source: MemberSource::tar(file.path()).unwrap(),
        };
        again.verify_layers().map_or_else(
            |error| {
                let text = error.to_string();
                text.split_once(&format!("{:?}: ", file.path()))
                    .map_or(text.clone(), |(_, fault)| fault.to_owned())
            },
            |()| "ok".to_owned(),
        )
    }
}

#[test]
fn a_config_on_standard_input_gives_its_image() {
    let text = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{BASE}"]}}}}"#
    );
    let image = from_config(text.as_bytes()).unwrap();
    assert_eq!(
        (image.platform.to_string(), image.image_id.0),
        ("linux/amd64".to_owned(), Digest::of(text.as_bytes()))
    );
    assert_eq!(image.chain.unwrap().top().to_string(), BASE);
    let one = Digest::of(b"x");
    for (text, fault) in [
        (String::new(), "it is not a JSON object"),
        (
            r#"[{"Id":"sha256:…"}]"#.to_owned(),
            "it is not a JSON object",
        ),
        (
            r#"{"Id":"sha256:…","RootFS":{}}"#.to_owned(),
            r#"it has no "rootfs", so it is not an image config"#,
        ),
        (
            format!(r#"{{"config":{{"digest":"{one}"}},"layers":[]}}"#),
            "it is an image manifest or index, not an image config",
        ),
    ] {
        let error = from_config(text.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot read standard input as an image config: {fault}"),
            "{text}"
        );
    }
}
