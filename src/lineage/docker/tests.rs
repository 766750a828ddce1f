//! Tests Docker's own files, as 20.10 wrote them, and as a power cut or a forger leaves them.
//!
//! `web-1` is made of an image of three layers, `gone-1` of one of four that was removed by force,
//! `empty-1` of one without layers, `pulled-1` of one of three that was pulled by the digest of its
//! index.

use std::error::Error as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use super::*;
use crate::container::mount::{MountQuery, find};
use crate::lineage::digest::{Digest, ImageId};

const BASE: &str = "sha256:7a6b42c194afeebb4e29dd9bbf2c3b65f7f8d1066e1409285feda9993e5a8782";
const APP: &str = "sha256:f3dc298cb8221664806c1d8ff03551f4b700fe12e99cbab1b0e79271d9dec293";
const GONE: &str = "sha256:7822350ffa07ccaf8493215368c856e2e88983be5617463779084d81fe29c12a";
const PULLED: &str = "sha256:585ab3901399b24d036e0d3b79a61f089d658788620374c9f49899026d4281d7";
const APP_IMAGE: &str = "sha256:4448f3d13a0677195694f44f664e86406aea51b99a178ffc41a37dae540cc32d";
const PULLED_IMAGE: &str =
    "sha256:e56b16a6e5c5f5b4f397d841ec3a0a5d0c25bea82f78080eb1d1a56debf710a9";

const WEB_1: &str = "1fa27903b71f0c519a18643bb0e0ebfc48844ba0192a693b7d3af9f2c799e892";
const GONE_1: &str = "da2c5e3201998f5c989020afc287a673c29bbdfabbdfafae814311f85de1581e";
const EMPTY_1: &str = "1b661520a8a1c4c54cc3d7deedaf66eecd992fb0edba713be1c9aba484f8d60b";
const PULLED_1: &str = "a3ff6144f700278b53aeb42ed0b7e1276a3dcb191a289c955faaea04fc5d7b70";

/// Changes a mount.
type Change<'a> = &'a dyn Fn(&mut RootMount);

/// Replaces a file by something else.
type Make = fn(&Path);

/// A copy of a fixture, for a test to break.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(fixture: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy_tree(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/fixtures")
                .join(fixture),
            directory.path(),
        );
        Self(directory)
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    fn write(&self, relative: &str, content: &[u8]) {
        let path = self.path(relative);
        fs::remove_file(&path).ok();
        std::io::Write::write_all(
            &mut fs::OpenOptions::new()
                .create_new(true)
                .write(true)
                .open(path)
                .unwrap(),
            content,
        )
        .unwrap();
    }

    fn read(&self, relative: &str) -> Vec<u8> {
        crate::sys::file::read(&self.path(relative), 1 << 20, Guard::Any).unwrap()
    }

    /// The mount whose line in the fixture's mountinfo ends in these names, with its directories
    /// moved into this copy.
    fn mount(&self, point: &str) -> RootMount {
        let table = String::from_utf8(self.read("mountinfo")).unwrap();
        let moved = table.replace("/var/lib/docker", self.0.path().to_str().unwrap());
        find(moved.as_bytes(), MountQuery::Point(&self.path(point))).unwrap()
    }
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (entry, kind) = entry
            .map(|entry| (entry.path(), entry.file_type().unwrap()))
            .unwrap();
        let target = to.join(entry.file_name().unwrap());
        if kind.is_dir() {
            fs::create_dir(&target).unwrap();
            copy_tree(&entry, &target);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&entry).unwrap(), target).unwrap();
        } else {
            fs::copy(&entry, &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
}

fn soon() -> &'static Deadline {
    Box::leak(Box::new(Duration::from_secs(30).into()))
}

