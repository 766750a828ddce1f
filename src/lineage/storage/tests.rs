//! Tests the stores in `tests/fixtures/podman-*`. The stores are Podman's own files (4.3.1 with
//! Buildah 1.28.2, and 5.8.6), copied while a container was being created.
//!
//! For each container, `calls/` has the runtime's arguments, `root.path`, and the line of mountinfo
//! for the root. In these files, `/srv/store` is the graph root, and `/srv/other` is another graph
//! root whose images are in `/srv/store`. The contents of layers are left out, because nothing
//! reads these contents.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;
use crate::container::ContainerId;
use crate::container::mount::MountQuery;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{DiffId, ImageId};
use crate::lineage::origin::{ImageFacts, ImageLineage};
use crate::sys::file::{self, Guard};

mod faults;
mod directories;
mod podman_5;
mod images;

const BASE: &str = "sha256:827fb3a09d59403c829f708420afcbc606503168598e7860be009bd2b2288fb1";
const APP: [&str; 3] = [
    BASE,
    "sha256:273b0ec475ab6ccd2c024f16a6bd52ab2ecc4a3467fbfd9f67d73fde073d8369",
    "sha256:69b4a7bb5f91468e712b63ded63ef216d20ba3b698a211d3314a4c9cc1307228",
];
const APP_ID: &str = "ba15c58b75d2187bbd1714953c611968f2b2b97237428347bf4d05a6c1dce0df";
const APP_TOP: &str = "efcf4b113164cc7094bbaec5ee72350ef13e568d0e9cf31cf056fd3147234992";
const RUN_OWN: &str = "114de169f3f0e3355eaed0ac66229ca9042301468a37f1ab12c5fb683af85f74";

/// A store that a test may read and damage: `<directory>/store` is a copy of the fixture's.
struct StoreCopy {
    directory: tempfile::TempDir,
    fixture: PathBuf,
}

/// One call of the runtime, with the paths of the copy instead of the fixture's.
struct RecordedCall {
    bundle: Bundle,
    mount: Option<RootMount>,
}

impl StoreCopy {
    fn of(fixture: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(fixture);
        for root in ["store", "run"]
            .into_iter()
            .filter(|root| fixture.join(root).is_dir())
        {
            copy(&fixture.join(root), &directory.path().join(root));
        }
        Self { directory, fixture }
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.store().join(name)
    }

    /// Replaces a part of the text of a file. The part must be there.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = text_of(&self.file(name));
        assert!(text.contains(from), "{name} has no {from}");
        self.put(name, text.replace(from, to).as_bytes());
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        write(&self.file(name), bytes);
    }

    fn call(&self, name: &str) -> RecordedCall {
        self.call_beside(name, &self.store())
    }

    /// A call with the graph root of the copy instead of the fixture's, and `images` instead of the
    /// additional store.
    fn call_beside(&self, name: &str, images: &Path) -> RecordedCall {
        let mut text = text_of(&self.fixture.join("calls").join(name));
        let (store, run) = (&*self.store(), &*self.directory.path().join("run"));
        let storage = [
            ("/var/lib/containers/storage", store),
            ("/run/containers/storage", run),
        ];
        for (root, here) in [
            ("/srv/store", images),
            ("/srv/other", store),
            ("/srv/vfs", store),
            ("/srv/fuse", store),
        ]
        .into_iter()
        .chain(storage)
        {
            text = text.replace(&format!("{root}/"), &format!("{}/", here.display()));
        }
        let mut lines = text.lines();
        let arguments: Vec<_> = lines.next().unwrap().split(' ').collect();
        let root = PathBuf::from(lines.next().unwrap());
        let mount = mount::find(
            lines.next().unwrap_or_default().as_bytes(),
            MountQuery::Point(&root),
        );
        let bundle = Bundle {
            path: arguments[arguments
                .iter()
                .position(|argument| *argument == "--bundle")
                .unwrap()
                + 1]
            .into(),
            id: ContainerId::parse(arguments.last().unwrap()).unwrap(),
            root,
        };
        RecordedCall { bundle, mount }
    }

    fn settings(&self, text: &str) -> PathBuf {
        let path = self.directory.path().join("storage.conf");
        write(&path, text.as_bytes());
        path
    }
}

fn text_of(path: &Path) -> String {
    file::read_text(path, 1 << 20, Guard::Any).unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    let mut options = fs::OpenOptions::new();
    options
        .create(true)
        .truncate(true)
        .write(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, kind) = entry
            .map(|entry| (entry.path(), entry.file_type().unwrap()))
            .unwrap();
        let target = to.join(entry.file_name().unwrap());
        match kind {
            kind if kind.is_dir() => copy(&entry, &target),
            kind if kind.is_symlink() => symlink(fs::read_link(entry).unwrap(), target).unwrap(),
            _file => fs::copy(entry, target).map(drop).unwrap(),
        }
    }
}

fn later() -> &'static Deadline {
    Box::leak(Box::new(Duration::from_secs(60).into()))
}

impl RecordedCall {
    fn mounted<'a>(&'a self, settings: &'a [PathBuf]) -> MountedContainer<'a> {
        MountedContainer {
            bundle: &self.bundle,
            mount: self.mount.as_ref(),
            settings,
            deadline: later(),
        }
    }

