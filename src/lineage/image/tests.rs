//! Tests what is read from image documents, and what is refused.

use super::*;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn config(rootfs: &str) -> String {
    format!(
        r#"{{"architecture":"arm","os":"linux","variant":"v7","rootfs":{rootfs},"history":[{{"created_by":"x"}}],"new":{{"a":[1e999]}}}}"#
    )
}

#[test]
fn a_config_gives_its_platform_and_its_layers_lowest_first() {
    let (lower, upper) = (digest("lower"), digest("upper"));
    let text = format!(
        r#"{{"architecture":"arm","os":"linux","variant":"v7","rootfs":{{"type":"layers","diff_ids":["{lower}","{upper}"]}}}}"#
    );
    let read = ImageConfig::parse(text.as_bytes()).unwrap();
    assert_eq!(read.diff_ids, [DiffId(lower), DiffId(upper)]);
    assert_eq!(read.platform.to_string(), "linux/arm/v7");
    assert_eq!(
        read.chain().unwrap().unwrap().top().0,
        digest(&format!("{lower} {upper}"))
    );
}

#[test]
fn an_image_without_layers_is_recognised_in_every_form_that_engines_write() {
    for text in [
        r#"{}"#,
        r#"{"rootfs":null}"#,
        r#"{"rootfs":{"type":"layers"}}"#,
        r#"{"rootfs":{"diff_ids":null}}"#,
        r#"{"rootfs":{"diff_ids":[]}}"#,
    ] {
        let read = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(read.chain(), Ok(None), "{text}");
        assert_eq!(read.platform, Platform::default(), "{text}");
    }
}

#[test]
fn what_is_no_image_config_is_refused_in_one_line() {
    let good = digest("layer");
    for (text, fault) in [
        (String::new(), "it is not a JSON object"),
        (" [{}]".to_owned(), "it is not a JSON object"),
        (
            "{".to_owned(),
            "EOF while parsing an object at line 1 column 1",
        ),
        (
            config("7"),
            "invalid type: integer `7`, expected an object at line 1 column 60",
        ),
        (
            config(r#"{"diff_ids":["x"]}"#),
            r#"cannot read "x" as a sha256 digest at line 1 column 75"#,
        ),
        (
            config(r#"{"diff_ids":["\n\u001b[31m"]}"#),
            r#"cannot read "\n\u{1b}[31m" as a sha256 digest at line 1 column 86"#,
        ),
        (
            config(r#"{"diff_ids":[1]}"#),
            "invalid type: integer `1`, expected a sha256 digest at line 1 column 73",
        ),
        (
            config(&format!(r#"{{"diff_ids":["{good}"],"diff_ids":[]}}"#)),
            "duplicate field `diff_ids` at line 1 column 157",
        ),
    ] {
        let error = ImageConfig::parse(text.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot read the image config: {fault}"),
            "{text}"
        );
    }
    assert!(ImageConfig::parse(b"\xff\xfe").is_err());
    assert!(
        ImageConfig::parse(format!("{{\"rootfs\":{}", "[".repeat(100_000)).as_bytes()).is_err()
    );
}

#[test]
fn more_layers_than_any_engine_mounts_are_no_chain() {
    let layer = format!(r#""{}","#, digest("x")).repeat(MAX_LAYERS + 1);
    let text = config(&format!(
        r#"{{"diff_ids":[{}]}}"#,
        layer.trim_end_matches(',')
    ));
    let error = ImageConfig::parse(text.as_bytes())
        .unwrap()
        .chain()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the image config: it has 1025 layers"
    );
}

#[test]
fn a_manifest_gives_the_image_id_and_the_stored_layers() {
    let (image_id, layer) = (digest("config"), digest("blob"));
    let oci = "application/vnd.oci.image.config.v1+json";
    let text = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{oci}","digest":"{image_id}","size":7}},
            "layers":[{{"mediaType":"x/y","digest":"{layer}","size":1}}],"subject":null}}"#
    );
    let read = ImageDocument::parse(text.as_bytes()).unwrap();
    let manifest = Manifest {
        image_id: ImageId(image_id),
        config_type: Some(oci.to_owned()),
        layers: vec![LayerDigest(layer)],
        holds_documents: false,
    };
    assert!(manifest.is_image());
    assert!(
        !Manifest {
            config_type: Some("application/vnd.in-toto+json".to_owned()),
            ..manifest.clone()
        }
        .is_image()
    );
    assert_eq!(read, ImageDocument::Manifest(manifest.clone()));
    // An attestation has the config of an image. Only the type of its layers shows the difference.
    for (kind, holds_documents) in [
        ("application/vnd.in-toto+json", true),
        ("application/vnd.dsse.envelope.v1+json", true),
        ("application/vnd.oci.image.layer.v1.tar+gzip", false),
        ("application/vnd.oci.image.layer.nydus.blob.v1", false),
        ("", false),
    ] {
        let read = ImageDocument::parse(text.replace("x/y", kind).as_bytes()).unwrap();
        assert_eq!(
            read,
            ImageDocument::Manifest(Manifest {
                holds_documents,
                ..manifest.clone()
            }),
            "{kind}"
        );
    }
}

#[test]
fn an_index_gives_platforms_and_marks_what_is_no_image() {
    let (arm, note) = (digest("arm"), digest("note"));
    let text = format!(
        r#"{{"manifests":[{{"mediaType":"m","digest":"{arm}","platform":{{"os":"linux","architecture":"arm64","variant":"","os.version":"9"}}}},
            {{"digest":"{note}","annotations":{{"a":"b","vnd.docker.reference.type":"attestation-manifest"}}}}]}}"#
    );
    let platform = Platform {
        os: "linux".to_owned(),
        architecture: "arm64".to_owned(),
        variant: None,
    };
    let expected = [
        IndexEntry {
            digest: arm,
            media_type: Some("m".to_owned()),
            platform: Some(platform),
            is_attestation: false,
        },
        IndexEntry {
            digest: note,
            media_type: None,
            platform: None,
            is_attestation: true,
        },
    ];
    assert_eq!(
        ImageDocument::parse(text.as_bytes()),
        Ok(ImageDocument::Index(ImageIndex {
            manifests: expected.to_vec()
        }))
    );
}