/// Resolves a container of the overlay2 fixture at its start, as the gate does, with its own mount
/// at the start or none.
fn start(
    copy: &Copy,
    container: &str,
    change: impl Fn(&mut RootMount),
) -> Result<Origin, LineageError> {
    let id = ContainerId::parse(container).unwrap();
    let data_root = copy.0.path().to_owned();
    let record = LayerStore::of(&data_root, Driver::Overlay2)
        .mount_of(&id, Guard::Owned)?
        .unwrap();
    let root = LayerRoot {
        data_root,
        driver: Driver::Overlay2,
        layer: record.layer.clone(),
    };
    let mut mount = copy.mount(&format!("overlay2/{}/merged", record.layer));
    change(&mut mount);
    origin(
        StoredLayer {
            id: &id,
            root: &root,
            record,
            standing: ContainerState::Starting,
            mount: Some(mount),
        },
        soon(),
    )
}

fn lineage(origin: Origin) -> ImageLineage {
    match origin {
        Origin::Image(lineage) => lineage,
        other @ (Origin::NoLayers(_) | Origin::NoImage) => panic!("{other:?}"),
    }
}

fn image_id(text: &str) -> Option<ImageId> {
    Some(ImageId::parse(text).unwrap())
}

#[test]
fn a_container_is_resolved_to_the_chain_that_is_mounted() {
    let copy = Copy::of("docker-20.10-overlay2");
    let web = lineage(start(&copy, WEB_1, |_| ()).unwrap());
    assert_eq!(
        web.chain
            .chain_ids()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()[..],
        [BASE, web.chain.chain_ids()[1].to_string().as_str(), APP]
    );
    assert_eq!(web.evidence, Evidence::Mount);
    assert_eq!(web.facts.image_id, image_id(APP_IMAGE));
    assert_eq!(web.facts.name.as_deref(), Some("app:1"));
    assert_eq!(
        web.facts.config_file,
        Some(record::config_file(
            copy.0.path(),
            Driver::Overlay2,
            web.facts.image_id.unwrap()
        ))
    );
    assert_eq!(web.facts.manifests, []);
}

#[test]
fn an_image_without_layers_differs_from_one_whose_record_is_lost() {
    let copy = Copy::of("docker-20.10-overlay2");
    assert!(matches!(
        start(&copy, EMPTY_1, |_| ()),
        Ok(Origin::NoLayers(_))
    ));
    fs::remove_file(copy.path(&format!("image/overlay2/layerdb/mounts/{GONE_1}/parent"))).unwrap();
    let error = start(&copy, GONE_1, |_| ()).unwrap_err();
    assert!(
        matches!(error, LineageError::Corrupt(Corrupt::Mount(..))),
        "{error}"
    );
}

#[test]
fn an_image_that_was_removed_by_force_is_walked_layer_by_layer() {
    let copy = Copy::of("docker-20.10-overlay2");
    let gone = lineage(start(&copy, GONE_1, |_| ()).unwrap());
    assert_eq!(
        (
            gone.chain.top().to_string().as_str(),
            gone.chain.chain_ids().len()
        ),
        (GONE, 4)
    );
    assert_eq!(
        (
            gone.chain.chain_ids()[0].to_string().as_str(),
            gone.evidence
        ),
        (BASE, Evidence::Mount)
    );
    assert_eq!(
        gone.facts.image_id,
        image_id("sha256:55d38c305f597c5216b8519f60bd462befb99f8cb61e4a7b37d275dc3c3431f7")
    );
    assert_eq!(gone.facts.config_file, None);
}

#[test]
fn the_digest_an_image_was_pulled_by_is_known() {
    let copy = Copy::of("docker-20.10-overlay2");
    let store = GraphStore::open(copy.0.path()).unwrap();
    let pulled = lineage(
        store
            .container(&ContainerId::parse(PULLED_1).unwrap(), soon().clone())
            .unwrap(),
    );
    let index = "sha256:b64603c664f5ac9255bfb3942001a424054ebceb51224b9ca3132d8dfb9ed6a4";
    assert_eq!(pulled.facts.manifests, [Digest::parse(index).unwrap()]);
    assert_eq!(
        (pulled.facts.image_id, pulled.evidence),
        (image_id(PULLED_IMAGE), Evidence::Metadata)
    );
    assert_eq!(pulled.chain.top().to_string(), PULLED);
}

