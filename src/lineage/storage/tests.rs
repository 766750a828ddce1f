//! Tests stores under `tests/fixtures/podman-*`, which are Podman's own files (4.3.1 with Buildah
//! 1.28.2, and 5.8.6), taken while a container was being created.
//!
//! `calls/` has for each the runtime's arguments, `root.path` and the root's line of mountinfo.
//! There `/srv/store` is the graph root, and `/srv/other` a graph root whose images are in
//! `/srv/store`. The contents of layers are left out: nothing reads them.

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

const BASE: &str = "sha256:827fb3a09d59403c829f708420afcbc606503168598e7860be009bd2b2288fb1";
const APP: [&str; 3] = [
    BASE,
    "sha256:273b0ec475ab6ccd2c024f16a6bd52ab2ecc4a3467fbfd9f67d73fde073d8369",
    "sha256:69b4a7bb5f91468e712b63ded63ef216d20ba3b698a211d3314a4c9cc1307228",
];
const APP_ID: &str = "ba15c58b75d2187bbd1714953c611968f2b2b97237428347bf4d05a6c1dce0df";
const APP_TOP: &str = "efcf4b113164cc7094bbaec5ee72350ef13e568d0e9cf31cf056fd3147234992";
const RUN_OWN: &str = "114de169f3f0e3355eaed0ac66229ca9042301468a37f1ab12c5fb683af85f74";

/// A store for a test to read and to break: `<directory>/store` is a copy of the fixture's.
struct Copy {
    directory: tempfile::TempDir,
    fixture: PathBuf,
}

/// One call of the runtime, with the copy's paths instead of the fixture's.
struct Call {
    bundle: Bundle,
    mount: Option<RootMount>,
}

impl Copy {
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

