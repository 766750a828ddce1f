//! Tests files that are not archives of images, and damaged archives.

use super::*;

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
            b"no archive at all\n".repeat(99),
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
    // An earlier version quoted the contents of the file in the cause, even if the file was no
    // archive.
    let secret = file(&b"root:x:0:0\n".repeat(99));
    let error = Archive::open(ArchiveForm::DockerArchive, secret.path(), None).unwrap_err();
    let said = crate::report::line::causes(&error);
    assert!(
        said.ends_with(" as a tar archive: its form is another"),
        "{said}"
    );
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
