//! Tests how images are named, and where they are found.

use clap::Parser;

use super::*;
use crate::container::engine::Engine;
use crate::lineage::archive::ArchiveForm;
use crate::lineage::image::MAX_DOCUMENT;
use crate::node::images::place;

const APP: &str = "sha256:4448f3d13a0677195694f44f664e86406aea51b99a178ffc41a37dae540cc32d";

#[derive(Parser)]
struct Words {
    #[command(flatten)]
    args: ImageArgs,
}

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn find(words: &[&str], input: &[u8]) -> Result<Images, String> {
    let (docker, storage) = (
        fixture("docker-20.10-overlay2"),
        fixture("podman-4.3-overlay/store"),
    );
    let places = ["x", "--docker-root", &docker, "--storage-root", &storage];
    let words =
        Words::try_parse_from(places.iter().chain(words)).map_err(|error| error.to_string())?;
    let none = tempfile::tempdir().unwrap();
    words
        .args
        .find_with(&Paths::below(none.path()), &mut &input[..])
        .map_err(|error| line::causes(&error).replace(env!("CARGO_MANIFEST_DIR"), ""))
}

#[test]
fn a_word_says_where_its_image_is() {
    let engine = |engine, namespace, reference| {
        Ok(Place::Engine {
            engine,
            namespace,
            reference,
        })
    };
    let archive = |form, path: &str, reference| {
        Ok(Place::Archive {
            form,
            path: path.into(),
            reference,
        })
    };
    for (word, expected) in [
        (
            "docker:debian:12",
            engine(Engine::Docker, None, "debian:12"),
        ),
        (
            "podman:localhost/app",
            engine(Engine::ContainersStorage, None, "localhost/app"),
        ),
        (
            "storage:app",
            engine(Engine::ContainersStorage, None, "app"),
        ),
        (
            "containerd:k8s.io/docker.io/library/debian:12",
            engine(
                Engine::Containerd,
                Some("k8s.io"),
                "docker.io/library/debian:12",
            ),
        ),
        (
            "containerd:",
            Err(r#"cannot read "containerd:" as containerd:NAMESPACE/NAME"#),
        ),
        (
            "containerd:default/",
            Err(r#"cannot read "containerd:default/" as containerd:NAMESPACE/NAME"#),
        ),
        ("containerd:1.7", Ok(Place::Anywhere("containerd:1.7"))),
        ("docker:", Err(r#"cannot read "docker:" as docker:NAME"#)),
        (
            "oci:directory",
            archive(ArchiveForm::Layout, "directory", None),
        ),
        (
            "oci:directory:12.4",
            archive(ArchiveForm::Layout, "directory", Some("12.4")),
        ),
        (
            "oci-archive:a.tar:docker.io/library/debian:12",
            archive(
                ArchiveForm::OciArchive,
                "a.tar",
                Some("docker.io/library/debian:12"),
            ),
        ),
        (
            "docker-archive:a.tar:",
            archive(ArchiveForm::DockerArchive, "a.tar", None),
        ),
        ("oci::tag", Err(r#"cannot read ":tag" as a path"#)),
        ("-", Ok(Place::Config)),
        ("", Err(r#"cannot read "" as an image"#)),
        ("debian:12", Ok(Place::Anywhere("debian:12"))),
        (
            "registry.example:5000/debian",
            Ok(Place::Anywhere("registry.example:5000/debian")),
        ),
        ("sha256:4448f3d1", Ok(Place::Anywhere("sha256:4448f3d1"))),
    ] {
        assert_eq!(
            place(word).map_err(|error| error.to_string()),
            expected.map_err(str::to_owned),
            "{word}"
        );
    }
}

#[test]
fn an_image_of_an_engine_is_found_with_its_platform() {
    for word in ["docker:app:1", "docker:4448f3d13a06", APP] {
        let found = find(&[word], b"").unwrap();
        let [image] = &found.images[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (image.image_id.unwrap().to_string().as_str(), image.evidence),
            (APP, Sureness::Recorded)
        );
        assert_eq!(image.platform.as_ref().unwrap().to_string(), "linux/amd64");
        assert_eq!(
            image.places,
            [format!("docker in {}", fixture("docker-20.10-overlay2"))]
        );
    }
    let error = find(&["docker:none"], b"").unwrap_err();
    assert_eq!(
        error,
        r#"cannot find the image "none" (docker in /tests/fixtures/docker-20.10-overlay2)"#
    );
    let error = find(&["docker:app:1", "--verify-layers"], b"").unwrap_err();
    assert_eq!(
        error,
        r#"cannot hash the layers of "docker:app:1": only an archive has them at hand"#
    );
}

/// A real data root of Docker's, in which the images `app:1` and `base:1` have been given other
/// names.
fn docker_called(app: &str, base: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let copied = fs_copy(
        Path::new(&fixture("docker-20.10-overlay2")),
        directory.path(),
    );
    copied.unwrap();
    let path = directory.path().join("image/overlay2/repositories.json");
    let text = crate::sys::file::read(&path, 1 << 20, crate::sys::file::Guard::Any).unwrap();
    let mut names: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let repositories = names["Repositories"].as_object_mut().unwrap();
    for (known, called) in [("app", app), ("base", base)] {
        let id = repositories.remove(known).unwrap()[format!("{known}:1")].take();
        let (repository, _) = called.split_once(':').unwrap();
        repositories
            .entry(repository)
            .or_insert_with(|| serde_json::json!({}))[called] = id;
    }
    crate::sys::replace::replace(&path, 0o600, names.to_string().as_bytes()).unwrap();
    directory
}

fn fs_copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&to)?;
            fs_copy(&entry.path(), &to)?;
        } else if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &to)?;
        } else {
            std::fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

#[test]
fn an_image_that_is_called_as_a_place_is_found_by_its_name() {
    const BASE: &str = "sha256:52bc9a2da0fb5ebeb6a4f7c3966ce86dfafd309d46c2fdbe2e7c2b88bdcb5aea";
    for name in [
        "docker:27-dind",
        "podman:v5",
        "storage:1",
        "containerd:1.7",
        "oci:1.0",
        "oci-archive:latest",
        "docker-archive:2",
    ] {
        let docker = docker_called(name, "other:1");
        let stores =
            Words::try_parse_from(["x", "--docker-root", docker.path().to_str().unwrap(), name])
                .unwrap()
                .args;
        let stores = stores.stores(&Paths::below(docker.path()));
        for found in [super::find(name, &stores), find_named(name, &stores)] {
            let found = found.map_err(|error| error.to_string());
            assert_eq!(
                found.map(|found| found.images[0].image_id.unwrap().to_string()),
                Ok(APP.to_owned()),
                "{name}"
            );
        }
    }
    // The name `docker:27-dind` means the image `27-dind` in Docker, the image `docker:27-dind` in
    // any engine, or both at once.
    for (app, base, word, expected) in [
        ("other:1", "27-dind:latest", "docker:27-dind", Ok(BASE)),
        (
            "docker:27-dind",
            "27-dind:latest",
            "docker:docker:27-dind",
            Ok(APP),
        ),
        (
            "docker:27-dind",
            "27-dind:latest",
            "docker:27-dind:latest",
            Ok(BASE),
        ),
        (
            "docker:27-dind",
            "27-dind:latest",
            "docker:27-dind",
            Err(r#"cannot tell which image "docker:27-dind" is, for its layers differ"#),
        ),
        (
            "other:1",
            "some:1",
            "docker:27-dind",
            Err(r#"cannot find the image "27-dind""#),
        ),
        ("other:1", "some:1", "oci:1.0", Err(r#"cannot read "1.0""#)),
        (
            "other:1",
            "some:1",
            "containerd:1.7",
            Err(r#"cannot find the image "containerd:1.7""#),
        ),
    ] {
        let docker = docker_called(app, base);
        let stores =
            Words::try_parse_from(["x", "--docker-root", docker.path().to_str().unwrap(), word])
                .unwrap()
                .args;
        match (
            super::find(word, &stores.stores(&Paths::below(docker.path()))),
            expected,
        ) {
            (Ok(found), Ok(id)) => {
                assert_eq!(found.images[0].image_id.unwrap().to_string(), id, "{word}")
            }
            (Err(error), Err(begins)) => {
                assert!(error.to_string().starts_with(begins), "{word}: {error}")
            }
            (found, _) => panic!("{word}: {found:?}"),
        }
    }
}

#[test]
fn a_name_of_different_layers_in_two_engines_is_refused() {
    let (docker, storage) = (
        fixture("docker-20.10-overlay2"),
        fixture("podman-4.3-overlay/store"),
    );
    let words = Words::try_parse_from([
        "x",
        "--docker-root",
        &docker,
        "--storage-root",
        &storage,
        "app:1",
    ])
    .unwrap();
    let error = words
        .args
        .find_with(&Paths::below(Path::new("/nowhere")), &mut &b""[..])
        .unwrap_err();
    let expected = format!(
        "cannot tell which image \"app:1\" is, for its layers differ: \
         sha256:f3dc298cb8221664806c1d8ff03551f4b700fe12e99cbab1b0e79271d9dec293 in docker in {docker}; \
         sha256:8374e1ed3d3025b9875800aed44845175d276348c488f4e6e7567d864d32b5d8 in containers-storage in {storage}"
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(
        error.hint(),
        Some("name the engine: docker:NAME, podman:NAME or containerd:NAMESPACE/NAME")
    );
}

#[test]
fn an_archive_says_how_sure_its_layers_are() {
    let word = format!(
        "docker-archive:{}:two:1",
        fixture("archive/docker-20.10-save.tar.gz")
    );
    assert_eq!(
        find(&[&word], b"").unwrap().images[0].evidence,
        Sureness::Claimed
    );
    assert_eq!(
        find(&[&word, "--verify-layers"], b"").unwrap().images[0].evidence,
        Sureness::Hashed
    );
}

#[test]
fn a_config_is_read_from_standard_input() {
    let text = br#"{"architecture":"arm","variant":"v7","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let found = find(&["-", "--platform", "linux/arm"], text).unwrap();
    assert_eq!(
        (&found.images[0].places[..], &found.images[0].chain),
        (&["standard input".to_owned()][..], &None)
    );
    assert_eq!(
        find(&["-"], b"x").unwrap_err(),
        "cannot read standard input as an image config: it is not a JSON object"
    );
    let huge = vec![b' '; usize::try_from(MAX_DOCUMENT).unwrap() + 2];
    assert_eq!(
        find(&["-"], &huge).unwrap_err(),
        "cannot read standard input as an image config: it is larger than 4194304 bytes"
    );
}
