//! Tests archives as real tools wrote them (tests/fixtures/archive, each named for tool and
//! version), and what is refused.

use std::fs::{self, File};
use std::io::Write;

use super::*;

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

/// Name, platform, image ID, manifest, number of indexes and diff IDs of each image, as text.
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

/// A layout's members whose one image has this config and these layer blobs; and the name of the
/// config's member.
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

#[test]
fn a_document_that_is_not_what_its_name_says_is_refused() {
    let (mut members, config_name) = layout_of(r#"{"os":"linux","rootfs":{"diff_ids":[]}}"#, &[]);
    let digest = config_name.rsplit('/').next().unwrap().to_owned();
    members
        .iter_mut()
        .find(|(name, _)| *name == config_name)
        .unwrap()
        .1 = b"{}".to_vec();
    let file = tar_of(&members);
    let error = Archive::open(ArchiveForm::OciArchive, file.path(), None).unwrap_err();
    let found = Digest::of(b"{}");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot trust {config_name:?} in {:?}: it hashes to {found}, not to sha256:{digest}",
            file.path()
        )
    );

    let docker = format!(r#"[{{"Config":"{digest}.json","Layers":[]}}]"#);
    let docker = self::file(&tar(&[
        ("manifest.json", docker.as_bytes()),
        (&format!("{digest}.json"), b"{}"),
    ]));
    assert!(matches!(
        Archive::open(ArchiveForm::DockerArchive, docker.path(), None),
        Err(ArchiveError::Hash(..))
    ));
}