    /// Replaces a part of a file's text, which must be there.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = text_of(&self.file(name));
        assert!(text.contains(from), "{name} has no {from}");
        self.put(name, text.replace(from, to).as_bytes());
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        write(&self.file(name), bytes);
    }

    fn call(&self, name: &str) -> Call {
        self.call_beside(name, &self.store())
    }

    /// A call with the copy's graph root instead of the fixture's own, and `images` instead of the
    /// additional store.
    fn call_beside(&self, name: &str, images: &Path) -> Call {
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
        Call { bundle, mount }
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

impl Call {
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
    let copy = Copy::of("podman-4.3-overlay");
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
    let copy = Copy::of("podman-4.3-overlay");
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
    let copy = Copy::of("podman-4.3-overlay");
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
fn a_container_made_from_a_directory_has_no_image() {
    let copy = Copy::of("podman-4.3-overlay");
    for call in ["rootfs", "rootfs-overlay"] {
        assert_eq!(
            copy.call(call).container(&copy.store(), "overlay").unwrap(),
            Origin::NoImage,
            "{call}"
        );
    }
}

#[test]
fn a_mounted_image_given_as_a_directory_is_still_that_image() {
    let copy = Copy::of("podman-4.3-overlay");
    let found = image(
        copy.call("rootfs-image")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        found,
        ImageLineage {
            chain: chain(&APP),
            facts: ImageFacts::default(),
            evidence: Evidence::Metadata
        }
    );
}

#[test]
fn a_directory_of_a_store_is_never_no_image() {
    let copy = Copy::of("podman-4.3-overlay");
    let layer = copy.file(&format!("overlay/{APP_TOP}"));
    let lower = |directories: &[&Path]| {
        let mut call = copy.call("rootfs-overlay");
        call.mount.as_mut().unwrap().lowerdirs = directories
            .iter()
            .map(|directory| directory.to_path_buf())
            .collect();
        call
    };
    let root = |root: PathBuf| {
        let mut call = copy.call("rootfs");
        call.bundle.root = root;
        call
    };
    let link = copy.directory.path().join("link");
    symlink(&layer, &link).unwrap();
    fs::create_dir_all(layer.join("diff")).unwrap();
    let unlisted = copy.file(&format!("overlay/{}/merged", "f".repeat(64)));
    for call in [
        lower(&[&layer.join("mapped/0/diff")]),
        lower(&[&layer.join("diff"), Path::new("/srv/root")]),
        lower(&[&unlisted]),
        root(layer.join("diff")),
        root(link.join("diff")),
        root(unlisted.clone()),
    ] {
        let error = call.container(&copy.store(), "overlay").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot tell what is mounted at {:?}", call.bundle.root)
        );
        assert!(matches!(error, LineageError::Unknown(_)));
    }
}

#[test]
fn a_whole_copy_given_as_a_directory_is_still_that_image() {
    let copy = Copy::of("podman-4.3-vfs");
    let run = copy.call("run");
    let list = text_of(&copy.file("vfs-containers/containers.json"));
    let records: Vec<ContainerRecord> = records::all(list.as_bytes()).unwrap();
    let image = records
        .into_iter()
        .find(|record| record.id == run.bundle.id.as_str())
        .unwrap()
        .image;
    copy.edit(
        "vfs-containers/containers.json",
        &format!("\"image\":\"{image}\""),
        "\"image\":\"\"",
    );
    let found = self::image(run.container(&copy.store(), "vfs").unwrap());
    assert_eq!(
        (found.chain.diff_ids().len(), found.evidence),
        (3, Evidence::Metadata)
    );
}

#[test]
fn a_build_step_is_resolved_by_its_mount() {
    let copy = Copy::of("podman-4.3-overlay");
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
    // Without its record, the layers are known all the same.
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
    let copy = Copy::of("podman-4.3-overlay");
    let volatile = copy.file("overlay-containers/volatile-containers.json");
    fs::rename(copy.file("overlay-containers/containers.json"), &volatile).unwrap();
    copy.put("overlay-containers/containers.json", b"[]");
    assert!(copy.call("rm").container(&copy.store(), "overlay").is_ok());
    // CRI-O's bundle is in the run root; only root.path shows its graph root.
    assert!(
        copy.call("rm")
            .container(Path::new("/run/nowhere"), "overlay")
            .is_ok()
    );
}

#[test]
fn a_container_is_resolved_however_podman_5_started_it() {
    let copy = Copy::of("podman-5.8-overlay");
    let app = [
        BASE,
        "sha256:c0e9fd54cb4fb47900188ed1e8f54fab3d70c8ad20972e487cd1b7b74b848fae",
        "sha256:6ba5b93f91ad15345f0b7dccb5ecca2362d96b2331ac4fe41d75f82e6d9092c0",
    ];
    // `--rm` is in the volatile list. `--uidmap` hides the layers behind directories that were
    // mapped, and is at an intermediate mount point.
    for (call, evidence) in [
        ("run", Evidence::Mount),
        ("rm", Evidence::Mount),
        ("uidmap", Evidence::Metadata),
    ] {
        let found = image(copy.call(call).container(&copy.store(), "overlay").unwrap());
        assert_eq!(
            (found.chain, found.evidence),
            (chain(&app), evidence),
            "{call}"
        );
    }
    assert_eq!(
        copy.call("rootfs-overlay")
            .container(&copy.store(), "overlay")
            .unwrap(),
        Origin::NoImage
    );
    // In transient mode both the bundle and the record are in the run root.
    let call = copy.call("transient");
    let run_root = call.bundle.path.ancestors().nth(3).unwrap();
    assert_eq!(run_root, copy.directory.path().join("run"));
    assert_eq!(
        image(call.container(run_root, "overlay").unwrap()).chain,
        chain(&app)
    );
}

#[test]
fn layers_that_were_mounted_through_descriptors_are_those_that_the_containers_layer_was_made_on() {
    let app = [
        BASE,
        "sha256:c0e9fd54cb4fb47900188ed1e8f54fab3d70c8ad20972e487cd1b7b74b848fae",
        "sha256:6ba5b93f91ad15345f0b7dccb5ecca2362d96b2331ac4fe41d75f82e6d9092c0",
    ];
    let copy = Copy::of("podman-5.8-overlay");
    let by_descriptors = |copy: &Copy, directories: &[&str]| {
        let mut call = copy.call("run");
        call.mount.as_mut().unwrap().lowerdirs = directories.iter().map(PathBuf::from).collect();
        call
    };
    let call = by_descriptors(&copy, &["3", "6", "7"]);
    let found = image(call.container(&copy.store(), "overlay").unwrap());
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&app), Evidence::Metadata)
    );
    // Fewer directories than layers, another layer's mount, and a note of other layers are
    // contradictions.
    let own = "68d4a44351587d27d5f83e373d5d4fc57748f5b46fdaebd4290f51b4a8c24ec6";
    let at = |call: &Call, fault: &str| {
        format!("cannot trust the mount at {:?}: {fault}", call.bundle.root)
    };
    let call = by_descriptors(&copy, &["3", "6"]);
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    assert_eq!(
        error.to_string(),
        at(
            &call,
            "it has 2 directories below it, and its layer was made on 3 layers"
        )
    );
    let mut call = by_descriptors(&copy, &["3", "6", "7"]);
    let upper = call.mount.as_ref().unwrap().upperdir.clone().unwrap();
    let other = "1d4fc8f44330452de3e9342168c59b8b066371dade10b4473ba3a36bf7a06bfe";
    call.mount.as_mut().unwrap().upperdir =
        Some(upper.to_str().unwrap().replace(own, other).into());
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    assert_eq!(
        error.to_string(),
        at(
            &call,
            &format!("it is the layer {other}, the container's record says {own}")
        )
    );
    copy.put(
        &format!("overlay/{own}/lower"),
        b"l/F45MUEFLZ5K25MGRJAI5U2VNWQ",
    );
    let error = by_descriptors(&copy, &["3", "6", "7"])
        .container(&copy.store(), "overlay")
        .unwrap_err();
    assert!(
        matches!(error, LineageError::Corrupt(Corrupt::Mount(..))),
        "{error}"
    );
    // Without the note the list of layers is used; without an image's record nothing is known.
    fs::remove_file(copy.file(&format!("overlay/{own}/lower"))).unwrap();
    let found = image(
        by_descriptors(&copy, &["3", "6", "7"])
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&app), Evidence::Metadata)
    );
    let mut call = copy.call("rootfs-overlay");
    call.mount.as_mut().unwrap().lowerdirs = ["3", "6"].map(PathBuf::from).to_vec();
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot tell what is mounted at {:?}", call.bundle.root)
    );
}