#[test]
fn a_mount_that_is_not_the_recorded_one_is_corrupt() {
    let copy = Copy::of("docker-20.10-overlay2");
    let home = copy.path("overlay2");
    let layer = "c213bdd603e0df25cb514ceea18225d3b14cf6987120f70e4593b100ff03e234";
    let path = |names: &str| home.join(names);
    let cases: [(Change<'_>, String); 7] = [
        (
            &|mount| mount.fs_type = "ext4".into(),
            "it is of the type \"ext4\"".into(),
        ),
        (
            &|mount| drop(mount.lowerdirs.pop()),
            "it has 3 lower directories, for 3 layers and one more".into(),
        ),
        (
            &|mount| mount.lowerdirs.push(path("l/x")),
            "it has 5 lower directories, for 3 layers and one more".into(),
        ),
        (
            &|mount| mount.lowerdirs.swap(1, 2),
            format!(
                "its lower directory {:?} is not the layer \"097ffa9719d109a64f075739858acbe0bb971968b686aa6bbbbcaaef63dd09dc\"",
                path("l/VN4WO745KHSRD56OPZDCBGWX2Z")
            ),
        ),
        (
            &|mount| mount.lowerdirs[0] = path("l/3XALVMRJ2EF5VXWLUWPIVHHHHE"),
            format!(
                "its lower directory {:?} is not the layer \"{layer}-init\"",
                path("l/3XALVMRJ2EF5VXWLUWPIVHHHHE")
            ),
        ),
        (
            &|mount| mount.upperdir = None,
            "its upper directory is \"\"".into(),
        ),
        (
            &|mount| mount.upperdir = Some("/other/overlay2/x/diff".into()),
            "its upper directory is \"/other/overlay2/x/diff\"".into(),
        ),
    ];
    for (change, difference) in cases {
        let error = start(&copy, WEB_1, change).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot trust the mount at {:?}: {difference}",
                path(layer).join("merged")
            )
        );
        assert!(matches!(error, LineageError::Corrupt(_)));
    }
}

#[test]
fn directories_relative_to_the_driver_are_those_of_many_layers() {
    let copy = Copy::of("docker-20.10-overlay2");
    let home = copy.path("overlay2");
    let relative = |mount: &mut RootMount| {
        for directory in mount.lowerdirs.iter_mut().chain(&mut mount.upperdir) {
            *directory = directory.strip_prefix(&home).unwrap().to_owned();
        }
    };
    assert_eq!(
        lineage(start(&copy, WEB_1, relative).unwrap()).evidence,
        Evidence::Mount
    );
}

/// The files of the fixture, for the table of broken ones.
fn layer_file(chain: &str, name: &str) -> String {
    format!(
        "image/overlay2/layerdb/sha256/{}/{name}",
        chain.trim_start_matches("sha256:")
    )
}

fn mount_file(container: &str, name: &str) -> String {
    format!("image/overlay2/layerdb/mounts/{container}/{name}")
}