#[test]
fn a_layer_that_is_not_what_its_diff_id_says_is_refused_when_it_is_read() {
    let good = Digest::of(b"layer");
    let text = format!(r#"{{"os":"linux","rootfs":{{"diff_ids":["{good}"]}}}}"#);
    let verify = |members: &[(String, Vec<u8>)]| {
        Archive::open(ArchiveForm::OciArchive, tar_of(members).path(), None)
            .unwrap()
            .verify_layers_of(members)
    };
    assert_eq!(verify(&layout_of(&text, &[b"layer"]).0), "ok");
    assert_eq!(
        verify(&layout_of(&text, &[b"other"]).0),
        format!("it hashes to {}, not to {good}", Digest::of(b"other"))
    );
    assert_eq!(
        verify(&layout_of(&text, &[b"\x28\xb5\x2f\xfdxyz"]).0),
        "it is in zstd form, which is not decompressed here"
    );
    assert_eq!(
        verify(&layout_of(&text, &[b"\x1f\x8bnot gzip"]).0),
        "invalid gzip header"
    );
    let mut swapped = layout_of(&text, &[b"layer"]).0;
    swapped.last_mut().unwrap().1 = b"swapped".to_vec();
    assert_eq!(
        verify(&swapped),
        format!("it hashes to {}, not to {good}", Digest::of(b"swapped"))
    );
    swapped.pop();
    assert!(verify(&swapped).starts_with("cannot find \"blobs/sha256/"));
}

impl Archive {
    /// What [`Archive::verify_layers`] says about a file of these members, after the file's name.
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
fn what_is_no_archive_of_images_is_refused_in_one_line() {
    let one = Digest::of(b"x");
    let index = |entry: &str| format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#);
    let entry = index(&format!(r#"{{"mediaType":"m","digest":"{one}","size":1}}"#));
    let cases: &[(ArchiveForm, Vec<u8>, String)] = &[
        (
            ArchiveForm::OciArchive,
            b"\x28\xb5\x2f\xfd".to_vec(),
            "cannot read FILE: decompress it first, it is in zstd form".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            b"no archive at all".repeat(99),
            "cannot read FILE as a tar archive".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            b"\x1f\x8bnor is this".to_vec(),
            "cannot read FILE as a tar archive".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            tar(&[]),
            "cannot find \"oci-layout\" in FILE".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            tar(&[("oci-layout", br#"{"imageLayoutVersion":"2.0.0"}"#)]),
            "cannot read \"oci-layout\" in FILE: it has version \"2.0.0\"".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            tar(&[LAYOUT]),
            "cannot find \"index.json\" in FILE".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            tar(&[LAYOUT, ("index.json", b"text")]),
            "cannot read \"index.json\" in FILE: it is not a JSON document, or is larger than 4 MiB"
                .to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            tar(&[LAYOUT, (LAYOUT.0, b"{}")]),
            "cannot choose between two members \"oci-layout\" of FILE".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            tar(&[LAYOUT, ("index.json", index("").as_bytes())]),
            "cannot find an image in FILE".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            tar(&[LAYOUT, ("index.json", entry.as_bytes())]),
            format!("cannot find \"blobs/sha256/{}\" in FILE", one.hex()),
        ),
        (
            ArchiveForm::DockerArchive,
            tar(&[LAYOUT]),
            "cannot find \"manifest.json\" in FILE".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            tar(&[LAYOUT, (LAYOUT.0, b"text")]),
            "cannot choose between two members \"oci-layout\" of FILE".to_owned(),
        ),
        (
            ArchiveForm::OciArchive,
            tar(&[(LAYOUT.0, b"text"), LAYOUT]),
            "cannot choose between two members \"oci-layout\" of FILE".to_owned(),
        ),
        (
            ArchiveForm::DockerArchive,
            tar(&[("manifest.json", b"[]")]),
            "cannot find an image in FILE".to_owned(),
        ),
        (
            ArchiveForm::DockerArchive,
            tar(&[("manifest.json", br#"[{"Config":"c"}]"#)]),
            "cannot find \"c\" in FILE".to_owned(),
        ),
        (
            ArchiveForm::DockerArchive,
            tar(&[
                ("manifest.json", br#"[{"Config":"c","Layers":["l"]}]"#),
                ("c", b"{}"),
            ]),
            "cannot read \"c\" in FILE: it has 0 diff IDs, and manifest.json has 1 layers"
                .to_owned(),
        ),
    ];
    for (form, bytes, expected) in cases {
        let file = file(bytes);
        let error = Archive::open(*form, file.path(), None).unwrap_err();
        assert_eq!(
            error
                .to_string()
                .replace(&format!("{:?}", file.path()), "FILE"),
            *expected
        );
    }
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(
        Archive::open(ArchiveForm::OciArchive, directory.path(), None),
        Err(ArchiveError::File(FileError::NotRegular(_)))
    ));
    let error = Archive::open(ArchiveForm::Layout, directory.path(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot find \"oci-layout\" in {:?}", directory.path())
    );
}

#[test]
fn a_member_that_is_there_twice_with_the_same_bytes_is_one_member() {
    let text = format!(
        r#"{{"os":"linux","rootfs":{{"diff_ids":["{}"]}}}}"#,
        Digest::of(b"layer")
    );
    let members = layout_of(&text, &[b"layer"]).0;
    let once =
        described(&Archive::open(ArchiveForm::OciArchive, tar_of(&members).path(), None).unwrap());
    for (twice, dots) in [(true, false), (false, true), (true, true)] {
        let mut written = members.clone();
        if twice {
            written.extend(members.clone());
        }
        if dots {
            written
                .iter_mut()
                .for_each(|(name, _)| name.insert_str(0, "./"));
        }
        let file = tar_of(&written);
        let archive = Archive::open(ArchiveForm::OciArchive, file.path(), None).unwrap();
        assert_eq!(described(&archive), once, "{twice} {dots}");
        archive.verify_layers().unwrap();
    }
    // The second of two layers of one name is read as well.
    let mut other = members.clone();
    other.extend(
        members
            .last()
            .cloned()
            .map(|(name, _)| (name, b"other".to_vec())),
    );
    assert!(
        Archive::open(ArchiveForm::OciArchive, tar_of(&other).path(), None)
            .unwrap()
            .verify_layers()
            .is_err()
    );
}

/// An archive as `docker save` wrote it: `config.json`, a layer, and links in their order, each
/// with its target.
fn docker_archive(names: [&str; 2], links: &[(&str, &str)]) -> tempfile::NamedTempFile {
    let text = format!(
        r#"{{"os":"linux","rootfs":{{"diff_ids":["{}"]}}}}"#,
        Digest::of(b"layer")
    );
    let manifest =
        serde_json::json!([{ "Config": names[0], "Layers": [names[1]], "RepoTags": ["app:1"] }])
            .to_string();
    let members: [(&str, &[u8]); 3] = [
        ("manifest.json", manifest.as_bytes()),
        ("config.json", text.as_bytes()),
        ("a/layer.tar", b"layer"),
    ];
    let mut builder = tar::Builder::new(tar(&members));
    builder.get_mut().truncate(members.len() * 1_024);
    for (name, target) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    }
    file(&builder.into_inner().unwrap())
}

#[test]
fn the_names_in_a_docker_archive_may_start_with_a_dot_or_lead_through_links() {
    let links = [
        ("b/layer.tar", "../a/layer.tar"),
        ("c/layer.tar", "../b/layer.tar"),
        ("d/layer.tar", "./../c/layer.tar"),
        ("conf", "./config.json"),
    ];
    for names in [
        ["config.json", "a/layer.tar"],
        ["./config.json", "./a/layer.tar"],
        ["././config.json", "a/./layer.tar"],
        ["config.json", "b/layer.tar"],
        ["conf", "c/layer.tar"],
        ["./conf", "./d/layer.tar"],
    ] {
        let file = docker_archive(names, &links);
        let archive =
            Archive::open(ArchiveForm::DockerArchive, file.path(), Some("app:1")).unwrap();
        archive
            .verify_layers()
            .unwrap_or_else(|error| panic!("{names:?}: {error}"));
    }
    // Links in a circle, a link that leads nowhere, and one in the place of a file.
    let round = docker_archive(["x", "a/layer.tar"], &[("x", "y"), ("y", "x")]);
    assert!(matches!(
        Archive::open(ArchiveForm::DockerArchive, round.path(), None),
        Err(ArchiveError::NoMember(..))
    ));
    let nowhere = docker_archive(["x", "a/layer.tar"], &[("x", "y")]);
    assert!(matches!(
        Archive::open(ArchiveForm::DockerArchive, nowhere.path(), None),
        Err(ArchiveError::NoMember(..))
    ));
    let both = docker_archive(["config.json", "a/layer.tar"], &[("config.json", "conf")]);
    assert!(matches!(
        Archive::open(ArchiveForm::DockerArchive, both.path(), None),
        Err(ArchiveError::Twice(..))
    ));
}

#[test]
fn an_attestation_without_its_annotation_is_no_image_either() {
    let descriptor = |kind: &str, bytes: &[u8]| {
        format!(
            r#"{{"mediaType":"{kind}","digest":"{}","size":{}}}"#,
            Digest::of(bytes),
            bytes.len()
        )
    };
    let image_config = br#"{"architecture":"unknown","os":"unknown","rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000001"]}}"#;
    let described = descriptor("application/vnd.oci.image.config.v1+json", image_config);
    for kind in [
        "application/vnd.in-toto+json",
        "application/vnd.dev.cosign.simplesigning.v1+json",
    ] {
        let (mut members, _) = layout_of(r#"{"os":"linux","rootfs":{"diff_ids":[]}}"#, &[]);
        let note = format!(
            r#"{{"schemaVersion":2,"config":{described},"layers":[{}]}}"#,
            descriptor(kind, b"{}")
        );
        let image = members
            .iter()
            .find_map(|(_, bytes)| {
                bytes
                    .starts_with(br#"{"schemaVersion":2,"config""#)
                    .then(|| bytes.clone())
            })
            .unwrap();
        let unknown = r#","platform":{"architecture":"unknown","os":"unknown"}}"#;
        let entry = |bytes: &[u8]| descriptor("application/vnd.oci.image.manifest.v1+json", bytes);
        let entries = format!(
            "{},{}{unknown}",
            entry(&image),
            entry(note.as_bytes()).trim_end_matches('}')
        );
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
        let top = format!(
            r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
            descriptor("application/vnd.oci.image.index.v1+json", index.as_bytes())
        );
        members.retain(|(name, _)| name != "index.json");
        members.push(("index.json".to_owned(), top.into_bytes()));
        members.push((
            source::blob_name(Digest::of(index.as_bytes())),
            index.into_bytes(),
        ));
        members.push((
            source::blob_name(Digest::of(note.as_bytes())),
            note.clone().into_bytes(),
        ));
        let only = |members: &[(String, Vec<u8>)]| {
            let archive =
                Archive::open(ArchiveForm::OciArchive, tar_of(members).path(), None).unwrap();
            (archive.images.len(), archive.absent.len())
        };
        // The subject of an attestation need not be there, nor the attestation of what is.
        members.push((
            source::blob_name(Digest::of(image_config)),
            image_config.to_vec(),
        ));
        assert_eq!(only(&members), (1, 0), "{kind}");
        members.retain(|(_, bytes)| *bytes != note.as_bytes());
        assert_eq!(only(&members), (1, 0), "{kind}");
    }
}

#[test]
fn an_archive_cut_anywhere_is_refused_or_read_right() {
    let mut whole = Vec::new();
    let packed = File::open(fixture("skopeo-1.9-oci-archive")).unwrap();
    io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut whole).unwrap();
    let right =
        described(&Archive::open(ArchiveForm::OciArchive, file(&whole).path(), None).unwrap());
    for cut in (0..whole.len()).step_by(97) {
        if let Ok(archive) =
            Archive::open(ArchiveForm::OciArchive, file(&whole[..cut]).path(), None)
        {
            assert_eq!(described(&archive), right, "cut at {cut}");
        }
    }
}

#[test]
fn an_index_that_leads_deeper_and_deeper_is_left() {
    let mut members = vec![(LAYOUT.0.to_owned(), LAYOUT.1.to_vec())];
    let mut below = r#"{"manifests":[]}"#.to_owned();
    for _ in 0..6 {
        let digest = Digest::of(below.as_bytes());
        members.push((source::blob_name(digest), below.clone().into_bytes()));
        below = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{digest}","size":1}}]}}"#
        );
    }
    members.push(("index.json".to_owned(), below.into_bytes()));
    let error = Archive::open(ArchiveForm::OciArchive, tar_of(&members).path(), None).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(": its indexes are nested too deeply"),
        "{error}"
    );
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
