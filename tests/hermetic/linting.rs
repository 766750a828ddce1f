//! Tests what the real `embargoctl list lint` finds in a list's source, with images in real OCI
//! layouts and archives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use embargo::lineage::chain::Chain;
use embargo::lineage::digest::{DiffId, Digest};
use serde_json::{Value, json};

/// A directory with the files of a list's author, without an engine.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn embargoctl(&self, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_embargoctl"));
        command
            .env_clear()
            .current_dir(self.0.path())
            .arg("--root")
            .arg(self.path("node"))
            .args(words.split(' '));
        command.output().unwrap()
    }

    /// The exit status, the output and the error output of `list lint`.
    fn lint(&self, words: &str) -> (Option<i32>, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.embargoctl(format!("list lint {words}").trim_end());
        (
            status.code(),
            String::from_utf8(stdout).unwrap(),
            String::from_utf8(stderr).unwrap(),
        )
    }
}

/// An OCI image layout (image-spec, image-layout.md) that a test writes.
struct Layout {
    directory: PathBuf,
    entries: Vec<Value>,
}

/// A document in a layout.
#[derive(Clone)]
struct Blob {
    digest: Digest,
    size: usize,
}

impl Layout {
    fn new(directory: PathBuf) -> Self {
        fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
        fs::write(
            directory.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .unwrap();
        Self {
            directory,
            entries: Vec::new(),
        }
    }

    fn blob(&self, bytes: &[u8]) -> Blob {
        let digest = Digest::of(bytes);
        fs::write(
            self.directory.join("blobs/sha256").join(digest.hex()),
            bytes,
        )
        .unwrap();
        Blob {
            digest,
            size: bytes.len(),
        }
    }

    /// Writes the manifest of an image with these layers. Each layer is a tar archive with one file
    /// of the layer's name.
    fn image(&self, layers: &str, architecture: &str, variable: &str) -> Blob {
        let layers: Vec<_> = layers
            .split(' ')
            .map(|name| self.blob(&archive(name)))
            .collect();
        let diff_ids: Vec<_> = layers
            .iter()
            .map(|layer| layer.digest.to_string())
            .collect();
        let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
        let config = json!({ "architecture": architecture, "os": "linux", "config": { "Env": [variable] }, "rootfs": rootfs });
        let config = self.blob(config.to_string().as_bytes());
        let descriptor = |kind: &str, blob: &Blob| json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": blob.digest.to_string(), "size": blob.size });
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| descriptor("layer.v1.tar", layer))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("config.v1+json", &config),
            "layers": layers,
        });
        self.blob(manifest.to_string().as_bytes())
    }

    fn tag(&mut self, name: &str, kind: &str, blob: &Blob) {
        let annotations = json!({ "org.opencontainers.image.ref.name": name });
        let media_type = format!("application/vnd.oci.image.{kind}.v1+json");
        self.entries
            .push(json!({ "mediaType": media_type, "digest": blob.digest.to_string(), "size": blob.size, "annotations": annotations }));
        let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": self.entries });
        fs::write(self.directory.join("index.json"), index.to_string()).unwrap();
    }

    /// Writes an index of images, each with its architecture.
    fn index(&self, images: &[(&Blob, &str)]) -> Blob {
        let entry = |(blob, architecture): &(&Blob, &str)| {
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": blob.digest.to_string(),
                "size": blob.size,
                "platform": { "os": "linux", "architecture": architecture },
            })
        };
        let manifests: Vec<_> = images.iter().map(entry).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests });
        self.blob(index.to_string().as_bytes())
    }
}

/// A layer with one file.
fn archive(name: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append_data(&mut header, name, &b""[..]).unwrap();
    builder.into_inner().unwrap()
}

fn diff_id(layer: &str) -> Digest {
    Digest::of(&archive(layer))
}

fn chain_id(layers: &str) -> Digest {
    Chain::from_diff_ids(
        layers
            .split(' ')
            .map(|layer| DiffId(diff_id(layer)))
            .collect(),
    )
    .unwrap()
    .top()
    .0
}

/// A layout with four images: a base, an image that only sets a variable, an image built on that,
/// and an unrelated image.
fn family(directory: PathBuf) -> Layout {
    let mut layout = Layout::new(directory);
    for (name, layers, variable) in [
        ("team/base:1", "one two", "A=a"),
        ("team/env:1", "one two", "A=b"),
        ("team/app:1", "one two three", "A=a"),
        ("team/new:2", "other", "A=a"),
    ] {
        let image = layout.image(layers, "amd64", variable);
        layout.tag(name, "manifest", &image);
    }
    layout
}

