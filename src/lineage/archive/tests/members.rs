//! Tests members that occur twice, and names that are written in several ways.

use super::*;

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
    // If two layers have the same name, the second is read as well.
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

/// An archive as `docker save` wrote it: `config.json`, a layer, then these links in their order,
/// each with its target.
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
    // Links in a circle, a link that leads nowhere, and a link where a file should be.
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
        // The image that an attestation describes may be missing, and so may the attestation of an
        // image.
        members.push((
            source::blob_name(Digest::of(image_config)),
            image_config.to_vec(),
        ));
        assert_eq!(only(&members), (1, 0), "{kind}");
        members.retain(|(_, bytes)| *bytes != note.as_bytes());
        assert_eq!(only(&members), (1, 0), "{kind}");
    }
}