    fn container(&self, store: &Path, driver: &str) -> Result<Origin, LineageError> {
        self.mounted(&[]).container(store, driver)
    }
}

fn image(origin: Origin) -> ImageLineage {
    match origin {
        Origin::Image(image) => image,
        other @ (Origin::NoLayers(_) | Origin::NoImage) => panic!("{other:?}"),
    }
}

fn chain(diff_ids: &[&str]) -> Chain {
    Chain::from_diff_ids(
        diff_ids
            .iter()
            .map(|text| DiffId::parse(text).unwrap())
            .collect(),
    )
    .unwrap()
}

fn app_facts(store: &Path) -> ImageFacts {
    let directory = store.join("overlay-images").join(APP_ID);
    ImageFacts {
        image_id: Some(ImageId(Digest::from_hex(APP_ID).unwrap())),
        manifests: vec![
            Digest::parse(
                "sha256:996cdf1ee6edf45091ae94738d57883cb7f02b72d5156e6db8364e73944c44b9",
            )
            .unwrap(),
        ],
        name: Some("localhost/app:1".to_owned()),
        config_file: Some(directory.join(big_data::file_name(&format!("sha256:{APP_ID}")))),
        pull_fault: None,
    }
}

#[test]
fn a_container_is_resolved_however_podman_started_it() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    for (call, evidence) in [
        ("run", Evidence::Mount),
        ("rm", Evidence::Mount),
        ("uidmap", Evidence::Mount),
        ("uidmap-copy", Evidence::Mount),
    ] {
        let origin = copy.call(call).container(&copy.store(), "overlay").unwrap();
        assert_eq!(
            origin,
            Origin::Image(ImageLineage {
                chain: chain(&APP),
                facts: app_facts(&copy.store()),
                evidence
            }),
            "{call}"
        );
    }
}

#[test]
fn of_a_root_mounted_for_reading_only_the_containers_layer_is_the_topmost() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let mut call = copy.call("run");
    let mount = call.mount.as_mut().unwrap();
    let upper = mount.upperdir.take().unwrap();
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    let fault = format!("it is not the layer {RUN_OWN} of the container's record");
    assert_eq!(
        error.to_string(),
        format!("cannot trust the mount at {:?}: {fault}", call.bundle.root)
    );
    call.mount.as_mut().unwrap().lowerdirs.insert(0, upper);
    let found = image(call.container(&copy.store(), "overlay").unwrap());
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Mount)
    );
}

#[test]
fn a_container_of_an_image_without_layers_has_none() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let origin = copy
        .call("no-layers")
        .container(&copy.store(), "overlay")
        .unwrap();
    let Origin::NoLayers(facts) = origin else {
        panic!("{origin:?}")
    };
    assert_eq!(facts.name.as_deref(), Some("localhost/empty:1"));
}

#[test]
fn a_build_step_is_resolved_by_its_mount() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let second_layer = "sha256:2816980b221e7506babb566caf9678f1791ca75d78bfacdac65eaa800aabf08a";
    for (call, diff_ids) in [("buildah", &[BASE][..]), ("build", &[BASE, second_layer])] {
        let call = copy.call(call);
        let found = image(call.mounted(&[]).build().unwrap());
        assert_eq!(
            (found.chain, found.evidence),
            (chain(diff_ids), Evidence::Mount)
        );
        assert!(found.facts.image_id.is_some());
    }
    // Without the container's record, the layers are still known.
    fs::remove_file(copy.file("overlay-containers/containers.json")).unwrap();
    let found = image(copy.call("build").mounted(&[]).build().unwrap());
    assert_eq!(
        found,
        ImageLineage {
            chain: chain(&[BASE, second_layer]),
            facts: ImageFacts::default(),
            evidence: Evidence::Mount
        }
    );
}

#[test]
fn the_record_of_a_volatile_container_is_elsewhere() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let volatile = copy.file("overlay-containers/volatile-containers.json");
    fs::rename(copy.file("overlay-containers/containers.json"), &volatile).unwrap();
    copy.put("overlay-containers/containers.json", b"[]");
    assert!(copy.call("rm").container(&copy.store(), "overlay").is_ok());
    // CRI-O's bundle is in the run root. Only root.path shows the graph root.
    assert!(
        copy.call("rm")
            .container(Path::new("/run/nowhere"), "overlay")
            .is_ok()
    );
}

#[test]
fn nothing_is_looked_up_after_the_deadline() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let call = copy.call("run");
    let late = MountedContainer {
        deadline: &Duration::ZERO.into(),
        ..call.mounted(&[])
    };
    assert!(matches!(
        late.container(&copy.store(), "overlay"),
        Err(LineageError::Unknown(Unknown::Deadline))
    ));
    let find = |id: &str| {
        container::find(id, "overlay", &[&copy.store()], &Duration::ZERO.into()).map(drop)
    };
    for id in [call.bundle.id.as_str(), "nowhere"] {
        assert!(
            matches!(find(id), Err(LineageError::Unknown(Unknown::Deadline))),
            "{id}"
        );
    }
    let layers = layers::Layers::load("overlay", &[copy.store()], &Duration::ZERO.into());
    assert!(matches!(
        layers,
        Err(LineageError::Unknown(Unknown::Deadline))
    ));
}