const HEAD: &str =
    "[[ban]]\nid = \"BAN-1\"\nreason = \"r\"\nseverity = \"high\"\neffective = 2026-11-20\n";

#[test]
fn a_layout_shows_what_a_ban_hits_and_what_its_successor_is_made_of() {
    let desk = Desk::new();
    family(desk.path("layout"));
    let (base, two) = (chain_id("one two"), diff_id("two"));
    desk.put(
        "bans.toml",
        &format!(
            "{HEAD}successor = \"team/app:1\"\n[[ban.match]]\nbase = \"{base}\"\nname = \"team/base:1\"\n[[ban.match]]\nbase = \"{two}\"\n"
        ),
    );
    let expected = format!(
        "bans.toml:6: error: BAN-1: the successor team/app:1 is built on team/base:1, which this ban bans [successor-banned]\n    \
         hint: name an image that is not; if the fix came as a layer on top, add that layer to cure\n\
         bans.toml:8: warning: BAN-1: the ban also hits team/env:1, of the same layers [same-layers]\n    \
         hint: if only one of them is meant, ban its image ID: embargoctl ban --as image\n\
         bans.toml:11: error: BAN-1: base {two} is the diff ID of a layer of team/base:1, so it never matches as a base [wrong-kind]\n    \
         hint: write layer = …, or take another digest of embargoctl lineage team/base:1\n\
         bans.toml: 1 ban, 2 errors, 1 warning\n"
    );
    assert_eq!(
        desk.lint("--image oci:layout"),
        (Some(1), expected, String::new())
    );
}

#[test]
fn what_is_not_here_is_reported_and_may_be_named() {
    let desk = Desk::new();
    family(desk.path("layout"));
    desk.put(
        "bans.toml",
        &format!(
            "{HEAD}successor = \"registry.example/base:2\"\n[[ban.match]]\nbase = \"{}\"\n",
            chain_id("one two")
        ),
    );
    let note = "bans.toml:6: note: successor registry.example/base:2: not here, not checked [not-checked]\n    \
                hint: name it with --image registry.example/base:2=IMAGE\nbans.toml: 1 ban, 1 note, nothing wrong was found\n";
    assert_eq!(desk.lint(""), (Some(0), note.to_owned(), String::new()));
    let clean = (
        Some(0),
        "bans.toml: 1 ban, nothing wrong was found\n".to_owned(),
        String::new(),
    );
    assert_eq!(
        desk.lint("--deny-warnings --image registry.example/base:2=oci:layout:team/new:2"),
        clean
    );
    let (status, said, _) = desk.lint("--image registry.example/base:2=oci:layout:team/env:1");
    let error = format!(
        "the successor registry.example/base:2 has the layers of base {}, which this ban bans [successor-banned]",
        chain_id("one two")
    );
    assert!(status == Some(1) && said.contains(&error), "{said}");
    let (status, said, failure) = desk.lint("--image oci:nowhere");
    assert_eq!((status, said.as_str()), (Some(1), ""));
    assert_eq!(
        failure,
        "embargoctl: cannot read \"nowhere\": it is missing\n"
    );
}

#[test]
fn an_archive_shows_which_platforms_are_left_out() {
    let desk = Desk::new();
    let mut layout = Layout::new(desk.path("layout"));
    let images = ["amd64", "arm64", "s390x"].map(|architecture| {
        (
            layout.image(architecture, architecture, "A=a"),
            architecture,
        )
    });
    let index = layout.index(
        &images
            .each_ref()
            .map(|(image, architecture)| (image, *architecture)),
    );
    layout.tag("team/base:1", "index", &index);
    // Removes the manifest of one image, as if that image had never been fetched.
    fs::remove_file(
        desk.path("layout/blobs/sha256")
            .join(images[2].0.digest.hex()),
    )
    .unwrap();
    let mut archive = tar::Builder::new(fs::File::create(desk.path("images.tar")).unwrap());
    archive.append_dir_all(".", desk.path("layout")).unwrap();
    archive.finish().unwrap();
    let output =
        desk.embargoctl("ban --id BAN-1 --reason r --platform linux/amd64 oci-archive:images.tar");
    assert!(output.status.success(), "{output:?}");
    let expected = "bans.toml:9: warning: BAN-1: team/base:1 is banned, and not for linux/arm64 and linux/s390x [missing-platform]\n    \
                    hint: ban the image with all its platforms at hand: an OCI layout of `skopeo copy --all`\nbans.toml: 1 ban, 1 warning\n";
    assert_eq!(
        desk.lint("--image oci-archive:images.tar"),
        (Some(0), expected.to_owned(), String::new())
    );
    assert_eq!(
        desk.lint("--image oci-archive:images.tar --deny-warnings")
            .0,
        Some(1)
    );
}

