//! Tests Docker's own files: as Docker 20.10 wrote them, after a power cut, and forged.
//!
//! `web-1` has an image of three layers. `gone-1` has an image of four layers that was removed by
//! force. `empty-1` has an image without layers. `pulled-1` has an image of three layers that was
//! pulled by the digest of its index.

use std::error::Error as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use super::*;
use crate::container::mount::{MountQuery, find};
use crate::lineage::digest::{Digest, ImageId};

mod faults;
mod documents;
mod places;

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

/// A copy of a fixture, which a test may damage.
struct DockerCopy(tempfile::TempDir);

impl DockerCopy {
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

    /// The mount whose line in the fixture's mountinfo ends with these names. The directories of
    /// the mount are changed to the directories of this copy.
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

/// Resolves a container of the overlay2 fixture at its start, as the gate does. The mount is the
/// mount that was recorded when the container started, or no mount.
fn start(
    copy: &DockerCopy,
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
    let copy = DockerCopy::of("docker-20.10-overlay2");
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
    let copy = DockerCopy::of("docker-20.10-overlay2");
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
    let copy = DockerCopy::of("docker-20.10-overlay2");
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
    let copy = DockerCopy::of("docker-20.10-overlay2");
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
    let copy = DockerCopy::of("docker-20.10-overlay2");
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
    let copy = DockerCopy::of("docker-20.10-overlay2");
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

#[test]
fn a_deadline_that_has_passed_leaves_the_lineage_unknown() {
    let copy = DockerCopy::of("docker-20.10-overlay2");
    let layers = LayerStore::of(copy.0.path(), Driver::Overlay2);
    let error = layers
        .chain(ChainId::parse(GONE).unwrap(), &Duration::ZERO.into())
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot tell the lineage in time");
    assert!(error.source().is_none());
}

fn mount_file(container: &str, name: &str) -> String {
    format!("image/overlay2/layerdb/mounts/{container}/{name}")
}