#[test]
fn the_layers_of_an_additional_store_are_found_where_the_mount_shows_them() {
    let copy = Copy::of("podman-4.3-additional-store");
    let images = Copy::of("podman-4.3-overlay");
    let here = |call: &str| copy.call_beside(call, &images.store());
    let found = image(here("run").container(&copy.store(), "overlay").unwrap());
    assert_eq!(
        found,
        ImageLineage {
            chain: chain(&APP),
            facts: app_facts(&images.store()),
            evidence: Evidence::Mount
        }
    );
    // Mapped for another user namespace, the directories do not show the store; the settings do.
    let settings = [copy.settings(&format!(
        "[storage.options]\nadditionalimagestores = [{:?}]\n",
        images.store()
    ))];
    let found = image(
        here("uidmap")
            .mounted(&settings)
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        found,
        ImageLineage {
            chain: chain(&APP),
            facts: app_facts(&images.store()),
            evidence: Evidence::Mount
        }
    );
    let error = here("uidmap")
        .container(&copy.store(), "overlay")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find a layer's record in {:?}",
            copy.file("overlay-layers/layers.json")
        )
    );
}

#[test]
fn drivers_without_an_overlay_mount_are_known_by_the_records() {
    let app = [
        BASE,
        "sha256:a53357b3e683a56d8f0bc3bfa513a973f51da37ba751ee45fd79f33273856aad",
        "sha256:98b1c4f0457a0c9f83fca253cc304885bd7a6434114c681483c1b10aa7529bc6",
    ];
    let copy = Copy::of("podman-4.3-vfs");
    let found = image(copy.call("run").container(&copy.store(), "vfs").unwrap());
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&app), Evidence::Metadata)
    );
    // The second step of a build: the kernel names the directory that is bound to the root.
    let mut call = copy.call("build");
    let layer = call.mount.as_ref().unwrap().root.clone();
    fs::create_dir_all(&layer).unwrap();
    call.bundle.root = layer;
    let found = image(call.mounted(&[]).build().unwrap());
    assert_eq!(found.chain.diff_ids().len(), 2);
    call.bundle.root = copy.store();
    let error = call.mounted(&[]).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot tell what is mounted at {:?}", copy.store())
    );
    // fuse-overlayfs does not report its layers, but the driver noted them.
    let copy = Copy::of("podman-4.3-fuse-overlayfs");
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain.diff_ids().len(), found.evidence),
        (3, Evidence::Metadata)
    );
}