#[test]
fn a_ban_is_looked_at_as_it_is_added() {
    let desk = Desk::new();
    family(desk.path("layout"));
    let words = "ban --id BAN-1 --reason r --severity critical --action warn --successor team/base:1 oci:layout:team/base:1";
    let Output { status, stderr, .. } = desk.embargoctl(words);
    let expected = "embargoctl: warning: the ban is critical and only warns: every container starts\nhint: action = \"refuse\", or a lower severity\n\
                    embargoctl: warning: the successor team/base:1 is what this ban bans\n\
                    hint: name the image that has the fix; a rebuilt one of the same name by its digest, NAME@sha256:DIGEST\n";
    assert_eq!(
        (status.code(), String::from_utf8(stderr).unwrap().as_str()),
        (Some(0), expected)
    );
}

#[test]
fn a_date_before_the_last_list_is_reported_by_that_list() {
    let desk = Desk::new();
    let ban = |id: &str, effective: &str| {
        let head = HEAD.replace("BAN-1", id).replace("2026-11-20", effective);
        format!("{head}[[ban.match]]\nbase = \"{}\"\n", chain_id(id))
    };
    desk.put(
        "bans.toml",
        &(ban("BAN-1", "2026-10-01") + &ban("BAN-2", "2026-10-01")),
    );
    let built = desk.embargoctl("list build --origin bans.example.com/test --version 7 --issued 2026-11-01T00:00:00Z --out last.lst");
    assert!(built.status.success(), "{built:?}");
    desk.put(
        "bans.toml",
        &(ban("BAN-1", "2026-10-01") + &ban("BAN-3", "2026-10-20")),
    );
    let expected = "bans.toml:1: warning: BAN-2: is in version 7 and no longer in the source: that lifts it, unless another ban holds for the same [ban-gone]\n    \
                    hint: embargoctl list diff shows what is lifted; if it is meant: lifting needs the keyset's lift threshold\n\
                    bans.toml:12: warning: BAN-3: the ban is to hold since 2026-10-20T00:00:00Z, before version 7 was issued, which does not have it [backdated]\n    \
                    hint: nobody was warned: take a time after 2026-11-01T00:00:00Z, better some days from now\n\
                    bans.toml: 2 bans, 2 warnings\n";
    assert_eq!(
        desk.lint("--last last.lst"),
        (Some(0), expected.to_owned(), String::new())
    );
}

#[test]
fn no_list_is_built_of_what_the_linter_calls_an_error_in_reading() {
    let desk = Desk::new();
    desk.put("digests.txt", "sha256:1\n");
    desk.put(
        "bans.toml",
        &format!(
            "{HEAD}sevreity = \"low\"\n[[ban.match]]\nbase_file = \"digests.txt\"\n[[ban.except]]\nbase = \"{}\"\nreason = \"r\"\n",
            diff_id("x")
        ),
    );
    let (status, said, _) = desk.lint("--json");
    let report: Value = serde_json::from_str(&said).unwrap();
    let found = report["findings"].as_array().unwrap();
    let reported: Vec<_> = found
        .iter()
        .map(|finding| {
            (
                finding["file"].as_str().unwrap(),
                finding["line"].as_u64().unwrap(),
                finding["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        reported,
        [
            ("bans.toml", 6, "unreadable"),
            ("bans.toml", 10, "endless-exception"),
            ("digests.txt", 1, "unreadable")
        ]
    );
    assert_eq!(
        (status, &report["errors"], &report["bans"]),
        (Some(1), &json!(3), &json!(1))
    );
    let built = desk.embargoctl("list build --origin bans.example.com/test --version 1");
    assert_eq!(built.status.code(), Some(1));
    assert!(!Path::new(&desk.path("banlist.lst")).exists());
    assert_eq!(desk.lint("--no-such-option").0, Some(64));
    let (status, said, failure) = desk.lint("--source gone.toml");
    assert_eq!(
        (status, said, failure),
        (
            Some(1),
            String::new(),
            "embargoctl: cannot read \"gone.toml\": it is missing\n".to_owned()
        )
    );
}