#[test]
fn what_is_neither_a_manifest_nor_an_index_or_is_both_is_refused() {
    let one = digest("x");
    for (text, fault) in [
        ("{}".to_owned(), "it names neither a config nor manifests"),
        (
            r#"{"layers":[]}"#.to_owned(),
            "it names neither a config nor manifests",
        ),
        (
            format!(r#"{{"config":{{"digest":"{one}"}},"manifests":[]}}"#),
            "it is a manifest and an index at once",
        ),
        (
            r#"{"layers":[],"manifests":[]}"#.to_owned(),
            "it is a manifest and an index at once",
        ),
        (
            r#"{"config":{}}"#.to_owned(),
            "missing field `digest` at line 1 column 12",
        ),
    ] {
        let error = ImageDocument::parse(text.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot read the image manifest: {fault}"),
            "{text}"
        );
    }
}

#[test]
fn labels_are_believed_only_when_the_config_hashes_to_its_image_id() {
    let text = br#"{"config":{"Labels":{"org.opencontainers.image.source":"https://git.example/x","org.opencontainers.image.revision":"","b":"c"}}}"#;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    std::io::Write::write_all(
        &mut std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap(),
        text,
    )
    .unwrap();
    let facts = |image_id| ImageFacts {
        image_id: Some(ImageId(image_id)),
        config_file: Some(path.clone()),
        ..ImageFacts::default()
    };
    let found = SourceLabels {
        source: Some("https://git.example/x".to_owned()),
        revision: None,
    };
    assert_eq!(labels(&facts(Digest::of(text))), Some(found));
    assert_eq!(labels(&facts(digest("another"))), None);
    assert_eq!(
        labels(&ImageFacts {
            image_id: None,
            ..facts(Digest::of(text))
        }),
        None
    );
    assert_eq!(
        labels(&ImageFacts {
            config_file: None,
            ..facts(Digest::of(text))
        }),
        None
    );
    assert!(matches!(
        ImageConfig::load(&path, ImageId(digest("another"))),
        Err(LineageError::Corrupt(Corrupt::Hash(..)))
    ));
    assert!(matches!(
        ImageConfig::load(&directory.path().join("none"), ImageId(digest("x"))),
        Err(LineageError::Unknown(Unknown::File(_)))
    ));
}

#[test]
fn labels_that_are_missing_empty_or_endless_count_as_missing() {
    let long = "x".repeat(MAX_LABEL + 1);
    for text in [
        "{}".to_owned(),
        r#"{"config":null}"#.to_owned(),
        r#"{"config":{"Labels":null}}"#.to_owned(),
        r#"{"config":{"Labels":{"org.opencontainers.image.source":""}}}"#.to_owned(),
        format!(r#"{{"config":{{"Labels":{{"org.opencontainers.image.revision":"{long}"}}}}}}"#),
    ] {
        assert_eq!(
            SourceLabels::parse(text.as_bytes()),
            Ok(SourceLabels::default()),
            "{text}"
        );
    }
}