#[test]
fn a_layer_that_its_engine_never_saw_whole_is_only_claimed() {
    // Known by its table of contents: another ID, no diff ID (containers/image before 5.34, or with
    // unpredictable contents allowed).
    let copy = Copy::of("podman-4.3-overlay");
    let other = "0".repeat(64);
    copy.edit(
        "overlay-layers/layers.json",
        &format!("{{\"id\":\"{APP_TOP}\""),
        &format!("{{\"id\":\"{other}\""),
    );
    copy.edit(
        "overlay-layers/layers.json",
        &format!("\"diff-digest\":\"{}\"", APP[2]),
        "\"toc-digest\":\"sha256:00\"",
    );
    copy.edit(
        "overlay-layers/layers.json",
        &format!("\"parent\":\"{APP_TOP}\""),
        &format!("\"parent\":\"{other}\""),
    );
    let link = copy.file("overlay/l/NLQPOFIRU6GGFWCCOJHKDGUMCJ");
    fs::remove_file(&link).unwrap();
    symlink(format!("../{other}/diff"), &link).unwrap();
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Claimed)
    );
    // Pulled lazily: the layer's directory is a link into the store that holds it.
    let copy = Copy::of("podman-4.3-overlay");
    symlink(
        "/var/lib/stargz-store/store/x/diff",
        copy.file(&format!("overlay/{APP_TOP}/diff")),
    )
    .unwrap();
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Claimed)
    );
}

#[test]
fn an_image_whose_id_is_not_its_configs_digest_is_found_by_its_items() {
    let copy = Copy::of("podman-4.3-overlay");
    let other = "a".repeat(64);
    for list in [
        "overlay-containers/containers.json",
        "overlay-images/images.json",
    ] {
        copy.edit(list, &format!("\"{APP_ID}\""), &format!("\"{other}\""));
    }
    fs::rename(
        copy.file(&format!("overlay-images/{APP_ID}")),
        copy.file(&format!("overlay-images/{other}")),
    )
    .unwrap();
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Mount)
    );
    assert_eq!(
        found.facts.image_id,
        Some(ImageId(Digest::from_hex(APP_ID).unwrap()))
    );
}

#[test]
fn without_the_image_config_the_list_of_layers_decides() {
    let copy = Copy::of("podman-4.3-overlay");
    fs::remove_dir_all(copy.file(&format!("overlay-images/{APP_ID}"))).unwrap();
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Mount)
    );
    assert_eq!(
        found.facts.image_id,
        Some(ImageId(Digest::from_hex(APP_ID).unwrap()))
    );
}

#[test]
fn nothing_is_looked_up_after_the_deadline() {
    let copy = Copy::of("podman-4.3-overlay");
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

#[test]
fn people_see_the_store_as_podman_does() {
    let copy = Copy::of("podman-4.3-overlay");
    let store = ContainersStore::open_with(
        &copy.store(),
        &copy.directory.path().join("run"),
        Vec::new(),
    )
    .unwrap();
    let containers = store.containers().unwrap();
    assert_eq!(containers.len(), 11);
    let run = containers
        .iter()
        .find(|container| container.names == ["run"])
        .unwrap();
    assert_eq!(run.image.as_deref(), Some("localhost/app:1"));
    let expected = ImageLineage {
        chain: chain(&APP),
        facts: app_facts(&copy.store()),
        evidence: Evidence::Metadata,
    };
    assert_eq!(
        store.container(&run.id, later().clone()).unwrap(),
        Origin::Image(expected.clone())
    );
    assert_eq!(store.images().unwrap().len(), 6);
    for reference in [
        "app:1",
        "localhost/app:1",
        APP_ID,
        &APP_ID[..12],
        &format!("sha256:{APP_ID}"),
        &format!("localhost/app@{}", app_facts(&copy.store()).manifests[0]),
    ] {
        assert_eq!(
            store.image(reference, later().clone()).unwrap(),
            Origin::Image(expected.clone()),
            "{reference}"
        );
    }
    assert_eq!(
        image(store.image("base:1", later().clone()).unwrap()).chain,
        chain(&[BASE])
    );
    assert!(matches!(
        store.image("localhost/empty:1", later().clone()),
        Ok(Origin::NoLayers(_))
    ));
    assert_eq!(
        store.image("app", later().clone()).unwrap_err().to_string(),
        format!("cannot find the image in {:?}", copy.store())
    );
    let rootfs = containers
        .iter()
        .find(|container| container.names == ["rootfs"])
        .unwrap();
    assert_eq!(
        store.container(&rootfs.id, later().clone()).unwrap(),
        Origin::NoImage
    );
    let nowhere = ContainerId::parse("nowhere").unwrap();
    let error = store.container(&nowhere, later().clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find the container's record in {:?}",
            copy.file("overlay-containers")
        )
    );
    let error = ContainersStore::open(copy.directory.path(), copy.directory.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find a store of images in {:?}",
            copy.directory.path()
        )
    );
}