#[test]
fn a_broken_file_is_named_and_never_taken_for_a_fact() {
    let middle = "sha256:bd8eaf45b5eb286391727a785463e7da0f054a10c65d5dbb140aa99218393905";
    let record = |container: &str| format!("containers/{container}/config.v2.json");
    let config = format!("image/overlay2/imagedb/content/sha256/{}", &APP_IMAGE[7..]);
    let cut = "is not a sha256 digest";
    for (container, file, content, fault) in [
        (
            WEB_1,
            mount_file(WEB_1, "mount-id"),
            &b""[..],
            "it is empty".to_owned(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "mount-id"),
            b"../../x",
            "\"../../x\" is not a layer's name".into(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            b"",
            "it is empty".into(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            b"sha256:7a6b",
            format!("\"sha256:7a6b\" {cut}"),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            b"\xff\xfe",
            "it is not UTF-8".into(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            &[b'a'; 257],
            "it is larger than 256 bytes".into(),
        ),
        (
            WEB_1,
            mount_file(WEB_1, "parent"),
            BASE.as_bytes(),
            format!("it names {BASE}, and the container's image has {APP}"),
        ),
        (
            WEB_1,
            layer_file(middle, "cache-id"),
            b"",
            "it is empty".into(),
        ),
        (
            WEB_1,
            record(WEB_1),
            b"",
            "EOF while parsing a value at line 1 column 0".into(),
        ),
        (
            WEB_1,
            record(WEB_1),
            b"{\"Image\":\"app:1\"}",
            "\"app:1\" is not an image ID".into(),
        ),
        (
            GONE_1,
            layer_file(middle, "diff"),
            b"",
            "it is empty".into(),
        ),
        (
            GONE_1,
            layer_file(middle, "diff"),
            b"sha256:",
            format!("\"sha256:\" {cut}"),
        ),
        (
            GONE_1,
            layer_file(middle, "parent"),
            b"",
            "it is empty".into(),
        ),
        (
            GONE_1,
            layer_file(BASE, "parent"),
            GONE.as_bytes(),
            "the layers' parents form a circle".into(),
        ),
        (
            WEB_1,
            config,
            b"{}",
            format!("it hashes to {}, not to {APP_IMAGE}", Digest::of(b"{}")),
        ),
    ] {
        let copy = Copy::of("docker-20.10-overlay2");
        copy.write(&file, content);
        let error = start(&copy, container, |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot trust {:?}: {fault}", copy.path(&file))
        );
        assert!(matches!(error, LineageError::Corrupt(_)), "{error:?}");
    }
}

#[test]
fn names_that_cannot_be_read_make_no_store_corrupt() {
    let names = "image/overlay2/repositories.json";
    for fault in ["none", "cut", "no names", "65 MiB", "a directory"] {
        let copy = Copy::of("docker-20.10-overlay2");
        let store = GraphStore::open(&copy.path("")).unwrap();
        let pulled = || {
            lineage(
                store
                    .container(&ContainerId::parse(PULLED_1).unwrap(), soon().clone())
                    .unwrap(),
            )
        };
        let known = pulled();
        assert_eq!(known.facts.manifests.len(), 1);
        match fault {
            "none" => fs::remove_file(copy.path(names)).unwrap(),
            "cut" => copy.write(names, b"{\"Repositories\":{\"app\":"),
            "no names" => copy.write(names, b"{\"Repositories\":[]}"),
            "65 MiB" => fs::OpenOptions::new()
                .write(true)
                .open(copy.path(names))
                .unwrap()
                .set_len(65 << 20)
                .unwrap(),
            _directory => {
                fs::remove_file(copy.path(names)).unwrap();
                fs::create_dir(copy.path(names)).unwrap();
            }
        }
        let found = pulled();
        assert_eq!(
            (
                found.chain,
                found.facts.image_id,
                &found.facts.manifests[..]
            ),
            (known.chain, known.facts.image_id, &[][..]),
            "{fault}"
        );
        // No file is no fault: it does not exist before the first image gets a name.
        assert_eq!(
            found.facts.pull_fault.is_some(),
            fault != "none",
            "{fault}: {:?}",
            found.facts.pull_fault
        );
        let image = store.image(PULLED_IMAGE).map(lineage);
        assert_eq!(image.is_ok(), fault == "none", "{fault}");
        assert!(start(&copy, WEB_1, |_| ()).is_ok(), "{fault}");
    }
}

#[test]
fn names_of_150_000_tags_are_read() {
    let copy = Copy::of("docker-20.10-overlay2");
    let names = "image/overlay2/repositories.json";
    let text = String::from_utf8(copy.read(names)).unwrap();
    let tags: String = (0..150_000)
        .map(|tag| format!("\"registry.example/team/app:{tag:032}\":\"{APP_IMAGE}\","))
        .collect();
    let text = text.replacen(
        "{\"Repositories\":{",
        &format!(
            "{{\"Repositories\":{{\"registry.example/team/app\":{{{}}},",
            tags.trim_end_matches(',')
        ),
        1,
    );
    assert!(text.len() > 16 << 20);
    copy.write(names, text.as_bytes());
    let store = GraphStore::open(&copy.path("")).unwrap();
    let pulled = lineage(
        store
            .container(&ContainerId::parse(PULLED_1).unwrap(), soon().clone())
            .unwrap(),
    );
    assert_eq!(pulled.facts.manifests.len(), 1);
    assert!(start(&copy, WEB_1, |_| ()).is_ok());
}

#[test]
fn a_large_image_config_and_a_large_record_of_its_labels_are_read() {
    for mib in [5, 20] {
        let copy = Copy::of("docker-20.10-overlay2");
        let expected = lineage(start(&copy, WEB_1, |_| ()).unwrap()).chain;
        let config = String::from_utf8(copy.read(&format!(
            "image/overlay2/imagedb/content/sha256/{}",
            &APP_IMAGE[7..]
        )))
        .unwrap();
        let label = format!("{{\"comment\":\"{}\",", "x".repeat(mib << 20));
        let config = config.replacen('{', &label, 1);
        let id = Digest::of(config.as_bytes()).to_string();
        copy.write(
            &format!("image/overlay2/imagedb/content/sha256/{}", &id[7..]),
            config.as_bytes(),
        );
        let record = format!("containers/{WEB_1}/config.v2.json");
        let text = String::from_utf8(copy.read(&record))
            .unwrap()
            .replace(APP_IMAGE, &id)
            .replacen('{', &label, 1);
        copy.write(&record, text.as_bytes());
        let found = lineage(start(&copy, WEB_1, |_| ()).unwrap());
        assert_eq!(
            (found.chain, found.facts.image_id.map(|id| id.to_string())),
            (expected, Some(id)),
            "{mib} MiB"
        );
    }
}

#[test]
fn an_image_config_with_keys_of_another_case_does_not_hide_the_layers() {
    let copy = Copy::of("docker-20.10-overlay2");
    let expected = lineage(start(&copy, WEB_1, |_| ()).unwrap()).chain;
    let config = String::from_utf8(copy.read(&format!(
        "image/overlay2/imagedb/content/sha256/{}",
        &APP_IMAGE[7..]
    )))
    .unwrap();
    let config = config.replace("\"rootfs\"", "\"RootFS\"");
    let id = Digest::of(config.as_bytes()).to_string();
    copy.write(
        &format!("image/overlay2/imagedb/content/sha256/{}", &id[7..]),
        config.as_bytes(),
    );
    let record = format!("containers/{WEB_1}/config.v2.json");
    copy.write(
        &record,
        String::from_utf8(copy.read(&record))
            .unwrap()
            .replace(APP_IMAGE, &id)
            .as_bytes(),
    );
    assert_eq!(
        lineage(start(&copy, WEB_1, |_| ()).unwrap()).chain,
        expected
    );
    // A record of layers below a container that has none.
    copy.write(&mount_file(EMPTY_1, "parent"), BASE.as_bytes());
    let error = start(&copy, EMPTY_1, |_| ()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it has 1 lower directories, for 1 layers and one more"),
        "{error}"
    );
    assert!(matches!(error, LineageError::Corrupt(_)), "{error:?}");
}

#[test]
fn a_chain_that_does_not_hash_to_its_name_is_corrupt() {
    let copy = Copy::of("docker-20.10-overlay2");
    copy.write(&layer_file(BASE, "diff"), APP.as_bytes());
    let error = start(&copy, GONE_1, |_| ()).unwrap_err();
    assert!(
        error.to_string().ends_with(&format!(", not to {GONE}")),
        "{error}"
    );
    assert!(matches!(error, LineageError::Corrupt(Corrupt::Hash(..))));
}

#[test]
fn a_missing_file_is_unknown_only_where_nothing_refers_to_it() {
    for (container, file, fault, corrupt) in [
        (
            WEB_1,
            layer_file(APP, "cache-id"),
            "cannot trust {}: it is missing",
            true,
        ),
        (
            GONE_1,
            layer_file(BASE, "diff"),
            "cannot trust {}: it is missing",
            true,
        ),
        (
            WEB_1,
            format!("containers/{WEB_1}/config.v2.json"),
            "cannot find the record of the container in {}",
            false,
        ),
        (
            WEB_1,
            mount_file(WEB_1, "mount-id"),
            "cannot trust {}: it is missing",
            true,
        ),
    ] {
        let copy = Copy::of("docker-20.10-overlay2");
        fs::remove_file(copy.path(&file)).unwrap();
        let error = start(&copy, container, |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            fault.replace("{}", &format!("{:?}", copy.path(&file)))
        );
        assert_eq!(
            matches!(error, LineageError::Corrupt(_)),
            corrupt,
            "{error:?}"
        );
    }
    let copy = Copy::of("docker-20.10-overlay2");
    fs::remove_dir_all(copy.path("image/overlay2/layerdb/mounts")).unwrap();
    let layers = LayerStore::of(copy.0.path(), Driver::Overlay2);
    assert_eq!(
        layers
            .mount_of(&ContainerId::parse(WEB_1).unwrap(), Guard::Owned)
            .unwrap(),
        None
    );
}

#[test]
fn what_is_no_regular_file_of_the_engine_is_not_followed() {
    let file = mount_file(WEB_1, "parent");
    let replace: [(Make, &str); 4] = [
        (
            |path| symlink("/etc/hostname", path).unwrap(),
            "it is a symbolic link",
        ),
        (
            |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            "it is not a regular file",
        ),
        (
            |path| fs::create_dir(path).unwrap(),
            "it is not a regular file",
        ),
        (
            |path| symlink("nowhere", path).unwrap(),
            "it is a symbolic link",
        ),
    ];
    for (make, fault) in replace {
        let copy = Copy::of("docker-20.10-overlay2");
        fs::remove_file(copy.path(&file)).unwrap();
        make(&copy.path(&file));
        assert_eq!(
            start(&copy, WEB_1, |_| ()).unwrap_err().to_string(),
            format!("cannot trust {:?}: {fault}", copy.path(&file))
        );
    }
    let copy = Copy::of("docker-20.10-overlay2");
    let tie = copy.path(&mount_file(WEB_1, "mount-id"));
    fs::set_permissions(&tie, fs::Permissions::from_mode(0o666)).unwrap();
    let error = start(&copy, WEB_1, |_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot trust {tie:?}: it is owned or writable by another user")
    );
}

#[test]
fn a_deadline_that_has_passed_leaves_the_lineage_unknown() {
    let copy = Copy::of("docker-20.10-overlay2");
    let layers = LayerStore::of(copy.0.path(), Driver::Overlay2);
    let error = layers
        .chain(ChainId::parse(GONE).unwrap(), &Duration::ZERO.into())
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot tell the lineage in time");
    assert!(error.source().is_none());
}

#[test]
fn whole_copies_are_resolved_without_a_mount() {
    let copy = Copy::of("docker-20.10-vfs");
    let web = "c67c677a3985656f6c1321c579f2bcccbc08d2156f50100de0b10f8ec8d318d0";
    let empty = "2f73ae8b72fa3ddf7e0cba168cb9e8400c689281391f6e2f9249b1b78226237b";
    let bundle = |container: &str| {
        let id = ContainerId::parse(container).unwrap();
        let layer = LayerStore::of(copy.0.path(), Driver::Vfs)
            .mount_of(&id, Guard::Any)
            .unwrap()
            .unwrap()
            .layer;
        Bundle {
            path: "/bundle".into(),
            root: copy.path("vfs/dir").join(layer),
            id,
        }
    };
    let found = lineage(resolve(&bundle(web), soon()).unwrap().unwrap());
    assert_eq!(
        (found.chain.chain_ids().len(), found.evidence),
        (3, Evidence::Metadata)
    );
    assert!(matches!(
        resolve(&bundle(empty), soon()),
        Ok(Some(Origin::NoLayers(_)))
    ));
    let swapped = Bundle {
        root: bundle(empty).root,
        ..bundle(web)
    };
    assert!(matches!(
        resolve(&swapped, soon()),
        Err(LineageError::Corrupt(Corrupt::Mount(..)))
    ));
    let unknown = Bundle {
        id: ContainerId::parse("stranger").unwrap(),
        ..bundle(web)
    };
    assert_eq!(resolve(&unknown, soon()).unwrap(), None);
    // The record of the layers below is lost in a power cut, and the image was removed by force.
    let parent = format!("image/vfs/layerdb/mounts/{web}/parent");
    fs::remove_file(copy.path(&parent)).unwrap();
    fs::remove_dir_all(copy.path("image/vfs/imagedb")).unwrap();
    let error = resolve(&bundle(web), soon()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find the chain ID of the container's image in {:?}",
            copy.path(&parent)
        )
    );
}

#[test]
fn a_build_step_has_the_chain_of_the_base_under_earlier_steps() {
    let copy = Copy::of("docker-20.10-buildkit-run");
    let point = "buildkit/executor/wbh0b8jj81tl66n6o6m86p1fz/rootfs";
    let root = copy.path("buildkit");
    let resolve = |change: &dyn Fn(&mut RootMount)| {
        let mut mount = copy.mount(point);
        change(&mut mount);
        build_step::overlay_step(Path::new("/step"), &mount, &root, soon())
    };
    let step = lineage(resolve(&|_| ()).unwrap().unwrap());
    assert_eq!(
        (
            step.chain.chain_ids().len(),
            step.chain.top().to_string().as_str()
        ),
        (1, BASE)
    );
    assert_eq!(
        (step.evidence, step.facts),
        (Evidence::Mount, ImageFacts::default())
    );
    // BuildKit's own record knows of a base that no directory shows: for example, a layer whose
    // cache-id is lost.
    let lost = resolve(&|mount| drop(mount.lowerdirs.pop())).unwrap_err();
    assert_eq!(
        lost.to_string(),
        format!(
            "cannot trust the mount at \"/step\": none of its lower directories is a layer of {BASE}"
        )
    );
    let unrecorded = resolve(&|mount| {
        mount.lowerdirs.pop();
        mount.upperdir = Some(copy.path("overlay2/0000000000000000000000000/diff"));
    });
    assert!(
        unrecorded
            .unwrap_err()
            .to_string()
            .starts_with("cannot find the snapshot of the build step in ")
    );
    // containerd's snapshotter, while the layers of the graph driver are still there.
    let moved = resolve(&|mount| {
        mount.upperdir = Some(
            copy.path("containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs"),
        );
        mount.lowerdirs = vec!["3/fs".into(), "1/fs".into()];
    });
    assert_eq!(moved.unwrap(), None);
    let relative =
        resolve(&|mount| mount.lowerdirs = vec!["l/5L5BEC7W72S2YPCVK3BHJVHPJ7".into()]).unwrap();
    assert_eq!(lineage(relative.unwrap()).chain.top().to_string(), BASE);
    // The middle layer of an image takes the place of the base: its own base is missing below it.
    let torn =
        resolve(&|mount| mount.lowerdirs[1] = copy.path("overlay2/l/VN4WO745KHSRD56OPZDCBGWX2Z"))
            .unwrap_err();
    let middle = "sha256:bd8eaf45b5eb286391727a785463e7da0f054a10c65d5dbb140aa99218393905";
    assert_eq!(
        torn.to_string(),
        format!(
            "cannot trust the mount at \"/step\": its lower directories are not the layers of {middle}"
        )
    );
    for foreign in ["/var/lib/containerd/snapshots/3/fs", "overlay2/3/fs"] {
        assert!(
            matches!(
                resolve(&|mount| mount.lowerdirs = vec![copy.path(foreign)]),
                Ok(None) | Err(LineageError::Unknown(_))
            ),
            "{foreign}"
        );
    }
}

#[test]
fn a_root_is_in_a_graph_driver_only_by_its_drivers_shape() {
    for (root, data_root, driver, layer) in [
        (
            "/var/lib/docker/overlay2/m1/merged",
            "/var/lib/docker",
            Driver::Overlay2,
            "m1",
        ),
        (
            "/data/165536.165536/overlay2/m1/merged",
            "/data/165536.165536",
            Driver::Overlay2,
            "m1",
        ),
        (
            "/home/u/.local/share/docker/fuse-overlayfs/m1/merged",
            "/home/u/.local/share/docker",
            Driver::FuseOverlayfs,
            "m1",
        ),
        ("/d/vfs/dir/m1", "/d", Driver::Vfs, "m1"),
        ("/d/btrfs/subvolumes/m1", "/d", Driver::Btrfs, "m1"),
        ("/d/zfs/graph/m1", "/d", Driver::Zfs, "m1"),
    ] {
        let found = LayerRoot::of(Path::new(root)).unwrap();
        assert_eq!(
            found,
            LayerRoot {
                data_root: data_root.into(),
                driver,
                layer: layer.into()
            }
        );
        assert_eq!(found.path(), Path::new(root));
    }
    for root in [
        "/",
        "/merged",
        "/d/rootfs/overlayfs/c1",
        "/s/overlay/m1/merged",
        "/d/vfs/m1/merged",
        "/d/overlay2/dir/m1",
        "/b/rootfs",
    ] {
        assert_eq!(LayerRoot::of(Path::new(root)), None, "{root}");
    }
}

#[test]
fn people_find_containers_and_images_by_name_and_id() {
    let copy = Copy::of("docker-20.10-overlay2");
    let store = GraphStore::open(copy.0.path()).unwrap();
    let mut names: Vec<_> = super::store::containers(copy.0.path(), 100, super::LARGEST_RECORD)
        .unwrap()
        .into_iter()
        .flat_map(|container| container.names)
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["empty-1", "gone-1", "pulled-1", "web-1"]);
    let images = store.images().unwrap();
    let app = images
        .iter()
        .find(|image| image.names == ["app:1"])
        .unwrap();
    assert_eq!((app.id.to_string().as_str(), images.len()), (APP_IMAGE, 8));
    for reference in [
        "app:1",
        "docker.io/library/app:1",
        APP_IMAGE,
        &APP_IMAGE[7..],
        "4448f3d13a06",
        "sha256:4448",
    ] {
        let found = lineage(store.image(reference).unwrap());
        assert_eq!(
            (found.chain.top().to_string().as_str(), found.evidence),
            (APP, Evidence::Metadata),
            "{reference}"
        );
    }
    let index = "localhost:5081/team/multi:1@sha256:b64603c664f5ac9255bfb3942001a424054ebceb51224b9ca3132d8dfb9ed6a4";
    assert_eq!(
        lineage(store.image(index).unwrap()).facts.image_id,
        image_id(PULLED_IMAGE)
    );
    assert!(matches!(store.image("empty:1"), Ok(Origin::NoLayers(_))));
    for (reference, what) in [
        ("app", "such an image"),
        ("app:2", "such an image"),
        ("0123", "such an image"),
        ("5", "a single image of that ID"),
    ] {
        let message = format!("cannot find {what} in {:?}", copy.0.path());
        assert_eq!(store.image(reference).unwrap_err().to_string(), message);
    }
    let none = tempfile::tempdir().unwrap();
    let error = GraphStore::open(none.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find the image store of a graph driver in {:?}",
            none.path()
        )
    );
}

/// Found in review: a user's runtime spec of 16 MiB had room for eight million directories above
/// its root, and each was examined.
#[test]
fn no_record_is_looked_for_above_a_root_that_no_kernel_takes() {
    let bundle = |times: usize| Bundle {
        path: "/b".into(),
        id: ContainerId::parse("web-1").unwrap(),
        root: "/a".repeat(times).into(),
    };
    assert_eq!(
        records(&bundle(2)).next(),
        Some("/a/a/containers/web-1/config.v2.json".into())
    );
    assert_eq!(
        [1, 2_047, 2_048, 8 << 20].map(|times| records(&bundle(times)).count()),
        [2, 2_048, 0, 0]
    );
}
